"""The workflow of one film as DBOS runs it: graded, built, told, planned, closed, each a durable step, tried again.

What is planned, deliveries, is work of its own (`delivery_work`): a film is done when its result is there.

`WORKFLOW_VERSION` is set by hand, and changes only with the order of the steps: left to itself DBOS hashes the source,
and every upgrade would strand the films in flight. Films of an older version are adopted by `Work.adopt`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

import structlog

from kneeoa.serving.grading import INTERNAL, GradingClosedError, GradingError
from kneeoa.serving.pipeline.steps import Steps
from kneeoa.serving.settings import QueueSettings
from kneeoa.serving.store.database import StoreError

WORKFLOW_VERSION = "2"
QUEUE = "films"
P = ParamSpec("P")
R = TypeVar("R")
_log = structlog.get_logger("kneeoa.work")


def work_id(film_id: str, round_: int) -> str:
    """The id of a film's work: no two of the same round, and none of another version of the workflow."""
    return f"{film_id}-{round_}-v{WORKFLOW_VERSION}"


def reason_of(error: BaseException) -> str:
    """The stable code of a failure, of its last attempt where there were several."""
    attempts = getattr(error, "errors", None)
    if isinstance(attempts, list) and attempts:
        return reason_of(attempts[-1])
    return error.reason if isinstance(error, GradingError | StoreError) else INTERNAL


@dataclass(frozen=True, slots=True)
class _Durable:
    """The steps as DBOS records them."""

    grade: Callable[[str, str], str]
    build: Callable[[str], str]
    tell: Callable[[str], None]
    plan: Callable[[str], list[str]]
    close: Callable[[str, int, str | None], None]


def register(
    steps: Steps, queue: QueueSettings, stopping: Callable[[], bool], deliver: Callable[[str, str], None]
) -> Callable[[str, int, int], None]:
    """Registers the workflow and its steps with DBOS.

    Args:
        steps: what they do.
        queue: how often they are tried.
        stopping: whether the process is about to end; a failure is then not the film's fault.
        deliver: queues the work on a result for a destination.

    Returns:
        What queues a film's work: of its id, its round, and its priority (1 is first).
    """
    from dbos import DBOS, SetEnqueueOptions, SetWorkflowID

    workflow = DBOS.workflow(name="film")(_film(_durable(steps, queue, stopping), deliver, stopping))

    def enqueue(film_id: str, round_: int, priority: int) -> None:
        with SetWorkflowID(work_id(film_id, round_)), SetEnqueueOptions(priority=priority):
            DBOS.enqueue_workflow(QUEUE, workflow, film_id, round_)

    return enqueue


def _film(
    durable: _Durable, deliver: Callable[[str, str], None], stopping: Callable[[], bool]
) -> Callable[[str, int], str]:
    def film(film_id: str, round_: int) -> str:
        try:
            result = durable.grade(film_id, work_id(film_id, round_))
            durable.build(film_id)
            durable.tell(result)
            for name in durable.plan(result):
                deliver(result, name)
        except Exception as error:
            if stopping() or isinstance(error, GradingClosedError):
                raise  # the next start takes it up
            reason = reason_of(error)
            _log.warning("film_failed", film_id=film_id, reason=reason, error=type(error).__name__)
            durable.close(film_id, round_, reason)
            return reason
        durable.close(film_id, round_, None)
        return "done"

    return film


def _durable(steps: Steps, queue: QueueSettings, stopping: Callable[[], bool]) -> _Durable:
    """The steps, each tried later and later, up to `step_attempts`; grading counts a decoder's deaths itself."""
    from dbos import DBOS

    def should_retry(error: BaseException) -> bool:
        return not isinstance(error, GradingError | GradingClosedError) and not stopping()

    def step(function: Callable[P, R], name: str) -> Callable[P, R]:
        return DBOS.step(
            name=name,
            retries_allowed=queue.step_attempts > 1,
            max_attempts=queue.step_attempts,
            interval_seconds=queue.backoff_seconds,
            should_retry=should_retry,
        )(function)

    # Plain functions: DBOS writes attributes on what it registers, and a bound method takes none.
    def grade(film_id: str, work: str) -> str:
        return steps.grade(film_id, work)

    def build(film_id: str) -> str:
        return steps.build(film_id)

    def tell(result_id: str) -> None:
        steps.tell(result_id)

    def plan(result_id: str) -> list[str]:
        return steps.plan(result_id)

    def close(film_id: str, round_: int, reason: str | None) -> None:
        if reason is None:
            steps.finish(film_id, round_)
        else:
            steps.bury(film_id, round_, reason)

    return _Durable(
        step(grade, "grade"), step(build, "build"), step(tell, "tell"), step(plan, "plan"), step(close, "close")
    )
