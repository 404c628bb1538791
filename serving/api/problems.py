"""Errors as RFC 9457 problem details, each with a stable `code`. None quotes what was sent."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from kneeoa.model.errors import KneeOAError
from kneeoa.serving.audit import AuditError
from kneeoa.serving.pipeline.admission import BusyError
from kneeoa.serving.pipeline.rework import NotFoundError
from kneeoa.serving.store.database import StoreError
from kneeoa.serving.store.originals import TooLargeError
from kneeoa.serving.workers.pool import PoolClosedError
from kneeoa.serving.workers.worker import DecoderCrashedError

MEDIA_TYPE = "application/problem+json"
_TYPE = "urn:kneeoa:problem:"
_RETRY = "Retry-After"


class ProblemDetails(BaseModel):
    """What is wrong with a request, and what to do (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    code: str


class Problem(Exception):  # noqa: N818 - the RFC's word
    """A request that is not served.

    Attributes:
        status: HTTP status.
        code: stable reason.
        detail: one or two sentences: what is wrong, and what to do.
        headers: of the answer.
    """

    def __init__(self, status: int, code: str, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(code)
        self.status, self.code, self.detail, self.headers = status, code, detail, headers or {}

    def response(self) -> JSONResponse:
        """The answer."""
        title = HTTPStatus(self.status).phrase
        body = ProblemDetails(
            type=_TYPE + self.code, title=title, status=self.status, detail=self.detail, code=self.code
        )
        return JSONResponse(body.model_dump(), self.status, self.headers, MEDIA_TYPE)


def problem_of(error: Exception) -> Problem:  # noqa: PLR0911 - one line an error
    """The problem that an error of ours is to a client; of any other error it says nothing."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, BusyError):
        return Problem(503, error.reason, str(error), {_RETRY: str(error.retry_after_seconds)})
    if isinstance(error, PoolClosedError):
        return Problem(503, "stopping", str(error), {_RETRY: "30"})
    if isinstance(error, NotFoundError):
        return Problem(404, "not_found", str(error))
    if isinstance(error, TooLargeError):
        return Problem(413, "too_large", str(error))
    if isinstance(error, StoreError):
        return Problem(503, error.reason, str(error), {_RETRY: "30"})
    if isinstance(error, AuditError):
        detail = "The audit trail cannot be written, and nothing is done without it. Ask who runs the service."
        return Problem(503, "audit_unavailable", detail, {_RETRY: "60"})
    if isinstance(error, DecoderCrashedError):
        return Problem(422, error.reason, f"{error.refusal.message} {error.refusal.remedy}")
    if isinstance(error, KneeOAError):
        return Problem(409, "not_possible", str(error))
    return Problem(500, "internal_error", "The service has failed. Its log has the details under the request's id.")


def add_problem_handlers(app: FastAPI) -> None:
    """Has every error answered as a problem."""

    async def ours(_request: Request, error: Exception) -> JSONResponse:
        return problem_of(error).response()

    async def http(_request: Request, error: Exception) -> JSONResponse:
        status = error.status_code if isinstance(error, HTTPException) else 500
        headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
        code = HTTPStatus(status).phrase.lower().replace(" ", "_")
        return Problem(status, code, HTTPStatus(status).description or HTTPStatus(status).phrase, headers).response()

    async def invalid(_request: Request, error: Exception) -> JSONResponse:
        faults = error.errors() if isinstance(error, RequestValidationError) else []
        told = "; ".join(f"{_place(fault['type'], fault['loc'])}: {fault['type']}" for fault in faults[:5])
        return Problem(422, "invalid_request", f"The request is not valid. {told}").response()

    app.add_exception_handler(Problem, ours)
    app.add_exception_handler(KneeOAError, ours)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(RequestValidationError, invalid)


def _place(fault: str, loc: Sequence[str | int]) -> str:
    """Where a fault is; a field that we do not know has a name of the client's own, which is not repeated."""
    return ".".join(str(part) for part in loc[: 1 if fault == "extra_forbidden" else 2])
