"""Who is logged in at the page: a key becomes a cookie that no script can read and no other site can have sent."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from kneeoa.serving.api.access import address_of, cookie_name, limit, session_cookie
from kneeoa.serving.api.problems import Problem
from kneeoa.serving.api.state import SharedState
from kneeoa.serving.audit import Deed
from kneeoa.serving.security.principal import LOCAL, AuthenticationError, Principal
from kneeoa.serving.security.sessions import SESSION_SECONDS, shows

router = APIRouter(prefix="/session", include_in_schema=False)  # the page's own; programs send their key


class Login(BaseModel):
    """An API key."""

    model_config = ConfigDict(extra="forbid")

    key: str = Field(min_length=1, max_length=200)


class Who(BaseModel):
    """Who is logged in, and what the page must send with changes."""

    login: bool
    """Whether one is needed."""
    name: str | None
    scopes: list[str]
    csrf: str | None = None


@router.get("")
def session(request: Request, of: SharedState) -> Who:
    """Who is logged in; nobody is no error."""
    if of.authenticator.open:
        return _who(LOCAL, login=False)
    token = session_cookie(request)
    try:
        found = of.sessions.of(token or "")
    except AuthenticationError:
        return Who(login=True, name=None, scopes=[])
    return _who(found.principal, found.csrf)


@router.post("")
def log_in(request: Request, response: Response, given: Login, of: SharedState) -> Who:
    """Makes a session of a key."""
    limit(of, f"address:{address_of(request)}")
    request_id = str(getattr(request.state, "request_id", ""))
    try:
        token, begun = of.sessions.begin(given.key.strip())
    except AuthenticationError as error:
        of.audit.write(Deed("unknown", "login_failed", "unauthenticated", request=request_id))
        raise Problem(401, "unauthenticated", str(error)) from None
    of.audit.write(Deed(begun.principal.name, "logged_in", request=request_id))
    secure = request.url.scheme == "https"
    response.set_cookie(
        cookie_name(secure=secure),
        token,
        max_age=int(SESSION_SECONDS),
        path="/",
        secure=secure,
        httponly=True,
        samesite="strict",
    )
    return _who(begun.principal, begun.csrf)


@router.delete("", status_code=204)
def log_out(request: Request, response: Response, of: SharedState) -> None:
    """Ends the session."""
    token = session_cookie(request) or ""
    try:
        found = of.sessions.of(token)
    except AuthenticationError:
        return
    if not shows(found, request.headers.get("x-csrf-token")):
        raise Problem(403, "csrf", "The request does not show the session's token. Load the page again.")
    of.sessions.end(token)
    of.audit.write(Deed(found.principal.name, "logged_out", request=str(getattr(request.state, "request_id", ""))))
    secure = request.url.scheme == "https"
    # With all that it was set with: browsers refuse a `__Host-` cookie without Secure, also one that only ends it.
    response.delete_cookie(cookie_name(secure=secure), path="/", secure=secure, httponly=True, samesite="strict")


def _who(principal: Principal, csrf: str | None = None, *, login: bool = True) -> Who:
    return Who(login=login, name=principal.name, scopes=sorted(principal.scopes), csrf=csrf)
