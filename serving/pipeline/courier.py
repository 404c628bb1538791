"""Brings a batch of objects to one destination, as far as it comes in one visit, and writes down how far that is.

Each object goes its own way: what is stored is not sent again because another one was refused, and nothing is written
down as more than the destination has answered for. A visit may be repeated at any point: a crash repeats the one in
flight, and then only what was not yet written down.
"""

from __future__ import annotations

import secrets
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import structlog
from sqlalchemy import delete

from kneeoa.serving.pipeline.destinations import REFUSED, Commitment, DeliveryError, Destination, Rules, Visit
from kneeoa.serving.pipeline.outbox import Outbox, described
from kneeoa.serving.settings import QueueSettings
from kneeoa.serving.store.database import Database, StoreError
from kneeoa.serving.store.deliveries import (
    Consignment,
    asked_of,
    count_attempt,
    fail_delivery,
    is_any_open,
    next_turn,
    note_delivery,
    open_of,
)
from kneeoa.serving.store.tables import Delivery, DeliveryState

COMMITMENT_MISSING, COMMITMENT_NOT_OFFERED = "commitment_missing", "commitment_not_offered"
COMMITMENT_FAILED = "commitment_failed"
NOT_FOUND, DESTINATION_UNKNOWN = "not_found_there", "destination_unknown"
_RESEND_AFTER = 4
"""An object that so many queries in a row have not found is sent again: it may have been lost there."""
_log = structlog.get_logger("kneeoa.delivery")


@dataclass(slots=True)
class _Trip:
    """One turn's work and what came of it.

    Attributes:
        work: which turn.
        rows: what is to be brought.
        limit: failures after which an object is given up.
        rules: of the destination.
        contents: DICOM files by kind.
        trouble: reason by object, of those that came no further.
        awaited: when a report that was asked for is overdue, by object.
        committing: whether the destination takes requests for commitment.
    """

    work: Consignment
    rows: Sequence[Delivery]
    limit: int
    rules: Rules = field(default_factory=Rules)
    contents: Mapping[str, bytes] = field(default_factory=dict)
    trouble: dict[str, str] = field(default_factory=dict)
    awaited: dict[str, float] = field(default_factory=dict)
    committing: bool = False


class Courier:
    """Does the visits.

    Args:
        database: the store.
        destinations: by name.
        outbox: where the objects are.
        settings: how often, and how soon again.
    """

    def __init__(
        self, database: Database, destinations: Mapping[str, Destination], outbox: Outbox, settings: QueueSettings
    ) -> None:
        self._database = database
        self._destinations = destinations
        self._outbox = outbox
        self._settings = settings

    @property
    def has_destinations(self) -> bool:
        """Whether there is anywhere to go."""
        return bool(self._destinations)

    def bring(self, batch: str, name: str, turn: int) -> float | None:
        """One turn of the work on a batch for a destination.

        Args:
            batch: id of a result, or of a study's document.
            name: of the destination.
            turn: its number; where a newer one was begun meanwhile, nothing is done.

        Returns:
            Seconds until the next turn, which the caller queues; None where there is none.

        Raises:
            StoreError: the store cannot be used now.
            Exception: the objects cannot be made.
        """
        with self._database.read() as session:
            rows = open_of(session, batch, name)
        if not rows or rows[0].turn not in {turn, turn + 1}:
            return None
        if rows[0].turn == turn + 1:  # done before, and killed before the next turn was queued
            return max(0.0, rows[0].due - time.time())
        destination = self._destinations.get(name)
        if destination is None:
            return self.stumble(Consignment(batch, name, turn, 0.0), DESTINATION_UNKNOWN, 1)
        contents = self._outbox.objects(batch)
        rows = self._without_objects(rows, contents)
        work = Consignment(batch, name, turn, rows[0].due if rows else 0.0)
        trip = _Trip(work, rows, self._settings.delivery_attempts, destination.rules, contents)
        if rows:
            self._visited(trip, destination)
        return self._settled(trip)

    def stumble(self, work: Consignment, reason: str, limit: int) -> float | None:
        """Counts a failure of everything that is open of a batch; see `bring`.

        Args:
            work: the turn that failed.
            reason: stable code.
            limit: failures after which an object is given up.
        """
        with self._database.read() as session:
            rows = [row for row in open_of(session, work.batch, work.destination) if row.turn == work.turn]
        trip = _Trip(work, rows, limit)
        trip.trouble = dict.fromkeys((row.object_uid for row in rows), reason)
        return self._settled(trip)

    def reported(self, transaction_uid: str, kept: Mapping[str, bool]) -> bool:
        """Takes a destination's report of Storage Commitment.

        Args:
            transaction_uid: of the request.
            kept: whether it keeps them, by SOP Instance UID; what is not named stays as it is.

        Returns:
            Whether such a request was made and not yet answered.
        """
        now = time.time()
        with self._database.write() as session:
            rows = [row for row in asked_of(session, transaction_uid) if row.object_uid in kept]
            going_on: dict[tuple[str, str], float] = {}
            for row in rows:
                destination = self._destinations.get(row.destination)
                verify = destination is not None and destination.rules.verify
                row.asked = row.transaction_uid = None
                if kept[row.object_uid]:
                    row.state = DeliveryState.COMMITTED
                    note_delivery(session, row, now, further=True)
                    count_attempt(session, row, now, arrived=not verify)
                else:
                    note_delivery(session, row, now, further=False)
                    limit = self._settings.delivery_attempts
                    fail_delivery(session, row, COMMITMENT_FAILED, now, limit=limit, resend=True)
                if verify or not kept[row.object_uid]:
                    pause = 0.0 if kept[row.object_uid] else self._pause(row.failures + 1)
                    key = (row.batch, row.destination)
                    going_on[key] = max(going_on.get(key, 0.0), pause)
            for (batch, name), pause in going_on.items():
                next_turn(session, batch, name, now + pause, queued=False)
            over = [batch for batch in {row.batch for row in rows} if not is_any_open(session, batch)]
        for batch in over:
            self._outbox.forget(batch)
        return bool(rows)

    def sweep(self) -> int:
        """Removes objects that are on no way any more; a crash may have left them. How many batches."""
        swept = 0
        for batch in self._outbox.batches():
            with self._database.read() as session:
                if is_any_open(session, batch):
                    continue
            self._outbox.forget(batch)
            swept += 1
        return swept

    def _without_objects(self, rows: Sequence[Delivery], contents: Mapping[str, bytes]) -> list[Delivery]:
        """Forgets what cannot be made of the film, such as the picture of one that cannot be read."""
        missing = [row.object_uid for row in rows if row.kind not in contents]
        if missing:
            with self._database.write() as session:
                session.execute(delete(Delivery).where(Delivery.object_uid.in_(missing)))
        return [row for row in rows if row.kind in contents]

    def _visited(self, trip: _Trip, destination: Destination) -> None:
        with destination.visit() as visit:
            try:
                self._store(trip, visit)
                self._commit(trip, visit)
                self._verify(trip, visit)
            except DeliveryError as error:
                for row in trip.rows:
                    if not _arrived(row, trip):
                        trip.trouble.setdefault(row.object_uid, error.reason)

    def _store(self, trip: _Trip, visit: Visit) -> None:
        for row in trip.rows:
            if row.state != DeliveryState.WAITING:
                continue
            try:
                visit.store(trip.contents[row.kind])
            except DeliveryError as error:
                if error.reason != REFUSED:
                    raise
                trip.trouble[row.object_uid] = error.reason
                continue
            row.state, row.asked, row.transaction_uid, row.sent = (
                DeliveryState.SENT,
                None,
                None,
                row.sent or time.time(),
            )
            self._note(row, further=True)

    def _commit(self, trip: _Trip, visit: Visit) -> None:
        rules, now = trip.rules, time.time()
        sent = [row for row in trip.rows if row.state == DeliveryState.SENT and row.object_uid not in trip.trouble]
        if not sent or rules.commitment is Commitment.NONE:
            return
        if not visit.offers_commitment:
            if rules.commitment is Commitment.REQUIRED:
                trip.trouble.update(dict.fromkeys((row.object_uid for row in sent), COMMITMENT_NOT_OFFERED))
            return
        trip.committing = True
        overdue = [row for row in sent if row.asked is not None and now >= row.asked + rules.commitment_seconds]
        trip.trouble.update(dict.fromkeys((row.object_uid for row in overdue), COMMITMENT_MISSING))
        again = [row for row in overdue if row.failures + 1 < trip.limit]
        asked = [row for row in sent if row.asked is None] + again
        if asked:
            self._ask(trip, visit, asked)
        for row in sent:
            if row.asked is not None:
                trip.awaited[row.object_uid] = row.asked + rules.commitment_seconds

    def _ask(self, trip: _Trip, visit: Visit, asked: Sequence[Delivery]) -> None:
        """Written down before it is asked: the report may be quicker than this thread."""
        transaction, now = (
            f"2.25.{uuid.uuid4().int}",
            time.time(),
        )  # not to be guessed: who reports must have been asked
        for row in asked:
            row.asked, row.transaction_uid = now, transaction
            self._note(row, further=False)
        try:
            visit.request_commitment([described(trip.contents[row.kind]) for row in asked], transaction)
        except DeliveryError as error:
            for row in asked:
                row.asked = row.transaction_uid = None
                self._note(row, further=False)
                trip.trouble[row.object_uid] = error.reason
            if error.reason != REFUSED:
                raise

    def _verify(self, trip: _Trip, visit: Visit) -> None:
        for row in trip.rows:
            done = row.state == DeliveryState.COMMITTED or (row.state == DeliveryState.SENT and not trip.committing)
            if not trip.rules.verify or not done or row.object_uid in trip.trouble:
                continue
            if visit.finds(described(trip.contents[row.kind])):
                row.state = DeliveryState.VERIFIED
                self._note(row, further=True)
            else:
                trip.trouble[row.object_uid] = NOT_FOUND

    def _note(self, row: Delivery, *, further: bool) -> None:
        """Written at once, and again where the database is busy: else what has arrived would be sent again."""
        for attempt in range(self._settings.step_attempts):
            try:
                with self._database.write() as session:
                    note_delivery(session, row, time.time(), further=further)
            except StoreError:
                if attempt == self._settings.step_attempts - 1:
                    raise
                time.sleep(self._settings.backoff_seconds)
            else:
                return

    def _settled(self, trip: _Trip) -> float | None:
        """Counts what failed, and begins the next turn unless somebody else has, or nothing is left to do."""
        work, now = trip.work, time.time()
        failures = max((row.failures + 1 for row in trip.rows if row.object_uid in trip.trouble), default=0)
        due = list(trip.awaited.values())
        if trip.trouble.keys() - trip.awaited.keys():
            due.append(now + self._pause(failures))
        next_due = min(due, default=now)
        with self._database.write() as session:
            for row in trip.rows:
                reason = trip.trouble.get(row.object_uid)
                count_attempt(session, row, now, arrived=reason is None and _arrived(row, trip))
                if reason is not None:
                    again = reason == NOT_FOUND and (row.failures + 1) % _RESEND_AFTER == 0
                    fail_delivery(session, row, reason, now, limit=trip.limit, resend=again)
            left = any(row.turn == work.turn for row in open_of(session, work.batch, work.destination))
            if left:
                next_turn(session, work.batch, work.destination, next_due, queued=True)
            over = not is_any_open(session, work.batch)
        for reason in sorted(set(trip.trouble.values())):
            _log.warning("delivery_failed", destination=work.destination, reason=reason, failures=failures)
        if over:
            self._outbox.forget(work.batch)
        return max(0.0, next_due - now) if left else None

    def _pause(self, failures: int) -> float:
        """Later and later, and not all at the same moment."""
        longest = self._settings.longest_wait_seconds
        pause = min(longest, self._settings.backoff_seconds * 2.0 ** min(failures - 1, 30))
        return pause * (0.9 + 0.2 * secrets.randbelow(1000) / 1000)


def _arrived(row: Delivery, trip: _Trip) -> bool:
    """Whether an object is where it should be."""
    if trip.rules.verify:
        return row.state == DeliveryState.VERIFIED
    return row.state == DeliveryState.COMMITTED or (row.state == DeliveryState.SENT and not trip.committing)
