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
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from PIL.Image import Image

    from kneeoa.model.grader import KneeGrader
    from kneeoa.model.grades import FilmGrades
    from kneeoa.model.radiograph import Radiograph
    from kneeoa.serving.workers.jobs import Job

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENCV_FOR_THREADS_NUM")
READY = b"ready "
"""The first message of a worker that came up; the device that it runs on follows."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a worker is started with: see `settings.WorkerSettings`."""

    release: str
    memory_bytes: int
    film_seconds: float
    device: str = "cpu"
    prepare: Callable[[], None] | None = None


def main(pipe: Connection, limits: Limits) -> None:
    """Serves jobs until the other end of the pipe is closed.

    Args:
        pipe: jobs come in, and answers go out. The first message is `READY`, or says why there will be no worker.
        limits: of this process.
    """
    # Ctrl-C, and a stop that the system sends to all processes of the service, are for the service, which lets its
    # workers finish their films and then ends them.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    silence()
    for name in THREADS:
        os.environ[name] = "1"
    try:
        grader = _loaded(limits)
    except Exception as error:  # noqa: BLE001, RUF100 - whatever it was, the service tells it and stops
        pipe.send_bytes(f"{type(error).__name__}: {error}".encode())
        return
    device = grader.session.device
    limit_memory(limits.memory_bytes, device)
    pipe.send_bytes(READY + device.encode())
    while True:
        try:
            raw = pipe.recv_bytes()
        except (EOFError, OSError):
            return
        alarm(limits.film_seconds)
        for piece in _answered(grader, raw):
            pipe.send_bytes(piece)
        alarm(0)


def _loaded(limits: Limits) -> KneeGrader:
    from kneeoa.model.grader import KneeGrader

    if limits.prepare is not None:
        limits.prepare()
    return KneeGrader.load(limits.release, limits.device, threads=1)


def silence() -> None:
    """Turns the three streams to nowhere: nothing that a native library prints, perhaps of a header, gets out."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    os.close(nowhere)


def limit_memory(memory_bytes: int, device: str) -> None:
    """Bounds the address space, and leaves no core file: it would hold the film.

    CUDA reserves more address space than the machine has memory: beside it only what is written to is bounded.
    """
    if sys.platform != "linux":
        return
    import resource

    bounded = resource.RLIMIT_DATA if device == "cuda" else resource.RLIMIT_AS
    resource.setrlimit(bounded, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def alarm(seconds: float) -> None:
    """Has the kernel end this process: it works also in native code, and when the service is no more."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds)


def _answered(grader: KneeGrader, raw: bytes) -> tuple[bytes, ...]:
    """The report as JSON, and then the picture, which is empty where there is none."""
    from kneeoa.serving.workers.jobs import Job, Wanted

    job = Job.from_bytes(raw)
    if job.wanted is Wanted.RESULTS:
        from kneeoa.serving.workers.printing import printed

        return printed(grader, job)
    if job.study is not None:
        from kneeoa.serving.results.study_document import study_document

        return b"{}", study_document(job.study)
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
