"""Members of tar and zip files, in the order in which they lie there."""

from __future__ import annotations

import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import BinaryIO, Self, cast

from kneeoa.serving.archive.access import SourceError, open_file
from kneeoa.serving.archive.fates import SourceReason

_TAR = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
# What the two libraries, and the decompressors below them, raise at damaged files; RuntimeError is an encrypted member.
BROKEN = (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, lzma.LZMAError, RuntimeError, NotImplementedError)


@dataclass(frozen=True, slots=True)
class Member:
    """One file in an archive: its name, and its size inflated, in bytes."""

    name: str
    size: int


def is_container(source: str) -> bool:
    """Whether a file is looked into, by the end of its name."""
    return source.lower().endswith((*_TAR, ".zip"))


class Container:
    """An opened tar or zip file; a context manager, used by one thread.

    Compressed tar files can only be read forward: members asked for in their order cost one pass.

    Args:
        source: path or URL.

    Raises:
        SourceError: it cannot be opened or is no archive.
    """

    def __init__(self, source: str) -> None:
        self.source = source
        self._stream, _ = open_file(source)
        self._tar: tarfile.TarFile | None = None
        self._seen: dict[str, tarfile.TarInfo] = {}
        self._zip: zipfile.ZipFile | None = None
        try:
            if source.lower().endswith(".zip"):
                self._zip = zipfile.ZipFile(self._stream)
            else:
                self._tar = tarfile.open(fileobj=self._stream, mode="r:*")  # noqa: SIM115 - closed by `close`
        except (*BROKEN, OSError):
            self._stream.close()
            raise bad_archive() from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def members(self) -> Iterator[Member]:
        """Every regular file but hidden ones.

        Raises:
            SourceError: the archive ends or breaks off; the members before that have been given.
        """
        try:
            for member in self._zipped() if self._zip is not None else self._tarred():
                if not member.name.rpartition("/")[2].startswith("."):
                    yield member
        except (*BROKEN, OSError):
            raise bad_archive() from None

    def open(self, name: str) -> BinaryIO:
        """A member for reading, at its first byte.

        Raises:
            SourceError: it is not there or damaged.
        """
        try:
            if self._zip is not None:
                return cast("BinaryIO", self._zip.open(name))
            assert self._tar is not None  # noqa: S101 - one of the two is
            while name not in self._seen:
                found = self._tar.next()
                if found is None:
                    raise KeyError(name)  # noqa: TRY301 - as the zip file does
                self._seen.setdefault(_text(found.name), found)
            stream = self._tar.extractfile(self._seen[name])
        except KeyError:
            raise SourceError(SourceReason.VANISHED, "The archive has no such member.") from None
        except (*BROKEN, OSError):
            raise bad_archive() from None
        if stream is None:
            raise SourceError(SourceReason.VANISHED, "The member is no file.")
        return cast("BinaryIO", stream)

    def close(self) -> None:
        """Closes the archive."""
        with closing(self._stream):
            for archive in (self._zip, self._tar):
                if archive is not None:
                    archive.close()

    def _zipped(self) -> Iterator[Member]:
        assert self._zip is not None  # noqa: S101 - the caller looked
        for found in self._zip.infolist():
            if not found.is_dir():
                yield Member(found.filename, found.file_size)

    def _tarred(self) -> Iterator[Member]:
        assert self._tar is not None  # noqa: S101 - the caller looked
        for found in self._tar:
            name = _text(found.name)
            if found.isreg() and self._seen.setdefault(name, found) is found:
                yield Member(name, found.size)


def _text(name: str) -> str:
    """A name as a table can hold it."""
    return name.encode("utf-8", "backslashreplace").decode()


def bad_archive() -> SourceError:
    """The error of an archive that is damaged."""
    return SourceError(SourceReason.BAD_ARCHIVE, "The archive is damaged or ends too early. Fetch it again.")
