"""The page of a comparison: differences of every figure with intervals, and pictures; it needs no other file."""

from __future__ import annotations

import math
from functools import partial
from html import escape
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from kneeoa.training.evaluate_data import bootstrap_units, count_subjects
from kneeoa.training.report_figures import draw_confusion
from kneeoa.training.report_html import STYLE, ReportFigure, figure_html
from kneeoa.training.report_style import Theme, save_png
from kneeoa.training.report_text import LABELS, METRIC_LINES, bounds, number

if TYPE_CHECKING:
    from kneeoa.training.compare import Comparison, Contestant

PAGE = Path(__file__).parent / "compare_page.html"
LOWER_IS_BETTER = frozenset({"mae", "mae_expected", "ece", "log_loss", "aurc"})
NEITHER_IS_BETTER = frozenset({"bias"})


def write_comparison_page(found: Comparison, out: Path) -> None:
    """Writes `comparison.html` and its pictures as PNG files.

    Args:
        found: the comparison.
        out: an existing folder.
    """
    figures = comparison_figures(found)
    for figure in figures:
        save_png(figure.drawing, out / f"{figure.name}.png")
    (out / "comparison.html").write_text(comparison_page(found, figures), encoding="utf-8")


def comparison_figures(found: Comparison) -> list[ReportFigure]:
    """The forest of differences, then where the two disagree."""
    first, second = found.first, found.second
    return [
        ReportFigure(
            "differences",
            "Differences.",
            "Difference of every figure with its interval.",
            "Turned so that right of the line the second release is better; bars are 95 % intervals. A bar across the "
            "line cannot tell.",
            partial(draw_differences, found),
        ),
        ReportFigure(
            "grade-against-grade",
            "Grade against grade.",
            "Named grades of the two releases against each other.",
            f"Rows are the grades of {first.facts.name}, columns those of {second.facts.name}: off the diagonal they "
            "differ, whoever is right.",
            partial(_draw_agreement, found),
        ),
    ]


def draw_differences(found: Comparison, theme: Theme) -> Figure:
    """Second less first by metric, turned so that right is better.

    Args:
        found: the comparison.
        theme: colours.
    """
    keys = [key for key in LABELS if key not in NEITHER_IS_BETTER and math.isfinite(found.differences[key]["value"])]
    figure = Figure(figsize=(5.8, 0.32 * len(keys) + 1.2), layout="constrained")
    axes = figure.subplots()
    axes.axvline(0, color=theme.faint, linewidth=1)
    for row, key in enumerate(keys):
        one = found.differences[key]
        sign = -1.0 if key in LOWER_IS_BETTER else 1.0
        ends = sorted((sign * one["low"], sign * one["high"]))
        told = math.isfinite(one["low"]) and ends[0] * ends[1] > 0
        colour = theme.ink if not told else theme.first if ends[0] > 0 else theme.second
        if math.isfinite(one["low"]):
            axes.plot(ends, [row, row], color=colour, linewidth=3, solid_capstyle="butt", alpha=0.6)
        axes.plot(sign * one["value"], row, "o", color=colour, markersize=5)
    axes.set_yticks(np.arange(len(keys)), [LABELS[key] for key in keys])
    axes.set_ylim(len(keys) - 0.5, -0.5)
    axes.set(xlabel="second release worse \N{LEFTWARDS ARROW}   \N{RIGHTWARDS ARROW} second release better")
    axes.grid(axis="x")
    return figure


def _draw_agreement(found: Comparison, theme: Theme) -> Figure:
    figure = draw_confusion(found.first.predictions.grades, found.second.predictions.grades, theme)
    figure.axes[0].set(xlabel="KL grade by the second release", ylabel="KL grade by the first release (knees)")
    return figure


def comparison_page(found: Comparison, figures: list[ReportFigure]) -> str:
    """The page as HTML; every value from outside is escaped here.

    Args:
        found: the comparison.
        figures: its pictures.
    """
    first, second = found.first.facts.name, found.second.facts.name
    units = bootstrap_units(found.first.predictions.knees)
    told = found.mcnemar
    return Template(PAGE.read_text(encoding="utf-8")).substitute(
        style=STYLE.read_text(encoding="utf-8"),
        title=escape(f"{second} held against {first} on {found.judged.name}, split {found.judged.split}"),
        notes="".join(_note(one) for one in (found.first, found.second) if one.overlap.verdict == "yes"),
        facts=_facts(found),
        interval_text=escape(
            f"Both releases on the same {found.draws:,} bootstrap draws {units}: the interval is that of the "
            "difference. Whether the intervals of the two overlap says nothing about it."
        ),
        first=escape(first),
        second=escape(second),
        rows=_rows(found),
        figures="\n".join(figure_html(figure) for figure in figures),
        mcnemar=escape(
            f"{told.only_first:,} knees are named rightly by {first} alone, {told.only_second:,} by {second} alone; "
            f"McNemar's exact test: p = {told.p_value:.3g}. It takes knees for independent, and the two knees of a "
            "person are not: the interval of accuracy above, drawn by subject, is the better witness."
        ),
    )


def _note(one: Contestant) -> str:
    return f'<p class="note">{escape(one.facts.name)}: {escape(one.overlap.explanation)}</p>'


def _facts(found: Comparison) -> str:
    knees = found.first.predictions.knees
    lost = len(found.first.predictions.unreadable)
    lines = [
        ("First release", f"{found.first.facts.name}, sha256 {found.first.facts.sha256}"),
        ("Second release", f"{found.second.facts.name}, sha256 {found.second.facts.sha256}"),
        ("Data", f"{found.judged.name} ({found.judged.layout}), split {found.judged.split}"),
        ("Knees", f"{len(knees):,} judged of {count_subjects(knees):,} subjects; {lost:,} could not be read"),
        ("First learnt from?", found.first.overlap.explanation),
        ("Second learnt from?", found.second.overlap.explanation),
    ]
    return "\n".join(f"<tr><th>{escape(name)}</th><td>{escape(text)}</td></tr>" for name, text in lines)


def _rows(found: Comparison) -> str:
    rows = []
    for key, label, _ in METRIC_LINES:
        if key is None:
            rows.append(f'<tr class="group"><th colspan="6">{escape(label)}</th></tr>')
            continue
        gap = found.differences[key]
        cells = (found.first.metrics[key]["value"], found.second.metrics[key]["value"], gap["value"])
        numbers = "".join(f"<td class='number'>{number(value)}</td>" for value in cells)
        rows.append(
            f"<tr><td>{escape(label)}</td>{numbers}<td class='number'>{bounds(gap)}</td>"
            f"<td>{escape(verdict(found, key))}</td></tr>"
        )
    return "\n".join(rows)


def verdict(found: Comparison, key: str) -> str:
    """What the interval of a difference says: which is better, or that the set cannot tell."""
    gap = found.differences[key]
    if not math.isfinite(gap["low"]) or gap["low"] <= 0 <= gap["high"]:
        return "cannot tell"
    if key in NEITHER_IS_BETTER:
        return "differs"
    second = (gap["value"] > 0) is (key not in LOWER_IS_BETTER)
    return f"{(found.second if second else found.first).facts.name} is better"
