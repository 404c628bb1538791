"""Results to a DICOMweb server: what it answers is looked at, object by object."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from pydantic import ValidationError
from pydicom import dcmread
from pydicom.filebase import DicomBytesIO
from tests.serving.results.made import graded_film, write_small_film

from kneeoa.serving.pacs.stow_scu import StowDestination, WebArchive
from kneeoa.serving.pipeline.destinations import DeliveryError
from kneeoa.serving.results.objects import Form, Request, result_objects
from kneeoa.serving.settings import PacsSettings, StowPeer

JSON = "application/dicom+json"


class Archive:
    """A DICOMweb server on loopback that answers as it is told."""

    def __init__(self) -> None:
        self.status, self.body, self.kind = 200, b"", JSON
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        archive = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                archive.requests.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                self.send_response(archive.status)
                self.send_header("Content-Type", archive.kind)
                self.send_header("Content-Length", str(len(archive.body)))
                self.end_headers()
                self.wfile.write(archive.body)

            def log_message(self, *_: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/dicom-web"

    def answers(self, stored: list[str], failed: list[str], status: int = 200) -> None:
        """Stores some, and not others for want of room."""
        said: dict[str, object] = {}
        if stored:
            said["00081199"] = {"vr": "SQ", "Value": [{"00081155": {"vr": "UI", "Value": [uid]}} for uid in stored]}
        if failed:
            items = [
                {"00081155": {"vr": "UI", "Value": [uid]}, "00081197": {"vr": "US", "Value": [0xA700]}}
                for uid in failed
            ]
            said["00081198"] = {"vr": "SQ", "Value": items}
        self.status, self.kind, self.body = status, JSON, json.dumps(said).encode()


@pytest.fixture
def archive() -> Iterator[Archive]:
    made = Archive()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    film = write_small_film(tmp_path_factory.mktemp("film") / "film.dcm")
    return result_objects(film, graded_film(), None, Request((Form.STRUCTURED_REPORT,)))[Form.STRUCTURED_REPORT]


def peer(archive: Archive, **more: str) -> StowPeer:
    return StowPeer.model_validate({"name": "archive", "url": archive.url, **more})


def uid_of(report: bytes) -> str:
    return str(dcmread(DicomBytesIO(report)).SOPInstanceUID)


def test_what_is_named_as_stored_is_sent(archive: Archive, report: bytes) -> None:
    archive.answers([uid_of(report)], [])
    to = StowDestination(peer(archive, token="secret-token"), 5)  # noqa: S106 - of a test
    with to.visit() as visit:
        visit.store(report)
    assert to.name == "stow:archive"
    ((path, headers, body),) = archive.requests
    assert path == "/dicom-web/studies"
    assert headers["authorization"] == "Bearer secret-token"
    assert "application/dicom" in headers["content-type"]
    assert body.count(b"DICM") == 1


def test_what_is_not_named_as_stored_is_not_sent(
    archive: Archive, report: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    uid = uid_of(report)
    to = WebArchive(peer(archive, user="us", password="pass-word"), 5)  # noqa: S106 - of a test
    cases: list[tuple[list[str], list[str], int, str, str]] = [
        ([], [uid], 202, "destination_refused", "0xA700"),
        ([], [uid], 409, "destination_refused", "409"),
        ([], [], 200, "destination_refused", "no reason"),
        (["1.2.3"], [], 200, "destination_refused", "no reason"),
        ([], [], 401, "destination_refused", "401"),
        ([], [], 503, "destination_refused", "503"),
    ]
    for stored, failed, status, reason, told in cases:
        archive.answers(stored, failed, status)
        with pytest.raises(DeliveryError, match=told) as error:
            to.store(report)
        assert error.value.reason == reason
        assert uid not in str(error.value)
        assert "pass-word" not in str(error.value)
    assert len(archive.requests) == len(cases), "the pipeline tries again, nobody else"
    archive.status, archive.kind, archive.body = 200, "text/html", b"<p>Welcome"
    with pytest.raises(DeliveryError, match="no reason"):
        to.store(report)
    archive.kind, archive.body = JSON, b'{"0008'
    with pytest.raises(DeliveryError) as error:
        to.store(report)
    assert error.value.reason == "destination_lost"
    assert uid not in caplog.text
    archive.server.shutdown()
    archive.server.server_close()
    with pytest.raises(DeliveryError) as error:
        to.store(report)
    assert error.value.reason == "destination_unreachable"


@pytest.mark.parametrize(
    "given",
    [
        {"url": "http://archive.example/dicom-web"},
        {"url": "http://archive.example/dicom-web", "in_clear": True, "token": "t"},
        {"url": "http://archive.example/dicom-web", "in_clear": True, "user": "u", "password": "p"},
        {"url": "https://user:word@archive.example/dicom-web"},
        {"url": "ftp://archive.example"},
        {"url": "https://archive.example", "name": "two words"},
        {"url": "https://archive.example", "authorities": "/nowhere/hospital.pem"},
    ],
)
def test_a_secret_or_a_result_does_not_travel_in_clear_unasked(given: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        StowPeer.model_validate({"name": "archive", **given})


def test_a_server_is_named_in_the_settings() -> None:
    settings = PacsSettings.model_validate(
        {"stow": [{"name": "vna", "url": "https://vna.example/dicom-web", "token": "t"}]}
    )
    assert settings.stow[0].name == "vna"
    assert "'t'" not in repr(settings)
