"""Which knee is which: every mix of statements and readings gives the right side, an unknown one, or a flag."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kneeoa.model.dicom_facts import BILATERAL, SIDE_CONFLICT
from kneeoa.model.film_orientation import film_orientation, stated_directions
from kneeoa.model.localize import KneeRegion
from kneeoa.model.marker import Marker
from kneeoa.model.radiograph import FilmFacts, Radiograph, Side, SideSource
from kneeoa.model.sides import SIDE_BY_CONVENTION, SIDE_UNKNOWN, SideReading, assign_sides

R, L, UNKNOWN = Side.RIGHT, Side.LEFT, Side.UNKNOWN
COLUMNS, ROWS = 1000, 800
WIDTH = 200.0
CLEAR = 0.9
OTHER = {R: L, L: R}
OPPOSITE = {"A": "P", "P": "A", "R": "L", "L": "R", "H": "F", "F": "H"}


def film(
    side: Side = UNKNOWN,
    source: SideSource | None = None,
    *,
    orientation: tuple[str, str] | None = None,
    flags: tuple[str, ...] = (),
    view: str = "AP",
) -> Radiograph:
    said = source or (SideSource.NONE if side is UNKNOWN else SideSource.TAG)
    blank = np.zeros((ROWS, COLUMNS), dtype=np.float32)
    return Radiograph(blank, FilmFacts("film", view=view), side, said, flags=flags, patient_orientation=orientation)


def knee(column: float, right: float, row: float = 400.0, angle: float = 0.0) -> KneeRegion:
    return KneeRegion((row, column), WIDTH, angle, 0.9, 0.0, right, 0.02)


def letter(side: Side, column: float, row: float = 300.0, *, mirrored: bool = False) -> Marker:
    return Marker(side, mirrored, (row, column), 40.0, 0.0, 0.99)


def one(radiograph: Radiograph, region: KneeRegion, *markers: Marker) -> SideReading:
    (reading,) = assign_sides(radiograph, [region], CLEAR, markers)
    return reading


def two(radiograph: Radiograph, looks: tuple[float, float] = (1.0, 0.0), *markers: Marker) -> tuple[SideReading, ...]:
    return assign_sides(radiograph, [knee(300, looks[0]), knee(700, looks[1])], CLEAR, markers)


def mirrored_region(region: KneeRegion) -> KneeRegion:
    row, column = region.centre
    return replace(
        region, centre=(row, COLUMNS - 1 - column), right=1 - region.right, angle_degrees=-region.angle_degrees
    )


def mirrored_marker(marker: Marker) -> Marker:
    place = (marker.place[0], COLUMNS - 1 - marker.place[1])
    return replace(marker, place=place, mirrored=not marker.mirrored, angle_degrees=-marker.angle_degrees)


def mirrored_film(radiograph: Radiograph) -> Radiograph:
    directions = radiograph.patient_orientation
    turned = None if directions is None else (OPPOSITE[directions[0][0]], directions[1])
    return replace(radiograph, patient_orientation=turned)


# Truth: a right knee, or both. Orientation and letters are true; only the tag may be wrong.
@pytest.mark.parametrize("view", ["AP", "PA", "unknown"])
@pytest.mark.parametrize("stored_mirrored", [False, True])
@pytest.mark.parametrize("oriented", [False, True])
@pytest.mark.parametrize("marked", [False, True])
@pytest.mark.parametrize("tag", [R, UNKNOWN, L])
def test_a_right_knee_is_never_silently_called_left_against_a_second_source(
    view: str, stored_mirrored: bool, oriented: bool, marked: bool, tag: Side
) -> None:
    radiograph = film(tag, orientation=("L", "F") if oriented else None, view=view)
    region, markers = knee(500, 0.98), [letter(R, 330)] if marked else []
    if stored_mirrored:
        radiograph, region = mirrored_film(radiograph), mirrored_region(region)
        markers = [mirrored_marker(marker) for marker in markers]
    reading = one(radiograph, region, *markers)
    if reading.side is L:
        # Nothing but the picture of a film that nothing calls mirrored can mislead; a wrong tag alone is flagged or
        # is borne out by such a picture.
        unseen = stored_mirrored and not oriented
        assert SIDE_CONFLICT in reading.flags or (unseen and not marked)
    if tag is R:
        assert reading.side is R
        assert (SIDE_CONFLICT in reading.flags) == (stored_mirrored and not oriented and not marked)
    if tag is UNKNOWN and (oriented or marked):
        assert reading == SideReading(R, SideSource.MARKER if marked else SideSource.PICTURE)
    if tag is L and marked and (oriented or not stored_mirrored):
        assert reading.side is UNKNOWN
        assert reading.flags == (SIDE_UNKNOWN, SIDE_CONFLICT)


@pytest.mark.parametrize("view", ["AP", "PA", "unknown"])
@pytest.mark.parametrize("stored_mirrored", [False, True])
@pytest.mark.parametrize("oriented", [False, True])
@pytest.mark.parametrize("marked", [(), (R,), (L,), (R, L)])
@pytest.mark.parametrize("looks", [(0.98, 0.02), (0.5, 0.5)])
def test_both_knees_are_right_unless_nothing_tells_that_the_film_is_mirrored(
    view: str, stored_mirrored: bool, oriented: bool, marked: tuple[Side, ...], looks: tuple[float, float]
) -> None:
    radiograph = film(orientation=("L", "F") if oriented else None, flags=(BILATERAL,), view=view)
    regions = [knee(300, looks[0]), knee(700, looks[1])]
    markers = [letter(side, 100 if side is R else 900) for side in marked]
    if stored_mirrored:
        radiograph = mirrored_film(radiograph)
        regions = [mirrored_region(region) for region in regions]
        markers = [mirrored_marker(marker) for marker in markers]
    readings = assign_sides(radiograph, regions, CLEAR, markers)
    if oriented or marked:
        source = SideSource.ORIENTATION if oriented else SideSource.MARKER
        assert readings == (SideReading(R, source), SideReading(L, source))
    elif looks == (0.5, 0.5):
        assert all(r.source is SideSource.HANGING and SIDE_BY_CONVENTION in r.flags for r in readings)
    else:
        assert [r.source for r in readings] == [SideSource.PICTURE] * 2
    if not stored_mirrored:
        assert [r.side for r in readings] == [R, L]


@pytest.mark.parametrize("letters", [(L,), (R,), ()])
def test_orientation_against_a_marker_leaves_both_knees_unknown(letters: tuple[Side, ...]) -> None:
    readings = two(film(orientation=("L", "F")), (1.0, 0.0), *(letter(side, 100) for side in letters))
    assert [r.side for r in readings] == ([UNKNOWN] * 2 if letters == (L,) else [R, L])
    assert [SIDE_CONFLICT in r.flags for r in readings] == [letters == (L,)] * 2


def test_a_marker_at_the_wrong_leg_is_flagged_where_only_the_picture_denies_it() -> None:
    readings = two(film(), (1.0, 0.0), letter(R, 900))
    assert [(r.side, r.source, r.flags) for r in readings] == [
        (L, SideSource.MARKER, (SIDE_CONFLICT,)),
        (R, SideSource.MARKER, (SIDE_CONFLICT,)),
    ]


def test_two_knees_that_look_alike_are_never_both_right() -> None:
    assert [r.side for r in two(film(), (1.0, 1.0))] == [UNKNOWN, UNKNOWN]
    assert [r.side for r in two(film(R), (1.0, 1.0))] == [UNKNOWN, UNKNOWN]
    marked = two(film(), (1.0, 1.0), letter(R, 100))
    assert [r.side for r in marked] == [R, UNKNOWN]
    assert all(SIDE_CONFLICT in r.flags for r in marked)
    oriented = two(film(orientation=("L", "F")), (1.0, 1.0))
    assert [(r.side, SIDE_CONFLICT in r.flags) for r in oriented] == [(R, False), (L, True)]


def test_two_letters_r_on_a_pair_name_nobody() -> None:
    readings = two(film(), (1.0, 0.0), letter(R, 100), letter(R, 900))
    assert readings == (SideReading(UNKNOWN, SideSource.NONE, (SIDE_UNKNOWN, SIDE_CONFLICT)),) * 2


def test_two_exposures_in_an_order_of_their_own_are_told_by_both_pictures_and_flagged() -> None:
    readings = two(film(), (0.02, 0.97))
    assert [(r.side, r.source) for r in readings] == [(L, SideSource.PICTURE), (R, SideSource.PICTURE)]
    assert all(SIDE_CONFLICT in r.flags for r in readings)
    assert [r.side for r in two(film(), (0.02, 0.5))] == [UNKNOWN, UNKNOWN]
    assert [r.side for r in two(film(orientation=("L", "F")), (0.02, 0.97))] == [UNKNOWN, UNKNOWN]


def test_a_marker_between_the_knees_names_neither() -> None:
    readings = two(film(), (0.5, 0.5), letter(L, 520))
    assert [r.source for r in readings] == [SideSource.HANGING] * 2
    assert [r.side for r in two(film(), (1.0, 0.0), letter(L, 520, mirrored=True))] == [UNKNOWN, UNKNOWN]


def test_a_tag_of_one_side_flags_the_other_knee_of_a_pair() -> None:
    readings = two(film(R))
    assert [(r.side, r.flags) for r in readings] == [(R, ()), (L, (SIDE_CONFLICT,))]
    assert all(SIDE_CONFLICT in r.flags for r in two(film(R, flags=(SIDE_CONFLICT,))))


def test_the_users_word_names_one_knee_and_no_pair() -> None:
    assert one(film(L, SideSource.USER), knee(500, 0.5)) == SideReading(L, SideSource.USER)
    assert one(film(L, SideSource.USER), knee(500, 1.0)).flags == (SIDE_CONFLICT,)
    assert [r.source for r in two(film(L, SideSource.USER))] == [SideSource.PICTURE] * 2


def test_one_knee_is_never_named_by_the_hanging_convention() -> None:
    assert one(film(), knee(200, 0.5)) == SideReading(UNKNOWN, SideSource.NONE, (SIDE_UNKNOWN,))
    assert one(film(flags=(BILATERAL,)), knee(200, 0.5)).side is UNKNOWN


def test_a_tag_holds_against_one_witness_and_falls_to_two() -> None:
    assert one(film(R), knee(500, 0.0)) == SideReading(R, SideSource.TAG, (SIDE_CONFLICT,))
    assert one(film(R), knee(500, 0.5), letter(L, 650)) == SideReading(R, SideSource.TAG, (SIDE_CONFLICT,))
    assert one(film(R), knee(500, 0.0), letter(L, 650)).side is UNKNOWN
    assert one(film(R, flags=(SIDE_CONFLICT,)), knee(500, 0.0)).side is UNKNOWN
    assert one(film(R), knee(500, 0.0), letter(R, 350)) == SideReading(R, SideSource.TAG, (SIDE_CONFLICT,))


def test_a_marker_against_the_picture_is_kept_only_where_the_film_may_be_mirrored() -> None:
    assert one(film(), knee(500, 0.0), letter(R, 350)) == SideReading(R, SideSource.MARKER, (SIDE_CONFLICT,))
    assert one(film(orientation=("L", "F")), knee(500, 0.0), letter(R, 350)).side is UNKNOWN
    assert one(film(), knee(500, 0.0), letter(R, 350, mirrored=True)) == SideReading(R, SideSource.MARKER)


def test_the_marker_of_a_knee_that_was_not_found_names_no_other() -> None:
    assert one(film(flags=(BILATERAL,)), knee(300, 0.5), letter(L, 900)).side is UNKNOWN
    assert one(film(), knee(300, 0.5), letter(R, 350), letter(L, 450)).flags == (SIDE_UNKNOWN, SIDE_CONFLICT)


def test_an_orientation_that_does_not_know_how_the_legs_lie_is_not_used() -> None:
    lying = [knee(500, 1.0, row=200, angle=90), knee(500, 0.0, row=600, angle=90)]
    readings = assign_sides(film(orientation=("R", "F")), lying, CLEAR, ())
    assert {r.source for r in readings} == {SideSource.PICTURE}
    assert all(SIDE_CONFLICT in r.flags for r in readings)


def test_knees_above_each_other_are_told_one_by_one() -> None:
    stacked = [knee(500, 0.5, row=150), knee(500, 0.02, row=650)]
    assert [r.side for r in assign_sides(film(), stacked, CLEAR, ())] == [UNKNOWN, L]
    assert [r.side for r in assign_sides(film(), stacked, CLEAR, (letter(R, 350, row=150),))] == [R, L]
    alike = [knee(500, 1.0, row=150), knee(500, 1.0, row=650)]
    assert [r.side for r in assign_sides(film(), alike, CLEAR, ())] == [UNKNOWN, UNKNOWN]


def test_of_three_knees_none_is_named() -> None:
    regions = [knee(200, 1.0), knee(500, 0.0), knee(800, 1.0)]
    assert {r.side for r in assign_sides(film(), regions, CLEAR, ())} == {UNKNOWN}
    assert assign_sides(film(), [], CLEAR, ()) == ()


@pytest.mark.parametrize(
    ("directions", "mirrored", "degrees"),
    [
        (("L", "F"), False, 0), (("R", "F"), True, 0), (("R", "H"), False, 180), (("L", "H"), True, 180),
        (("F", "R"), False, 90), (("H", "L"), False, -90), (("F", "L"), True, 90), (("H", "R"), True, -90),
        (("LF", "FR"), False, 0), (("RP", "FA"), True, 0),
    ],
)  # fmt: skip
def test_directions_tell_mirror_and_turn(directions: tuple[str, str], mirrored: bool, degrees: float) -> None:
    lies = film_orientation(directions)
    assert lies is not None
    assert (lies.mirrored, lies.angle_degrees) == (mirrored, degrees)


@pytest.mark.parametrize("directions", [None, ("A", "F"), ("P", "H"), ("L", "P")])
def test_a_film_that_is_not_frontal_tells_nothing(directions: tuple[str, str] | None) -> None:
    assert film_orientation(directions) is None


@pytest.mark.parametrize("values", [("",), ("L",), ("L", "R"), ("F", "F"), ("X", "F"), ("LR", "F"), ("L", "F", "P")])
def test_what_is_no_pair_of_directions_is_not_stated(values: tuple[str, ...]) -> None:
    assert stated_directions(values) is None
    assert stated_directions((" lf", "Fr ")) == ("LF", "FR")


LOOKS = st.sampled_from([0.0, 0.05, 0.3, 0.5, 0.8, 0.95, 1.0])
LETTERS = st.builds(
    letter,
    st.sampled_from([R, L]),
    st.sampled_from([60.0, 130.0, 500.0, 870.0, 940.0]),
    st.sampled_from([100.0, 300.0, 700.0]),
    mirrored=st.booleans(),
)
KNEES = st.one_of(
    st.builds(lambda a, look: [knee(500, look, angle=a)], st.sampled_from([-20.0, 0.0, 15.0]), LOOKS),
    st.builds(lambda a, b: [knee(300, a, angle=5), knee(700, b, row=430)], LOOKS, LOOKS),
    st.builds(lambda a, b: [knee(700, a), knee(300, b)], LOOKS, LOOKS),
    st.builds(lambda a, b: [knee(500, a, row=150), knee(500, b, row=650)], LOOKS, LOOKS),
)


def through_glass(radiograph: Radiograph, regions: list[KneeRegion], markers: list[Marker]) -> tuple[SideReading, ...]:
    return assign_sides(
        mirrored_film(radiograph), [mirrored_region(r) for r in regions], CLEAR, [mirrored_marker(m) for m in markers]
    )


@given(
    regions=KNEES,
    markers=st.lists(LETTERS, max_size=3),
    orientation=st.sampled_from([("L", "F"), ("R", "F"), ("LH", "F")]),
    tag=st.sampled_from([R, L, UNKNOWN]),
    flags=st.sampled_from([(), (SIDE_CONFLICT,), (BILATERAL,)]),
)
def test_an_oriented_film_and_its_mirror_image_give_the_same_readings(
    regions: list[KneeRegion],
    markers: list[Marker],
    orientation: tuple[str, str],
    tag: Side,
    flags: tuple[str, ...],
) -> None:
    radiograph = film(tag, orientation=orientation, flags=flags)
    assert assign_sides(radiograph, regions, CLEAR, markers) == through_glass(radiograph, regions, markers)


@given(
    regions=KNEES.filter(lambda regions: len({r.centre[0] for r in regions} & {150.0, 650.0}) == 0),
    marker=LETTERS.filter(lambda marker: marker.place[1] in {130.0, 870.0}),
)
def test_a_marked_film_and_its_mirror_image_give_the_same_sides(regions: list[KneeRegion], marker: Marker) -> None:
    straight, mirrored = assign_sides(film(), regions, CLEAR, [marker]), through_glass(film(), regions, [marker])
    assert [r.side for r in straight] == [r.side for r in mirrored]
    assert R in {r.side for r in straight} or L in {r.side for r in straight}


@given(regions=KNEES, markers=st.lists(LETTERS, max_size=4), tag=st.sampled_from([R, L, UNKNOWN]))
def test_no_two_knees_of_a_film_get_the_same_side_and_no_unknown_one_a_source(
    regions: list[KneeRegion], markers: list[Marker], tag: Side
) -> None:
    readings = assign_sides(film(tag), regions, CLEAR, markers)
    named = [r.side for r in readings if r.side is not UNKNOWN]
    assert len(set(named)) == len(named)
    for reading in readings:
        assert (reading.side is UNKNOWN) == (reading.source is SideSource.NONE) == (SIDE_UNKNOWN in reading.flags)


@pytest.mark.parametrize(("quarter", "mirror"), list(product(range(4), (False, True))))
def test_turning_film_knees_letters_and_orientation_changes_no_side(quarter: int, mirror: bool) -> None:
    regions, markers = [knee(300, 1.0), knee(700, 0.0)], [letter(R, 100)]
    radiograph = film(orientation=("L", "F"))
    expected = assign_sides(radiograph, regions, CLEAR, markers)
    if mirror:
        radiograph = mirrored_film(radiograph)
        regions, markers = [mirrored_region(r) for r in regions], [mirrored_marker(m) for m in markers]
    columns, directions = COLUMNS, radiograph.patient_orientation
    assert directions is not None
    rows = ROWS
    for _ in range(quarter):  # counter-clockwise: what pointed right points up
        regions = [
            replace(r, centre=(columns - 1 - r.centre[1], r.centre[0]), angle_degrees=r.angle_degrees + 90)
            for r in regions
        ]
        markers = [replace(m, place=(columns - 1 - m.place[1], m.place[0])) for m in markers]
        directions = (directions[1], OPPOSITE[directions[0]])
        rows, columns = columns, rows
    turned = replace(radiograph, patient_orientation=directions)
    assert assign_sides(turned, regions, CLEAR, markers) == expected


def test_a_site_says_how_clear_a_picture_must_be() -> None:
    assert [assign_sides(film(), [knee(500, 0.8)], clear, ())[0].side for clear in (0.75, 0.9)] == [R, UNKNOWN]
