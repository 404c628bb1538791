"""Joins a cohort's readings to the pictures that a user has of it.

No cohort's text files name pictures. The user therefore lists them, in a CSV or Parquet table with one row a knee:
`image` (path, relative to the table), `subject` (the cohort's identifier), `visit` (as the cohort numbers it: 0, 1, 3
... or 00, 01, 03 ...), `side` (R or L) and, if wanted, `split`, `barcode` (of the film; it tells apart two films of one
visit), the box columns and the columns of parts of the set that `datasets.table` has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from kneeoa.datasets.cohort_errors import CohortError, CohortMistake
from kneeoa.datasets.grade_folders import KneeImage
from kneeoa.datasets.readings import Feature, Reading, WidthReading, consensus, of_feature
from kneeoa.datasets.table import SPLITS, picture_of, side_of
from kneeoa.datasets.table_columns import BOX_COLUMNS, GROUP_COLUMNS, facts_of
from kneeoa.datasets.table_rows import Row, read_rows
from kneeoa.model.errors import DatasetError
from kneeoa.model.radiograph import Side

FILM_COLUMNS = ("image", "subject", "visit", "side")
BARCODE_DIGITS = 12
_KNOWN = (*FILM_COLUMNS, "split", "barcode", *BOX_COLUMNS, *GROUP_COLUMNS)


@dataclass(frozen=True, slots=True)
class KneeVisit:
    """One knee at one visit.

    Attributes:
        subject: the cohort's identifier.
        visit: the cohort's number of the visit, without leading zeros.
        side: right or left.
    """

    subject: str
    visit: str
    side: Side


@dataclass(frozen=True, slots=True)
class VisitReadings:
    """What the cohort's files say of a knee at a visit.

    Attributes:
        readings: by every reading project.
        widths: measured widths.
        barcodes: of the films that were read; empty where the files do not tell.
    """

    readings: tuple[Reading, ...] = ()
    widths: tuple[WidthReading, ...] = ()
    barcodes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class CohortKnees:
    """A cohort's pictures with what was read from them.

    Attributes:
        knees: pictures that have a KL reading, in the table's order.
        films_without_reading: pictures in the table that have none; they are left out.
        readings_without_film: knees at a visit that were read and have no picture in the table.
    """

    knees: tuple[KneeImage, ...]
    films_without_reading: int
    readings_without_film: int

    def note(self) -> str:
        """What was left out, in a sentence; empty where nothing was."""
        if not self.films_without_reading and not self.readings_without_film:
            return ""
        return (
            f"{len(self.knees)} pictures have a KL reading; {self.films_without_reading} have none and are left out; "
            f"{self.readings_without_film} readings have no picture in the table."
        )


def plain_visit(text: str) -> str:
    """A visit without its `V` and leading zeros, so that `V03`, `03` and `3` are one."""
    return text.strip().upper().removeprefix("V").removesuffix(".0").lstrip("0") or "0"


def join_films(films: Path, known: Mapping[KneeVisit, VisitReadings]) -> CohortKnees:
    """Gives every listed picture its readings.

    Args:
        films: the table of pictures; see above.
        known: what was read.

    Raises:
        CohortError: `short_barcode`, `two_films`, or `other_identifiers` where not one picture has a reading.
        DatasetError: the table cannot be read, or a row is not one of it; see `datasets.table`.
    """
    knees: list[KneeImage] = []
    seen: dict[KneeVisit, str] = {}
    unread = 0
    for place, row in read_rows(films, FILM_COLUMNS, _KNOWN):
        where = f"{films.name}, {place}"
        knee, barcode = _film(row, films.parent, where)
        key = KneeVisit(knee.subject, knee.facts.visit, knee.side)
        found = known.get(key, VisitReadings())
        if barcode and found.barcodes and barcode not in found.barcodes:
            # Another film of the visit than the one that was read.
            unread += 1
            continue
        earlier = seen.setdefault(key, place)
        if earlier != place:
            raise CohortError(
                CohortMistake.TWO_FILMS,
                f"{where}: {earlier} is the same knee at the same visit. Keep the film that was read: with a column "
                "barcode it is found by itself.",
            )
        grades = [reading.grade for reading in of_feature(found.readings, Feature.KL)]
        if grades:
            facts = replace(knee.facts, readings=found.readings, widths=found.widths)
            knees.append(replace(knee, kl=consensus(grades), facts=facts))
        else:
            unread += 1
    _refuse_strangers(films.name, knees, list(seen), known)
    return CohortKnees(tuple(knees), unread, len(known.keys() - seen.keys()))


def _film(row: Row, folder: Path, where: str) -> tuple[KneeImage, str]:
    image, side = picture_of(row, folder, where), side_of(row, where)
    subject = row["subject"].removesuffix(".0")
    if not subject or not row["visit"]:
        raise DatasetError(f"{where}: subject or visit is empty. Both are needed to find the readings of a film.")
    split = row.get("split", "").lower() or SPLITS[0]
    if split not in SPLITS:
        raise DatasetError(f"{where}: split {row['split']!r} is unknown. Write one of {', '.join(SPLITS)}.")
    facts = replace(facts_of(row, 0, where), visit=plain_visit(row["visit"]), readings=(), widths=())
    barcode = row.get("barcode", "")
    if barcode and len(barcode) != BARCODE_DIGITS:
        raise CohortError(
            CohortMistake.SHORT_BARCODE,
            f"{where}: the barcode has {len(barcode)} digits and not {BARCODE_DIGITS}. A spreadsheet takes "
            "leading zeros away: keep the column as text.",
        )
    return KneeImage(image, subject, side, 0, split, facts), barcode


def _refuse_strangers(
    name: str, knees: Sequence[KneeImage], films: Sequence[KneeVisit], known: Mapping[KneeVisit, VisitReadings]
) -> None:
    if knees:
        return
    if not films:
        raise DatasetError(f"{name} has no rows. Write one a knee below the header.")
    # No identifier in the message: it may be a patient's.
    subjects = {film.subject for film in films} & {key.subject for key in known}
    visits = {film.visit for film in films}, {key.visit for key in known}
    if not subjects:
        said = "no subject of the table stands in the readings. Write identifiers as the cohort does"
    elif not visits[0] & visits[1]:
        listed = (", ".join(sorted(side)) for side in visits)
        said = "the table has visits {}, the readings {}. Number visits as the cohort does".format(*listed)
    else:
        said = "subjects and visits agree, but not together with the side. Check the column side"
    raise CohortError(CohortMistake.OTHER_IDENTIFIERS, f"{name}: no picture has a KL reading: {said}.")
