"""A file as a source lists it, before it is opened."""

from __future__ import annotations

from dataclasses import dataclass

from kneeoa.serving.archive.fates import SourceReason
from kneeoa.serving.archive.manifest_schema import ManifestRow


@dataclass(frozen=True, slots=True)
class Listed:
    """One file, or one archive of many.

    Attributes:
        source: path or URL.
        member: of the archive that `source` is; None for a file, and for an archive with all its members.
        fault: why it need not be opened, or None.
        stated: its row, where a server has told all of it already.
    """

    source: str
    member: str | None = None
    fault: SourceReason | None = None
    stated: ManifestRow | None = None
