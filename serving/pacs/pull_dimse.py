"""Films by DIMSE: found by C-FIND, level by level; sent to our Storage SCP by C-MOVE, or to us by C-GET.

References:
    DICOM PS3.4 annex C (Query/Retrieve Service Class; sections C.4.1 to C.4.3), PS3.7 section 9.1.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO

import structlog
from pydicom import Dataset
from pynetdicom import AE, build_role, evt
from pynetdicom.association import Association
from pynetdicom.events import Event
from pynetdicom.sop_class import (  # type: ignore[attr-defined]  # made at run time
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
)

from kneeoa.serving.pacs.archive import ListedInstance, ListedStudy, PullError, Take, bounded, study_filters
from kneeoa.serving.pacs.pull_settings import DimsePull
from kneeoa.serving.pacs.store_scp import OUT_OF_RESOURCES, STORED_CLASSES, SUCCESS, TRANSFER_SYNTAXES
from kneeoa.serving.pacs.tls import client_context
from kneeoa.serving.settings import PacsSettings

_PENDING = frozenset({0xFF00, 0xFF01})
_WARNING = 0xB000
_LOG = structlog.get_logger("kneeoa.pull")


class DimseArchive:
    """`archive.Archive` by DIMSE.

    Args:
        settings: of the archive.
        own: who we are.

    Raises:
        ConfigError: a certificate cannot be used.
    """

    def __init__(self, settings: DimsePull, own: PacsSettings) -> None:
        self._settings, self._own = settings, own
        self._tls = client_context(own.tls) if settings.tls and own.tls is not None else None

    @contextmanager
    def open(self) -> Iterator[_AskedNode]:
        """See `archive.Archive`: one association for all."""
        node, gets = self._settings, self._settings.via == "get"
        asked = _AskedNode(node, self._own.ae_title)
        ae = AE(self._own.ae_title)
        ae.connection_timeout = ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = self._own.seconds
        ae.add_requested_context(StudyRootQueryRetrieveInformationModelFind)
        if gets:
            ae.add_requested_context(StudyRootQueryRetrieveInformationModelGet)
            # A context for each syntax: of one with several the archive would choose, and convert what it has.
            for uid in STORED_CLASSES:
                for syntax in TRANSFER_SYNTAXES:
                    ae.add_requested_context(uid, syntax)
        else:
            ae.add_requested_context(StudyRootQueryRetrieveInformationModelMove)
        association = ae.associate(
            node.host,
            node.port,
            ae_title=node.ae_title,
            ext_neg=[build_role(uid, scp_role=True) for uid in STORED_CLASSES] if gets else None,
            tls_args=None if self._tls is None else (self._tls, node.host),
            evt_handlers=[(evt.EVT_C_STORE, asked.stored)] if gets else None,
        )
        if not association.is_established:
            raise PullError("archive_unreachable", f"{node.name} does not take the association.")
        asked.association = association
        try:
            yield asked
        finally:
            if association.is_established:
                association.release()


class _AskedNode:
    """`archive.Asked` by DIMSE."""

    association: Association

    def __init__(self, settings: DimsePull, own_title: str) -> None:
        self._settings, self._own_title = settings, own_title
        self._take: Take | None = None
        self._uid = ""
        self._fault: Exception | None = None

    def studies(self) -> list[ListedStudy]:
        counts: dict[str, int | None] = {}

        def uids() -> Iterator[str]:
            filters = {"StudyInstanceUID": "", "NumberOfStudyRelatedInstances": ""}
            for found in self._find("STUDY", {**filters, **study_filters(self._settings.query)}):
                uid, count = _text(found, "StudyInstanceUID"), _text(found, "NumberOfStudyRelatedInstances")
                counts[uid] = int(count) if count.isdecimal() else None
                yield uid

        return [ListedStudy(uid, counts[uid]) for uid in bounded(uids())]

    def instances(self, study: str) -> list[ListedInstance]:
        query, listed = self._settings.query, list[ListedInstance]()
        within = {"StudyInstanceUID": study, "SeriesInstanceUID": "", **query.series}
        for series in list(bounded(_text(found, "SeriesInstanceUID") for found in self._find("SERIES", within))):
            keys = {"StudyInstanceUID": study, "SeriesInstanceUID": series, "SOPInstanceUID": "", **query.instance}
            uids = bounded(_text(found, "SOPInstanceUID") for found in self._find("IMAGE", keys))
            listed += [ListedInstance(study, series, uid) for uid in uids]
        return listed

    def fetch(self, wanted: Iterable[ListedInstance], take: Take) -> None:
        self._take = take
        for one in wanted:
            keys = {"StudyInstanceUID": one.study, "SeriesInstanceUID": one.series, "SOPInstanceUID": one.uid}
            self._uid = one.uid
            self._retrieve(_identifier("IMAGE", keys))
            if self._fault is not None:
                raise self._fault

    def stored(self, event: Event) -> int:
        """Takes what C-GET brings, within the association that asked for it."""
        if self._take is None or self._fault is not None:
            return OUT_OF_RESOURCES
        try:
            self._take(self._uid, BytesIO(event.encoded_dataset()))
        except Exception as error:  # raised where it is waited for
            self._fault = error
            return OUT_OF_RESOURCES
        return SUCCESS

    def _retrieve(self, identifier: Dataset) -> None:
        gets = self._settings.via == "get"
        try:
            if gets:
                answers = self.association.send_c_get(identifier, StudyRootQueryRetrieveInformationModelGet)
            else:
                model = StudyRootQueryRetrieveInformationModelMove
                answers = self.association.send_c_move(identifier, self._own_title, model)
            status = self._last(answer for answer, _ in answers)
        except (ValueError, RuntimeError):
            raise self._unable("C-GET" if gets else "C-MOVE") from None
        if status not in {SUCCESS, _WARNING}:
            _LOG.warning("instance_not_given", archive=self._settings.name, status=f"0x{status:04X}")

    def _find(self, level: str, keys: Mapping[str, str]) -> Iterator[Dataset]:
        """The answers to one question, which is listened to until its end."""
        model = StudyRootQueryRetrieveInformationModelFind
        try:
            answers = self.association.send_c_find(_identifier(level, keys), model)
        except (ValueError, RuntimeError):
            raise self._unable("C-FIND") from None
        last = Dataset()
        for last, found in answers:
            if last.get("Status") in _PENDING and found is not None:
                yield found
        status = self._last([last])
        if status != SUCCESS:
            raise PullError("archive_refused", f"{self._settings.name} answered C-FIND with status 0x{status:04X}.")

    def _last(self, answers: Iterable[Dataset]) -> int:
        """The status that ends an operation."""
        status = None
        for answer in answers:
            status = answer.get("Status")
        if status is None:
            raise PullError("archive_lost", f"{self._settings.name} ended the association without an answer.")
        return int(status)

    def _unable(self, operation: str) -> PullError:
        return PullError("archive_refused", f"{self._settings.name} does not take {operation}.")


def _identifier(level: str, keys: Mapping[str, str]) -> Dataset:
    identifier = Dataset()
    identifier.QueryRetrieveLevel = level
    for keyword, value in keys.items():
        setattr(identifier, keyword, value)
    return identifier


def _text(found: Dataset, keyword: str) -> str:
    return str(found.get(keyword, "") or "")
