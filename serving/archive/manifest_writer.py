"""Writes the manifest: numbers rows, names doubles, cuts shards; a few megabytes of it at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.parquet as pq

from kneeoa.serving.archive.fates import Fate
from kneeoa.serving.archive.layout import ArchiveLayout, written_whole
from kneeoa.serving.archive.manifest_schema import MANIFEST_SCHEMA, ManifestRow, manifest_table
from kneeoa.serving.archive.pseudonyms import Pseudonyms

GROUP_ROWS = 1 << 15
"""Rows of one group of the file: what a reader of one shard has to read, and this process to hold."""
SHARD_FILMS = 1000
PRIVATE_SCHEMA = pa.schema([("row", pa.int64()), ("source", pa.string()), ("member", pa.string())])
_DIGEST_BYTES = 10
"""Of a UID, to know it again: two of 10^8 UIDs share 80 bits with a probability of 4e-9."""


@dataclass(slots=True)
class FirstPass:
    """What the first pass has counted so far.

    Attributes:
        files: rows.
        films: of fate `film`.
        unreadable: of fate `unreadable`.
    """

    files: int = 0
    films: int = 0
    unreadable: int = 0


class ManifestWriter:
    """Turns rows as they come into the manifest; where it breaks off, no file is left.

    Args:
        layout: of the run.
        pseudonyms: to hide identities with, or None.
        shard_films: films of a shard.
    """

    def __init__(
        self, layout: ArchiveLayout, pseudonyms: Pseudonyms | None = None, shard_films: int = SHARD_FILMS
    ) -> None:
        self._layout, self._pseudonyms, self._shard_films = layout, pseudonyms, shard_films
        self._seen: set[bytes] = set()
        self.counts = FirstPass()

    def write(self, rows: Iterable[ManifestRow]) -> None:
        """Writes all rows.

        Raises:
            OSError: the disk is full, or the folder cannot be written to.
        """
        with ExitStack() as stack:
            sinks = [self._open(stack, MANIFEST_SCHEMA, private=False)]
            if self._pseudonyms is not None:
                self._layout.private_sources.parent.mkdir(mode=0o700, exist_ok=True)
                sinks.insert(0, self._open(stack, PRIVATE_SCHEMA, private=True))
            group: list[ManifestRow] = []
            for row in rows:
                group.append(self._decided(row))
                if len(group) == GROUP_ROWS:
                    self._flush(sinks, group)
                    group = []
            self._flush(sinks, group)

    def _open(self, stack: ExitStack, schema: pa.Schema, *, private: bool) -> pq.ParquetWriter:
        target = self._layout.private_sources if private else self._layout.manifest
        temporary = stack.enter_context(written_whole(target, private=private))
        return stack.enter_context(pq.ParquetWriter(temporary, schema, compression="zstd"))

    def _decided(self, row: ManifestRow) -> ManifestRow:
        number, row = self.counts.files, self._told_double(row)
        shard = None
        if row.fate is Fate.FILM:
            shard = self.counts.films // self._shard_films
            self.counts.films += 1
        self.counts.files += 1
        self.counts.unreadable += row.fate is Fate.UNREADABLE
        return replace(row, row=number, shard=shard)

    def _told_double(self, row: ManifestRow) -> ManifestRow:
        """A row whose UID was seen before is a double, unless it cannot be read anyway."""
        if row.sop_instance_uid is None or row.fate is Fate.UNREADABLE:
            return row
        digest = hashlib.blake2b(row.sop_instance_uid.encode(), digest_size=_DIGEST_BYTES).digest()
        if digest in self._seen:
            return replace(row, fate=Fate.DOUBLE, reason=None)
        self._seen.add(digest)
        return row

    def _flush(self, sinks: list[pq.ParquetWriter], group: list[ManifestRow]) -> None:
        if self._pseudonyms is None:
            sinks[0].write_table(manifest_table(replace(row, patient=None) for row in group))
            return
        columns = ([row.row for row in group], [row.source for row in group], [row.member for row in group])
        sinks[0].write_table(pa.table(list(columns), schema=PRIVATE_SCHEMA))
        sinks[1].write_table(manifest_table(map(self._pseudonyms.hide, group)))
