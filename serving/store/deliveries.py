"""Questions to and changes of the table of deliveries. Each function works within a given session."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, case, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from kneeoa.serving.store.tables import Delivery, DeliveryState, Film

_REPORTS = ("sr", "sc")
"""What is made of a single film; a study's document goes where they go."""


@dataclass(frozen=True, slots=True)
class Consignment:
    """The newest work on one batch for one destination.

    Attributes:
        batch, destination: which.
        turn: its number.
        due: when it may begin, seconds since 1970.
    """

    batch: str
    destination: str
    turn: int
    due: float


@dataclass(frozen=True, slots=True)
class Ordered:
    """An object that is to be brought somewhere.

    Attributes:
        batch: id of the result, or of the study's document, that it tells.
        kind: "sc", "sr" or "study_sr".
        object_uid: its SOP Instance UID.
    """

    batch: str
    kind: str
    object_uid: str


@dataclass(frozen=True, slots=True)
class DeliveryCount:
    """How many objects stand where, of one destination.

    Attributes:
        destination: its name.
        states: how many by state.
        given_up: of the failed ones, how many a person has given up.
        oldest: when the oldest was asked for that is not yet where it should be, or None.
    """

    destination: str
    states: dict[str, int]
    given_up: int
    oldest: float | None


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """How far one object has come on its way to one destination; see `tables.Delivery`."""

    destination: str
    kind: str
    object_uid: str
    state: str
    attempts: int
    reason: str | None
    sent: float | None
    updated: float
    settled: bool


def is_open() -> ColumnElement[bool]:
    """The condition that something is still to be done."""
    return Delivery.settled.is_(None) & (Delivery.state != DeliveryState.FAILED)


def is_dead() -> ColumnElement[bool]:
    """The condition of a dead letter: given up by the service, and not by a person."""
    return Delivery.settled.is_(None) & (Delivery.state == DeliveryState.FAILED)


def new_delivery(film: Film, ordered: Ordered, destination: str, now: float, *, queued: bool) -> Delivery:
    """A delivery that waits for its first turn.

    Args:
        film: what it is about; of a study's document, the last of its films to come.
        ordered: what is brought.
        destination: where.
        now: seconds since 1970.
        queued: whether the caller puts that turn into the queue; else housekeeping does.
    """
    return Delivery(
        object_uid=ordered.object_uid,
        destination=destination,
        kind=ordered.kind,
        batch=ordered.batch,
        study_uid=film.study_uid,
        film_id=film.film_id,
        state=DeliveryState.WAITING,
        attempts=0,
        failures=0,
        turn=1,
        queued=1 if queued else 0,
        due=now,
        created=now,
        updated=now,
    )


def add_delivery(session: Session, row: Delivery) -> None:
    """Asks for an object to be brought somewhere; what was asked for before stays as it is."""
    columns = Delivery.__table__.columns
    values = {column.name: getattr(row, column.name) for column in columns}
    keys = [column.name for column in columns if column.primary_key]
    session.execute(_insert(session)(Delivery).values(**values).on_conflict_do_nothing(index_elements=keys))


def open_of(session: Session, batch: str, destination: str) -> Sequence[Delivery]:
    """What is still to be done of a batch for a destination, the picture before the report that refers to it."""
    query = select(Delivery).where(Delivery.batch == batch, Delivery.destination == destination, is_open())
    return session.scalars(query.order_by(Delivery.kind)).all()


def open_consignments(session: Session, *, lagging: bool) -> list[Consignment]:
    """Work that is to be done.

    Args:
        session: that reads.
        lagging: only that whose newest turn was not put into the queue yet.
    """
    query = select(Delivery.batch, Delivery.destination, func.max(Delivery.turn), func.max(Delivery.due))
    query = query.where(is_open())
    if lagging:
        query = query.where(Delivery.queued < Delivery.turn)
    rows = session.execute(query.group_by(Delivery.batch, Delivery.destination))
    return [Consignment(batch, destination, turn, due) for batch, destination, turn, due in rows]


def note_queued(session: Session, work: Consignment) -> None:
    """Writes down that a turn was put into the queue."""
    session.execute(update(Delivery).where(*_of(work.batch, work.destination)).values(queued=work.turn))


def next_turn(session: Session, batch: str, destination: str, due: float, *, queued: bool) -> None:
    """Begins the next turn of what is open of a batch; work of an older turn then does nothing.

    Args:
        session: that writes.
        batch: of what is brought.
        destination: where.
        due: when it may begin.
        queued: whether the caller puts it into the queue; else housekeeping does.
    """
    values = {"turn": Delivery.turn + 1, "due": due, **({"queued": Delivery.turn + 1} if queued else {})}
    session.execute(update(Delivery).where(*_of(batch, destination), is_open()).values(values))


def note_delivery(session: Session, row: Delivery, now: float, *, further: bool) -> None:
    """Writes down how far an object has come, or what was asked about it.

    Args:
        session: that writes.
        row: as it is now.
        now: seconds since 1970.
        further: whether its state is a further one; else only what was asked is written, and no state.
    """
    values: dict[str, object] = {"asked": row.asked, "transaction_uid": row.transaction_uid, "updated": now}
    if further:
        values |= {"state": row.state, "sent": row.sent, "failures": 0, "reason": None}
        row.failures = 0
    session.execute(update(Delivery).where(*_one(row), is_open()).values(values))


def count_attempt(session: Session, row: Delivery, now: float, *, arrived: bool) -> None:
    """Counts an attempt, and settles what has arrived."""
    values = {"attempts": Delivery.attempts + 1, **({"settled": now, "updated": now} if arrived else {})}
    session.execute(update(Delivery).where(*_one(row)).values(values))


def fail_delivery(session: Session, row: Delivery, reason: str, now: float, *, limit: int, resend: bool) -> None:
    """Counts a failure, after the last of which the object is a dead letter.

    Args:
        session: that writes.
        row: of which object; what was reported of it meanwhile stays.
        reason: stable code.
        now: seconds since 1970.
        limit: failures after which it is given up.
        resend: whether it is to be sent again.
    """
    otherwise = DeliveryState.WAITING if resend else Delivery.state
    state = case((Delivery.failures + 1 >= limit, DeliveryState.FAILED.value), else_=otherwise)
    values = {"failures": Delivery.failures + 1, "reason": reason, "updated": now, "state": state}
    session.execute(update(Delivery).where(*_one(row), is_open()).values(values))


def asked_of(session: Session, transaction_uid: str) -> Sequence[Delivery]:
    """Objects whose commitment was asked for by a request, and is not known yet."""
    query = select(Delivery).where(Delivery.transaction_uid == transaction_uid, Delivery.state == DeliveryState.SENT)
    return session.scalars(query.where(is_open())).all()


def is_any_open(session: Session, batch: str) -> bool:
    """Whether anything of a batch is still on its way, to whichever destination."""
    return session.scalar(select(Delivery.object_uid).where(Delivery.batch == batch, is_open()).limit(1)) is not None


def destinations_of(session: Session, study_uid: str) -> list[str]:
    """Where results of single films of a study go."""
    query = select(Delivery.destination).where(Delivery.study_uid == study_uid, Delivery.kind.in_(_REPORTS))
    return sorted(session.scalars(query.distinct()))


def replay_deliveries(session: Session, film_ids: Collection[str], now: float) -> set[str]:
    """Tries dead letters of films again, each object from its beginning.

    Returns:
        Films that had any.
    """
    dead = (Delivery.film_id.in_(film_ids), is_dead())
    rows = session.execute(select(Delivery.film_id, Delivery.batch, Delivery.destination).where(*dead).distinct()).all()
    waiting = {"state": DeliveryState.WAITING, "failures": 0, "transaction_uid": None, "asked": None, "updated": now}
    session.execute(update(Delivery).where(*dead).values(waiting))
    for batch, destination in {(row[1], row[2]) for row in rows}:
        next_turn(session, batch, destination, now, queued=False)
    return {row[0] for row in rows}


def drop_deliveries(session: Session, film_id: str, now: float) -> bool:
    """Gives dead letters of a film up; whether there were any."""
    dead = (Delivery.film_id == film_id, is_dead())
    if session.scalar(select(Delivery.object_uid).where(*dead).limit(1)) is None:
        return False
    session.execute(update(Delivery).where(*dead).values(settled=now, updated=now))
    return True


def counts(session: Session) -> tuple[DeliveryCount, ...]:
    """How many objects stand where, by destination."""
    settled = Delivery.settled.is_not(None)
    query = select(Delivery.destination, Delivery.state, settled, func.count(), func.min(Delivery.created))
    found: dict[str, DeliveryCount] = {}
    for name, state, done, count, oldest in session.execute(
        query.group_by(Delivery.destination, Delivery.state, settled)
    ):
        known = found.get(name) or DeliveryCount(name, {}, 0, None)
        failed = state == DeliveryState.FAILED
        ages = [age for age in (known.oldest, None if done or failed else oldest) if age is not None]
        found[name] = DeliveryCount(
            name,
            {**known.states, state: known.states.get(state, 0) + count},
            known.given_up + (count if failed and done else 0),
            min(ages, default=None),
        )
    return tuple(found[name] for name in sorted(found))


def rows_of_study(session: Session, study_uid: str) -> dict[str, list[DeliveryRow]]:
    """Deliveries of a study by what they are of: ids of results, and of documents of the study."""
    query = select(Delivery).where(Delivery.study_uid == study_uid)
    found: dict[str, list[DeliveryRow]] = {}
    for row in session.scalars(query.order_by(Delivery.created, Delivery.destination, Delivery.kind)):
        found.setdefault(row.batch, []).append(_told(row))
    return found


def _told(row: Delivery) -> DeliveryRow:
    return DeliveryRow(
        destination=row.destination,
        kind=row.kind,
        object_uid=row.object_uid,
        state=row.state,
        attempts=row.attempts,
        reason=row.reason,
        sent=row.sent,
        updated=row.updated,
        settled=row.settled is not None,
    )


def _one(row: Delivery) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return Delivery.object_uid == row.object_uid, Delivery.destination == row.destination


def _of(batch: str, destination: str) -> Iterable[ColumnElement[bool]]:
    return Delivery.batch == batch, Delivery.destination == destination


def _insert(session: Session) -> type[sqlite.Insert | postgresql.Insert]:
    return sqlite.Insert if session.get_bind().dialect.name == "sqlite" else postgresql.Insert
