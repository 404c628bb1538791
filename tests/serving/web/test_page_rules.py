"""The files of the page: small, readable, from this origin alone; and who may log in."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from kneeoa.serving.api.app import create_app
from kneeoa.serving.api.page import FOLDER, files
from kneeoa.serving.security.principal import ALL_SCOPES, Scope
from kneeoa.serving.settings import SecuritySettings, Settings, WorkerSettings

OURS = sorted(
    path for path in FOLDER.rglob("*") if path.suffix in {".js", ".css", ".html"} and "vendor" not in path.parts
)
MOST_LINES, MOST_BYTES = 200, 500_000


@pytest.fixture
def app(tmp_path: Path) -> FastAPI:
    """A service that asks for a login; it is not started, so that nothing behind the login can be reached."""
    login = SecuritySettings(require_login=True)
    return create_app(Settings(data=tmp_path, workers=WorkerSettings(count=1), security=login))


@pytest.fixture
def key(app: FastAPI) -> str:
    return str(app.state.shared.authenticator.keys.create("a viewer", ALL_SCOPES))


def test_the_page_is_small_and_its_files_can_be_read() -> None:
    assert len(OURS) > 20
    assert not [path.name for path in OURS if len(path.read_text(encoding="utf-8").splitlines()) > MOST_LINES]
    assert sum(len(gzip.compress(file.raw)) for file in files().values()) < MOST_BYTES


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.name)
def test_a_file_of_the_page_names_no_other_origin_and_holds_no_inline_code(path: Path) -> None:
    text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
    assert not re.findall(r"https?://|(?<![:\w])//[a-z]", re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE))
    assert not re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|localStorage", text)
    if path.suffix == ".html":
        assert not re.findall(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\bsrc=)", text)


def test_every_library_of_others_has_its_licence() -> None:
    folders = [folder for folder in (FOLDER / "vendor").iterdir() if folder.is_dir()]
    assert folders
    assert all("Copyright" in (folder / "LICENSE").read_text(encoding="utf-8") for folder in folders)


def test_the_page_is_sent_with_a_strict_policy_and_asked_for_again(app: FastAPI) -> None:
    client = TestClient(app, base_url="http://127.0.0.1")
    for path in ("/", "/web/main.js", "/web/styles/theme.css"):
        answer = client.get(path)
        assert answer.status_code == 200
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert client.get(path, headers={"If-None-Match": answer.headers["etag"]}).status_code == 304
    for path in ("/web/none.js", "/web/../service.py", "/web/%2e%2e/service.py", "/web/vendor/README.md"):
        assert client.get(path).status_code == 404


def test_a_session_needs_its_token_for_changes_and_ends_with_its_key(app: FastAPI, key: str) -> None:
    client = TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False)
    assert client.get("/session").json()["name"] is None
    assert client.post("/session", json={"key": "wrong"}).status_code == 401
    who = client.post("/session", json={"key": f" {key} "}).json()
    assert sorted(who["scopes"]) == sorted(ALL_SCOPES)
    change = f"/v1/dead-letters/{'a' * 40}/replay"
    assert client.post(change).json()["code"] == "csrf"
    assert client.post(change, headers={"X-CSRF-Token": "wrong"}).json()["code"] == "csrf"
    assert client.delete("/session").json()["code"] == "csrf"
    passed = client.post(change, headers={"X-CSRF-Token": who["csrf"]})
    assert passed.status_code not in {401, 403}
    app.state.shared.authenticator.keys.revoke(key.split("_")[1])
    assert client.post(change, headers={"X-CSRF-Token": who["csrf"]}).status_code == 401
    assert client.get("/session").json()["name"] is None


def test_who_logs_out_has_no_session(app: FastAPI, key: str) -> None:
    client = TestClient(app, base_url="http://127.0.0.1")
    who = client.post("/session", json={"key": key}).json()
    stolen = client.cookies["kneeoa"]
    assert client.delete("/session", headers={"X-CSRF-Token": who["csrf"]}).status_code == 204
    again = TestClient(app, base_url="http://127.0.0.1", cookies={"kneeoa": stolen})
    assert again.get("/session").json()["name"] is None


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(app: FastAPI, key: str) -> None:
    plain = TestClient(app, base_url="http://127.0.0.1").post("/session", json={"key": key}).headers["set-cookie"]
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= {part.strip() for part in plain.split(";")}
    tls = TestClient(app, base_url="https://127.0.0.1").post("/session", json={"key": key}).headers["set-cookie"]
    assert tls.startswith("__Host-kneeoa=")
    assert "Secure" in tls


def test_a_session_has_the_scopes_of_its_key_alone(app: FastAPI) -> None:
    reader = app.state.shared.authenticator.keys.create("a viewer", frozenset({Scope.READ}))
    client = TestClient(app, base_url="http://127.0.0.1")
    who = client.post("/session", json={"key": reader}).json()
    denied = client.get("/v1/dead-letters", headers={"X-CSRF-Token": who["csrf"]})
    assert (denied.status_code, denied.json()["code"]) == (403, "wrong_scope")
