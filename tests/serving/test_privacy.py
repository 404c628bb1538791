"""A patient whose name stands everywhere in the films, and nowhere else: a real service is asked and then searched."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pydicom
import pytest
from PIL import Image, PngImagePlugin
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import UID
from tests.hostile.bases import base
from tests.serving.server import Server, until
from tests.serving.service_films import ABORTS, write_treacherous

NAME, NUMBER, BIRTH = "QUIJANO^ALONSO", "MRN-7734012", "19470929"
PATIENT = ("QUIJANO", "ALONSO", "7734012", BIRTH)
"""May stand in the films alone, and in the answer to whoever names a part so."""
UIDS = "3680043.9.77777."
"""May stand in films, database, audit trail and answers, which must name studies; not in logs, metrics, errors."""


def marked(film: Dataset, number: int) -> Dataset:
    """The patient in the tags that are meant for it, and in those that are not."""
    film.PatientName, film.PatientID, film.PatientBirthDate = NAME, NUMBER, BIRTH
    film.OtherPatientNames, film.PatientAddress, film.PatientComments = NAME, NAME, f"{NAME} {NUMBER} {BIRTH}"
    film.AccessionNumber, film.StudyID, film.InstitutionName = NUMBER, NUMBER, NAME
    film.StudyDescription = film.SeriesDescription = film.ProtocolName = f"Knee {NAME}"
    film.ImageComments, film.OperatorsName, film.StationName = f"{NAME} {BIRTH}", NAME, "QUIJANO"
    film.ReferringPhysicianName = film.PerformingPhysicianName = NAME
    film.ContentDescription, film.ContentCreatorName = NAME, NAME
    film.StudyInstanceUID, film.SeriesInstanceUID = (UID(f"1.2.826.0.1.{UIDS}{number}.{n}") for n in (1, 2))
    film.SOPInstanceUID = film.file_meta.MediaStorageSOPInstanceUID = UID(f"1.2.826.0.1.{UIDS}{number}.3")
    film.file_meta.SourceApplicationEntityTitle = "QUIJANO"
    block = film.private_block(0x0009, "QUIJANO", create=True)
    block.add_new(1, "LO", NAME)
    block.add_new(2, "OB", NAME.encode())
    request = Dataset()
    request.PatientName, request.RequestedProcedureDescription = NAME, NAME
    film.RequestAttributesSequence = Sequence([request])
    film.preamble = f"{NAME} {NUMBER} {BIRTH}".encode().ljust(128, b"\0")
    return film


def saved(film: Dataset) -> bytes:
    stream = io.BytesIO()
    film.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def lying(film: Dataset, number: int, **tags: str) -> bytes:
    """The patient where a code is expected."""
    marked(film, number)
    with pydicom.config.disable_value_validation():
        for keyword, value in tags.items():
            setattr(film, keyword, value)
        return saved(film)


def picture(number: int) -> bytes:
    """A PNG with the patient in its texts."""
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Author", f"{NAME} {NUMBER}")
    stream = io.BytesIO()
    Image.effect_noise((400, 400 + number), 60).save(stream, "PNG", pnginfo=texts)
    return stream.getvalue()


def films(folder: Path) -> dict[str, bytes]:
    """By what is special about them."""

    def read() -> Dataset:
        return pydicom.dcmread(io.BytesIO(base("knee R 1.2.840.10008.1.2.1").content))

    good = saved(marked(read(), 1))
    crash = pydicom.dcmread(write_treacherous(folder / "crash.dcm", ABORTS))
    return {
        "good": good,
        "hand": lying(read(), 2, BodyPartExamined="HAND"),
        "crash": saved(marked(crash, 3)),
        "cut": saved(marked(read(), 4))[:-5000],
        "long": saved(marked(read(), 5)).replace(b"\x28\x00\x10\x00US\x02\x00", b"\x28\x00\x10\x00US\xff\xff", 1),
        "nonsense": f"Dear colleague, {NAME}, {NUMBER}, born {BIRTH}".encode(),
        "picture": picture(6),
        "codes": lying(
            read(), 7, Modality="QUIJANO", BodyPartExamined="QUIJANO", ViewPosition="QUIJANO", PatientOrientation="Q"
        ),
        "sides": lying(read(), 8, ImageLaterality="QUIJANO", Laterality="QUIJANO", SoftwareVersions="QUIJANO"),
        "pixels": lying(read(), 9, PhotometricInterpretation="QUIJANO"),
        "spacing": lying(read(), 10, PixelSpacingCalibrationType="QUIJANO", PresentationIntentType="QUIJANO"),
        "times": lying(read(), 11, AcquisitionDate="QUIJANO", AcquisitionTime="QUIJANO", ContentDate="QUIJANO"),
        "class": lying(read(), 12, SOPClassUID=f"1.2.826.0.1.{UIDS}12.9"),
        "other pixels": good[:-2] + bytes([good[-2] ^ 1]) + good[-1:],
    }


@dataclass(frozen=True, slots=True)
class Run:
    """What a run with such films has left.

    Attributes:
        data: the data folder.
        log: stdout and stderr.
        metrics: the last page of them.
        errors: bodies of answers that are errors, and the refusals in reports and in those of PS3.18.
        told: studies, events and dead letters as the service tells them.
        temporary: its folder of temporary files.
    """

    data: Path
    log: str
    metrics: str
    errors: list[str]
    told: list[str]
    temporary: Path


def wrong_questions(server: Server) -> Iterator[httpx.Response]:
    """Questions that quote the patient where something else is expected."""
    ask, uid = server.client, f"1.2.826.0.1.{UIDS}99"
    yield ask.get(f"/v1/studies/{uid}")
    yield ask.get(f"/v1/studies/{NAME}")
    yield ask.get(f"/{NAME}/{NUMBER}")
    yield ask.get("/v1/studies", params={"source": NAME, "state": NAME, "order": NUMBER, "limit": BIRTH})
    yield ask.get(f"/v1/studies/{uid}/films/{'a' * 40}/film.png")
    yield ask.get("/v1/studies", headers={"X-API-Key": NAME})
    yield ask.get("/v1/studies", headers={"Authorization": f"Bearer {NAME}"})
    yield ask.get("/v1/studies", headers={"Host": "quijano.example"})
    yield ask.post(f"/v1/studies/{uid}/corrections", json={"side": NAME, "reader": NAME, "grade": NAME, NUMBER: 1})
    yield ask.post(f"/v1/studies/{uid}/corrections", content=f"{{{NAME}".encode())
    yield ask.post("/v1/grade", content=b"x", headers={"Content-Type": f"text/{NUMBER}"})
    yield ask.post("/v1/grade", content=NAME, headers={"Content-Type": f"multipart/form-data; boundary={NUMBER}"})
    yield ask.post("/v1/grade", params={"side": NAME, "spacing_mm": NUMBER}, content=b"x")
    yield ask.request(NUMBER, "/v1/grade")


def refusals(report: dict[str, object]) -> Iterator[str]:
    """All that a report says in words."""
    knees = report["knees"]
    for part in (report, *(knees if isinstance(knees, list) else ())):
        yield json.dumps([part["refusal"], part["flags"]])


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("privacy")
    (folder / "tmp").mkdir()
    sent = films(folder)
    errors: list[str] = []
    program = (str(Path(__file__).with_name("treacherous_server.py")),)
    environment = {"TMPDIR": str(folder / "tmp"), "KNEEOA_LOG_LEVEL": "DEBUG", "KNEEOA_QUEUE__BACKOFF_SECONDS": "0.01"}
    with Server(folder / "data", environment, program) as server:
        for film in sent.values():
            stored = server.stow(film).json()
            errors.append(json.dumps([stored.get("0008119A"), stored.get("status")]))
        parts = [("film", (f"{NAME} {NUMBER} {BIRTH}.dcm", film)) for film in sent.values()]
        for report in server.client.post("/v1/grade", files=parts).json():
            errors += refusals(report)
        errors += [answer.text for answer in wrong_questions(server) if answer.is_error]
        assert len(errors) >= len(sent) * 2 + 10
        until(lambda: server.waiting() == 0)
        listed = server.client.get("/v1/studies", params={"limit": 200}).json()["studies"]
        told = [server.client.get(f"/v1/studies/{line['study_uid']}").text for line in listed]
        told += [server.client.get(path).text for path in ("/v1/studies", "/v1/dead-letters", "/v1/corrections")]
        count = len(listed)
        told.append(server.client.get("/v1/events", params={"most": count}, headers={"Last-Event-ID": "0"}).text)
        dead = server.client.get("/v1/dead-letters").json()
        assert [letter["reason"] for letter in dead] == ["decoder_crashed"]
        metrics = server.client.get("/metrics").text
    return Run(server.data, server.log.read_text(), metrics, errors, told, folder / "tmp")


def found(marks: tuple[str, ...], text: str | bytes) -> list[str]:
    raw = (text if isinstance(text, bytes) else text.encode()).lower()
    return [mark for mark in marks if mark.lower().encode() in raw]


def test_neither_logs_nor_metrics_nor_errors_name_a_patient_or_a_film(run: Run) -> None:
    assert '"event": "request"' in run.log
    assert '"event": "film_failed"' in run.log
    assert all(line.startswith("{") for line in run.log.splitlines())
    for line in [*run.log.splitlines(), *run.metrics.splitlines(), *run.errors]:
        assert not found((*PATIENT, UIDS), line), line


def test_what_the_service_tells_of_studies_does_not_name_the_patient(run: Run) -> None:
    assert any(UIDS in text for text in run.told)
    for text in run.told:
        assert not found(PATIENT, text), text


def test_no_file_is_named_after_a_patient_or_a_film_and_none_is_left_over(run: Run) -> None:
    for place in (*run.data.rglob("*"), *run.temporary.rglob("*")):
        assert not found((*PATIENT, UIDS), str(place.relative_to(run.data.parent))), place
    assert not [path for path in run.temporary.rglob("*") if path.is_file()]
    for folder in ("incoming", "uploads"):
        assert not [path for path in (run.data / folder).rglob("*") if path.is_file()]


def test_the_patient_stands_in_the_films_alone(run: Run) -> None:
    originals = run.data / "films"
    named = {path for path in run.data.rglob("*") if path.is_file() and found(PATIENT, path.read_bytes())}
    assert named
    assert {path for path in named if originals not in path.parents} == set()


def test_the_records_of_the_work_hold_ids_and_no_uids(run: Run) -> None:
    records = [path for path in run.data.glob("work.sqlite*") if path.is_file()]
    assert records
    for path in records:
        assert not found((*PATIENT, UIDS), path.read_bytes()), path.name
