"""Bodies into files: one raw film, or the parts of a multipart message. Nothing of a film is held in memory.

The same parser serves multipart/form-data (RFC 7578) and multipart/related (RFC 2387), which differ in headers alone.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

from anyio import CancelScope, to_thread
from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect

from kneeoa.serving.api.problems import Problem
from kneeoa.serving.settings import LimitSettings
from kneeoa.serving.store.originals import named_failures

RAW_TYPES = frozenset({"application/dicom", "application/octet-stream", "image/png", "image/jpeg"})
"""Media types of one film as the whole body."""
FORM, RELATED = "multipart/form-data", "multipart/related"
UPLOADS_FOLDER = "uploads"
_PIECE = 1 << 20
_NAME = 200


@dataclass(frozen=True, slots=True)
class Upload:
    """One film that was sent.

    Attributes:
        path: where it lies, until the request is answered.
        name: what the client calls it, or its place in the message; only the answer holds it.
    """

    path: Path
    name: str


def clear_uploads(folder: Path) -> None:
    """Removes what a crash has left.

    Args:
        folder: the service's data folder.
    """
    shutil.rmtree(folder / UPLOADS_FOLDER, ignore_errors=True)


@contextlib.asynccontextmanager
async def received_films(request: Request, folder: Path, limits: LimitSettings) -> AsyncIterator[list[Upload]]:
    """The films of a request, in its order, as files that are removed afterwards.

    Args:
        request: its body was not read yet.
        folder: the service's data folder.
        limits: of sizes and counts.

    Raises:
        Problem: 400 a malformed message, 413 too large or too many, 415 another media type.
        StoreError: the disk does not take it.
    """
    kind, options = parse_options_header(request.headers.get("content-type", "application/octet-stream"))
    media_type = kind.decode("latin-1").lower()
    boundary = options.get(b"boundary", b"")
    if media_type not in {*RAW_TYPES, FORM, RELATED}:
        listed = ", ".join(sorted(RAW_TYPES))
        raise Problem(415, "unsupported_media_type", f"Send {FORM} or one of: {listed}.")
    place: Path | None = None
    try:
        with named_failures():
            place = await to_thread.run_sync(_made_place, folder)
            whole = media_type in RAW_TYPES
            sink: _Whole | _Parts = _Whole(place, limits) if whole else _Parts(place, limits, boundary)
            try:
                await _fill(request, sink)
            finally:
                sink.close()
        yield sink.uploads
    finally:
        if place is not None:
            with CancelScope(shield=True):  # also of a client that has gone
                await to_thread.run_sync(partial(shutil.rmtree, place, ignore_errors=True))


def _made_place(folder: Path) -> Path:
    (folder / UPLOADS_FOLDER).mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(dir=folder / UPLOADS_FOLDER))  # mode 0700


async def _fill(request: Request, sink: _Whole | _Parts) -> None:
    """Feeds a body in pieces; the disk is waited for in a thread."""
    pieces: list[bytes] = []
    size = 0
    try:
        async for chunk in request.stream():
            pieces.append(chunk)  # not joined: a film of 15 MB would be copied once more for nothing
            size += len(chunk)
            if size >= _PIECE:
                await to_thread.run_sync(_written, sink, pieces)
                pieces, size = [], 0
    except ClientDisconnect:
        raise Problem(400, "cut_off", "The connection ended before the body did.") from None
    await to_thread.run_sync(_written, sink, pieces)
    sink.finish()


def _written(sink: _Whole | _Parts, pieces: list[bytes]) -> None:
    for piece in pieces:
        sink.write(piece)


class _Whole:
    """A body that is one film."""

    def __init__(self, place: Path, limits: LimitSettings) -> None:
        self._limit = limits.file_bytes
        self._stream = _Bounded(place / "1", self._limit)
        self.uploads = [Upload(place / "1", "body")]

    def write(self, piece: bytes) -> None:
        self._stream.write(piece)

    def finish(self) -> None:
        if not self._stream.size:
            raise Problem(400, "empty_body", "Send a film: a DICOM object, a PNG or a JPEG.")

    def close(self) -> None:
        self._stream.close()


class _Parts:
    """A body of several parts, of which each is a film."""

    def __init__(self, place: Path, limits: LimitSettings, boundary: bytes) -> None:
        self._place, self._limits = place, limits
        self._stream: _Bounded | None = None
        self._header, self._value = b"", b""
        self._name = ""
        self._ended = False
        self.uploads: list[Upload] = []
        if not boundary:
            raise Problem(400, "malformed_multipart", "The Content-Type has no boundary.")
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin,
                    "on_header_field": self._field,
                    "on_header_value": self._of_field,
                    "on_header_end": self._header_done,
                    "on_part_data": self._data,
                    "on_part_end": self._part_done,
                    "on_end": self._all_done,
                },
            )
        except (FormParserError, ValueError):
            raise _malformed() from None

    def write(self, piece: bytes) -> None:
        try:
            self._parser.write(piece)
        except FormParserError:
            raise _malformed() from None

    def finish(self) -> None:
        if not self._ended:
            raise _malformed()
        if not self.uploads:
            raise Problem(400, "empty_body", "The message has no part. Send at least one film.")

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()

    def _begin(self) -> None:
        if len(self.uploads) >= self._limits.instances:
            raise Problem(413, "too_many_films", f"Send at most {self._limits.instances} films in one request.")
        self._name = str(len(self.uploads) + 1)
        path = self._place / self._name
        self._stream = _Bounded(path, self._limits.file_bytes)
        self._header = self._value = b""

    def _field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _of_field(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_done(self) -> None:
        if self._header.lower() == b"content-disposition":
            given = parse_options_header(self._value)[1].get(b"filename", b"").decode("utf-8", "replace")
            self._name = _plain_name(given) or self._name
        self._header = self._value = b""

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._stream is not None:
            self._stream.write(data[start:end])

    def _part_done(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self.uploads.append(Upload(self._stream.path, self._name))
            self._stream = None

    def _all_done(self) -> None:
        self._ended = True


class _Bounded:
    """A new file that only its owner may read, and that does not grow beyond a limit."""

    def __init__(self, path: Path, limit: int) -> None:
        self.path, self._limit, self.size = path, limit, 0
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._stream: BinaryIO = os.fdopen(descriptor, "wb", buffering=0)

    def write(self, piece: bytes) -> None:
        self.size += len(piece)
        if self.size > self._limit:
            raise Problem(413, "film_too_large", f"A film has more than {self._limit} bytes.")
        rest = memoryview(piece)
        while rest:
            rest = rest[self._stream.write(rest) :]

    def close(self) -> None:
        self._stream.close()


def _plain_name(given: str) -> str:
    """A file's name without folders and without what is not printed."""
    last = re.split(r"[/\\]", given)[-1]
    return "".join(letter for letter in last if letter.isprintable())[:_NAME]


def _malformed() -> Problem:
    return Problem(400, "malformed_multipart", "The multipart message is malformed or ends before its last boundary.")
