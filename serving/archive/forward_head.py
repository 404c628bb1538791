"""The head of a stream in which seeking is dear: a member of an archive, or an object behind a URL."""

from __future__ import annotations

from typing import BinaryIO

from kneeoa.model.dicom_sources import HEADER_BYTES
from kneeoa.model.errors import FilmError, ReasonCode

_STEP = 1 << 16


class ForwardHead:
    """A file-like view of the first megabytes of a stream, read forward as they are asked for, and never more.

    A header that skips over gigabytes, as that of a zip bomb does, ends here and inflates nothing.

    Args:
        stream: at its first byte.
        limit: how many bytes are read at most.
    """

    def __init__(self, stream: BinaryIO, limit: int = HEADER_BYTES) -> None:
        self._stream, self._limit = stream, limit
        self._kept = bytearray()
        self._position = 0
        self._ended = False

    def read(self, count: int = -1, /) -> bytes:
        """Up to `count` bytes; fewer only at the end.

        Raises:
            FilmError: `too_large`, beyond the limit.
        """
        end = self._limit + 1 if count < 0 else self._position + count
        while len(self._kept) < end and not self._ended:
            if len(self._kept) >= self._limit:
                raise FilmError(ReasonCode.TOO_LARGE, "The header alone is larger than 32 MB.")
            piece = self._stream.read(max(_STEP, min(end, self._limit) - len(self._kept)))
            self._ended = not piece
            self._kept += piece
        found = bytes(self._kept[self._position : end])
        self._position += len(found)
        return found

    def seek(self, position: int, whence: int = 0, /) -> int:
        """Moves to a byte, counted from the first.

        Raises:
            FilmError: `too_large`, beyond the limit.
        """
        if whence:
            raise ValueError(whence)
        if position > self._limit:
            raise FilmError(ReasonCode.TOO_LARGE, "The header alone is larger than 32 MB.")
        self._position = position
        return position

    def tell(self) -> int:
        """The next byte's number."""
        return self._position
