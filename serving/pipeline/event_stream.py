"""Tells listeners of `GET /v1/events` that a film has a result."""

from __future__ import annotations

import time
from collections.abc import Callable

from kneeoa.model.grades import JSON
from kneeoa.serving.store.database import Database
from kneeoa.serving.store.films import happened
from kneeoa.serving.store.tables import Event, Film, Result


class EventStream:
    """The events that listeners are told.

    Args:
        database: where they are kept.
        announce: called after each new one.
    """

    def __init__(self, database: Database, announce: Callable[[], None]) -> None:
        self._database = database
        self._announce = announce

    def tell(self, result_id: str) -> None:
        """Tells of one result; told twice is the same as once."""
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


def _facts(result: Result) -> dict[str, JSON]:
    refusal = result.report.get("refusal")
    return {
        "result_uid": result.result_uid,
        "release": result.release_name,
        "refusal": refusal.get("code") if isinstance(refusal, dict) else None,
    }
