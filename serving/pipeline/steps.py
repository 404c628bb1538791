"""What is done with a film, step by step. Each may run twice with the same end: a crash repeats the one in flight."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import select, update

from kneeoa.model.errors import READ_ERRORS, ReasonCode
from kneeoa.model.grades import JSON
from kneeoa.serving.grading import FilmGrading, GradingError
from kneeoa.serving.pipeline.destinations import Outgoing
from kneeoa.serving.pipeline.event_stream import EventStream
from kneeoa.serving.pipeline.identity import capture_uid, made_uid, result_id, result_uid, site_uid
from kneeoa.serving.pipeline.study_documents import expect_document
from kneeoa.serving.store.database import Database
from kneeoa.serving.store.deliveries import Ordered, add_delivery, new_delivery
from kneeoa.serving.store.films import add_result, happened, study_films
from kneeoa.serving.store.originals import Originals
from kneeoa.serving.store.tables import Event, Film, FilmState, Result, Study
from kneeoa.serving.study import disagree, study_report, worst_grade


@dataclass(frozen=True, slots=True)
class Steps:
    """The steps, with what they work on.

    Attributes:
        database, originals: the store.
        grading: grades a film.
        stream: tells listeners.
        outgoing: where results go.
        grade_attempts: how often one film is graded before its decoder's death counts.
        backoff_seconds: before the second of these; it doubles.
        announce: called after an event was written that no destination tells of.
    """

    database: Database
    originals: Originals
    grading: FilmGrading
    stream: EventStream
    outgoing: Outgoing
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
            if self.outgoing.study_quiet_seconds is not None and self.outgoing.destinations:
                expect_document(session, study.study_uid, self.outgoing.study_quiet_seconds)
            return study.report_uid

    def tell(self, result_id_: str) -> None:
        """Tells listeners of a result."""
        self.stream.tell(result_id_)

    def plan(self, result_id_: str) -> list[str]:
        """Writes down which objects of a result go where; what was planned before stays as it is.

        Returns:
            Names of the destinations; none for a picture, which belongs to no study.
        """
        names = [destination.name for destination in self.outgoing.destinations]
        if not names:
            return []
        with self.database.read() as session:
            result = session.get_one(Result, result_id_)
            film = session.get_one(Film, result.film_id)
        if film.sop_uid is None:
            return []
        # The rule that took the film may have named some.
        chosen = [name for name in names if film.destinations is None or name in film.destinations]
        uid, now = site_uid(result.result_uid, self.outgoing.site), time.time()
        objects = {"sr": uid} if _is_unreadable(result.report) else {"sc": capture_uid(uid), "sr": uid}
        with self.database.write() as session:
            for name in chosen:
                for kind, object_uid in objects.items():
                    ordered = Ordered(result_id_, kind, object_uid)
                    add_delivery(session, new_delivery(film, ordered, name, now, queued=True))
        return chosen

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


def _is_unreadable(report: dict[str, JSON]) -> bool:
    """Whether the film could not be read, so that there is no picture of it."""
    refusal = report["refusal"]
    return isinstance(refusal, dict) and refusal["code"] in READ_ERRORS


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
