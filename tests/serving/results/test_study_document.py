"""A study's own Structured Report: who speaks for a side, what it refers to, and what comes before it."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from pathlib import Path

import highdicom
import pydicom
import pytest
from pydicom import Dataset
from tests.serving.results.made import RELEASE, STUDY_UID, facts, graded_knee, refused_film, write_small_film
from tests.serving.results.test_result_objects import groups, told
from tests.serving.results.validators import verdict

from kneeoa.model.errors import ReasonCode
from kneeoa.model.grades import FilmGrades
from kneeoa.model.radiograph import Side
from kneeoa.serving.pipeline.identity import capture_uid, document_series_uid
from kneeoa.serving.results.study_document import study_document
from kneeoa.serving.results.study_parts import StudyRequest, part_of
from kneeoa.serving.study import StudyFilm, study_report
from kneeoa.serving.workers.jobs import Job, Wanted

NEWER = ("newer", "ee" * 32, "0.0.2")


def film_uid(number: int) -> str:
    return f"1.2.826.0.1.3680043.8.498.11.{number}"


def grades(number: int, *knees: tuple[Side, int, float]) -> FilmGrades:
    """A film with knees of a side, a grade and a confidence each."""
    made = [
        replace(graded_knee(side, grade, 100.0 + 230 * place), confidence=confidence, flags=())
        for place, (side, grade, confidence) in enumerate(knees)
    ]
    return FilmGrades(facts(sop_instance_uid=film_uid(number)), RELEASE, None, (), tuple(made))


def request(folder: Path, films: list[FilmGrades], predecessor: tuple[str, str] | None = None) -> StudyRequest:
    """The document of these films, as the service asks for it."""
    reports = [film.to_json() for film in films]
    rows = [
        StudyFilm(f"{number:040x}", "done", "", float(number), False, f"2.25.{number + 10}", report)
        for number, report in enumerate(reports)
    ]
    joined = study_report(STUDY_UID, rows)
    parts = []
    for number, report in enumerate(reports):
        path = write_small_film(folder / f"{number:040x}.dcm", SOPInstanceUID=film_uid(number))
        parts.append(part_of(path, f"2.25.{number + 10}", 1_700_000_000.0, report, joined))
    return StudyRequest("2.25.5", 1_700_000_100.0, None, NEWER, predecessor, tuple(parts))


def read(content: bytes) -> Dataset:
    return pydicom.dcmread(BytesIO(content))


@pytest.fixture(scope="module")
def films() -> list[FilmGrades]:
    first = grades(0, (Side.RIGHT, 1, 0.7), (Side.LEFT, 2, 0.9))
    second = grades(1, (Side.RIGHT, 3, 0.95))
    refused = replace(refused_film(ReasonCode.NOT_FRONTAL), film=facts(sop_instance_uid=film_uid(2)))
    return [first, second, refused]


@pytest.fixture(scope="module")
def asked(films: list[FilmGrades], tmp_path_factory: pytest.TempPathFactory) -> StudyRequest:
    return request(tmp_path_factory.mktemp("study"), films)


@pytest.fixture(scope="module")
def made(asked: StudyRequest) -> Dataset:
    return read(study_document(asked))


def test_one_knee_speaks_for_a_side_and_the_others_are_listed(made: Dataset) -> None:
    found = []
    for group in groups(made):
        codes = dict(told(group, "CODE"))
        found.append((codes.get("KL"), codes.get("PLACE"), codes["STATUS"], "F-DISAGREE" in told_flags(group)))
    assert found == [
        ("KL-3", "HEADLINE", "GRADED", True),
        ("KL-2", "HEADLINE", "GRADED", False),
        ("KL-1", "OTHER-FILM", "GRADED", False),
        (None, None, "REFUSED", False),
    ]


def told_flags(group: Dataset) -> list[str]:
    return [value for name, value in told(group, "CODE") if name == "FLAG"]


def test_it_refers_to_every_film_and_to_its_picture(made: Dataset) -> None:
    evidence = [
        *made.get("CurrentRequestedProcedureEvidenceSequence", ()),
        *made.get("PertinentOtherEvidenceSequence", ()),
    ]
    referred = {
        str(item.ReferencedSOPInstanceUID)
        for study in evidence
        for series in study.ReferencedSeriesSequence
        for item in series.ReferencedSOPSequence
    }
    pictures = {capture_uid(f"2.25.{number + 10}") for number in range(3)}
    assert referred == {film_uid(number) for number in range(3)} | pictures
    for group in groups(made)[:3]:
        (place,) = (item for item in group.ContentSequence if item.ValueType == "SCOORD")
        assert place.ContentSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID in referred
    assert groups(made)[0].ContentSequence


def test_it_is_the_patients_and_of_what_was_running(made: Dataset, asked: StudyRequest) -> None:
    assert (made.SOPInstanceUID, made.StudyInstanceUID) == (asked.uid, STUDY_UID)
    assert made.SeriesInstanceUID == document_series_uid(STUDY_UID, NEWER[1])
    assert (made.PatientID, made.AccessionNumber) == ("P-1", "A-77")
    assert "newer" in made.SoftwareVersions
    assert "PredecessorDocumentsSequence" not in made
    again = highdicom.sr.ComprehensiveSR.from_dataset(made)
    measured = highdicom.sr.MeasurementReport.from_sequence(again.content)
    assert len(measured.get_planar_roi_measurement_groups()) == 4


def test_a_later_one_names_the_one_before_and_lies_in_its_series(films: list[FilmGrades], tmp_path: Path) -> None:
    later = read(study_document(request(tmp_path, films[:2], ("2.25.4", NEWER[1]))))
    (study,) = later.PredecessorDocumentsSequence
    (series,) = study.ReferencedSeriesSequence
    (item,) = series.ReferencedSOPSequence
    assert item.ReferencedSOPInstanceUID == "2.25.4"
    assert series.SeriesInstanceUID == later.SeriesInstanceUID


def test_the_same_request_gives_the_same_bytes_also_through_a_workers_pipe(asked: StudyRequest) -> None:
    through = Job.from_bytes(Job("", Wanted.STUDY, study=asked).to_bytes()).study
    assert through == asked
    assert study_document(asked) == study_document(asked)


@pytest.mark.parametrize("program", ["dciodvfy", "dsrdump"])
def test_independent_validators_find_no_error(films: list[FilmGrades], tmp_path: Path, program: str) -> None:
    path = tmp_path / "study.dcm"
    path.write_bytes(study_document(request(tmp_path, films, ("2.25.4", NEWER[1]))))
    assert verdict(program, path).errors == ()
