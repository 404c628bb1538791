"""Reads the manifest: one shard of it, without reading the others."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from kneeoa.model.errors import KneeOAError
from kneeoa.serving.archive.layout import ArchiveLayout
from kneeoa.serving.archive.manifest_schema import MANIFEST_SCHEMA, ManifestRow, manifest_rows


class ManifestError(KneeOAError):
    """The manifest is missing, damaged, or of another version; the message says what to do."""


class ManifestReader:
    """The manifest of a run, opened; its rows are read when they are asked for.

    Args:
        layout: of the run.

    Raises:
        ManifestError: there is none, or it cannot be read.
    """

    def __init__(self, layout: ArchiveLayout) -> None:
        try:
            self._file = pq.ParquetFile(layout.manifest)
            private = layout.private_sources
            self._private = pq.ParquetFile(private) if private.exists() else None
        except (OSError, pa.ArrowException) as error:
            raise ManifestError(
                f"The manifest cannot be read ({type(error).__name__}). Delete it and run the command again."
            ) from None
        if not self._file.schema_arrow.equals(MANIFEST_SCHEMA):
            raise ManifestError("The manifest is of another version of KneeOA. Name another --out folder.")
        self._spans = self._shard_spans()

    @property
    def files(self) -> int:
        """How many rows it has."""
        return int(self._file.metadata.num_rows)

    @property
    def shards(self) -> int:
        """How many shards it is cut into."""
        return max((last for _, last in self._spans.values()), default=-1) + 1

    def shard(self, number: int) -> list[tuple[ManifestRow, str, str | None]]:
        """The films of a shard in their order: row, and the source and member behind it.

        Args:
            number: of the shard, from 0.
        """
        films: list[tuple[ManifestRow, str, str | None]] = []
        for group, (first, last) in self._spans.items():
            if not first <= number <= last:
                continue
            table = self._file.read_row_group(group)
            wanted = pc.equal(table.column("shard"), number)
            rows = manifest_rows(table.filter(wanted))
            if self._private is None:
                films += [(row, row.source, row.member) for row in rows]
                continue
            hidden = self._private.read_row_group(group).filter(wanted)
            names = zip(hidden.column("source").to_pylist(), hidden.column("member").to_pylist(), strict=True)
            films += [(row, source, member) for row, (source, member) in zip(rows, names, strict=True)]
        return films

    def count_by_fate(self) -> dict[str, int]:
        """How many files have which fate."""
        counts: dict[str, int] = {}
        for batch in self._file.iter_batches(1 << 18, columns=["fate"]):
            for found in pc.value_counts(batch.column(0)).to_pylist():
                counts[found["values"]] = counts.get(found["values"], 0) + found["counts"]
        return counts

    def _shard_spans(self) -> dict[int, tuple[int, int]]:
        """First and last shard of each group of rows that has films, by the file's own statistics."""
        column = self._file.schema_arrow.get_field_index("shard")
        spans: dict[int, tuple[int, int]] = {}
        for group in range(self._file.num_row_groups):
            found = self._file.metadata.row_group(group).column(column).statistics
            if found is not None and found.has_min_max:
                spans[group] = (found.min, found.max)
        return spans
