"""OpenID Connect bearer tokens: signed by the named issuer, meant for us, and still valid."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable

import httpx
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from pydantic import JsonValue

from kneeoa.serving.security.principal import AuthenticationError, Principal, Scope
from kneeoa.serving.settings import OidcSettings

ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
"""Signatures with a public key only: neither `none`, nor HMAC with a public key as its secret (CVE-2015-9235)."""
LEEWAY_SECONDS = 30
_KEYS_LAST, _KEYS_AGAIN = 3600.0, 10.0
_LONGEST = 16 << 10
Fetch = Callable[[str], dict[str, JsonValue]]


class TokenVerifier:
    """Verifies tokens of one issuer; its keys are fetched when first needed, and when an unknown one signs.

    Args:
        settings: issuer, audience, role claim.
        fetch: gets a JSON document by its URL.
    """

    def __init__(self, settings: OidcSettings, fetch: Fetch | None = None) -> None:
        self._settings = settings
        self._fetch = fetch or _fetched
        self._lock = threading.Lock()
        self._keys: KeySet | None = None
        self._fetched_at = 0.0

    def authenticate(self, token: str) -> Principal:
        """Who a token speaks for.

        Raises:
            AuthenticationError: it is not signed by a key of the issuer, not meant for us, or not valid now.
        """
        if len(token) > _LONGEST:
            raise AuthenticationError("The token is too long.")
        try:
            claims = self._claims(token)
            self._registry().validate(claims)
        except (JoseError, ValueError, TypeError, KeyError, AttributeError, UnicodeError):
            raise AuthenticationError("The token is not valid.") from None
        subject = str(claims["sub"]).encode("utf-8", "surrogatepass")
        return Principal(f"oidc:{hashlib.sha256(subject).hexdigest()[:16]}", self._scopes(claims))

    def _claims(self, token: str) -> dict[str, JsonValue]:
        keys = self._current(_KEYS_LAST)
        try:
            return dict(jwt.decode(token, keys, algorithms=ALGORITHMS).claims)
        except (JoseError, ValueError):
            # The issuer may have changed its keys; asked again at most every few seconds, whoever sends what.
            again = self._current(_KEYS_AGAIN)
            if again is keys:
                raise
            return dict(jwt.decode(token, again, algorithms=ALGORITHMS).claims)

    def _registry(self) -> jwt.JWTClaimsRegistry:
        return jwt.JWTClaimsRegistry(
            leeway=LEEWAY_SECONDS,
            iss={"essential": True, "value": self._settings.issuer or ""},
            aud={"essential": True, "value": self._settings.audience},
            exp={"essential": True},
            sub={"essential": True},
        )

    def _scopes(self, claims: dict[str, JsonValue]) -> frozenset[Scope]:
        """Of the role claim, which is a list or a text with blanks; a dotted name leads into nested claims."""
        value: JsonValue = claims
        for name in self._settings.role_claim.split("."):
            value = value.get(name) if isinstance(value, dict) else None
        roles = value.split() if isinstance(value, str) else value if isinstance(value, list) else []
        return frozenset(Scope(role) for role in roles if isinstance(role, str) and role in set(Scope))

    def _current(self, seconds: float) -> KeySet:
        with self._lock:
            if self._keys is None or time.monotonic() - self._fetched_at > seconds:
                try:
                    self._keys = KeySet.import_key_set(self._fetch(self._jwks_url()))  # type: ignore[arg-type]  # JSON is checked there
                except (httpx.HTTPError, JoseError, ValueError, KeyError, TypeError):
                    if self._keys is None:
                        raise AuthenticationError("The issuer's keys cannot be had. Try again later.") from None
                self._fetched_at = time.monotonic()
            return self._keys

    def _jwks_url(self) -> str:
        if self._settings.jwks_url is not None:
            return self._settings.jwks_url
        issuer = (self._settings.issuer or "").rstrip("/")
        found = self._fetch(f"{issuer}/.well-known/openid-configuration")
        if found["issuer"] != self._settings.issuer:
            raise ValueError("the discovery document is another issuer's")
        return str(found["jwks_uri"])


def _fetched(url: str) -> dict[str, JsonValue]:
    answer = httpx.get(url, timeout=5.0, follow_redirects=False)
    answer.raise_for_status()
    found: dict[str, JsonValue] = answer.json()
    return found
