"""DICOM and FHIR results: what they say, whose they are, that other people's software takes them."""

from __future__ import annotations

import json
import warnings
from io import BytesIO
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pydicom
import pytest
from fhir.resources.R4B.bundle import Bundle
from pydicom import Dataset
from tests.serving.results.made import (
    COLUMNS,
    RELEASE,
    ROWS,
    SOP_UID,
    STUDY_UID,
    graded_film,
    refused_film,
    write_small_film,
)

from kneeoa.model.errors import ConfigError, ReasonCode
from kneeoa.model.grades import FilmGrades
from kneeoa.serving.results.codes import SCHEME, default_codes, load_codes
from kneeoa.serving.results.objects import Form, Request, pack, result_objects, unpack
from kneeoa.serving.results.read_report import film_grades
from kneeoa.serving.results.source_film import NoSourceError

ALL = tuple(Form)
PIXELS = np.tile(np.linspace(0, 1, COLUMNS, dtype=np.float32), (ROWS, 1))


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small_film(tmp_path_factory.mktemp("film") / "film.dcm")


@pytest.fixture(scope="module")
def graded(film: Path) -> dict[Form, bytes]:
    return result_objects(film, graded_film(), PIXELS, Request(ALL, made=1_700_000_000.0))


@pytest.fixture(scope="module")
def refused(film: Path) -> dict[Form, bytes]:
    return result_objects(film, refused_film(), PIXELS, Request(ALL, made=1_700_000_000.0))


def read(content: bytes) -> Dataset:
    return pydicom.dcmread(BytesIO(content))


def groups(report: Dataset) -> list[Dataset]:
    measurements = [i for i in report.ContentSequence if i.ConceptNameCodeSequence[0].CodeValue == "126010"]
    return list(measurements[0].ContentSequence)


def told(group: Dataset, kind: str) -> list[tuple[str, str]]:
    """(name, value) of a group's codes or numbers, in their order."""
    found = []
    for item in group.ContentSequence:
        if item.ValueType != kind:
            continue
        name = item.ConceptNameCodeSequence[0].CodeValue
        value = item.ConceptCodeSequence[0].CodeValue if kind == "CODE" else item.MeasuredValueSequence[0].NumericValue
        found.append((name, str(value)))
    return found


def unit(group: Dataset, name: str) -> str:
    items = [i for i in group.ContentSequence if i.ConceptNameCodeSequence[0].CodeValue == name]
    return str(items[0].MeasuredValueSequence[0].MeasurementUnitsCodeSequence[0].CodeValue)


def test_a_knee_is_told_by_code_and_by_number_and_the_grade_is_the_first_number(graded: dict[Form, bytes]) -> None:
    right, left = groups(read(graded[Form.STRUCTURED_REPORT]))
    assert told(right, "NUM")[0] == ("KL", "2.0")
    assert told(left, "NUM")[0] == ("KL", "3.0")
    assert [name for name, _ in told(right, "NUM")[:5]] == ["KL", "OA-PROB", "JSW-MIN-M", "JSW-MIN-L", "KL-EXPECTED"]
    assert ("KL", "KL-2") in told(right, "CODE")
    codes, numbers = dict(told(right, "CODE")), dict(told(right, "NUM"))
    assert (codes["STATUS"], codes["JSN-M"], codes["JSN-BORDER-M"]) == ("GRADED", "JSN-1", "YES")
    assert codes["USE"] == "NOT-SOLE"
    assert [float(numbers[f"KL-PROB-{i}"]) for i in range(5)] == [0.05, 0.15, 0.62, 0.16, 0.02]
    widths = {"JSW-MIN-M": 3.6, "JSWP-M-0.200": 3.7, "JSWF-M-0.225": 3.8, "JSW-MIN-L": 5.0}
    assert {name: float(numbers[name]) for name in widths} == widths
    assert {unit(right, name) for name in widths} == {"mm"}
    assert unit(right, "JSW-PCT-M") == "%"
    # A viewer that leaves a 0 out shows the unit: it must not look like a number.
    assert (unit(right, "KL"), unit(right, "OA-PROB"), unit(right, "JSN-PROB-0-M")) == ("{grade}", "{ratio}", "{ratio}")
    assert [v for name, v in told(right, "CODE") if name == "FLAG"] == ["F-SIDE-HANGING", "F-OTHER", "F-NO-WINDOW"]
    assert ("JSW-REASON-L", "NO-CONTRAST") in told(left, "CODE")
    assert "JSW-MIN-L" not in dict(told(left, "NUM"))


def test_every_group_has_its_place_its_side_and_the_release_that_made_it(graded: dict[Form, bytes]) -> None:
    report = read(graded[Form.STRUCTURED_REPORT])
    sides = []
    for group in groups(report):
        by_type: dict[str, list[Dataset]] = {}
        for item in group.ContentSequence:
            by_type.setdefault(item.ValueType, []).append(item)
        place = by_type["SCOORD"][0]
        assert place.GraphicType == "POLYLINE"
        points = np.reshape(place.GraphicData, (-1, 2))
        assert (points[0] == points[-1]).all()
        assert (points >= 0).all()
        assert (points <= (COLUMNS, ROWS)).all()
        assert place.ContentSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID == SOP_UID
        assert any(RELEASE.sha256 in item.TextValue for item in by_type["TEXT"])
        site = next(i for i in by_type["CODE"] if i.ConceptCodeSequence[0].CodeValue == "49076000")
        sides.append(site.ContentSequence[0].ConceptCodeSequence[0].CodeValue)
        picture = by_type["IMAGE"][0]
        assert picture.ConceptNameCodeSequence[0].CodeValue == "130401"
        capture = read(graded[Form.SECONDARY_CAPTURE])
        assert picture.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == capture.SOPInstanceUID
    assert sides == ["24028007", "7771000"]


@pytest.mark.parametrize("code", list(ReasonCode))
def test_a_refused_film_says_so_in_codes(film: Path, code: ReasonCode) -> None:
    made = result_objects(film, refused_film(code), None, Request((Form.STRUCTURED_REPORT, Form.FHIR)))
    (group,) = groups(read(made[Form.STRUCTURED_REPORT]))
    codes = dict(told(group, "CODE"))
    assert codes["STATUS"] == "REFUSED"
    assert codes["REASON"] == default_codes()[f"reason_{code.value}"].value
    assert told(group, "NUM") == []
    assert resources(made[Form.FHIR])[2]["valueCodeableConcept"]["coding"][0]["code"] == "REFUSED"


def test_a_film_whose_size_is_unknown_has_a_result_too(tmp_path: Path) -> None:
    path = write_small_film(tmp_path / "film.dcm")
    film = pydicom.dcmread(path)
    del film.Rows, film.Columns
    film.save_as(path)
    grades = refused_film(ReasonCode.BAD_GEOMETRY).to_json()
    assert isinstance(grades["film"], dict)
    grades["film"] |= {"rows": None, "columns": None}
    made = result_objects(path, film_grades(grades), None, Request(ALL))
    assert set(made) == {Form.STRUCTURED_REPORT, Form.FHIR}
    assert dict(told(groups(read(made[Form.STRUCTURED_REPORT]))[0], "CODE"))["STATUS"] == "REFUSED"


def test_the_same_film_and_release_give_the_same_bytes_and_another_release_other_uids(
    film: Path, graded: dict[Form, bytes]
) -> None:
    again = result_objects(film, graded_film(), PIXELS, Request(ALL, made=1_700_000_000.0))
    assert again == graded
    newer = film_grades(graded_film().to_json() | {"release": {"name": "n", "sha256": "cd" * 32, "software": "0.0.1"}})
    other = result_objects(film, newer, PIXELS, Request(ALL, made=1_700_000_000.0))
    for form in (Form.STRUCTURED_REPORT, Form.SECONDARY_CAPTURE):
        one, two = read(graded[form]), read(other[form])
        assert one.StudyInstanceUID == two.StudyInstanceUID == STUDY_UID
        assert one.SOPInstanceUID != two.SOPInstanceUID
        assert one.SeriesInstanceUID != two.SeriesInstanceUID


@pytest.mark.parametrize(
    ("character_set", "name"),
    [
        ("ISO_IR 100", "Müller^Jürgen"),
        ("ISO_IR 144", "\u041b\u044e\u043a^\u0418\u0432\u0430\u043d"),
        ("ISO_IR 192", "Wang^XiaoDong=王^小东"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
    ],
)
def test_the_patient_is_copied_byte_for_byte_in_the_films_character_set(
    tmp_path: Path, character_set: str | list[str], name: str
) -> None:
    path = write_small_film(
        tmp_path / "film.dcm", SpecificCharacterSet=character_set, PatientName=name, IssuerOfPatientID="Klinik"
    )
    made = result_objects(path, graded_film(), PIXELS, Request(ALL))
    source = pydicom.dcmread(path)
    for form in (Form.STRUCTURED_REPORT, Form.SECONDARY_CAPTURE):
        result = read(made[form])
        for keyword in ("SpecificCharacterSet", "PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate"):
            assert result[keyword].value == source[keyword].value, keyword
        for keyword in ("PatientSex", "AccessionNumber", "StudyDate", "StudyID", "ReferringPhysicianName"):
            assert result[keyword].value == source[keyword].value, keyword
        assert str(result.PatientName) == name


def test_a_header_with_values_that_are_not_valid_still_has_its_result(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = write_small_film(
            tmp_path / "film.dcm", PatientBirthDate="unknown", PatientSex="FEMALE", StudyTime="noon", PatientID="x" * 90
        )
        made = result_objects(path, graded_film(), PIXELS, Request(ALL))
        assert read(made[Form.STRUCTURED_REPORT]).PatientBirthDate == "unknown"
        assert read(made[Form.SECONDARY_CAPTURE]).PatientID == "x" * 90


def test_the_capture_fits_a_monitor_and_says_that_it_is_marked(graded: dict[Form, bytes]) -> None:
    capture = read(graded[Form.SECONDARY_CAPTURE])
    assert capture.SOPClassUID == "1.2.840.10008.5.1.4.1.1.7"
    assert capture.Rows <= 1500
    assert capture.pixel_array.shape == (capture.Rows, capture.Columns, 3)
    assert (capture.BurnedInAnnotation, capture.ImageLaterality, capture.BodyPartExamined) == ("YES", "B", "KNEE")
    assert capture.SourceImageSequence[0].ReferencedSOPInstanceUID == SOP_UID
    amber = (np.abs(capture.pixel_array.astype(int) - (255, 176, 32)).sum(axis=2) < 30).mean()
    assert amber > 0.003  # frames, grades and the mark of the AI


def test_what_is_written_is_read_by_highdicom_and_holds_pydicoms_strict_rules(graded: dict[Form, bytes]) -> None:
    before = pydicom.config.settings.reading_validation_mode
    pydicom.config.settings.reading_validation_mode = pydicom.config.RAISE
    try:
        report, capture = read(graded[Form.STRUCTURED_REPORT]), read(graded[Form.SECONDARY_CAPTURE])
        assert len(list(report.iterall())) > 500
        assert len(list(capture.iterall())) > 50
    finally:
        pydicom.config.settings.reading_validation_mode = before
    again = highdicom.sr.ComprehensiveSR.from_dataset(read(graded[Form.STRUCTURED_REPORT]))
    found = highdicom.sr.MeasurementReport.from_sequence(again.content)
    assert len(found.get_planar_roi_measurement_groups()) == 2


def resources(bundle: bytes) -> list[dict[str, Any]]:
    """The resources of a Bundle, after the models have found nothing wrong with it."""
    Bundle.model_validate_json(bundle)
    return [entry["resource"] for entry in json.loads(bundle)["entry"]]


def test_the_bundle_tells_grade_width_side_and_patient(graded: dict[Form, bytes]) -> None:
    report, device, *observations = resources(graded[Form.FHIR])
    assert report["subject"]["identifier"]["value"] == "P-1"
    assert report["status"] == "preliminary"
    assert "Not for sole diagnosis" in report["conclusion"]
    assert device["serialNumber"] == RELEASE.sha256
    knees = [o for o in observations if "hasMember" in o]
    assert [knee["valueCodeableConcept"]["coding"][0]["code"] for knee in knees] == ["KL-2", "KL-3"]
    assert knees[0]["component"][0]["valueCodeableConcept"]["coding"][0]["code"] == "24028007"
    widths = [o["valueQuantity"] for o in observations if "valueQuantity" in o]
    assert [(width["value"], width["code"]) for width in widths] == [(3.6, "mm"), (5.0, "mm"), (3.6, "mm")]
    assert [o["dataAbsentReason"]["coding"][0]["code"] for o in observations if "dataAbsentReason" in o] == [
        "not-performed"
    ]
    ids = {f"urn:uuid:{o['id']}" for o in observations}
    assert {member["reference"] for knee in knees for member in knee["hasMember"]} <= ids


def test_a_site_names_its_own_codes_and_the_result_is_then_another_object(
    tmp_path: Path, film: Path, graded: dict[Form, bytes]
) -> None:
    codes = tmp_path / "codes.yaml"
    codes.write_text(
        "kl_grade: {value: 'X1', scheme: 99SITE, meaning: Kellgren}\n"
        "fixed_femur_medial_0.225: {value: 'X2', scheme: 99SITE, meaning: fJSW}\n"
    )
    made = result_objects(film, graded_film(), PIXELS, Request((Form.STRUCTURED_REPORT,), str(codes)))
    report = read(made[Form.STRUCTURED_REPORT])
    names = dict(told(groups(report)[0], "NUM"))
    assert (names["X1"], float(names["X2"])) == ("2.0", 3.8)
    assert report.SOPInstanceUID != read(graded[Form.STRUCTURED_REPORT]).SOPInstanceUID


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("kl_garde: {value: 'X', scheme: S, meaning: M}", "kl_garde"),
        ("kl_grade: {value: 'X', meaning: M}", "kl_grade.scheme"),
        ("kl_grade: {value: 'a value of too many letters', scheme: S, meaning: M}", "kl_grade.value"),
        ("- one", "dictionary"),
    ],
)
def test_a_fault_in_a_sites_codes_is_told_by_its_key(tmp_path: Path, text: str, named: str) -> None:
    path = tmp_path / "codes.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=named):
        load_codes(path)


def test_codes_are_short_enough_for_dicom_and_each_names_one_thing() -> None:
    concepts = list(default_codes().concepts.values())
    assert all(len(c.value) <= 16 and len(c.meaning) <= 64 and c.scheme == SCHEME for c in concepts)
    assert len({c.value for c in concepts}) == len(concepts)
    assert {f"reason_{code.value}" for code in ReasonCode} <= set(default_codes().concepts)


def test_a_kept_report_is_read_back_whole() -> None:
    for grades in (graded_film(), refused_film()):
        kept: FilmGrades = film_grades(grades.to_json())
        assert kept.to_json() == grades.to_json()


def test_a_picture_has_no_dicom_result(tmp_path: Path) -> None:
    path = tmp_path / "film.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(200))
    with pytest.raises(NoSourceError, match="UIDs"):
        result_objects(path, graded_film(), PIXELS, Request(ALL))


def test_packed_forms_are_unpacked_and_a_cut_message_is_refused(graded: dict[Form, bytes]) -> None:
    part = {Form.FHIR: graded[Form.FHIR]}
    assert unpack(pack(part, ALL), ALL) == part
    with pytest.raises(ValueError, match="not as long"):
        unpack(pack(graded, ALL)[:-1], ALL)
