"""Asks for work to be done anew, or given up. These only write to the table of films; the running service obeys."""

from __future__ import annotations

import time
from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from kneeoa.model.errors import KneeOAError
from kneeoa.serving.grading import facts_of
from kneeoa.serving.pipeline.owner import running_release
from kneeoa.serving.settings import Settings
from kneeoa.serving.store.database import Database
from kneeoa.serving.store.deliveries import drop_deliveries, is_dead, replay_deliveries
from kneeoa.serving.store.films import start_round
from kneeoa.serving.store.tables import Delivery, Film, FilmState, Result

_CHUNK = 500
_NO_LETTER = "There is no such dead letter."


class WrongReleaseError(KneeOAError):
    """The service that runs grades with another release than the one asked for."""


class NotFoundError(KneeOAError):
    """There is no such study, film, knee or dead letter."""


def replay(session: Session, film_id: str) -> None:
    """Starts the work of a dead letter anew: of the film, or of those of its deliveries that have failed.

    Raises:
        NotFoundError: the film is no dead letter.
    """
    film = session.get(Film, film_id, with_for_update=True)
    delivered = bool(replay_deliveries(session, [film_id], time.time()))
    if film is not None and film.state == FilmState.DEAD:
        start_round(session, film)
    elif not delivered:
        raise NotFoundError(_NO_LETTER)


def drop(session: Session, film_id: str) -> None:
    """Gives a dead letter up; its original stays until retention, and the same film sent again is taken again.

    A film that has its result, and of which only deliveries have failed, stays in its study; they are tried no more.

    Raises:
        NotFoundError: the film is no dead letter.
    """
    film = session.get(Film, film_id, with_for_update=True)
    delivered = drop_deliveries(session, film_id, time.time())
    if film is not None and film.state == FilmState.DEAD:
        film.state = FilmState.DROPPED
    elif not delivered:
        raise NotFoundError(_NO_LETTER)


def regrade(database: Database, release_sha256: str) -> int:
    """Asks for every graded film, whose original is still there, to be graded by another release.

    Args:
        database: the store.
        release_sha256: films whose newest result is by this release are left alone.

    Returns:
        How many films will be graded.
    """
    asked = 0
    while True:
        with database.write() as session:
            query = (
                select(Film)
                .join(Result, Result.result_id == Film.result_id)
                .where(Film.state == FilmState.DONE, Film.removed.is_(None))
                .where(Result.release_sha256 != release_sha256)
            )
            films = session.scalars(query.order_by(Film.received).limit(_CHUNK)).all()
            for film in films:
                start_round(session, film)
        asked += len(films)
        if len(films) < _CHUNK:
            return asked


def ask_regrade(settings: Settings, database: Database) -> int:
    """`regrade` as a command asks for it, beside a service that runs or does not.

    Raises:
        WrongReleaseError: the service that runs grades with another release.
    """
    wanted = facts_of(settings.release).sha256
    running = running_release(settings.data)
    if running is not None and running != wanted:
        raise WrongReleaseError(
            "The running service grades with another release. Set `release` in its settings and start it anew first."
        )
    return regrade(database, wanted)


def replay_all(database: Database, film_ids: Sequence[str] | None) -> int:
    """Starts the work of dead letters anew.

    Args:
        database: the store.
        film_ids: which; None is all of them.

    Returns:
        How many.

    Raises:
        NotFoundError: one of them is no dead letter; none is then replayed.
    """
    with database.write() as session:
        if film_ids is None:
            films = session.scalars(select(Film.film_id).where(Film.state == FilmState.DEAD)).all()
            film_ids = sorted({*films, *session.scalars(select(Delivery.film_id).where(is_dead()).distinct())})
        for film_id in film_ids:
            replay(session, film_id)
    return len(film_ids)
