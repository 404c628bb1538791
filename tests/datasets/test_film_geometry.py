"""Affine maps and warps: points and pixels go the same way."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kneeoa.datasets.film_geometry import Affine, resized, warped

numbers = st.floats(-3, 3)
maps = st.builds(Affine, numbers, numbers, st.floats(-50, 50), numbers, numbers, st.floats(-50, 50))


@given(maps, maps)
def test_one_map_after_another_is_what_then_says(first: Affine, second: Affine) -> None:
    points = np.array([(0.0, 0.0), (3.0, -2.0), (11.0, 7.0)])
    assert np.allclose(first.then(second).points(points), second.points(first.points(points)), atol=1e-6)


@given(maps.filter(lambda m: abs(m.determinant) > 0.05))
def test_the_inverse_brings_points_back(there: Affine) -> None:
    points = np.array([(0.0, 0.0), (3.0, -2.0), (11.0, 7.0)])
    assert np.allclose(there.then(there.inverse()).points(points), points, atol=1e-4)


def test_a_positive_turn_is_counter_clockwise_as_displayed() -> None:
    row, column = Affine.turn(90, (10, 10)).point((5, 10))
    # What was above the centre lies at its left.
    assert (row, column) == pytest.approx((10, 5))


def test_a_mirror_turns_the_area_round_and_a_scale_multiplies_it() -> None:
    assert Affine.mirror(20).determinant == -1
    assert Affine.mirror(20).point((3, 0)) == (3, 19)
    assert Affine.scale(2, 3).determinant == 6
    # The outer border of the first pixel stays.
    assert Affine.scale(2, 3).point((-0.5, -0.5)) == pytest.approx((-0.5, -0.5))


@pytest.mark.parametrize("degrees", [0.0, 7.0, -33.0, 90.0])
@pytest.mark.parametrize("shift", [(0.0, 0.0), (2.25, -1.5)])
def test_a_warp_carries_a_spot_where_the_map_says(degrees: float, shift: tuple[float, float]) -> None:
    rows, columns = np.indices((41, 41))
    spot = np.exp(-((rows - 15) ** 2 + (columns - 24) ** 2) / 8).astype(np.float32)
    there = Affine.turn(degrees, (20, 20)).then(Affine.shift(*shift))
    moved = warped(spot, there, (41, 41))
    centre = tuple(float((moved * axis).sum() / moved.sum()) for axis in (rows, columns))
    assert centre == pytest.approx(there.point((15, 24)), abs=0.05)


def test_a_resized_picture_keeps_its_mean() -> None:
    picture = np.random.default_rng(0).random((90, 60), dtype=np.float32)
    small = resized(picture, (30, 20))
    assert small.shape == (30, 20)
    assert small.mean() == pytest.approx(picture.mean(), abs=0.01)
