"""Figures over worse and worse films: disturbances do what they say, and curves begin where they should."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from kneeoa.datasets.phantom import PhantomSpec, make_phantom
from kneeoa.model.grader import KneeGrader
from kneeoa.training.disturbances import DISTURBANCES, Disturbance, disturbed
from kneeoa.training.evaluate_data import read_judged
from kneeoa.training.evaluate_predictions import predict
from kneeoa.training.metrics import kl_metrics
from kneeoa.training.robustness import robustness_curves, write_robustness

KNEE = make_phantom(PhantomSpec(grade=2, seed=1, size=(200, 200))).pixels
BY_NAME = {one.name: one for one in DISTURBANCES}


@pytest.mark.parametrize("one", DISTURBANCES, ids=lambda one: one.name)
def test_a_disturbance_keeps_size_and_range_repeats_itself_and_grows(one: Disturbance) -> None:
    assert one.neutral in one.strengths
    assert disturbed(one, one.neutral, KNEE, "a.png") is KNEE
    away = []
    for strength in sorted(one.strengths, key=lambda s: abs(s - one.neutral)):
        found = disturbed(one, strength, KNEE, "a.png")
        assert found.shape == KNEE.shape
        assert found.dtype == np.float32
        assert found.min() >= 0
        assert found.max() <= 1
        np.testing.assert_array_equal(found, disturbed(one, strength, KNEE, "a.png"))
        away.append((abs(strength - one.neutral), float(np.abs(found - KNEE).mean())))
    # Of strengths to both sides the mean; a stronger disturbance leaves less of the picture.
    steps = sorted({distance for distance, _ in away})
    means = [np.mean([change for distance, change in away if distance == step]) for step in steps]
    assert means == sorted(means)
    assert means[-1] > 0.002


def test_disturbances_are_what_their_names_say() -> None:
    np.testing.assert_allclose(disturbed(BY_NAME["inversion"], 1.0, KNEE, "a"), 1 - KNEE, atol=1e-6)
    assert disturbed(BY_NAME["exposure"], 1.0, KNEE, "a").mean() < KNEE.mean()
    sharp, blurred = (ndimage.laplace(p).std() for p in (KNEE, disturbed(BY_NAME["blur"], 2.0, KNEE, "a")))
    assert blurred < sharp / 2
    grain = disturbed(BY_NAME["noise"], 8.0, np.full((200, 200), 0.5, np.float32), "a")
    assert grain.std() * 255 == pytest.approx(8, rel=0.05)
    shifted = disturbed(BY_NAME["crop-shift"], 12.0, KNEE, "a")
    assert not np.array_equal(shifted, disturbed(BY_NAME["crop-shift"], 12.0, KNEE, "b")), "each knee its own way"


def test_curves_begin_at_the_plain_figures_and_are_written_with_their_intervals(tiny_set: Path, tmp_path: Path) -> None:
    grader = KneeGrader.load("kneeoa-6")
    knees = read_judged(tiny_set, "val").knees
    chosen = [BY_NAME["inversion"], BY_NAME["noise"]]
    points = robustness_curves(grader, knees, chosen, draws=20)
    plain = predict(grader, knees)
    expected = kl_metrics(plain.probabilities, plain.truth, plain.grades)
    for point in points:
        if point.strength == point.disturbance.neutral:
            assert point.metrics["accuracy"]["value"] == expected["accuracy"]
            assert point.accepted == plain.accepted.mean()
    write_robustness(points, knees, tmp_path, draws=20)
    found = json.loads((tmp_path / "robustness.json").read_text())
    assert [row["strength"] for row in found["curves"]["noise"]] == [0, 4, 8, 16]
    assert set(found["curves"]["inversion"][0]["mae"]) == {"value", "low", "high"}
    assert (tmp_path / "robustness.png").stat().st_size > 10_000
