"""Widths and narrowing: geometry whose answer is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kneeoa.model.joint_narrowing import CompartmentReference, narrowing_of
from kneeoa.model.joint_widths import LATERAL_ZONE, MEDIAL_ZONE, Curves, fixed_places, measure_zone

X = np.linspace(-0.06, 1.06, 80)
REFERENCE = CompartmentReference(quantiles=tuple(np.linspace(4.0, 8.0, 101)), cuts=(32.0, 55.0, 77.0), error=0.3)


@given(st.floats(0.0, 0.12))
def test_parallel_edges_have_one_width_everywhere(gap: float) -> None:
    curves = Curves(X, np.full_like(X, -gap), np.zeros_like(X))
    for zone in (MEDIAL_ZONE, LATERAL_ZONE):
        found = measure_zone(curves, zone)
        assert found.minimum == pytest.approx(gap, abs=1e-9)
        assert found.mean == pytest.approx(gap, abs=1e-9)
        assert found.fixed_plateau == pytest.approx([gap] * len(fixed_places(zone)))
        assert found.fixed_femur == pytest.approx([gap] * len(fixed_places(zone)), abs=1.1e-3)


def on_a_spine(foot: float) -> Curves:
    """A level plateau with a spine that rises from `foot` and from its mirrored place, under a level femur."""
    tibia = -0.6 * np.clip(np.minimum(X, 1 - X) - foot, 0, 0.1)
    return Curves(X, np.full_like(X, -0.08), tibia)


@pytest.mark.parametrize("zone", [MEDIAL_ZONE, LATERAL_ZONE])
def test_minimum_is_not_taken_on_the_slope_of_the_spine(zone: tuple[float, float]) -> None:
    foot = 0.25
    found = measure_zone(on_a_spine(foot), zone)
    inner = max(min(end, 1 - end) for end in found.zone)
    # On the slope the space would be 0.05 at x = 0.3. Some rise at the foot remains.
    assert inner == pytest.approx(foot - 0.02, abs=0.01)
    assert found.minimum > 0.07
    assert len(found.fixed_plateau) == len(found.fixed_femur) == len(fixed_places(found.zone))
    assert found.fixed_plateau == pytest.approx([0.08] * len(found.fixed_plateau))


@pytest.mark.parametrize("zone", [MEDIAL_ZONE, LATERAL_ZONE])
def test_zone_of_a_plateau_that_is_nowhere_flat_keeps_its_outer_part(zone: tuple[float, float]) -> None:
    steep = Curves(X, np.full_like(X, -0.5), -0.3 * np.minimum(X, 1 - X))
    low, high = measure_zone(steep, zone).zone
    assert high - low == pytest.approx(0.06)
    assert zone[0] - 1e-9 <= low < high <= zone[1] + 1e-9


@pytest.mark.parametrize("zone", [MEDIAL_ZONE, LATERAL_ZONE])
def test_plateau_that_falls_toward_the_spine_is_flat(zone: tuple[float, float]) -> None:
    hollow = Curves(X, np.full_like(X, -0.1), 0.3 * np.minimum(X, 1 - X))
    assert measure_zone(hollow, zone).zone == pytest.approx(zone)


def test_minimum_is_the_smallest_distance_not_the_smallest_height() -> None:
    # It falls toward the spine, so that all of it counts as plateau.
    slope = 0.5
    curves = Curves(X, slope * (X - 0.5) - 0.05, slope * (X - 0.5))
    found = measure_zone(curves, MEDIAL_ZONE)
    assert found.minimum == pytest.approx(0.05 * math.cos(math.atan(slope)), abs=3e-4)
    assert found.mean == pytest.approx(0.05, abs=1e-9)


def test_minimum_lies_where_the_condyle_is_lowest() -> None:
    femur = -0.05 - 2.0 * (X - 0.22) ** 2
    found = measure_zone(Curves(X, femur, np.zeros_like(X)), MEDIAL_ZONE)
    assert found.femur_at[0] == pytest.approx(0.22, abs=0.01)
    assert found.minimum == pytest.approx(0.05, abs=1e-3)


def test_femur_axis_turns_with_the_condyles() -> None:
    # The condyles' tangent rises to the lateral side; square to it the widths are shorter than down the plateau.
    femur = -0.06 - 0.2 * X
    found = measure_zone(Curves(X, femur, np.zeros_like(X)), LATERAL_ZONE)
    assert all(f < p for f, p in zip(found.fixed_femur, found.fixed_plateau, strict=True))


def test_fixed_places_are_those_of_the_report() -> None:
    assert fixed_places(MEDIAL_ZONE) == (0.15, 0.175, 0.2, 0.225, 0.25, 0.275, 0.3)
    assert fixed_places(LATERAL_ZONE)[0] == 0.7
    assert fixed_places(LATERAL_ZONE)[-1] == 0.9


def test_median_knee_is_not_narrowed_and_no_space_is_wholly_narrowed() -> None:
    assert narrowing_of(6.0, REFERENCE).percent == pytest.approx(0.0)
    assert narrowing_of(6.0, REFERENCE).percentile == pytest.approx(50.0)
    none = narrowing_of(0.0, REFERENCE)
    assert (none.percent, none.grade, none.percentile) == (100.0, 3, 0.0)
    assert none.interval == (100.0, 100.0)


@given(st.floats(0, 10), st.floats(0, 10))
def test_narrower_is_never_graded_lower(one: float, other: float) -> None:
    narrow, wide = sorted((one, other))
    assert narrowing_of(narrow, REFERENCE).grade >= narrowing_of(wide, REFERENCE).grade
    low, high = narrowing_of(narrow, REFERENCE).interval
    assert low <= narrowing_of(narrow, REFERENCE).percent <= high


def test_width_near_a_cut_is_borderline() -> None:
    at_the_cut = 6.0 * (1 - 0.55)
    assert narrowing_of(at_the_cut + 0.1, REFERENCE).borderline
    assert not narrowing_of(6.0, REFERENCE).borderline
