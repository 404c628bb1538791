"""Files below a folder, in the order of their names."""

from __future__ import annotations

import os
from collections.abc import Iterator

from kneeoa.serving.archive.access import fault_of, source_of
from kneeoa.serving.archive.fates import SourceReason
from kneeoa.serving.archive.listed import Listed


def files_below(folder: str) -> Iterator[Listed]:
    """Every file but hidden ones; a folder that cannot be listed, and a link that loops, are listed as such.

    Links to folders are followed, each target once: a link that leads to a folder above itself, or to one that another
    link has led to, is `folder_loop`.

    Args:
        folder: an absolute path.
    """
    linked: set[tuple[int, int]] = set()
    # Open folders, the innermost last: their identity, and what is left of them.
    above = [(_identity(folder), _entries(folder))]
    while above:
        entry = next(above[-1][1], None)
        if entry is None:
            above.pop()
        elif isinstance(entry, Listed):
            yield entry
        elif not _is_folder(entry):
            yield Listed(source_of(entry.path))
        else:
            identity = _identity(entry.path)
            loops = identity in {of for of, _ in above} or (entry.is_symlink() and identity in linked)
            if loops:
                yield Listed(source_of(entry.path), fault=SourceReason.FOLDER_LOOP)
                continue
            if entry.is_symlink():
                linked.add(identity)
            above.append((identity, _entries(entry.path)))


def _entries(folder: str) -> Iterator[os.DirEntry[str] | Listed]:
    try:
        with os.scandir(folder) as found:
            entries = sorted((entry for entry in found if not entry.name.startswith(".")), key=lambda entry: entry.name)
    except OSError as error:
        return iter([Listed(source_of(folder), fault=fault_of(error).reason)])
    return iter(entries)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _identity(folder: str) -> tuple[int, int]:
    try:
        status = os.stat(folder)  # noqa: PTH116 - millions of folders
    except OSError:
        return -1, -1
    return status.st_dev, status.st_ino
