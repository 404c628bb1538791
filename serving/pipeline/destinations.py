"""Where results go. Today: to whoever listens; a PACS plugs in here."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from kneeoa.model.errors import KneeOAError
from kneeoa.model.grades import JSON
from kneeoa.serving.store.database import Database
from kneeoa.serving.store.films import happened
from kneeoa.serving.store.tables import Event, Film, Result


class DeliveryError(KneeOAError):
    """A result could not be brought to a destination; another attempt may succeed.

    Attributes:
        reason: a stable code: `destination_unreachable`, `destination_refused`, `destination_lost`.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason

    def __reduce__(self) -> tuple[type[DeliveryError], tuple[str, str]]:
        return DeliveryError, (self.reason, str(self))  # DBOS keeps errors as pickles


class Destination(Protocol):
    """A place that every result is brought to. Bringing one twice must be the same as bringing it once."""

    @property
    def name(self) -> str:
        """What settings, metrics and the table of deliveries call it."""

    def deliver(self, result_id: str) -> str:
        """Brings one result there.

        Args:
            result_id: of a result in the store.

        Returns:
            How far it came: "sent", "committed" or "verified".

        Raises:
            Exception: it did not; the pipeline tries again, later and later, and then makes a dead letter.
        """


class EventStream:
    """Tells listeners of `GET /v1/events` that a film has a result.

    Args:
        database: where events are kept.
        announce: called after each new event.
    """

    name = "events"

    def __init__(self, database: Database, announce: Callable[[], None]) -> None:
        self._database = database
        self._announce = announce

    def deliver(self, result_id: str) -> str:
        """See `Destination.deliver`."""
        with self._database.write() as session:
            result = session.get_one(Result, result_id)
            film = session.get_one(Film, result.film_id)
            happened(
                session,
                Event(
                    kind="result",
                    key=result_id,
                    study_uid=film.study_uid,
                    film_id=film.film_id,
                    facts=_facts(result),
                    created=time.time(),
                ),
            )
        self._announce()
        return "sent"


def _facts(result: Result) -> dict[str, JSON]:
    refusal = result.report.get("refusal")
    return {
        "result_uid": result.result_uid,
        "release": result.release_name,
        "refusal": refusal.get("code") if isinstance(refusal, dict) else None,
    }
