"""Every metric of many bootstrap draws at once: a draw is a row of weights, how often each knee was drawn.

Calling scikit-learn for each of 1,000 draws takes minutes; sums over weights take a second and give the same numbers
(a test holds them against scikit-learn on the drawn knees).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TypedDict

import numpy as np
import numpy.typing as npt

from kneeoa.model.grades import KL_GRADES, OA_FROM_GRADE
from kneeoa.training.metrics import (
    CALIBRATION_BINS,
    COVERAGES,
    MODERATE_FROM_GRADE,
    Confidences,
    Correct,
    Grades,
    Probabilities,
    expected_grade,
    judged_metrics,
    named_confidence,
    probability_from,
)

DRAWS = 1000
LEVEL = 0.95
Weights = npt.NDArray[np.uint16]
"""(draws, knees): how often each knee stands in each draw."""
Floats = npt.NDArray[np.float64]
_CELLS = 4_000_000
"""Weights that are worked on at a time, 32 MB as float64: large sets are taken by blocks of draws."""


class Interval(TypedDict):
    """A figure and its 95 % bootstrap interval; NaN where it is not defined or cannot be estimated."""

    value: float
    low: float
    high: float


def subject_weights(subjects: Sequence[str], draws: int = DRAWS, seed: int = 0) -> Weights:
    """Draws whole subjects with replacement, so that the knees and visits of a person stay together.

    Args:
        subjects: (knees,) identifiers; each knee with an empty one counts as a subject of its own.
        draws: bootstrap draws.
        seed: the same seed gives the same draws.

    Returns:
        (draws, knees) how often each knee was drawn. A draw has as many subjects as the set, hence not always as many
        knees.

    References:
        Field C., Welsh A., Bootstrapping clustered data, J R Stat Soc B 2007;69:369 (the cluster bootstrap).
    """
    number: dict[str, int] = {}
    unit = np.array([number.setdefault(name or f"\0{i}", len(number)) for i, name in enumerate(subjects)], dtype=int)
    rng = np.random.default_rng(seed)
    weights = np.empty((draws, len(unit)), dtype=np.uint16)
    for row in weights:
        row[:] = np.bincount(rng.integers(0, len(number), len(number)), minlength=len(number))[unit]
    return weights


def interval(value: float, drawn: Floats) -> Interval:
    """The percentile interval of drawn values.

    Args:
        value: the metric on the whole set.
        drawn: (draws,) the metric on each draw; draws in which it is not defined are NaN and left out.

    References:
        Efron B., Tibshirani R., An Introduction to the Bootstrap, 1993, ch. 13 (percentile intervals).
    """
    defined = drawn[np.isfinite(drawn)]
    if not math.isfinite(value) or not len(defined):
        return Interval(value=math.nan, low=math.nan, high=math.nan)
    low, high = np.quantile(defined, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(value=value, low=float(low), high=float(high))


def intervals(rows: Probabilities, truth: Grades, grades: Grades, weights: Weights) -> dict[str, Interval]:
    """Every metric of `metrics.judged_metrics` with its interval.

    Args:
        rows: (knees, 5) probabilities; at least one knee.
        truth: (knees,) KL grades.
        grades: (knees,) named grades.
        weights: (draws, knees) of `subject_weights`; of a part of the set, the columns of that part.

    Returns:
        By name. Where every draw is the same, as with a single subject, there is no spread to learn from: bounds are
        NaN.
    """
    values = judged_metrics(rows, truth, grades)
    if not len(weights) or bool((weights == weights[0]).all()):
        return {name: Interval(value=value, low=math.nan, high=math.nan) for name, value in values.items()}
    parts = [drawn_metrics(rows, truth, grades, block) for block in blocks(weights)]
    return {name: interval(value, np.concatenate([part[name] for part in parts])) for name, value in values.items()}


def metrics_with_intervals(
    rows: Probabilities, truth: Grades, grades: Grades, subjects: Sequence[str], draws: int = DRAWS
) -> dict[str, Interval]:
    """Every metric with its bootstrap interval by subject: see `subject_weights` and `intervals`."""
    return intervals(rows, truth, grades, subject_weights(subjects, draws))


def blocks(weights: Weights) -> Iterator[Floats]:
    """The draws in blocks that fit into memory, as float64."""
    step = max(1, _CELLS // max(1, weights.shape[1]))
    for first in range(0, len(weights), step):
        yield weights[first : first + step].astype(np.float64)


def drawn_metrics(rows: Probabilities, truth: Grades, grades: Grades, weights: Floats) -> dict[str, Floats]:
    """The metrics of `metrics.judged_metrics` on every draw.

    Args:
        rows: (knees, 5) probabilities.
        truth: (knees,) KL grades.
        grades: (knees,) named grades.
        weights: (draws, knees) float64.

    Returns:
        (draws,) values by name; NaN where a draw leaves a metric undefined.
    """
    confidence, correct = named_confidence(rows, grades), np.asarray(grades == truth)
    picked = np.clip(rows[np.arange(len(truth)), truth], 1e-12, 1.0)
    each = np.stack([np.abs(expected_grade(rows) - truth), -np.log(picked)], axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mae_expected, log_loss = (weights @ each / weights.sum(axis=1, keepdims=True)).T
        found = _of_confusion(truth, grades, weights)
        for name, grade in (("auc_oa", OA_FROM_GRADE), ("auc_kl3", MODERATE_FROM_GRADE)):
            found[name] = drawn_auc(probability_from(rows, grade), truth >= grade, weights)
        found |= _of_ranking(confidence, correct, weights)
        found["ece"] = _drawn_calibration(rows.max(axis=1), rows.argmax(axis=1) == truth, weights)
    return found | {"mae_expected": mae_expected, "log_loss": log_loss}


def _of_confusion(truth: Grades, grades: Grades, weights: Floats) -> dict[str, Floats]:
    count = len(KL_GRADES)
    cells = np.zeros((len(truth), count * count))
    cells[np.arange(len(truth)), truth * count + grades] = 1
    table = (weights @ cells).reshape(-1, count, count)
    knees, of_truth, of_grade = table.sum(axis=(1, 2)), table.sum(axis=2), table.sum(axis=1)
    hits = np.diagonal(table, axis1=1, axis2=2)
    away = np.subtract.outer(np.arange(count), np.arange(count))
    by_chance = of_truth[:, :, None] * of_grade[:, None, :] / knees[:, None, None]
    recall = hits / of_truth
    seen = of_truth + of_grade
    oa = OA_FROM_GRADE
    return {
        "accuracy": hits.sum(axis=1) / knees,
        "balanced_accuracy": _mean_where(recall, of_truth > 0),
        "quadratic_weighted_kappa": 1 - (table * away**2).sum(axis=(1, 2)) / (by_chance * away**2).sum(axis=(1, 2)),
        "mae": (table * np.abs(away)).sum(axis=(1, 2)) / knees,
        "macro_f1": _mean_where(2 * hits / seen, seen > 0),
        "sensitivity_oa": table[:, oa:, oa:].sum(axis=(1, 2)) / of_truth[:, oa:].sum(axis=1),
        "specificity_oa": table[:, :oa, :oa].sum(axis=(1, 2)) / of_truth[:, :oa].sum(axis=1),
        "within_one_grade": (table * (np.abs(away) <= 1)).sum(axis=(1, 2)) / knees,
        "bias": (table * -away).sum(axis=(1, 2)) / knees,
    } | {f"recall_kl{kl}": recall[:, kl] for kl in KL_GRADES}


def _mean_where(values: Floats, there: npt.NDArray[np.bool_]) -> Floats:
    return np.asarray(np.where(there, values, 0.0).sum(axis=1) / there.sum(axis=1))


def by_value(values: Floats, weights: Floats) -> Floats:
    """(draws, distinct values) sums of the weights of knees with the same value, smallest value first."""
    order = np.argsort(values, kind="stable")
    starts = np.concatenate([[0], np.flatnonzero(np.diff(values[order])) + 1])
    return np.asarray(np.add.reduceat(weights[:, order], starts, axis=1))


def drawn_auc(score: Floats, positive: npt.NDArray[np.bool_], weights: Floats) -> Floats:
    """(draws,) area under the ROC curve, by the Mann-Whitney statistic; ties count one half.

    Args:
        score: (knees,) higher for more likely positive.
        positive: (knees,) the truth.
        weights: (draws, knees) float64.
    """
    above, below = by_value(score, weights * positive), by_value(score, weights * ~positive)
    won = np.cumsum(below, axis=1) - below / 2
    return np.asarray((above * won).sum(axis=1) / (above.sum(axis=1) * below.sum(axis=1)))


def drawn_right(confidence: Confidences, correct: Correct, weights: Floats) -> Iterator[Floats]:
    """For each draw, how many of its k most confident knees are right: (knees + 1,), as `metrics.right_by_rank`."""
    kept = np.cumsum(by_value(-confidence, weights), axis=1)
    right = np.cumsum(by_value(-confidence, weights * correct), axis=1)
    for ends, values in zip(kept, right, strict=True):
        places = np.arange(round(ends[-1]) + 1)
        yield np.interp(places, np.concatenate([[0.0], ends]), np.concatenate([[0.0], values]))


def _of_ranking(confidence: Confidences, correct: Correct, weights: Floats) -> dict[str, Floats]:
    names = [f"selective_accuracy_{coverage}" for coverage in COVERAGES]
    found = {name: np.full(len(weights), math.nan) for name in (*names, "aurc")}
    for draw, right in enumerate(drawn_right(confidence, correct, weights)):
        knees = len(right) - 1
        if not knees:
            continue
        for name, coverage in zip(names, COVERAGES, strict=True):
            kept = -(-coverage * knees // 100)
            found[name][draw] = right[kept] / kept
        found["aurc"][draw] = 1 - (right[1:] / np.arange(1, knees + 1)).mean()
    return found


def _drawn_calibration(confidence: Confidences, correct: Correct, weights: Floats) -> Floats:
    order = np.argsort(confidence, kind="stable")
    drawn = weights[:, order]
    ends = np.cumsum(drawn, axis=1)
    surplus = np.cumsum(drawn * (confidence - correct)[order], axis=1)
    errors = np.full(len(weights), math.nan)
    for draw, (places, sums) in enumerate(zip(ends, surplus, strict=True)):
        knees = round(places[-1])
        if not knees:
            continue
        bins = min(CALIBRATION_BINS, knees)
        # Sizes as `numpy.array_split` has them: the first ones are larger by one.
        sizes = np.full(bins, knees // bins) + (np.arange(bins) < knees % bins)
        edges = np.concatenate([[0], np.cumsum(sizes)])
        at_edges = np.interp(edges, np.concatenate([[0.0], places]), np.concatenate([[0.0], sums]))
        errors[draw] = np.abs(np.diff(at_edges)).sum() / knees
    return errors
