"""What works shards off on a Ray cluster: one actor a slice of processors or a GPU. Ray itself is not imported here.

An actor gets the plan once and then numbers of shards. It reads manifest and films from the folders and addresses that
every node sees, writes the part there, and answers with counts: no pixel and no result row goes through Ray.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from kneeoa.serving.archive.engine import FilmsDone, ScorePlan, ShardDone, ShardFailed, Tally


class ShardWork(Protocol):
    """Works shards off, one at a time, in whatever processes it needs."""

    def run(self, shard: int, seen: Callable[[Tally], None]) -> ShardDone | ShardFailed | None:
        """Makes the part of a shard.

        Args:
            shard: its number.
            seen: told of films as they are done, in the same thread.

        Returns:
            How it ended; None where it was asked to stop.
        """

    def stop(self) -> None:
        """Asks for an end after the film in work; from another thread than `run`."""

    def close(self) -> None:
        """Ends every process that was started."""


MakeWork = Callable[[ScorePlan], ShardWork]
"""Importable by name on every node."""


class RayShardWorker:
    """The actor. Ray calls `work` in one thread, and the others meanwhile in a second one.

    Args:
        make: makes what does the work.
        plan: of the run.
    """

    def __init__(self, make: MakeWork, plan: ScorePlan) -> None:
        self._work = make(plan)
        self._now = self._told = FilmsDone(-1, Tally())

    def ready(self) -> bool:
        """Answers as soon as the worker is up."""
        return True

    def work(self, shard: int) -> ShardDone | ShardFailed | None:
        """Makes the part of a shard; None where it was stopped."""
        self._now = FilmsDone(shard, Tally())
        return self._work.run(shard, self._count)

    def seen(self) -> FilmsDone:
        """Films since this was asked last."""
        now, told = self._now, self._told
        self._told = now
        before = told.tally if told.shard == now.shard else Tally()
        more = (now.tally.graded - before.graded, now.tally.refused - before.refused, now.tally.failed - before.failed)
        return FilmsDone(now.shard, Tally(*more))

    def stop(self) -> None:
        """Asks for an end after the film in work."""
        self._work.stop()

    def _count(self, more: Tally) -> None:
        self._now = FilmsDone(self._now.shard, self._now.tally + more)
