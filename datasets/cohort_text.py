"""Rows and values of the text files that OAI and MOST publish.

OAI writes one line of headings and then values, all with `|` between; a coded value comes with its label, as `1: Right`
or `3: 3`, and a missing one as `.`, `.M: Missing Form/Incomplete Workbook`, `.T` and the like (SAS has 27 kinds of
missing). MOST's are the same with tabs or commas. Headings come in any case.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from kneeoa.datasets.cohort_errors import CohortError, CohortMistake

SEPARATORS = ("|", "\t", ",")
BINARY_SUFFIXES = (".sas7bdat", ".xpt", ".xls", ".xlsx", ".zip", ".gz")
_MISSING = re.compile(r"^(\.[A-Z_]?)?(\s*:.*)?$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class CohortRow:
    """One line of a cohort's file.

    Attributes:
        place: file and line, for messages.
        cells: by heading in capitals, stripped.
    """

    place: str
    cells: Mapping[str, str]

    def number(self, column: str) -> float | None:
        """The value of a column; None where it is missing or the file has no such column.

        Raises:
            CohortError: `not_a_number`.
        """
        text = self.cells.get(column, "")
        if _MISSING.match(text):
            return None
        # "3: 3" and "1: Right": the code stands before its label.
        try:
            value = float(text.partition(":")[0])
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise CohortError(
                CohortMistake.NOT_A_NUMBER,
                f"{self.place}: {column} is {text!r}, which is neither a value nor one of the missing values '.', '.M' "
                "and so on. Download the file again.",
            )
        return value

    def whole(self, column: str) -> str:
        """An identifier as text, without a `.0` that a program added and without its label; empty where missing."""
        text = self.cells.get(column, "").partition(":")[0].strip()
        return "" if _MISSING.match(text) else text.removesuffix(".0")


def read_cohort_rows(path: Path, wanted: str, identifier: str) -> Iterator[CohortRow]:
    """The rows of a cohort's text file.

    Args:
        path: the file.
        wanted: which file it should be, for messages.
        identifier: the heading, in capitals, without which it is another file.

    Yields:
        One record a line below the headings.

    Raises:
        CohortError: `no_file`, `binary_file`, `other_file` or `other_separator`.
    """
    if not path.is_file():
        raise CohortError(CohortMistake.NO_FILE, f"there is no file {path.name}. Give {wanted}.")
    if path.suffix.lower() in BINARY_SUFFIXES:
        raise CohortError(
            CohortMistake.BINARY_FILE, f"{path.name} is no text file. Take {wanted} from the ASCII download."
        )
    try:
        with path.open(encoding="latin-1", newline="") as file:
            first = file.readline()
            if "\0" in first:
                raise CohortError(CohortMistake.BINARY_FILE, f"{path.name} holds binary data. Give {wanted}, as text.")
            separator = max(SEPARATORS, key=first.count)
            headings = [cell.strip().upper() for cell in next(csv.reader([first], delimiter=separator), [])]
            headings = [heading.removeprefix("ï»¿") for heading in headings]
            _refuse_headings(path.name, headings, wanted, identifier)
            yield from _rows(path.name, csv.reader(file, delimiter=separator), headings)
    except OSError as error:
        raise CohortError(CohortMistake.NO_FILE, f"{path.name} cannot be read: {error.strerror}.") from None


def _refuse_headings(name: str, headings: list[str], wanted: str, identifier: str) -> None:
    if len(headings) < 2:
        raise CohortError(
            CohortMistake.OTHER_SEPARATOR,
            f"the first line of {name} has no |, tab or comma between headings. Give {wanted} as it was downloaded.",
        )
    if identifier not in headings:
        raise CohortError(
            CohortMistake.OTHER_FILE,
            f"{name} has no column {identifier} (found: {', '.join(headings[:6])} ...). Give {wanted}.",
        )


def _rows(name: str, lines: Iterator[list[str]], headings: list[str]) -> Iterator[CohortRow]:
    for number, cells in enumerate(lines, start=2):
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(headings):
            raise CohortError(
                CohortMistake.OTHER_SEPARATOR,
                f"{name}, line {number} has {len(cells)} cells under {len(headings)} headings: the file was cut short "
                "or saved anew by a spreadsheet. Download it again and leave it as it is.",
            )
        stripped = (cell.strip() for cell in cells)
        yield CohortRow(f"{name}, line {number}", dict(zip(headings, stripped, strict=True)))
