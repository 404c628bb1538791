"""One column of a table: its name, its type and what it means. The schema and its documentation are made of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the manifest or of a part.

    Attributes:
        name: as the table has it; never renamed without another version of the schema.
        kind: its Arrow type.
        meaning: one phrase for the documentation.
        required: whether it is never null.
    """

    name: str
    kind: pa.DataType
    meaning: str
    required: bool = False


def schema_of(columns: Sequence[Column], version: str) -> pa.Schema:
    """The Arrow schema of columns; its version and their meanings travel in its metadata.

    Args:
        columns: in their order.
        version: of the schema.
    """
    fields = [pa.field(c.name, c.kind, nullable=not c.required, metadata={"meaning": c.meaning}) for c in columns]
    return pa.schema(fields, metadata={"kneeoa_schema": version})


def markdown_table(columns: Sequence[Column]) -> str:
    """The columns as docs/archive.md shows them."""
    lines = ["| column | type | meaning |", "|---|---|---|"]
    lines += [f"| `{c.name}` | {c.kind} | {c.meaning} |" for c in columns]
    return "\n".join(lines) + "\n"
