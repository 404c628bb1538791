"""The whole road on phantoms: grades where there is one knee, reasons where there is not."""

from __future__ import annotations

import logging
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kneeoa.datasets.phantom import PhantomSpec, make_phantom, write_phantom
from kneeoa.model.dicom import read_radiograph
from kneeoa.model.dicom_facts import SIDE_CONFLICT
from kneeoa.model.errors import ReasonCode
from kneeoa.model.grader import KneeGrader
from kneeoa.model.grades import FilmGrades, KLGrade
from kneeoa.model.radiograph import FilmFacts, FloatImage, Radiograph, Side, SideSource


@pytest.fixture(scope="module")
def grader() -> KneeGrader:
    return KneeGrader.load(device="cpu", threads=1)


@pytest.fixture(scope="module")
def knee() -> Radiograph:
    phantom = make_phantom(PhantomSpec(side=Side.RIGHT, grade=3, seed=7))
    return film(phantom.pixels)


def film(pixels: FloatImage, side: Side = Side.RIGHT) -> Radiograph:
    source = SideSource.NONE if side is Side.UNKNOWN else SideSource.TAG
    return Radiograph(pixels=pixels, facts=FilmFacts("film"), side=side, side_source=source)


def kl_of(report: FilmGrades) -> KLGrade:
    assert report.refusal is None, report.refusal
    kl = report.knees[0].kl
    assert kl is not None
    return kl


def code_of(report: FilmGrades) -> ReasonCode:
    assert report.refusal is not None
    assert report.knees == ()
    return report.refusal.code


def test_a_knee_is_graded_with_its_box_side_and_heat_map(grader: KneeGrader, knee: Radiograph) -> None:
    report = grader.grade(knee)
    found = report.knees[0]
    kl = kl_of(report)
    assert sum(kl.probabilities) == pytest.approx(1)
    assert found.side is Side.RIGHT
    assert found.box is not None
    assert found.box.width == pytest.approx(knee.pixels.shape[1], rel=0.12)
    assert found.centre is not None
    assert found.plateau_width_px == pytest.approx(0.82 * found.box.width, rel=1e-6)
    assert found.heat_map is not None
    assert 0 <= found.heat_map.min() <= found.heat_map.max() <= 1
    assert report.release.sha256 == grader.release.sha256


def test_severe_phantoms_grade_higher_than_healthy_ones(grader: KneeGrader) -> None:
    # Seeds whose phantoms pass the gate; it refuses others for not looking real enough.
    seeds = {0: (2, 7), 4: (1, 2)}

    def expected(grade: int) -> float:
        phantoms = [make_phantom(PhantomSpec(side=Side.RIGHT, grade=grade, seed=seed)) for seed in seeds[grade]]
        return float(np.mean([kl_of(grader.grade(film(phantom.pixels))).expected for phantom in phantoms]))

    assert expected(4) > expected(0) + 1


def test_a_left_knee_gets_the_grade_of_its_mirror_image(grader: KneeGrader, knee: Radiograph) -> None:
    mirrored = film(np.ascontiguousarray(knee.pixels[:, ::-1]), Side.LEFT)
    right, left = grader.grade(knee), grader.grade(mirrored)
    assert (right.knees[0].side, left.knees[0].side) == (Side.RIGHT, Side.LEFT)
    # The finder's places of a picture and its mirror image differ by a pixel or so.
    assert kl_of(left).probabilities == pytest.approx(kl_of(right).probabilities, abs=0.1)
    heat = right.knees[0].heat_map
    other = left.knees[0].heat_map
    assert heat is not None
    assert other is not None
    assert np.corrcoef(other.ravel(), heat[:, ::-1].ravel())[0, 1] > 0.9


def test_inverted_grey_values_do_not_change_the_grade(grader: KneeGrader, knee: Radiograph) -> None:
    inverted = replace(knee, pixels=1 - knee.pixels)
    assert kl_of(grader.grade(inverted)).probabilities == pytest.approx(
        kl_of(grader.grade(knee)).probabilities, abs=0.1
    )


@pytest.mark.parametrize("side", [Side.RIGHT, Side.LEFT])
def test_without_tag_and_marker_the_picture_tells_the_side(grader: KneeGrader, side: Side) -> None:
    phantom = make_phantom(PhantomSpec(side=side, grade=3, seed=7, marker=False))
    found = grader.grade(film(phantom.pixels, Side.UNKNOWN)).knees[0]
    assert (found.side, found.side_source) == (side, SideSource.PICTURE)


@pytest.mark.parametrize("side", [Side.RIGHT, Side.LEFT])
def test_a_marker_that_contradicts_the_tag_is_noticed(grader: KneeGrader, side: Side) -> None:
    other = Side.LEFT if side is Side.RIGHT else Side.RIGHT
    phantom = make_phantom(PhantomSpec(side=side, grade=3, seed=7))
    found = grader.grade(film(phantom.pixels, other)).knees[0]
    assert SIDE_CONFLICT in found.flags


def test_the_json_has_the_contract_s_names(grader: KneeGrader, knee: Radiograph) -> None:
    report = grader.grade(knee).to_json()
    assert list(report) == ["schema_version", "film", "release", "refusal", "flags", "knees", "seconds"]
    knees = report["knees"]
    assert isinstance(knees, list)
    assert isinstance(knees[0], dict)
    contract = {
        "side",
        "side_source",
        "centre",
        "plateau_width_px",
        "angle_degrees",
        "confidence",
        "box",
        "refusal",
        "flags",
        "kl",
    }
    assert contract | {"joint_space"} == set(knees[0])


def test_a_file_that_cannot_be_read_is_a_report_too(grader: KneeGrader, tmp_path: Path) -> None:
    assert code_of(grader.grade_file(tmp_path / "none.dcm")) is ReasonCode.UNREADABLE_FILE


def test_the_same_film_from_many_threads_gives_the_same_grade(grader: KneeGrader, tmp_path: Path) -> None:
    path = write_phantom(PhantomSpec(side=Side.LEFT, grade=2, seed=1), tmp_path / "film.dcm")
    alone = kl_of(grader.grade_file(path)).probabilities
    found: list[KLGrade] = []
    threads = [threading.Thread(target=lambda: found.append(kl_of(grader.grade_file(path)))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    for kl in found:
        assert kl.probabilities == pytest.approx(alone, abs=1e-6)


def test_cuda_asked_for_and_absent_warns_and_runs_on_the_processor(
    knee: Radiograph, grader: KneeGrader, caplog: pytest.LogCaptureFixture
) -> None:
    import onnxruntime

    assert "CUDAExecutionProvider" not in onnxruntime.get_available_providers()
    with caplog.at_level(logging.WARNING):
        other = KneeGrader.load(device="cuda")
    assert "CUDA was asked for" in caplog.text
    assert other.session.device == "cpu"
    assert kl_of(other.grade(knee)).probabilities == pytest.approx(kl_of(grader.grade(knee)).probabilities, abs=1e-5)


def test_reading_keeps_the_object_s_side(tmp_path: Path) -> None:
    path = write_phantom(PhantomSpec(side=Side.LEFT, grade=2, seed=1), tmp_path / "film.dcm")
    radiograph = read_radiograph(path)
    assert (radiograph.side, radiograph.side_source) == (Side.LEFT, SideSource.TAG)
