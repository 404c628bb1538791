"""What has to be done from time to time.

Queue what commands and reports asked for, plan documents of studies, remove old originals, collect finished work.
"""

from __future__ import annotations

import time
from threading import Event, Thread

import structlog
from sqlalchemy import and_, or_, select, update

from kneeoa.serving.pipeline.courier import Courier
from kneeoa.serving.pipeline.study_documents import StudyDocuments
from kneeoa.serving.pipeline.work import Work
from kneeoa.serving.store.database import Database
from kneeoa.serving.store.deliveries import is_open
from kneeoa.serving.store.originals import Originals
from kneeoa.serving.store.tables import Delivery, Film, FilmState, Result

_TICK_SECONDS = 1.0
_SLOW_SECONDS = 600.0
_CHUNK = 200
_DAY_SECONDS = 86_400.0
_log = structlog.get_logger("kneeoa.housekeeping")


def remove_old_originals(database: Database, originals: Originals, days: float, now: float) -> int:
    """Deletes originals whose newest result, or whose giving up, is old enough; rows and results stay.

    What is still on its way to a destination may have to be made anew, and keeps its original.

    Args:
        database: the store's database.
        originals: the store's films.
        days: from the result on, or from the failure of a film that a person has dropped.
        now: seconds since 1970.

    Returns:
        How many were deleted.
    """
    removed, end = 0, now - days * _DAY_SECONDS
    graded = and_(Film.state == FilmState.DONE, Result.created <= end)
    dropped = and_(Film.state == FilmState.DROPPED, Film.dead_since <= end)
    while True:
        with database.read() as session:
            query = (
                select(Film.film_id, Film.suffix)
                .outerjoin(Result, Result.result_id == Film.result_id)
                .where(Film.removed.is_(None), or_(graded, dropped))
                .where(~select(Delivery.object_uid).where(Delivery.film_id == Film.film_id, is_open()).exists())
            )
            old = session.execute(query.limit(_CHUNK)).all()
        for film_id, suffix in old:
            originals.remove(film_id, suffix)
            with database.write() as session:
                session.execute(update(Film).where(Film.film_id == film_id).values(removed=now))
        removed += len(old)
        if len(old) < _CHUNK:
            return removed


class Housekeeping:
    """A thread that does it while the service runs.

    Args:
        database, originals: the store.
        work: the queue.
        documents: of studies.
        courier: of results on their way.
        retention_days: see `Settings.retention_days`.
    """

    def __init__(
        self,
        database: Database,
        originals: Originals,
        work: Work,
        documents: StudyDocuments,
        courier: Courier,
        retention_days: float | None,
    ) -> None:
        self._database = database
        self._originals = originals
        self._work = work
        self._documents = documents
        self._courier = courier
        self._retention_days = retention_days
        self._stop = Event()
        self._thread = Thread(target=self._run, name="kneeoa-housekeeping", daemon=True)

    def start(self) -> None:
        """Starts it; waiting films without work are adopted first."""
        self._thread.start()

    def stop(self) -> None:
        """Ends it, after what it is just doing."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=10)

    def _run(self) -> None:
        adopted, slow = False, 0.0
        while not self._stop.is_set():
            try:
                if not adopted:
                    self._work.adopt()
                    adopted = True
                self._documents.plan_due(time.time())
                self._work.queue_lagging()
                if time.monotonic() >= slow:
                    self._slow()
                    slow = time.monotonic() + _SLOW_SECONDS
            except Exception as error:  # the store may be gone for a while; the thread must outlive that
                _log.warning("housekeeping_failed", error=type(error).__name__)
            self._stop.wait(_TICK_SECONDS)

    def _slow(self) -> None:
        if self._retention_days is not None:
            remove_old_originals(self._database, self._originals, self._retention_days, time.time())
        self._courier.sweep()
        while self._work.collect():
            pass
