"""What the finder looks at lies where the view says that it lies."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kneeoa.model.film_views import CLOSE_PX, STRIDE, View, close_view, whole_view
from kneeoa.model.radiograph import FloatImage


def dotted(rows: int, columns: int, at: tuple[int, int], radius: float) -> FloatImage:
    """A soft round spot on black."""
    down, across = np.mgrid[:rows, :columns]
    squared = (down - at[0]) ** 2 + (across - at[1]) ** 2
    spot: FloatImage = np.exp(-squared / (2 * radius**2)).astype(np.float32)
    return spot


def brightest(view: View) -> tuple[float, float]:
    down, across = np.nonzero(view.pixels > 0.98 * view.pixels.max())
    return float(down.mean()), float(across.mean())


@given(
    degrees=st.floats(-180, 180),
    scale=st.floats(0.3, 12),
    row=st.floats(-50, 400),
    column=st.floats(-50, 400),
)
def test_places_go_to_the_film_and_back(degrees: float, scale: float, row: float, column: float) -> None:
    view = View(np.zeros((32, 48), np.float32), (scale, scale * 1.1), (row, column), degrees)
    places = np.array([[0.0, 0.0], [31.0, 47.0], [10.5, 3.25]])
    assert np.allclose(view.from_film(view.to_film(places)), places, atol=1e-6)


@pytest.mark.parametrize("size", [(400, 300), (1200, 410), (300, 901), (383, 384)])
def test_the_whole_view_shows_a_spot_where_it_lies(size: tuple[int, int]) -> None:
    at = (size[0] // 3, size[1] // 2)
    view = whole_view(dotted(*size, at, max(size) / 12))
    assert all(n % STRIDE == 0 for n in view.pixels.shape)
    assert max(view.pixels.shape) == 384
    assert np.allclose(view.from_film(np.array([at], dtype=float))[0], brightest(view), atol=0.6)


@settings(max_examples=25, deadline=None)
@given(degrees=st.floats(-180, 180), width=st.floats(30, 300), down=st.floats(-0.4, 0.4), right=st.floats(-0.4, 0.4))
def test_the_close_view_shows_a_spot_where_it_lies(degrees: float, width: float, down: float, right: float) -> None:
    at = (420, 380)
    film = dotted(800, 800, at, width / 4)
    view = close_view(film, (at[0] + down * width, at[1] + right * width), width, degrees)
    assert view.pixels.shape == (CLOSE_PX, CLOSE_PX)
    assert np.allclose(view.from_film(np.array([at], dtype=float))[0], brightest(view), atol=0.8)


def test_a_turned_leg_stands_upright_in_its_close_view() -> None:
    film = np.zeros((600, 600), np.float32)
    film[290:310, 100:500] = 1  # a leg that lies: turned by a quarter
    upright = close_view(film, (300.0, 300.0), 120.0, 90.0).pixels
    assert upright[:, CLOSE_PX // 2].min() > upright[:, 5].max()


def test_a_view_beyond_the_film_repeats_its_border() -> None:
    film = np.tile(np.linspace(0, 1, 100, dtype=np.float32), (100, 1))
    view = close_view(film, (50.0, 0.0), 60.0, 0.0)
    assert np.isfinite(view.pixels).all()
    assert np.allclose(view.pixels[:, :60], view.pixels[:, :1], atol=1e-5)
