"""The films as they came, as files: written so that what was promised is on the disk, named so that nothing is told.

A film arrives in `incoming/` under a random name, is forced to the disk, and is renamed into `films/`; the folder is
forced to the disk too. A crash leaves a film that is wholly there or a nameless rest that the next start removes.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from kneeoa.serving.store.database import StoreError

_CHUNK = 1 << 20


class TooLargeError(StoreError):
    """The film has more bytes than the settings let in."""

    def __init__(self, limit: int) -> None:
        super().__init__("too_large", f"The film is larger than {limit} bytes. Raise limits.file_bytes to take it.")


class Originals:
    """The folder of the films.

    Args:
        data: the service's data folder.
    """

    def __init__(self, data: Path) -> None:
        self.incoming = data / "incoming"
        self.films = data / "films"

    def prepare(self) -> None:
        """Makes the folders, for this user alone, and removes what a crash left half received.

        Raises:
            StoreError: they cannot be written.
        """
        with named_failures():
            for folder in (self.incoming, self.films):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for rest in self.incoming.iterdir():
                rest.unlink(missing_ok=True)

    def path(self, film_id: str, suffix: str) -> Path:
        """Where a film lies."""
        return self.films / film_id[:2] / f"{film_id}{suffix}"

    @contextmanager
    def received(self, source: BinaryIO | Path, limit: int) -> Iterator[Path]:
        """A film's bytes, on the disk; gone at the end of the block unless `keep` was called.

        Args:
            source: an open binary stream, read to its end, or a file; one of the data folder, which nobody changes any
                more, is linked, and another one is copied.
            limit: most bytes.

        Raises:
            TooLargeError: there are more.
            StoreError: the disk is full or cannot be written.
        """
        path = self.incoming / secrets.token_hex(16)
        try:
            with named_failures():
                if not (isinstance(source, Path) and self._linked(source, path, limit)):
                    _copied(source, path, limit)
            yield path
        finally:
            path.unlink(missing_ok=True)

    def _linked(self, source: Path, target: Path, limit: int) -> bool:
        """Gives a file of the data folder a second name, its bytes forced to the disk; False where that cannot be."""
        if not source.resolve().is_relative_to(self.incoming.parent.resolve()):
            return False
        with source.open("rb") as stream:
            if os.fstat(stream.fileno()).st_size > limit:
                raise TooLargeError(limit)
            try:
                target.hardlink_to(source)
            except OSError:  # a file system without links, or a full one, of which copying will complain
                return False
            os.fsync(stream.fileno())
        return True

    def keep(self, received: Path, film_id: str, suffix: str) -> None:
        """Gives a received film its place, and does not return before that is on the disk.

        Raises:
            StoreError: the disk is full or cannot be written.
        """
        target = self.path(film_id, suffix)
        with named_failures():
            if not target.parent.is_dir():
                target.parent.mkdir(mode=0o700, exist_ok=True)
                _force(self.films)
            received.replace(target)
            _force(target.parent)

    def remove(self, film_id: str, suffix: str) -> None:
        """Deletes a film; one that is gone already is fine."""
        with named_failures():
            self.path(film_id, suffix).unlink(missing_ok=True)

    def free_bytes(self) -> int:
        """Room left on the disk of the films."""
        return shutil.disk_usage(self.films).free


@contextmanager
def named_failures() -> Iterator[None]:
    """Turns errors of the file system into `StoreError`; their texts, which hold paths, stay behind."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise StoreError("disk_full", "The disk of the films is full. Make room; nothing was half kept.") from error
        if error.errno in {errno.EROFS, errno.EACCES, errno.EPERM}:
            raise StoreError("read_only", "The data folder cannot be written. Check its permissions.") from error
        why = os.strerror(error.errno) if error.errno else type(error).__name__
        raise StoreError("store_unavailable", f"The data folder cannot be used: {why}.") from error


def _copied(source: BinaryIO | Path, path: Path, limit: int) -> None:
    """Writes a new file that only its owner may read, and forces it to the disk."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as target:
        if isinstance(source, Path):
            with source.open("rb") as stream:
                _copy(stream, target, limit)
        else:
            _copy(source, target, limit)
        target.flush()
        os.fsync(target.fileno())


def _copy(source: BinaryIO, target: BinaryIO, limit: int) -> None:
    left = limit
    while chunk := source.read(_CHUNK):
        left -= len(chunk)
        if left < 0:
            raise TooLargeError(limit)
        target.write(chunk)


def _force(folder: Path) -> None:
    """Forces a folder's entries to the disk, where the operating system lets folders be opened."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
