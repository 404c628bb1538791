"""The whole road on phantoms: grades where there is one knee, reasons where there is not."""

from __future__ import annotations

import logging
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kneeoa.datasets.phantom import PhantomSpec, make_phantom, write_phantom
from kneeoa.model.dicom import read_radiograph
from kneeoa.model.errors import ReasonCode
from kneeoa.model.grader import SIDE_UNKNOWN, KneeGrader
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
    assert found.box.width == knee.pixels.shape[1]
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
    assert kl_of(left).probabilities == pytest.approx(kl_of(right).probabilities, abs=1e-5)
    heat = right.knees[0].heat_map
    other = left.knees[0].heat_map
    assert heat is not None
    assert other is not None
    assert np.allclose(other, heat[:, ::-1], atol=1e-4)


def test_inverted_grey_values_do_not_change_the_grade(grader: KneeGrader, knee: Radiograph) -> None:
    inverted = replace(knee, pixels=1 - knee.pixels)
    assert kl_of(grader.grade(inverted)).probabilities == pytest.approx(
        kl_of(grader.grade(knee)).probabilities, abs=1e-3
    )


def test_an_unknown_side_stays_unknown_and_is_flagged(grader: KneeGrader, knee: Radiograph) -> None:
    report = grader.grade(film(knee.pixels, Side.UNKNOWN))
    assert kl_of(report).probabilities == pytest.approx(kl_of(grader.grade(knee)).probabilities, abs=1e-5)
    assert report.knees[0].side is Side.UNKNOWN
    assert report.knees[0].side_source is SideSource.NONE
    assert SIDE_UNKNOWN in report.knees[0].flags


def two_knees(pixels: FloatImage) -> FloatImage:
    """A square film with two knees on it."""
    return np.pad(np.concatenate([pixels, pixels[:, ::-1]], axis=1), ((512, 512), (0, 0)), mode="edge")


@pytest.mark.parametrize("angle", [1, 2, 3])
def test_a_knee_on_its_side_or_head_is_refused(grader: KneeGrader, knee: Radiograph, angle: int) -> None:
    turned = film(np.ascontiguousarray(np.rot90(knee.pixels, angle)))
    assert code_of(grader.grade(turned)) is ReasonCode.NEEDS_LOCALISATION


def test_a_square_film_of_two_knees_is_refused(grader: KneeGrader, knee: Radiograph) -> None:
    assert code_of(grader.grade(film(two_knees(knee.pixels)))) is ReasonCode.NEEDS_LOCALISATION


def test_a_knee_that_fills_a_third_of_the_film_is_refused(grader: KneeGrader, knee: Radiograph) -> None:
    small = np.pad(knee.pixels[::2, ::2], 512, mode="edge")
    assert code_of(grader.grade(film(small))) is ReasonCode.NEEDS_LOCALISATION


@pytest.mark.parametrize("seed", range(5))
def test_noise_is_refused(grader: KneeGrader, seed: int) -> None:
    coarse = np.random.default_rng(seed).random((2 ** (seed + 2), 2 ** (seed + 2))).astype(np.float32)
    picture = np.asarray(Image.fromarray(coarse).resize((600, 600), Image.Resampling.BICUBIC)).clip(0, 1)
    assert code_of(grader.grade(film(picture))) is ReasonCode.NEEDS_LOCALISATION


def test_the_json_has_the_contract_s_names(grader: KneeGrader, knee: Radiograph) -> None:
    report = grader.grade(knee).to_json()
    assert list(report) == ["schema_version", "film", "release", "refusal", "flags", "knees", "seconds"]
    knees = report["knees"]
    assert isinstance(knees, list)
    assert isinstance(knees[0], dict)
    contract = {"side", "side_source", "centre", "plateau_width_px", "angle_degrees", "box", "refusal", "flags", "kl"}
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
