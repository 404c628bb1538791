"""Curves of a judgement with their bootstrap bands: what the pictures draw."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.metrics import roc_curve

from kneeoa.training.evaluate_bootstrap import LEVEL, Floats, Weights, blocks, by_value, drawn_right
from kneeoa.training.metrics import Confidences, Correct, calibration_bins, right_by_rank

GRID = 101
"""Points of a band along its axis."""


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """A curve and its pointwise 95 % band.

    Attributes:
        x: (points,) where the curve is drawn.
        y: (points,) its value on the whole set.
        grid: (places,) where the band is drawn.
        low: (places,) the band's lower bound; NaN where no draw tells.
        high: (places,) the band's upper bound.
    """

    x: Floats
    y: Floats
    grid: Floats
    low: Floats
    high: Floats


def _band(drawn: list[Floats]) -> tuple[Floats, Floats]:
    low, high = np.nanquantile(np.concatenate(drawn), [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return low, high


def receiver_operating_curve(score: Floats, positive: npt.NDArray[np.bool_], weights: Weights) -> Curve | None:
    """Sensitivity over 1 - specificity.

    Args:
        score: (knees,) higher for more likely positive.
        positive: (knees,) the truth.
        weights: (draws, knees) of `evaluate_bootstrap.subject_weights`.

    Returns:
        None where only one class is present.

    References:
        Fawcett T., An introduction to ROC analysis, Pattern Recognit Lett 2006;27:861 (vertical averaging).
    """
    if positive.all() or not positive.any():
        return None
    x, y, _ = roc_curve(positive, score)
    grid = np.linspace(0, 1, GRID)
    drawn = []
    for block in blocks(weights):
        hits = np.cumsum(by_value(-score, block * positive), axis=1)
        false = np.cumsum(by_value(-score, block * ~positive), axis=1)
        told = (hits[:, -1] > 0) & (false[:, -1] > 0)
        rates = zip(false[told] / false[told, -1:], hits[told] / hits[told, -1:], strict=True)
        drawn += [_through_origin(grid, across, up)[None] for across, up in rates]
    low, high = _band(drawn) if drawn else (np.full(GRID, np.nan), np.full(GRID, np.nan))
    return Curve(x, y, grid, low, high)


def _through_origin(grid: Floats, x: Floats, y: Floats) -> Floats:
    return np.asarray(np.interp(grid, np.concatenate([[0.0], x]), np.concatenate([[0.0], y])))


def risk_coverage_curve(confidence: Confidences, correct: Correct, weights: Weights) -> Curve:
    """Share of wrong grades among the most confident knees over the share of knees that are kept.

    Args:
        confidence: (knees,) probability of the named grade.
        correct: (knees,) whether it is the true grade.
        weights: (draws, knees) of `evaluate_bootstrap.subject_weights`.
    """
    coverage = np.arange(1, GRID)

    def risk(right: Floats) -> Floats:
        kept = -(-coverage * (len(right) - 1) // 100)
        return np.asarray(1 - right[kept] / kept)

    right = right_by_rank(confidence, correct)
    ranks = np.arange(1, len(right))
    drawn = [risk(r)[None] for block in blocks(weights) for r in drawn_right(confidence, correct, block)]
    low, high = _band(drawn)
    return Curve(ranks / len(correct), 1 - right[1:] / ranks, coverage / 100, low, high)


def reliability_curve(probability: Confidences, happened: Correct, weights: Weights) -> Curve:
    """How often something happened over how probable it was said to be, in ten bins of equal mass.

    Args:
        probability: (knees,) in [0, 1].
        happened: (knees,) whether it did.
        weights: (draws, knees) of `evaluate_bootstrap.subject_weights`; the bins are those of the whole set.
    """
    bins = calibration_bins(probability)
    member = np.zeros((len(probability), len(bins)))
    for column, knees in enumerate(bins):
        member[knees, column] = 1
    with np.errstate(invalid="ignore"):
        drawn = [(block @ (member * happened[:, None])) / (block @ member) for block in blocks(weights)]
    low, high = _band(drawn)
    said = np.array([probability[knees].mean() for knees in bins])
    seen = np.array([happened[knees].mean() for knees in bins])
    return Curve(said, seen, said, low, high)
