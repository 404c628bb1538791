"""The straightened band: places there and back, exposure and sampling."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kneeoa.model.joint_band import (
    BAND_COLUMNS,
    BAND_ROWS,
    LEVEL_ROW,
    JointPlace,
    cut_band,
    down_row,
    place_input,
    row_down,
    sampled,
)

numbers = st.floats(-0.5, 1.5)
PLACE = JointPlace(160.0, 150.0, 245.0, 0.0)


@given(numbers, numbers, st.floats(50, 400), st.floats(-40, 40))
def test_places_go_to_the_crop_and_back(x: float, down: float, width: float, angle: float) -> None:
    place = JointPlace(150.0, 140.0, width, angle)
    back = place.from_crop(place.to_crop(np.array(x), np.array(down)))
    assert back[0] == pytest.approx(x, abs=1e-9)
    assert back[1] == pytest.approx(down, abs=1e-9)


def test_medial_end_lies_at_image_right_and_turning_anticlockwise_lifts_it() -> None:
    level = PLACE.to_crop(np.array([1.0, 0.0]), np.zeros(2))
    assert level[0, 1] < level[1, 1]
    assert level[0, 0] == level[1, 0]
    turned = JointPlace(160.0, 150.0, 245.0, 10.0).to_crop(np.array([1.0, 0.0]), np.zeros(2))
    assert turned[1, 0] < turned[0, 0]


def test_rows_and_plateau_widths_are_inverse() -> None:
    rows = np.array([0.0, 40.5, 127.0])
    assert down_row(row_down(rows)) == pytest.approx(rows)
    assert row_down(np.array([LEVEL_ROW])) == pytest.approx([0.0])


def test_band_of_a_step_has_its_edge_on_the_level() -> None:
    crop = np.full((299, 299), 0.2, dtype=np.float32)
    crop[160:] = 0.8
    band = cut_band(crop, JointPlace(159.5, 149.0, 245.0, 0.0))
    assert band.shape == (BAND_ROWS, BAND_COLUMNS)
    steepest = np.gradient(band, axis=0).argmax(axis=0)
    assert np.abs(steepest - LEVEL_ROW).max() <= 1.0


@pytest.mark.parametrize(("gain", "offset"), [(0.5, 0.0), (0.3, 0.6), (1.0, -0.05)])
def test_exposure_does_not_reach_the_networks(gain: float, offset: float) -> None:
    crop = np.random.default_rng(0).uniform(0.1, 0.9, (299, 299)).astype(np.float32)
    other = (crop * gain + offset).astype(np.float32)
    assert np.abs(cut_band(other, PLACE) - cut_band(crop, PLACE)).max() < 2e-3
    assert np.abs(place_input(other) - place_input(crop)).max() < 2e-3


def test_sampling_between_pixels_is_linear_and_stops_at_the_border() -> None:
    crop = np.arange(12, dtype=np.float32).reshape(3, 4)
    found = sampled(crop, np.array([[0.5, 1.25], [-3.0, -3.0], [9.0, 9.0]]))
    assert found == pytest.approx([0.5 * 4 + 1.25, 0.0, 11.0])
