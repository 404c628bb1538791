"""How a release's figures fall as films get worse: one curve a disturbance, on the same knees and the same draws."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from matplotlib.figure import Figure

from kneeoa.datasets.grade_folders import KneeImage
from kneeoa.model.grader import KneeGrader
from kneeoa.model.grades import JSON
from kneeoa.model.radiograph import FloatImage
from kneeoa.training.disturbances import DISTURBANCES, Disturbance, disturbed
from kneeoa.training.evaluate_bootstrap import Interval, intervals, subject_weights
from kneeoa.training.evaluate_data import bootstrap_units
from kneeoa.training.evaluate_judgement import plain_metrics
from kneeoa.training.evaluate_predictions import predict
from kneeoa.training.report_style import Theme, save_png

DRAWS = 200
"""Bootstrap draws a point: some thirty points make up for a rougher interval."""
CURVES = ("quadratic_weighted_kappa", "accuracy", "mae", "auc_oa")


@dataclass(frozen=True, slots=True, eq=False)
class Point:
    """A release on a set disturbed in one way at one strength.

    Attributes:
        disturbance: which.
        strength: how strong.
        metrics: `CURVES`.
        accepted: share of the knees that the gate would still grade.
    """

    disturbance: Disturbance
    strength: float
    metrics: dict[str, Interval]
    accepted: float


def robustness_curves(
    grader: KneeGrader,
    knees: Sequence[KneeImage],
    disturbances: Sequence[Disturbance] = DISTURBANCES,
    draws: int = DRAWS,
) -> list[Point]:
    """Judges a release at every strength of every disturbance.

    Args:
        grader: the release.
        knees: graded knees; unreadable pictures are left out.
        disturbances: which.
        draws: bootstrap draws.

    Raises:
        DatasetError: not one picture could be read.
    """
    undisturbed = _judge(grader, knees, None, 0.0, draws)
    points = []
    for one in disturbances:
        for strength in one.strengths:
            found = undisturbed if strength == one.neutral else _judge(grader, knees, one, strength, draws)
            points.append(Point(one, strength, *found))
    return points


def _judge(
    grader: KneeGrader, knees: Sequence[KneeImage], one: Disturbance | None, strength: float, draws: int
) -> tuple[dict[str, Interval], float]:
    def change(pixels: FloatImage, knee: KneeImage) -> FloatImage:
        return pixels if one is None else disturbed(one, strength, pixels, knee.path.name)

    found = predict(grader, knees, change)
    every = intervals(found.probabilities, found.truth, found.grades, subject_weights(found.subjects, draws))
    return {name: every[name] for name in CURVES}, float(found.accepted.mean())


def write_robustness(points: Sequence[Point], knees: Sequence[KneeImage], out: Path, draws: int = DRAWS) -> None:
    """Writes `robustness.json` and `robustness.png`; no film is in either.

    Args:
        points: of `robustness_curves`.
        knees: that were judged.
        out: an existing folder.
        draws: bootstrap draws of the points.
    """
    content = {"bootstrap": bootstrap_units(knees), "draws": draws, "curves": robustness_json(points)}
    (out / "robustness.json").write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    save_png(partial(draw_robustness, points), out / "robustness.png")


def robustness_json(points: Sequence[Point]) -> dict[str, JSON]:
    """By disturbance, a list of {"strength", "accepted_by_gate", and the figures with intervals}."""
    found: dict[str, list[JSON]] = {}
    for point in points:
        row: dict[str, JSON] = {"strength": point.strength, "accepted_by_gate": point.accepted}
        found.setdefault(point.disturbance.name, []).append(row | plain_metrics(point.metrics))
    return dict(found)


def draw_robustness(points: Sequence[Point], theme: Theme) -> Figure:
    """Kappa with its band, accuracy, and what the gate lets through, over the strength of each disturbance.

    Args:
        points: of `robustness_curves`.
        theme: colours.
    """
    kinds = list(dict.fromkeys(point.disturbance for point in points))
    rows = -(-len(kinds) // 2)
    figure = Figure(figsize=(9.6, 2.7 * rows), layout="constrained")
    for place, kind in enumerate(kinds, start=1):
        axes = figure.add_subplot(rows, 2, place)
        chosen = [point for point in points if point.disturbance is kind]
        x = [point.strength for point in chosen]
        kappa = [point.metrics["quadratic_weighted_kappa"] for point in chosen]
        axes.fill_between(
            x, [k["low"] for k in kappa], [k["high"] for k in kappa], color=theme.first, alpha=0.18, linewidth=0
        )
        axes.plot(x, [k["value"] for k in kappa], "o-", color=theme.first, label="quadratic weighted kappa, 95 %")
        accuracy = [point.metrics["accuracy"]["value"] for point in chosen]
        axes.plot(x, accuracy, "s--", color=theme.second, label="accuracy")
        axes.plot(x, [point.accepted for point in chosen], ":", color=theme.ink, label="accepted by the gate")
        axes.axvline(kind.neutral, color=theme.faint, linewidth=0.8)
        axes.set(xlabel=kind.label, ylim=(min(0.0, *(_or_zero(k["low"]) for k in kappa)), 1.02))
        axes.grid()
        if place == 1:
            axes.legend(loc="lower left", fontsize=8)
    return figure


def _or_zero(number: float) -> float:
    return number if math.isfinite(number) else 0.0
