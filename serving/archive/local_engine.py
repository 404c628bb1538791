"""Shards on this machine: a thread and a process each, one core each."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Iterator, Sequence

from kneeoa.serving.archive.engine import Event, FilmsDone, ScorePlan, Tally
from kneeoa.serving.archive.shard_events import work_off
from kneeoa.serving.archive.shard_runner import ShardRunner

_LOOK_SECONDS = 0.5


class LocalEngine:
    """`engine.Engine` by processes of this machine.

    Args:
        processes: how many.
        pinned: whether each process keeps to one core of its own, as far as there are enough.
        prepare: see `ShardRunner`.
    """

    def __init__(self, processes: int, *, pinned: bool = True, prepare: Callable[[], None] | None = None) -> None:
        cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
        self._cores: list[int | None] = [None] * processes
        if pinned and processes <= len(cores):
            self._cores = list(cores[:processes])
        self._prepare = prepare
        self._stopping = False
        self._shards: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []

    def submit(self, plan: ScorePlan, shards: Sequence[int]) -> None:
        """See `Engine.submit`."""
        for shard in shards:
            self._shards.put(shard)
        for core in self._cores[: max(1, len(shards))]:
            thread = threading.Thread(target=self._work, args=(plan, core), name="kneeoa-shards", daemon=True)
            self._threads.append(thread)
            thread.start()

    def finished(self) -> Iterator[Event]:
        """See `Engine.finished`."""
        running = len(self._threads)
        while running:
            try:
                event = self._events.get(timeout=_LOOK_SECONDS)
            except queue.Empty:
                continue
            if event is None:
                running -= 1
            else:
                yield event

    def stop(self) -> None:
        """See `Engine.stop`."""
        self._stopping = True

    def close(self) -> None:
        """See `Engine.close`."""
        self._stopping = True
        for thread in self._threads:
            thread.join()

    def _work(self, plan: ScorePlan, core: int | None) -> None:
        runner = ShardRunner(plan, core, self._prepare)
        try:
            while not self._stopping:
                try:
                    shard = self._shards.get_nowait()
                except queue.Empty:
                    return
                self._events.put(self._shard(runner, shard))
        finally:
            runner.close()
            self._events.put(None)

    def _shard(self, runner: ShardRunner, shard: int) -> Event:
        told = work_off(runner, shard, lambda film: self._events.put(FilmsDone(shard, film)), lambda: self._stopping)
        return FilmsDone(shard, Tally()) if told is None else told
