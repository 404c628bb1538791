"""Holds what `measure.py` found against the last committed baseline, in multiples of the floor.

A multiple of the floor, in processor time, is nearly the same on a fast and on a slow machine, which milliseconds are
not. A figure counts as slower where three quarters of its rounds lie clearly above the baseline's median.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path

BASELINE = Path(__file__).with_name("baseline.json")
CLEARLY = 1.25
"""The rounds of one machine, minutes apart, differ by less."""


@dataclass(frozen=True, slots=True)
class Multiple:
    """How many times its floor a job takes: median and quartiles."""

    median: float
    q1: float
    q3: float

    def verdict(self, before: float | None) -> str:
        """ "new", "slower", "faster" or nothing to say, against the baseline's median."""
        if before is None:
            return "new"
        return "slower" if self.q1 > CLEARLY * before else "faster" if self.q3 < before / CLEARLY else ""


def multiples(result: Path) -> dict[str, Multiple]:
    """Every figure of a result by its name."""
    found = {}
    for one in json.loads(result.read_text(encoding="utf-8"))["figures"]:
        name = " ".join(filter(None, (one["job"], one["syntax"], "{} x {}".format(*one["size"]))))
        found[name] = Multiple(*(one["over_floor"][key] for key in ("median", "q1", "q3")))
    return found


def write_baseline(result: Path, baseline: Path) -> None:
    """Keeps the medians of a result, with what they were taken on, one line a figure."""
    taken = json.loads(result.read_text(encoding="utf-8"))
    kept = {name: round(multiple.median, 3) for name, multiple in multiples(result).items()}
    said = {key: taken[key] for key in ("machine", "libraries", "release")}
    baseline.write_text(json.dumps(said | {"over_floor": kept}, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """Prints a table on stdout; with --strict, ends with status 1 where something is slower or gone."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("result", type=Path, help="what measure.py wrote")
    parser.add_argument("--baseline", type=Path, default=BASELINE)
    parser.add_argument("--strict", action="store_true", help="end with status 1 where something is slower")
    parser.add_argument("--update-baseline", action="store_true", help="make the result the new baseline")
    chosen = parser.parse_args()
    now = multiples(chosen.result)
    before: dict[str, float] = {}
    if chosen.baseline.is_file():
        before = json.loads(chosen.baseline.read_text(encoding="utf-8"))["over_floor"]
    sys.stdout.write(f"{'times its floor':42}{'baseline':>9}{'now':>8}   quartiles\n")
    for name, multiple in now.items():
        old = f"{before[name]:9.2f}" if name in before else f"{'':9}"
        spread = f"{multiple.q1:.2f}-{multiple.q3:.2f}"
        line = f"{name:42}{old}{multiple.median:8.2f}   {spread:12}{multiple.verdict(before.get(name))}"
        sys.stdout.write(line.rstrip() + "\n")
    gone = [name for name in before if name not in now]
    sys.stdout.writelines(f"{name:42}{before[name]:9.2f}{'':8}   {'':12}gone\n" for name in gone)
    slower = [name for name, multiple in now.items() if multiple.verdict(before.get(name)) == "slower"]
    sys.stdout.write(f"{len(now)} figures, {len(slower)} slower, {len(gone)} gone\n")
    if chosen.update_baseline:
        write_baseline(chosen.result, chosen.baseline)
    elif chosen.strict and (slower or gone):
        sys.exit(1)


if __name__ == "__main__":
    main()
