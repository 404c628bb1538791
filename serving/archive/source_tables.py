"""Tables that name files: CSV or Parquet with a column of paths or URLs."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from kneeoa.model.errors import ConfigError
from kneeoa.serving.archive.access import source_of
from kneeoa.serving.archive.listed import Listed

NAMES = ("source", "path", "url")
"""Of the column, the first of them that the table has."""
_MEMBER = "member"


def files_of_table(table: str) -> Iterator[Listed]:
    """The files that a table names, in its order.

    Args:
        table: absolute path of a .csv or .parquet file with a column `source`, `path` or `url`, and perhaps `member`:
            the name in the tar or zip file that the first names. Relative paths begin at the table's folder.

    Raises:
        ConfigError: it cannot be read, or has no such column.
    """
    try:
        batches = _csv(table) if table.lower().endswith(".csv") else pq.ParquetFile(table).iter_batches(1 << 16)
        yield from _files(batches, os.path.dirname(table))  # noqa: PTH120 - a name without text
    except (OSError, pa.ArrowException) as error:
        raise ConfigError(
            f"The table of files cannot be read ({type(error).__name__}). Write it as UTF-8 CSV."
        ) from None


def _csv(table: str) -> Iterator[pa.RecordBatch]:
    kinds = dict.fromkeys((*NAMES, _MEMBER), pa.string())
    options = pyarrow.csv.ConvertOptions(column_types=kinds, strings_can_be_null=True)
    return iter(pyarrow.csv.open_csv(table, convert_options=options))


def _files(batches: Iterator[pa.RecordBatch], folder: str) -> Iterator[Listed]:
    for batch in batches:
        name = next((name for name in NAMES if name in batch.schema.names), None)
        if name is None:
            raise ConfigError(f"The table of files has no column {', '.join(NAMES[:-1])} or {NAMES[-1]}.")
        members = batch.column(_MEMBER).to_pylist() if _MEMBER in batch.schema.names else [None] * batch.num_rows
        for source, member in zip(batch.column(name).to_pylist(), members, strict=True):
            if source:
                yield Listed(source if "://" in source else source_of(os.path.join(folder, source)), member or None)  # noqa: PTH118
