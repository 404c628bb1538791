"""What is drawn to fit a gate is what it says it is, and the same however the work is shared."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kneeoa.datasets.film_patch import KneePatch
from kneeoa.datasets.film_truth import FilmKind
from kneeoa.datasets.grade_folders import KneeImage, read_grade_folders
from kneeoa.datasets.phantom import PhantomSpec, make_phantom
from kneeoa.model.radiograph import Side
from kneeoa.model.release import FINDER, KL_NETWORK, METAL, load_release
from kneeoa.training.gate_films import CUT_BELOW, FILMS, FRAMINGS, REFUSED
from kneeoa.training.gate_places import Networks, Scout
from kneeoa.training.gate_pydicom import bundled_objects, pictures
from kneeoa.training.gate_sampling import COMPOSED, GIVEN, Request, Sampler, sample


@pytest.fixture(scope="module")
def knees(tmp_path_factory: pytest.TempPathFactory) -> list[KneeImage]:
    root = tmp_path_factory.mktemp("phantoms")
    for grade in range(5):
        (root / "train" / str(grade)).mkdir(parents=True)
    for i, side in enumerate((Side.RIGHT, Side.LEFT, Side.RIGHT, Side.LEFT)):
        pixels = make_phantom(PhantomSpec(side, i, 40 + i, (299, 299), marker=False)).pixels
        picture = Image.fromarray(np.round(pixels * 255).astype(np.uint8))
        picture.save(root / "train" / str(i) / f"p{i}{side.value}.png")
    return read_grade_folders(root, ("train",))


@pytest.fixture(scope="module")
def patches() -> list[KneePatch]:
    sides = (Side.RIGHT, Side.LEFT)
    return [KneePatch.of_phantom(make_phantom(PhantomSpec(s, 2, 1, (200, 200), marker=False))) for s in sides]


@pytest.fixture(scope="module")
def networks() -> Networks:
    release = load_release()
    return Networks(release.contents[FINDER], release.contents[KL_NETWORK], release.contents.get(METAL))


@pytest.mark.parametrize("family", sorted(REFUSED))
def test_every_family_can_be_drawn_and_asks_about_one_thing(family: str, patches: list[KneePatch]) -> None:
    for seed in range(2):
        exhibit = REFUSED[family].draw(patches, np.random.default_rng(seed))
        assert exhibit.pixels.dtype == np.float32
        assert 0 <= exhibit.pixels.min() <= exhibit.pixels.max() <= 1
        assert exhibit.knee is None or exhibit.square is None
        assert (family in FRAMINGS) == (exhibit.square is not None)
        if family.startswith("implant_") and family in FILMS and family != "implant_on_crop":
            assert exhibit.knee is not None
            assert exhibit.knee.implant is not None
            assert f"implant_{exhibit.knee.implant.value}" == family


def test_every_kind_of_film_without_a_knee_is_a_family() -> None:
    assert {kind.value for kind in FilmKind if not kind.has_knee} <= set(FILMS)


def test_cut_knees_are_cut_and_places_beside_knees_are_beside_them(patches: list[KneePatch]) -> None:
    rng = np.random.default_rng(3)
    for _ in range(5):
        knee = FILMS["cut"].draw(patches, rng).knee
        assert knee is not None
        assert 0.1 < knee.visible_fraction < CUT_BELOW


def test_how_the_work_is_cut_changes_nothing(knees: list[KneeImage], networks: Networks) -> None:
    whole = sample([Request("foot", 3, 5), Request(COMPOSED, 2, 5)], knees, networks, workers=1)
    parts = [Request("foot", 1, 5, i) for i in range(3)] + [Request(COMPOSED, 1, 5, i) for i in range(2)]
    cut = sample(parts, knees, networks, workers=1)
    assert np.array_equal(whole.family, cut.family)
    assert np.array_equal(whole.unit, cut.unit)
    assert np.allclose(whole.confidence, cut.confidence, atol=1e-5)
    assert np.allclose(whole.embedding, cut.embedding, atol=1e-4)
    other = sample([Request("foot", 3, 6)], knees, networks, workers=1)
    assert not np.array_equal(whole.of("foot").embedding[:1], other.embedding[:1])


def test_each_unit_has_one_surest_place(knees: list[KneeImage], networks: Networks) -> None:
    seen = sample([Request("oblique", 4, 1), Request("empty", 2, 1)], knees, networks, workers=1)
    for family in ("oblique", "empty"):
        mine = seen.of(family)
        units = mine.unit[mine.surest]
        assert len(units) == len(set(units.tolist()))
        assert set(units.tolist()) == set(mine.unit.tolist())


def test_a_given_crop_is_found_framed_and_on_its_side(knees: list[KneeImage], networks: Networks) -> None:
    seen = sample([Request(GIVEN, 99, 1)], knees, networks, workers=1)
    assert len(seen) == len(knees)
    assert seen.confidence.min() > 0.1
    assert seen.seen_share.min() > 0.9
    assert seen.side.min() > 0.5


def test_a_composed_film_gives_each_whole_knee_once(knees: list[KneeImage], networks: Networks) -> None:
    seen = sample([Request(COMPOSED, 6, 2)], knees, networks, workers=1).of(COMPOSED)
    assert len(seen) > 2
    assert len(set(seen.unit.tolist())) == len(seen)
    assert not any(math.isnan(side) for side in seen.side)


def test_the_finder_is_asked_where_it_is_warmest_even_where_it_names_no_place(networks: Networks) -> None:
    black = np.zeros((300, 200), dtype=np.float32)
    (place,) = Scout(networks, 1).regions(black)
    assert place.confidence == 0
    assert -0.5 <= place.centre[0] <= 299.5
    assert -0.5 <= place.centre[1] <= 199.5


@pytest.mark.soak
def test_two_processes_draw_what_one_draws(knees: list[KneeImage], networks: Networks) -> None:
    asked = [Request("empty", 30, 4)]
    one, two = (sample(asked, knees, networks, workers) for workers in (1, 2))
    assert np.array_equal(one.unit, two.unit)
    assert np.allclose(one.embedding, two.embedding, atol=1e-4)


def test_a_crop_that_is_not_square_is_drawn_from_too(tmp_path: Path, networks: Networks) -> None:
    pixels = make_phantom(PhantomSpec(Side.RIGHT, 1, 3, (260, 240), marker=False)).pixels
    path = tmp_path / "odd.png"
    Image.fromarray(np.round(pixels * 255).astype(np.uint8)).save(path)
    knee = KneeImage(path, "odd", Side.RIGHT, 1, "train")
    sampler = Sampler([knee, knee], Scout(networks, 1))
    seen = sampler.places(Request(GIVEN, 1, 0))
    assert seen is not None
    assert len(seen) == 1


def test_pydicoms_objects_are_pictures_of_many_kinds() -> None:
    objects = bundled_objects()
    assert len(objects) > 50
    shown = [picture for path in objects[:12] for picture in pictures(path)]
    assert shown
    assert all(picture.dtype == np.uint8 and picture.ndim == 2 for picture in shown)
