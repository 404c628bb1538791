"""One process owns a data folder, and one a database: a second one is refused before it touches anything."""

from __future__ import annotations

import json
import os
from pathlib import Path

from sqlalchemy import Connection, text

from kneeoa.model.errors import KneeOAError
from kneeoa.serving.store.database import Database
from kneeoa.serving.store.originals import named_failures

LOCK_NAME = "owner.lock"
_ADVISORY_LOCK = 0x4B6E65654F41  # "KneeOA"


class AlreadyOwnedError(KneeOAError):
    """Another process has the data folder or the database."""


class Ownership:
    """The lock file of a data folder; the operating system releases it with the process, however that ends.

    Args:
        data: the data folder.
    """

    def __init__(self, data: Path) -> None:
        self._path = data / LOCK_NAME
        self._handle: int | None = None
        self._session: Connection | None = None

    def take(self, release_sha256: str) -> None:
        """Takes the folder.

        Args:
            release_sha256: what this process grades with, for commands that ask.

        Raises:
            AlreadyOwnedError: another process has it.
            StoreError: the folder cannot be written.
        """
        with named_failures():
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        if not _lock(handle):
            os.close(handle)
            raise AlreadyOwnedError(
                "Another KneeOA process runs on this data folder. Stop it, or give this one its own: --data DIR."
            )
        self._handle = handle
        with named_failures():
            os.ftruncate(handle, 0)
            os.write(handle, json.dumps({"pid": os.getpid(), "release_sha256": release_sha256}).encode())

    def take_database(self, database: Database) -> None:
        """Takes a PostgreSQL database too: two data folders must not share one queue.

        Raises:
            AlreadyOwnedError: another process has it.
        """
        if database.is_sqlite:
            return
        session = database.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        if not session.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": _ADVISORY_LOCK}).scalar():
            session.close()
            raise AlreadyOwnedError("Another KneeOA process works with this PostgreSQL database. Give each its own.")
        self._session = session

    def release(self) -> None:
        """Gives both back."""
        if self._session is not None:
            self._session.invalidate()
            self._session.close()
            self._session = None
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


def running_release(data: Path) -> str | None:
    """The release that the process on this data folder grades with; None where none runs."""
    path = data / LOCK_NAME
    if not path.exists():
        return None
    handle = os.open(path, os.O_RDWR)
    try:
        if _lock(handle):
            return None
        return str(json.loads(os.read(handle, 4096))["release_sha256"])
    except (ValueError, KeyError):
        return ""
    finally:
        os.close(handle)


def _lock(handle: int) -> bool:
    """Tries to lock an open file for this process alone."""
    try:
        import fcntl
    except ModuleNotFoundError:  # Windows
        import msvcrt

        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined, unused-ignore]  # Windows only
        except OSError:
            return False
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
