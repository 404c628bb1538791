"""Any film: knees are found and named wherever they lie, and what cannot be graded is refused with its reason."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from PIL import Image

from kneeoa.datasets.film_truth import ComposedFilm, FilmKind, FilmTurn, turned
from kneeoa.datasets.phantom_films import FilmSpec, make_film
from kneeoa.model.dicom_facts import SIDE_CONFLICT
from kneeoa.model.errors import ReasonCode
from kneeoa.model.grader import KneeGrader
from kneeoa.model.grades import FilmGrades, KneeGrades
from kneeoa.model.radiograph import FilmFacts, FloatImage, Radiograph, SideSource
from kneeoa.model.sides import SIDE_UNKNOWN

LONG_SIDE = 1100


@pytest.fixture(scope="module")
def grader() -> KneeGrader:
    return KneeGrader.load(device="cpu", threads=1)


@pytest.fixture(scope="module")
def standing() -> ComposedFilm:
    """Both knees, no metal."""
    return make_film(FilmSpec(FilmKind.BILATERAL, 1, 3, 2, LONG_SIDE))


def graded(
    grader: KneeGrader, pixels: FloatImage, body_part: str | None = None, orientation: tuple[str, str] | None = None
) -> FilmGrades:
    film = Radiograph(pixels, FilmFacts("film"), body_part=body_part, patient_orientation=orientation)
    return grader.grade(film)


def code_of(report: FilmGrades) -> ReasonCode | None:
    return None if report.refusal is None else report.refusal.code


def matched(film: ComposedFilm, report: FilmGrades) -> list[KneeGrades]:
    """The found knee of each true one, which must lie within a twelfth of a plateau of it."""
    found = []
    for knee in film.knees:
        near = [
            k
            for k in report.knees
            if k.centre is not None and np.hypot(*np.subtract(k.centre, knee.centre)) < knee.plateau_width_px / 12
        ]
        assert len(near) == 1, (knee.centre, [k.centre for k in report.knees])
        found += near
    assert len(report.knees) == len(found)
    return found


def named_right_or_flagged(film: ComposedFilm, knees: Sequence[KneeGrades]) -> bool:
    return all(
        found.side is knee.side or SIDE_CONFLICT in found.flags or SIDE_UNKNOWN in found.flags
        for knee, found in zip(film.knees, knees, strict=True)
    )


def test_both_knees_of_a_standing_film_are_graded_and_named(grader: KneeGrader, standing: ComposedFilm) -> None:
    found = matched(standing, graded(grader, standing.pixels))
    assert [knee.side for knee in found] == [knee.side for knee in standing.knees]
    assert all(knee.kl is not None for knee in found)
    for knee, truth in zip(found, standing.knees, strict=True):
        assert knee.plateau_width_px == pytest.approx(truth.plateau_width_px, rel=0.1)


@pytest.mark.parametrize("quarter", [1, 2, 3])
def test_a_turned_film_gets_the_same_grades(grader: KneeGrader, standing: ComposedFilm, quarter: int) -> None:
    film = turned(standing, FilmTurn(quarter_turns=quarter))
    upright, found = (matched(f, graded(grader, f.pixels)) for f in (standing, film))
    for before, after, truth in zip(upright, found, film.knees, strict=True):
        assert before.kl is not None
        assert after.kl is not None
        # The places differ by a pixel or two, and a drawn knee between two grades may move by most of one.
        assert abs(before.kl.expected - after.kl.expected) < 0.8
        assert after.angle_degrees is not None
        assert abs((after.angle_degrees - truth.angle_degrees + 180) % 360 - 180) < 12
    assert named_right_or_flagged(film, found)


@pytest.mark.parametrize("tilt", [-20, 20])
def test_a_tilted_film_is_graded(grader: KneeGrader, standing: ComposedFilm, tilt: float) -> None:
    film = turned(standing, FilmTurn(tilt_degrees=tilt))
    assert any(knee.kl is not None for knee in matched(film, graded(grader, film.pixels)))


def test_a_film_with_dark_bone_gets_the_same_grades(grader: KneeGrader, standing: ComposedFilm) -> None:
    film = standing.inverted()
    for knee, other in zip(
        matched(standing, graded(grader, standing.pixels)), matched(film, graded(grader, film.pixels)), strict=True
    ):
        assert knee.kl is not None
        assert other.kl is not None
        assert abs(knee.kl.expected - other.kl.expected) < 0.5


# Directions of rows and columns as a film is hung, and as one seen from behind is stored.
@pytest.mark.parametrize(("mirrored", "orientation"), [(False, ("L", "F")), (True, ("R", "F"))])
@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_patient_orientation_names_the_knees_of_a_mirrored_film(
    grader: KneeGrader, mirrored: bool, orientation: tuple[str, str], seed: int
) -> None:
    film = make_film(FilmSpec(FilmKind.BILATERAL, 1, 2, seed, LONG_SIDE))
    film = turned(film, FilmTurn(mirrored=mirrored != film.knees[0].mirrored))
    found = matched(film, graded(grader, film.pixels, orientation=orientation))
    assert named_right_or_flagged(film, found)
    # Nothing but the orientation tells that a film is mirrored: where no flag stands, it was what told the side.
    assert all(knee.side_source is SideSource.ORIENTATION for knee in found if not knee.flags)


def test_a_good_knee_beside_one_with_an_implant_gives_a_grade_and_a_refusal(grader: KneeGrader) -> None:
    mixed = 0
    for seed in range(1, 40):
        film = make_film(FilmSpec(FilmKind.BILATERAL, 1, 2, seed, LONG_SIDE, 0.5))
        total = [knee.implant is not None and knee.implant.is_arthroplasty for knee in film.knees]
        if sum(total) != 1 or sum(knee.implant is not None for knee in film.knees) != 1:
            continue
        report = graded(grader, film.pixels)
        if len(report.knees) != 2:
            continue
        mixed += 1
        for knee, truth in zip(report.knees, sorted(film.knees, key=lambda k: k.centre[1]), strict=True):
            if truth.implant is not None:
                assert knee.kl is None
                assert knee.refusal is not None
        assert report.refusal is None or all(knee.refusal is not None for knee in report.knees)
        if mixed == 2:
            break
    assert mixed == 2


@pytest.mark.parametrize("part", [None, "KNEE"])
@pytest.mark.parametrize("kind", [kind for kind in FilmKind if not kind.has_knee])
def test_a_film_without_a_frontal_knee_is_refused(grader: KneeGrader, kind: FilmKind, part: str | None) -> None:
    report = graded(grader, make_film(FilmSpec(kind, seed=3, long_side=700)).pixels, part)
    assert report.refusal is not None
    assert all(knee.kl is None for knee in report.knees)


def test_five_knees_are_refused(grader: KneeGrader, standing: ComposedFilm) -> None:
    small = np.asarray(Image.fromarray(standing.pixels).resize((standing.pixels.shape[1] // 2, 450)))
    rows = [np.concatenate([small, small], axis=1)] * 2
    assert code_of(graded(grader, np.concatenate(rows))) is ReasonCode.TOO_MANY_KNEES


def test_a_knee_cut_by_the_edge_is_never_graded(grader: KneeGrader, standing: ComposedFilm) -> None:
    knee = min(standing.knees, key=lambda k: k.centre[1])
    cut = standing.pixels[:, int(knee.centre[1]) : int(knee.centre[1] + 0.9 * knee.plateau_width_px)]
    report = graded(grader, np.ascontiguousarray(cut))
    assert report.refusal is not None
    assert all(k.kl is None for k in report.knees)


@pytest.mark.parametrize("seed", range(5))
def test_noise_is_refused(grader: KneeGrader, seed: int) -> None:
    coarse = np.random.default_rng(seed).random((2 ** (seed + 2), 2 ** (seed + 2))).astype(np.float32)
    picture = np.asarray(Image.fromarray(coarse).resize((600, 600), Image.Resampling.BICUBIC)).clip(0, 1)
    assert graded(grader, picture).refusal is not None


def strip() -> FloatImage:
    return np.random.default_rng(0).random((64, 4000)).astype(np.float32)


@pytest.mark.parametrize(
    "pixels",
    [
        np.ones((1000, 800), np.float32),
        np.zeros((1000, 800), np.float32),
        strip(),
        strip().T,
        np.eye(3000).astype("f4"),
    ],
    ids=["white", "black", "lying strip", "standing strip", "a line"],
)
def test_odd_pictures_are_refused_without_an_exception(grader: KneeGrader, pixels: FloatImage) -> None:
    report = graded(grader, np.ascontiguousarray(pixels), "KNEE")
    assert report.refusal is not None
    assert report.refusal.remedy


def test_every_place_is_told_in_the_film_s_own_pixels(grader: KneeGrader, standing: ComposedFilm) -> None:
    rows, columns = standing.pixels.shape
    facts = FilmFacts("film", rows=2 * rows, columns=2 * columns)
    plain = graded(grader, standing.pixels).knees
    for knee, twice in zip(plain, grader.grade(Radiograph(standing.pixels, facts)).knees, strict=True):
        assert knee.centre is not None
        assert twice.centre == pytest.approx([2 * c + 0.5 for c in knee.centre])
        assert twice.plateau_width_px == pytest.approx(2 * (knee.plateau_width_px or 0))
