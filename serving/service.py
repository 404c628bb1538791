"""The service's facade: everything that the API, the PACS and the commands may ask for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self

from kneeoa.model.grades import JSON, ReleaseFacts
from kneeoa.serving.correcting import CorrectionRequest, keep_correction
from kneeoa.serving.corrections import CorrectionRow, CorrectionsTable, corrections_table
from kneeoa.serving.grading import FilmGrading, InProcessGrading
from kneeoa.serving.listeners import Listeners
from kneeoa.serving.pipeline.admission import Admission
from kneeoa.serving.pipeline.courier import Courier
from kneeoa.serving.pipeline.delivery_work import DeliveryWork
from kneeoa.serving.pipeline.destinations import Outgoing
from kneeoa.serving.pipeline.event_stream import EventStream
from kneeoa.serving.pipeline.housekeeping import Housekeeping
from kneeoa.serving.pipeline.intake import Intake, IntakeRules, Receipt
from kneeoa.serving.pipeline.outbox import Outbox
from kneeoa.serving.pipeline.owner import Ownership
from kneeoa.serving.pipeline.rework import NotFoundError, drop, regrade, replay
from kneeoa.serving.pipeline.steps import Steps
from kneeoa.serving.pipeline.study_documents import StudyDocuments
from kneeoa.serving.pipeline.work import Work
from kneeoa.serving.routing.routing import Order, routing_of
from kneeoa.serving.settings import Settings
from kneeoa.serving.store import deliveries, reading
from kneeoa.serving.store.database import Database, database_url, migrate
from kneeoa.serving.store.deliveries import DeliveryCount
from kneeoa.serving.store.films import study_films, waiting
from kneeoa.serving.store.originals import Originals
from kneeoa.serving.store.reading import DeadLetter, EventRow, ResultRow, StudyFilter, StudyOrder, StudyPage
from kneeoa.serving.store.tables import Film, Study
from kneeoa.serving.store.trends import Trends, trends
from kneeoa.serving.study import study_report, with_deliveries
from kneeoa.serving.worklist import Worklist, WorklistRow, worklist_row

DEFAULT_PRIORITY = 5
_EVENTS_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class QueueState:
    """How much waits.

    Attributes:
        depth: films that wait or are worked on.
        oldest_seconds: how long the oldest of them has waited; 0 where none does.
        dead_letters: films whose work, or one of whose deliveries, failed for good.
    """

    depth: int
    oldest_seconds: float
    dead_letters: int


class KneeService:
    """The running service. Its methods block and may be called from any thread.

    Args:
        settings: see `Settings`.
        grading: grades a film; by default this process does.
        outgoing: where results go besides the event stream.
        decided: told what the rules say of each film, and where it came from.
    """

    def __init__(
        self,
        settings: Settings,
        grading: FilmGrading | None = None,
        outgoing: Outgoing | None = None,
        decided: Callable[[Order, str], None] = lambda _order, _sender: None,
    ) -> None:
        self.settings = settings
        self.grading = grading or InProcessGrading(settings.release, settings.device)
        url = database_url(settings)
        self.database = Database(url)
        self.originals = Originals(settings.data)
        self.listeners = Listeners()
        self._ownership = Ownership(settings.data)
        self._outgoing = outgoing = outgoing or Outgoing()
        self._outbox = Outbox(settings.data, outgoing.objects)
        by_name = {destination.name: destination for destination in outgoing.destinations}
        self.courier = Courier(self.database, by_name, self._outbox, settings.queue)
        steps = Steps(
            database=self.database,
            originals=self.originals,
            grading=self.grading,
            stream=EventStream(self.database, self.listeners.ring),
            outgoing=outgoing,
            grade_attempts=settings.queue.grade_attempts,
            backoff_seconds=settings.queue.backoff_seconds,
            announce=self.listeners.ring,
        )
        delivery_work = DeliveryWork(self.database, self.courier, settings.queue)
        self._work = Work(settings, self.database, url, steps, delivery_work)
        documents = StudyDocuments(self.database, self.release, outgoing.site, outgoing.study_quiet_seconds)
        self._housekeeping = Housekeeping(
            self.database, self.originals, self._work, documents, self.courier, settings.retention_days
        )
        admission = Admission(settings.queue, self.database, self.originals)
        self.routing = routing_of(settings.pacs)
        rules = IntakeRules(settings.limits.file_bytes, self.routing, decided)
        self._intake = Intake(admission, self.database, self.originals, self._work, rules)
        self._running = False

    def start(self) -> Self:
        """Takes the data folder, brings the schema up to date and starts the work.

        Raises:
            AlreadyOwnedError: another process has the data folder or the database.
            StoreError: the data folder or the database cannot be used.
        """
        self._ownership.take(self.grading.release.sha256)
        try:
            self._ownership.take_database(self.database)
            self.originals.prepare()
            self._outbox.prepare()
            migrate(self.database)
            self._work.start()
        except BaseException:
            self._ownership.release()
            self.database.close()
            raise
        self._housekeeping.start()
        self._running = True
        return self

    def stop(self) -> None:
        """Finishes what runs, at most `stop_seconds`; what waits, waits for the next start."""
        self._running = False
        self._housekeeping.stop()
        self._work.stop()
        self.grading.close()
        self.database.close()
        self._ownership.release()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def release(self) -> ReleaseFacts:
        """Which networks grade."""
        return self.grading.release

    def ready(self) -> bool:
        """Whether films can be taken now.

        Raises:
            StoreError: the database does not answer.
        """
        self.database.ping()
        return self._running

    def receive(self, source: BinaryIO | Path, *, sender: str, priority: int = DEFAULT_PRIORITY) -> Receipt:
        """Takes a film; see `Intake.receive`."""
        receipt = self._intake.receive(source, sender=sender, priority=priority)
        self.listeners.ring()
        return receipt

    def studies(
        self,
        wanted: StudyFilter | None = None,
        order: StudyOrder = StudyOrder.NEWEST,
        offset: int = 0,
        limit: int = 100,
    ) -> StudyPage:
        """A page of the list of studies."""
        with self.database.read() as session:
            return reading.study_page(session, wanted or StudyFilter(), order, offset, limit)

    def study(self, study_uid: str) -> dict[str, JSON]:
        """The StudyReport of a study, as of now.

        Raises:
            NotFoundError: there is no such study.
        """
        with self.database.read() as session:
            if session.get(Study, study_uid) is None:
                raise NotFoundError("There is no such study.")
            report = study_report(study_uid, study_films(session, study_uid))
            return with_deliveries(
                report, reading.result_ids(session, study_uid), deliveries.rows_of_study(session, study_uid)
            )

    def worklist(self, offset: int = 0, limit: int = 500) -> Worklist:
        """A page of the reading room's list, the newest first."""
        with self.database.read() as session:
            page = reading.study_page(session, StudyFilter(), StudyOrder.NEWEST, offset, limit)
            read = reading.correction_counts(session, [row.study_uid for row in page.rows])
        return Worklist(tuple(worklist_row(row, read.get(row.study_uid, 0)) for row in page.rows), page.total, offset)

    def worklist_row(self, study_uid: str) -> WorklistRow:
        """The row of one study.

        Raises:
            NotFoundError: there is no such study.
        """
        with self.database.read() as session:
            wanted = StudyFilter(study_uid=study_uid)
            rows = reading.study_page(session, wanted, StudyOrder.NEWEST, 0, 1).rows
            read = reading.correction_counts(session, [study_uid])
        if not rows:
            raise NotFoundError("There is no such study.")
        return worklist_row(rows[0], read.get(study_uid, 0))

    def trends(self, now: float, bins: int, bin_seconds: float) -> Trends:
        """How the work has gone; see `store.trends`."""
        with self.database.read() as session:
            return trends(session, now, bins, bin_seconds)

    def film(self, film_id: str) -> Film:
        """The row of a film.

        Raises:
            NotFoundError: there is no such film.
        """
        with self.database.read() as session:
            film = session.get(Film, film_id)
        if film is None:
            raise NotFoundError("There is no such film.")
        return film

    def film_path(self, film_id: str) -> Path:
        """Where a film's original lies.

        Raises:
            NotFoundError: there is no such film, or its original was removed by retention.
        """
        film = self.film(film_id)
        path = self.originals.path(film.film_id, film.suffix)
        if film.removed is not None or not path.is_file():
            raise NotFoundError("The film's original was removed; its results are still there.")
        return path

    def results(self, film_id: str) -> tuple[ResultRow, ...]:
        """All results of a film, the newest first.

        Raises:
            NotFoundError: there is no such film.
        """
        self.film(film_id)
        with self.database.read() as session:
            return reading.results_of(session, film_id)

    def add_correction(self, study_uid: str, request: CorrectionRequest) -> CorrectionRow:
        """Keeps a reader's grade beside the network's.

        Raises:
            NotFoundError: the study has no such film or knee with a report.
            ValueError: the grade is no KL grade.
        """
        with self.database.write() as session:
            row = keep_correction(session, study_uid, request)
        self.listeners.ring()
        return row

    def corrections(self, study_uid: str | None = None) -> CorrectionsTable:
        """Corrections of one study or of all, with the agreement of each reader."""
        with self.database.read() as session:
            return corrections_table(reading.correction_rows(session, study_uid))

    def dead_letters(self, offset: int = 0, limit: int = 100) -> tuple[DeadLetter, ...]:
        """Films whose work, or one of whose deliveries, failed for good, the newest failure first."""
        with self.database.read() as session:
            return reading.dead_letters(session, offset, limit)

    def replay(self, film_id: str) -> None:
        """Starts the work of a dead letter anew; see `rework.replay`."""
        with self.database.write() as session:
            replay(session, film_id)

    def drop(self, film_id: str) -> None:
        """Gives a dead letter up; see `rework.drop`."""
        with self.database.write() as session:
            drop(session, film_id)

    def regrade(self) -> int:
        """Grades stored films, whose newest result is by another release, with this one; how many."""
        return regrade(self.database, self.release.sha256)

    def queue(self) -> QueueState:
        """How much waits."""
        with self.database.read() as session:
            depth, oldest = waiting(session)
            dead = reading.count_dead_letters(session)
        return QueueState(depth, 0.0 if oldest is None else max(0.0, time.time() - oldest), dead)

    def deliveries(self) -> tuple[DeliveryCount, ...]:
        """How many objects stand where, of each destination; also of those that have had none yet."""
        with self.database.read() as session:
            found = {count.destination: count for count in deliveries.counts(session)}
        names = {*found, *(destination.name for destination in self._outgoing.destinations)}
        return tuple(found.get(name) or DeliveryCount(name, {}, 0, None) for name in sorted(names))

    async def subscribe(self, after: int | None = None) -> AsyncIterator[EventRow]:
        """Events as they happen, without end.

        Args:
            after: the number of the last event that the listener has; None: only what happens from now on.
        """
        bell = self.listeners.add()
        try:
            last = await asyncio.to_thread(self._last_event) if after is None else after
            while True:
                bell.clear()
                rows = await asyncio.to_thread(self._events_after, last)
                for row in rows:
                    last = row.sequence
                    yield row
                if not rows:
                    await bell.wait()
        finally:
            self.listeners.remove(bell)

    def _last_event(self) -> int:
        with self.database.read() as session:
            return reading.last_event(session)

    def _events_after(self, sequence: int) -> tuple[EventRow, ...]:
        with self.database.read() as session:
            return reading.events_after(session, sequence, _EVENTS_AT_ONCE)
