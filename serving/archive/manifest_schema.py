"""The manifest: every file that the sources name, in a fixed order, with its fate and what its header states."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import date

import pyarrow as pa

from kneeoa.serving.archive.columns import Column, schema_of
from kneeoa.serving.archive.fates import Fate

MANIFEST_VERSION = "1.0"
_WORD = pa.dictionary(pa.int32(), pa.string())
"""Of values that repeat: dictionaries keep the manifest small."""

MANIFEST_COLUMNS = (
    Column("row", pa.int64(), "number of the file, from 0, in manifest order", required=True),
    Column("source", pa.string(), "path or URL; with `--pseudonymise` its keyed hash", required=True),
    Column("member", pa.string(), "name within the tar or zip file that `source` is; likewise hashed"),
    Column("fate", _WORD, "`film`, `double`, `other` or `unreadable`", required=True),
    Column("reason", _WORD, "why it is no film: a code; null for films"),
    Column("shard", pa.int32(), "number of the shard, from 0; null for all but films"),
    Column("sop_instance_uid", pa.string(), "(0008,0018), or its keyed hash"),
    Column("study_instance_uid", pa.string(), "(0020,000D), or its keyed hash"),
    Column("series_instance_uid", pa.string(), "(0020,000E), or its keyed hash"),
    Column("patient", pa.string(), "keyed hash of Patient ID and its issuer; null without `--pseudonymise`"),
    Column("modality", _WORD, "(0008,0060), a defined term or null"),
    Column("study_date", pa.date32(), "(0008,0020)"),
    Column("station", _WORD, "Station Name (0008,1010)"),
    Column("manufacturer", _WORD, "(0008,0070)"),
    Column("model", _WORD, "Manufacturer's Model Name (0008,1090)"),
    Column("institution", _WORD, "Institution Name (0008,0080)"),
    Column("sex", _WORD, "(0010,0040): `M`, `F` or `O`"),
    Column("age_years", pa.int16(), "at the study, whole years; 90 for all older ones with `--pseudonymise`"),
    Column("body_part", _WORD, "Body Part Examined (0018,0015) or the anatomic region, upper case"),
    Column("view", _WORD, "as in the report: `PA`, `AP`, `LL`, ..., `OTHER` or `unknown`"),
    Column("laterality", _WORD, "that the object states: `R`, `L`, or null"),
    Column("rows", pa.int32(), "(0028,0010)"),
    Column("columns", pa.int32(), "(0028,0011)"),
    Column("transfer_syntax", _WORD, "UID; null for pictures"),
    Column("bytes", pa.int64(), "size of the file or member; null where the source does not tell it"),
)
MANIFEST_SCHEMA = schema_of(MANIFEST_COLUMNS, MANIFEST_VERSION)


@dataclass(frozen=True, slots=True)
class ManifestRow:
    """One row of the manifest; field names and order are those of `MANIFEST_COLUMNS`, which tell the meanings."""

    row: int
    source: str
    member: str | None = None
    fate: Fate = Fate.UNREADABLE
    reason: str | None = None
    shard: int | None = None
    sop_instance_uid: str | None = None
    study_instance_uid: str | None = None
    series_instance_uid: str | None = None
    patient: str | None = None
    modality: str | None = None
    study_date: date | None = None
    station: str | None = None
    manufacturer: str | None = None
    model: str | None = None
    institution: str | None = None
    sex: str | None = None
    age_years: int | None = None
    body_part: str | None = None
    view: str | None = None
    laterality: str | None = None
    rows: int | None = None
    columns: int | None = None
    transfer_syntax: str | None = None
    bytes: int | None = None


_NAMES = tuple(field.name for field in fields(ManifestRow))


def manifest_table(rows: Iterable[ManifestRow]) -> pa.Table:
    """Rows as a table of `MANIFEST_SCHEMA`."""
    kept = list(rows)
    arrays = [
        pa.array([getattr(row, name) for row in kept], column.kind)
        for name, column in zip(_NAMES, MANIFEST_COLUMNS, strict=True)
    ]
    return pa.Table.from_arrays(arrays, schema=MANIFEST_SCHEMA)


def manifest_rows(table: pa.Table) -> list[ManifestRow]:
    """The rows of a table of `MANIFEST_SCHEMA`."""
    columns = [table.column(name).to_pylist() for name in _NAMES]
    return [
        ManifestRow(values[0], values[1], values[2], Fate(values[3]), *values[4:])
        for values in zip(*columns, strict=True)
    ]
