"""What the road loses is measured on every knee, once each, and told with its interval."""

from __future__ import annotations

import pytest

from kneeoa.datasets.film_patch import KneePatch
from kneeoa.datasets.phantom import PhantomSpec, make_phantom
from kneeoa.model.grader import KneeGrader
from kneeoa.model.radiograph import Side
from kneeoa.training.judge_road import KneeOnRoad, judge_road, road_report


@pytest.mark.parametrize("plain", [True, False])
def test_phantom_knees_are_found_on_films_and_keep_their_grades(plain: bool) -> None:
    sides = (Side.RIGHT, Side.LEFT, Side.RIGHT, Side.LEFT)
    patches = [
        KneePatch.of_phantom(make_phantom(PhantomSpec(side, 3 * (i // 2), 20 + i, (299, 299), marker=False)))
        for i, side in enumerate(sides)
    ]
    knees = judge_road(KneeGrader.load(device="cpu", threads=1), patches, plain=plain)
    assert len(knees) == len(patches)
    assert sum(knee.found is not None for knee in knees) >= 3
    # A tag that is right is never turned into a wrong side without a flag.
    assert all(knee.tagged_well is not False for knee in knees)


def test_a_loss_is_told_with_its_interval() -> None:
    knees = [
        KneeOnRoad(i % 5, i % 5, False, (i % 5) if i % 7 else (i + 1) % 5, False, True, True, True, True)
        for i in range(70)
    ]
    report = road_report([*knees, KneeOnRoad(1, 1, False, None, True, False, False)])
    assert report["found"] == pytest.approx(70 / 71)
    assert report["quadratic_weighted_kappa_given"] == pytest.approx(1)
    assert 0 < report["quadratic_weighted_kappa_lost_low"] < report["quadratic_weighted_kappa_lost"]
    assert report["quadratic_weighted_kappa_lost"] < report["quadratic_weighted_kappa_lost_high"]
