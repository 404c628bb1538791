"""The files that a DICOMDIR lists.

References:
    PS3.10 section 8 (media), PS3.3 F.3.2 (Referenced File ID).
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pydicom

from kneeoa.model.errors import ConfigError
from kneeoa.serving.archive.access import source_of
from kneeoa.serving.archive.listed import Listed


def files_of_dicomdir(path: str) -> Iterator[Listed]:
    """Every file that a directory record references, in the order of the records.

    Args:
        path: absolute, of the DICOMDIR.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        records = pydicom.dcmread(path).get("DirectoryRecordSequence", ())
        parts = [_parts(record.get("ReferencedFileID")) for record in records]
    except Exception as error:  # noqa: BLE001, RUF100 - pydicom raises anything at damaged files
        raise ConfigError(f"The DICOMDIR cannot be read ({type(error).__name__}). Name its folder instead.") from None
    root = os.path.dirname(path)  # noqa: PTH120 - a name without text
    for names in parts:
        # A component is one plain name: nothing leads out of the medium.
        if names and not any(name in {"", ".", ".."} or "/" in name or "\\" in name for name in names):
            yield Listed(source_of(os.path.join(root, *names)))  # noqa: PTH118


def _parts(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(str(part) for part in value if part)  # type: ignore[attr-defined]
