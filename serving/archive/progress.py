"""What a run tells while it runs: a bar on a terminal, plain lines elsewhere, and progress.json always."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from kneeoa.serving.archive.engine import Tally

_FILE_SECONDS, _LINE_SECONDS = 1.0, 30.0


@dataclass(frozen=True, slots=True)
class State:
    """What progress.json says.

    Attributes:
        step: "manifest", "films", "done" or "stopped".
        files: rows of the manifest so far.
        films: how many this run is to score; 0 while the manifest is made.
        scored: of these.
        graded, refused, failed: how the scored ones ended.
        shards_left: without a part.
        films_per_second: since the first film of this run.
        seconds_left: at that speed; None where it is not known.
    """

    step: str
    files: int = 0
    films: int = 0
    scored: int = 0
    graded: int = 0
    refused: int = 0
    failed: int = 0
    shards_left: int = 0
    films_per_second: float = 0.0
    seconds_left: float | None = None

    def line(self) -> str:
        """The state as one line for a log."""
        if self.step == "manifest":
            return f"{self.files} files listed"
        share = 100 * self.refused / self.scored if self.scored else 0.0
        left = "" if self.seconds_left is None else f", {self.seconds_left / 60:.0f} min left"
        return (
            f"{self.scored}/{self.films} films, {self.films_per_second:.1f}/s, {share:.0f} % refused, "
            f"{self.failed} failed{left}"
        )


@dataclass(slots=True)
class Progressing:
    """Told what happens; writes and shows it now and then.

    Attributes:
        path: of progress.json.
        show: takes a state for the eye.
    """

    path: Path
    show: Callable[[State], None]
    tally: Tally = field(default_factory=Tally)
    films: int = 0
    files: int = 0
    shards_left: int = 0
    _begun: float = field(default_factory=time.monotonic)
    _written: float = 0.0

    def begin_films(self, files: int, films: int, shards: int) -> None:
        """The manifest is there, and so many films and shards are to be scored."""
        self.files, self.films, self.shards_left = files, films, shards
        self._begun = time.monotonic()
        self.tell("films", now=True)

    def add(self, tally: Tally) -> None:
        """Some films more are scored."""
        self.tally += tally
        self.tell("films")

    def tell(self, step: str, *, now: bool = False) -> None:
        """Writes the state, at most once a second unless it must be now."""
        clock = time.monotonic()
        if not now and clock - self._written < _FILE_SECONDS:
            return
        self._written = clock
        state = self._state(step, clock - self._begun)
        temporary = self.path.with_name(f".{self.path.name}")
        temporary.write_text(json.dumps(asdict(state)) + "\n", encoding="ascii")
        temporary.replace(self.path)
        self.show(state)

    def _state(self, step: str, seconds: float) -> State:
        scored = self.tally.films
        speed = scored / seconds if seconds > 0 and step != "manifest" else 0.0
        left = (self.films - scored) / speed if speed else None
        counts = (scored, self.tally.graded, self.tally.refused, self.tally.failed)
        return State(step, self.files, self.films, *counts, self.shards_left, round(speed, 3), left)


@contextmanager
def progress_to(path: Path, console: Console) -> Iterator[Progressing]:
    """Progress shown on a terminal as a bar, elsewhere as a line every half minute.

    Args:
        path: of progress.json.
        console: of the error stream.
    """
    if not console.is_terminal:
        last = 0.0

        def line(state: State) -> None:
            nonlocal last
            if time.monotonic() - last >= _LINE_SECONDS or state.step in {"done", "stopped"}:
                last = time.monotonic()
                console.print(state.line(), highlight=False, soft_wrap=True)

        yield Progressing(path, line)
        return
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("", total=None)

        def move(state: State) -> None:
            bar.update(task, total=state.films or None, completed=state.scored or state.files, description=state.line())

        yield Progressing(path, move)
