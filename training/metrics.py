"""How good a set of KL probabilities is. One function, so that training, evaluation and release agree."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from sklearn.metrics import balanced_accuracy_score, cohen_kappa_score, f1_score, roc_auc_score

from kneeoa.model.grades import KL_GRADES, OA_FROM_GRADE

Probabilities = npt.NDArray[np.float64]
Grades = npt.NDArray[np.int64]


def expected_grade(probabilities: Probabilities) -> npt.NDArray[np.float64]:
    """(knees, 5) probabilities -> (knees,) expected grade in [0, 4]."""
    return np.asarray(probabilities @ np.arange(len(KL_GRADES)))


def kl_metrics(probabilities: Probabilities, truth: Grades, grades: Grades) -> dict[str, float]:
    """The report contract's metrics but for calibration.

    Args:
        probabilities: (knees, 5), rows sum to 1.
        truth: (knees,) KL grades 0-4.
        grades: (knees,) predicted KL grades by the release's decision rule.

    Returns:
        `accuracy`, `balanced_accuracy`, `quadratic_weighted_kappa`, `mae` of the predicted grade, `mae_expected` of the
        expected grade, `macro_f1`, `auc_oa` (KL >= 2; NaN where only one class is present), `log_loss`.

    References:
        Cohen J., Weighted kappa, Psychol Bull 1968;70:213, with quadratic weights.
    """
    has_oa = truth >= OA_FROM_GRADE
    both = 0 < has_oa.sum() < len(has_oa)
    picked = np.clip(probabilities[np.arange(len(truth)), truth], 1e-12, 1.0)
    return {
        "accuracy": float((grades == truth).mean()),
        "balanced_accuracy": float(balanced_accuracy_score(truth, grades)),
        "quadratic_weighted_kappa": float(cohen_kappa_score(truth, grades, weights="quadratic", labels=KL_GRADES)),
        "mae": float(np.abs(grades - truth).mean()),
        "mae_expected": float(np.abs(expected_grade(probabilities) - truth).mean()),
        "macro_f1": float(f1_score(truth, grades, average="macro")),
        "auc_oa": float(roc_auc_score(has_oa, probabilities[:, OA_FROM_GRADE:].sum(1))) if both else float("nan"),
        "log_loss": float(-np.log(picked).mean()),
    }


def expected_calibration_error(confidence: npt.NDArray[np.float64], correct: npt.NDArray[np.bool_]) -> float:
    """Top-label calibration error over ten bins of equal mass.

    Args:
        confidence: (knees,) probability of the most probable grade.
        correct: (knees,) whether that grade is the true one.

    References:
        Nguyen K., O'Connor B., Posterior calibration and exploratory analysis for NLP models, EMNLP 2015.
    """
    order = np.argsort(confidence, kind="stable")
    bins = np.array_split(order, min(10, len(order)))
    gaps = [len(b) * abs(float(confidence[b].mean()) - float(correct[b].mean())) for b in bins]
    return float(sum(gaps) / len(order))


def top_label_calibration(rows: Probabilities, truth: Grades) -> float:
    """`expected_calibration_error` of the most probable grade, whatever decision rule names the grade.

    Args:
        rows: (knees, 5) probabilities.
        truth: (knees,) KL grades.
    """
    return expected_calibration_error(rows.max(axis=1), rows.argmax(axis=1) == truth)


def calibration_floor(confidence: npt.NDArray[np.float64], draws: int = 1000, seed: int = 0) -> float:
    """Mean calibration error that a perfectly calibrated network with these confidences would show by chance."""
    rng = np.random.default_rng(seed)
    errors = [expected_calibration_error(confidence, rng.random(len(confidence)) < confidence) for _ in range(draws)]
    return float(np.mean(errors))
