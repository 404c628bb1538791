"""Storage Commitment Push: what is asked, and what a report says. It may come on any association, at any time.

References:
    DICOM PS3.4 annex J (Storage Commitment Service Class), tables J.3-1 (N-ACTION) and J.3-2 (N-EVENT-REPORT).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from threading import Event as Bell
from threading import Lock

import structlog
from pydicom import Dataset
from pynetdicom.events import Event

from kneeoa.serving.pipeline.destinations import SentObject

PUSH_MODEL = "1.2.840.10008.1.20.1"
PUSH_MODEL_INSTANCE = "1.2.840.10008.1.20.1.1"
"""Well-known SOP Instance (PS3.4 J.3.5)."""
REQUEST_ACTION = 1
SUCCESS, NO_SUCH_ARGUMENT, PROCESSING_FAILURE = 0x0000, 0x0114, 0x0110
_LOG = structlog.get_logger("kneeoa.pacs")


def request(objects: Sequence[SentObject], transaction_uid: str) -> Dataset:
    """The information of an N-ACTION that asks for commitment.

    Args:
        objects: what the destination is to keep.
        transaction_uid: that its report will name.
    """
    asked = Dataset()
    asked.TransactionUID = transaction_uid
    asked.ReferencedSOPSequence = [_reference(one) for one in objects]
    return asked


def report(information: Dataset) -> tuple[str, dict[str, bool]]:
    """What an N-EVENT-REPORT says.

    Args:
        information: its Event Information.

    Returns:
        The Transaction UID, and whether the destination keeps them, by SOP Instance UID.
    """
    kept = {str(item.ReferencedSOPInstanceUID): True for item in information.get("ReferencedSOPSequence") or ()}
    for item in information.get("FailedSOPSequence") or ():
        kept[str(item.ReferencedSOPInstanceUID)] = False
    return str(information.get("TransactionUID", "")), kept


class Reports:
    """Takes reports, on whichever association they come, and tells who waits for one.

    Args:
        take: writes one down; whether such a request was made and not yet answered.
    """

    def __init__(self, take: Callable[[str, Mapping[str, bool]], bool]) -> None:
        self._take = take
        self._bells: dict[str, Bell] = {}
        self._lock = Lock()

    def expect(self, transaction_uid: str) -> Bell:
        """A bell that rings when the report of a request has come."""
        with self._lock:
            return self._bells.setdefault(transaction_uid, Bell())

    def forget(self, transaction_uid: str) -> None:
        """Nobody waits any more; a report that comes later is taken all the same."""
        with self._lock:
            self._bells.pop(transaction_uid, None)

    def handle(self, event: Event) -> tuple[int, Dataset | None]:
        """Pynetdicom's handler of N-EVENT-REPORT: the status of the answer, and no dataset."""
        try:
            transaction_uid, kept = report(event.event_information)
            known = self._take(transaction_uid, kept)
        except Exception as error:  # whatever it is, the destination must be told that its report was not taken
            _LOG.warning("report_not_taken", error=type(error).__name__)
            return PROCESSING_FAILURE, None
        with self._lock:
            bell = self._bells.get(transaction_uid)
        if bell is not None:
            bell.set()
        if not known:
            _LOG.info("report_of_nothing_asked")
        return SUCCESS, None


def _reference(one: SentObject) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = one.sop_class_uid
    item.ReferencedSOPInstanceUID = one.sop_uid
    return item
