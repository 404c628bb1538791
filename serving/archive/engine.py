"""The seam between a run and whatever works its shards off: processes of this machine, or a Ray cluster.

An engine gets numbers of shards, never films: whoever works a shard reads its rows from the manifest, the films from
their sources, and writes the part itself (`shard_runner.ShardRunner`). No pixel and no result passes through here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ScorePlan:
    """All that working a shard needs; small, and safe to send to another machine that sees the same folders.

    Attributes:
        out: the folder of the run.
        release: name or folder of the release.
        release_sha256: of its `release.json`; a machine that has another one refuses the work.
        film_seconds: the longest that one film may take.
        memory_bytes: address space of one process.
        embeddings: whether parts keep the embeddings.
        device: "cpu", "cuda" or "auto".
    """

    out: Path
    release: str
    release_sha256: str
    film_seconds: float = 120.0
    memory_bytes: int = 6 << 30
    embeddings: bool = False
    device: str = "cpu"


@dataclass(frozen=True, slots=True)
class Tally:
    """Films counted by how they ended; they add up.

    Attributes:
        graded: with at least one grade.
        refused: read, and refused with a reason.
        failed: could not be read.
    """

    graded: int = 0
    refused: int = 0
    failed: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.graded + other.graded, self.refused + other.refused, self.failed + other.failed)

    @property
    def films(self) -> int:
        """All of them."""
        return self.graded + self.refused + self.failed


@dataclass(frozen=True, slots=True)
class FilmsDone:
    """Some films more of a shard that goes on; for the eye only, since a shard may yet be done again."""

    shard: int
    tally: Tally


@dataclass(frozen=True, slots=True)
class ShardDone:
    """A shard has its part.

    Attributes:
        shard: its number.
        tally: of all its films.
        seconds: of the clock on the wall.
    """

    shard: int
    tally: Tally
    seconds: float


@dataclass(frozen=True, slots=True)
class ShardFailed:
    """A shard could not be worked off and has no part; a later run tries it again.

    Attributes:
        shard: its number.
        message: why, and what to do; never of a patient.
        fatal: whether the next shard would fare no better, as with a full disk: the run stops.
    """

    shard: int
    message: str
    fatal: bool = False


Event = FilmsDone | ShardDone | ShardFailed


class Engine(Protocol):
    """Works shards off. One run an engine."""

    def submit(self, plan: ScorePlan, shards: Sequence[int]) -> None:
        """Takes the shards to work off, in this order as far as there is one.

        Args:
            plan: how.
            shards: numbers of shards without a part.
        """

    def finished(self) -> Iterator[Event]:
        """What happens, as it happens; ends when every submitted shard is done, has failed, or was given up.

        Must be iterated by one thread; it blocks for at most a second at a time, so that signals are seen.
        """

    def stop(self) -> None:
        """Asks for an end: films in work are finished, shards are not, nothing new is begun. Returns at once.

        `finished` then ends. May be called from a signal handler, and more than once.
        """

    def close(self) -> None:
        """Ends every process that was started, whatever it is doing."""
