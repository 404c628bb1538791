"""What tells one film from another."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.uid import DeflatedExplicitVRLittleEndian
from tests.serving.pipeline.many_films import with_other_patient, with_other_pixels, write_films

from kneeoa.model.errors import FilmError
from kneeoa.serving.pipeline.identity import identify, made_uid, result_id


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_films(tmp_path_factory.mktemp("identity"), 1)[0]


def test_a_film_is_its_sop_instance_uid(film: Path) -> None:
    found = identify(film)
    assert found.sop_uid == "1.2.826.0.1.3680043.9.99.7.0"
    assert found.study_uid == "1.2.826.0.1.3680043.9.99.8.0"
    assert found.suffix == ".dcm"
    assert found.film_id() == identify(film).film_id()
    assert len(found.film_id()) == 40


def test_a_corrected_name_leaves_the_film_the_same(film: Path, tmp_path: Path) -> None:
    assert identify(with_other_patient(film, tmp_path / "renamed.dcm")) == identify(film)


def test_other_pixels_under_one_uid_are_another_film(film: Path, tmp_path: Path) -> None:
    first, second = identify(film), identify(with_other_pixels(film, tmp_path / "other.dcm"))
    assert first.sop_uid == second.sop_uid
    assert first.pixels_sha256 != second.pixels_sha256
    assert first.film_id() == second.film_id() != second.film_id(reused=True)


def test_a_picture_is_its_bytes(tmp_path: Path) -> None:
    grey = np.random.default_rng(1).integers(0, 255, (40, 40)).astype(np.uint8)
    for name, other in (("a.png", grey), ("b.png", grey), ("c.png", grey.T), ("d.jpg", grey)):
        Image.fromarray(other).save(tmp_path / name)
    a, b, c, d = (identify(tmp_path / name) for name in ("a.png", "b.png", "c.png", "d.jpg"))
    assert a == b
    assert a.film_id() != c.film_id()
    assert (a.suffix, d.suffix) == (".png", ".jpg")
    assert a.sop_uid is None
    assert pydicom.uid.UID(a.study_uid).is_valid


def test_an_object_without_uids_is_its_pixels(film: Path, tmp_path: Path) -> None:
    nameless = pydicom.dcmread(film)
    del nameless.SOPInstanceUID, nameless.StudyInstanceUID
    pydicom.dcmwrite(tmp_path / "x.dcm", nameless)
    found = identify(tmp_path / "x.dcm")
    assert found.sop_uid is None
    assert found.pixels_sha256 == identify(film).pixels_sha256
    assert found.study_uid.startswith("2.25.")


@pytest.mark.parametrize(
    ("stated", "acquired"),
    [
        ({"AcquisitionDateTime": "20240131101500.5"}, "20240131101500.5"),
        ({"AcquisitionDate": "20240131", "AcquisitionTime": "101500"}, "20240131101500"),
        ({"ContentDate": "20240131"}, "20240131"),
        ({"AcquisitionDateTime": "yesterday"}, ""),
    ],
)
def test_the_time_of_acquisition_is_read_from_whatever_states_it(
    film: Path, tmp_path: Path, stated: dict[str, str], acquired: str
) -> None:
    dated = pydicom.dcmread(film)
    for name in ("AcquisitionDateTime", "AcquisitionDate", "AcquisitionTime", "ContentDate", "ContentTime"):
        if name in dated:
            delattr(dated, name)
    with pydicom.config.disable_value_validation():
        for name, value in stated.items():
            setattr(dated, name, value)
        dated.save_as(tmp_path / "dated.dcm")
    assert identify(tmp_path / "dated.dcm").acquired == acquired


def test_a_deflated_object_is_told_by_its_bytes_and_not_inflated_to_its_end(film: Path, tmp_path: Path) -> None:
    deflated = pydicom.dcmread(film)
    deflated.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    deflated.save_as(tmp_path / "deflated.dcm")
    found = identify(tmp_path / "deflated.dcm")
    assert found.sop_uid == identify(film).sop_uid
    assert found.acquired == ""


def test_what_is_no_film_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_bytes(io.BytesIO(b"no film at all").getvalue())
    with pytest.raises(FilmError, match="not_dicom"):
        identify(tmp_path / "notes.txt")


def test_a_result_is_its_film_its_release_and_the_settings_that_change_it() -> None:
    ids = {
        result_id("f", "r", {"a": 1, "b": 2}),
        result_id("f", "r", {"b": 2, "a": 1}),
        result_id("f", "s", {"a": 1, "b": 2}),
        result_id("g", "r", {"a": 1, "b": 2}),
        result_id("f", "r", {"a": 1, "b": 3}),
    }
    assert len(ids) == 4


def test_a_made_uid_is_a_valid_uid_of_the_root_for_uuids() -> None:
    made = made_uid("result", "x")
    assert made == made_uid("result", "x") != made_uid("study", "x")
    assert made.startswith("2.25.")
    assert pydicom.uid.UID(made).is_valid
