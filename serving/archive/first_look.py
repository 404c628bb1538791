"""The first pass over listed files, in order and by several processes: a header each, a row each."""

from __future__ import annotations

import itertools
import multiprocessing
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from typing import BinaryIO, cast

from kneeoa.serving.archive.access import COPIED_BYTES, SourceError, fault_of, local_path, open_file
from kneeoa.serving.archive.containers import BROKEN, Container, bad_archive, is_container
from kneeoa.serving.archive.fates import Fate, SourceReason
from kneeoa.serving.archive.forward_head import ForwardHead
from kneeoa.serving.archive.headers import row_of_head, unreadable
from kneeoa.serving.archive.listed import Listed
from kneeoa.serving.archive.manifest_schema import ManifestRow

_CHUNK = 256
_AHEAD = 4
"""Chunks in work or waiting for their turn, for each process."""
_FEW = 2 * _CHUNK
"""So many files are looked at here: starting processes would take longer."""
_RESTARTS = 20

Rows = list[ManifestRow]


def rows_of(files: Iterator[Listed], processes: int) -> Iterator[ManifestRow]:
    """One row a file, and one a member of each archive, in the order of the files.

    Args:
        files: as sources list them.
        processes: how many read headers.

    Raises:
        ConfigError: a source cannot be listed on.
        BrokenProcessPool: the processes die again and again.
    """
    few = list(itertools.islice(files, _FEW))
    if len(few) < _FEW:
        yield from itertools.chain.from_iterable(map(_looked_at, few))
        return
    everything = itertools.chain(few, files)
    chunks = iter(lambda: list(itertools.islice(everything, _CHUNK)), [])
    yield from itertools.chain.from_iterable(_in_order(chunks, processes))


def _in_order(chunks: Iterator[list[Listed]], processes: int) -> Iterator[Rows]:
    """Rows of the chunks, in their order; chunks whose process was killed are looked at again."""
    lost: list[list[Listed]] = []
    for _ in range(_RESTARTS):
        waiting: deque[tuple[list[Listed], Future[Rows]]] = deque()
        pool = ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"))
        try:
            for chunk in itertools.chain(lost, chunks):
                waiting.append((chunk, pool.submit(rows_of_chunk, chunk)))
                if len(waiting) >= _AHEAD * processes:
                    yield waiting[0][1].result()
                    waiting.popleft()
            while waiting:
                yield waiting[0][1].result()
                waiting.popleft()
        except BrokenProcessPool:
            lost = [chunk for chunk, _ in waiting]
        else:
            return
        finally:
            pool.shutdown(cancel_futures=True)
    raise BrokenProcessPool("The processes that read headers are killed again and again. Is there enough memory?")


def rows_of_chunk(files: Sequence[Listed]) -> Rows:
    """The rows of some files, as a process of the pool makes them."""
    return [row for file in files for row in _looked_at(file)]


def _looked_at(file: Listed) -> Iterator[ManifestRow]:
    if file.stated is not None:
        yield file.stated
    elif file.fault is not None:
        yield unreadable(file.source, file.member, file.fault)
    elif is_container(file.source):
        yield from _members(file)
    else:
        yield _file(file.source)


def _file(source: str) -> ManifestRow:
    try:
        stream, size = open_file(source)
        with stream:
            if local_path(source) is not None:
                return row_of_head(stream, size, source)
            return _bounded(row_of_head(_forward(stream), size, source))
    except Exception as error:  # noqa: BLE001, RUF100 - each backend of fsspec raises its own
        return unreadable(source, None, fault_of(error).reason)


def _members(file: Listed) -> Iterator[ManifestRow]:
    """Rows of an archive's members, or of the one that is named."""
    try:
        with Container(file.source) as container:
            for member in container.members():
                if file.member is None or member.name == file.member:
                    yield _member(container, member.name, member.size)
                if member.name == file.member:
                    return
    except SourceError as error:
        yield unreadable(file.source, file.member, error.reason)
    else:
        if file.member is not None:
            yield unreadable(file.source, file.member, SourceReason.VANISHED)


def _member(container: Container, name: str, size: int) -> ManifestRow:
    try:
        with container.open(name) as stream:
            return _bounded(row_of_head(_forward(stream), size, container.source, name))
    except SourceError as error:
        return unreadable(container.source, name, error.reason, size)
    except (*BROKEN, OSError):
        return unreadable(container.source, name, bad_archive().reason, size)


def _bounded(row: ManifestRow) -> ManifestRow:
    if row.fate is not Fate.FILM or row.bytes is None or row.bytes <= COPIED_BYTES:
        return row
    return replace(row, fate=Fate.UNREADABLE, reason="too_large")


def _forward(stream: BinaryIO) -> BinaryIO:
    return cast("BinaryIO", ForwardHead(stream))
