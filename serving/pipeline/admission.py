"""Whether another film is taken: a queue or a disk that fills up says so before it is full."""

from __future__ import annotations

import time
from threading import Lock

from kneeoa.model.errors import KneeOAError
from kneeoa.serving.settings import QueueSettings
from kneeoa.serving.store.database import Database
from kneeoa.serving.store.films import waiting
from kneeoa.serving.store.originals import Originals

_FRESH_SECONDS = 0.25
_RETRY_SECONDS = {"queue_full": 30, "disk_low": 300}


class BusyError(KneeOAError):
    """No film is taken now.

    Attributes:
        reason: `queue_full` or `disk_low`.
        retry_after_seconds: when to ask again.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.retry_after_seconds = _RETRY_SECONDS[reason]


class Admission:
    """Looks at the queue and the disk, at most a few times a second.

    Args:
        settings: the watermarks.
        database, originals: what is looked at.
    """

    def __init__(self, settings: QueueSettings, database: Database, originals: Originals) -> None:
        self._settings = settings
        self._database = database
        self._originals = originals
        self._lock = Lock()
        self._looked = 0.0
        self._depth = 0
        self._since_looked = 0
        self._shut = False

    def check(self) -> None:
        """Lets a film in.

        Raises:
            BusyError: the queue stands above its high mark, or has not yet fallen to its low one; or the disk is low.
            StoreError: the store cannot be asked.
        """
        if self._originals.free_bytes() < self._settings.free_bytes:
            raise BusyError("disk_low", "The disk of the films is nearly full. Make room, then send again.")
        with self._lock:
            if time.monotonic() - self._looked > _FRESH_SECONDS:
                with self._database.read() as session:
                    self._depth = waiting(session)[0]
                self._looked, self._since_looked = time.monotonic(), 0
            depth = self._depth + self._since_looked
            limit = self._settings.low_films + 1 if self._shut else self._settings.high_films
            self._shut = depth >= limit
            if self._shut:
                raise BusyError("queue_full", f"{depth} films are waiting. Send again later.")
            self._since_looked += 1
