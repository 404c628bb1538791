"""What the store tells: studies by page, films, results, dead letters, corrections, events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Select, case, func, select
from sqlalchemy.orm import Session

from kneeoa.model.grades import JSON
from kneeoa.serving.corrections import CorrectionRow
from kneeoa.serving.store.deliveries import is_dead
from kneeoa.serving.store.tables import Correction, Delivery, Event, Film, FilmState, Result, Study

MOST_ROWS = 1000


class StudyOrder(StrEnum):
    """How studies are sorted."""

    NEWEST = "newest"
    OLDEST = "oldest"
    WORST = "worst"
    """The highest headline grade first, ungraded studies last."""


@dataclass(frozen=True, slots=True)
class StudyFilter:
    """Which studies are wanted; what is None does not matter.

    Attributes:
        state: at least one of its films stands there.
        received_from, received_to: of its last film, seconds since 1970.
        source: at least one of its films came from there.
        grade_from: the highest headline grade is at least this.
        films_disagree: whether films of one side disagree.
        study_uid: this one.
    """

    state: FilmState | None = None
    received_from: float | None = None
    received_to: float | None = None
    source: str | None = None
    grade_from: int | None = None
    films_disagree: bool | None = None
    study_uid: str | None = None


@dataclass(frozen=True, slots=True)
class StudyRow:
    """One line of the list of studies.

    Attributes:
        study_uid: Study Instance UID.
        first_received, last_received: of its films.
        films: how many films by state.
        worst_grade: the highest headline grade, or None.
        films_disagree: whether films of one side disagree.
        report: the StudyReport as last built, or None.
    """

    study_uid: str
    first_received: float
    last_received: float
    films: dict[str, int]
    worst_grade: int | None
    films_disagree: bool
    report: dict[str, JSON] | None


@dataclass(frozen=True, slots=True)
class StudyPage:
    """A page of studies, and how many there are in all."""

    rows: tuple[StudyRow, ...]
    total: int


@dataclass(frozen=True, slots=True)
class ResultRow:
    """One result of a film; see `tables.Result`."""

    result_id: str
    result_uid: str
    film_id: str
    release_name: str
    release_sha256: str
    software: str
    created: float
    report: dict[str, JSON]


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A film whose work, or one of whose deliveries, failed for good.

    Attributes:
        film_id, study_uid: which.
        reason: code of the newest failure.
        since: when that was.
        received: when the film came.
        round: of its work.
        destinations: where something of it could not be brought.
    """

    film_id: str
    study_uid: str
    reason: str
    since: float
    received: float
    round: int
    destinations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EventRow:
    """One event; see `tables.Event`."""

    sequence: int
    kind: str
    study_uid: str | None
    film_id: str | None
    facts: dict[str, JSON]
    created: float


def study_page(session: Session, wanted: StudyFilter, order: StudyOrder, offset: int, limit: int) -> StudyPage:
    """A page of the studies that are wanted.

    Args:
        session: that reads.
        wanted: which.
        order: by the time of the last film.
        offset: how many are passed over.
        limit: most rows, up to `MOST_ROWS`.
    """
    query = _wanted(wanted)
    total = session.scalar(select(func.count()).select_from(query.subquery())) or 0
    page = session.scalars(
        query.order_by(*_SORTED[order], Study.study_uid).offset(offset).limit(min(limit, MOST_ROWS))
    ).all()
    counts: dict[str, dict[str, int]] = {study.study_uid: {} for study in page}
    grouped = select(Film.study_uid, Film.state, func.count()).where(Film.study_uid.in_(counts))
    for uid, state, count in session.execute(grouped.group_by(Film.study_uid, Film.state)):
        counts[uid][state] = count
    rows = tuple(_row(study, counts[study.study_uid]) for study in page)
    return StudyPage(rows, total)


_SORTED = {
    StudyOrder.NEWEST: (Study.last_received.desc(),),
    StudyOrder.OLDEST: (Study.last_received.asc(),),
    StudyOrder.WORST: (func.coalesce(Study.worst_grade, -1).desc(), Study.last_received.desc()),
}


def _wanted(wanted: StudyFilter) -> Select[Study]:
    query = select(Study)
    films = select(Film.film_id).where(Film.study_uid == Study.study_uid)
    if wanted.study_uid is not None:
        query = query.where(Study.study_uid == wanted.study_uid)
    if wanted.state is not None:
        query = query.where(films.where(Film.state == wanted.state).exists())
    if wanted.source is not None:
        query = query.where(films.where(Film.source == wanted.source).exists())
    if wanted.received_from is not None:
        query = query.where(Study.last_received >= wanted.received_from)
    if wanted.received_to is not None:
        query = query.where(Study.last_received < wanted.received_to)
    if wanted.grade_from is not None:
        query = query.where(Study.worst_grade >= wanted.grade_from)
    if wanted.films_disagree is not None:
        query = query.where(func.coalesce(Study.films_disagree, False) == wanted.films_disagree)
    return query


def _row(study: Study, films: dict[str, int]) -> StudyRow:
    return StudyRow(
        study_uid=study.study_uid,
        first_received=study.first_received,
        last_received=study.last_received,
        films=films,
        worst_grade=study.worst_grade,
        films_disagree=bool(study.films_disagree),
        report=study.report,
    )


def results_of(session: Session, film_id: str) -> tuple[ResultRow, ...]:
    """All results of a film, the newest first."""
    query = select(Result).where(Result.film_id == film_id).order_by(Result.created.desc())
    return tuple(
        ResultRow(
            r.result_id, r.result_uid, r.film_id, r.release_name, r.release_sha256, r.software, r.created, r.report
        )
        for r in session.scalars(query)
    )


def dead_letters(session: Session, offset: int, limit: int) -> tuple[DeadLetter, ...]:
    """Films whose work, or one of whose deliveries, failed for good, the newest failure first."""
    failed = (
        select(Delivery.film_id, func.max(Delivery.updated).label("since")).where(is_dead()).group_by(Delivery.film_id)
    ).subquery()
    dead = Film.state == FilmState.DEAD
    since = case((dead, Film.dead_since), else_=failed.c.since)
    query = select(Film, since).outerjoin(failed, failed.c.film_id == Film.film_id)
    query = query.where(dead | failed.c.film_id.is_not(None)).order_by(since.desc(), Film.film_id)
    rows = session.execute(query.offset(offset).limit(min(limit, MOST_ROWS))).all()
    reasons = _failed_deliveries(session, [film.film_id for film, _ in rows])
    return tuple(
        DeadLetter(
            film.film_id,
            film.study_uid,
            (film.dead_reason or "") if film.state == FilmState.DEAD else next(iter(reasons[film.film_id].values())),
            moment or 0.0,
            film.received,
            film.round,
            tuple(sorted(reasons.get(film.film_id, {}))),
        )
        for film, moment in rows
    )


def _failed_deliveries(session: Session, film_ids: Sequence[str]) -> dict[str, dict[str, str]]:
    """Reasons by destination, the newest first, of films whose deliveries failed."""
    query = select(Delivery.film_id, Delivery.destination, Delivery.reason).where(
        Delivery.film_id.in_(film_ids), is_dead()
    )
    found: dict[str, dict[str, str]] = {}
    for film_id, destination, reason in session.execute(query.order_by(Delivery.updated.desc())):
        found.setdefault(film_id, {}).setdefault(destination, reason or "")
    return found


def count_dead_letters(session: Session) -> int:
    """How many films are dead letters."""
    films = select(Film.film_id).where(Film.state == FilmState.DEAD)
    failed = select(Delivery.film_id).where(is_dead())
    return session.scalar(select(func.count()).select_from(films.union(failed).subquery())) or 0


def result_ids(session: Session, study_uid: str) -> dict[str, str]:
    """The newest result of each film of a study that has one."""
    query = select(Film.film_id, Film.result_id).where(Film.study_uid == study_uid, Film.result_id.is_not(None))
    return {film_id: result_id for film_id, result_id in session.execute(query) if result_id is not None}


def correction_rows(session: Session, study_uid: str | None = None) -> tuple[CorrectionRow, ...]:
    """Corrections of a study, or of all, oldest first."""
    query = (
        select(Correction, Film.sop_uid, Result.release_sha256)
        .join(Film, Film.film_id == Correction.film_id)
        .join(Result, Result.result_id == Correction.result_id)
        .order_by(Correction.correction_id)
    )
    if study_uid is not None:
        query = query.where(Correction.study_uid == study_uid)
    return tuple(
        CorrectionRow(
            correction_id=c.correction_id,
            study_uid=c.study_uid,
            film_id=c.film_id,
            sop_uid=sop_uid,
            side=c.side,
            reader=c.reader,
            grade=c.grade,
            reason=c.reason,
            network_grade=c.network_grade,
            release_sha256=release,
            created=c.created,
        )
        for c, sop_uid, release in session.execute(query)
    )


def correction_counts(session: Session, study_uids: Sequence[str]) -> dict[str, int]:
    """How many corrections studies have; those without any are left out."""
    query = select(Correction.study_uid, func.count()).where(Correction.study_uid.in_(study_uids))
    return {row[0]: row[1] for row in session.execute(query.group_by(Correction.study_uid))}


def events_after(session: Session, sequence: int, limit: int) -> tuple[EventRow, ...]:
    """Events after a number, in their order."""
    query = select(Event).where(Event.sequence > sequence).order_by(Event.sequence).limit(limit)
    return tuple(
        EventRow(e.sequence, e.kind, e.study_uid, e.film_id, e.facts, e.created) for e in session.scalars(query)
    )


def last_event(session: Session) -> int:
    """The number of the newest event; 0 where there is none."""
    return session.scalar(select(func.max(Event.sequence))) or 0
