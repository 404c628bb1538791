"""Ordinal targets and honest figures."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata

from kneeoa.training.losses import SoftOrdinalLoss, ordinal_targets
from kneeoa.training.metrics import calibration_floor, expected_calibration_error, kl_metrics


@given(neighbour=st.floats(0, 0.9))
def test_a_target_falls_with_distance_and_sums_to_one(neighbour: float) -> None:
    targets = ordinal_targets(neighbour)
    assert targets.sum(dim=1).numpy() == pytest.approx(1.0)
    assert targets.argmax(dim=1).tolist() == [0, 1, 2, 3, 4]
    assert bool((targets[0].diff() <= 0).all())


def test_a_far_mistake_costs_more_than_a_near_one() -> None:
    loss = SoftOrdinalLoss(neighbour=0.15, expected_weight=0.1)
    near = torch.tensor([[0.0, 5.0, 0.0, 0.0, 0.0]])
    far = torch.tensor([[0.0, 0.0, 0.0, 0.0, 5.0]])
    truth = torch.tensor([0])
    right = torch.tensor([[5.0, 2.0, 0.0, 0.0, 0.0]])
    assert loss(right, truth) < loss(near, truth) < loss(far, truth)


def test_figures_agree_with_an_independent_computation() -> None:
    rng = np.random.default_rng(2)
    rows = rng.dirichlet(np.ones(5), 300)
    truth = rng.integers(0, 5, 300)
    grades = rows.argmax(1)
    found = kl_metrics(rows, truth, grades)
    # Quadratic weighted kappa from its definition.
    observed = np.zeros((5, 5))
    np.add.at(observed, (truth, grades), 1)
    weights = (np.arange(5)[:, None] - np.arange(5)[None]) ** 2
    expected = np.outer(observed.sum(1), observed.sum(0)) / 300
    kappa = 1 - (weights * observed).sum() / (weights * expected).sum()
    # Area under the curve from ranks (Mann-Whitney).
    oa, score = truth >= 2, rows[:, 2:].sum(1)
    ranks = rankdata(score)
    auc = (ranks[oa].sum() - oa.sum() * (oa.sum() + 1) / 2) / (oa.sum() * (~oa).sum())
    recall = [float((grades[truth == k] == k).mean()) for k in range(5)]
    assert found["quadratic_weighted_kappa"] == pytest.approx(kappa, abs=1e-9)
    assert found["auc_oa"] == pytest.approx(auc, abs=1e-9)
    assert found["balanced_accuracy"] == pytest.approx(np.mean(recall), abs=1e-9)
    assert found["mae"] == pytest.approx(np.abs(grades - truth).mean())


def test_a_calibrated_network_is_at_the_floor_and_a_boastful_one_is_not() -> None:
    rng = np.random.default_rng(1)
    confidence = rng.uniform(0.3, 0.95, 826)
    honest = rng.random(826) < confidence
    boastful = rng.random(826) < confidence - 0.2
    floor = calibration_floor(confidence, draws=200)
    assert 0.02 < floor < 0.06
    assert expected_calibration_error(confidence, honest) - floor < 0.02
    assert expected_calibration_error(confidence, boastful) - floor > 0.1
