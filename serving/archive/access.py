"""Opens what a source names: a file of this machine, or an object behind a URL that fsspec knows."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable
from typing import BinaryIO, TypeVar, cast
from urllib.parse import unquote_to_bytes

from kneeoa.model.errors import KneeOAError
from kneeoa.serving.archive.fates import SourceReason

T = TypeVar("T")
ATTEMPTS = 4
DICOMWEB = "dicomweb+"
COPIED_BYTES = 1 << 30
"""Largest member or remote object that is copied for decoding; no film is larger."""
_FIRST_WAIT = 0.5
_NOT_BLOCKING = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_BUFFER = 1 << 14
"""Most headers fit into it: one read a file."""
_KNOWN: tuple[tuple[type[Exception] | tuple[type[Exception], ...], SourceReason, str], ...] = (
    (PermissionError, SourceReason.PERMISSION_DENIED, "It may not be read. Check its permissions."),
    ((FileNotFoundError, NotADirectoryError), SourceReason.VANISHED, "It is not there, or no longer."),
    (ValueError, SourceReason.BAD_URL, "It is no valid path or URL, or of a protocol that is not known."),
)


class SourceError(KneeOAError):
    """A source, or a file of it, cannot be read.

    Attributes:
        reason: why, as the manifest has it.
    """

    def __init__(self, reason: SourceReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def local_path(source: str) -> str | None:
    """The path that a source names on this machine, or None for a URL of elsewhere."""
    if source.startswith("file://"):
        return os.fsdecode(unquote_to_bytes(source.removeprefix("file://")))
    return None if "://" in source else source


def source_of(path: str) -> str:
    """The source that names an absolute path: the path itself, or a URL where the path is no text."""
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        from urllib.parse import quote_from_bytes

        return "file://" + quote_from_bytes(os.fsencode(path))
    return path


def open_file(source: str) -> tuple[BinaryIO, int | None]:
    """Opens a source for reading.

    Args:
        source: path or URL.

    Returns:
        (the file, seekable, at its first byte; its size, None where that is not known).

    Raises:
        SourceError: it cannot be opened.
    """
    path = local_path(source)
    if path is None:
        return again(lambda: _open_url(source))
    try:
        descriptor = os.open(path, os.O_RDONLY | _NOT_BLOCKING)
        stream = os.fdopen(descriptor, "rb", buffering=_BUFFER)
        status = os.fstat(descriptor)
    except (OSError, ValueError) as error:
        raise fault_of(error) from None
    if not stat.S_ISREG(status.st_mode):
        stream.close()
        raise SourceError(SourceReason.VANISHED, "It is no file: a folder, a pipe or a device.")
    return stream, status.st_size


def again(attempt: Callable[[], T]) -> T:
    """Tries something that goes over a network a few times, with growing pauses.

    Raises:
        SourceError: it is not there, or none of the attempts came to anything.
    """
    wait = _FIRST_WAIT
    for left in range(ATTEMPTS - 1, -1, -1):
        try:
            return attempt()
        except SourceError:
            raise
        except Exception as error:  # noqa: BLE001, RUF100 - each backend of fsspec raises its own
            fault = fault_of(error)
            if fault.reason is not SourceReason.SERVER_ERROR or not left:
                raise fault from None
        time.sleep(wait)
        wait *= 2
    raise SourceError(SourceReason.SERVER_ERROR, "No attempt was made.")


def fault_of(error: Exception) -> SourceError:
    """What to tell of an error; texts of the libraries are left out, since they quote paths and URLs."""
    if isinstance(error, SourceError):
        return error
    for kinds, reason, message in _KNOWN:
        if isinstance(error, kinds):
            return SourceError(reason, message)
    if isinstance(error, ImportError):
        name = (error.name or "another package").split(".")[0]
        return SourceError(SourceReason.BAD_URL, f"This protocol needs a package that is not installed: {name}.")
    if isinstance(error, OSError) and error.errno is not None:
        return SourceError(SourceReason.DISK_ERROR, f"It cannot be read: {error.strerror or 'the disk says why not'}.")
    return SourceError(SourceReason.SERVER_ERROR, f"The server fails ({type(error).__name__}), also when asked again.")


def _open_url(url: str) -> tuple[BinaryIO, int | None]:
    if url.startswith(DICOMWEB):
        from kneeoa.serving.archive.dicomweb_source import fetched

        return fetched(url.removeprefix(DICOMWEB), COPIED_BYTES), None
    import fsspec

    files, path = fsspec.url_to_fs(url)
    stream = files.open(path, "rb")
    size = getattr(stream, "size", None)
    if size is None:
        size = files.size(path)
    return cast("BinaryIO", stream), size
