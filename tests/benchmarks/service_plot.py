"""Draws what `service_load.py` found: answers by number of clients, processor time beside in-process, memory."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TypedDict

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

_OURS, _ALONE, _BAR, _INK = "#1f5f7a", "#7fa6b8", "#d1495b", "#333333"


class Load(TypedDict):
    """So many clients: see `service_load.Load`."""

    clients: int
    films_a_second: float
    p50: float
    p99: float


class InTurns(TypedDict):
    """One kind of film: see `service_load.InTurns`."""

    kind: str
    alone_processor: float
    service_processor: float
    ratio: float


class Memory(TypedDict):
    """See `service_load.Memory`."""

    films: int
    resident: int


class Result(TypedDict):
    """What `service_load.py` writes, as far as it is drawn."""

    machine: dict[str, str | int | float]
    size: list[int]
    in_turns: list[InTurns]
    loads: list[Load]
    beside_slow_clients: Load
    slow_clients: int
    memory: list[Memory]


def answers(axes: Axes, result: Result) -> None:
    """Median as a bar, the 99th percentile as a whisker, films a second in words."""
    beside = result["beside_slow_clients"]
    rows = [(f"{one['clients']} client{'s' * (one['clients'] > 1)}", one) for one in result["loads"]]
    rows.append((f"{beside['clients']} beside {result['slow_clients']} slow ones", beside))
    for place, (_, one) in enumerate(rows):
        axes.barh(place, one["p50"], height=0.62, color=_OURS)
        axes.plot([one["p50"], one["p99"]], [place, place], color=_INK, linewidth=1.4, solid_capstyle="butt")
        axes.plot([one["p99"]] * 2, [place - 0.18, place + 0.18], color=_INK, linewidth=1.4)
        told = f"{one['films_a_second']:.2g} films/s"
        axes.annotate(told, (one["p99"], place), (5, 0), textcoords="offset points", va="center", fontsize=8)
    axes.set_yticks(range(len(rows)), [name for name, _ in rows])
    axes.set_xlim(0, 1.35 * max(one["p99"] for _, one in rows))
    axes.set_xlabel("seconds")
    axes.set_title("Until the answer: median, to p99", loc="left", fontsize=10)


def processor(axes: Axes, result: Result, bar: float) -> None:
    """Processor seconds a film, in process and by the service, and what the service may use at most."""
    for place, one in enumerate(result["in_turns"]):
        axes.barh(place + 0.19, one["alone_processor"], height=0.36, color=_ALONE, label="in process")
        axes.barh(place - 0.19, one["service_processor"], height=0.36, color=_OURS, label="service, all processes")
        allowed = bar * one["alone_processor"]
        axes.plot([allowed] * 2, [place - 0.42, place + 0.42], color=_BAR, linewidth=2, label=f"{bar} times")
        end = max(allowed, one["service_processor"])
        told = f"x {one['ratio']:.2f}"
        axes.annotate(told, (end, place - 0.19), (5, 0), textcoords="offset points", va="center", fontsize=8)
    most = max(max(one["service_processor"], bar * one["alone_processor"]) for one in result["in_turns"])
    axes.set_xlim(0, 1.2 * most)
    axes.set_yticks(range(len(result["in_turns"])), [one["kind"] for one in result["in_turns"]])
    axes.set_xlabel("processor seconds a film")
    axes.set_title("Processor time", loc="left", fontsize=10)


def memory(axes: Axes, result: Result) -> None:
    """Resident memory of all processes."""
    films = [one["films"] for one in result["memory"]]
    axes.plot(films, [one["resident"] / 2**20 for one in result["memory"]], color=_OURS, marker="o", markersize=3)
    axes.set_ylim(0, 1.15 * max(one["resident"] for one in result["memory"]) / 2**20)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.set_xlabel("films")
    axes.set_title("Memory of all processes, MiB", loc="left", fontsize=10)


def draw(result: Result, bar: float, path: Path) -> None:
    """The picture of a result.

    Args:
        result: as `service_load.py` wrote it.
        bar: most processor time, in multiples of in-process.
        path: the PNG to write.
    """
    figure = Figure(figsize=(12.5, 3.6), layout="constrained")
    left, middle, right = figure.subplots(1, 3, width_ratios=(1.2, 1.1, 0.8))
    answers(left, result)
    processor(middle, result, bar)
    memory(right, result)
    for axes in (left, middle):
        axes.tick_params(axis="y", length=0)
        axes.invert_yaxis()
        axes.spines[["top", "right", "left"]].set_visible(False)
    right.spines[["top", "right"]].set_visible(False)
    handles, labels = middle.get_legend_handles_labels()
    kinds = dict(zip(labels, handles, strict=True))
    figure.legend(
        handles=list(kinds.values()),
        labels=list(kinds),
        loc="outside lower center",
        ncols=len(kinds),
        frameon=False,
        fontsize=9,
    )
    machine, (rows, columns) = result["machine"], result["size"]
    title = f"kneeoa serve, films of both knees, {rows} x {columns} ({machine['cpu']}, {machine['usable_cores']} cores"
    load = f", load {machine['load_average']} from others" if float(machine["load_average"]) >= 1 else ""
    figure.suptitle(f"{title}{load})", x=0.01, ha="left", fontsize=11)
    figure.savefig(path, dpi=150)


def main() -> None:
    """Reads the JSON, writes the PNG."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("result", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--bar", type=float, default=1.25, help="most processor time, in multiples of in-process")
    chosen = parser.parse_args()
    draw(json.loads(chosen.result.read_text(encoding="utf-8")), chosen.bar, chosen.picture)


if __name__ == "__main__":
    main()
