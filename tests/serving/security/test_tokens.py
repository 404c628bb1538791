"""Tokens of the issuer, meant for us, signed and valid now; nothing else."""

from __future__ import annotations

import json
import time

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from kneeoa.serving.security.principal import AuthenticationError, Scope
from kneeoa.serving.security.tokens import TokenVerifier
from kneeoa.serving.settings import OidcSettings

ISSUER = "https://login.example"
KEY = RSAKey.generate_key(2048, {"kid": "one", "use": "sig"})
FOREIGN = RSAKey.generate_key(2048, {"kid": "one", "use": "sig"})


def token(key: RSAKey = KEY, **claims: object) -> str:
    now = int(time.time())
    standing = {"iss": ISSUER, "aud": "kneeoa", "sub": "someone", "exp": now + 300, "roles": ["read", "cook"]}
    return jwt.encode({"alg": "RS256", "kid": "one"}, {**standing, **claims}, key)


@pytest.fixture
def verifier() -> TokenVerifier:
    settings = OidcSettings(issuer=ISSUER, jwks_url=f"{ISSUER}/keys")
    return TokenVerifier(settings, lambda _url: {"keys": [json.loads(json.dumps(KEY.as_dict(private=False)))]})


def test_a_token_speaks_for_its_subject_without_naming_it(verifier: TokenVerifier) -> None:
    principal = verifier.authenticate(token())
    assert principal.scopes == {Scope.READ}
    assert "someone" not in principal.name


@pytest.mark.parametrize(
    "wrong",
    [
        token(exp=int(time.time()) - 600),
        token(aud="another"),
        token(iss="https://elsewhere.example"),
        token(nbf=int(time.time()) + 600),
        token(FOREIGN),
        token()[:-6] + "AAAAAA",
        "eyJhbGciOiJub25lIn0." + token().split(".")[1] + ".",
        "",
        "a.b.c",
        "x" * 20_000,
    ],
)
def test_any_other_token_opens_nothing(verifier: TokenVerifier, wrong: str) -> None:
    with pytest.raises(AuthenticationError):
        verifier.authenticate(wrong)
