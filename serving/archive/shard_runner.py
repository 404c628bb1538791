"""Works one shard after another off, with one process that decodes and grades; survives what films do to it.

A death costs the films that the process had begun, at most two. They are tried again one at a time, and the one that
kills its process again has the reason `decoder_crashed`; the others are graded as if nothing had been.
"""

from __future__ import annotations

import json
import multiprocessing
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pyarrow.parquet as pq

from kneeoa.model.errors import KneeOAError, ReasonCode, Refusal
from kneeoa.model.grades import FilmGrades, ReleaseFacts
from kneeoa.model.radiograph import FilmFacts
from kneeoa.serving.archive.engine import ScorePlan, Tally
from kneeoa.serving.archive.film_process import END, STOP, FilmLimits, FilmOrder, main, orders_to_bytes
from kneeoa.serving.archive.layout import ArchiveLayout, written_whole
from kneeoa.serving.archive.manifest_reader import ManifestReader
from kneeoa.serving.archive.manifest_schema import ManifestRow
from kneeoa.serving.archive.part_rows import PartRow, part_rows, part_table, tally_of
from kneeoa.serving.grading import facts_of
from kneeoa.serving.results.read_report import film_grades
from kneeoa.serving.workers.process import READY, Limits
from kneeoa.serving.workers.worker import Death

_SPAWN = multiprocessing.get_context("spawn")
_START_SECONDS = 300.0
_GRACE_SECONDS = 10.0
_LOOK_SECONDS = 0.5
"""How often a runner that waits for a film looks whether it shall stop."""
_DEATHS, _KILLS = 2, 4
"""Of a film's process, alone from the second on, before the film is given up; more where SIGKILL came from outside."""


class ShardError(KneeOAError):
    """A shard cannot be worked off: there is no process, or it has another release; the message says what to do."""


@dataclass(slots=True)
class _Films:
    """A shard in work: its films in order, what is known of them, and how often each was in a process that died."""

    orders: list[FilmOrder]
    manifest: dict[int, ManifestRow]
    rows: dict[int, list[PartRow]] = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)
    deaths: dict[int, int] = field(default_factory=dict)

    @property
    def left(self) -> list[FilmOrder]:
        """Films without a result."""
        return [order for order in self.orders if order.row not in self.rows]


class ShardRunner:
    """One process and the shards that it is given; used by one thread.

    Args:
        plan: how to score.
        core: the processor core that the process keeps to, or None.
        prepare: called in the process before it loads the networks; it must be importable by name.
    """

    def __init__(self, plan: ScorePlan, core: int | None = None, prepare: Callable[[], None] | None = None) -> None:
        self._plan, self._layout = plan, ArchiveLayout(plan.out)
        worker = Limits(plan.release, plan.memory_bytes, plan.film_seconds, plan.device, prepare)
        self._limits = FilmLimits(worker, plan.embeddings, core)
        self._manifest: ManifestReader | None = None
        self._facts: ReleaseFacts | None = None
        self._process: multiprocessing.process.BaseProcess | None = None

    def run(self, shard: int, told: Callable[[Tally], None], stopping: Callable[[], bool]) -> Tally | None:
        """Scores the films of a shard and writes its part.

        Args:
            shard: its number.
            told: called with each film as it is counted.
            stopping: asked now and then; where it says so, the films that were begun are finished, the shard is not.

        Returns:
            How the films ended, or None where it was stopped.

        Raises:
            ShardError: there is no process, or it has another release.
            ManifestError: the manifest cannot be read.
            OSError: the part cannot be written, for example on a full disk; nothing is left of it.
        """
        if self._manifest is None:
            self._manifest = ManifestReader(self._layout)
        found = self._manifest.shard(shard)
        films = _Films(
            [FilmOrder(row.row, source, member) for row, source, member in found], {row.row: row for row, _, _ in found}
        )
        while left := films.left:
            suspects = [order for order in left if order.row in films.deaths]
            self._ask(suspects[:1] or left, films, told, stopping)
            if films.left and stopping():
                return None
        self._write(shard, films)
        return films.tally

    def close(self) -> None:
        """Ends the process, whatever it is doing."""
        if self._process is None:
            return
        self._pipe.close()
        if self._process.is_alive():
            self._process.kill()
        self._process.join()
        self._process = None

    def _start(self) -> None:
        if self._process is not None:
            return
        self._pipe, theirs = _SPAWN.Pipe()
        self._process = _SPAWN.Process(target=main, args=(theirs, self._limits), name="kneeoa-films", daemon=True)
        self._process.start()
        theirs.close()
        try:
            said = self._pipe.recv_bytes(1 << 16) if self._pipe.poll(_START_SECONDS) else b"it does not answer"
        except (EOFError, OSError):
            said = b"it ended at once; there may be too little memory"
        if not said.startswith(READY):
            self.close()
            raise ShardError(f"A process for films cannot be started: {said.decode('utf-8', 'replace')}")
        if said.removeprefix(READY).decode() != self._plan.release_sha256:
            self.close()
            raise ShardError("This machine has another release than the run. Install the same version everywhere.")

    def _ask(
        self,
        orders: Sequence[FilmOrder],
        films: _Films,
        told: Callable[[Tally], None],
        stopping: Callable[[], bool],
    ) -> None:
        """Has the process grade films, until they are graded, it was stopped, or it died."""
        self._start_again()
        answered = 0
        try:
            self._pipe.send_bytes(orders_to_bytes(orders))
            while (message := self._answer(stopping)) != END:
                self._keep(message, films, told)
                answered += 1
        except (EOFError, OSError, ValueError):
            self._bury(orders[answered : answered + 2], films, told)

    def _start_again(self) -> None:
        """Starts the process where it does not run; it may be killed from outside while it starts."""
        for left in (2, 1, 0):
            try:
                self._start()
            except ShardError:
                if not left:
                    raise
            else:
                return

    def _answer(self, stopping: Callable[[], bool]) -> bytes:
        """The next message.

        Raises:
            EOFError: the process has died, or does not answer in time.
        """
        deadline = time.monotonic() + 2 * self._plan.film_seconds + _GRACE_SECONDS
        asked = False
        while not self._pipe.poll(_LOOK_SECONDS):
            if time.monotonic() > deadline:
                raise EOFError
            if stopping() and not asked:
                asked = True
                self._pipe.send_bytes(STOP)
        message = self._pipe.recv_bytes()
        if message != END and not asked and stopping():
            self._pipe.send_bytes(STOP)
        return message

    def _keep(self, message: bytes, films: _Films, told: Callable[[Tally], None]) -> None:
        """Takes a film's report.

        Raises:
            ValueError: the process sent what is none.
        """
        fields = json.loads(message)
        manifest = films.manifest.get(fields["row"]) if isinstance(fields, dict) else None
        if manifest is None:
            raise ValueError("No film of this shard.")
        embeddings = [None if one is None else tuple(map(float, one)) for one in fields["embeddings"]]
        self._count(manifest, film_grades(fields["report"]), films, told, embeddings)

    def _count(
        self,
        manifest: ManifestRow,
        grades: FilmGrades,
        films: _Films,
        told: Callable[[Tally], None],
        embeddings: Sequence[tuple[float, ...] | None] = (),
    ) -> None:
        films.rows[manifest.row] = part_rows(manifest, grades, embeddings)
        counted = tally_of(grades)
        films.tally += counted
        told(counted)

    def _bury(self, begun: Sequence[FilmOrder], films: _Films, told: Callable[[Tally], None]) -> None:
        """After a death: the films that were begun are suspects, and one that was alone too often is given up."""
        process = self._process
        if process is not None:
            process.join(_GRACE_SECONDS)
        death = Death(None if process is None else process.exitcode)
        self.close()
        outside = death.exitcode == -getattr(signal, "SIGKILL", 9)
        for order in begun:
            films.deaths[order.row] = films.deaths.get(order.row, 0) + 1
            if len(begun) == 1 and films.deaths[order.row] >= (_KILLS if outside else _DEATHS):
                self._count(films.manifest[order.row], self._crashed(order, death), films, told)

    def _crashed(self, order: FilmOrder, death: Death) -> FilmGrades:
        if self._facts is None:
            self._facts = facts_of(self._plan.release)
        refusal = Refusal.because(ReasonCode.DECODER_CRASHED, death.error().refusal.message)
        return FilmGrades(FilmFacts(order.source), self._facts, refusal)

    def _write(self, shard: int, films: _Films) -> None:
        target = self._layout.part(self._plan.release_sha256, shard)
        target.parent.mkdir(parents=True, exist_ok=True)
        table = part_table([row for order in films.orders for row in films.rows[order.row]], films.tally)
        with written_whole(target) as temporary:
            pq.write_table(table, temporary, compression="zstd")
