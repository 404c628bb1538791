"""Draws what `measure.py` found: one panel a film size, one bar a transfer syntax."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TypeAlias, TypedDict

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

_DECODE, _GRADE, _FLOOR, _INK = "#7fa6b8", "#1f5f7a", "#d1495b", "#333333"


class Spread(TypedDict):
    """Median and quartiles."""

    median: float
    q1: float
    q3: float


class Measured(TypedDict):
    """One job of ours and its floor, milliseconds."""

    job: str
    syntax: str
    size: list[int]
    ours: Spread
    floor: Spread


class Result(TypedDict):
    """What `measure.py` writes, as far as it is drawn."""

    machine: dict[str, str | int | float]
    figures: list[Measured]


Rows: TypeAlias = list[tuple[str, float, float, float, float, float]]
"""(syntax, decode, whole, its lower quartile, its upper quartile, floor of the whole), milliseconds."""


def panel(axes: Axes, title: str, rows: Rows) -> None:
    """One film size: decode and grade end to end, quartiles as a whisker, the floor as a mark."""
    for place, (_, decode, whole, low, high, floor) in enumerate(rows):
        axes.barh(place, decode, height=0.66, color=_DECODE)
        axes.barh(place, whole - decode, left=decode, height=0.66, color=_GRADE)
        axes.plot([low, high], [place, place], color=_INK, linewidth=1.2, solid_capstyle="butt")
        axes.plot([floor, floor], [place - 0.4, place + 0.4], color=_FLOOR, linewidth=2, solid_capstyle="butt")
        axes.annotate(
            f"{whole:.0f}",
            (max(whole, high, floor), place),
            (4, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
        )
    axes.set_title(title, loc="left", fontsize=10)
    axes.set_xlabel("milliseconds")
    axes.set_xlim(0, 1.17 * max(max(row[4], row[5]) for row in rows))
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.set_yticks(range(len(rows)), [row[0] for row in rows])
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)


def draw(result: Result, path: Path) -> None:
    """The picture of a result.

    Args:
        result: as `measure.py` wrote it.
        path: the PNG to write.
    """
    found = {(one["job"], one["syntax"], tuple(one["size"])): one for one in result["figures"]}
    sizes = sorted({size for job, _, size in found if job == "whole"})
    order = [syntax for job, syntax, size in found if (job, size) == ("whole", sizes[-1])][::-1]  # the first on top
    figure = Figure(figsize=(3.4 * len(sizes) + 1.4, 0.32 * len(order) + 1.6), layout="constrained")
    grid = figure.subplots(1, len(sizes), sharey=True, squeeze=False)[0]
    for axes, size in zip(grid, sizes, strict=True):
        rows = []
        for syntax in order:
            decode, whole = found["decode", syntax, size]["ours"], found["whole", syntax, size]
            ours, floor = whole["ours"], whole["floor"]
            rows.append((syntax, decode["median"], ours["median"], ours["q1"], ours["q3"], floor["median"]))
        panel(axes, f"{size[0]} x {size[1]}", rows)
    keys = [
        Patch(color=_DECODE, label="read and decode"),
        Patch(color=_GRADE, label="grade"),
        Line2D([], [], color=_FLOOR, linewidth=2, label="floor: decoder and network alone"),
        Line2D([], [], color=_INK, linewidth=1.2, label="quartiles"),
    ]
    figure.legend(handles=keys, loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    machine = result["machine"]
    title = f"One film, from file to report: median ({machine['cpu']}, {machine['usable_cores']} cores)"
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    figure.savefig(path, dpi=150)


def main() -> None:
    """Reads the JSON, writes the PNG."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("result", type=Path)
    parser.add_argument("picture", type=Path)
    chosen = parser.parse_args()
    draw(json.loads(chosen.result.read_text(encoding="utf-8")), chosen.picture)


if __name__ == "__main__":
    main()
