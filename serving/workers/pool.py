"""The workers together: who waits longest for the most urgent film gets the next one that is free."""

from __future__ import annotations

import heapq
import itertools
import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Self

from kneeoa.serving.grading import GradingClosedError
from kneeoa.serving.settings import WorkerSettings
from kneeoa.serving.workers.jobs import Answer, Job
from kneeoa.serving.workers.process import Limits
from kneeoa.serving.workers.worker import Death, Worker, WorkerStartError

_LOG = logging.getLogger(__name__)
_STOPPING = "The service is stopping. Send the film again in a minute."
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 30.0


class Urgency(IntEnum):
    """Who is served first: a person who waits, or work that nobody watches."""

    PERSON = 0
    STORED = 1


class PoolClosedError(GradingClosedError):
    """The service is stopping and takes no more films."""


@dataclass(frozen=True, slots=True)
class PoolState:
    """What the pool is doing.

    Attributes:
        alive: workers that are up, busy or free.
        wanted: how many there should be.
        waiting: films that wait for one.
        replaced: workers that died or were ended for a film, since the start.
        device: what the newest of them runs on, "cpu" or "cuda"; empty before the first is up.
    """

    alive: int
    wanted: int
    waiting: int
    replaced: int
    device: str


class WorkerPool:
    """Worker processes, shared by the threads of the service; a context manager.

    A film that kills or blocks its worker costs that worker alone: its replacement starts while the others work on.

    Args:
        settings: how many, and their limits.
        release: name of a shipped release, or a release's folder.
        prepare: called in each worker before it loads the networks; it must be importable by name.
        device: "auto", "cpu" or "cuda".
    """

    def __init__(
        self,
        settings: WorkerSettings,
        release: str,
        prepare: Callable[[], None] | None = None,
        device: str = "cpu",
    ) -> None:
        self.count = settings.resolved_count
        self._limits = Limits(release, settings.memory_bytes, settings.seconds, device, prepare)
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._order = itertools.count()
        self._free: list[Worker] = []
        self._waiting: list[tuple[int, int, queue.SimpleQueue[Worker | None]]] = []
        self._alive = self._replaced = 0
        self._device = ""
        self._started = self._closed = False

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Has all workers started, once, and does not wait: films that come meanwhile wait for the first one."""
        with self._lock:
            if self._started:
                return
            self._started = True
        for _ in range(self.count):
            self._start_one()

    def wait_until_ready(self, seconds: float = 120.0) -> None:
        """Waits until all workers are up.

        Raises:
            WorkerStartError: they are not, after so many seconds.
        """
        with self._lock:
            up = self._changed.wait_for(lambda: self._alive >= self.count, seconds)
        if not up:
            raise WorkerStartError("The worker processes do not come up; see the log for the reason.")

    def run(self, job: Job, urgency: Urgency = Urgency.PERSON) -> Answer:
        """Has the next free worker do a job.

        Raises:
            DecoderCrashedError: the film killed its worker, or was given up.
            PoolClosedError: the service is stopping.
        """
        worker = self._take(urgency)
        answer = worker.ask(job)
        if isinstance(answer, Death):
            self._lose()
            raise answer.error()
        self._put(worker)
        return answer

    @property
    def state(self) -> PoolState:
        """What the pool is doing now."""
        with self._lock:
            return PoolState(self._alive, self.count, len(self._waiting), self._replaced, self._device)

    def close(self) -> None:
        """Takes no more films, and ends the workers that are free; the busy ones end after their film."""
        with self._lock:
            self._closed = True
            free, self._free = self._free, []
            waiting, self._waiting = self._waiting, []
            self._alive -= len(free)
        for _, _, place in waiting:
            place.put(None)
        for worker in free:
            worker.end()

    def _take(self, urgency: Urgency) -> Worker:
        with self._lock:
            if self._closed:
                raise PoolClosedError(_STOPPING)
            if self._free:
                return self._free.pop()
            place: queue.SimpleQueue[Worker | None] = queue.SimpleQueue()
            heapq.heappush(self._waiting, (int(urgency), next(self._order), place))
        worker = place.get()
        if worker is None:
            raise PoolClosedError(_STOPPING)
        return worker

    def _put(self, worker: Worker, *, new: bool = False) -> None:
        with self._lock:
            self._alive += new
            self._device = worker.device
            self._changed.notify_all()
            closed = self._closed
            if closed:
                self._alive -= 1
            elif self._waiting:
                heapq.heappop(self._waiting)[2].put(worker)
            else:
                self._free.append(worker)
        if closed:
            worker.end()

    def _lose(self) -> None:
        with self._lock:
            self._alive -= 1
            self._replaced += 1
        self._start_one()

    def _start_one(self) -> None:
        threading.Thread(target=self._bring_up, name="kneeoa-start-worker", daemon=True).start()

    def _bring_up(self) -> None:
        wait = _FIRST_WAIT
        while not self._closed:
            worker: Worker | None = None
            try:
                worker = Worker(self._limits)
                worker.wait_until_ready()
            except (WorkerStartError, OSError) as error:
                if worker is not None:
                    worker.end()
                if not self._closed:
                    _LOG.warning("worker_not_started", extra={"why": str(error)})
                time.sleep(wait)
                wait = min(2 * wait, _LONGEST_WAIT)
            else:
                self._put(worker, new=True)
                return
