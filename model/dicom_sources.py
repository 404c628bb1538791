"""Where a header's bytes come from, with a bound on each: no claim in a file makes this process fill the memory."""

from __future__ import annotations

import zlib
from typing import BinaryIO, Protocol

from kneeoa.model.errors import FilmError, ReasonCode

HEADER_BYTES = 32 << 20
"""Header bytes that are looked at; skipped elements cost nothing, so only hostile objects have more."""
HEADER_READS = 1 << 18
"""Two or three for an element: no film has a tenth of them, and each costs microseconds."""
INFLATED_BYTES = 1 << 30
"""Deflate shrinks up to 1032 times: without a bound a 1 MB object could fill the memory."""


class ByteSource(Protocol):
    """What elements are read from: a plain file, or the inflated rest of one."""

    def read(self, count: int, /) -> bytes:
        """Up to `count` bytes; fewer only at the end."""
        ...

    def seek(self, position: int, /) -> int:
        """Moves to a byte of the file."""
        ...

    def tell(self) -> int:
        """The next byte's number."""
        ...


class InflatedSource:
    """The inflated bytes of a deflated data set, forward only but for a small window, never more than a gigabyte.

    Args:
        stream: a file positioned at the first deflated byte.
    """

    _CHUNK = 1 << 16
    _WINDOW = 1 << 16

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        self._buffer = bytearray()
        self._start = 0
        self._position = 0

    def tell(self) -> int:
        """The next byte's number among the inflated ones."""
        return self._position

    def seek(self, position: int, /) -> int:
        """Moves forward, or back within the window."""
        if position < self._start:
            raise FilmError(ReasonCode.NOT_DICOM, "The deflated header cannot be walked.")
        while position > self._end:
            if not self._grow():
                raise FilmError(ReasonCode.TRUNCATED, "The deflated data set ends within its header.")
            self._position = self._end
            self._forget()
        self._position = position
        return position

    def read(self, count: int, /) -> bytes:
        """Up to `count` bytes; fewer only at the end of the inflated data."""
        while self._end < self._position + count and self._grow():
            pass
        offset = self._position - self._start
        piece = bytes(self._buffer[offset : offset + count])
        self._position += len(piece)
        self._forget()
        return piece

    @property
    def _end(self) -> int:
        return self._start + len(self._buffer)

    def _grow(self) -> bool:
        if self._inflater.eof:
            return False
        feed = self._inflater.unconsumed_tail or self._stream.read(self._CHUNK)
        try:
            piece = self._inflater.decompress(feed, 1 << 20)
        except zlib.error:
            raise FilmError(ReasonCode.CORRUPT_PIXELS, "The deflated data set is damaged.") from None
        if not feed and not piece:
            return False
        self._buffer += piece
        if self._end > INFLATED_BYTES:
            raise FilmError(ReasonCode.TOO_LARGE, "The deflated data set inflates to more than 1 GB.")
        return True

    def _forget(self) -> None:
        spare = min(self._position, self._end) - self._start - self._WINDOW
        if spare > self._WINDOW:
            del self._buffer[:spare]
            self._start += spare


class BudgetedSource:
    """A source whose reads are counted and never longer than what is left, so that a claimed 4 GB costs nothing.

    Args:
        source: where the bytes come from.
        end: number of the first byte that is not read; None where the source itself knows its end.
        reads: how many reads are served.
    """

    def __init__(self, source: ByteSource, end: int | None, reads: int = HEADER_READS) -> None:
        self._source = source
        self._end = end
        self._bytes_left = HEADER_BYTES
        self._reads_left = reads
        self.tell = source.tell

    def seek(self, position: int, /) -> int:
        """Moves to a byte; none lies behind the end."""
        if self._end is not None and position > self._end:
            raise FilmError(ReasonCode.TRUNCATED, "The file ends within its header.")
        return self._source.seek(position)

    def read(self, count: int, /) -> bytes:
        """Up to `count` bytes; fewer only at the end."""
        if self._end is not None:
            count = max(0, min(count, self._end - self._source.tell()))
        self._bytes_left -= count
        self._reads_left -= 1
        if self._bytes_left < 0:
            raise FilmError(ReasonCode.TOO_LARGE, "The header alone is larger than 32 MB.")
        if self._reads_left < 0:
            raise FilmError(ReasonCode.TOO_LARGE, "The header has more elements than any film's.")
        return self._source.read(count)
