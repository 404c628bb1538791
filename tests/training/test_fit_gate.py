"""A gate is fitted on places: here on made-up ones, whose truth is known."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from kneeoa.model.errors import ReleaseError
from kneeoa.model.gate import Gate
from kneeoa.model.release import FinderThresholds
from kneeoa.training.finder_thresholds import finder_report, fit_finder_thresholds
from kneeoa.training.fit_gate import ACCEPTED_SHARE, accepted, accepted_alone, fit_gate
from kneeoa.training.gate_judgement import Evidence, Share, accepted_knees, family_rows
from kneeoa.training.gate_places import Places, join
from kneeoa.training.gate_sampling import COMPOSED, FALSE, FRAMED, GIVEN, METAL

FEATURES = 24
LIMITS = FinderThresholds(views="made-up", confidence=0.4, implant=0.6, seen_share=0.97, side=0.9)


def places(
    family: str,
    middle: npt.NDArray[np.float64],
    count: int,
    seed: int,
    *,
    confidence: float = 0.8,
    implant: float = 0.1,
    per_unit: int = 1,
) -> Places:
    """Places of one family round a middle of the embedding; each `per_unit` of them are one film."""
    rng = np.random.default_rng(seed)
    found = {GIVEN, COMPOSED, METAL, FALSE, "chest", "foot", "implant_plate"}
    return Places(
        family=np.array([family] * count),
        unit=np.arange(count) // per_unit,
        surest=np.arange(count) % per_unit == 0,
        embedding=(middle + rng.normal(size=(count, FEATURES))).astype(np.float32),
        confidence=np.full(count, confidence),
        implant=np.full(count, implant),
        metal=np.zeros(count),
        side=np.full(count, 0.95),
        seen_share=np.ones(count),
        features=_features(middle, count, seed) if family in found else np.full((count, 8), np.nan, np.float32),
    )


def _features(middle: npt.NDArray[np.float64], count: int, seed: int) -> npt.NDArray[np.float32]:
    """What the finder pools: whether there is a knee, and seven features that tell nothing."""
    features = np.random.default_rng([seed, 1]).normal(size=(count, 8))
    features[:, 0] += 6 * bool(middle.any())
    return features.astype(np.float32)


def away(axis: int, by: float) -> npt.NDArray[np.float64]:
    middle = np.zeros(FEATURES)
    middle[axis] = by
    return middle


def drawn(seed: int, count: int = 300) -> Places:
    """Knees round zero, chests far away in one direction, feet in another, implants a little way off."""
    return join(
        [
            places(FRAMED, away(0, 0), count, seed),
            places(GIVEN, away(0, 0), count, seed + 1),
            places(COMPOSED, away(0, 0), count, seed + 2),
            places("chest", away(1, 9), count // 3, seed + 3),
            places("foot", away(2, 9), count // 10, seed + 4),
            places("implant_plate", away(3, 4), count // 3, seed + 5),
        ]
    )


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    return Evidence(drawn(10), drawn(20), drawn(30), LIMITS)


def test_the_gate_lets_its_share_of_held_knees_through_and_refuses_the_rest(evidence: Evidence) -> None:
    fitted = fit_gate(evidence.fit, evidence.held, LIMITS)
    knees = evidence.held.of(GIVEN, COMPOSED)
    share = accepted(fitted.gate, fitted.thresholds, knees).mean()
    assert ACCEPTED_SHARE <= share < 1
    assert fitted.report["given_accepted"] > 0.97
    assert fitted.report["chest_refused"] == fitted.report["foot_refused"] == 1
    assert fitted.report["implant_plate_refused"] > 0.6
    assert fitted.thresholds.unusual <= fitted.thresholds.distance


def test_a_gate_survives_its_file(evidence: Evidence) -> None:
    fitted = fit_gate(evidence.fit, evidence.held, LIMITS)
    content = fitted.to_bytes()
    assert set(np.load(io.BytesIO(content)).files) == {"mean", "components", "residual_spread", "framing", "looks"}
    read = Gate.from_bytes(content)
    embedding = evidence.judged.embedding
    assert np.allclose(read.distance(embedding), fitted.gate.distance(embedding))
    assert np.allclose(read.framing_logit(embedding), fitted.gate.framing_logit(embedding))


def test_a_family_that_is_left_out_changes_the_rule_and_no_threshold_is_set_on_it(evidence: Evidence) -> None:
    whole = fit_gate(evidence.fit, evidence.held, LIMITS)
    without = fit_gate(evidence.fit, evidence.held, LIMITS, ("implant_plate",))
    assert "implant_plate_refused" not in without.report
    assert whole.gate.framing[3] > 2 * abs(without.gate.framing[3])
    assert np.array_equal(whole.gate.components, without.gate.components)


def test_a_family_of_many_weighs_no_more_than_one_of_few(evidence: Evidence) -> None:
    many = join([evidence.fit, places("chest", away(1, 9), 2000, 77)])
    few_rule, many_rule = (fit_gate(fit, evidence.held, LIMITS).gate.framing for fit in (evidence.fit, many))
    # Chests against feet: their numbers differ seventyfold in the second.
    assert many_rule[1] / many_rule[2] == pytest.approx(few_rule[1] / few_rule[2], rel=0.25)


def test_what_the_finder_refuses_does_not_move_the_gate(evidence: Evidence) -> None:
    strange = places(GIVEN, away(5, 30), 200, 5, confidence=0.1)
    moved = fit_gate(evidence.fit, join([evidence.held, strange]), LIMITS)
    assert moved.thresholds == fit_gate(evidence.fit, evidence.held, LIMITS).thresholds


def test_a_finder_that_lets_no_knee_through_gives_no_gate(evidence: Evidence) -> None:
    blind = LIMITS.model_copy(update={"confidence": 0.95})
    with pytest.raises(ReleaseError, match="lets no knee"):
        fit_gate(evidence.fit, evidence.held, blind)


def test_a_film_is_refused_only_where_every_place_on_it_is(evidence: Evidence) -> None:
    both = places("chest", away(1, 9), 40, 8, per_unit=2)
    mask = np.arange(40)[:, None] % 4 == 1
    judged = replace(
        both,
        embedding=np.where(mask, 0, both.embedding).astype(np.float32),
        features=np.where(mask, 0, both.features).astype(np.float32),
    )
    fitted = fit_gate(evidence.fit, evidence.held, LIMITS)
    row = family_rows(fitted, Evidence(evidence.fit, evidence.held, judged, LIMITS))[0]
    # Each second film has one place, not its surest, that looks just like a knee.
    assert (row.family, row.refused.n) == ("chest", 20)
    assert row.refused.share == 0.5
    assert row.embedding_alone.share == 1


def test_the_finder_helps_the_whole_road_and_not_the_embedding_alone(evidence: Evidence) -> None:
    sure = places("foot", away(0, 0), 30, 9)
    unsure = places("foot", away(0, 0), 30, 9, confidence=0.2)
    fitted = fit_gate(evidence.fit, evidence.held, LIMITS)
    rows = [family_rows(fitted, Evidence(evidence.fit, evidence.held, judged, LIMITS))[0] for judged in (sure, unsure)]
    assert rows[0].refused.share < 0.1
    assert rows[1].refused.share == rows[1].refused_without.share == 1
    assert rows[0].embedding_alone == rows[1].embedding_alone


def test_rows_come_in_the_order_of_families_and_groups_are_left_out_together(evidence: Evidence) -> None:
    rows = family_rows(fit_gate(evidence.fit, evidence.held, LIMITS), evidence)
    assert [row.family for row in rows] == ["foot", "chest", "implant_plate"]
    implant = rows[-1]
    assert implant.group == "implant"
    assert implant.refused.share >= implant.refused_without.share
    # It is the only one of its group that was drawn.
    assert implant.refused_without == implant.refused_without_group


def test_shares_have_wilson_intervals() -> None:
    share = Share.of(np.array([True] * 98 + [False] * 2))
    assert (share.share, share.n) == (0.98, 100)
    assert share.low == pytest.approx(0.9300, abs=5e-4)
    assert share.high == pytest.approx(0.9945, abs=5e-4)


def test_what_each_part_costs_is_told(evidence: Evidence) -> None:
    fitted = fit_gate(evidence.fit, evidence.held, LIMITS)
    lost = join([evidence.judged, places(GIVEN, away(0, 0), 100, 3, confidence=0.0)])
    found = accepted_knees(fitted, lost, LIMITS)
    assert found["given_unsure"].share == pytest.approx(0.25)
    assert found["given_accepted"].share < 0.76
    assert found["composed_unsure"].share == 0


def test_thresholds_lie_between_knees_and_what_is_none() -> None:
    knees, metal = places(COMPOSED, away(0, 0), 200, 1), places(METAL, away(0, 0), 50, 2, implant=0.9)
    false = places(FALSE, away(0, 0), 6, 3, confidence=0.3)
    held = join([knees, metal, replace(false, unit=np.arange(6) * 10)])
    limits = fit_finder_thresholds(held, 300)
    assert 0.3 < limits.confidence < 0.8
    assert 0.1 < limits.implant < 0.9
    report = finder_report(held, 300, limits)
    assert report["found"] == report["films_without_false_knee"] == 1
    assert report["implants_called_native"] == report["natives_called_implant"] == 0
    harsh = limits.model_copy(update={"confidence": 0.25})
    assert finder_report(held, 300, harsh)["films_without_false_knee"] == pytest.approx(294 / 300)


def test_what_looks_odd_from_near_is_refused_whatever_its_crop_is_like(evidence: Evidence) -> None:
    fitted = fit_gate(evidence.fit, evidence.held, LIMITS)
    knees = evidence.judged.of(GIVEN)
    odd = replace(knees, features=(knees.features + 6 * (np.arange(8) == 0)).astype(np.float32))
    assert accepted(fitted.gate, fitted.thresholds, knees).mean() > 0.95
    assert accepted(fitted.gate, fitted.thresholds, odd).mean() < 0.05
    assert np.array_equal(
        accepted_alone(fitted.gate, fitted.thresholds, odd.embedding),
        accepted_alone(fitted.gate, fitted.thresholds, knees.embedding),
    )


def test_a_crop_that_was_given_is_not_refused_for_looks_that_nobody_saw(evidence: Evidence) -> None:
    fitted = fit_gate(evidence.fit, evidence.held, LIMITS)
    knees = evidence.judged.of(GIVEN)
    unseen = replace(knees, features=np.full_like(knees.features, np.nan))
    alone = accepted_alone(fitted.gate, fitted.thresholds, knees.embedding)
    assert np.array_equal(accepted(fitted.gate, fitted.thresholds, unseen), alone)
