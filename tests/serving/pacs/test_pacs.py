"""The service as a DICOM node: who may send, what statuses mean, and a film's way from a modality to its results."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import pydicom
import pytest
from fastapi.testclient import TestClient
from pydicom import Dataset
from pynetdicom import AE, evt
from pynetdicom.events import Event
from pynetdicom.sop_class import ComprehensiveSRStorage, SecondaryCaptureImageStorage  # type: ignore[attr-defined]
from tests.serving.results.made import COLUMNS, ROWS, graded_film, write_small_film
from tests.serving.service_films import write_film

from kneeoa.datasets.transfer_syntax import ENCODABLE, encode
from kneeoa.model.errors import ConfigError
from kneeoa.serving.api.app import create_app
from kneeoa.serving.pacs.association import echo
from kneeoa.serving.pacs.commitment import Reports
from kneeoa.serving.pacs.store_scp import StorageScp, allowed
from kneeoa.serving.pacs.store_scu import DicomDestination
from kneeoa.serving.pipeline.admission import BusyError
from kneeoa.serving.pipeline.destinations import DeliveryError
from kneeoa.serving.pipeline.intake import Receipt, ReceiptState
from kneeoa.serving.results.objects import Form, Request, result_objects
from kneeoa.serving.settings import PacsPeer, PacsSettings, Settings, WorkerSettings
from kneeoa.serving.store.database import StoreError

LOOPBACK = "127.0.0.1"
NOBODY = Reports(lambda _uid, _kept: False)
"""Takes no reports of commitment."""
EVERYWHERE = "0.0.0.0"  # noqa: S104 - refused, never bound


class Sink:
    """An archive on loopback that answers as it is told."""

    def __init__(self, status: int = 0) -> None:
        self.status, self.stored = status, list[Dataset]()
        self.arrived = threading.Event()
        ae = AE("SINK")
        ae.add_supported_context("1.2.840.10008.1.1")
        ae.add_supported_context(ComprehensiveSRStorage)
        ae.add_supported_context(SecondaryCaptureImageStorage)
        self.ae = ae
        server = ae.start_server((LOOPBACK, 0), block=False, evt_handlers=[(evt.EVT_C_STORE, self.take)])
        assert server is not None
        self.peer = PacsPeer(ae_title="SINK", host=LOOPBACK, port=int(server.server_address[1]))

    def take(self, event: Event) -> int:
        if self.status < 0xA000:
            self.stored.append(pydicom.dcmread(BytesIO(event.encoded_dataset())))
        if len(self.stored) >= 2:
            self.arrived.set()
        return self.status


@pytest.fixture
def sink() -> Iterator[Sink]:
    archive = Sink()
    yield archive
    archive.ae.shutdown()


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    film = write_small_film(tmp_path_factory.mktemp("film") / "film.dcm")
    return [result_objects(film, graded_film(), None, Request((Form.STRUCTURED_REPORT,)))[Form.STRUCTURED_REPORT]]


def busy() -> Receipt:
    raise BusyError("queue_full", "Full.")


def broken() -> Receipt:
    raise StoreError("disk_full", "Full.")


def unforeseen() -> Receipt:
    raise RuntimeError


ANSWERS: list[tuple[Callable[[], Receipt], int]] = [
    (lambda: Receipt(ReceiptState.ACCEPTED), 0x0000),
    (lambda: Receipt(ReceiptState.DUPLICATE), 0x0000),
    (lambda: Receipt(ReceiptState.IGNORED, reason="laterals"), 0x0000),
    (lambda: Receipt(ReceiptState.UID_REUSED), 0xB000),
    (lambda: Receipt(ReceiptState.REFUSED, reason="not_dicom"), 0xC000),
    (busy, 0xA700),
    (broken, 0xA700),
    (unforeseen, 0xA700),
]


@pytest.mark.parametrize(("receive", "status"), ANSWERS)
def test_what_becomes_of_a_film_is_told_by_its_status(
    receive: Callable[[], Receipt], status: int, tmp_path: Path
) -> None:
    scp = StorageScp(PacsSettings(port=0))
    scp.start(lambda source, *, sender: receive())  # noqa: ARG005 - called by these names
    try:
        assert store(scp.port, pydicom.dcmread(write_small_film(tmp_path / "film.dcm"))) == status
    finally:
        scp.stop()


def store(port: int, film: Dataset, ae_title: str = "MODALITY") -> int | None:
    ae = AE(ae_title)
    ae.add_requested_context(film.SOPClassUID, film.file_meta.TransferSyntaxUID)
    association = ae.associate(LOOPBACK, port, ae_title="KNEEOA")
    if not association.is_established:
        return None
    answer = association.send_c_store(film)
    association.release()
    return int(answer.Status)


@pytest.mark.parametrize("syntax", sorted(ENCODABLE))
def test_a_film_is_kept_in_the_transfer_syntax_in_which_it_comes(syntax: str, tmp_path: Path) -> None:
    kept: list[bytes] = []

    def receive(source: BinaryIO, *, sender: str) -> Receipt:  # noqa: ARG001 - called by these names
        kept.append(source.read())
        return Receipt(ReceiptState.ACCEPTED)

    made = Dataset(dict(pydicom.dcmread(write_small_film(tmp_path / "film.dcm"))))
    encode(made, syntax).save_as(tmp_path / "sent.dcm", enforce_file_format=True)
    film = pydicom.dcmread(tmp_path / "sent.dcm")
    scp = StorageScp(PacsSettings(port=0))
    scp.start(receive)
    try:
        assert store(scp.port, film) == 0
    finally:
        scp.stop()
    (tmp_path / "kept.dcm").write_bytes(kept[0])
    stored = pydicom.dcmread(tmp_path / "kept.dcm")
    assert stored.file_meta.TransferSyntaxUID == syntax
    assert stored.PixelData == film.PixelData
    assert stored.pixel_array.shape == (ROWS, COLUMNS)


def test_title_and_address_must_stand_together_in_the_list() -> None:
    peers = '[{"ae_title": "CR1", "host": "10.1.2.0/24"}, {"ae_title": "CR2", "host": "10.9.9.9"}]'
    settings = PacsSettings.model_validate({"host": EVERYWHERE, "allowed_peers": json.loads(peers)})
    assert allowed(settings, "CR1", "10.1.2.200")
    assert allowed(settings, "CR2", "10.9.9.9")
    assert not allowed(settings, "CR2", "10.1.2.200")
    assert not allowed(settings, "CR1", "10.1.3.1")
    assert not allowed(settings, "CR3", "10.1.2.1")
    assert not allowed(settings, "CR1", "::1")


def test_an_address_that_others_reach_needs_a_list() -> None:
    with pytest.raises(ConfigError, match="KNEEOA_PACS__ALLOWED_PEERS"):
        StorageScp(PacsSettings(host=EVERYWHERE, port=0))


def test_a_port_that_is_taken_is_told_by_its_number() -> None:
    first = StorageScp(PacsSettings(port=0))
    first.start(lambda source, *, sender: Receipt(ReceiptState.ACCEPTED))  # noqa: ARG005
    try:
        with pytest.raises(ConfigError, match=str(first.port)):
            StorageScp(PacsSettings(port=first.port)).start(lambda source, *, sender: Receipt(ReceiptState.ACCEPTED))  # noqa: ARG005
    finally:
        first.stop()


def test_a_service_that_speaks_no_dimse_does_not_load_it() -> None:
    loaded = "import kneeoa.serving.api.app, sys; sys.exit('pynetdicom' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", loaded], check=False).returncode == 0


def test_a_stranger_on_loopback_is_turned_away_where_there_is_a_list(tmp_path: Path) -> None:
    settings = PacsSettings.model_validate({"port": 0, "allowed_peers": [{"ae_title": "CR1", "host": "127.0.0.1"}]})
    scp = StorageScp(settings)
    scp.start(lambda source, *, sender: Receipt(ReceiptState.ACCEPTED))  # noqa: ARG005
    film = pydicom.dcmread(write_small_film(tmp_path / "film.dcm"))
    try:
        assert store(scp.port, film, "CR9") is None
        assert store(scp.port, film, "CR1") == 0
    finally:
        scp.stop()


@pytest.mark.parametrize("status", [0xA700, 0xA900, 0xC000, 0x0122, 0x0110])
def test_a_status_that_is_a_failure_is_never_taken_for_sent(sink: Sink, objects: list[bytes], status: int) -> None:
    sink.status = status
    with DicomDestination(sink.peer, PacsSettings(), NOBODY).visit() as visit, pytest.raises(DeliveryError) as caught:
        visit.store(objects[0])
    assert caught.value.reason == "destination_refused"


@pytest.mark.parametrize("status", [0x0000, 0xB000, 0xB007])
def test_success_and_warnings_mean_that_it_is_stored(sink: Sink, objects: list[bytes], status: int) -> None:
    sink.status = status
    with DicomDestination(sink.peer, PacsSettings(), NOBODY).visit() as visit:
        visit.store(objects[0])  # raises nothing


# pynetdicom 3.0 leaves the socket of a refused connection to the garbage collector, which says so.
@pytest.mark.filterwarnings("ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning")
def test_a_node_that_is_not_there_is_told_as_such(sink: Sink, objects: list[bytes]) -> None:
    echo(sink.peer, PacsSettings())
    sink.ae.shutdown()
    away = DicomDestination(sink.peer, PacsSettings(seconds=2), NOBODY)
    with away.visit() as visit, pytest.raises(DeliveryError) as caught:
        visit.store(objects[0])
    assert caught.value.reason == "destination_unreachable"


def test_a_film_from_dcmtk_comes_back_as_picture_and_report_in_its_study(tmp_path: Path, sink: Sink) -> None:
    film = write_film(tmp_path / "film.dcm", seed=3)
    pacs = PacsSettings(port=0, destinations=(sink.peer,))
    app = create_app(Settings(data=tmp_path / "data", workers=WorkerSettings(count=1), pacs=pacs))
    with TestClient(app, base_url="http://127.0.0.1") as client:
        port = str(app.state.pacs.scp.port)
        subprocess.run(["echoscu", "-aec", "KNEEOA", LOOPBACK, port], check=True, timeout=60)
        subprocess.run(["storescu", "-aec", "KNEEOA", LOOPBACK, port, str(film)], check=True, timeout=60)
        assert sink.arrived.wait(120), "no result has come"
        end = time.monotonic() + 60
        while client.get("/v1/studies", params={"state": "done"}).json()["total"] == 0:
            assert time.monotonic() < end, "the film is not done"
            time.sleep(0.2)
        study = client.get("/v1/studies").json()["studies"][0]["study_uid"]
        result_uid = client.get(f"/v1/studies/{study}").json()["films"][0]["result_uid"]
    source = pydicom.dcmread(film)
    capture, report = sink.stored
    assert [capture.Modality, report.Modality] == ["OT", "SR"]
    assert report.SOPInstanceUID == result_uid
    assert {o.StudyInstanceUID for o in (capture, report)} == {source.StudyInstanceUID}
    assert {str(o.PatientID) for o in (capture, report)} == {source.PatientID}
