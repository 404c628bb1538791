"""Every way of not being allowed, at every route that there is; a route that nobody thought of here fails the test."""

from __future__ import annotations

import base64
import hmac
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from joserfc import jwt
from joserfc.jwk import RSAKey
from structlog.testing import capture_logs

from kneeoa.model.errors import ConfigError
from kneeoa.serving.api.app import create_app
from kneeoa.serving.audit import verify
from kneeoa.serving.security.keys import KeyFile
from kneeoa.serving.security.principal import Scope
from kneeoa.serving.security.tokens import TokenVerifier
from kneeoa.serving.settings import LimitSettings, OidcSettings, SecuritySettings, Settings, WorkerSettings

FILM = "/v1/studies/{study_uid}/films/{film_id}"
NEEDED: dict[tuple[str, str], Scope | None] = {
    ("GET", "/healthz"): None,
    ("GET", "/readyz"): None,
    ("GET", "/version"): None,
    ("GET", "/metrics"): None,
    ("GET", "/openapi.json"): None,
    ("GET", "/"): None,
    ("GET", "/web/{name:path}"): None,
    ("GET", "/session"): None,
    ("POST", "/session"): None,
    ("DELETE", "/session"): None,
    ("POST", "/v1/grade"): Scope.SUBMIT,
    ("POST", "/dicomweb/studies"): Scope.SUBMIT,
    ("GET", "/v1/studies"): Scope.READ,
    ("GET", "/v1/studies/{study_uid}"): Scope.READ,
    ("GET", FILM + "/results"): Scope.READ,
    ("GET", FILM + "/{picture}.png"): Scope.READ,
    ("POST", "/v1/studies/{study_uid}/corrections"): Scope.READ,
    ("GET", "/v1/studies/{study_uid}/corrections"): Scope.READ,
    ("GET", "/v1/events"): Scope.READ,
    ("GET", "/v1/worklist"): Scope.READ,
    ("GET", "/v1/worklist/{study_uid}"): Scope.READ,
    ("GET", "/v1/statistics"): Scope.READ,
    ("GET", "/v1/corrections"): Scope.ADMIN,
    ("GET", "/v1/dead-letters"): Scope.ADMIN,
    ("POST", "/v1/dead-letters/{film_id}/replay"): Scope.ADMIN,
    ("POST", "/v1/dead-letters/{film_id}/drop"): Scope.ADMIN,
}
"""What each route asks for. A new route belongs here, and None means: open to everybody who reaches the port."""
_OPEN = {("POST", "/session"): 422, ("DELETE", "/session"): 204}
"""What open routes answer where it is not 200: nobody gave a key, and nobody was logged in."""
BEHIND = [(method, path, scope) for (method, path), scope in NEEDED.items() if scope is not None]
ISSUER, AUDIENCE = "https://login.example", "kneeoa"
KEY = RSAKey.generate_key(2048, {"kid": "one", "use": "sig"})
FOREIGN = RSAKey.generate_key(2048, {"kid": "one", "use": "sig"})


def routes(app: FastAPI) -> Iterator[tuple[str, str]]:
    """Method and path of every route, those that are not in the document too."""
    listed = set(app.openapi()["paths"])
    for path, methods in app.openapi()["paths"].items():
        yield from ((method.upper(), path) for method in methods)
    # FastAPI keeps what was included as one entry, with its router inside.
    included = [getattr(entry, "original_router", None) for entry in app.routes]
    for route in [*app.routes, *(route for router in included if router is not None for route in router.routes)]:
        path = getattr(route, "path", None)
        if path is not None and path not in listed:
            yield from ((method, path) for method in getattr(route, "methods", None) or {"any"} if method != "HEAD")


def token(key: RSAKey = KEY, header: dict[str, str] | None = None, **claims: object) -> str:
    now = int(time.time())
    standing = {"iss": ISSUER, "aud": AUDIENCE, "sub": "someone", "exp": now + 300, "roles": [*Scope]}
    given = {**standing, **claims}
    return jwt.encode({"alg": "RS256", "kid": "one", **(header or {})}, {k: v for k, v in given.items() if v}, key)


def part(content: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


def tampered() -> str:
    """A token that says more than was signed."""
    head, _, seal = token(roles=["read"]).split(".")
    now = int(time.time())
    more = {"iss": ISSUER, "aud": AUDIENCE, "sub": "someone", "exp": now + 300, "roles": [*Scope]}
    return f"{head}.{part(more)}.{seal}"


def unsigned(algorithm: str) -> str:
    return f"{part({'alg': algorithm, 'kid': 'one'})}.{token().split('.')[1]}."


def signed_with_the_public_key() -> str:
    """An HMAC whose secret is what everybody knows (CVE-2015-9235)."""
    said = f"{part({'alg': 'HS256', 'kid': 'one'})}.{token().split('.')[1]}"
    seal = hmac.new(KEY.as_pem(private=False), said.encode(), "sha256").digest()
    return f"{said}.{base64.urlsafe_b64encode(seal).decode().rstrip('=')}"


@dataclass(frozen=True, slots=True)
class House:
    """A service that is not started: nothing behind a login may be reached.

    Attributes:
        client: of the service.
        app: the service.
        keys: a valid key of each scope alone, and some that are not valid.
    """

    client: TestClient
    app: FastAPI
    keys: dict[str, str]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    data = tmp_path_factory.mktemp("data")
    oidc = OidcSettings(issuer=ISSUER, audience=AUDIENCE, jwks_url=f"{ISSUER}/keys")
    settings = Settings(
        data=data,
        workers=WorkerSettings(count=1),
        limits=LimitSettings(requests_a_minute=1_000_000),
        security=SecuritySettings(require_login=True, oidc=oidc),
    )
    public = json.loads(json.dumps(KEY.as_dict(private=False)))
    app = create_app(settings, tokens=TokenVerifier(oidc, lambda _url: {"keys": [public]}))
    file = KeyFile(data)
    keys = {str(scope): file.create("a machine", frozenset({scope})) for scope in Scope}
    keys["expired"] = file.create("a machine", frozenset(Scope), days=0)
    keys["revoked"], keys["rotated"] = (file.create("a machine", frozenset(Scope)) for _ in range(2))
    file.revoke(keys["revoked"].split("_")[1])
    file.rotate(keys["rotated"].split("_")[1], grace_hours=0)
    return House(TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False), app, keys)


def strangers(house: House) -> dict[str, dict[str, str]]:
    """Headers that let nobody in, by what is wrong with them."""
    tokens = {
        "expired token": token(exp=int(time.time()) - 600),
        "token of the future": token(nbf=int(time.time()) + 600),
        "token without end": token(exp=None),
        "token without subject": token(sub=None),
        "token for another audience": token(aud="another"),
        "token for no audience": token(aud=None),
        "token of another issuer": token(iss="https://elsewhere.example"),
        "token of another key": token(FOREIGN),
        "token of an unknown key": token(FOREIGN, {"kid": "two"}),
        "tampered token": tampered(),
        "tampered seal": token()[:-8] + "AAAAAAAA",
        "token without a signature": unsigned("none"),
        "token without a signature, in capitals": unsigned("NONE"),
        "token signed with the public key": signed_with_the_public_key(),
        "no token": "",
        "half a token": token().rpartition(".")[0],
    }
    keys = {
        **{name: house.keys[name] for name in ("expired", "revoked", "rotated")},
        "wrong key": house.keys["read"][:-1] + ("A" if house.keys["read"][-1] != "A" else "B"),
        "key of an unknown id": "kneeoa_00000000_" + house.keys["read"].split("_", 2)[2],
        "a hash in place of a key": house.app.state.shared.authenticator.keys.all()[0].sha256,
        "empty key": "",
    }
    return {
        "nothing": {},
        "basic": {"Authorization": "Basic " + base64.b64encode(b"admin:admin").decode()},
        "key without its kind": {"Authorization": house.keys["read"]},
        "wrong key beside a good token": {"X-API-Key": keys["wrong key"], "Authorization": f"Bearer {token()}"},
        **{name: {"Authorization": f"Bearer {given}"} for name, given in tokens.items()},
        **{f"{name} in its own header": {"X-API-Key": given} for name, given in keys.items()},
        **{f"{name} as a bearer": {"Authorization": f"Bearer {given}"} for name, given in keys.items()},
    }


def place(path: str) -> str:
    return path.replace("{study_uid}", "1.2").replace("{film_id}", "a" * 40).replace("{picture}", "film")


def test_every_route_has_a_place_in_the_table_of_who_may_do_what(house: House) -> None:
    assert set(routes(house.app)) == set(NEEDED)


def test_strangers_are_turned_away_everywhere_and_each_try_is_in_the_trail(house: House) -> None:
    before = verify(house.app.state.shared.settings.data).count
    wrong = strangers(house)
    assert len(wrong) >= 30
    for method, path, _ in BEHIND:
        for name, headers in wrong.items():
            answer = house.client.request(method, place(path), headers=headers)
            assert answer.status_code == 401, (method, path, name, answer.text)
            assert answer.json()["code"] == "unauthenticated", (method, path, name)
            assert "bearer" in answer.headers["www-authenticate"].lower()
            assert not any(value.split()[-1] in answer.text for value in headers.values() if len(value) > 20)
    assert verify(house.app.state.shared.settings.data).count == before + len(wrong) * len(BEHIND)


def test_each_scope_opens_its_own_routes_and_no_other(house: House) -> None:
    # Logs are caught: drawn for a terminal, what an unstarted store raises takes a minute.
    for method, path, needed in BEHIND:
        for scope in Scope:
            bearer = token(roles=[str(scope), "cook"])
            for headers in ({"X-API-Key": house.keys[str(scope)]}, {"Authorization": f"Bearer {bearer}"}):
                with capture_logs():
                    answer = house.client.request(method, place(path), headers=headers)
                if scope is needed:
                    assert answer.status_code not in {401, 403}, (method, path, scope, answer.text)
                else:
                    assert (answer.status_code, answer.json()["code"]) == (403, "wrong_scope"), (method, path, scope)
        nothing = house.client.request(
            method, place(path), headers={"Authorization": f"Bearer {token(roles=['cook'])}"}
        )
        assert nothing.json()["code"] == "wrong_scope"


def test_what_is_open_tells_nothing_of_studies(house: House) -> None:
    for (method, path), scope in NEEDED.items():
        if scope is None and path not in {"/readyz", "/metrics"}:  # these two ask the store, which is not started
            answer = house.client.request(method, path.replace("{name:path}", "main.js"))
            assert answer.status_code == _OPEN.get((method, path), 200), path


def test_guessing_is_slowed_down(tmp_path: Path) -> None:
    limits = LimitSettings(requests_a_minute=30)  # five at once
    settings = Settings(data=tmp_path, limits=limits, security=SecuritySettings(require_login=True))
    client = TestClient(create_app(settings), base_url="http://127.0.0.1")
    answers = [client.get("/v1/studies", headers={"X-API-Key": f"kneeoa_{n:08x}_guess"}) for n in range(8)]
    assert [answer.status_code for answer in answers[:5]] == [401] * 5
    assert answers[-1].json()["code"] == "too_many_requests"
    assert int(answers[-1].headers["retry-after"]) >= 1


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org", ""])  # noqa: S104 - it is refused
def test_an_address_that_others_reach_is_refused_unless_somebody_could_log_in(tmp_path: Path, host: str) -> None:
    keys = KeyFile(tmp_path)
    keys.create("a machine", frozenset(Scope), days=0)
    keys.revoke(keys.create("a machine", frozenset(Scope)).split("_")[1])
    for security in (SecuritySettings(), SecuritySettings(require_login=True)):
        with pytest.raises(ConfigError, match="kneeoa keys create"):
            create_app(Settings(data=tmp_path, host=host, security=security))
    keys.create("a machine", frozenset({Scope.READ}))
    client = TestClient(create_app(Settings(data=tmp_path, host=host)), base_url="http://127.0.0.1")
    answer = client.get("/v1/studies", headers={"Host": host or "127.0.0.1"})
    assert answer.status_code == 401 or (host == "" and answer.status_code == 421)


def test_the_command_says_so_and_listens_to_nobody(tmp_path: Path) -> None:
    words = ["serve", "--host", "0.0.0.0", "--port", "0", "--data", str(tmp_path / "data")]  # noqa: S104 - likewise
    done = subprocess.run(
        [sys.executable, "-m", "kneeoa", *words], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 2
    assert "kneeoa keys create" in done.stderr
    assert not (tmp_path / "data").exists()
