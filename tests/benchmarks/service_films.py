"""The films that the service is loaded with, and what it costs to grade them without it."""

from __future__ import annotations

import resource
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

import pydicom
from tests.benchmarks.measure import film, picture

from kneeoa.model.grader import KneeGrader

KINDS = {"uncompressed": "explicit", "JPEG 2000": "jpeg-2000-lossless"}


@dataclass(frozen=True, slots=True)
class LoadFilm:
    """One film as it is sent.

    Attributes:
        kind: of `KINDS`.
        path: where it lies.
        content: its bytes.
        uid: its SOP Instance UID, as `content` has it.
        study: its Study Instance UID, likewise.
    """

    kind: str
    path: Path
    content: bytes
    uid: bytes
    study: bytes

    def renamed(self) -> bytes:
        """The same film of another study: no study has thousands of films, and its report would grow with each."""
        return self.content.replace(self.uid, _fresh(self.uid)).replace(self.study, _fresh(self.study))


def _fresh(uid: bytes) -> bytes:
    """Another UID of the same length."""
    return f"2.25.{uuid.uuid4().int}"[: len(uid)].ljust(len(uid), "1").encode()


def load_films(size: tuple[int, int], folder: Path) -> list[LoadFilm]:
    """A standing film of both knees of each kind.

    Args:
        size: rows and columns.
        folder: where they are written.
    """
    pixels, made = picture(*size), []
    for kind, syntax in KINDS.items():
        path = film(pixels, syntax, folder)
        header = pydicom.dcmread(path, stop_before_pixels=True)
        uid, study = str(header.SOPInstanceUID).encode(), str(header.StudyInstanceUID).encode()
        if uid in study or study in uid:
            raise SystemExit("bench: the film's UIDs cannot be told apart")
        made.append(LoadFilm(kind, path, path.read_bytes(), uid, study))
    return made


class InProcess:
    """The command's road, with one thread as a worker has: the floor that the service is held against."""

    def __init__(self, films: list[LoadFilm]) -> None:
        self._grader = KneeGrader.load(device="cpu", threads=1)
        for one in films:
            report = self._grader.grade_file(one.path)
            if len(report.knees) != 2 or any(knee.kl is None for knee in report.knees):
                raise SystemExit(f"bench: of the {one.kind} film not both knees are graded")

    def cost(self, film_: LoadFilm) -> tuple[float, float]:
        """Seconds on the wall and of the processor, from the file to the report as JSON."""
        began, used = time.perf_counter(), _used()
        self._grader.grade_file(film_.path).to_json()
        return time.perf_counter() - began, _used() - used


def _used() -> float:
    own = resource.getrusage(resource.RUSAGE_SELF)
    return own.ru_utime + own.ru_stime
