"""How measured narrowing goes with Kellgren-Lawrence grades, and how left and right agree in healthy knees."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pydantic import JsonValue
from sklearn.metrics import roc_auc_score, roc_curve

from kneeoa.datasets.grade_folders import KneeImage
from kneeoa.model.joint_narrowing import narrowing_of
from kneeoa.model.joint_release import JointSpaceSettings
from kneeoa.model.joint_space import JointSpaceMeter
from kneeoa.model.joint_widths import Floats
from kneeoa.model.picture import read_grey
from kneeoa.model.radiograph import Side

NAMES = ("medial", "lateral")
MM = 0.75
"""Millimetres of a percent of a 75 mm plateau."""
SHARES = (5, 25, 50, 75, 95)
"""Quantiles that are told by grade, in %."""
_CUTS = (2, 3, 4)


def minimum_widths(meter: JointSpaceMeter, knees: Sequence[KneeImage]) -> Floats:
    """(knees, 2) medial and lateral minimum in % of the plateau; NaN where there is none."""
    rows = []
    for knee in knees:
        parts = meter.measure(read_grey(knee.path), knee.side).compartments
        widths = [parts[name].minimum_percent for name in NAMES]
        rows.append([float("nan") if width is None else width for width in widths])
    return np.array(rows, dtype=np.float64).reshape(-1, 2)


def narrowings(widths: Floats, settings: JointSpaceSettings) -> Floats:
    """(knees, 2) narrowing in % of widths, NaN where there is no width."""
    return np.array(
        [
            [
                narrowing_of(w, settings.reference(n)).percent if np.isfinite(w) else np.nan
                for w, n in zip(row, NAMES, strict=True)
            ]
            for row in widths
        ]
    )


def worst_of(narrowing: Floats) -> Floats:
    """(knees,) of the worse compartment; 0, the median, where neither was measured: no knee is left out."""
    filled = np.where(np.isnan(narrowing), -np.inf, narrowing).max(axis=1)
    return np.where(np.isfinite(filled), filled, 0.0)


def left_and_right(knees: Sequence[KneeImage], widths: Floats) -> Floats:
    """(pairs, 2) left and right of one compartment's widths, of subjects whose knees are both of KL 0 and measured."""
    of = {
        (knee.subject, knee.side): w for knee, w in zip(knees, widths, strict=True) if knee.kl == 0 and np.isfinite(w)
    }
    subjects = sorted({subject for subject, _ in of})
    pairs = [(of[s, Side.LEFT], of[s, Side.RIGHT]) for s in subjects if (s, Side.LEFT) in of and (s, Side.RIGHT) in of]
    return np.array(pairs, dtype=np.float64).reshape(-1, 2)


def association(
    knees: Sequence[KneeImage], widths: Floats, settings: JointSpaceSettings, path: Path
) -> dict[str, JsonValue]:
    """Figures, and a picture of them.

    Args:
        knees: graded.
        widths: from `minimum_widths`.
        settings: with the reference of KL 0.
        path: the PNG to write.
    """
    kl = np.array([knee.kl for knee in knees])
    worst = worst_of(narrowings(widths, settings))
    said: dict[str, JsonValue] = {"knees": len(knees), "unmeasured": int(np.isnan(widths).any(axis=1).sum())}
    figure = Figure(figsize=(15, 4.4), layout="constrained")
    axes = figure.subplots(1, 4)
    for cut in _CUTS:
        if 0 < int((kl >= cut).sum()) < len(kl):
            said[f"auc_kl_{cut}_or_more"] = area = round(float(roc_auc_score(kl >= cut, worst)), 4)
            wrong, right, _ = roc_curve(kl >= cut, worst)
            axes[0].plot(wrong, right, label=f"KL {cut} or more: {area:.3f}")
    axes[0].plot([0, 1], [0, 1], color="0.7", linewidth=1)
    axes[0].set(title="worst narrowing, ROC (area)", xlabel="1 - specificity", ylabel="sensitivity")
    axes[0].legend(loc="lower right")
    _draw_grades(axes[1], kl, worst)
    said["narrowing_worst_quantiles_by_kl"] = {
        str(grade): [round(float(q), 1) for q in np.percentile(worst[kl == grade], SHARES)] for grade in np.unique(kl)
    }
    for k, name in enumerate(NAMES):
        pairs = left_and_right(knees, widths[:, k]) * MM
        said[f"{name}_kl0_left_right"] = _draw_sides(axes[2 + k], pairs, name)
    figure.savefig(path, dpi=100)
    return said


def _draw_grades(axes: Axes, kl: npt.NDArray[np.int64], worst: Floats) -> None:
    grades = np.unique(kl)
    axes.boxplot([worst[kl == grade] for grade in grades], whis=(SHARES[0], SHARES[-1]), showfliers=False)
    axes.set_xticks(range(1, len(grades) + 1), [str(grade) for grade in grades])
    axes.set(title="worst narrowing by grade (5, 25, 50, 75, 95 %)", xlabel="KL", ylabel="% against KL 0")


def _draw_sides(axes: Axes, pairs: Floats, name: str) -> JsonValue:
    """Bland-Altman plot of left against right; mean, limits and coefficient of variation."""
    axes.set(title=f"{name}, KL 0: left against right", xlabel="mean, mm", ylabel="left - right, mm")
    if len(pairs) < 2:
        return {"pairs": len(pairs)}
    off, mean = pairs[:, 0] - pairs[:, 1], pairs.mean(axis=1)
    bias, spread = float(off.mean()), float(off.std(ddof=1))
    axes.scatter(mean, off, s=10)
    for level, style in ((bias, "-"), (bias - 1.96 * spread, "--"), (bias + 1.96 * spread, "--")):
        axes.axhline(level, linestyle=style, color="0.4", linewidth=1)
    within = float(np.sqrt(np.mean(off**2 / 2 / np.maximum(mean, 1e-6) ** 2)))
    return {
        "pairs": len(pairs),
        "mean_mm": round(bias, 3),
        "limits_mm": [round(bias - 1.96 * spread, 3), round(bias + 1.96 * spread, 3)],
        "cv": round(within, 4),
    }
