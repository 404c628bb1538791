"""How good a set of KL probabilities is. One function, so that training, evaluation and release agree."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from sklearn.metrics import cohen_kappa_score, f1_score, recall_score, roc_auc_score

from kneeoa.model.grades import KL_GRADES, OA_FROM_GRADE

Probabilities = npt.NDArray[np.float64]
Grades = npt.NDArray[np.int64]
Confidences = npt.NDArray[np.float64]
Correct = npt.NDArray[np.bool_]

MODERATE_FROM_GRADE = 3
"""KL >= 3: definite narrowing, the usual entry criterion of trials and the usual reason to speak of surgery."""
COVERAGES = (50, 80, 90)
"""Per cent of the knees, the most confident first, on which `selective_accuracy_*` is taken."""
CALIBRATION_BINS = 10


def expected_grade(probabilities: Probabilities) -> npt.NDArray[np.float64]:
    """(knees, 5) probabilities -> (knees,) expected grade in [0, 4]."""
    return np.asarray(probabilities @ np.arange(len(KL_GRADES)))


def probability_from(probabilities: Probabilities, grade: int) -> npt.NDArray[np.float64]:
    """(knees, 5) probabilities -> (knees,) probability that the grade is at least `grade`."""
    return np.asarray(probabilities[:, grade:].sum(axis=1))


def named_confidence(probabilities: Probabilities, grades: Grades) -> Confidences:
    """(knees,) probability of the grade that is named, which need not be the most probable one."""
    return np.asarray(probabilities[np.arange(len(grades)), grades])


def kl_metrics(probabilities: Probabilities, truth: Grades, grades: Grades) -> dict[str, float]:
    """The report contract's metrics but for calibration.

    Args:
        probabilities: (knees, 5), rows sum to 1.
        truth: (knees,) KL grades 0-4, at least one.
        grades: (knees,) predicted KL grades by the release's decision rule.

    Returns:
        `accuracy`, `balanced_accuracy` (mean recall of the grades that are there), `quadratic_weighted_kappa` (NaN
        where truth and prediction are one and the same grade throughout), `mae` of the predicted grade, `mae_expected`
        of the expected grade, `macro_f1`, `auc_oa` (KL >= 2; NaN where only one class is present), `log_loss`.

    References:
        Cohen J., Weighted kappa, Psychol Bull 1968;70:213, with quadratic weights.
    """
    constant = len(np.union1d(truth, grades)) == 1
    picked = np.clip(probabilities[np.arange(len(truth)), truth], 1e-12, 1.0)
    kappa = math.nan if constant else cohen_kappa_score(truth, grades, weights="quadratic", labels=KL_GRADES)
    return {
        "accuracy": float((grades == truth).mean()),
        "balanced_accuracy": float(np.nanmean(recalls(truth, grades))),
        "quadratic_weighted_kappa": float(kappa),
        "mae": float(np.abs(grades - truth).mean()),
        "mae_expected": float(np.abs(expected_grade(probabilities) - truth).mean()),
        "macro_f1": float(f1_score(truth, grades, average="macro")),
        "auc_oa": auc_from(probabilities, truth, OA_FROM_GRADE),
        "log_loss": float(-np.log(picked).mean()),
    }


def judged_metrics(probabilities: Probabilities, truth: Grades, grades: Grades) -> dict[str, float]:
    """Every metric of an evaluation: `kl_metrics`, and those that it would be too many to follow in training.

    Args:
        probabilities: (knees, 5), rows sum to 1.
        truth: (knees,) KL grades 0-4, at least one.
        grades: (knees,) predicted KL grades by the release's decision rule.

    Returns:
        `kl_metrics` and `ece`; `auc_kl3` (KL >= 3); `sensitivity_oa`, `specificity_oa` of the named grade for KL >= 2;
        `within_one_grade`; `bias` (mean of predicted less true grade); `recall_kl0` ... `recall_kl4`;
        `selective_accuracy_50`, `_80`, `_90` and `aurc` (see `selective_accuracy` and `area_under_risk_coverage`).
        NaN where a metric is not defined, as the recall of a grade that no knee has.
    """
    confidence, correct = named_confidence(probabilities, grades), np.asarray(grades == truth)
    has_oa, called_oa = truth >= OA_FROM_GRADE, grades >= OA_FROM_GRADE
    sensitivity, specificity = recall_score(has_oa, called_oa, labels=[1, 0], average=None, zero_division=math.nan)
    return (
        kl_metrics(probabilities, truth, grades)
        | {
            "ece": top_label_calibration(probabilities, truth),
            "auc_kl3": auc_from(probabilities, truth, MODERATE_FROM_GRADE),
            "sensitivity_oa": float(sensitivity),
            "specificity_oa": float(specificity),
            "within_one_grade": float((np.abs(grades - truth) <= 1).mean()),
            "bias": float((grades - truth).mean()),
        }
        | {f"recall_kl{kl}": float(r) for kl, r in zip(KL_GRADES, recalls(truth, grades), strict=True)}
        | {f"selective_accuracy_{c}": selective_accuracy(confidence, correct, c) for c in COVERAGES}
        | {"aurc": area_under_risk_coverage(confidence, correct)}
    )


def recalls(truth: Grades, grades: Grades) -> npt.NDArray[np.float64]:
    """(5,) share of the knees of each grade that are named so; NaN for a grade that no knee has."""
    return np.asarray(recall_score(truth, grades, labels=KL_GRADES, average=None, zero_division=math.nan))


def auc_from(probabilities: Probabilities, truth: Grades, grade: int) -> float:
    """Area under the ROC curve of P(KL >= grade); NaN where the knees are all below it or none is."""
    positive = truth >= grade
    if positive.all() or not positive.any():
        return math.nan
    return float(roc_auc_score(positive, probability_from(probabilities, grade)))


def right_by_rank(confidence: Confidences, correct: Correct) -> npt.NDArray[np.float64]:
    """(knees + 1,) how many of the k most confident knees are right, k = 0 first.

    Knees of equal confidence count as their mean, so that the order of the data does not matter.

    Args:
        confidence: (knees,) probability of the named grade.
        correct: (knees,) whether it is the true grade.
    """
    _, place, counts = np.unique(-confidence, return_inverse=True, return_counts=True)
    right = np.bincount(place, weights=correct)
    ends = np.concatenate([[0], np.cumsum(counts)])
    return np.asarray(np.interp(np.arange(len(correct) + 1), ends, np.concatenate([[0.0], np.cumsum(right)])))


def selective_accuracy(confidence: Confidences, correct: Correct, coverage: int) -> float:
    """Accuracy on the most confident knees, as if the rest had been left to a reader.

    Args:
        confidence: (knees,) probability of the named grade.
        correct: (knees,) whether it is the true grade.
        coverage: per cent of the knees that are kept, rounded up to a whole knee.

    References:
        Geifman Y., El-Yaniv R., Selective classification for deep neural networks, NeurIPS 2017.
    """
    kept = -(-coverage * len(correct) // 100)
    return float(right_by_rank(confidence, correct)[kept] / kept)


def area_under_risk_coverage(confidence: Confidences, correct: Correct) -> float:
    """Mean error rate of the k most confident knees over all k: 0 is perfect; without any ranking it is the error rate.

    Args:
        confidence: (knees,) probability of the named grade.
        correct: (knees,) whether it is the true grade.

    References:
        Geifman Y. et al., Bias-reduced uncertainty estimation for deep neural classifiers, ICLR 2019.
    """
    return float(1 - (right_by_rank(confidence, correct)[1:] / np.arange(1, len(correct) + 1)).mean())


def calibration_bins(confidence: Confidences) -> list[npt.NDArray[np.intp]]:
    """Indices of the knees in ten bins of equal mass, least confident first; fewer bins than ten for fewer knees."""
    return np.array_split(np.argsort(confidence, kind="stable"), min(CALIBRATION_BINS, len(confidence)))


def expected_calibration_error(confidence: Confidences, correct: Correct) -> float:
    """Top-label calibration error over ten bins of equal mass.

    Args:
        confidence: (knees,) probability of the most probable grade.
        correct: (knees,) whether that grade is the true one.

    References:
        Nguyen K., O'Connor B., Posterior calibration and exploratory analysis for NLP models, EMNLP 2015.
    """
    gaps = [len(b) * abs(float(confidence[b].mean() - correct[b].mean())) for b in calibration_bins(confidence)]
    return float(sum(gaps) / len(confidence))


def top_label_calibration(rows: Probabilities, truth: Grades) -> float:
    """`expected_calibration_error` of the most probable grade, whatever decision rule names the grade.

    Args:
        rows: (knees, 5) probabilities.
        truth: (knees,) KL grades.
    """
    return expected_calibration_error(rows.max(axis=1), np.asarray(rows.argmax(axis=1) == truth))


def calibration_floor(confidence: Confidences, draws: int = 1000, seed: int = 0) -> float:
    """Mean calibration error that a perfectly calibrated network with these confidences would show by chance."""
    rng = np.random.default_rng(seed)
    errors = [expected_calibration_error(confidence, rng.random(len(confidence)) < confidence) for _ in range(draws)]
    return float(np.mean(errors))
