"""The pictures of a judgement: confusion, reliability, ROC and risk over coverage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from sklearn.metrics import confusion_matrix

from kneeoa.model.grades import KL_GRADES
from kneeoa.training.evaluate_bootstrap import Interval
from kneeoa.training.evaluate_curves import Curve
from kneeoa.training.metrics import Confidences, Grades
from kneeoa.training.report_style import Theme


@dataclass(frozen=True, slots=True, eq=False)
class OperatingCurve:
    """One line of a ROC picture.

    Attributes:
        label: what counts as positive, such as "KL ≥ 2".
        curve: sensitivity over 1 - specificity.
        auc: its area.
        false_positive_rate: of the named grade.
        sensitivity: of the named grade.
    """

    label: str
    curve: Curve
    auc: Interval
    false_positive_rate: float
    sensitivity: float


def draw_confusion(truth: Grades, grades: Grades, theme: Theme) -> Figure:
    """The confusion matrix, counts over row percentages.

    Args:
        truth: (knees,) KL grades.
        grades: (knees,) predicted KL grades.
        theme: colours.
    """
    counts = confusion_matrix(truth, grades, labels=KL_GRADES)
    totals = counts.sum(axis=1)
    share = counts / np.maximum(totals, 1)[:, None]
    figure = Figure(figsize=(5.4, 5.2), layout="constrained")
    axes = figure.subplots()
    axes.imshow(share, cmap=theme.shades(), vmin=0, vmax=1)
    for row in KL_GRADES:
        for column in KL_GRADES:
            ink = theme.on_deep if share[row, column] > 0.55 else theme.ink
            weight = "bold" if row == column else "normal"
            place = (column, row - 0.12)
            axes.annotate(str(counts[row, column]), place, ha="center", va="center", color=ink, weight=weight, size=13)
            text = f"{100 * share[row, column]:.0f} %" if totals[row] else ""
            axes.annotate(text, (column, row + 0.22), ha="center", va="center", color=ink, size=9)
    axes.set(xlabel="KL grade by the release", ylabel="KL grade by the readers (knees)", xticks=KL_GRADES)
    axes.set_yticks(KL_GRADES, [f"{kl}\n({totals[kl]})" for kl in KL_GRADES])
    axes.set_xticks(np.arange(-0.5, 5), minor=True)
    axes.set_yticks(np.arange(-0.5, 5), minor=True)
    axes.grid(which="minor", color=theme.paper, alpha=1, linewidth=2)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)
    axes.set_title(f"{len(truth):,} knees; each row is 100 %")
    return figure


def draw_reliability(curve: Curve, said: Confidences, axis: tuple[str, str], theme: Theme) -> Figure:
    """How often something happened over how probable it was said to be; below, how often each probability was said.

    Args:
        curve: of `evaluate_curves.reliability_curve`.
        said: (knees,) the probabilities.
        axis: labels of the horizontal and the vertical axis.
        theme: colours.
    """
    figure = Figure(figsize=(5.4, 6.0), layout="constrained")
    axes, below = figure.subplots(2, 1, sharex=True, height_ratios=(5, 1))
    axes.plot([0, 1], [0, 1], "--", color=theme.faint, label="perfectly calibrated")
    # A bin that is right throughout has a bound on the curve; rounding must not turn it round.
    error = np.maximum([curve.y - curve.low, curve.high - curve.y], 0)
    axes.errorbar(
        curve.x, curve.y, yerr=error, fmt="o-", color=theme.first, capsize=3, label="ten bins of equal mass, 95 %"
    )
    axes.set(ylabel=axis[1], xlim=(0, 1), ylim=(0, 1))
    below.hist(said, bins=np.linspace(0, 1, 41).tolist(), color=theme.first, alpha=0.7)
    below.set(xlabel=axis[0], ylabel="knees")
    axes.grid()
    axes.legend(loc="upper left")
    _in_per_cent(axes)
    return figure


def draw_roc(curves: Sequence[OperatingCurve], theme: Theme) -> Figure:
    """Sensitivity over 1 - specificity with bands, and where the named grade stands.

    Args:
        curves: at most two.
        theme: colours.
    """
    figure = Figure(figsize=(5.4, 5.4), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], "--", color=theme.faint)
    for one, colour, style in zip(curves, (theme.first, theme.second), ("-", "-."), strict=False):
        auc = one.auc
        label = f"{one.label}: AUC {auc['value']:.3f}"
        if np.isfinite(auc["low"]):
            label += f" ({auc['low']:.3f} to {auc['high']:.3f})"
        axes.plot(one.curve.x, one.curve.y, style, color=colour, linewidth=1.8, label=label)
        axes.fill_between(one.curve.grid, one.curve.low, one.curve.high, color=colour, alpha=0.18, linewidth=0)
        axes.plot(one.false_positive_rate, one.sensitivity, "o", color=theme.paper, mec=colour, mew=2, ms=8)
    if curves:
        axes.plot([], [], "o", color=theme.paper, mec=theme.ink, mew=1.5, label="the named grade")
        axes.legend(loc="lower right")
    else:
        axes.text(0.5, 0.55, "only one class is present", ha="center", va="bottom")
    axes.set(
        xlabel="1 \N{MINUS SIGN} specificity",
        ylabel="sensitivity",
        xlim=(-0.01, 1.01),
        ylim=(-0.01, 1.01),
        aspect="equal",
    )
    axes.grid()
    _in_per_cent(axes)
    return figure


def draw_risk_coverage(curve: Curve, marks: Sequence[tuple[int, float]], theme: Theme) -> Figure:
    """Share of wrong grades over the share of knees that are kept, the most confident first.

    Args:
        curve: of `evaluate_curves.risk_coverage_curve`.
        marks: (coverage in per cent, accuracy there) to point out.
        theme: colours.
    """
    figure = Figure(figsize=(5.4, 4.6), layout="constrained")
    axes = figure.subplots()
    axes.fill_between(curve.grid, curve.low, curve.high, color=theme.first, alpha=0.18, linewidth=0, label="95 % band")
    axes.plot(curve.x, curve.y, color=theme.first, linewidth=1.8, label="wrong among the most confident")
    axes.axhline(curve.y[-1], linestyle="--", color=theme.faint, label="wrong among all")
    # Among the first few knees the rate jumps between 0 and 1.
    top = max(0.1, float(np.nanmax(curve.high[4:])), float(curve.y[-1]))
    axes.set(xlabel="coverage: share of knees that are kept", ylabel="share graded wrongly", xlim=(0, 1.01))
    axes.set_ylim(0, min(1.0, top * 1.12))
    for coverage, accuracy in marks:
        axes.plot(coverage / 100, 1 - accuracy, "o", color=theme.paper, mec=theme.first, mew=2, ms=7)
        place = (coverage / 100, 1 - accuracy)
        text = f"{100 * accuracy:.0f} % right\nof {coverage} %"
        axes.annotate(text, place, (-7, 6), textcoords="offset points", size=8.5, ha="right")
    axes.grid()
    axes.legend(loc="upper left")
    _in_per_cent(axes)
    return figure


def _in_per_cent(axes: Axes) -> None:
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
