"""From a request's headers to whoever asks; and whether the service may listen at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kneeoa.model.errors import ConfigError
from kneeoa.serving.security.keys import PREFIX, KeyFile
from kneeoa.serving.security.principal import LOCAL, AuthenticationError, Principal
from kneeoa.serving.settings import OidcSettings, Settings

if TYPE_CHECKING:
    from kneeoa.serving.security.tokens import TokenVerifier


class Authenticator:
    """Knows keys and tokens. Safe to share between threads.

    Args:
        settings: of the service.
        tokens: verifies bearer tokens; by default those of the issuer that the settings name.

    Attributes:
        keys: the API keys.
        open: whether everyone who reaches the service may use it: it listens on loopback alone.
    """

    def __init__(self, settings: Settings, tokens: TokenVerifier | None = None) -> None:
        oidc = settings.security.oidc
        self.keys = KeyFile(settings.data)
        self._tokens = tokens or (_verifier(oidc) if oidc.issuer else None)
        self.open = settings.on_loopback and not settings.security.require_login

    def authenticate(self, authorization: str | None, api_key: str | None) -> Principal:
        """Who asks.

        Args:
            authorization: the header of that name: "Bearer", and a key or a token.
            api_key: the header X-API-Key.

        Raises:
            AuthenticationError: nothing was given where something is needed, or it is not valid: also on loopback.
        """
        if authorization is None and api_key is None:
            if self.open:
                return LOCAL
            raise AuthenticationError("Send an API key or a bearer token.")
        if api_key is not None:
            return self.keys.authenticate(api_key)
        kind, _, given = (authorization or "").partition(" ")
        if kind.lower() != "bearer":
            raise AuthenticationError("The Authorization header must be: Bearer, and a key or a token.")
        if given.startswith(PREFIX):
            return self.keys.authenticate(given.strip())
        if self._tokens is None:
            raise AuthenticationError("Tokens are not taken here; send an API key.")
        return self._tokens.authenticate(given.strip())


def _verifier(oidc: OidcSettings) -> TokenVerifier:
    """Its libraries take a fifth of a second to load, and most services take no tokens."""
    from kneeoa.serving.security.tokens import TokenVerifier

    return TokenVerifier(oidc)


def refuse_open_bind(settings: Settings) -> None:
    """Refuses to listen to the network where nobody could be told from anybody.

    Raises:
        ConfigError: the address is not loopback, and there is neither a valid key nor an issuer of tokens.
    """
    if settings.on_loopback or settings.security.oidc.issuer or KeyFile(settings.data).any_valid():
        return
    raise ConfigError(
        f"Listening on {settings.host} lets others in, and there is no authentication. Run: kneeoa keys create, or "
        "name an issuer of tokens (KNEEOA_SECURITY__OIDC__ISSUER), or listen on 127.0.0.1."
    )
