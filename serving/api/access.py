"""Who may use a route, and the note of it in the audit trail."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from kneeoa.serving.api.problems import Problem, ProblemDetails
from kneeoa.serving.api.state import Shared, shared
from kneeoa.serving.audit import Deed
from kneeoa.serving.security.principal import AuthenticationError, Principal, Scope
from kneeoa.serving.security.sessions import shows

_LOGIN = {"WWW-Authenticate": 'Bearer realm="kneeoa"'}
_SAFE = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever asks, and the request.

    Attributes:
        principal: who.
        request_id: of the request, as log and audit trail have it.
        service: what all routes share.
    """

    principal: Principal
    request_id: str
    service: Shared

    def note(
        self, action: str, study_uid: str | None = None, film_id: str | None = None, *, ok: str = "success"
    ) -> None:
        """Writes into the audit trail what was done.

        Raises:
            AuditError: it cannot be written.
        """
        self.service.audit.write(Deed(self.principal.name, action, ok, study_uid, film_id, self.request_id))


def session_cookie(request: Request) -> str | None:
    """The session that a browser names, or None."""
    return request.cookies.get(cookie_name(secure=request.url.scheme == "https"))


def cookie_name(*, secure: bool) -> str:
    """Of the session; the prefix has browsers refuse it from other hosts and without TLS (RFC 6265bis 4.1.3.2)."""
    return "__Host-kneeoa" if secure else "kneeoa"


def address_of(request: Request) -> str:
    """Where a request came from."""
    return request.client.host if request.client is not None else "unknown"


def _principal(request: Request, of: Shared) -> Principal:
    authorization, api_key = request.headers.get("authorization"), request.headers.get("x-api-key")
    token = session_cookie(request)
    if authorization is not None or api_key is not None or token is None or of.authenticator.open:
        return of.authenticator.authenticate(authorization, api_key)
    session = of.sessions.of(token)
    if request.method not in _SAFE and not shows(session, request.headers.get("x-csrf-token")):
        raise Problem(403, "csrf", "The request does not show the session's token. Load the page again.")
    return session.principal


def _caller(request: Request, scope: Scope) -> Caller:
    of = shared(request)
    request_id = str(getattr(request.state, "request_id", ""))
    address = address_of(request)
    try:
        principal = _principal(request, of)
    except AuthenticationError as error:
        # Guessing is limited by address; the trail holds a line for each guess that was looked at.
        limit(of, f"address:{address}")
        of.audit.write(Deed("unknown", "login_failed", "unauthenticated", request=request_id))
        raise Problem(401, "unauthenticated", str(error), _LOGIN) from None
    limit(of, principal.name if principal.name != "local" else f"address:{address}")
    if scope not in principal.scopes:
        of.audit.write(Deed(principal.name, "access_denied", "wrong_scope", request=request_id))
        raise Problem(403, "wrong_scope", f"This needs the scope {scope}. Ask for a key or a role that has it.")
    return Caller(principal, request_id, of)


def limit(of: Shared, name: str) -> None:
    """Counts a request of somebody.

    Raises:
        Problem: 429, there were too many.
    """
    wait = of.rate.wait_seconds(name)
    if wait > 0:
        headers = {"Retry-After": str(math.ceil(wait))}
        raise Problem(429, "too_many_requests", "Too many requests. Ask again after the time told.", headers)


def _needs(scope: Scope) -> Callable[[Request], Caller]:
    def dependency(request: Request) -> Caller:
        return _caller(request, scope)

    return dependency


Submitter = Annotated[Caller, Depends(_needs(Scope.SUBMIT))]
Reader = Annotated[Caller, Depends(_needs(Scope.READ))]
Admin = Annotated[Caller, Depends(_needs(Scope.ADMIN))]


def problems(*statuses: int) -> dict[int | str, dict[str, object]]:
    """What OpenAPI says of a route's errors: those named, and those of every route with a login."""
    content = {"application/problem+json": {"schema": ProblemDetails.model_json_schema()}}
    told = {400: "malformed", 401: "no valid key or token", 403: "another scope is needed", 404: "not there"}
    told |= {406: "no form of it is acceptable"}
    told |= {408: "the body came too slowly", 409: "not possible as things stand", 413: "too large"}
    told |= {415: "another media type is needed", 422: "not valid", 429: "too many", 503: "not now; see Retry-After"}
    listed = sorted({401, 403, 422, 429, 503, *statuses})
    return {status: {"description": told[status], "content": content} for status in listed}
