"""What works shards off on a Ray cluster: one actor a slice of processors or a GPU. Ray itself is not imported here.

An actor gets the plan once and then numbers of shards. It reads manifest and films from the folders and addresses that
every node sees, writes the part there, and answers with counts: no pixel and no result row goes through Ray.
"""

from __future__ import annotations

import sys

from kneeoa.serving.archive.engine import FilmsDone, ScorePlan, ShardDone, ShardFailed, Tally
from kneeoa.serving.archive.shard_events import work_off
from kneeoa.serving.archive.shard_runner import ShardRunner


class RayShardWorker:
    """The actor. Ray calls `work` in one thread, and the others meanwhile in a second one.

    Args:
        plan: of the run.
    """

    def __init__(self, plan: ScorePlan) -> None:
        # The process for films, spawned from here, would first run the script of Ray's worker, and import all of Ray.
        vars(sys.modules["__main__"]).pop("__file__", None)
        self._runner = ShardRunner(plan)
        self._now = self._told = FilmsDone(-1, Tally())
        self._stopping = False

    def ready(self) -> bool:
        """Answers as soon as the actor is up."""
        return True

    def work(self, shard: int) -> ShardDone | ShardFailed | None:
        """Makes the part of a shard; None where it was stopped."""
        self._now = FilmsDone(shard, Tally())
        return work_off(self._runner, shard, self._count, lambda: self._stopping)

    def seen(self) -> FilmsDone:
        """Films since this was asked last."""
        now, told = self._now, self._told
        self._told = now
        before = told.tally if told.shard == now.shard else Tally()
        more = (now.tally.graded - before.graded, now.tally.refused - before.refused, now.tally.failed - before.failed)
        return FilmsDone(now.shard, Tally(*more))

    def stop(self) -> None:
        """Asks for an end after the film in work."""
        self._stopping = True

    def _count(self, more: Tally) -> None:
        self._now = FilmsDone(self._now.shard, self._now.tally + more)
