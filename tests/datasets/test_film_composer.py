"""Composed films: their truth is where the pixels are, whatever happens to the film."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from kneeoa.datasets.film_composer import compose_film, compose_two_exposures
from kneeoa.datasets.film_exposure import Collimation, Exposure
from kneeoa.datasets.film_layout import Layout, draw_layout
from kneeoa.datasets.film_limb import KneePose
from kneeoa.datasets.film_patch import KneePatch, fit_border
from kneeoa.datasets.film_truth import ComposedFilm, FilmKind, FilmTurn, PlacedKnee, View, turned
from kneeoa.datasets.phantom import PhantomSpec, make_phantom
from kneeoa.model.radiograph import FloatImage, Side

PLAIN = Exposure(black=-0.3, white=2.0, gamma=1.0, noise=0.0, blur_px=0.0)
"""Nothing is clipped, blurred or noisy."""


@cache
def phantom_patch(side: Side, seed: int = 0) -> KneePatch:
    return KneePatch.of_phantom(make_phantom(PhantomSpec(side=side, seed=seed, size=(300, 300), marker=False)))


def plateau_ends(patch: KneePatch) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    row, column = patch.centre
    half = patch.plateau_width_px / 2
    return np.array([(row, column - half), (row, column + half), (row - half, column)])


def with_spot(patch: KneePatch, point: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> KneePatch:
    rows, columns = np.indices(patch.pixels.shape)
    spot = np.exp(-((rows - point[0]) ** 2 + (columns - point[1]) ** 2) / (2 * 3.0**2))
    return replace(patch, pixels=np.clip(patch.pixels + 0.4 * spot, 0, 2).astype(np.float32))


def spot_on(film: FloatImage, plain: FloatImage, near: tuple[float, float]) -> tuple[float, float]:
    """Centre of the brightest spot that one film has and the other has not, near a place."""
    added = np.abs(film - plain)
    rows, columns = np.indices(added.shape)
    window = np.hypot(rows - near[0], columns - near[1]) < 9
    weight = np.where(window, np.maximum(added - 0.4 * (added * window).max(), 0), 0)
    return float((weight * rows).sum() / weight.sum()), float((weight * columns).sum() / weight.sum())


def single(pose: KneePose, side: Side = Side.RIGHT, size: tuple[int, int] = (260, 220)) -> Layout:
    return Layout(FilmKind.SINGLE, size, ((side, pose),), exposure=PLAIN, marks=0.0)


TURNS = [
    FilmTurn(),
    FilmTurn(mirrored=True),
    FilmTurn(quarter_turns=1),
    FilmTurn(quarter_turns=2),
    FilmTurn(quarter_turns=3, mirrored=True),
    FilmTurn(tilt_degrees=-17.0),
    FilmTurn(tilt_degrees=8.0, mirrored=True, quarter_turns=1, stretch=1.2),
    FilmTurn(stretch=0.85),
]


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("side", [Side.RIGHT, Side.LEFT])
@pytest.mark.parametrize("angle", [0.0, 9.0])
def test_the_truth_carries_points_of_the_patch_to_where_the_film_shows_them(
    turn: FilmTurn, side: Side, angle: float
) -> None:
    patch = phantom_patch(side)
    layout = single(KneePose((121.3, 104.8), 95.0, angle), side)

    def film_of(knee: KneePatch) -> ComposedFilm:
        return turned(compose_film(layout, [knee], np.random.default_rng(0)), turn)

    plain = film_of(patch)
    for point in plateau_ends(patch):
        expected = plain.knees[0].patch_to_film.point((float(point[0]), float(point[1])))
        found = spot_on(film_of(with_spot(patch, point)).pixels, plain.pixels, expected)
        assert found == pytest.approx(expected, abs=0.35)


def test_the_truth_holds_on_a_film_that_was_drawn_small_and_enlarged() -> None:
    layout = replace(single(KneePose((121.3, 104.8), 95.0, 4.0)), reduced=0.5)
    plain = compose_film(layout, [phantom_patch(Side.RIGHT)], np.random.default_rng(0))
    assert plain.pixels.shape == layout.size
    assert plain.knees[0].plateau_width_px == pytest.approx(95.0, abs=1.0)
    for point in plateau_ends(phantom_patch(Side.RIGHT)):
        expected = plain.knees[0].patch_to_film.point((float(point[0]), float(point[1])))
        spotted = compose_film(layout, [with_spot(phantom_patch(Side.RIGHT), point)], np.random.default_rng(0))
        assert spot_on(spotted.pixels, plain.pixels, expected) == pytest.approx(expected, abs=0.5)


@pytest.mark.parametrize("side", [Side.RIGHT, Side.LEFT])
def test_the_truth_holds_on_both_of_two_exposures(side: Side) -> None:
    patch = phantom_patch(side)

    def film_of(knee: KneePatch) -> ComposedFilm:
        other = phantom_patch(Side.LEFT if side is Side.RIGHT else Side.RIGHT)
        pair = (knee, other) if side is Side.RIGHT else (other, knee)
        return compose_two_exposures((300, 401), pair, np.random.default_rng(12), implants=0.0)

    plain = film_of(patch)
    placed = plain.knees[0 if side is Side.RIGHT else 1]
    expected = placed.patch_to_film.point(patch.centre)
    found = spot_on(film_of(with_spot(patch, np.array(patch.centre))).pixels, plain.pixels, expected)
    assert found == pytest.approx(expected, abs=0.5)


def composed(turn: FilmTurn, angle: float = 6.0, side: Side = Side.RIGHT) -> PlacedKnee:
    layout = single(KneePose((120.0, 110.0), 80.0, angle), side)
    return turned(compose_film(layout, [phantom_patch(side)], np.random.default_rng(1)), turn).knees[0]


@pytest.mark.parametrize(
    ("turn", "angle"),
    [
        (FilmTurn(), 6.0),
        (FilmTurn(tilt_degrees=5.0), 11.0),
        (FilmTurn(mirrored=True), -6.0),
        (FilmTurn(quarter_turns=1), 96.0),
        (FilmTurn(quarter_turns=2), -174.0),
        (FilmTurn(tilt_degrees=-6.0, quarter_turns=3), -90.0),
    ],
)
def test_angle_and_width_follow_the_film(turn: FilmTurn, angle: float) -> None:
    knee = composed(turn)
    assert knee.angle_degrees == pytest.approx(angle, abs=0.01)
    ends = knee.patch_to_film.points(plateau_ends(knee.patch)[:2])
    assert knee.plateau_width_px == pytest.approx(np.linalg.norm(ends[1] - ends[0]), abs=1e-6)
    # What was asked for, to half a pixel of the patch's width.
    assert knee.plateau_width_px == pytest.approx(80.0, abs=0.5)


def test_an_oblong_pixel_shortens_what_lies_along_it() -> None:
    upright, lying = composed(FilmTurn(stretch=0.8), 0.0), composed(FilmTurn(stretch=0.8), 90.0)
    assert upright.plateau_width_px == pytest.approx(80.0, abs=0.5)
    assert lying.plateau_width_px == pytest.approx(64.0, abs=0.5)


@pytest.mark.parametrize("side", [Side.RIGHT, Side.LEFT])
def test_a_mirrored_film_keeps_the_side_and_tells_that_it_looks_like_the_other(side: Side) -> None:
    as_hung, mirrored = composed(FilmTurn(), 0.0, side), composed(FilmTurn(mirrored=True), 0.0, side)
    assert (as_hung.side, as_hung.looks_like, as_hung.mirrored) == (side, side, False)
    assert (mirrored.side, mirrored.mirrored) == (side, True)
    assert mirrored.looks_like is (Side.LEFT if side is Side.RIGHT else Side.RIGHT)
    twice = composed(FilmTurn(mirrored=True, quarter_turns=2), 0.0, side)
    assert twice.mirrored


def test_on_a_film_of_both_knees_the_right_one_hangs_at_image_left_and_fibulas_are_outside() -> None:
    rng = np.random.default_rng(3)
    layout = replace(draw_layout(FilmKind.BILATERAL, (300, 400), rng, 0.0), exposure=PLAIN, collimation=None, marks=0.0)
    knees = tuple((side, replace(pose, angle_degrees=0.0)) for side, pose in layout.knees)
    film = compose_film(replace(layout, knees=knees), [phantom_patch(Side.RIGHT), phantom_patch(Side.LEFT)], rng)
    right, left = film.knees
    assert (right.side, left.side) == (Side.RIGHT, Side.LEFT)
    assert right.centre[1] < left.centre[1]
    for knee, lateral in ((right, -1), (left, 1)):
        width = knee.plateau_width_px
        row = round(knee.centre[0] + 1.05 * width)
        at = [round(knee.centre[1] + sign * lateral * 0.4 * width) for sign in (1, -1)]
        fibula, flesh = (film.pixels[row - 2 : row + 3, c - 2 : c + 3].mean() for c in at)
        assert fibula > flesh + 0.02


def test_two_exposures_lie_side_by_side_in_their_own_grey() -> None:
    pair = (phantom_patch(Side.RIGHT), phantom_patch(Side.LEFT))
    film = compose_two_exposures((200, 301), pair, np.random.default_rng(4))
    right, left = film.knees
    assert film.pixels.shape == (200, 301)
    assert right.centre[1] < 150 < left.centre[1]
    assert (right.side, left.side) == (Side.RIGHT, Side.LEFT)


def test_what_the_film_or_the_collimator_cuts_is_not_seen() -> None:
    patch = phantom_patch(Side.RIGHT)

    def seen(pose: KneePose, collimation: Collimation | None = None) -> float:
        layout = replace(single(pose), collimation=collimation)
        return compose_film(layout, [patch], np.random.default_rng(0)).knees[0].visible_fraction

    whole = KneePose((130.0, 110.0), 60.0)
    assert seen(whole) == 1.0
    assert seen(replace(whole, centre=(130.0, 0.0))) == pytest.approx(0.5, abs=0.05)
    assert seen(replace(whole, centre=(-200.0, 110.0))) == 0.0
    assert seen(whole, Collimation(0, 130, 0, 220)) == pytest.approx(0.53, abs=0.06)
    tilted = turned(compose_film(single(whole), [patch], np.random.default_rng(0)), FilmTurn(tilt_degrees=10.0))
    assert tilted.knees[0].visible_fraction == 1.0


def test_black_surrounds_what_the_collimator_let_through() -> None:
    layout = replace(single(KneePose((130.0, 110.0), 60.0)), collimation=Collimation(40, 220, 30, 190))
    pixels = compose_film(layout, [phantom_patch(Side.RIGHT)], np.random.default_rng(0)).pixels
    assert pixels[:30].max() < 0.1
    assert pixels[100, 100:120].mean() > 0.3


@pytest.mark.parametrize("seed", range(4))
def test_the_leg_meets_the_patch_without_a_step(seed: int) -> None:
    patch = phantom_patch(Side.RIGHT, seed)
    film = compose_film(single(KneePose((210.0, 160.0), 160.0), size=(420, 320)), [patch], np.random.default_rng(seed))
    place = film.knees[0].patch_to_film
    top, left = (round(v + 0.5) for v in place.point((-0.5, -0.5)))
    bottom, right = (round(v + 0.5) for v in place.point((299.5, 299.5)))
    steps = np.abs(np.diff(film.pixels, axis=0))[:, left + 8 : right - 8].mean(axis=1)
    for border in (top, bottom):
        elsewhere = np.median(steps[border - 25 : border + 25])
        assert steps[border - 1] < 3 * elsewhere + 0.002
    # And cortex goes on: the shaft is as wide just outside as the patch's bone is just inside.
    end = fit_border(patch).femur
    edges = [left + share * (right - left) for share in (end.left, end.right)]
    outside = film.pixels[top - 4]
    inside, beyond = outside[round(edges[0]) + 12], outside[round(edges[0]) - 14]
    assert inside > beyond + 0.03


def test_equal_layouts_patches_and_generators_give_equal_films() -> None:
    patches = [phantom_patch(Side.RIGHT), phantom_patch(Side.LEFT)]

    def film(seed: int) -> FloatImage:
        rng = np.random.default_rng(seed)
        return compose_film(draw_layout(FilmKind.BILATERAL, (120, 160), rng), patches, rng).pixels

    assert np.array_equal(film(7), film(7))
    assert np.abs(film(7) - film(8)).mean() > 0.005


def test_a_patch_of_the_wrong_side_is_mirrored_and_the_truth_tells() -> None:
    layout = single(KneePose((130.0, 110.0), 60.0), Side.LEFT)
    right = phantom_patch(Side.RIGHT)
    knee = compose_film(layout, [right], np.random.default_rng(0)).knees[0]
    assert knee.side is Side.LEFT
    assert np.array_equal(knee.patch.pixels, right.pixels[:, ::-1])
    assert not knee.mirrored


def test_a_layout_wants_as_many_patches_as_knees() -> None:
    layout = single(KneePose((130.0, 110.0), 60.0))
    with pytest.raises(ValueError, match="needs as many patches"):
        compose_film(layout, [], np.random.default_rng(0))
    with pytest.raises(ValueError, match="has not"):
        draw_layout(FilmKind.FOOT, (100, 100), np.random.default_rng(0))


def test_grey_values_turn_round_and_back() -> None:
    film = ComposedFilm(np.array([[0.2, 0.7]], dtype=np.float32), (), FilmKind.EMPTY, View.OTHER)
    inverted = film.inverted()
    assert inverted.is_inverted
    assert inverted.pixels == pytest.approx(np.array([[0.8, 0.3]]))
    assert not inverted.inverted().is_inverted


@pytest.mark.parametrize(("pixels", "side"), [(np.zeros((4, 5)), Side.RIGHT), (np.zeros((4, 4)), Side.UNKNOWN)])
def test_an_impossible_patch_is_refused(pixels: FloatImage, side: Side) -> None:
    with pytest.raises(ValueError, match="knee patch"):
        KneePatch(pixels.astype(np.float32), side, (2.0, 2.0), 3.0)


def test_a_crop_with_dark_bone_is_put_right() -> None:
    pixels = phantom_patch(Side.RIGHT).pixels
    framed = KneePatch.framed(np.float32(1) - pixels, Side.RIGHT, kl=2)
    assert np.allclose(framed.pixels, pixels, atol=1e-6)
    assert framed.centre == pytest.approx((0.53 * 300 - 0.5, 149.5))
    assert framed.plateau_width_px == pytest.approx(246)
    assert framed.kl == 2
