"""Logins of people at the page: a key is entered once and becomes a session, which a cookie names.

Sessions live in memory alone: a restart of the service asks everyone to log in again, and nothing on the disk can be
stolen. What a browser sends by itself, a cookie, proves nothing about who made it send that: whatever changes something
must also show the session's second secret, which only pages of this origin can have read.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from kneeoa.serving.security.keys import KeyFile
from kneeoa.serving.security.principal import AuthenticationError, Principal

SESSION_SECONDS = 10 * 3600.0
"""A working day."""
_MOST = 10_000


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who has logged in.

    Attributes:
        principal: who, by the key that was entered.
        csrf: what a request that changes something must show.
        ends: seconds since 1970.
    """

    principal: Principal
    csrf: str
    ends: float


class Sessions:
    """All sessions of one service; safe to share between threads.

    Args:
        keys: a session ends with its key.
        clock: seconds since 1970.
    """

    def __init__(self, keys: KeyFile, clock: Callable[[], float] = time.time) -> None:
        self._keys, self._clock = keys, clock
        self._lock = threading.Lock()
        self._open: OrderedDict[str, Session] = OrderedDict()

    def begin(self, key: str) -> tuple[str, Session]:
        """Logs somebody in; returns the cookie's value, which is not kept, and the session.

        Raises:
            AuthenticationError: the key is not valid.
        """
        principal = self._keys.authenticate(key)
        token = secrets.token_urlsafe(32)
        session = Session(principal, secrets.token_urlsafe(32), self._clock() + SESSION_SECONDS)
        with self._lock:
            self._open[_name(token)] = session
            while len(self._open) > _MOST:
                self._open.popitem(last=False)
        return token, session

    def of(self, token: str) -> Session:
        """The session that a cookie names.

        Raises:
            AuthenticationError: there is none, it has ended, or its key is not valid any more.
        """
        with self._lock:
            session = self._open.get(_name(token))
        if session is None or session.ends <= self._clock() or not self._keys.is_valid(session.principal):
            self.end(token)
            raise AuthenticationError("The session has ended. Log in again.")
        return session

    def end(self, token: str) -> None:
        """Logs somebody out."""
        with self._lock:
            self._open.pop(_name(token), None)


def shows(session: Session, given: str | None) -> bool:
    """Whether a request shows the session's second secret; takes the same time whatever was given."""
    return hmac.compare_digest(session.csrf.encode(), (given or "").encode("utf-8", "surrogatepass"))


def _name(token: str) -> str:
    """What a session is kept under: memory may be dumped."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
