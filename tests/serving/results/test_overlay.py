"""The overlay: knees framed where they are, tagged, enlarged where small; no word runs out of the picture."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from kneeoa.model.errors import ReasonCode, Refusal
from kneeoa.model.grades import Box, FilmGrades, KLGrade, KneeGrades, ReleaseFacts
from kneeoa.model.joint_grades import CompartmentGrades, NarrowingGrade
from kneeoa.model.radiograph import FilmFacts, FloatImage, Side, SideSource
from kneeoa.serving.results.film_picture import (
    GRADED,
    HEAT_SIDE,
    REFUSED,
    film_picture,
    frame_width,
    heat_picture,
    knee_picture,
)
from kneeoa.serving.results.joint_picture import FEMUR, MINIMUM, TIBIA, narrowing_words, width_words
from kneeoa.serving.results.overlay import FILM_HEIGHT, draw_overlay

KL = KLGrade(3, (0.01, 0.04, 0.2, 0.7, 0.05), 2.74, 0.95)
NO = Refusal.because(ReasonCode.NOT_FRONTAL, "The place looks unlike the frontal knees that the network knows. " * 3)
FLAGS = ("side_conflict", "side_unknown", "unusual_film", "side_by_convention")
FILM_FLAGS = ("bilateral", "no_window", "for_processing", "unknown_spacing", "reduced")
BACK = (17, 20, 24)


def knee(row: float, column: float, width: float, angle: float = 0.0, **other: object) -> KneeGrades:
    box = Box(row - width / 2, column - width / 2, width, width)
    graded = KneeGrades(Side.LEFT, SideSource.MARKER, (row, column), 0.82 * width, angle, box=box, kl=KL)
    return replace(graded, **other)  # type: ignore[arg-type]  # one field or another


def report(size: tuple[int, int], *knees: KneeGrades, name: str = "kneeoa-6") -> FilmGrades:
    release = ReleaseFacts(name, "0" * 64, "0.1.0")
    refusal = None if knees else NO
    return FilmGrades(FilmFacts("film", rows=size[0], columns=size[1]), release, refusal, FILM_FLAGS, knees)


def grey(rows: int, columns: int) -> FloatImage:
    return np.full((rows, columns), 0.4, dtype=np.float32)


def where(picture: Image.Image, colour: tuple[int, int, int]) -> npt.NDArray[np.bool_]:
    return np.asarray(np.abs(np.asarray(picture).astype(int) - colour).sum(axis=2) < 30)


@pytest.mark.parametrize("angle", [0.0, 17.0, -90.0, 180.0])
def test_frame_lies_round_the_knee_and_turns_with_the_leg(angle: float) -> None:
    picture = film_picture(grey(1000, 800), report((1000, 800), knee(520, 300, 200, angle)), (800, 1000))
    turn = math.radians(angle)
    frame = where(picture, GRADED)
    for across, down in ((0, -100), (0, 100), (-100, 0), (100, 0), (60, 100)):
        row = 520 - math.sin(turn) * across + math.cos(turn) * down
        column = 300 + math.cos(turn) * across + math.sin(turn) * down
        around = frame[round(row) - 3 : round(row) + 4, round(column) - 3 : round(column) + 4]
        assert around.any(), (across, down)
    # Nothing but the frame is inside it: the joint is free, whatever the tag says.
    assert not frame[520 - 80 : 520 + 80, 300 - 60 : 300 + 60].any() or angle == 17.0


def test_refused_knee_is_red_and_a_graded_one_beside_it_is_not() -> None:
    grades = report((1000, 1000), knee(500, 250, 200), knee(500, 750, 200, kl=None, refusal=NO))
    picture = film_picture(grey(1000, 1000), grades, (1000, 1000))
    assert where(picture, GRADED)[:, :500].any()
    assert not where(picture, REFUSED)[:, :500].any()
    assert where(picture, REFUSED)[:, 500:].any()
    assert not where(picture, GRADED)[:, 500:].any()


def test_frame_of_a_knee_that_the_edge_cuts_is_closed_along_the_edge() -> None:
    picture = film_picture(grey(400, 400), report((400, 400), knee(200, 390, 200)), (400, 400))
    frame = where(picture, GRADED)
    assert frame[150:250, 395:].any(axis=1).all()


def test_heat_lies_where_the_frame_s_heat_is_turned_with_it() -> None:
    heat = np.zeros((288, 288), dtype=np.float32)
    heat[130:160, 230:270] = 1  # at image right of the upright knee
    grades = report((1000, 1000), knee(500, 500, 300, 90.0, heat_map=heat))
    pixels = np.asarray(film_picture(grey(1000, 1000), grades, (1000, 1000))).astype(int)
    warm = pixels[..., 0] - pixels[..., 2] > 40
    warm[:380] &= ~where(Image.fromarray(pixels.astype(np.uint8)), GRADED)[:380]
    # A quarter turn anticlockwise brings right to the top.
    assert warm[375:420, 480:520].mean() > 0.5
    assert not warm[480:520, 580:630].any()


def test_places_are_told_in_the_stored_film_s_pixels_of_a_reduced_film() -> None:
    whole = film_picture(grey(1000, 800), report((1000, 800), knee(500, 400, 200)), (800, 1000))
    half = film_picture(grey(500, 400), report((1000, 800), knee(500, 400, 200)), (800, 1000))
    assert np.array_equal(where(whole, GRADED), where(half, GRADED))


def test_knees_of_a_long_leg_film_are_shown_enlarged_and_large_ones_are_not() -> None:
    long_leg = report((4000, 1600), knee(2000, 500, 330), knee(2000, 1100, 330))
    standing = report((1000, 1200), knee(500, 300, 250), knee(500, 900, 250))
    most = (1500, FILM_HEIGHT)
    assert frame_width(grey(4000, 1600), long_leg, most) < frame_width(grey(1000, 1200), standing, most)
    assert draw_overlay(grey(4000, 1600), long_leg).width > 304 + 2 * 460 + 366
    assert draw_overlay(grey(1000, 1200), standing).width < 912 + 2 * 460 + 5 * 28
    near = knee_picture(grey(4000, 1600), long_leg, long_leg.knees[0], 366)
    frame = np.argwhere(where(near, GRADED)[40:])
    assert np.ptp(frame[:, 1]) == pytest.approx(366 / 1.5, abs=6)


def test_a_knee_without_a_place_cannot_be_enlarged() -> None:
    grades = report((100, 100), replace(knee(50, 50, 40), box=None))
    with pytest.raises(ValueError, match="box"):
        knee_picture(grey(100, 100), grades, grades.knees[0], 100)


SIZES = [(1000, 1000), (4000, 250), (250, 4000), (900, 2200), (64, 100), (64, 1024), (1024, 64)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("knees", [0, 1, 2])
def test_no_word_runs_out_of_the_picture(size: tuple[int, int], knees: int) -> None:
    rows, columns = size
    width = min(rows, columns) * 0.6
    graded = knee(rows / 2, columns * 0.3, width, 3.0, flags=FLAGS, side=Side.UNKNOWN, side_source=SideSource.NONE)
    refused = knee(rows / 2, columns * 0.7, width, -3.0, flags=FLAGS, kl=None, refusal=NO)
    grades = report(size, *[graded, refused][:knees], name="a-release-with-a-name-without-end-" * 3)
    picture = np.asarray(draw_overlay(grey(rows, columns), grades))
    for edge in (picture[:20], picture[-20:], picture[:, :20], picture[:, -20:]):
        assert (edge == BACK).all()
    assert picture.shape[0] < 1700
    assert picture.shape[1] < 2700


def test_long_flags_of_one_knee_do_not_run_into_the_other_s() -> None:
    grades = report((1000, 1000), knee(500, 250, 250, flags=FLAGS * 2), knee(500, 750, 250, flags=FLAGS * 2))
    picture = np.asarray(draw_overlay(grey(1000, 1000), grades))
    film = FILM_HEIGHT + 28
    between = picture[28 : FILM_HEIGHT - 200, film + 28 + 460 + 2 : film + 2 * 28 + 460 - 2]
    assert (between == BACK).all()


def test_a_film_without_knees_says_why() -> None:
    bare = draw_overlay(grey(1000, 1000), report((1000, 1000)))
    assert where(bare, REFUSED).any()
    assert not where(bare, REFUSED)[:, :FILM_HEIGHT].any()


def test_joint_space_is_drawn_with_its_minimum_and_said_in_words() -> None:
    part = CompartmentGrades(
        minimum_px=24.0,
        minimum_mm=3.6,
        minimum_percent_of_plateau=4.8,
        mean_mm=4.4,
        minimum_interval_mm=(3.1, 4.1),
        fixed_plateau=None,
        fixed_femur=None,
        fixed_unit="mm",
        millimetres="detector",
        zone=(0.15, 0.3),
        contact=False,
        narrowing_percent=22.0,
        narrowing_interval_percent=(2.0, 41.0),
        kl0_percentile=21.0,
        borderline=True,
        jsn=NarrowingGrade(0, "measured"),
        femur_edge=((500.0, 320.0), (500.0, 380.0)),
        tibia_edge=((524.0, 320.0), (524.0, 380.0)),
        minimum_at=((500.0, 350.0), (524.0, 350.0)),
        quality=0.9,
    )
    shown = report((1000, 800), knee(520, 300, 400, joint_space={"medial": part}))
    picture = film_picture(grey(1000, 800), shown, (800, 1000))
    for row, colour in ((500, FEMUR), (524, TIBIA)):
        assert where(picture, colour)[row - 3 : row + 4, 325:375].any()
    assert where(picture, MINIMUM)[505:520, 345:356].any()
    assert width_words(part) == "3.6 mm at the detector"
    assert "borderline" in narrowing_words(part)
    assert width_words(replace(part, contact=True)) == "no visible space"
    assert width_words(replace(part, reason="no_joint")) == "not measured (no joint)"
    plain = draw_overlay(grey(1000, 800), report((1000, 800), knee(520, 300, 400)))
    assert not np.array_equal(np.asarray(draw_overlay(grey(1000, 800), shown)), np.asarray(plain))


def test_heat_alone_lies_where_the_knee_is_and_nowhere_else() -> None:
    heat = np.zeros((288, 288), np.float32)
    heat[:144] = 1.0
    picture = heat_picture(grey(3000, 1500), report((3000, 1500), knee(1500, 600, 400, heat_map=heat)))
    assert (picture.mode, max(picture.size)) == ("RGBA", HEAT_SIDE)
    scale = HEAT_SIDE / 3000
    alpha = np.asarray(picture.getchannel("A"))
    assert alpha[round(1400 * scale), round(600 * scale)] > 100
    assert alpha[round(1600 * scale), round(600 * scale)] == 0
    assert alpha[round(1400 * scale), round(1100 * scale)] == 0
    assert not np.asarray(heat_picture(grey(300, 200), report((300, 200))).getchannel("A")).any()
