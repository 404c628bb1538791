"""Looking up between pixels, and smoothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kneeoa.datasets.phantom_sampling import bilinear, gaussian

RAMP = (np.arange(6)[:, None] * 10.0 + np.arange(8)).astype(np.float64)


@given(st.floats(-0.8, 0.8), st.floats(-0.8, 0.8))
def test_a_ramp_is_interpolated_exactly(x: float, y: float) -> None:
    found = bilinear(RAMP, np.array([x]), np.array([y]))[0]
    assert found == pytest.approx(((y + 1) * 3 - 0.5) * 10 + (x + 1) * 4 - 0.5, abs=1e-3)


def test_beyond_the_border_its_value_holds() -> None:
    assert bilinear(RAMP, np.array([-3.0, 3.0]), np.array([-3.0, 3.0])) == pytest.approx([0.0, 57.0], abs=0.02)


def test_channels_are_looked_up_together() -> None:
    both = np.stack([RAMP, -RAMP], axis=-1)
    found = bilinear(both, np.array([[0.1, 0.2]]), np.array([[0.3, 0.4]]))
    assert found.shape == (1, 2, 2)
    assert np.allclose(found[..., 0], -found[..., 1])


def test_smoothing_spreads_a_point_by_sigma_and_keeps_its_sum() -> None:
    image = np.zeros((61, 51), dtype=np.float32)
    image[30, 25] = 1
    smooth = gaussian(image, 3.0)
    rows = smooth.sum(axis=1)
    middle = float((rows * np.arange(61)).sum())
    assert smooth.sum() == pytest.approx(1, abs=1e-3)
    assert np.sqrt(float((rows * (np.arange(61) - middle) ** 2).sum())) == pytest.approx(3, abs=0.05)


def test_smoothing_leaves_an_even_image_alone() -> None:
    assert np.allclose(gaussian(np.full((20, 30), 0.4, dtype=np.float32), 2.0), 0.4, atol=1e-6)
