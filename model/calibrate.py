"""From logits to probabilities that can be trusted, and from probabilities to one grade."""

from __future__ import annotations

from enum import StrEnum

import numpy as np
import numpy.typing as npt

from kneeoa.model.grades import KL_GRADES, OA_FROM_GRADE, KLGrade


class DecisionRule(StrEnum):
    """How five probabilities become one grade; chosen on `held`, stored in the release.

    Each is the Bayes rule of a loss: `ARGMAX` of being wrong at all, `MEDIAN` of the absolute error, and
    `ROUNDED_EXPECTED` of the squared error.
    """

    ARGMAX = "argmax"
    MEDIAN = "median"
    ROUNDED_EXPECTED = "rounded_expected"


def probabilities(logits: npt.NDArray[np.float32], temperature: float) -> npt.NDArray[np.float64]:
    """Calibrated probabilities.

    Args:
        logits: (knees, 5).
        temperature: > 0; above 1 softens, below 1 sharpens.

    Returns:
        (knees, 5) float64; rows sum to 1.

    References:
        Guo C. et al., On Calibration of Modern Neural Networks, ICML 2017.
    """
    scaled = logits.astype(np.float64) / temperature
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def decide(rows: npt.NDArray[np.float64], rule: DecisionRule) -> npt.NDArray[np.int64]:
    """(knees, 5) probabilities -> (knees,) grades 0-4."""
    if rule is DecisionRule.ARGMAX:
        return np.asarray(rows.argmax(axis=1), dtype=np.int64)
    if rule is DecisionRule.MEDIAN:
        return np.asarray((np.cumsum(rows, axis=1) < 0.5).sum(axis=1).clip(max=len(KL_GRADES) - 1), dtype=np.int64)
    # floor(x + 0.5): numpy's own rounding would send 0.5 and 2.5 to the even grade.
    return np.floor(rows @ np.arange(len(KL_GRADES)) + 0.5).astype(np.int64)


def kl_grade(row: npt.NDArray[np.float64], rule: DecisionRule) -> KLGrade:
    """The report's KL object from one knee's (5,) probabilities."""
    p0, p1, p2, p3, p4 = (float(p) for p in row)
    return KLGrade(
        grade=int(decide(row[None], rule)[0]),
        probabilities=(p0, p1, p2, p3, p4),
        expected=float(row @ np.arange(len(KL_GRADES))),
        oa_probability=float(row[OA_FROM_GRADE:].sum()),
    )
