"""The service over HTTP: a film in, its report out; what is wrong has a name."""

from __future__ import annotations

import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from pydicom import dcmread
from tests.serving.service_films import write_film

from kneeoa.serving.api.app import create_app
from kneeoa.serving.security.principal import Scope
from kneeoa.serving.settings import SecuritySettings, Settings, WorkerSettings

BOUNDARY = "film-boundary"


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write_film(tmp_path_factory.mktemp("films") / "film.dcm", seed=3).read_bytes()


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    settings = Settings(data=tmp_path_factory.mktemp("data"), workers=WorkerSettings(count=1))
    with TestClient(create_app(settings), base_url="http://127.0.0.1") as client:
        yield client


def stow(films: list[bytes]) -> dict[str, object]:
    parts = [b"--" + BOUNDARY.encode() + b"\r\nContent-Type: application/dicom\r\n\r\n" + f + b"\r\n" for f in films]
    body = b"".join(parts) + b"--" + BOUNDARY.encode() + b"--\r\n"
    headers = {"Content-Type": f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'}
    return {"content": body, "headers": headers}


def test_one_film_as_the_body_gives_one_report(client: TestClient, film: bytes) -> None:
    answer = client.post("/v1/grade", content=film, headers={"Content-Type": "application/dicom"})
    assert answer.status_code == 200
    report = answer.json()
    assert report["refusal"] is None
    assert len(report["knees"][0]["kl"]["probabilities"]) == 5
    assert answer.headers["cache-control"] == "no-store"


def test_parts_give_an_array_in_their_order(client: TestClient, film: bytes) -> None:
    files = [("film", ("a.dcm", film)), ("film", ("b.txt", b"no film")), ("film", ("c.dcm", film))]
    reports = client.post("/v1/grade", files=files).json()
    assert [report["film"]["source"] for report in reports] == ["a.dcm", "b.txt", "c.dcm"]
    assert reports[1]["refusal"]["code"] == "not_dicom"
    assert reports[0]["knees"] == reports[2]["knees"]


def test_accept_decides_what_a_report_is_answered_as(client: TestClient, film: bytes) -> None:
    headers = {"Content-Type": "application/dicom", "Accept": "application/dicom"}
    one = client.post("/v1/grade", content=film, headers=headers)
    assert (one.status_code, one.headers["content-type"]) == (200, "application/dicom")
    report, source = dcmread(BytesIO(one.content)), dcmread(BytesIO(film))
    assert report.Modality == "SR"
    assert report.StudyInstanceUID == source.StudyInstanceUID
    files = [("film", ("a.dcm", film)), ("film", ("b.dcm", film))]
    many = client.post("/v1/grade", files=files, headers={"Accept": 'multipart/related; type="application/dicom"'})
    kind = many.headers["content-type"]
    assert kind.startswith('multipart/related; type="application/dicom"; boundary=')
    parts = many.content.split(b"--" + kind.partition("boundary=")[2].encode())[1:-1]
    assert [dcmread(BytesIO(part.partition(b"\r\n\r\n")[2])).Modality for part in parts] == ["SR", "OT", "SR", "OT"]
    bundle = client.post("/v1/grade", content=film, headers={**headers, "Accept": "application/fhir+json"})
    assert bundle.headers["content-type"] == "application/fhir+json"
    assert bundle.json()["entry"][0]["resource"]["resourceType"] == "DiagnosticReport"


@pytest.mark.parametrize(
    ("accept", "status", "code"),
    [("application/dicom", 422, "no_dicom_source"), ("image/png, text/html;q=0.9", 406, "not_acceptable")],
)
def test_what_cannot_be_answered_as_asked_is_a_problem(client: TestClient, accept: str, status: int, code: str) -> None:
    headers = {"Content-Type": "application/dicom", "Accept": accept}
    answer = client.post("/v1/grade", content=b"no film", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.mark.parametrize(
    ("body", "kind", "status", "code"),
    [
        (b"", "application/dicom", 400, "empty_body"),
        (b"{}", "application/json", 415, "unsupported_media_type"),
        (b"--x\r\n\r\nfilm", "multipart/form-data; boundary=x", 400, "malformed_multipart"),
        (b"film", "multipart/form-data", 400, "malformed_multipart"),
    ],
)
def test_a_wrong_body_is_a_problem_with_a_code(
    client: TestClient, body: bytes, kind: str, status: int, code: str
) -> None:
    answer = client.post("/v1/grade", content=body, headers={"Content-Type": kind})
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_stored_film_is_graded_listed_and_corrected(client: TestClient, film: bytes) -> None:
    stored = client.post("/dicomweb/studies", **stow([film, b"no film"]))  # type: ignore[arg-type]
    assert stored.status_code == 202
    assert len(stored.json()["00081199"]["Value"]) == 1
    assert stored.json()["0008119A"]["Value"][0]["00081197"]["Value"] == [0xC000]
    end = time.monotonic() + 90
    while client.get("/v1/studies", params={"state": "done"}).json()["total"] == 0:
        assert time.monotonic() < end, "the film has no result"
        time.sleep(0.2)
    uid = client.get("/v1/studies").json()["studies"][0]["study_uid"]
    study = client.get(f"/v1/studies/{uid}").json()
    film_id = study["films"][0]["film_id"]
    picture = client.get(f"/v1/studies/{uid}/films/{film_id}/overlay.png")
    assert picture.content.startswith(b"\x89PNG")
    body = {"side": study["knees"][0]["side"], "grade": 4, "reason": "Severe.", "reader": "r1"}
    made = client.post(f"/v1/studies/{uid}/corrections", json=body)
    assert made.status_code == 201, made.text
    assert "local/r1" in client.get("/v1/corrections", params={"format": "csv"}).text
    again = client.post("/dicomweb/studies", **stow([film]))  # type: ignore[arg-type]
    assert again.status_code == 200
    assert client.get("/v1/studies").json()["total"] == 1


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/version", "/metrics", "/openapi.json", "/v1/dead-letters"])
def test_what_is_asked_of_a_running_service_is_answered(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 200


def test_pages_of_other_origins_and_other_hosts_are_turned_away(client: TestClient, film: bytes) -> None:
    origin = {"Origin": "http://elsewhere.example", "Content-Type": "application/dicom"}
    assert client.post("/v1/grade", content=film, headers=origin).json()["code"] == "cross_origin"
    assert client.get("/healthz", headers={"Host": "elsewhere.example"}).json()["code"] == "unknown_host"


def test_every_route_asks_for_a_login_where_one_is_required(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, workers=WorkerSettings(count=1), security=SecuritySettings(require_login=True))
    app = create_app(settings)
    of = app.state.shared
    reader = of.authenticator.keys.create("a viewer", frozenset({Scope.READ}))
    open_ones = {"/healthz", "/readyz", "/version", "/metrics", "/openapi.json"}
    client = TestClient(app, base_url="http://127.0.0.1")  # not started: nothing behind a login may be reached
    routes = [
        (method.upper(), path.replace("{study_uid}", "1.2").replace("{film_id}", "a" * 40).replace("{picture}", "film"))
        for path, methods in app.openapi()["paths"].items()
        for method in methods
        if path not in open_ones
    ]
    assert len(routes) >= 12
    for method, path in routes:
        for headers in (
            {},
            {"X-API-Key": "wrong"},
            {"Authorization": f"Bearer {reader}x"},
            {"Authorization": "Basic x"},
        ):
            answer = client.request(method, path, headers=headers)
            assert answer.status_code == 401, (method, path, headers)
            assert "bearer" in answer.headers["www-authenticate"].lower()
    for path in ("/v1/grade", "/dicomweb/studies"):
        denied = client.post(path, headers={"X-API-Key": reader})
        assert (denied.status_code, denied.json()["code"]) == (403, "wrong_scope")
