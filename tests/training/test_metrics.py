"""Every figure of an evaluation agrees with another way to compute it, and is undefined where it has to be."""

from __future__ import annotations

import math
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.random import default_rng
from scipy.stats import mannwhitneyu
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    cohen_kappa_score,
    f1_score,
    log_loss,
    mean_absolute_error,
    recall_score,
    roc_auc_score,
)

from kneeoa.training.metrics import (
    Grades,
    Probabilities,
    area_under_risk_coverage,
    judged_metrics,
    named_confidence,
    right_by_rank,
    selective_accuracy,
)


def some_predictions(knees: int, seed: int = 0) -> tuple[Probabilities, Grades, Grades]:
    """Probabilities, truth, and grades by the median, of a network that is often right."""
    rng = default_rng(seed)
    truth = rng.integers(0, 5, knees)
    logits = rng.normal(0, 1, (knees, 5)) - 0.8 * np.abs(np.arange(5) - truth[:, None])
    rows = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return rows, truth, (np.cumsum(rows, axis=1) < 0.5).sum(axis=1)


def by_libraries(rows: Probabilities, truth: Grades, grades: Grades) -> dict[str, float]:
    """The same figures by scikit-learn, by scipy, and by counting one knee after the other."""
    knees = len(truth)
    ranked = sorted(range(knees), key=lambda i: -rows[i, grades[i]])
    hits = [grades[i] == truth[i] for i in ranked]
    by_confidence = sorted(range(knees), key=lambda i: float(rows[i].max()))
    bins = np.array_split(np.array(by_confidence), 10)
    gaps = [abs(sum(rows[i].max() - (rows[i].argmax() == truth[i]) for i in b)) for b in bins]
    oa = rows[:, 2:].sum(axis=1)
    pairs = (truth >= 2).sum() * (truth < 2).sum()
    return {
        "accuracy": accuracy_score(truth, grades),
        "balanced_accuracy": balanced_accuracy_score(truth, grades),
        "quadratic_weighted_kappa": cohen_kappa_score(truth, grades, weights="quadratic"),
        "mae": mean_absolute_error(truth, grades),
        "mae_expected": mean_absolute_error(truth, rows @ np.arange(5)),
        "macro_f1": f1_score(truth, grades, average="macro"),
        "auc_oa": mannwhitneyu(oa[truth >= 2], oa[truth < 2]).statistic / pairs,
        "auc_kl3": roc_auc_score(truth >= 3, rows[:, 3:].sum(axis=1)),
        "log_loss": log_loss(truth, rows, labels=range(5)),
        "ece": sum(gaps) / knees,
        "sensitivity_oa": recall_score(truth >= 2, grades >= 2),
        "specificity_oa": recall_score(truth < 2, grades < 2),
        "within_one_grade": sum(abs(g - t) <= 1 for g, t in zip(grades, truth, strict=True)) / knees,
        "bias": float(np.mean(grades) - np.mean(truth)),
        "selective_accuracy_50": float(np.mean(hits[: math.ceil(knees / 2)])),
        "selective_accuracy_80": float(np.mean(hits[: math.ceil(knees * 4 / 5)])),
        "selective_accuracy_90": float(np.mean(hits[: math.ceil(knees * 9 / 10)])),
        "aurc": float(np.mean([1 - np.mean(hits[:k]) for k in range(1, knees + 1)])),
    } | {
        f"recall_kl{kl}": float(np.mean([g == kl for g, t in zip(grades, truth, strict=True) if t == kl]))
        for kl in range(5)
    }


@pytest.mark.parametrize("knees", [137, 300, 501])
def test_every_figure_agrees_with_an_independent_computation(knees: int) -> None:
    rows, truth, grades = some_predictions(knees, seed=knees)
    found, expected = judged_metrics(rows, truth, grades), by_libraries(rows, truth, grades)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=1e-9), name


def test_a_grade_that_no_knee_has_has_no_recall_and_does_not_pull_the_mean_down() -> None:
    rows, truth, grades = some_predictions(200)
    kept = truth != 4
    found = judged_metrics(rows[kept], truth[kept], grades[kept])
    assert math.isnan(found["recall_kl4"])
    present = [found[f"recall_kl{kl}"] for kl in range(4)]
    assert found["balanced_accuracy"] == pytest.approx(np.mean(present))


def test_with_one_class_what_compares_classes_is_undefined_and_the_rest_is_not() -> None:
    truth = np.full(20, 2)
    rows = np.tile([0.1, 0.2, 0.4, 0.2, 0.1], (20, 1))
    found = judged_metrics(rows, truth, truth)
    undefined = {name for name, value in found.items() if math.isnan(value)}
    recalls = {f"recall_kl{kl}" for kl in (0, 1, 3, 4)}
    assert undefined == {"auc_oa", "auc_kl3", "quadratic_weighted_kappa", "specificity_oa"} | recalls
    assert found["accuracy"] == found["balanced_accuracy"] == found["macro_f1"] == 1


def test_all_right_is_one_and_no_risk() -> None:
    truth = np.arange(50) % 5
    rows = np.full((50, 5), 0.1)
    rows[np.arange(50), truth] = 0.6
    found = judged_metrics(rows, truth, truth)
    assert all(found[name] == 1 for name in ("accuracy", "quadratic_weighted_kappa", "macro_f1", "auc_oa", "auc_kl3"))
    assert found["aurc"] == found["mae"] == found["bias"] == 0
    assert found["ece"] == pytest.approx(0.4)


def test_one_knee_can_be_judged() -> None:
    found = judged_metrics(np.array([[0.1, 0.2, 0.4, 0.2, 0.1]]), np.array([3]), np.array([2]))
    assert (found["accuracy"], found["mae"], found["bias"], found["aurc"]) == (0, 1, -1, 1)


def test_confidence_is_that_of_the_named_grade_not_of_the_most_probable_one() -> None:
    rows = np.array([[0.4, 0.15, 0.3, 0.15, 0.0]])
    assert named_confidence(rows, np.array([1])).tolist() == [0.15]


def test_selective_accuracy_takes_the_surest_knees_rounded_up() -> None:
    confidence, correct = np.array([0.9, 0.8, 0.7]), np.array([True, False, True])
    assert selective_accuracy(confidence, correct, 50) == 0.5
    assert selective_accuracy(confidence, correct, 80) == pytest.approx(2 / 3)


@given(st.lists(st.tuples(st.sampled_from([0.2, 0.5, 0.8]), st.booleans()), min_size=1, max_size=12), st.randoms())
def test_with_equal_confidences_the_order_of_the_data_does_not_matter(
    knees: list[tuple[float, bool]], random: Random
) -> None:
    def figures(some: list[tuple[float, bool]]) -> list[float]:
        confidence, correct = np.array([c for c, _ in some]), np.array([r for _, r in some])
        return [area_under_risk_coverage(confidence, correct), *right_by_rank(confidence, correct)]

    shuffled = list(knees)
    random.shuffle(shuffled)
    assert figures(knees) == pytest.approx(figures(shuffled))
    assert right_by_rank(np.array([c for c, _ in knees]), np.array([r for _, r in knees]))[-1] == sum(
        r for _, r in knees
    )
