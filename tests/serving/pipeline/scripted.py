"""A grading that does as it is told, at the seam that is made for it; and a service around it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from threading import Event, Lock

from kneeoa.model.errors import ReasonCode, Refusal
from kneeoa.model.grades import JSON, FilmGrades, KLGrade, KneeGrades, ReleaseFacts
from kneeoa.model.radiograph import FilmFacts, Side, SideSource
from kneeoa.serving.pipeline.destinations import Outgoing
from kneeoa.serving.pipeline.identity import identify
from kneeoa.serving.service import KneeService
from kneeoa.serving.settings import Settings, load_settings

KL_2 = KLGrade(2, (0.1, 0.2, 0.4, 0.2, 0.1), 2.0, 0.7)


class ScriptedGrading:
    """Grades every film KL 2 on the right, unless told otherwise.

    Attributes:
        release: facts of the release that it pretends to be.
        failures: by film id, what is raised, one a call.
        order: films in the order in which they came.
        calls: how often each film came.
        open: cleared, it holds all films up.
        grade_of: by film id, another KL grade.
    """

    def __init__(self, sha256: str = "a" * 64) -> None:
        self.release = ReleaseFacts("scripted", sha256, "0.1.0")
        self.failures: dict[str, list[Exception]] = {}
        self.order: list[str] = []
        self.calls: Counter[str] = Counter()
        self.open = Event()
        self.open.set()
        self.grade_of: dict[str, int] = {}
        self._lock = Lock()

    def grade(self, path: Path, side: Side | None = None, spacing_mm: float | None = None) -> dict[str, JSON]:  # noqa: ARG002 - the seam has it
        with self._lock:
            self.calls[path.stem] += 1
            self.order.append(path.stem)
        self.open.wait(60)
        if self.failures.get(path.stem):
            raise self.failures[path.stem].pop(0)
        identity = identify(path)
        facts = FilmFacts(str(path), identity.sop_uid, identity.study_uid)
        grade = self.grade_of.get(path.stem, 2)
        if grade < 0:
            refusal = Refusal.because(ReasonCode.DECODER_CRASHED, "Told to.")
            return FilmGrades(facts, self.release, refusal).to_json()
        kl = KLGrade(grade, KL_2.probabilities, KL_2.expected, KL_2.oa_probability)
        return FilmGrades(facts, self.release, knees=(KneeGrades(side or Side.RIGHT, SideSource.TAG, kl=kl),)).to_json()

    def close(self) -> None:
        self.open.set()


def settings_for(data: Path, **options: object) -> Settings:
    """Settings that fail fast."""
    queue = {"backoff_seconds": 0.01, "step_attempts": 3, "delivery_attempts": 3, "free_bytes": 0}
    given = options.pop("queue", {})
    return load_settings(
        options={
            "data": data,
            "stop_seconds": 5,
            "workers": {"count": 1},
            "queue": {**queue, **(given if isinstance(given, dict) else {})},
            **options,
        }
    )


def service_on(
    data: Path, grading: ScriptedGrading, outgoing: Outgoing | None = None, **options: object
) -> KneeService:
    """A service that is not started yet."""
    return KneeService(settings_for(data, **options), grading, outgoing)


def wait_for(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Waits until something holds, and fails where it never does."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("it did not happen in time")
        time.sleep(0.02)


def settle(service: KneeService, seconds: float = 60.0) -> None:
    """Waits until nothing waits."""
    wait_for(lambda: service.queue().depth == 0, seconds)
