"""The process that decodes and grades the films of a shard: one core, within limits, until its pipe ends.

While a film is graded, a thread already reads and decodes the next one. Only the standard library is imported before
the limits on threads are set.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kneeoa.serving.workers.process import READY, THREADS, Limits, alarm, limit_memory, silence

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from kneeoa.model.grader import KneeGrader, ReadFilm
    from kneeoa.serving.archive.film_copies import FilmCopies

STOP = b"stop"
"""Sent to the process while it works: it finishes the films that it has begun."""
END = b"end"
"""The last message of an order, after one message a film."""


@dataclass(frozen=True, slots=True)
class FilmOrder:
    """A film to grade: its number in the manifest, and where it lies."""

    row: int
    source: str
    member: str | None


@dataclass(frozen=True, slots=True)
class FilmLimits:
    """What the process is started with.

    Attributes:
        worker: as those of the service's workers.
        embeddings: whether answers bring the embeddings.
        core: the processor core that it keeps to, or None.
    """

    worker: Limits
    embeddings: bool = False
    core: int | None = None


def orders_to_bytes(films: Sequence[FilmOrder]) -> bytes:
    """Films as JSON, not pickled: a film that takes its process over must not run code in the other."""
    return json.dumps([[film.row, film.source, film.member] for film in films]).encode()


def main(pipe: Connection, limits: FilmLimits) -> None:
    """Serves orders until the other end of the pipe is closed.

    Args:
        pipe: lists of films come in; for each film, in their order, a JSON message goes out, and then `END`. The first
            message of all is `READY`, or says why there will be no process.
        limits: of this process.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    silence()
    for name in THREADS:
        os.environ[name] = "1"
    if limits.core is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {limits.core})
    try:
        from kneeoa.model.grader import KneeGrader
        from kneeoa.serving.archive.film_copies import FilmCopies

        if limits.worker.prepare is not None:
            limits.worker.prepare()
        grader = KneeGrader.load(limits.worker.release, limits.worker.device, threads=1)
    except Exception as error:  # noqa: BLE001, RUF100 - whatever it was, the run is told it and stops
        pipe.send_bytes(f"{type(error).__name__}: {error}".encode())
        return
    limit_memory(limits.worker.memory_bytes, grader.session.device)
    copies = FilmCopies()
    try:
        pipe.send_bytes(READY + grader.release.sha256.encode())
        while True:
            films = [FilmOrder(*fields) for fields in json.loads(pipe.recv_bytes())]
            for answer in _answers(grader, copies, films, pipe, limits):
                pipe.send_bytes(answer)
            alarm(0)
            pipe.send_bytes(END)
    except (EOFError, OSError):
        return
    finally:
        copies.close()


def _answers(
    grader: KneeGrader, copies: FilmCopies, films: Sequence[FilmOrder], pipe: Connection, limits: FilmLimits
) -> Iterator[bytes]:
    """One message a film, in order; ends early where a stop was asked for, after the films that were begun."""
    with ThreadPoolExecutor(1, "kneeoa-read") as reader:
        alarm(limits.worker.film_seconds)
        begun = [(film, reader.submit(copies.read, film.source, film.member)) for film in films[:1]]
        for following in (*films[1:], None):
            film, reading = begun.pop()
            read = reading.result()
            alarm(limits.worker.film_seconds)
            stopping = pipe.poll()
            if following is not None and not stopping:
                begun.append((following, reader.submit(copies.read, following.source, following.member)))
            yield _answer(grader, film, read, embeddings=limits.embeddings)
            if not begun:
                break
    if pipe.poll() and pipe.recv_bytes() != STOP:
        raise EOFError


def _answer(grader: KneeGrader, film: FilmOrder, read: ReadFilm, *, embeddings: bool) -> bytes:
    grades = grader.grade_read(read)
    features = [None if knee.embedding is None else knee.embedding.tolist() for knee in grades.knees]
    message = {"row": film.row, "report": grades.to_json(), "embeddings": features if embeddings else []}
    return json.dumps(message, ensure_ascii=False, allow_nan=False).encode()
