"""Lead letters: read the right way round or mirrored, turned, in a ring; and nothing read where there is none."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from kneeoa.datasets.film_marks import add_arrow, add_ruler, add_text, lead_letter, stamp, text_mask
from kneeoa.datasets.phantom import PhantomSpec, make_phantom
from kneeoa.model.localize import KneeRegion
from kneeoa.model.marker import Marker, read_markers
from kneeoa.model.marker_letters import CLASSES, LETTERS_FILE, laid_out, letter_network
from kneeoa.model.marker_shapes import Shape, shapes
from kneeoa.model.radiograph import FloatImage, Side

SIZE = 700
WIDTH = 300.0


@cache
def knee() -> FloatImage:
    """(700, 700) float32 of a frontal knee among air."""
    phantom = make_phantom(PhantomSpec(side=Side.RIGHT, grade=1, seed=4, size=(366, 366), marker=False)).pixels
    film = np.full((SIZE, SIZE), 0.05, dtype=np.float32)
    film[167:533, 167:533] = 0.8 * phantom
    return film


def region(angle: float = 0.0) -> KneeRegion:
    return KneeRegion((360.0, 350.0), WIDTH, angle, 0.9, 0.0, 1.0, 0.02)


def marked(side: Side, degrees: float = 0.0, *, mirrored: bool = False, ring: bool = False) -> FloatImage:
    film = knee().copy()
    stamp(film, lead_letter(side.value, 60, ring), (120.0, 90.0), 0.97, (degrees, mirrored))
    film += np.random.default_rng(1).normal(0, 0.01, film.shape).astype(np.float32)
    return np.clip(film, 0, 1)


def only(markers: tuple[Marker, ...]) -> Marker:
    assert len(markers) == 1
    return markers[0]


@pytest.mark.parametrize("side", [Side.RIGHT, Side.LEFT])
@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("degrees", [-30.0, -12.0, 0.0, 7.0, 30.0])
@pytest.mark.parametrize("ring", [False, True])
def test_letter_is_read_with_its_place_and_which_way_round_it_is(
    side: Side, mirrored: bool, degrees: float, ring: bool
) -> None:
    marker = only(read_markers(marked(side, degrees, mirrored=mirrored, ring=ring), [region()]))
    assert (marker.side, marker.mirrored) == (side, mirrored)
    assert marker.place == pytest.approx((120, 90), abs=12)  # the box of a turned L is not centred on it
    assert 50 < marker.height_px < 90
    assert abs(marker.angle_degrees - degrees) <= 16


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
@pytest.mark.parametrize("side", [Side.RIGHT, Side.LEFT])
def test_letter_turns_with_film_and_leg(side: Side, quarters: int) -> None:
    film = np.ascontiguousarray(np.rot90(marked(side), quarters))
    turned = KneeRegion((350.0, 350.0), WIDTH, 90.0 * quarters, 0.9, 0.0, 1.0, 0.02)
    marker = only(read_markers(film, [turned]))
    assert (marker.side, marker.mirrored) == (side, False)


@pytest.mark.parametrize("side", [Side.RIGHT, Side.LEFT])
def test_mirrored_film_shows_the_same_letters_mirrored(side: Side) -> None:
    straight = only(read_markers(marked(side), [region()]))
    glass = only(read_markers(np.ascontiguousarray(marked(side)[:, ::-1]), [region()]))
    assert (glass.side, glass.mirrored) == (straight.side, not straight.mirrored)
    assert glass.place[1] == pytest.approx(SIZE - 1 - straight.place[1], abs=4)


def test_letter_is_read_on_a_film_without_regions_and_on_a_large_one() -> None:
    assert only(read_markers(marked(Side.LEFT))).side is Side.LEFT
    large = np.ascontiguousarray(np.kron(marked(Side.RIGHT), np.ones((4, 4), dtype=np.float32)))
    wide = KneeRegion((1440.0, 1400.0), 4 * WIDTH, 0.0, 0.9, 0.0, 1.0, 0.02)
    marker = only(read_markers(large, [wide]))
    assert marker.side is Side.RIGHT
    assert marker.place == pytest.approx((481.5, 361.5), abs=24)


def test_both_letters_of_a_film_are_read() -> None:
    film = marked(Side.RIGHT)
    stamp(film, lead_letter("L", 60, False), (120.0, 610.0), 0.97)
    found = sorted(read_markers(film, [region()]), key=lambda marker: marker.place[1])
    assert [marker.side for marker in found] == [Side.RIGHT, Side.LEFT]


def test_a_film_without_letters_has_none() -> None:
    assert read_markers(knee(), [region()]) == ()
    assert read_markers(knee()) == ()


@pytest.mark.parametrize("word", ["ERECT", "LEFT", "PORTABLE", "RT", "KNEE L R", "AP", "WB", "JM", "7", "10", "KT"])
@pytest.mark.parametrize("mirrored", [False, True])
def test_words_initials_and_numbers_are_no_sides(word: str, mirrored: bool) -> None:
    film = knee().copy()
    stamp(film, text_mask(word, 40), (90.0, 350.0), 0.97, (0.0, mirrored))
    assert read_markers(film, [region()]) == ()


def test_a_word_below_the_letter_does_not_hide_it() -> None:
    film = marked(Side.RIGHT)
    stamp(film, text_mask("AP", 30), (204.0, 90.0), 0.97)
    assert only(read_markers(film, [region()])).side is Side.RIGHT


def test_rulers_arrows_and_printed_lines_are_no_letters() -> None:
    for seed in range(6):
        rng = np.random.default_rng(seed)
        film = knee().copy()
        add_ruler(film, (20.0, 680.0), 620.0, 40.0, rng)
        add_arrow(film, (120.0, 90.0), 90.0, float(rng.normal(0, 20)))
        add_text(film, "KNEE L AP 70 kV  R 400", (650.0, 40.0), 22, 0.95)
        assert read_markers(np.clip(film, 0, 1), [region()]) == ()


def test_what_lies_over_a_joint_is_no_marker() -> None:
    film = knee().copy()
    stamp(film, lead_letter("R", 60, False), (380.0, 340.0), 1.0)
    assert read_markers(film, [region()]) == ()


@settings(max_examples=25)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 1 << 30))
def test_any_small_film_is_read_without_error(rows: int, columns: int, seed: int) -> None:
    film = np.random.default_rng(seed).random((rows, columns), dtype=np.float32)
    assert isinstance(read_markers(film), tuple)


def labelled(mask: npt.NDArray[np.bool_]) -> set[frozenset[tuple[int, int]]]:
    """Eight-connected shapes by flooding, to compare with."""
    left = {(int(r), int(c)) for r, c in np.argwhere(mask)}
    found = set()
    while left:
        front = [left.pop()]
        shape = set(front)
        while front:
            r, c = front.pop()
            near = {(r + i, c + j) for i in (-1, 0, 1) for j in (-1, 0, 1)} & left
            left -= near
            shape |= near
            front += near
        found.add(frozenset(shape))
    return found


@given(hnp.arrays(np.bool_, st.tuples(st.integers(1, 14), st.integers(1, 14))))
def test_shapes_are_those_that_flooding_finds(inner: npt.NDArray[np.bool_]) -> None:
    mask = np.pad(inner, 1)
    found = list(shapes(mask, 0, 100))
    assert {frozenset(zip(s.rows.tolist(), s.columns.tolist(), strict=True)) for s in found} == labelled(mask)
    assert sum(len(s.rows) for s in found) == mask.sum()


def test_shapes_at_the_border_and_of_other_sizes_are_left_out() -> None:
    mask = np.zeros((20, 20), dtype=np.bool_)
    mask[0:5, 3] = mask[8:12, 8] = mask[15, 15] = True
    assert [shape.box for shape in shapes(mask, 2, 10)] == [(8, 12, 8, 9)]


def test_a_shape_fills_its_cells_whatever_its_size() -> None:
    for size in (9, 40, 200):
        rows, columns = (axis.ravel() for axis in np.mgrid[:size, :size])
        cells = laid_out(Shape(rows, columns), np.zeros(1))[0]
        assert cells[:-1].mean() > 0.9
        assert abs(cells[-1]) < 1e-6


def test_the_networks_weights_are_small_and_give_probabilities() -> None:
    assert LETTERS_FILE.stat().st_size < 32_000
    chances = letter_network().probabilities(np.random.default_rng(0).random((7, 257), dtype=np.float32))
    assert chances.shape == (7, len(CLASSES))
    assert np.allclose(chances.sum(axis=1), 1, atol=1e-5)
