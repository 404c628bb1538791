"""A worker: one process that decodes and grades one film at a time, within limits, until its pipe ends.

Only the standard library is imported before the limits on threads are set.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

    from kneeoa.model.grader import KneeGrader
    from kneeoa.model.grades import FilmGrades
    from kneeoa.model.radiograph import Radiograph
    from kneeoa.serving.workers.jobs import Job

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENCV_FOR_THREADS_NUM")
READY = b"ready"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a worker is started with: see `settings.WorkerSettings`."""

    release: str
    memory_bytes: int
    film_seconds: float
    prepare: Callable[[], None] | None = None


def main(pipe: Connection, limits: Limits) -> None:
    """Serves jobs until the other end of the pipe is closed.

    Args:
        pipe: jobs come in, and answers go out. The first message is `READY`, or says why there will be no worker.
        limits: of this process.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the service, which lets its workers finish
    _silence()
    for name in THREADS:
        os.environ[name] = "1"
    try:
        grader = _loaded(limits)
    except Exception as error:  # noqa: BLE001, RUF100 - whatever it was, the service tells it and stops
        pipe.send_bytes(f"{type(error).__name__}: {error}".encode())
        return
    _limit_memory(limits.memory_bytes)
    pipe.send_bytes(READY)
    while True:
        try:
            raw = pipe.recv_bytes()
        except (EOFError, OSError):
            return
        _alarm(limits.film_seconds)
        for piece in _answered(grader, raw):
            pipe.send_bytes(piece)
        _alarm(0)


def _loaded(limits: Limits) -> KneeGrader:
    from kneeoa.model.grader import KneeGrader

    if limits.prepare is not None:
        limits.prepare()
    return KneeGrader.load(limits.release, "cpu", threads=1)


def _silence() -> None:
    """Nothing that a native library prints, perhaps of a header, gets out."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    os.close(nowhere)


def _limit_memory(memory_bytes: int) -> None:
    """Bounds the address space, and leaves no core file: it would hold the film."""
    if sys.platform != "linux":
        return
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _alarm(seconds: float) -> None:
    """Has the kernel end this process: it works also in native code, and when the service is no more."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds)


def _answered(grader: KneeGrader, raw: bytes) -> tuple[bytes, ...]:
    """The report as JSON, and then the picture, which is empty where there is none."""
    from kneeoa.serving.workers.jobs import Job, Wanted

    job = Job.from_bytes(raw)
    if job.wanted in {Wanted.FILM, Wanted.FULL}:
        return b"{}", _plain_picture(job)
    pictures: list[bytes] = []

    def draw(film: Radiograph, grades: FilmGrades) -> None:
        pictures.append(_picture(job, film, grades))

    seen = None if job.wanted is Wanted.REPORT else draw
    report = grader.grade_file(job.path, side=job.stated_side, spacing_mm=job.spacing_mm, seen=seen).to_json()
    return json.dumps(report, ensure_ascii=False, allow_nan=False).encode(), *(pictures or [b""])


def _plain_picture(job: Job) -> bytes:
    """The film without anything on it, which nobody has to grade; empty where it cannot be read."""
    from kneeoa.model.dicom import read_radiograph
    from kneeoa.model.errors import FilmError
    from kneeoa.serving.results.plain_film import LONG_SIDE, LONGEST_SIDE, draw_film
    from kneeoa.serving.workers.jobs import Wanted

    try:
        film = read_radiograph(job.path)
    except FilmError:
        return b""
    return _png(draw_film(film.pixels, LONGEST_SIDE if job.wanted is Wanted.FULL else LONG_SIDE))


def _picture(job: Job, film: Radiograph, grades: FilmGrades) -> bytes:
    from kneeoa.serving.results.film_picture import heat_picture
    from kneeoa.serving.results.overlay import draw_overlay
    from kneeoa.serving.workers.jobs import Wanted

    return _png(heat_picture(film.pixels, grades) if job.wanted is Wanted.HEAT else draw_overlay(film.pixels, grades))


def _png(picture: Image) -> bytes:
    """Quickly rather than small: somebody waits, and is not far away."""
    from io import BytesIO

    stream = BytesIO()
    picture.save(stream, "PNG", compress_level=1)
    return stream.getvalue()
