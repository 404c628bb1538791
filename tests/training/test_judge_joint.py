"""Phantoms of known width judge the measurement; what left and right owe to the film is told apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kneeoa.datasets.grade_folders import KneeImage
from kneeoa.model.joint_release import JointSpaceSettings
from kneeoa.model.radiograph import Side
from kneeoa.model.release import load_release
from kneeoa.training.evaluate_joint_space import load_meter
from kneeoa.training.joint_association import association, left_and_right, narrowings, worst_of
from kneeoa.training.judge_joint import judge_phantoms
from kneeoa.training.judge_joint_sides import SidedWidths, healthy_pairs, sides_report


def number(value: object) -> float:
    return float(str(value))


def settings() -> JointSpaceSettings:
    found = load_release().manifest.joint_space
    assert found is not None
    return found


def test_a_few_phantoms_are_measured_well() -> None:
    said = judge_phantoms(load_meter("kneeoa-6")[0], 5)
    assert said["unmeasured"] == 0
    assert abs(number(said["bias_mm"])) < 0.25
    assert number(said["mean_absolute_error_mm"]) < 0.4


@pytest.mark.soak
def test_five_hundred_phantoms_keep_the_bar() -> None:
    said = judge_phantoms(load_meter("kneeoa-6")[0], 500)
    assert said["unmeasured"] == 0
    assert abs(number(said["bias_mm"])) <= 0.1
    assert number(said["mean_absolute_error_mm"]) <= 0.25
    assert number(said["contact_found"]) >= 0.95


def knee(subject: str, side: Side, kl: int) -> KneeImage:
    return KneeImage(Path(f"{subject}{side.value}.png"), subject, side, kl, "val")


def test_part_of_the_patient_and_part_of_the_place_are_told_apart() -> None:
    rng = np.random.default_rng(0)
    given = rng.normal(6, 0.5, (60, 2, 2))
    given[:, 0] -= 0.4
    place = np.array([0.2, -0.2])[None, :, None]
    said = sides_report(SidedWidths(given, given + place / 2, given - place / 2))
    medial = said["medial"]
    assert isinstance(medial, dict)
    of_place, of_patient = medial["of_the_place_mm"], medial["of_the_patient_mm"]
    assert isinstance(of_place, list)
    assert isinstance(of_patient, list)
    assert number(of_place[0]) == pytest.approx(0.2 * 0.75, abs=1e-3)
    assert number(of_patient[1]) < -0.4 * 0.75 < number(of_patient[2])


def test_pairs_are_of_subjects_with_two_healthy_knees() -> None:
    knees = [knee("1", Side.LEFT, 0), knee("1", Side.RIGHT, 0), knee("2", Side.LEFT, 0), knee("2", Side.RIGHT, 1)]
    assert [(a.subject, b.side) for a, b in healthy_pairs(knees)] == [("1", Side.RIGHT)]
    assert left_and_right(knees, np.array([5.0, 6.0, 7.0, 8.0])).tolist() == [[5.0, 6.0]]


def test_narrower_knees_of_higher_grades_are_told_apart_and_drawn(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    knees = [knee(str(i // 2), (Side.LEFT, Side.RIGHT)[i % 2], (i // 2) % 5) for i in range(100)]
    grades = np.array([k.kl for k in knees])
    widths = np.stack([6.5 - grades + rng.normal(0, 0.3, 100), rng.normal(7, 0.3, 100)], axis=1)
    widths[0] = np.nan
    assert worst_of(narrowings(widths, settings()))[0] == 0
    said = association(knees, widths, settings(), tmp_path / "association.png")
    assert number(said["auc_kl_3_or_more"]) > 0.95
    assert said["unmeasured"] == 1
    quantiles = said["narrowing_worst_quantiles_by_kl"]
    assert isinstance(quantiles, dict)
    assert list(quantiles) == ["0", "1", "2", "3", "4"]
    assert (tmp_path / "association.png").stat().st_size > 10_000
