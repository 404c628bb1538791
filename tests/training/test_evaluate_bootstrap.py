"""Intervals are those that scikit-learn would give on the drawn knees, and never claim what cannot be known."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.random import default_rng
from scipy.stats import bootstrap
from sklearn.metrics import (
    balanced_accuracy_score,
    cohen_kappa_score,
    f1_score,
    log_loss,
    recall_score,
    roc_auc_score,
)

from kneeoa.training.evaluate_bootstrap import Interval, intervals, metrics_with_intervals, subject_weights
from kneeoa.training.metrics import Grades, Probabilities, judged_metrics

KNEES = 240


@pytest.fixture(scope="module")
def judged() -> tuple[Probabilities, Grades, Grades, list[str]]:
    """240 knees of about 100 subjects, some with one knee, some with several, a few without a subject."""
    rng = default_rng(4)
    truth = rng.integers(0, 5, KNEES)
    logits = rng.normal(0, 1, (KNEES, 5)) - 0.8 * np.abs(np.arange(5) - truth[:, None])
    rows = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    subjects = [f"s{i}" for i in rng.integers(0, 110, KNEES)]
    for i in (3, 50, 51, 200):
        subjects[i] = ""
    return rows, truth, rows.argmax(axis=1), subjects


def undefined(one: Interval) -> bool:
    return math.isnan(one["value"]) and math.isnan(one["low"]) and math.isnan(one["high"])


def drawn_knees(subjects: list[str], draws: int) -> list[list[int]]:
    """The draws by hand: units in order of appearance, drawn with replacement by the same generator."""
    units: dict[str, list[int]] = {}
    for i, subject in enumerate(subjects):
        units.setdefault(subject or f"alone {i}", []).append(i)
    members, rng = list(units.values()), default_rng(0)
    return [[i for u in rng.integers(0, len(members), len(members)) for i in members[u]] for _ in range(draws)]


def test_intervals_agree_with_scikit_learn_on_the_same_draws(
    judged: tuple[Probabilities, Grades, Grades, list[str]],
) -> None:
    rows, truth, grades, subjects = judged
    draws = drawn_knees(subjects, 60)
    found = metrics_with_intervals(rows, truth, grades, subjects, draws=60)
    by_hand: dict[str, Callable[[Probabilities, Grades, Grades], float]] = {
        "accuracy": lambda _, t, g: float((t == g).mean()),
        "balanced_accuracy": lambda _, t, g: balanced_accuracy_score(t, g),
        "quadratic_weighted_kappa": lambda _, t, g: cohen_kappa_score(t, g, weights="quadratic"),
        "mae": lambda _, t, g: float(np.abs(t - g).mean()),
        "macro_f1": lambda _, t, g: f1_score(t, g, average="macro"),
        "auc_oa": lambda r, t, _: roc_auc_score(t >= 2, r[:, 2:].sum(axis=1)),
        "auc_kl3": lambda r, t, _: roc_auc_score(t >= 3, r[:, 3:].sum(axis=1)),
        "log_loss": lambda r, t, _: log_loss(t, r, labels=range(5)),
        "recall_kl1": lambda _, t, g: recall_score(t == 1, g == 1),
        "sensitivity_oa": lambda _, t, g: recall_score(t >= 2, g >= 2),
    }
    for name, metric in by_hand.items():
        drawn = [metric(rows[some], truth[some], grades[some]) for some in draws]
        assert found[name]["value"] == pytest.approx(metric(rows, truth, grades), abs=1e-9), name
        assert found[name]["low"] == pytest.approx(np.percentile(drawn, 2.5), abs=1e-9), name
        assert found[name]["high"] == pytest.approx(np.percentile(drawn, 97.5), abs=1e-9), name


def test_every_metric_of_a_draw_is_that_of_its_knees(judged: tuple[Probabilities, Grades, Grades, list[str]]) -> None:
    # `judged_metrics` itself is held against libraries in test_metrics.py.
    rows, truth, grades, subjects = judged
    found = metrics_with_intervals(rows, truth, grades, subjects, draws=40)
    drawn = [judged_metrics(rows[some], truth[some], grades[some]) for some in drawn_knees(subjects, 40)]
    assert len(found) == 23
    for name, one in found.items():
        low, high = np.percentile([d[name] for d in drawn], [2.5, 97.5])
        assert (one["low"], one["high"]) == pytest.approx((low, high), abs=1e-9), name


def test_without_subjects_the_interval_is_scipy_s(judged: tuple[Probabilities, Grades, Grades, list[str]]) -> None:
    rows, truth, grades, _ = judged
    found = metrics_with_intervals(rows, truth, grades, [""] * KNEES, draws=4000)["accuracy"]
    right = (truth == grades).astype(float)
    other = bootstrap((right,), np.mean, n_resamples=4000, method="percentile", rng=default_rng(9)).confidence_interval
    assert (found["low"], found["high"]) == pytest.approx((other.low, other.high), abs=0.01)


def test_the_bootstrap_draws_subjects_not_knees() -> None:
    rng = default_rng(0)
    half = rng.dirichlet(np.ones(5), 60)
    truth = rng.integers(0, 5, 60)
    # Every subject twice: the interval by subject is that of 60 subjects, wider than that of 120 strangers.
    rows, both = np.repeat(half, 2, axis=0), np.repeat(truth, 2)
    subjects = [str(i // 2) for i in range(120)]
    grades = rows.argmax(1)
    by_subject = metrics_with_intervals(rows, both, grades, subjects, draws=300)["accuracy"]
    by_knee = metrics_with_intervals(rows, both, grades, [""] * 120, draws=300)["accuracy"]
    assert by_subject["value"] == by_knee["value"]
    assert by_subject["high"] - by_subject["low"] > 1.2 * (by_knee["high"] - by_knee["low"])


def test_a_draw_takes_whole_subjects_and_single_knees_without_one() -> None:
    weights = subject_weights(["a", "", "b", "a", ""], draws=500)
    assert (weights[:, 0] == weights[:, 3]).all()
    assert (weights[:, 0] + weights[:, 1] + weights[:, 2] + weights[:, 4] == 4).all()
    assert (weights[:, 1] != weights[:, 4]).any()


def test_a_single_subject_has_values_and_no_intervals(judged: tuple[Probabilities, Grades, Grades, list[str]]) -> None:
    rows, truth, grades, _ = judged
    found = metrics_with_intervals(rows[:40], truth[:40], grades[:40], ["one"] * 40, draws=50)
    assert found["accuracy"]["value"] == (truth[:40] == grades[:40]).mean()
    assert all(math.isnan(one["low"]) and math.isnan(one["high"]) for one in found.values())


def test_a_grade_that_some_draws_miss_is_judged_on_the_others() -> None:
    truth = np.array([0] * 30 + [4])
    rows = np.tile([0.6, 0.1, 0.1, 0.1, 0.1], (31, 1))
    rows[-1] = rows[-1][::-1]
    found = metrics_with_intervals(rows, truth, rows.argmax(axis=1), [""] * 31, draws=200)
    assert found["recall_kl4"] == {"value": 1.0, "low": 1.0, "high": 1.0}
    assert undefined(found["recall_kl2"])
    assert found["auc_oa"]["value"] == 1


def test_one_class_only_leaves_what_compares_classes_undefined() -> None:
    truth = np.full(30, 1)
    rows = np.tile([0.2, 0.6, 0.1, 0.05, 0.05], (30, 1))
    found = metrics_with_intervals(rows, truth, truth, [""] * 30, draws=50)
    for name in ("auc_oa", "auc_kl3", "quadratic_weighted_kappa", "sensitivity_oa", "recall_kl0"):
        assert undefined(found[name]), name
    assert found["accuracy"] == {"value": 1.0, "low": 1.0, "high": 1.0}


def test_a_part_of_the_set_is_judged_with_the_draws_of_the_whole(
    judged: tuple[Probabilities, Grades, Grades, list[str]],
) -> None:
    rows, truth, grades, subjects = judged
    part = np.arange(KNEES) % 3 == 0
    weights = subject_weights(subjects, 50)
    found = intervals(rows[part], truth[part], grades[part], weights[:, part])["mae"]
    drawn = []
    for some in drawn_knees(subjects, 50):
        kept = [i for i in some if part[i]]
        drawn.append(float(np.abs(truth[kept] - grades[kept]).mean()))
    assert (found["low"], found["high"]) == pytest.approx(tuple(np.percentile(drawn, [2.5, 97.5])), abs=1e-9)
