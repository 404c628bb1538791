"""What is done with a film, step by step. Each may run twice with the same end: a crash repeats the one in flight."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlalchemy import select, update

from kneeoa.model.errors import ReasonCode
from kneeoa.model.grades import JSON
from kneeoa.serving.grading import FilmGrading, GradingError
from kneeoa.serving.pipeline.destinations import Destination, EventStream
from kneeoa.serving.pipeline.identity import made_uid, result_id, result_uid
from kneeoa.serving.store.database import Database
from kneeoa.serving.store.films import add_result, happened, is_destination, note_delivery, study_films
from kneeoa.serving.store.originals import Originals
from kneeoa.serving.store.tables import Delivery, Event, Film, FilmState, Result, Study
from kneeoa.serving.study import disagree, study_report, worst_grade


@dataclass(frozen=True, slots=True)
class Steps:
    """The steps, with what they work on.

    Attributes:
        database, originals: the store.
        grading: grades a film.
        destinations: where results go, by name.
        grade_attempts: how often one film is graded before its decoder's death counts.
        backoff_seconds: before the second of these; it doubles.
        announce: called after an event was written that no destination tells of.
    """

    database: Database
    originals: Originals
    grading: FilmGrading
    destinations: Mapping[str, Destination]
    grade_attempts: int
    backoff_seconds: float
    announce: Callable[[], None]

    def grade(self, film_id: str, work_id: str) -> str:
        """Grades a film and writes its result down.

        Args:
            film_id: of the film.
            work_id: of this work; where it has made a result already, that one stands.

        Returns:
            The result's id.

        Raises:
            GradingError: the decoder died or took too long, every time.
            StoreError: the store cannot be used now.
        """
        with self.database.read() as session:
            film = session.get_one(Film, film_id)
            made = session.scalar(select(Result.result_id).where(Result.work_id == work_id))
        if made is not None:
            return made
        report = self._graded(film)
        release = self.grading.release
        made = result_id(film_id, release.sha256)
        result = Result(
            result_id=made,
            result_uid=result_uid(made),
            film_id=film_id,
            work_id=work_id,
            release_name=release.name,
            release_sha256=release.sha256,
            software=release.software,
            report=report,
            created=time.time(),
        )
        with self.database.write() as session:
            add_result(session, result)
        return made

    def build(self, film_id: str) -> str:
        """Joins the study's films into its report, under a UID hashed from their results.

        Returns:
            The report's UID.
        """
        with self.database.write() as session:
            film = session.get_one(Film, film_id)
            # Locked first: of two films that finish together the second must see the first one's result.
            study = session.get_one(Study, film.study_uid, with_for_update=True)
            films = study_films(session, study.study_uid)
            study.report = study_report(study.study_uid, films)
            study.worst_grade, study.films_disagree = worst_grade(study.report), disagree(study.report)
            study.report_uid = made_uid("study report", *sorted(f.result_uid for f in films if f.result_uid))
            return study.report_uid

    def deliver(self, result_id_: str, destination: str) -> str:
        """Brings a result to one destination and writes down how far it came; where it shall not go, to none."""
        with self.database.read() as session:
            # The event stream is ours: whoever listens is told of every result.
            if destination != EventStream.name and not is_destination(session, result_id_, destination):
                return "not_asked_for"
        state = self.destinations[destination].deliver(result_id_)
        delivery = Delivery(result_id=result_id_, destination=destination, state=state, attempts=1, updated=time.time())
        with self.database.write() as session:
            note_delivery(session, delivery)
        return state

    def finish(self, film_id: str, round_: int) -> None:
        """Writes down that a film is done, unless it was asked for anew meanwhile."""
        with self.database.write() as session:
            session.execute(
                update(Film)
                .where(Film.film_id == film_id, Film.round == round_, Film.state == FilmState.WAITING)
                .values(state=FilmState.DONE)
            )

    def bury(self, film_id: str, round_: int, reason: str) -> None:
        """Makes a dead letter of a film, which a person may replay or drop."""
        now = time.time()
        with self.database.write() as session:
            film = session.get_one(Film, film_id)
            if film.round != round_ or film.state != FilmState.WAITING:
                return
            film.state, film.dead_reason, film.dead_since = FilmState.DEAD, reason, now
            event = Event(
                kind="dead_letter",
                key=f"{film_id}:{round_}",
                study_uid=film.study_uid,
                film_id=film_id,
                facts={"reason": reason},
                created=now,
            )
            happened(session, event)
        self.announce()

    def _graded(self, film: Film) -> dict[str, JSON]:
        path = self.originals.path(film.film_id, film.suffix)
        if not path.is_file():
            raise GradingError("original_missing", "The film's file is gone. Restore it or send it again.")
        for attempt in range(1, self.grade_attempts + 1):
            try:
                report = self.grading.grade(path)
                _refuse_crash(report)
            except GradingError:
                if attempt == self.grade_attempts:
                    raise
                time.sleep(self.backoff_seconds * 2 ** (attempt - 1))
            else:
                return _named(report, film)
        raise AssertionError  # grade_attempts is at least 1


def _refuse_crash(report: dict[str, JSON]) -> None:
    """A decoder that died says nothing about the film yet: it is tried again, and then a dead letter."""
    refusal = report["refusal"]
    if isinstance(refusal, dict) and refusal["code"] == ReasonCode.DECODER_CRASHED:
        raise GradingError(ReasonCode.DECODER_CRASHED, "The decoder died over this film.")


def _named(report: dict[str, JSON], film: Film) -> dict[str, JSON]:
    """The report with the film's own name in place of a path of this machine."""
    facts = report["film"]
    named: dict[str, JSON] = {**facts, "source": f"{film.film_id}{film.suffix}"} if isinstance(facts, dict) else {}
    flags = report["flags"]
    told: list[JSON] = [*flags] if isinstance(flags, list) else []
    return {**report, "film": named, "flags": [*told, "uid_reused"] if film.uid_reused else told}
