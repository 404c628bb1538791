"""POST /dicomweb/studies: STOW-RS. What is answered as stored is on the disk, and will be graded."""

from __future__ import annotations

from enum import IntEnum

from anyio import to_thread
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import JsonValue

from kneeoa.model.dicom_header import read_header
from kneeoa.model.errors import FilmError
from kneeoa.serving.api.access import Caller, Submitter, problems
from kneeoa.serving.api.examples import STORED, STOW_BODY
from kneeoa.serving.api.problems import Problem, problem_of
from kneeoa.serving.api.uploads import RELATED, Upload, received_films
from kneeoa.serving.pipeline.admission import BusyError
from kneeoa.serving.pipeline.intake import Receipt, ReceiptState
from kneeoa.serving.store.database import StoreError
from kneeoa.serving.store.originals import TooLargeError

router = APIRouter()
DICOM_JSON = "application/dicom+json"
_Item = dict[str, JsonValue]


class Reason(IntEnum):
    """Failure (0008,1197) and warning reasons (0008,1196), PS3.18 10.5.3 and PS3.4 table B.2-1."""

    OUT_OF_RESOURCES = 0xA700
    CANNOT_UNDERSTAND = 0xC000
    UID_REUSED = 0xB000
    """A warning: taken, as another object than the one of this UID that is there already."""


@router.post(
    "/dicomweb/studies",
    summary="Store films (STOW-RS)",
    response_model=None,
    responses={
        200: {"description": "All are stored", "content": {DICOM_JSON: {"example": STORED}}},
        202: {"description": "Some are stored, or some with a warning", "content": {DICOM_JSON: {}}},
        409: {"description": "None is stored", "content": {DICOM_JSON: {}}},
        **problems(400, 408, 413, 415),
    },
    openapi_extra={"requestBody": STOW_BODY},
)
async def store(request: Request, caller: Submitter) -> JSONResponse:
    """Takes DICOM objects, and answers for each: stored, stored with a warning, or not, and why.

    References:
        DICOM PS3.18 section 10.5, Store Transaction; table 10.5.3-1 for the answer.
    """
    of = caller.service
    if not request.headers.get("content-type", "").lower().startswith(RELATED):
        raise Problem(415, "unsupported_media_type", f'Send {RELATED}; type="application/dicom".')
    async with received_films(request, of.settings.data, of.settings.limits) as films:
        answer = _Answer()
        for film in films:
            await to_thread.run_sync(_take, caller, film, answer)
    if answer.busy is not None and not answer.stored:
        raise answer.busy
    return JSONResponse(answer.to_json(), answer.status, media_type=DICOM_JSON)


class _Answer:
    """The response of the transaction, instance by instance."""

    def __init__(self) -> None:
        self.stored: list[_Item] = []
        self.failed: list[_Item] = []
        self.others: list[_Item] = []
        self.warned = False
        self.studies: set[str] = set()
        self.busy: Problem | None = None

    @property
    def status(self) -> int:
        """PS3.18 table 10.5.3-1."""
        if not self.stored:
            return 409
        return 202 if self.failed or self.others or self.warned else 200

    def take(self, receipt: Receipt, class_uid: str | None) -> None:
        """Writes down a film that was kept; or left alone by a rule, which has no place to be retrieved from."""
        item = _reference(class_uid, receipt.sop_instance_uid)
        if receipt.study_instance_uid is not None:
            study = f"/v1/studies/{receipt.study_instance_uid}"
            self.studies.add(study)
            item |= _element("00081190", "UR", study)
        if receipt.state is ReceiptState.UID_REUSED:
            self.warned = True
            item |= _element("00081196", "US", int(Reason.UID_REUSED))
        self.stored.append(item)

    def fail(self, reason: Reason, class_uid: str | None, sop_uid: str | None) -> None:
        """Writes down a film that was not kept; one without a UID among the others."""
        item = _element("00081197", "US", int(reason))
        if sop_uid is None:
            self.others.append(item)
        else:
            self.failed.append({**_reference(class_uid, sop_uid), **item})

    def to_json(self) -> _Item:
        """The DICOM JSON of PS3.18 table 10.5.3-2."""
        whole: _Item = {}
        if len(self.studies) == 1:
            whole |= _element("00081190", "UR", next(iter(self.studies)))
        for tag, items in (("00081199", self.stored), ("00081198", self.failed), ("0008119A", self.others)):
            if items:
                whole[tag] = {"vr": "SQ", "Value": [dict(item) for item in items]}
        return whole


def _take(caller: Caller, film: Upload, answer: _Answer) -> None:
    of = caller.service
    class_uid, sop_uid = _uids(film)
    try:
        receipt = of.service.receive(film.path, sender="stow")
    except (BusyError, StoreError) as error:
        if isinstance(error, BusyError) or not isinstance(error, TooLargeError):
            answer.busy = problem_of(error)
        answer.fail(Reason.OUT_OF_RESOURCES, class_uid, sop_uid)
        of.metrics.received(error.reason)
        caller.note("film_sent", ok=error.reason)
        return
    of.metrics.received(receipt.state.value)
    if receipt.state is ReceiptState.REFUSED:
        answer.fail(Reason.CANNOT_UNDERSTAND, class_uid, sop_uid)
    else:
        answer.take(receipt, class_uid)
    outcome = receipt.reason if receipt.state is ReceiptState.REFUSED else receipt.state.value
    caller.note("film_sent", receipt.study_instance_uid, receipt.film_id, ok=outcome or receipt.state.value)


def _uids(film: Upload) -> tuple[str | None, str | None]:
    """SOP Class and Instance UID, as far as they can be read."""
    try:
        with film.path.open("rb") as stream:
            elements = read_header(stream, film.path.stat().st_size).elements
        return elements.text(0x00080016) or None, elements.text(0x00080018) or None
    except FilmError:
        return None, None


def _reference(class_uid: str | None, sop_uid: str | None) -> _Item:
    item: _Item = {}
    if class_uid is not None:
        item |= _element("00081150", "UI", class_uid)
    if sop_uid is not None:
        item |= _element("00081155", "UI", sop_uid)
    return item


def _element(tag: str, vr: str, value: str | int) -> _Item:
    return {tag: {"vr": vr, "Value": [value]}}
