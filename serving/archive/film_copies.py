"""Films as files that a decoder can open: local ones as they lie, all others copied for as long as they are needed."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from kneeoa.model.errors import FilmError, ReasonCode
from kneeoa.model.grader import ReadFilm, read_film
from kneeoa.model.radiograph import FilmFacts
from kneeoa.serving.archive.access import COPIED_BYTES, SourceError, fault_of, local_path, open_file
from kneeoa.serving.archive.containers import BROKEN, Container, bad_archive

_PIECE = 1 << 20


class FilmCopies:
    """Reads films from wherever they lie; keeps the last archive open, since its members come one after another.

    Used by one thread. The folder of copies is private to this user, and goes with the process.
    """

    def __init__(self) -> None:
        self._container: Container | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="kneeoa-", ignore_cleanup_errors=True)

    def read(self, source: str, member: str | None) -> ReadFilm:
        """The film, or why it cannot be read; never raises.

        Args:
            source: path or URL.
            member: of the archive that `source` is.
        """
        path = None if member is not None else local_path(source)
        if path is not None:
            return read_film(path)
        try:
            with self._copied(source, member) as copy:
                return read_film(copy)
        except SourceError as error:
            refused = FilmError(ReasonCode.UNREADABLE_FILE, str(error), FilmFacts(source))
        except FilmError as error:
            refused = error
        return ReadFilm(source, refused, 0.0)

    def close(self) -> None:
        """Closes the archive, and removes what was copied."""
        if self._container is not None:
            self._container.close()
        self._folder.cleanup()

    @contextmanager
    def _copied(self, source: str, member: str | None) -> Iterator[str]:
        descriptor, path = tempfile.mkstemp(dir=self._folder.name)
        try:
            with os.fdopen(descriptor, "wb") as target, self._opened(source, member) as stream:
                _copy(stream, target)
            yield path
        finally:
            os.unlink(path)  # noqa: PTH108

    def _opened(self, source: str, member: str | None) -> BinaryIO:
        if member is not None:
            if self._container is None or self._container.source != source:
                if self._container is not None:
                    self._container.close()
                    self._container = None
                self._container = Container(source)
            return self._container.open(member)
        return open_file(source)[0]


def _copy(stream: BinaryIO, target: BinaryIO) -> None:
    """Copies at most a gigabyte: an archive may inflate to anything.

    Raises:
        FilmError: `too_large`.
        SourceError: it cannot be read to its end, or there is no room for it.
    """
    left = COPIED_BYTES
    try:
        while piece := stream.read(_PIECE):
            left -= len(piece)
            if left < 0:
                raise FilmError(ReasonCode.TOO_LARGE, "The file is larger than any film.")  # noqa: TRY301 - as others
            target.write(piece)
    except FilmError:
        raise
    except BROKEN:
        raise bad_archive() from None
    except Exception as error:  # noqa: BLE001, RUF100 - each backend of fsspec raises its own
        raise fault_of(error) from None
