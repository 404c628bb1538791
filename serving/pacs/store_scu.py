"""The Storage SCU: brings objects to one DICOM node, looks at every status, asks for commitment, and looks for them.

References:
    DICOM PS3.4 table B.2-1 (0x0000 and the warnings 0xBxxx mean that the object is stored), annex C (Query/Retrieve),
    annex J (Storage Commitment).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO

from pydicom import Dataset, dcmread
from pynetdicom import evt
from pynetdicom.association import Association

from kneeoa.serving.pacs.association import RESULT_CLASSES, associate, shown_tls
from kneeoa.serving.pacs.commitment import PUSH_MODEL, PUSH_MODEL_INSTANCE, REQUEST_ACTION, Reports, request
from kneeoa.serving.pacs.stow_scu import WebArchive
from kneeoa.serving.pipeline.destinations import LOST, REFUSED, Commitment, DeliveryError, Rules, SentObject
from kneeoa.serving.settings import PacsPeer, PacsSettings

STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
_REPORT_SECONDS = 2.0
"""How long an association is kept for a report on it; most nodes report on another one."""
_PENDING = frozenset({0xFF00, 0xFF01})


class DicomDestination:
    """`pipeline.destinations.Destination` of one DICOM node.

    Args:
        peer: where.
        own: who we are.
        reports: takes reports of commitment.

    Raises:
        ConfigError: a certificate cannot be used.
    """

    def __init__(self, peer: PacsPeer, own: PacsSettings, reports: Reports) -> None:
        self.name = f"dicom:{peer.ae_title}"
        self.rules = Rules(Commitment(peer.commitment), peer.verify != "none", own.commitment_seconds)
        self._peer, self._own, self._reports = peer, own, reports
        self._tls = shown_tls(peer, own)
        self._web = None if peer.dicomweb is None else WebArchive(peer.dicomweb, own.seconds)

    @contextmanager
    def visit(self) -> Iterator[DicomVisit]:
        """See `Destination.visit`: one association, made when it is needed."""
        visit = DicomVisit(self)
        try:
            yield visit
        finally:
            visit.end()

    def associate(self) -> Association:
        """An association for all that may be asked of this node.

        Raises:
            DeliveryError: the node does not take it.
        """
        classes: list[str] = [*RESULT_CLASSES]
        if self.rules.commitment is not Commitment.NONE:
            classes.append(PUSH_MODEL)
        if self._peer.verify == "find":
            classes.append(STUDY_ROOT_FIND)
        handlers = [(evt.EVT_N_EVENT_REPORT, self._reports.handle)]
        return associate(self._peer, self._own, classes, self._tls, handlers)

    @property
    def reports(self) -> Reports:
        """Takes reports of commitment."""
        return self._reports

    @property
    def web(self) -> WebArchive | None:
        """Where to ask by QIDO-RS, or None."""
        return self._web


class DicomVisit:
    """`pipeline.destinations.Visit` of one DICOM node.

    Args:
        destination: whose.
    """

    def __init__(self, destination: DicomDestination) -> None:
        self._destination = destination
        self._association: Association | None = None

    def end(self) -> None:
        """Releases the association."""
        if self._association is not None and self._association.is_established:
            self._association.release()

    @property
    def offers_commitment(self) -> bool:
        """See `Visit.offers_commitment`."""
        return any(context.abstract_syntax == PUSH_MODEL for context in self._open().accepted_contexts)

    def store(self, content: bytes) -> None:
        """See `Visit.store`."""
        association = self._open()
        try:
            answer = association.send_c_store(dcmread(BytesIO(content)))
        except ValueError:
            raise self._error(REFUSED, "does not take this kind of object") from None
        except RuntimeError:
            raise self._error(LOST, "ended the association") from None
        status = self._status(answer)
        if status != 0 and not 0xB000 <= status <= 0xBFFF:
            raise self._error(REFUSED, f"answered with status 0x{status:04X}")

    def request_commitment(self, objects: Sequence[SentObject], transaction_uid: str) -> None:
        """See `Visit.request_commitment`; stays a moment, for a report on the same association."""
        association, reports = self._open(), self._destination.reports
        bell = reports.expect(transaction_uid)
        try:
            asked = request(objects, transaction_uid)
            try:
                answer, _ = association.send_n_action(asked, REQUEST_ACTION, PUSH_MODEL, PUSH_MODEL_INSTANCE)
            except (ValueError, RuntimeError):
                raise self._error(LOST, "ended the association") from None
            status = self._status(answer)
            if status != 0:
                raise self._error(REFUSED, f"answered a request for commitment with status 0x{status:04X}")
            bell.wait(_REPORT_SECONDS)
        finally:
            reports.forget(transaction_uid)

    def finds(self, one: SentObject) -> bool:
        """See `Visit.finds`."""
        if self._destination.web is not None:
            return self._destination.web.finds(one)
        association = self._open()
        query = Dataset()
        query.QueryRetrieveLevel = "IMAGE"
        query.StudyInstanceUID, query.SeriesInstanceUID, query.SOPInstanceUID = (
            one.study_uid,
            one.series_uid,
            one.sop_uid,
        )
        found = False
        try:
            for answer, match in association.send_c_find(query, STUDY_ROOT_FIND):
                status = self._status(answer)
                if status in _PENDING:
                    found = found or (match is not None and str(match.get("SOPInstanceUID", "")) == one.sop_uid)
                elif status != 0:
                    raise self._error(REFUSED, f"answered a query with status 0x{status:04X}")
        except (ValueError, RuntimeError):
            raise self._error(REFUSED, "does not take queries") from None
        return found

    def _open(self) -> Association:
        if self._association is None:
            self._association = self._destination.associate()
        if not self._association.is_established:
            raise self._error(LOST, "ended the association")
        return self._association

    def _status(self, answer: Dataset) -> int:
        status = answer.get("Status")
        if status is None:
            raise self._error(LOST, "ended the association without an answer")
        return int(status)

    def _error(self, reason: str, what: str) -> DeliveryError:
        return DeliveryError(reason, f"{self._destination.name} {what}.")
