"""Films of every kind: what they promise, and what metal and marks look like on them."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from kneeoa.datasets.film_drawing import draw_anatomy, draw_film, draw_later, draw_turn
from kneeoa.datasets.film_exposure import Exposure, expose
from kneeoa.datasets.film_implants import Implant
from kneeoa.datasets.film_limb import with_implant
from kneeoa.datasets.film_marks import lead_letter, stamp, text_mask
from kneeoa.datasets.film_patch import KneePatch
from kneeoa.datasets.film_truth import FilmKind
from kneeoa.datasets.phantom import PhantomSpec, make_phantom
from kneeoa.datasets.phantom_others import other_picture
from kneeoa.model.radiograph import Side


@cache
def patches() -> tuple[KneePatch, ...]:
    specs = [
        PhantomSpec(side=side, seed=seed, size=(200, 200), marker=False)
        for side in (Side.RIGHT, Side.LEFT)
        for seed in (0, 1)
    ]
    return tuple(KneePatch.of_phantom(make_phantom(spec)) for spec in specs)


@pytest.mark.parametrize("kind", list(FilmKind))
@pytest.mark.parametrize("long_side", [64, 200])
def test_every_kind_gives_a_film_in_range_with_the_knees_that_it_promises(kind: FilmKind, long_side: int) -> None:
    for seed in range(3):
        film = draw_film(kind, patches(), long_side, np.random.default_rng(seed), implants=0.5)
        assert max(film.pixels.shape) == long_side
        assert film.pixels.dtype == np.float32
        assert np.isfinite(film.pixels).all()
        assert 0 <= film.pixels.min() <= film.pixels.max() <= 1
        assert film.kind is kind
        assert bool(film.knees) == kind.has_knee
        for knee in film.knees:
            assert 2 < knee.plateau_width_px < 0.95 * long_side
            assert 0 <= knee.visible_fraction <= 1


@pytest.mark.parametrize("kind", list(FilmKind))
def test_equal_generators_draw_equal_films(kind: FilmKind) -> None:
    first, again = (draw_film(kind, patches(), 96, np.random.default_rng(5)) for _ in range(2))
    assert np.array_equal(first.pixels, again.pixels)
    assert [k.centre for k in first.knees] == [k.centre for k in again.knees]


def test_standing_films_show_a_right_and_a_left_knee_whole() -> None:
    for seed in range(6):
        film = draw_film(FilmKind.BILATERAL, patches(), 128, np.random.default_rng(seed))
        assert [knee.side for knee in film.knees] == [Side.RIGHT, Side.LEFT]
        assert min(knee.visible_fraction for knee in film.knees) > 0.7


def test_on_a_long_film_the_knees_are_small_and_half_way_down() -> None:
    for seed in range(6):
        film = draw_film(FilmKind.LONG_LEG, patches(), 256, np.random.default_rng(seed))
        for knee in film.knees:
            assert 0.06 < knee.plateau_width_px / film.pixels.shape[0] < 0.095
            assert 0.45 < knee.centre[0] / film.pixels.shape[0] < 0.6


def test_a_film_with_knees_needs_a_patch_and_some_size() -> None:
    with pytest.raises(ValueError, match="needs a knee patch"):
        draw_film(FilmKind.SINGLE, (), 128, np.random.default_rng(0))
    with pytest.raises(ValueError, match="64 pixels or more"):
        draw_film(FilmKind.SINGLE, patches(), 40, np.random.default_rng(0))
    with pytest.raises(ValueError, match="has frontal knees"):
        draw_anatomy(FilmKind.CROP, (), (64, 64), np.random.default_rng(0))


def test_laterals_are_drawn_without_any_patch_and_in_many_poses() -> None:
    films = [other_picture(FilmKind.LATERAL, (120, 100), seed) for seed in range(8)]
    likeness = np.corrcoef([film.ravel() for film in films])
    assert np.max(likeness - 2 * np.eye(8)) < 0.97
    for film in films:
        # A limb crosses the film, and beside it is air.
        assert film[50:70, 40:60].mean() > film.mean()
        assert film.min() < 0.1


@pytest.mark.parametrize("implant", list(Implant))
@pytest.mark.parametrize("side", [Side.RIGHT, Side.LEFT])
def test_metal_is_bright_and_alike_and_the_rest_gets_darker(implant: Implant, side: Side) -> None:
    patch = next(p for p in patches() if p.side is side)
    knee = with_implant(patch, implant, np.random.default_rng(2))
    assert (knee.side, knee.pixels.shape) == (side, patch.pixels.shape)
    assert knee.centre == pytest.approx(patch.centre)
    assert knee.plateau_width_px == patch.plateau_width_px
    metal = knee.pixels > 0.97
    assert 0.002 < metal.mean() < 0.45
    # Metal has set the window: nothing else comes near to white.
    assert np.quantile(knee.pixels[~metal], 0.9) < 0.8
    if implant.is_arthroplasty and implant is not Implant.UNICOMPARTMENTAL:
        assert metal.mean() > 0.10


def test_metal_of_a_right_and_a_left_knee_mirror_each_other() -> None:
    right = patches()[0]
    plate = with_implant(right, Implant.PLATE, np.random.default_rng(3))
    mirrored = with_implant(right.as_side(Side.LEFT), Implant.PLATE, np.random.default_rng(3))
    assert np.allclose(plate.pixels, mirrored.pixels[:, ::-1], atol=1e-6)


def test_exposure_blackens_air_and_metal_moves_the_window() -> None:
    absorption = np.zeros((60, 60), dtype=np.float32)
    absorption[:, 20:] = 0.6
    plain = Exposure(noise=0.0, blur_px=0.0)
    bone = expose(absorption, plain, None, np.random.default_rng(0))
    assert bone[:, :20].max() == 0
    absorption[20:40, 30:50] = 1.9
    with_metal = expose(absorption, plain, None, np.random.default_rng(0))
    assert with_metal[30, 40] == 1
    assert with_metal[5, 55] < bone[5, 55] - 0.05


def test_the_upright_stroke_of_an_r_lies_at_its_left_unless_it_is_mirrored() -> None:
    for mirrored in (False, True):
        film = np.zeros((60, 60), dtype=np.float32)
        stamp(film, lead_letter("R", 20, ring=False), (30, 30), 1.7, (0.0, mirrored))
        rows, columns = np.nonzero(film > 0.8)
        inner = slice(rows.min() + 2, rows.max() - 1)
        stroke, bow = (columns.max() - 1, columns.min()) if mirrored else (columns.min() + 1, columns.max())
        assert (film[inner, stroke] > 0.8).all()
        assert (film[inner, bow] > 0.8).mean() < 0.8


def test_text_is_as_high_as_asked() -> None:
    rows = np.flatnonzero(text_mask("H", 24).max(axis=1) > 0.5)
    assert len(rows) == pytest.approx(24, abs=4)


def test_films_turn_mirror_and_invert_on_their_way_to_the_archive() -> None:
    turns = [draw_turn(np.random.default_rng(seed)) for seed in range(300)]
    assert 10 < sum(turn.mirrored for turn in turns) < 80
    assert 5 < sum(turn.quarter_turns > 0 for turn in turns) < 60
    assert max(abs(turn.tilt_degrees) for turn in turns) <= 20
    films = [
        draw_later(draw_film(FilmKind.CROP, patches(), 64, np.random.default_rng(s)), np.random.default_rng(s), 0.5)
        for s in range(12)
    ]
    assert 0 < sum(film.is_inverted for film in films) < 12
