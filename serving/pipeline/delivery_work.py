"""The durable work of deliveries: one DBOS workflow a batch, destination and turn, in a queue of its own.

The table of deliveries is the truth and DBOS carries the work. The queue is partitioned by destination: one that is
slow or away has its own few places, and holds up neither films nor other destinations. Whoever has to wait is not in a
place of the queue meanwhile: its next turn is queued with a delay.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog

from kneeoa.serving.grading import INTERNAL, GradingClosedError, GradingError
from kneeoa.serving.pipeline.courier import Courier
from kneeoa.serving.pipeline.destinations import DeliveryError
from kneeoa.serving.settings import QueueSettings
from kneeoa.serving.store.database import Database, StoreError
from kneeoa.serving.store.deliveries import Consignment, next_turn, note_queued, open_consignments

QUEUE = "deliveries"
PLACES = 2
"""At one destination at the same time."""
_CHUNK = 500
_ALIVE = frozenset({"PENDING", "ENQUEUED", "DELAYED"})
_log = structlog.get_logger("kneeoa.delivery")


class DeliveryWork:
    """Runs the courier, durably.

    Args:
        database: the store.
        courier: does the visits.
        settings: of the queue.
    """

    def __init__(self, database: Database, courier: Courier, settings: QueueSettings) -> None:
        self._database = database
        self._courier = courier
        self._settings = settings
        self._version = ""
        self._enqueue: Callable[[Consignment], None] | None = None

    def register(self, version: str, stopping: Callable[[], bool]) -> None:
        """Registers the workflow and its steps with DBOS.

        Args:
            version: of the workflows, part of the ids of work.
            stopping: whether the process is about to end; a failure is then nobody's fault.
        """
        from dbos import DBOS, SetEnqueueOptions, SetWorkflowID

        courier, attempts, interval = self._courier, self._settings.step_attempts, self._settings.backoff_seconds
        self._version = version

        def should_retry(error: BaseException) -> bool:
            return isinstance(error, StoreError) and not stopping()

        @DBOS.step(
            name="bring",
            retries_allowed=attempts > 1,
            max_attempts=attempts,
            interval_seconds=interval,
            should_retry=should_retry,
        )
        def bring(batch: str, destination: str, turn: int) -> float | None:
            return courier.bring(batch, destination, turn)

        @DBOS.step(name="stumble", retries_allowed=True, max_attempts=max(2, attempts), interval_seconds=interval)
        def stumble(batch: str, destination: str, turn: int, reason: str, limit: int) -> float | None:
            return courier.stumble(Consignment(batch, destination, turn, 0.0), reason, limit)

        @DBOS.workflow(name="delivery")
        def delivery(batch: str, destination: str, turn: int) -> None:
            try:
                pause = bring(batch, destination, turn)
            except Exception as error:
                if stopping() or isinstance(error, GradingClosedError):
                    raise  # the next start takes it up
                _log.warning("delivery_stumbled", reason=_reason_of(error), error=type(error).__name__)
                # What the destination has nothing to do with is not tried for hours: it may kill a worker each time.
                limit = self._settings.delivery_attempts if isinstance(error, StoreError) else attempts
                pause = stumble(batch, destination, turn, _reason_of(error), limit)
            if pause is not None:
                enqueue(Consignment(batch, destination, turn + 1, 0.0), pause)

        def enqueue(work: Consignment, pause: float) -> None:
            options = SetEnqueueOptions(queue_partition_key=work.destination, delay_seconds=pause or None)
            with SetWorkflowID(self._work_id(work)), options:
                DBOS.enqueue_workflow(QUEUE, delivery, work.batch, work.destination, work.turn)

        self._enqueue = lambda work: enqueue(work, max(0.0, work.due - time.time()))

    def open_queue(self, poll_seconds: float) -> None:
        """Begins to take work from the queue, where there is or may be any: each look costs a little."""
        from dbos import DBOS

        with self._database.read() as session:
            if not self._courier.has_destinations and not open_consignments(session, lagging=False):
                return
        DBOS.register_queue(
            QUEUE,
            partition_worker_concurrency=PLACES,
            polling_interval_sec=poll_seconds,
            on_conflict="always_update",
        )

    def enqueue(self, batch: str, destination: str) -> None:
        """Queues the first work on a batch for a destination; queued twice it is done once."""
        if self._enqueue is not None:
            self._enqueue(Consignment(batch, destination, 1, 0.0))

    def queue_lagging(self) -> int:
        """Queues turns that a report, a command or a study's document has asked for."""
        with self._database.read() as session:
            lagging = open_consignments(session, lagging=True)
        for work in lagging:
            self._queue(work)
        return len(lagging)

    def adopt(self) -> int:
        """Gives everything that is open living work: after a crash, an upgrade, a restored backup.

        Returns:
            How much had none.
        """
        from dbos import DBOS

        with self._database.read() as session:
            wanted = {self._work_id(work): work for work in open_consignments(session, lagging=False)}
        ids, adopted = list(wanted), 0
        for start in range(0, len(ids), _CHUNK):
            part = ids[start : start + _CHUNK]
            found = DBOS.list_workflows(workflow_ids=part, load_input=False, load_output=False)
            status = {workflow.workflow_id: workflow.status for workflow in found}
            for known in part:
                if status.get(known) not in _ALIVE:
                    adopted += 1
                    self._adopt(wanted[known], seen=known in status)
        return adopted

    def _adopt(self, work: Consignment, *, seen: bool) -> None:
        if not seen:
            self._queue(work)
            return
        with self._database.write() as session:
            next_turn(session, work.batch, work.destination, work.due, queued=False)

    def _queue(self, work: Consignment) -> None:
        if self._enqueue is None:
            return
        self._enqueue(work)
        with self._database.write() as session:
            note_queued(session, work)

    def _work_id(self, work: Consignment) -> str:
        return f"to-{work.destination}-{work.batch}-{work.turn}-v{self._version}"


def _reason_of(error: BaseException) -> str:
    """The stable code of a failure, of its last attempt where there were several."""
    attempts = getattr(error, "errors", None)
    if isinstance(attempts, list) and attempts:
        return _reason_of(attempts[-1])
    return error.reason if isinstance(error, GradingError | StoreError | DeliveryError) else INTERNAL
