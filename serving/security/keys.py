"""API keys: shown once, kept as a hash in one file that only its owner can read.

A key is 256 random bits, so that a plain SHA-256 of it cannot be reversed by trying; slow hashes are for passwords.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from kneeoa.model.errors import ConfigError
from kneeoa.serving.security.principal import AuthenticationError, Principal, Scope

PREFIX = "kneeoa_"
KEYS_FILE = "keys.json"
_NOBODY = hashlib.sha256(b"no such key").hexdigest()
_DAY = 86_400.0
_NAMED = "key:"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is kept of a key.

    Attributes:
        key_id: its public part.
        label: what it is for, in the words of who made it: a machine, not a person.
        scopes: what it allows.
        sha256: of the whole key.
        created, expires, revoked: seconds since 1970, or None.
    """

    key_id: str
    label: str
    scopes: tuple[Scope, ...]
    sha256: str
    created: float
    expires: float | None = None
    revoked: float | None = None

    def state(self, now: float) -> str:
        """`valid`, `expired` or `revoked`."""
        if self.revoked is not None and self.revoked <= now:
            return "revoked"
        return "expired" if self.expires is not None and self.expires <= now else "valid"


class KeyFile:
    """The keys of one data folder. A running service sees a change at the next request.

    Args:
        folder: the service's data folder.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / KEYS_FILE
        self._seen: tuple[int, int, int] | None = None
        self._keys: dict[str, ApiKey] = {}

    def create(self, label: str, scopes: frozenset[Scope], days: float | None = None) -> str:
        """Makes a key and returns it; it is not kept and cannot be shown again.

        Args:
            label: what it is for.
            scopes: what it allows; at least one.
            days: after how many it expires, or None.

        Raises:
            ConfigError: there is no scope, or the file cannot be written.
        """
        if not scopes:
            raise ConfigError("A key without a scope opens nothing. Name submit, read or admin.")
        now = time.time()
        key, made = _made(label, tuple(sorted(scopes)), now, None if days is None else now + days * _DAY)
        with self._changing() as keys:
            keys[made.key_id] = made
        return key

    def rotate(self, key_id: str, grace_hours: float = 24.0) -> str:
        """Makes a key like another one, which stays valid for some hours, so that its users can change over.

        Raises:
            ConfigError: there is no such valid key.
        """
        now = time.time()
        with self._changing() as keys:
            old = _known(keys, key_id)
            if old.state(now) != "valid":
                raise ConfigError(f"Key {key_id} is {old.state(now)}. Create a new one.")
            life = None if old.expires is None else now + (old.expires - old.created)
            key, made = _made(old.label, old.scopes, now, life)
            end = now + grace_hours * 3600
            keys[key_id] = replace(old, revoked=end)
            keys[made.key_id] = made
        return key

    def revoke(self, key_id: str) -> None:
        """Ends a key at once.

        Raises:
            ConfigError: there is no such key.
        """
        with self._changing() as keys:
            keys[key_id] = replace(_known(keys, key_id), revoked=time.time())

    def all(self) -> list[ApiKey]:
        """Every key that ever was, the oldest first."""
        return sorted(self._current().values(), key=lambda key: key.created)

    def any_valid(self) -> bool:
        """Whether anybody could log in."""
        return any(key.state(time.time()) == "valid" for key in self.all())

    def is_valid(self, principal: Principal) -> bool:
        """Whether the key that a principal showed once would still be taken."""
        known = self._current().get(principal.name.removeprefix(_NAMED))
        return known is not None and known.state(time.time()) == "valid"

    def authenticate(self, given: str) -> Principal:
        """Who a key belongs to; takes the same time whatever is wrong with it.

        Raises:
            AuthenticationError: it is no valid key.
        """
        key_id = given.removeprefix(PREFIX).partition("_")[0]
        known = self._current().get(key_id)
        hashed = hashlib.sha256(given.encode("utf-8", "surrogatepass")).hexdigest()
        same = hmac.compare_digest(hashed, known.sha256 if known is not None else _NOBODY)
        if known is None or not same:
            raise AuthenticationError("The API key is not valid.")
        if (state := known.state(time.time())) != "valid":
            raise AuthenticationError(f"The API key is {state}.")
        return Principal(f"{_NAMED}{known.key_id}", frozenset(known.scopes))

    def _current(self) -> dict[str, ApiKey]:
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return {}
        seen = (status.st_mtime_ns, status.st_size, status.st_ino)
        if seen != self._seen:
            self._keys, self._seen = _read(self.path), seen
        return self._keys

    @contextmanager
    def _changing(self) -> Iterator[dict[str, ApiKey]]:
        """The keys, to be changed and then written, by one process at a time."""
        import fcntl

        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.with_suffix(".lock").open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                keys = _read(self.path) if self.path.exists() else {}
                yield keys
                _write(self.path, keys)
        except OSError as error:
            raise ConfigError(f"The keys cannot be written: {error.strerror}. Check the data folder.") from None


def _made(label: str, scopes: tuple[Scope, ...], now: float, expires: float | None) -> tuple[str, ApiKey]:
    key_id = secrets.token_hex(4)
    key = f"{PREFIX}{key_id}_{secrets.token_urlsafe(32)}"
    return key, ApiKey(key_id, label, scopes, hashlib.sha256(key.encode()).hexdigest(), now, expires)


def _known(keys: dict[str, ApiKey], key_id: str) -> ApiKey:
    if key_id not in keys:
        raise ConfigError(f"There is no key {key_id!r}. `kneeoa keys list` shows them.")
    return keys[key_id]


def _read(path: Path) -> dict[str, ApiKey]:
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        found = [ApiKey(**{**row, "scopes": tuple(Scope(scope) for scope in row["scopes"])}) for row in rows]
    except (OSError, ValueError, TypeError, KeyError):
        raise ConfigError(f"The file of the keys, {path.name}, cannot be read. Restore it from a backup.") from None
    return {key.key_id: key for key in found}


def _write(path: Path, keys: dict[str, ApiKey]) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".keys-")  # mode 0600
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        json.dump([asdict(key) for key in keys.values()], stream, indent=1)
        stream.flush()
        os.fsync(stream.fileno())
    Path(name).replace(path)
