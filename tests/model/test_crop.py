"""The frame: a square about the knee, medial at image right, its plateau as wide as in training."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kneeoa.model.crop import (
    BAND_ROWS,
    BAND_TOP,
    SQUARE,
    Square,
    canonical,
    cut_square,
    network_input,
    whole_film_square,
)
from kneeoa.model.radiograph import FloatImage, Side


def blob(rows: int, columns: int, row: float, column: float, radius: float) -> FloatImage:
    """A bright disc with soft edges on a dark film."""
    r, c = np.mgrid[0:rows, 0:columns]
    return np.asarray(np.exp(-((r - row) ** 2 + (c - column) ** 2) / (2 * radius**2)), dtype=np.float32)


def centre_of_mass(picture: FloatImage) -> tuple[float, float]:
    r, c = np.mgrid[0 : picture.shape[0], 0 : picture.shape[1]]
    return float((r * picture).sum() / picture.sum()), float((c * picture).sum() / picture.sum())


def bright_knee() -> FloatImage:
    """A bone-bright square with a mark at image right, bright enough in its middle to be no negative."""
    square = np.zeros((SQUARE, SQUARE), np.float32)
    square[:, 40:248] = 0.6
    square[100:120, 220:240] = 1.0
    return square


@settings(max_examples=40, deadline=None)
@given(
    row=st.floats(250, 550),
    column=st.floats(250, 750),
    size=st.floats(120, 480),
    angle=st.floats(-20, 20),
)
def test_what_lies_at_the_centre_of_the_square_lies_at_the_centre_of_the_crop(
    row: float, column: float, size: float, angle: float
) -> None:
    film = blob(800, 1000, row, column, size / 20)
    found = centre_of_mass(cut_square(film, Square(row, column, size, angle)))
    assert found == pytest.approx(((SQUARE - 1) / 2, (SQUARE - 1) / 2), abs=1.0)


def test_a_knee_turned_anticlockwise_comes_out_upright() -> None:
    # A mark straight above the centre of an upright knee lies to the upper left once the knee is turned by 20 degrees.
    turn = np.deg2rad(20.0)
    film = blob(600, 600, 300 - 100 * np.cos(turn), 300 - 100 * np.sin(turn), 10)
    row, column = centre_of_mass(cut_square(film, Square(300, 300, 400, 20.0)))
    assert column == pytest.approx((SQUARE - 1) / 2, abs=2.0)
    assert row == pytest.approx((SQUARE - 1) / 2 - 100 * SQUARE / 400, abs=2.0)


def test_one_pixel_keeps_its_size_in_proportion_to_the_square() -> None:
    film = blob(600, 600, 300, 300, 20)
    small, large = (float(cut_square(film, Square(300, 300, size)).sum()) for size in (200, 400))
    assert small / large == pytest.approx(4.0, rel=0.02)


def test_a_square_beyond_the_film_repeats_its_edge() -> None:
    film = np.full((100, 100), 0.5, np.float32)
    assert cut_square(film, Square(10, 10, 80)) == pytest.approx(0.5, abs=1e-5)


def test_a_square_beside_the_film_is_refused() -> None:
    with pytest.raises(ValueError, match="does not lie on a film"):
        cut_square(np.zeros((100, 100), np.float32), Square(-200, 50, 50))


def test_the_whole_film_square_is_as_wide_as_the_film() -> None:
    square = whole_film_square(1000, 900)
    assert (square.box().width, square.box().column) == (900.0, -0.5)
    assert square.centre_row == 499.5


def test_a_square_on_a_reduced_film_is_told_in_the_film_s_own_pixels() -> None:
    # Half the size: the whole film's square, from edge to edge, is the whole film's square again.
    assert whole_film_square(500, 450).enlarged(2) == whole_film_square(1000, 900)


def test_left_knee_is_mirrored_and_right_knee_is_not() -> None:
    knee = bright_knee()
    assert np.array_equal(canonical(knee, Side.RIGHT), knee)
    assert np.array_equal(canonical(knee, Side.LEFT), knee[:, ::-1])


def test_a_left_knee_and_its_mirror_image_called_right_give_the_same_input() -> None:
    knee = bright_knee()
    left = network_input(canonical(knee, Side.LEFT))
    right = network_input(canonical(np.ascontiguousarray(knee[:, ::-1]), Side.RIGHT))
    assert np.array_equal(left, right)


def test_the_network_sees_the_band_of_the_joint() -> None:
    knee = np.random.default_rng(0).random((SQUARE, SQUARE)).astype(np.float32)
    changed = knee.copy()
    changed[:BAND_TOP] = 0
    changed[BAND_TOP + BAND_ROWS :] = 1
    assert network_input(knee).shape == (BAND_ROWS, SQUARE)
    assert np.array_equal(network_input(knee), network_input(changed))
