"""Exposure and polarity are taken out before any network looks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kneeoa.model.normalize import bone_bright, polarity, standardise
from kneeoa.model.radiograph import FloatImage


def limb() -> FloatImage:
    """Bright in the middle, dark at the sides, as a knee is."""
    columns = np.exp(-((np.linspace(-1.6, 1.6, 288)) ** 4))
    return (np.tile(columns, (288, 1)) * 0.8 + 0.1).astype(np.float32)


def test_a_knee_with_bone_bright_is_left_alone() -> None:
    assert polarity(limb()) > 0.3
    assert np.array_equal(bone_bright(limb()), limb())


def test_inverted_grey_values_are_turned() -> None:
    assert polarity(1 - limb()) < -0.3
    assert bone_bright(1 - limb()) == pytest.approx(limb(), abs=1e-6)


def test_a_constant_crop_has_no_polarity_and_becomes_zeros() -> None:
    flat = np.full((288, 288), 0.4, np.float32)
    assert polarity(flat) == 0.0
    assert not standardise(flat).any()


@settings(max_examples=30, deadline=None)
@given(gain=st.floats(0.05, 0.9), offset=st.floats(0.0, 0.1))
def test_exposure_does_not_change_the_input(gain: float, offset: float) -> None:
    crop = np.random.default_rng(3).random((208, 288)).astype(np.float32)
    changed = (crop * gain + offset).astype(np.float32)
    assert standardise(changed) == pytest.approx(standardise(crop), abs=2e-3)


def test_the_input_has_mean_zero_and_deviation_one() -> None:
    crop = np.random.default_rng(4).random((208, 288)).astype(np.float32)
    assert float(standardise(crop).mean()) == pytest.approx(0, abs=1e-4)
    assert float(standardise(crop).std()) == pytest.approx(1, abs=1e-4)


def test_a_lead_marker_does_not_squeeze_the_anatomy() -> None:
    crop = np.random.default_rng(5).random((208, 288)).astype(np.float32) * 0.3
    marked = crop.copy()
    marked[5:15, 5:30] = 1.0
    assert standardise(marked)[100:200] == pytest.approx(standardise(crop)[100:200], abs=0.12)
