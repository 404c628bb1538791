"""Shards worked off by a Ray cluster: `kneeoa score --engine ray --address HOST:PORT`.

The driver keeps one shard at a time in each actor and gives it the next when it answers. What an actor had in work when
it or its node died is begun anew elsewhere: a part is written whole or not at all, so that nothing is counted twice.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, cast

from kneeoa.model.errors import KneeOAError
from kneeoa.serving.archive.engine import Event, FilmsDone, ScorePlan, ShardDone, ShardFailed
from kneeoa.serving.archive.ray_worker import RayShardWorker

if TYPE_CHECKING:
    from ray import ObjectRef
    from ray.actor import ActorHandle

MOST_LOSSES = 4
"""A shard whose actor was lost so often is given up: the shard may be what kills them."""
MOST_BAD_STARTS = 3
"""So many actors in a row whose constructor fails end the run."""
MOST_LOST_STARTS = 60
"""Likewise of those that are lost before they are up: a dead node is offered for a while after its death."""
_ROOM_SECONDS = 60.0
"""How long the cluster may have no room for a single actor."""
_BLOCK_SECONDS = 0.5
_RECRUIT_SECONDS = 2.0
_SEEN_A_SECOND = 50.0
"""Questions about progress, of all actors together."""


class RayMissingError(KneeOAError):
    """Ray is not installed."""


class RayAddressError(KneeOAError):
    """There is no Ray cluster at the address."""


@dataclass(frozen=True, slots=True)
class ActorSize:
    """What one actor takes of the cluster.

    Attributes:
        cpus: processors; a film is worked off by one.
        gpus: 0, 1, or a part of one that several actors share.
        most: most actors; None for as many as there is room for.
    """

    cpus: float = 1.0
    gpus: float = 0.0
    most: int | None = None


class _Call(Enum):
    READY = auto()
    WORK = auto()
    SEEN = auto()


@dataclass(slots=True)
class _Actor:
    """An actor as the driver sees it: what it does, and when it was last asked how far it is."""

    handle: ActorHandle[RayShardWorker]
    shard: int | None = None
    ready: bool = False
    asked: float = 0.0


class RayEngine:
    """`engine.Engine` on a Ray cluster that runs already.

    Args:
        address: of its head, "host:port", or "auto" on one of its nodes.
        size: of one actor.

    Raises:
        RayMissingError: Ray is not installed.
        RayAddressError: there is no cluster at the address.
    """

    def __init__(self, address: str, size: ActorSize = ActorSize()) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            import ray
        except ModuleNotFoundError as error:
            if error.name != "ray":
                raise
            raise RayMissingError("--engine ray needs Ray; run: pip install 'kneeoa[ray]'") from error
        self._ray, self._size = ray, size
        try:
            # What actors print stays on their nodes: native libraries may print parts of headers.
            ray.init(address=address, log_to_driver=False, configure_logging=False)
        except (ConnectionError, RuntimeError, ValueError) as error:
            msg = (
                f"There is no Ray cluster at {address}: start one by `ray start --head`, and run this on a node of it."
            )
            raise RayAddressError(msg) from error
        self._plan: ScorePlan | None = None
        self._todo: deque[int] = deque()
        self._losses: dict[int, int] = {}
        self._actors: list[_Actor] = []
        self._calls: dict[ObjectRef[object], tuple[_Call, _Actor]] = {}
        self._bad_starts, self._room_since, self._recruited = 0, time.monotonic(), 0.0
        self._stopping = False

    def submit(self, plan: ScorePlan, shards: Sequence[int]) -> None:
        """Takes the shards to work off, first come first served."""
        self._plan = plan
        self._todo.extend(shards)

    def finished(self) -> Iterator[Event]:
        """What happens, as it happens; see `engine.Engine.finished`."""
        while self._todo or any(actor.shard is not None for actor in self._actors):
            yield from self._recruit()
            self._give_work()
            self._ask_how_far()
            if not self._calls:
                time.sleep(_BLOCK_SECONDS)
                continue
            answered, _ = self._ray.wait(list(self._calls), num_returns=1, timeout=_BLOCK_SECONDS)
            if answered:
                answered, _ = self._ray.wait(list(self._calls), num_returns=len(self._calls), timeout=0)
            for call in answered:
                yield from self._answer(call)

    def stop(self) -> None:
        """Asks for an end; see `engine.Engine.stop`."""
        self._stopping = True

    def close(self) -> None:
        """Ends every actor, whatever it is doing, and leaves the cluster."""
        for actor in self._actors:
            self._kill(actor)
        self._actors.clear()
        self._calls.clear()
        self._ray.shutdown()

    def _recruit(self) -> Iterator[Event]:
        """Has as many actors as there is room and work for; nodes may have come or gone."""
        now = time.monotonic()
        if self._stopping:
            self._end_all()
            return
        if now - self._recruited < _RECRUIT_SECONDS:
            return
        self._recruited = now
        room = self._room()
        busy = sum(actor.shard is not None for actor in self._actors)
        for _ in range(min(room, len(self._todo) + busy) - len(self._actors)):
            self._start_one()
        if room or self._actors:
            self._room_since = now
        elif now - self._room_since > _ROOM_SECONDS:
            yield from self._give_up(
                f"No node of the Ray cluster has {self._size.cpus:g} CPU, {self._size.gpus:g} GPU."
            )

    def _room(self) -> int:
        """How many actors the cluster could hold if nobody else used it."""
        resources = self._ray.cluster_resources()
        room = int(resources.get("CPU", 0.0) / self._size.cpus) if self._size.cpus else len(self._todo)
        if self._size.gpus:
            room = min(room, int(resources.get("GPU", 0.0) / self._size.gpus))
        return room if self._size.most is None else min(room, self._size.most)

    def _start_one(self) -> None:
        options = self._ray.remote(RayShardWorker).options(
            num_cpus=self._size.cpus,
            num_gpus=self._size.gpus,
            max_restarts=0,  # a new one may find room on another node; Ray would wait for the old place
            max_concurrency=2,
            scheduling_strategy="SPREAD",
        )
        actor = _Actor(cast("ActorHandle[RayShardWorker]", options.remote(self._plan)))
        self._actors.append(actor)
        self._calls[actor.handle.ready.remote()] = (_Call.READY, actor)

    def _give_work(self) -> None:
        for actor in self._actors:
            if actor.ready and actor.shard is None and self._todo:
                actor.shard, actor.asked = self._todo.popleft(), time.monotonic()
                self._calls[actor.handle.work.remote(actor.shard)] = (_Call.WORK, actor)

    def _ask_how_far(self) -> None:
        now, every = time.monotonic(), max(1.0, len(self._actors) / _SEEN_A_SECOND)
        for actor in self._actors:
            if actor.shard is not None and now - actor.asked > every:
                # Not asked again before it has answered.
                actor.asked = float("inf")
                self._calls[actor.handle.seen.remote()] = (_Call.SEEN, actor)

    def _answer(self, call: ObjectRef[object]) -> Iterator[Event]:
        if call not in self._calls:
            return  # of an actor that was lost a moment ago
        kind, actor = self._calls.pop(call)
        try:
            said = self._ray.get(call)
        except self._ray.exceptions.RayError as error:
            yield from self._lose(actor, kind, error)
            return
        if kind is _Call.READY:
            actor.ready, self._bad_starts = True, 0
        elif kind is _Call.SEEN:
            actor.asked = time.monotonic()
            if isinstance(said, FilmsDone) and said.tally.films:
                yield said
        else:
            actor.shard = None
            if isinstance(said, ShardDone | ShardFailed):
                yield said
                if isinstance(said, ShardFailed) and said.fatal:
                    self.stop()

    def _lose(self, actor: _Actor, kind: _Call, error: Exception) -> Iterator[Event]:
        """An actor is gone, with its node perhaps, or nobody knows what it is doing: its shard is somebody else's."""
        if actor not in self._actors:
            return
        self._actors.remove(actor)
        self._calls = {call: (what, whose) for call, (what, whose) in self._calls.items() if whose is not actor}
        self._kill(actor)
        shard = actor.shard
        if kind is _Call.READY:
            failed = isinstance(error, self._ray.exceptions.RayActorError) and error.actor_init_failed
            self._bad_starts += MOST_LOST_STARTS // MOST_BAD_STARTS if failed else 1
            if self._bad_starts >= MOST_LOST_STARTS:
                yield from self._give_up(f"The workers on the Ray cluster do not come up: {_why(error)}")
        elif shard is not None:
            self._losses[shard] = self._losses.get(shard, 0) + 1
            if self._losses[shard] >= MOST_LOSSES:
                yield ShardFailed(shard, f"{MOST_LOSSES} workers were lost over this shard: {type(error).__name__}.")
            elif not self._stopping:
                self._todo.appendleft(shard)

    def _give_up(self, message: str) -> Iterator[Event]:
        if self._todo:
            yield ShardFailed(self._todo[0], message, fatal=True)
        self.stop()
        self._end_all()

    def _end_all(self) -> None:
        """Nothing new is begun; who is at work is asked, once, to stop after its film."""
        self._todo.clear()
        for actor in [one for one in self._actors if one.shard is None]:
            self._actors.remove(actor)
            self._kill(actor)
        for actor in self._actors:
            if actor.ready:
                actor.ready = False
                actor.handle.stop.remote()

    def _kill(self, actor: _Actor) -> None:
        with suppress(self._ray.exceptions.RayError, ValueError):
            self._ray.kill(actor.handle, no_restart=True)


def _why(error: Exception) -> str:
    """The last line of what a constructor raised: the error itself, without the stack of another machine."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
