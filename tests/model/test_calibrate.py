"""Probabilities that add up, grades that follow from them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from kneeoa.model.calibrate import DecisionRule, decide, kl_grade, probabilities

logit_rows = arrays(np.float32, (3, 5), elements=st.floats(-50, 50, width=32))


@given(logits=logit_rows, temperature=st.floats(0.2, 5))
def test_probabilities_sum_to_one(logits: np.ndarray, temperature: float) -> None:
    rows = probabilities(logits, temperature)
    assert rows.sum(axis=1) == pytest.approx(1.0)
    assert ((rows >= 0) & (rows <= 1)).all()


@given(logits=logit_rows, temperature=st.floats(0.2, 5))
def test_temperature_never_changes_the_most_probable_grade(logits: np.ndarray, temperature: float) -> None:
    # In float64 the order of distinct logits survives division; ties may fall either way.
    best = np.take_along_axis(logits, probabilities(logits, temperature).argmax(1)[:, None], 1)[:, 0]
    assert np.allclose(best, logits.max(axis=1), atol=1e-3)


def test_softening_makes_the_network_less_sure() -> None:
    logits = np.array([[0, 1, 4, 1, 0]], np.float32)
    assert probabilities(logits, 2.0).max() < probabilities(logits, 1.0).max()


def test_the_three_rules_differ_where_they_should() -> None:
    row = np.array([[0.4, 0.15, 0.0, 0.15, 0.3]])
    assert decide(row, DecisionRule.ARGMAX).tolist() == [0]
    assert decide(row, DecisionRule.MEDIAN).tolist() == [1]
    assert decide(row, DecisionRule.ROUNDED_EXPECTED).tolist() == [2]


@given(logits=logit_rows)
def test_the_median_grade_has_the_least_expected_absolute_error(logits: np.ndarray) -> None:
    rows = probabilities(logits, 1.0)
    cost = rows @ np.abs(np.arange(5)[:, None] - np.arange(5)[None])
    chosen = np.take_along_axis(cost, decide(rows, DecisionRule.MEDIAN)[:, None], 1)[:, 0]
    assert chosen == pytest.approx(cost.min(axis=1), abs=1e-9)


def test_an_expected_grade_on_the_half_is_rounded_up() -> None:
    rows = np.array([[0.5, 0.5, 0, 0, 0], [0, 0, 0.5, 0.5, 0]], float)
    assert decide(rows, DecisionRule.ROUNDED_EXPECTED).tolist() == [1, 3]


def test_the_report_counts_grade_two_and_above_as_osteoarthritis() -> None:
    kl = kl_grade(np.array([0.1, 0.2, 0.3, 0.25, 0.15]), DecisionRule.ARGMAX)
    assert kl.grade == 2
    assert kl.oa_probability == pytest.approx(0.7)
    assert kl.expected == pytest.approx(0.2 + 0.6 + 0.75 + 0.6)
