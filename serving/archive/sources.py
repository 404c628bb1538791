"""What the words of a command line name: files in a fixed order."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from kneeoa.model.errors import ConfigError
from kneeoa.serving.archive.access import DICOMWEB, SourceError, again, local_path, source_of
from kneeoa.serving.archive.folders import files_below
from kneeoa.serving.archive.listed import Listed

_GLOB = frozenset("*?[")
_TABLES = (".csv", ".parquet")


def files_of(sources: Sequence[str]) -> Iterator[Listed]:
    """Everything that sources name, source after source; the same each time, while nothing changes there.

    Args:
        sources: folders, files, globs, DICOMDIR files, tar and zip files, CSV and Parquet tables of paths and URLs,
            URLs that fsspec knows, and DICOMweb servers (`dicomweb+https://...?QIDO filter`).

    Raises:
        ConfigError: a source as a whole is not there, or cannot be understood.
    """
    for source in sources:
        yield from _files_of_one(source)


def _files_of_one(source: str) -> Iterator[Listed]:
    if source.startswith(DICOMWEB):
        from kneeoa.serving.archive.dicomweb_source import instances_of

        return instances_of(source.removeprefix(DICOMWEB))
    path = local_path(source)
    if path is None:
        return _remote(source)
    path = os.path.abspath(path)  # noqa: PTH100 - no link of the path is resolved
    if os.path.lexists(path):
        return _local(path)
    if _GLOB & set(path):
        return _globbed(path)
    raise ConfigError(f"There is no {source!r}. Name folders, files, tables or URLs that are there.")


def _local(path: str) -> Iterator[Listed]:
    if os.path.isdir(path):  # noqa: PTH112 - a name without text is no reason to stop
        return files_below(path)
    if Path(path).name.upper() == "DICOMDIR":
        from kneeoa.serving.archive.dicomdir import files_of_dicomdir

        return files_of_dicomdir(path)
    if path.lower().endswith(_TABLES):
        from kneeoa.serving.archive.source_tables import files_of_table

        return files_of_table(path)
    return iter([Listed(source_of(path))])


def _globbed(pattern: str) -> Iterator[Listed]:
    found = sorted(glob.iglob(pattern, recursive=True))  # noqa: PTH207 - an absolute pattern
    if not found:
        raise ConfigError(f"Nothing is there by the name of {pattern!r}. Put the pattern in quotation marks.")
    for path in found:
        if os.path.isdir(path):  # noqa: PTH112
            if "**" not in pattern:
                yield from files_below(path)
        else:
            yield Listed(source_of(path))


def _remote(url: str) -> Iterator[Listed]:
    """A file, a folder or a glob behind a URL, in the order of names."""
    import fsspec

    protocol = url.partition("://")[0]

    def found() -> list[str]:
        files, path = fsspec.url_to_fs(url)
        if _GLOB & set(path):
            return sorted(files.glob(path))
        return sorted(files.find(path)) if files.isdir(path) else [path] if files.exists(path) else []

    try:
        paths = again(found)
    except SourceError as error:
        raise ConfigError(f"The URL of protocol {protocol!r} cannot be listed. {error}") from None
    if not paths:
        raise ConfigError(f"Nothing is there behind the URL of protocol {protocol!r}.")
    for path in paths:
        if not path.rpartition("/")[2].startswith("."):
            yield Listed(f"{protocol}://{path.removeprefix('/') if protocol != 'memory' else path.lstrip('/')}")
