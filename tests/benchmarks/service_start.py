"""How long `kneeoa serve` takes until it is ready, on an empty data folder and on a used one: part of `make bench`.

Seconds on the wall need an idle machine; processor seconds, of all its processes, hardly do.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

# Last, so that the repository's folders shadow nobody's packages.
sys.path.append(str(Path(__file__).parents[2]))

from tests.benchmarks.measure import Spread, machine, spread
from tests.serving.running_service import RunningService, StartUp

ROUNDS = 5
BAR_SECONDS = 3.0
"""What docs/service.md aims at, on two idle cores."""


def starts(rounds: int) -> dict[str, list[StartUp]]:
    """First and second start on a data folder, so often; the first round only warms the disk's cache."""
    found: dict[str, list[StartUp]] = {"first": [], "again": []}
    for done in range(rounds + 1):
        with tempfile.TemporaryDirectory() as data:
            for kept in found.values():
                with RunningService(Path(data)) as service:
                    if done > 0:
                        kept.append(service.start_up)
    return found


def summary(found: dict[str, list[StartUp]]) -> dict[str, dict[str, Spread]]:
    """Medians and quartiles of each figure."""
    return {
        name: {figure: spread([asdict(one)[figure] for one in kept]) for figure in ("alive", "ready", "processor")}
        for name, kept in found.items()
    }


def main() -> None:
    """Measures and writes JSON; a line a kind of start on stdout."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="the JSON file to write")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    chosen = parser.parse_args()
    facts = machine()
    found = summary(starts(chosen.rounds))
    for name, figures in found.items():
        ready, used = figures["ready"], figures["processor"]
        sys.stdout.write(
            f"start {name:6} ready after {ready.median:.2f} s ({ready.q1:.2f}-{ready.q3:.2f}; aim, on an idle "
            f"machine: {BAR_SECONDS:.0f}), {used.median:.2f} processor seconds\n"
        )
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    told = {name: {figure: asdict(value) for figure, value in figures.items()} for name, figures in found.items()}
    chosen.out.write_text(json.dumps({"machine": facts, "start": told}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
