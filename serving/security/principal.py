"""Whoever asks, and what they may do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Scope(StrEnum):
    """What a key or a token allows. None includes another."""

    SUBMIT = "submit"
    """Send films."""
    READ = "read"
    """See studies, results and pictures, and correct them."""
    ADMIN = "admin"
    """See and work on dead letters, and export corrections."""


ALL_SCOPES = frozenset(Scope)


@dataclass(frozen=True, slots=True)
class Principal:
    """Whoever asks.

    Attributes:
        name: a pseudonym: "key:<id>", "oidc:<hash>" or "local"; never a person's name.
        scopes: what is allowed.
    """

    name: str
    scopes: frozenset[Scope]


LOCAL = Principal("local", ALL_SCOPES)
"""Whoever is on this machine, where the service listens on loopback alone and asks for no login."""


class AuthenticationError(Exception):
    """No key or token, or one that is not valid; the text says which, never the secret."""
