"""Whole synthetic films: what they show is what they say, as arrays and as DICOM objects."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from kneeoa.datasets.film_truth import FilmKind
from kneeoa.datasets.phantom import PhantomSpec
from kneeoa.datasets.phantom_choices import PhantomKind
from kneeoa.datasets.phantom_films import (
    FilmSpec,
    film_phantom_dataset,
    make_film,
    spacing_mm,
    two_knee_phantom,
    two_knee_phantom_dataset,
)
from kneeoa.model.radiograph import Side

SMALL = FilmSpec(long_side=400)


def test_equal_specs_give_equal_films_and_other_seeds_others() -> None:
    first, again, other = (make_film(replace(SMALL, seed=seed)).pixels for seed in (3, 3, 4))
    assert np.array_equal(first, again)
    assert first.shape != other.shape or np.abs(first - other).mean() > 0.01


@pytest.mark.parametrize("kind", list(FilmKind))
def test_every_kind_can_be_drawn(kind: FilmKind) -> None:
    film = make_film(replace(SMALL, kind=kind))
    assert max(film.pixels.shape) == 400
    assert film.pixels.dtype == np.float32
    assert 0 <= film.pixels.min() <= film.pixels.max() <= 1
    assert bool(film.knees) == kind.has_knee
    assert 0.02 < spacing_mm(film) < 4


def test_the_command_line_names_every_kind() -> None:
    assert [kind.value for kind in PhantomKind] == ["framed", *(kind.value for kind in FilmKind)]


def test_a_bilateral_film_hangs_the_right_knee_at_image_left_with_its_grade() -> None:
    film = make_film(replace(SMALL, right_grade=0, left_grade=4))
    by_side = {knee.side: knee for knee in film.knees}
    assert by_side[Side.RIGHT].centre[1] < by_side[Side.LEFT].centre[1]
    assert by_side[Side.RIGHT].patch.kl == 0
    assert by_side[Side.LEFT].patch.kl == 4


def test_all_knees_bear_implants_where_all_are_asked_for() -> None:
    film = make_film(replace(SMALL, implants=1.0))
    assert all(knee.implant is not None for knee in film.knees)
    assert all(knee.implant is None for knee in make_film(SMALL).knees)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"right_grade": 5}, "0, 1, 2, 3 or 4"),
        ({"left_grade": -1}, "0, 1, 2, 3 or 4"),
        ({"seed": -1}, "negative"),
        ({"long_side": 63}, "64 or more"),
        ({"implants": 1.5}, "0 to 1"),
    ],
)
def test_an_impossible_film_is_refused_by_name(change: dict[str, int | float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(FilmSpec(), **change)  # type: ignore[arg-type]  # one field or another


def test_a_film_of_two_knees_hangs_the_right_knee_at_image_left() -> None:
    film = two_knee_phantom(PhantomSpec(), (500, 600))
    assert film.shape == (500, 600)
    # Two limbs, and less between them than in them.
    limbs = film[150:350].mean(axis=0)
    assert limbs[100:230].max() > 0.3 < limbs[370:500].max()
    assert limbs[280:320].min() < 0.6 * min(limbs[100:230].max(), limbs[370:500].max())


def test_a_film_of_two_knees_says_that_both_are_on_it() -> None:
    dataset = two_knee_phantom_dataset(PhantomSpec(), (501, 603))
    assert (dataset.Rows, dataset.Columns) == (501, 603)
    assert dataset.ImageLaterality == "B"
    assert len(dataset.PixelData) == 501 * 603 * 2 + 501 * 603 * 2 % 2


def test_headers_say_what_is_drawn() -> None:
    foot = film_phantom_dataset(replace(SMALL, kind=FilmKind.FOOT))
    assert foot.BodyPartExamined == "FOOT"
    lateral = film_phantom_dataset(replace(SMALL, kind=FilmKind.LATERAL))
    assert lateral.ViewPosition == "LL"
    film = make_film(SMALL)
    both = film_phantom_dataset(SMALL)
    assert both.ImageLaterality == "B"
    assert math.isclose(float(both.PixelSpacing[0]), spacing_mm(film), rel_tol=1e-4)
    assert both.PatientName == "PHANTOM^KNEE"
