"""The durable work: one DBOS workflow a film, which a crash, a restart or an upgrade resumes.

The table of films is the truth and DBOS carries the work. A film that waits and has no living workflow, whatever the
reason, is queued anew (`adopt`); ids make that harmless.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import select, update

from kneeoa.serving.pipeline import workflow
from kneeoa.serving.pipeline.delivery_work import DeliveryWork
from kneeoa.serving.pipeline.steps import Steps
from kneeoa.serving.pipeline.workflow import QUEUE, register, work_id
from kneeoa.serving.settings import Settings
from kneeoa.serving.store.database import Database
from kneeoa.serving.store.tables import Film, FilmState

if TYPE_CHECKING:
    from dbos import DBOSConfig

WORK_NAME = "work.sqlite"
POLL_SECONDS = 0.2
"""Each look costs some milliseconds of the processor, day and night; a film takes longer than this."""
_CHUNK = 500
_ALIVE = frozenset({"PENDING", "ENQUEUED", "DELAYED"})
_EXHAUSTED = "MAX_RECOVERY_ATTEMPTS_EXCEEDED"
_log = structlog.get_logger("kneeoa.work")


class Work:
    """Runs the steps of every film, durably. One a process: DBOS allows no second.

    Args:
        settings: of the service.
        database: the store.
        url: of the database, as `store.database.database_url` gives it.
        steps: what is done with a film.
        deliveries: what is done with its results.
    """

    def __init__(
        self, settings: Settings, database: Database, url: str, steps: Steps, deliveries: DeliveryWork
    ) -> None:
        self._settings = settings
        self._database = database
        self._url = url
        self._steps = steps
        self._deliveries = deliveries
        self._stopping = False
        self._enqueue: Callable[[str, int, int], None] | None = None
        self._arrivals: SimpleQueue[tuple[str, int, int] | None] = SimpleQueue()
        self._dispatcher = Thread(target=self._dispatch, name="kneeoa-dispatcher", daemon=True)

    def start(self) -> None:
        """Starts the workers of the queue; work that a crash left behind is resumed."""
        from dbos import DBOS

        DBOS(config=_config(self._settings.data, self._url))
        self._deliveries.register(workflow.WORKFLOW_VERSION, lambda: self._stopping)
        self._enqueue = register(self._steps, self._settings.queue, lambda: self._stopping, self._deliveries.enqueue)
        DBOS.launch()
        self._deliveries.open_queue(POLL_SECONDS)
        DBOS.register_queue(
            QUEUE,
            worker_concurrency=2 * self._settings.workers.resolved_count,  # so that none is idle until the next look
            polling_interval_sec=POLL_SECONDS,
            on_conflict="always_update",
        )
        self._dispatcher.start()

    def stop(self) -> None:
        """Takes no further film, waits for those being worked on, and leaves the others for the next start."""
        from dbos import DBOS

        self._stopping = True
        self._arrivals.put(None)
        if self._dispatcher.is_alive():
            self._dispatcher.join(timeout=5)
        DBOS.destroy(destroy_registry=True, workflow_completion_timeout_sec=int(self._settings.stop_seconds))
        self._enqueue = None

    def enqueue(self, film_id: str, round_: int, priority: int) -> None:
        """Queues a film's work, soon and from another thread; queued twice it is done once.

        Whoever sends a film must not wait for the work's database: the film is on the disk and in the table, and what
        a crash keeps from being queued is adopted by the next start.
        """
        self._arrivals.put((film_id, round_, priority))

    def queue_lagging(self) -> int:
        """Queues films whose newest round was asked for by a command, or could not be queued before, and deliveries."""
        with self._database.read() as session:
            query = select(Film.film_id, Film.round, Film.priority)
            lagging = session.execute(
                query.where(Film.state == FilmState.WAITING, Film.queued < Film.round).order_by(Film.received)
            ).all()
        for film_id, round_, priority in lagging:
            self.enqueue(film_id, round_, priority)
            with self._database.write() as session:
                session.execute(update(Film).where(Film.film_id == film_id).values(queued=round_))
        return len(lagging) + self._deliveries.queue_lagging()

    def adopt(self) -> int:
        """Gives every waiting film, and every delivery, living work: after a crash, an upgrade, a restored backup.

        Returns:
            How many had none.
        """
        with self._database.read() as session:
            query = select(Film.film_id, Film.round).where(Film.state == FilmState.WAITING)
            films = session.execute(query.order_by(Film.received)).all()
        self._cancel_strangers()
        adopted = 0
        for start in range(0, len(films), _CHUNK):
            adopted += self._adopt(dict(films[start : start + _CHUNK]))
        return adopted + self._deliveries.adopt() + self.queue_lagging()

    def collect(self) -> int:
        """Deletes the records of work that finished long ago.

        Returns:
            How many were deleted.
        """
        from datetime import UTC, datetime, timedelta

        from dbos import DBOS

        before = datetime.now(UTC) - timedelta(hours=self._settings.queue.keep_finished_hours)
        old = DBOS.list_workflows(
            status=["SUCCESS", "ERROR", "CANCELLED"],
            end_time=before.isoformat(),
            limit=_CHUNK,
            load_input=False,
            load_output=False,
        )
        ids = [workflow.workflow_id for workflow in old]
        if ids:
            DBOS.delete_workflows(ids)
        return len(ids)

    def recorded(self) -> int:
        """How much work DBOS has on record, finished or not."""
        from dbos import DBOS

        return len(DBOS.list_workflows(load_input=False, load_output=False))

    def pending(self) -> int:
        """How much work is queued or running."""
        from dbos import DBOS

        return len(DBOS.list_workflows(status=sorted(_ALIVE), load_input=False, load_output=False))

    def _dispatch(self) -> None:
        while (arrival := self._arrivals.get()) is not None and self._enqueue is not None:
            try:
                self._enqueue(*arrival)
            except Exception as error:  # whatever it is, the film must not be forgotten while the process lives
                _log.warning("queue_failed", error=type(error).__name__)
                if self._stopping:
                    return
                time.sleep(1)
                self._arrivals.put(arrival)

    @staticmethod
    def _cancel_strangers() -> None:
        """Cancels work of other versions, which DBOS would never run: its films get work of this one."""
        from dbos import DBOS

        alive = DBOS.list_workflows(status=sorted(_ALIVE), load_input=False, load_output=False)
        strangers = [w.workflow_id for w in alive if w.app_version != workflow.WORKFLOW_VERSION]
        if strangers:
            DBOS.cancel_workflows(strangers)

    def _adopt(self, films: dict[str, int]) -> int:
        from dbos import DBOS

        ids = {work_id(film_id, round_): film_id for film_id, round_ in films.items()}
        found = DBOS.list_workflows(workflow_ids=list(ids), load_input=False, load_output=False)
        status = {workflow.workflow_id: workflow.status for workflow in found}
        adopted = 0
        for known, film_id in ids.items():
            if status.get(known) in _ALIVE:
                continue
            adopted += 1
            if status.get(known) == _EXHAUSTED:
                self._steps.bury(film_id, films[film_id], "recovery_exhausted")
                continue
            with self._database.write() as session:
                newer = {"queued": 0} if known not in status else {"round": Film.round + 1}
                session.execute(update(Film).where(Film.film_id == film_id).values(newer))
        return adopted


def _config(data: Path, url: str) -> DBOSConfig:
    own = url if not url.startswith("sqlite") else f"sqlite:///{data / WORK_NAME}"
    folder = hashlib.sha256(str(data.resolve()).encode()).hexdigest()[:12]
    return {
        "name": "kneeoa",
        "system_database_url": own,
        "application_version": workflow.WORKFLOW_VERSION,
        "executor_id": f"kneeoa-{folder}",
        "log_level": "ERROR",
    }
