"""Takes a film: nothing is answered before the film and its record are on the disk."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Protocol

from sqlalchemy.exc import IntegrityError

from kneeoa.model.errors import FilmError
from kneeoa.serving.pipeline.admission import Admission
from kneeoa.serving.pipeline.identity import FilmIdentity, identify
from kneeoa.serving.pipeline.work import Work
from kneeoa.serving.routing.routing import Order, Routing
from kneeoa.serving.routing.rule_settings import Decision
from kneeoa.serving.store.database import Database
from kneeoa.serving.store.films import Arrival, add_film, same_uid, start_round
from kneeoa.serving.store.originals import Originals
from kneeoa.serving.store.tables import Film, FilmState

_RACES = 5


class ReceiptState(StrEnum):
    """What became of a film that was sent."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    """It is known already, with the same pixels; it has, or will have, exactly one result."""
    UID_REUSED = "uid_reused"
    """Its SOP Instance UID is known with other pixels; it was taken as another film, and both are flagged."""
    REFUSED = "refused"
    """It is not a film in any format; nothing was kept."""
    IGNORED = "ignored"
    """A rule says that it is left alone; nothing was kept."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """The answer to a film.

    Attributes:
        state: see `ReceiptState`.
        film_id: of the film, None when refused or ignored.
        sop_instance_uid: as the object states it, or None.
        study_instance_uid: of its study, None when refused or ignored.
        reason: reason code of a refusal, name of the rule that ignores it, else None.
        message: what is wrong, in a sentence, else None.
    """

    state: ReceiptState
    film_id: str | None = None
    sop_instance_uid: str | None = None
    study_instance_uid: str | None = None
    reason: str | None = None
    message: str | None = None


class Receive(Protocol):
    """Takes a film; see `KneeService.receive`."""

    def __call__(self, source: BytesIO, *, sender: str) -> Receipt:
        """Returns when the film is on the disk."""


@dataclass(frozen=True, slots=True)
class IntakeRules:
    """What is taken, and how.

    Attributes:
        file_bytes: largest film.
        routing: decides what is done with a film.
        decided: told each decision and where the film comes from; a film is not taken where it fails.
    """

    file_bytes: int
    routing: Routing
    decided: Callable[[Order, str], None]


class Intake:
    """Receives films into the store and hands them to the work.

    Args:
        admission: whether there is room.
        database, originals: the store.
        work: what grades them.
        rules: what is taken, and how.
    """

    def __init__(
        self, admission: Admission, database: Database, originals: Originals, work: Work, rules: IntakeRules
    ) -> None:
        self._admission = admission
        self._database = database
        self._originals = originals
        self._work = work
        self._rules = rules

    def receive(self, source: BinaryIO | Path, *, sender: str, priority: int) -> Receipt:
        """Takes one film; returns when it is on the disk.

        Args:
            source: an open binary stream, read to its end, or a file, which is left alone.
            sender: where it comes from: "stow", "upload", ...
            priority: 1 is graded first, 10 last; a rule may say otherwise.

        Raises:
            BusyError: the queue or the disk is full.
            TooLargeError: it has too many bytes.
            StoreError: it could not be kept.
        """
        self._admission.check()
        with self._originals.received(source, self._rules.file_bytes) as path:
            try:
                identity = identify(path)
                order = self._rules.routing.decide(self._rules.routing.values(path, identity.suffix))
            except FilmError as error:
                refusal = error.refusal
                return Receipt(ReceiptState.REFUSED, reason=refusal.code, message=refusal.message)
            self._rules.decided(order, sender)
            if order.decision is Decision.IGNORE:
                return Receipt(ReceiptState.IGNORED, sop_instance_uid=identity.sop_uid, reason=order.rule)
            arrival = Arrival(identity, path.stat().st_size, sender, order.priority or priority, time.time(), order)
            for race in range(_RACES):
                try:
                    film, state = self._keep(path, arrival)
                    break
                except IntegrityError:  # another thread has just written this very film down
                    if race == _RACES - 1:
                        raise
        if film.state == FilmState.WAITING:
            self._work.enqueue(film.film_id, film.round, film.priority)
        return Receipt(state, film.film_id, identity.sop_uid, film.study_uid)

    def _keep(self, path: Path, arrival: Arrival) -> tuple[Film, ReceiptState]:
        identity = arrival.identity
        with self._database.write() as session:
            known = same_uid(session, identity)
            again = _same_pixels(known, identity)
            if again is not None:
                if again.state == FilmState.DROPPED:
                    self._originals.keep(path, again.film_id, again.suffix)
                    again.removed = None
                    again.priority, again.rule = arrival.priority, arrival.order.rule
                    again.destinations = arrival.destinations
                    start_round(session, again)
                    return again, ReceiptState.ACCEPTED
                return again, ReceiptState.DUPLICATE
            film = add_film(session, arrival, reused=bool(known))
            # Within the transaction: the row has reserved the name, and no row is ever without its file.
            self._originals.keep(path, film.film_id, film.suffix)
        return film, ReceiptState.UID_REUSED if known else ReceiptState.ACCEPTED


def _same_pixels(known: Sequence[Film], identity: FilmIdentity) -> Film | None:
    return next((film for film in known if film.pixels_sha256 == identity.pixels_sha256), None)
