"""Polls by DICOMweb: what is asked for, page by page, and what comes of answers that are none."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.serving.results.made import SOP_UID, STUDY_UID, write_small_film
from typer.testing import CliRunner

from kneeoa.cli import app
from kneeoa.model.errors import ConfigError
from kneeoa.serving.pacs.archive import ListedInstance, PullError
from kneeoa.serving.pacs.echo import NoAnswerError, echo_by_name
from kneeoa.serving.pacs.pull_settings import WebPull
from kneeoa.serving.pacs.pull_web import WebArchive
from kneeoa.serving.settings import PacsSettings

DICOM_JSON = "application/dicom+json"
ONE = ListedInstance(STUDY_UID, "1.2.826.0.1.3680043.8.498.13", SOP_UID)


class Archive:
    """A DICOMweb server on loopback; it has so many studies, and answers in pages of its own size.

    Attributes:
        status, kind, body: of every answer, where status is not 0.
        studies: how many it has.
        page: most that it lists at once.
        film: what it gives.
        asked: path, query and headers of each request.
    """

    def __init__(self, film: bytes = b"") -> None:
        self.status, self.kind, self.body = 0, DICOM_JSON, b"[]"
        self.studies, self.page, self.film = 0, 100, film
        self.asked: list[tuple[str, dict[str, list[str]], dict[str, str]]] = []
        self.raw: list[str] = []
        self.options = 405
        archive = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                where = urlsplit(self.path)
                query = parse_qs(where.query)
                archive.raw.append(where.query)
                archive.asked.append((where.path, query, {k.lower(): v for k, v in self.headers.items()}))
                status, kind, body = archive.answer(where.path, query)
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_OPTIONS(self) -> None:
                self.send_response(archive.options)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/dicom-web"

    def answer(self, path: str, query: dict[str, list[str]]) -> tuple[int, str, bytes]:
        if self.status:
            return self.status, self.kind, self.body
        if path.endswith(f"/instances/{SOP_UID}"):
            head = b"--film\r\nContent-Type: application/dicom\r\n\r\n"
            kind = 'multipart/related; type="application/dicom"; boundary=film'
            return 200, kind, head + self.film + b"\r\n--film--\r\n"
        first = int(query["offset"][0])
        listed = [f"1.2.{number}" for number in range(self.studies)][first : first + self.page]
        tag = {"studies": "0020000D", "series": "0020000E", "instances": "00080018"}[path.rpartition("/")[2]]
        found = [{tag: {"vr": "UI", "Value": [uid]}, "00201208": {"vr": "IS", "Value": [2]}} for uid in listed]
        return 200, DICOM_JSON, json.dumps(found).encode()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def archive() -> Iterator[Archive]:
    made = Archive()
    yield made
    made.close()


def web(archive: Archive, **more: object) -> WebArchive:
    given = {"name": "archive", "via": "dicomweb", "url": archive.url, **more}
    return WebArchive(WebPull.model_validate(given), seconds=5)


def test_all_pages_are_read_whatever_their_size(archive: Archive) -> None:
    archive.studies, archive.page = 250, 100
    query = {"series": {"Modality": "DX", "BodyPartExamined": "KNEE"}, "instance": {"ViewPosition": "PA"}}
    with web(archive, query=query, token="secret-token").open() as asked:  # noqa: S106 - of a test
        studies = asked.studies()
        archive.studies = 2
        instances = asked.instances("1.2.3")
    assert len({study.uid for study in studies}) == 250
    assert {study.instances for study in studies} == {2}
    assert [(one.study, one.series) for one in instances] == [("1.2.3", "1.2.0")] * 2 + [("1.2.3", "1.2.1")] * 2
    path, parameters, headers = archive.asked[0]
    assert path == "/dicom-web/studies"
    assert parameters["ModalitiesInStudy"] == ["DX"]
    assert len(parameters["StudyDate"][0]) == len("20240101-20240103")
    assert headers["authorization"] == "Bearer secret-token"
    series = next(query for path, query, _ in archive.asked if path.endswith("/series"))
    assert (series["Modality"], series["BodyPartExamined"]) == (["DX"], ["KNEE"])
    assert all(query["ViewPosition"] == ["PA"] for path, query, _ in archive.asked if path.endswith("/instances"))


def test_wildcards_are_sent_as_they_are(archive: Archive) -> None:
    with web(archive, query={"study": {"StudyDescription": "*KN?E"}}).open() as asked:
        asked.studies()
    assert "StudyDescription=*KN?E" in archive.raw[0], "Orthanc does not decode %2A"


def test_a_film_comes_as_the_archive_has_it(archive: Archive, tmp_path: Path) -> None:
    archive.film = write_small_film(tmp_path / "film.dcm").read_bytes()
    came: list[tuple[str, bytes]] = []
    with web(archive).open() as asked:
        asked.fetch([ONE], lambda uid, content: came.append((uid, content.read())))
    assert came == [(SOP_UID, archive.film)]
    assert "transfer-syntax=*" in archive.asked[0][2]["accept"], "no archive shall convert what it has"


@pytest.mark.parametrize("status", [404, 410, 500, 503])
def test_one_that_is_not_given_keeps_no_other_out(archive: Archive, status: int) -> None:
    archive.status = status
    came: list[str] = []
    with web(archive).open() as asked:
        asked.fetch([ONE, ONE], lambda uid, _: came.append(uid))
    assert came == []
    assert len(archive.asked) == 2, "each is asked for once; the next poll tries again"


@pytest.mark.parametrize(
    ("status", "kind", "body", "reason"),
    [
        (401, DICOM_JSON, b"", "archive_refused"),
        (403, DICOM_JSON, b"", "archive_refused"),
        (400, DICOM_JSON, b"", "archive_refused"),
        (503, DICOM_JSON, b"", "archive_refused"),
        (200, "text/html", b"<p>Welcome", "archive_lost"),
        (200, DICOM_JSON, b'[{"0020', "archive_lost"),
        (200, DICOM_JSON, b'{"0020000D": 3}', "archive_lost"),
    ],
)
def test_an_answer_that_is_none_is_told_by_a_code(
    archive: Archive, status: int, kind: str, body: bytes, reason: str
) -> None:
    archive.status, archive.kind, archive.body = status, kind, body
    with web(archive).open() as asked, pytest.raises(PullError) as error:
        asked.studies()
    assert error.value.reason == reason
    assert "127.0.0.1" not in str(error.value)


def test_an_archive_that_is_not_there_is_told_as_such(archive: Archive) -> None:
    archive.close()
    with web(archive).open() as asked, pytest.raises(PullError) as error:
        asked.fetch([ONE], lambda _uid, _content: None)
    assert error.value.reason == "archive_unreachable"


def test_what_is_no_dicom_object_is_left_out_and_keeps_no_other_out(archive: Archive) -> None:
    came: list[BytesIO] = []
    archive.film = b"Dear colleague, ..."
    with web(archive).open() as asked:
        asked.fetch([ONE, ONE], lambda _uid, content: came.append(content))
    assert (came, len(archive.asked)) == ([], 2)


@pytest.mark.parametrize(("options", "status", "told"), [(200, 401, "OPTIONS"), (405, 0, "QIDO-RS")])
def test_echo_asks_a_dicomweb_server_something_that_changes_nothing(
    archive: Archive, options: int, status: int, told: str
) -> None:
    archive.options, archive.status = options, status
    archive.studies = 1
    archive.answer = lambda _path, _query: (status or 200, DICOM_JSON, b"[]")  # type: ignore[method-assign, assignment]
    pacs = PacsSettings.model_validate({"stow": [{"name": "vna", "url": archive.url}]})
    assert echo_by_name(pacs, "vna") == f"stow:vna answers {told}"


def test_echo_tells_who_does_not_answer_and_who_is_not_there(archive: Archive, tmp_path: Path) -> None:
    archive.status = 401
    given = {"stow": [{"name": "vna", "url": archive.url}]}
    with pytest.raises(NoAnswerError, match="401"):
        echo_by_name(PacsSettings.model_validate(given), "vna")
    with pytest.raises(ConfigError, match="Name one of: stow:vna"):
        echo_by_name(PacsSettings.model_validate(given), "pacs")
    archive.close()
    (tmp_path / "kneeoa.yaml").write_text(json.dumps({"pacs": given}))
    done = CliRunner().invoke(app, ["pacs", "echo", "vna", "--config", str(tmp_path / "kneeoa.yaml")])
    assert done.exit_code == 1
    assert "vna does not answer" in done.stderr
