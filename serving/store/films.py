"""Questions to and changes of the tables of films, results and events. Each function works within a given session."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from kneeoa.model.grades import JSON
from kneeoa.serving.pipeline.identity import FilmIdentity
from kneeoa.serving.routing.routing import Order
from kneeoa.serving.store.tables import Event, Film, FilmState, Result, Study, Table
from kneeoa.serving.study import StudyFilm


@dataclass(frozen=True, slots=True)
class Arrival:
    """A film about to be written down.

    Attributes:
        identity: what it is.
        size_bytes: of the file.
        source: who sent it.
        priority: 1 is first, 10 last.
        received: seconds since 1970.
        order: what the rules say of it.
    """

    identity: FilmIdentity
    size_bytes: int
    source: str
    priority: int
    received: float
    order: Order = field(default_factory=Order)

    @property
    def destinations(self) -> list[str] | None:
        """As the table has them."""
        return None if self.order.destinations is None else list(self.order.destinations)


def same_uid(session: Session, identity: FilmIdentity) -> Sequence[Film]:
    """Films that are this one or share its SOP Instance UID."""
    query = select(Film)
    if identity.sop_uid is None:
        return session.scalars(query.where(Film.film_id == identity.film_id())).all()
    return session.scalars(query.where(Film.sop_uid == identity.sop_uid)).all()


def add_film(session: Session, arrival: Arrival, *, reused: bool) -> Film:
    """Writes a film down, its study where it is new, and that it came.

    Args:
        session: that writes.
        arrival: the film.
        reused: whether its SOP Instance UID stands for other pixels already; they are flagged too.

    Raises:
        sqlalchemy.exc.IntegrityError: another session wrote it down at this moment.
    """
    identity = arrival.identity
    _touch_study(session, identity.study_uid, arrival.received)
    film = Film(
        film_id=identity.film_id(reused=reused),
        study_uid=identity.study_uid,
        sop_uid=identity.sop_uid,
        pixels_sha256=identity.pixels_sha256,
        suffix=identity.suffix,
        size_bytes=arrival.size_bytes,
        acquired=identity.acquired,
        source=arrival.source,
        priority=arrival.priority,
        rule=arrival.order.rule,
        destinations=arrival.destinations,
        uid_reused=reused,
        received=arrival.received,
        state=FilmState.WAITING,
        round=1,
        queued=1,
    )
    session.add(film)
    session.flush()
    if reused:
        session.execute(update(Film).where(Film.sop_uid == identity.sop_uid).values(uid_reused=True))
    facts: dict[str, JSON] = {"source": arrival.source, "uid_reused": reused}
    happened(
        session,
        Event(
            kind="film_received",
            key=film.film_id,
            study_uid=film.study_uid,
            film_id=film.film_id,
            facts=facts,
            created=arrival.received,
        ),
    )
    return film


def _touch_study(session: Session, study_uid: str, now: float) -> None:
    values = {"study_uid": study_uid, "first_received": now, "last_received": now}
    insert = insert_into(session, Study).values(**values)
    session.execute(insert.on_conflict_do_update(index_elements=["study_uid"], set_={"last_received": now}))


def happened(session: Session, event: Event) -> None:
    """Writes an event down, once for its kind and key."""
    values = {name: getattr(event, name) for name in ("kind", "key", "study_uid", "film_id", "facts", "created")}
    session.execute(insert_into(session, Event).values(**values).on_conflict_do_nothing(index_elements=["kind", "key"]))


def add_result(session: Session, result: Result) -> None:
    """Writes a result down, once for its id, as the newest of its film."""
    values = {column.name: getattr(result, column.name) for column in Result.__table__.columns}
    session.execute(insert_into(session, Result).values(**values).on_conflict_do_nothing(index_elements=["result_id"]))
    session.execute(update(Film).where(Film.film_id == result.film_id).values(result_id=result.result_id))


def study_films(session: Session, study_uid: str) -> list[StudyFilm]:
    """The films of a study with their newest reports; those that a person dropped are left out."""
    query = (
        select(Film, Result)
        .outerjoin(Result, Result.result_id == Film.result_id)
        .where(Film.study_uid == study_uid, Film.state != FilmState.DROPPED)
    )
    return [study_film(film, result) for film, result in session.execute(query)]


def study_film(film: Film, result: Result | None) -> StudyFilm:
    """A film of a study with one of its results."""
    return StudyFilm(
        film.film_id,
        film.state,
        film.acquired,
        film.received,
        film.uid_reused,
        result.result_uid if result else None,
        result.report if result else None,
    )


def waiting(session: Session) -> tuple[int, float | None]:
    """How many films wait or are worked on, and when the oldest of them came."""
    query = select(func.count(), func.min(Film.received)).where(Film.state == FilmState.WAITING)
    count, oldest = session.execute(query).one()
    return int(count), oldest


def start_round(session: Session, film: Film) -> None:
    """Asks for the work to be done anew; the running service, or the next one, queues it."""
    film.state = FilmState.WAITING
    film.round += 1
    film.dead_reason = None
    film.dead_since = None
    session.flush()


def insert_into(session: Session, table: type[Table]) -> sqlite.Insert | postgresql.Insert:
    """An insertion that can say what happens where the row is there already."""
    return (sqlite.Insert if session.get_bind().dialect.name == "sqlite" else postgresql.Insert)(table)
