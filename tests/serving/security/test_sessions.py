"""Sessions of people at the page end with their time and with their key."""

from __future__ import annotations

from pathlib import Path

import pytest

from kneeoa.serving.security.keys import KeyFile
from kneeoa.serving.security.principal import AuthenticationError, Scope
from kneeoa.serving.security.sessions import SESSION_SECONDS, Sessions, shows


def test_a_session_ends_after_its_time(tmp_path: Path) -> None:
    keys, now = KeyFile(tmp_path), [1000.0]
    sessions = Sessions(keys, lambda: now[0])
    token, begun = sessions.begin(keys.create("a viewer", frozenset({Scope.READ})))
    assert sessions.of(token) == begun
    assert begun.principal.scopes == {Scope.READ}
    now[0] += SESSION_SECONDS - 1
    sessions.of(token)
    now[0] += 2
    with pytest.raises(AuthenticationError, match="ended"):
        sessions.of(token)
    now[0] = 1000.0
    with pytest.raises(AuthenticationError):
        sessions.of(token)


def test_neither_token_nor_key_is_kept(tmp_path: Path) -> None:
    keys = KeyFile(tmp_path)
    key = keys.create("a viewer", frozenset({Scope.READ}))
    sessions = Sessions(keys)
    token, _ = sessions.begin(key)
    assert token not in repr(vars(sessions))
    assert key not in repr(vars(sessions))


def test_the_second_secret_is_of_one_session_alone(tmp_path: Path) -> None:
    keys = KeyFile(tmp_path)
    key = keys.create("a viewer", frozenset({Scope.READ}))
    sessions = Sessions(keys)
    (_, one), (_, other) = sessions.begin(key), sessions.begin(key)
    assert shows(one, one.csrf)
    assert not shows(one, other.csrf)
    assert not shows(one, None)
    assert not shows(one, "\udcff")
