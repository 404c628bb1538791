"""Rows out of a table file, as text: CSV, or Parquet with the `[train]` extra."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path

from kneeoa.model.errors import DatasetError

PARQUET_SUFFIXES = (".parquet", ".pq")
Row = Mapping[str, str]
"""Column name in lower case -> cell, stripped; empty where there is none."""


def read_rows(path: Path, required: tuple[str, ...], known: tuple[str, ...]) -> Iterator[tuple[str, Row]]:
    """The rows of a table, in its order.

    Args:
        path: a `.parquet` or `.pq` file, or else CSV in UTF-8 with commas.
        required: columns that must be there, in lower case.
        known: columns that may be there, and then only once.

    Yields:
        (place of the row for messages, the row).

    Raises:
        DatasetError: the table cannot be read, or a column is missing or stands there twice.
    """
    if not path.is_file():
        raise DatasetError(f"There is no table {path}. Give a CSV or Parquet file, or a folder of splits.")
    parquet = path.suffix.lower() in PARQUET_SUFFIXES
    yield from (_parquet_rows if parquet else _csv_rows)(path, required, known)


def _csv_rows(path: Path, required: tuple[str, ...], known: tuple[str, ...]) -> Iterator[tuple[str, Row]]:
    try:
        # utf-8-sig: Excel begins its CSV files with a byte order mark.
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            columns = _columns(next(reader, []), path.name, required, known)
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


def _parquet_rows(path: Path, required: tuple[str, ...], known: tuple[str, ...]) -> Iterator[tuple[str, Row]]:
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
    columns = _columns([str(name) for name in table.column_names], path.name, required, known)
    for number, cells in enumerate(zip(*(column.to_pylist() for column in table.columns), strict=True), start=1):
        yield f"row {number}", {name: _text(cell) for name, cell in zip(columns, cells, strict=True)}


def _columns(header: list[str], name: str, required: tuple[str, ...], known: tuple[str, ...]) -> list[str]:
    columns = [column.strip().lower() for column in header]
    missing = [column for column in required if column not in columns]
    if missing:
        raise DatasetError(
            f"{name} has no column {', '.join(missing)} (found: {', '.join(columns) or 'none'}). The header names "
            f"{', '.join(required)} and, if wanted, split, with commas between."
        )
    twice = sorted({column for column in known if columns.count(column) > 1})
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
