"""Asks archives for films again and again. What they have and we do not goes the way of everything that is sent to us.

Nothing is remembered that a restart would need: which instances are known, the store is asked. A poll that fails is
told, waits longer and longer, and ends nothing but itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from io import BytesIO
from threading import Event, Thread
from typing import Protocol

import structlog

from kneeoa.serving.pacs.archive import Archive, Asked, ListedInstance, ListedStudy, PullError
from kneeoa.serving.pacs.pull_settings import Pull
from kneeoa.serving.pipeline.admission import BusyError
from kneeoa.serving.pipeline.intake import ReceiptState, Receive
from kneeoa.serving.store.database import StoreError
from kneeoa.serving.store.passed_over import KnownInstances

LONGEST_WAIT_SECONDS = 3600.0
ATTEMPTS = 5
"""Of one instance; then it is left alone until the service starts anew."""
_STOP_SECONDS = 10.0
_MOST_ATTEMPTS_KEPT = 100_000
_SPARE_DAYS = 3
_LOG = structlog.get_logger("kneeoa.pull")


class PullWatch(Protocol):
    """Is told of polls; see `api.metrics.Metrics`."""

    def polled(self, archive: str, outcome: str, failures: int) -> None:
        """A poll has ended; so many have failed in a row."""

    def pulled(self, archive: str, state: str, count: int) -> None:
        """So many instances were fetched, or were not."""


class Puller:
    """Polls one archive.

    Args:
        settings: of the archive.
        archive: it.
        known: which instances need not be fetched.
        receive: takes films.
        watch: is told of each poll.
    """

    def __init__(
        self, settings: Pull, archive: Archive, known: KnownInstances, receive: Receive, watch: PullWatch
    ) -> None:
        self._settings, self._archive, self._known = settings, archive, known
        self._receive, self._watch = receive, watch
        self._stop = Event()
        self._thread = Thread(target=self._run, name=f"kneeoa-pull-{settings.name}", daemon=True)
        self._polls = 0
        self._failures = 0
        self._looked: dict[str, tuple[int, int | None]] = {}
        """Of studies: number of the poll that looked last, and how many instances it had when all were known."""
        self._attempts: dict[str, int] = {}

    def start(self) -> None:
        """Polls at once, and from then on."""
        self._thread.start()

    def stop(self) -> None:
        """Ends it, after the instance that is just coming."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(_STOP_SECONDS)

    def stopping(self) -> bool:
        """Whether it has been told to end."""
        return self._stop.is_set()

    def _run(self) -> None:
        wait = 0.0
        while not self._stop.wait(wait):
            wait = self.attempt()

    def attempt(self) -> float:
        """One poll, whatever becomes of it.

        Returns:
            Seconds until the next one.
        """
        name, every = self._settings.name, self._settings.every_seconds
        try:
            self.poll()
            outcome = "success"
        except (PullError, BusyError, StoreError) as error:
            outcome = error.reason
        except Exception as error:  # whatever an archive answers, the service goes on
            outcome = "internal_error"
            _LOG.warning("poll_broke", archive=name, error=type(error).__name__)
        self._failures = 0 if outcome == "success" else self._failures + 1
        # 2 ** 20 seconds are twelve days: more doublings say nothing more.
        wait: float = min(every * 2 ** min(self._failures, 20), max(every, LONGEST_WAIT_SECONDS))
        if outcome != "success":
            _LOG.warning("poll_failed", archive=name, reason=outcome, failures=self._failures, wait_seconds=wait)
        self._watch.polled(name, outcome, self._failures)
        return wait

    def poll(self) -> int:
        """Asks once, and fetches what is not known, at most `max_instances`.

        Returns:
            How many instances were fetched and taken or passed over.

        Raises:
            PullError: the archive does not answer, or not well.
            BusyError: the queue or the disk is full.
            StoreError: the store cannot be used.
        """
        self._polls += 1
        self._known.forget(self._settings.query.days + _SPARE_DAYS)
        with self._archive.open() as asked:
            wanted = self._unknown(asked)
            if not wanted:
                return 0
            try:
                asked.fetch(self._until_stopped(wanted), self._take)
            finally:
                fetched = self._count(wanted)
        return fetched

    def _unknown(self, asked: Asked) -> list[ListedInstance]:
        """Instances to be fetched, of the studies that were looked at longest ago, or never."""
        studies = asked.studies()
        self._looked = {study.uid: self._looked[study.uid] for study in studies if study.uid in self._looked}
        changed = [study for study in studies if not self._is_complete(study)]
        changed.sort(key=lambda study: self._looked.get(study.uid, (0, None))[0])
        wanted: list[ListedInstance] = []
        for study in changed[: self._settings.max_studies]:
            if self._stop.is_set() or len(wanted) >= self._settings.max_instances:
                break
            listed = asked.instances(study.uid)
            known = self._known.known({one.uid for one in listed})
            unknown = [one for one in listed if one.uid not in known and self._attempts.get(one.uid, 0) < ATTEMPTS]
            self._looked[study.uid] = (self._polls, None if unknown else study.instances)
            wanted += unknown
        return wanted[: self._settings.max_instances]

    def _is_complete(self, study: ListedStudy) -> bool:
        """Whether all of a study was known when it had as many instances as it has now."""
        return study.instances is not None and self._looked.get(study.uid, (0, None))[1] == study.instances

    def _until_stopped(self, wanted: Iterable[ListedInstance]) -> Iterator[ListedInstance]:
        for one in wanted:
            if self._stop.is_set():
                return
            self._attempts[one.uid] = self._attempts.get(one.uid, 0) + 1
            yield one

    def _take(self, uid: str, content: BytesIO) -> None:
        try:
            receipt = self._receive(content, sender="pull")
        except (BusyError, StoreError):
            self._attempts.pop(uid, None)  # it is not the film's fault
            raise
        if receipt.state is ReceiptState.REFUSED:
            self._known.pass_over(uid, receipt.reason or receipt.state)

    def _count(self, wanted: Iterable[ListedInstance]) -> int:
        """Tells what has come, and what has not; the latter is tried again by the next poll, a few times."""
        tried = {one.uid for one in wanted if one.uid in self._attempts}
        came = self._known.known(tried)
        for uid in came:
            del self._attempts[uid]
        missing = tried - came
        given_up = sum(self._attempts[uid] >= ATTEMPTS for uid in missing)
        for state, count in (("taken", len(came)), ("not_given", len(missing)), ("given_up", given_up)):
            if count:
                self._watch.pulled(self._settings.name, state, count)
        if missing:
            _LOG.warning("instances_missing", archive=self._settings.name, count=len(missing), given_up=given_up)
        if len(self._attempts) > _MOST_ATTEMPTS_KEPT:
            self._attempts.clear()
        return len(came)
