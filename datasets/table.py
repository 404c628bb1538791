"""Knee crops listed in a table: CSV, or Parquet with the `[train]` extra.

Data sheet. One row a picture; header names in any case and order: `image` (path, relative to the table's folder),
`subject` (both knees of a person, and all their visits, share it; a set that only judges may leave it out), `side` (R
or L), `kl` (0-4) and, if wanted, `split` (train, val or test; train where it is empty or absent). Other columns are
ignored.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from kneeoa.datasets.grade_folders import KneeImage
from kneeoa.model.errors import DatasetError
from kneeoa.model.grades import KL_GRADES
from kneeoa.model.radiograph import Side

REQUIRED_COLUMNS = ("image", "subject", "side", "kl")
SPLITS = ("train", "val", "test")
PARQUET_SUFFIXES = (".parquet", ".pq")
_SIDES = MappingProxyType({"r": Side.RIGHT, "right": Side.RIGHT, "l": Side.LEFT, "left": Side.LEFT})
_Row = Mapping[str, str]
"""Column name in lower case -> cell, stripped; empty where there is none."""


def read_table(path: Path, *, subject_required: bool = True) -> list[KneeImage]:
    """Lists the graded knees of a table, in its order.

    Args:
        path: a `.parquet` or `.pq` file, or else CSV in UTF-8 with commas.
        subject_required: whether every row must tell its subject; where not, column and cells may be missing, and
            `KneeImage.subject` is empty there.

    Returns:
        One record a row. Pictures are looked for, but not opened here.

    Raises:
        DatasetError: the table cannot be read, has no rows or lacks a column, or a row has an unknown side or split, a
            KL grade that is none of 0 to 4, no subject, no such picture, or a picture that an earlier row has.
    """
    if not path.is_file():
        raise DatasetError(f"There is no table {path}. Give a CSV or Parquet file, or a folder of splits.")
    required = tuple(name for name in REQUIRED_COLUMNS if subject_required or name != "subject")
    parquet = path.suffix.lower() in PARQUET_SUFFIXES
    rows = _parquet_rows(path, required) if parquet else _csv_rows(path, required)
    seen: dict[Path, str] = {}
    knees = []
    for place, row in rows:
        knee = _knee(row, path.parent, f"{path.name}, {place}")
        if subject_required and not knee.subject:
            raise DatasetError(
                f"{path.name}, {place}: the row has no subject. Without subjects a split cannot be kept free of leaks."
            )
        earlier = seen.setdefault(knee.path.resolve(), place)
        if earlier != place:
            raise DatasetError(f"{path.name}, {place}: {row['image']} stands in {earlier} already. Keep one.")
        knees.append(knee)
    if not knees:
        raise DatasetError(f"{path.name} has no rows. Write one a picture below the header.")
    return knees


def _csv_rows(path: Path, required: tuple[str, ...]) -> Iterator[tuple[str, _Row]]:
    try:
        # utf-8-sig: Excel begins its CSV files with a byte order mark.
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            columns = _columns(next(reader, []), path.name, required)
            for cells in reader:
                if not any(cell.strip() for cell in cells):
                    continue
                place = f"line {reader.line_num}"
                if len(cells) != len(columns):
                    raise DatasetError(
                        f"{path.name}, {place} has {len(cells)} cells under {len(columns)} headings. "
                        'Put values that contain a comma in "quotes".'
                    )
                yield place, {name: cell.strip() for name, cell in zip(columns, cells, strict=True)}
    except UnicodeDecodeError:
        raise DatasetError(f"{path.name} is not UTF-8. Save it as CSV UTF-8.") from None
    except csv.Error as error:
        raise DatasetError(f"{path.name} is not valid CSV: {error}. Save it as CSV with commas.") from None
    except OSError as error:
        raise DatasetError(f"{path.name} cannot be read: {error.strerror}. Check its permissions.") from None


def _parquet_rows(path: Path, required: tuple[str, ...]) -> Iterator[tuple[str, _Row]]:
    try:
        # The runtime has no pyarrow: 100 MB that only training needs.
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise DatasetError(
            f"{path.name} needs pyarrow, which is not installed: pip install 'kneeoa[train]', or save the table as CSV."
        ) from None
    try:
        # ParquetFile, not read_table: the latter would take folders named `kl=2` above the file for columns.
        table = parquet.ParquetFile(path).read()
    except (pa.ArrowException, OSError):
        raise DatasetError(f"{path.name} is not a Parquet file that can be read. Write it again, or as CSV.") from None
    columns = _columns([str(name) for name in table.column_names], path.name, required)
    for number, cells in enumerate(zip(*(column.to_pylist() for column in table.columns), strict=True), start=1):
        yield f"row {number}", {name: _text(cell) for name, cell in zip(columns, cells, strict=True)}


def _columns(header: list[str], name: str, required: tuple[str, ...]) -> list[str]:
    columns = [column.strip().lower() for column in header]
    missing = [column for column in required if column not in columns]
    if missing:
        raise DatasetError(
            f"{name} has no column {', '.join(missing)} (found: {', '.join(columns) or 'none'}). The header names "
            f"{', '.join(required)} and, if wanted, split, with commas between."
        )
    twice = sorted({column for column in (*REQUIRED_COLUMNS, "split") if columns.count(column) > 1})
    if twice:
        raise DatasetError(f"{name} has two columns named {', '.join(twice)}. Keep one.")
    return columns


def _text(cell: object) -> str:
    """A Parquet cell as it would stand in CSV; whole floats, which missing values make of integers, lose their `.0`."""
    if cell is None or cell != cell:  # noqa: PLR0124 - only NaN differs from itself
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell).strip()


def _knee(row: _Row, folder: Path, place: str) -> KneeImage:
    if not row["image"]:
        raise DatasetError(f"{place}: the row names no image. Give its path, relative to {folder}.")
    image = folder / row["image"]
    if not image.is_file():
        raise DatasetError(f"{place}: there is no file {row['image']} in {folder}. Paths are relative to the table.")
    side = _SIDES.get(row["side"].lower())
    if side is None:
        raise DatasetError(f"{place}: side {row['side']!r} is unknown. Write R or L, the patient's side.")
    split = row.get("split", "").lower() or SPLITS[0]
    if split not in SPLITS:
        raise DatasetError(f"{place}: split {row['split']!r} is unknown. Write one of {', '.join(SPLITS)}.")
    return KneeImage(path=image, subject=row.get("subject", ""), side=side, kl=_kl(row["kl"], place), split=split)


def _kl(text: str, place: str) -> int:
    try:
        grade = float(text)
    except ValueError:
        grade = -1.0
    if grade not in KL_GRADES:
        raise DatasetError(
            f"{place}: KL {text!r} is no Kellgren-Lawrence grade. Write 0, 1, 2, 3 or 4; leave ungraded knees out."
        )
    return int(grade)
