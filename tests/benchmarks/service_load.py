"""What the service makes of films under load, against the same films graded in process in the same minutes.

A real `kneeoa serve` on loopback is sent standing films of both knees, uncompressed and in JPEG 2000. Reported are
films a second and times of answers at 1, 8 and 32 clients; processor seconds a film of all its processes over those of
grading in process, taken in turns, which a busy machine hardly changes; the same of films that are stored and graded
from the queue; how four good clients fare beside 200 slow or broken ones; and how memory grows. Linux only.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

# Last, so that the repository's folders shadow nobody's packages.
sys.path.append(str(Path(__file__).parents[2]))

from tests.benchmarks.measure import UNHURRIED, machine, report, sizes
from tests.benchmarks.service_films import InProcess, LoadFilm, load_films
from tests.serving.running_service import RunningService
from tests.serving.server import RELATED, related
from tests.serving.slow_clients import SlowClients

CLIENTS = (1, 8, 32)
RATIO_BAR, MEDIAN_BAR_SECONDS, TAIL_BAR, GROWTH_BAR = 1.25, 0.4, 4.0, 0.05
GOOD = 4
_OK, _BUSY = 200, 503
_ATTEMPTS, _WAIT_SECONDS = 20, 3.0
"""A film that is not taken now is sent again, as the answer says."""
Figure = TypeVar("Figure")
_SETTLE_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Load:
    """What so many clients at once, each of which waits for its answer, have seen.

    Attributes:
        clients: how many.
        films: how many films they sent together.
        failed: answers other than 200.
        films_a_second: films answered by the time it took.
        p50, p99: seconds from sending a film to its whole answer.
        processor: processor seconds a film, of all processes of the service.
    """

    clients: int
    films: int
    failed: int
    films_a_second: float
    p50: float
    p99: float
    processor: float


@dataclass(frozen=True, slots=True)
class InTurns:
    """One kind of film in process and by one client, film by film in turns; seconds.

    Attributes:
        kind: of the film.
        films: how many of each.
        alone_median, service_median: on the wall.
        alone_processor, service_processor: a film.
        ratio: of the two before.
    """

    kind: str
    films: int
    alone_median: float
    service_median: float
    alone_processor: float
    service_processor: float
    ratio: float


@dataclass(frozen=True, slots=True)
class Memory:
    """Resident bytes of all processes after so many films."""

    films: int
    resident: int


class Bench:
    """One running service and its films.

    Args:
        service: which runs.
        films: what is sent, in turn.
        alone: grades them in process.
    """

    def __init__(self, service: RunningService, films: Sequence[LoadFilm], alone: InProcess) -> None:
        self._service, self._films, self._alone = service, films, alone
        self.waits = 0

    def idle(self, seconds: float = 5.0) -> float:
        """Processor seconds a second while nothing is asked: on a busy machine, where a film takes long on the wall,
        this part of the ratio grows with it."""
        before, began = self._service.processor_seconds(), time.perf_counter()
        time.sleep(seconds)
        return (self._service.processor_seconds() - before) / (time.perf_counter() - began)

    def in_turns(self, film: LoadFilm, count: int) -> InTurns:
        """One film `count` times each way."""
        alone, used, answers = [], 0.0, []
        for _ in range(count):
            alone.append(self._alone.cost(film))
            before = self._service.processor_seconds()
            answers.append(self._service.ask("POST", "/v1/grade", film.content))
            used += self._service.processor_seconds() - before
        if any(answer.status != _OK for answer in answers):
            raise SystemExit(f"bench: {film.kind} is not graded: {answers[0].body[:300]!r}")
        floor, ours = float(np.mean([cost[1] for cost in alone])), used / count
        medians = float(np.median([cost[0] for cost in alone])), float(np.median([a.seconds for a in answers]))
        return InTurns(film.kind, count, *medians, floor, ours, ours / floor)

    def load(self, clients: int, count: int) -> Load:
        """`count` films by so many clients."""
        before, began = self._service.processor_seconds(), time.perf_counter()
        with ThreadPoolExecutor(clients) as pool:
            parts = pool.map(self._client, [count // clients] * clients, range(clients))
            answers = [answer for part in parts for answer in part]
        seconds, used = time.perf_counter() - began, self._service.processor_seconds() - before
        p50, p99 = (float(np.quantile([seconds for seconds, _ in answers], q)) for q in (0.5, 0.99))
        failed = sum(status != _OK for _, status in answers)
        return Load(clients, len(answers), failed, len(answers) / seconds, p50, p99, used / len(answers))

    def _client(self, count: int, first: int) -> list[tuple[float, int]]:
        seen = []
        for number in range(count):
            film = self._films[(first + number) % len(self._films)]
            answer = self._service.ask("POST", "/v1/grade", film.content)
            seen.append((answer.seconds, answer.status))
        return seen

    def stored(self, film: LoadFilm, count: int) -> InTurns:
        """So many films through the durable queue, and as many in process before."""
        alone = [self._alone.cost(film) for _ in range(count)]
        before, began = self._service.processor_seconds(), time.perf_counter()
        self._store(film, count)
        self._settle()
        seconds = (time.perf_counter() - began) / count
        ours, floor = (self._service.processor_seconds() - before) / count, float(np.mean([c[1] for c in alone]))
        median = float(np.median([cost[0] for cost in alone]))
        return InTurns(f"{film.kind}, stored", count, median, seconds, floor, ours, ours / floor)

    def memory(self, count: int, points: int = 10) -> list[Memory]:
        """Resident memory over so many films, of which half are stored."""
        seen = [Memory(0, self._service.resident_bytes())]
        for point in range(1, points + 1):
            step = max(2, count // points)
            self.load(1, step // 2)
            for number in range(step - step // 2):
                self._store(self._films[number % len(self._films)], 1)
            self._settle()
            seen.append(_told(Memory(point * step, self._service.resident_bytes())))
        return seen

    def _store(self, film: LoadFilm, count: int) -> None:
        for _ in range(count):
            body = related(film.renamed())
            for _attempt in range(_ATTEMPTS):
                answer = self._service.ask("POST", "/dicomweb/studies", body, RELATED)
                if answer.status != _BUSY:
                    break
                self.waits += 1
                time.sleep(_WAIT_SECONDS)
            if answer.status != _OK:
                raise SystemExit(f"bench: a film is not stored: {answer.status} {answer.body[:300]!r}")

    def _settle(self) -> None:
        """Waits until no film waits."""
        deadline = time.monotonic() + _SETTLE_SECONDS
        while time.monotonic() < deadline:
            page = self._service.ask("GET", "/metrics").body.decode()
            values = dict(line.rsplit(" ", 1) for line in page.splitlines() if line and not line.startswith("#"))
            if float(values["kneeoa_dead_letters"]):
                raise SystemExit("bench: a film has become a dead letter")
            if float(values["kneeoa_queue_films"]) == 0:
                return
            time.sleep(0.1)
        raise SystemExit("bench: the queue does not empty")


def growth(memory: Sequence[Memory]) -> float:
    """How much larger the last tenth is than what was there after the first, when everything had been used once."""
    return memory[-1].resident / memory[1].resident - 1


def told(result: dict[str, object]) -> list[str]:
    """Figures against their bars, a line each."""
    turns: list[dict[str, float]] = result["in_turns"]  # type: ignore[assignment] # our own JSON
    loads: list[dict[str, float]] = result["loads"]  # type: ignore[assignment] # likewise
    beside: dict[str, float] = result["beside_slow_clients"]  # type: ignore[assignment] # likewise
    lines = [
        f"{one['kind']}: {one['service_median']:.3f} s a film, in process {one['alone_median']:.3f}; processor "
        f"{one['service_processor']:.3f} s to {one['alone_processor']:.3f}: {one['ratio']:.2f} (bar {RATIO_BAR})"
        for one in turns
    ]
    lines.append(f"idle: {float(str(result['idle'])):.3f} processor seconds a second")
    lines += [
        f"{one['clients']} clients: {one['films_a_second']:.2f} films/s, p50 {one['p50']:.3f} s, p99 {one['p99']:.3f} "
        f"s ({one['p99'] / one['p50']:.1f} x; bar at 8: {TAIL_BAR}), {one['failed']} failed"
        for one in loads
    ]
    lines.append(
        f"{GOOD} clients beside {result['slow_clients']} slow or broken ones: {beside['films']} films, "
        f"{beside['failed']} failed, p50 {beside['p50']:.3f} s, p99 {beside['p99']:.3f} s"
    )
    lines.append(
        f"memory grows by {float(str(result['growth'])):.1%} over {result['films']} films (bar {GROWTH_BAR:.0%}); told "
        f"to come back later {result['waits']} times"
    )
    return lines


def measured(
    bench: Bench, service: RunningService, films: Sequence[LoadFilm], chosen: argparse.Namespace
) -> dict[str, object]:
    """Everything, with progress on stderr."""
    idle = _told(bench.idle())
    turns = [_told(bench.in_turns(film, chosen.each)) for film in films]
    turns.append(_told(bench.stored(films[0], chosen.each)))
    loads = [_told(bench.load(clients, max(clients * 2, chosen.each * 2))) for clients in chosen.clients]
    with SlowClients(service.port, chosen.slow) as slow:
        beside = _told(bench.load(GOOD, max(GOOD, chosen.each * 2)))
        opened = slow.opened
    memory = bench.memory(chosen.films)
    return {
        "idle": idle,
        "in_turns": [asdict(one) for one in turns],
        "loads": [asdict(one) for one in loads],
        "slow_clients": chosen.slow,
        "slow_connections": opened,
        "beside_slow_clients": asdict(beside),
        "memory": [asdict(one) for one in memory],
        "growth": growth(memory),
        "films": memory[-1].films,
        "waits": bench.waits,
    }


def counts(text: str) -> tuple[int, ...]:
    """`COUNT,...` as numbers."""
    return tuple(int(count) for count in text.split(","))


def _told(figure: Figure) -> Figure:
    """Progress, on stderr."""
    sys.stderr.write(f"{figure}\n")
    return figure


def main() -> None:
    """Measures and writes JSON; the figures and their bars on stdout."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="the JSON file to write")
    parser.add_argument("--size", type=sizes, default=((3000, 2500),), help="ROWSxCOLUMNS of the films")
    parser.add_argument("--each", type=int, default=20, help="films of each kind in turns; twice as many a load")
    parser.add_argument("--clients", type=counts, default=CLIENTS, help="how many at once: COUNT,...")
    parser.add_argument("--slow", type=int, default=200, help="slow or broken clients")
    parser.add_argument("--films", type=int, default=100, help="films over which memory is watched; 5000 for a soak")
    chosen = parser.parse_args()
    facts = machine()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        films = load_films(chosen.size[0], folder)
        with RunningService(folder / "data", UNHURRIED) as service:
            alone = InProcess(films)
            result = measured(Bench(service, films, alone), service, films, chosen)
    report(chosen.out, {"machine": facts, "size": list(chosen.size[0]), **result}, told(result))


if __name__ == "__main__":
    main()
