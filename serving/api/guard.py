"""What stands before every route: hosts and origins, sizes and times, strict headers, one line of log."""

from __future__ import annotations

import asyncio
import time
import uuid
from dataclasses import dataclass, field

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kneeoa.serving.api.metrics import Metrics
from kneeoa.serving.api.problems import Problem, problem_of
from kneeoa.serving.api.slow_clients import CONNECTIONS
from kneeoa.serving.settings import Settings
from kneeoa.serving.web_peer import LOOPBACK

UPLOADS = frozenset({"/v1/grade", "/dicomweb/studies"})
SMALL_BODY = 1 << 16
"""Of a request that carries no film."""
LEAST_BYTES_A_SECOND = 8192
"""A body that comes more slowly for long is given up: a scanner on a poor line is faster."""
_READER_SECONDS = 60.0
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_EVERYWHERE = {"0.0.0.0", "::"}  # noqa: S104 - compared with, not bound
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_LOG = structlog.get_logger("kneeoa.http")


@dataclass(slots=True)
class _Exchange:
    """One request and its answer."""

    scope: Scope
    receive: Receive
    send: Send
    limit: int
    patience: float
    request_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    began: float = field(default_factory=time.perf_counter)
    received: int = 0
    whole: bool = False
    status: int = 0
    waited: float = 0.0

    async def read(self) -> Message:
        """The next piece of the body, within the limits of size and time."""
        if self.whole:
            return await self.receive()
        asked = time.perf_counter()
        try:
            async with asyncio.timeout(self.patience):  # wait_for would make a task of each of a hundred pieces
                message = await self.receive()
        except TimeoutError:
            raise _too_slow() from None
        # Only the time spent on waiting for the client counts, not that of whoever digests the body.
        self.waited += time.perf_counter() - asked
        if message["type"] == "http.request":
            self.received += len(message.get("body", b""))
            self.whole = not message.get("more_body", False)
            if self.received > self.limit:
                raise _too_large(self.limit)
            if not self.whole and self.waited > self.patience + self.received / LEAST_BYTES_A_SECOND:
                raise _too_slow()
        return message

    async def write(self, message: Message) -> None:
        """A piece of the answer; a client that does not take it is left."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            headers["X-Request-ID"] = self.request_id
        async with asyncio.timeout(_READER_SECONDS):
            await self.send(message)


class Guard:
    """ASGI middleware; answers by itself what must not reach a route, and whatever a route did not expect.

    Args:
        app: the routes.
        settings: of the service.
        metrics: where requests are counted.
    """

    def __init__(self, app: ASGIApp, settings: Settings, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics
        self._limits = settings.limits
        named = {host.lower() for host in settings.security.trusted_hosts}
        # Bound everywhere, with a login: any name is good, for no name lets anybody in.
        self._any_host = settings.host in _EVERYWHERE and not named
        self._hosts = LOOPBACK | {settings.host.lower()} | named

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        upload = scope["path"] in UPLOADS
        limit = self._limits.body_bytes if upload else SMALL_BODY
        exchange = _Exchange(scope, receive, send, limit, self._limits.slow_client_seconds)
        scope.setdefault("state", {})["request_id"] = exchange.request_id
        try:
            self._check(scope, limit)
            await self._app(scope, exchange.read, exchange.write)
        except TimeoutError:
            _LOG.warning("client_does_not_read", request=exchange.request_id)
            raise
        except Exception as error:  # noqa: BLE001, RUF100 - the last place where it can be answered
            if not isinstance(error, Problem):
                _LOG.error("request_failed", request=exchange.request_id, exc_info=error)
            if exchange.status:
                raise
            await problem_of(error).response()(scope, receive, exchange.write)
        finally:
            self._tell(exchange)

    def _check(self, scope: Scope, limit: int) -> None:
        if len(scope["state"].get(CONNECTIONS, ())) > self._limits.connections:
            detail = "Too many connections are open. Close some, and ask again after the time told."
            raise Problem(503, "too_many_connections", detail, {"Retry-After": "5", "Connection": "close"})
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._any_host and _name_of(host) not in self._hosts:
            detail = "The Host header names another server. Add the name to KNEEOA_SECURITY__TRUSTED_HOSTS."
            raise Problem(421, "unknown_host", detail)
        origin = headers.get("origin")
        foreign = origin is not None and origin.partition("://")[2] != host
        if scope["method"] not in _SAFE and (foreign or headers.get("sec-fetch-site") == "cross-site"):
            raise Problem(403, "cross_origin", "Pages of other origins may not use this service.")
        if headers.get("content-encoding", "identity").lower() != "identity":
            raise Problem(415, "encoded_body", "Send the body as it is, without Content-Encoding.")
        length = headers.get("content-length", "0")
        if length.isdecimal() and int(length[:20]) > limit:
            raise _too_large(limit)

    def _tell(self, exchange: _Exchange) -> None:
        scope = exchange.scope
        route = getattr(scope.get("route"), "path", "unknown")  # the template: a path holds UIDs
        method = scope["method"] if scope["method"] in {*_SAFE, "POST", "PUT", "PATCH", "DELETE"} else "OTHER"
        seconds = time.perf_counter() - exchange.began
        self._metrics.request(route, method, exchange.status, seconds)
        _LOG.info(
            "request",
            request=exchange.request_id,
            method=method,
            route=route,
            status=exchange.status,
            bytes=exchange.received,
            milliseconds=round(seconds * 1000, 1),
        )


def _name_of(host: str) -> str:
    """A Host header's name, without the port and the brackets of IPv6."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()


def _too_large(limit: int) -> Problem:
    return Problem(413, "body_too_large", f"The body has more than {limit} bytes.", {"Connection": "close"})


def _too_slow() -> Problem:
    return Problem(408, "too_slow", "The body came too slowly, or did not come at all.", {"Connection": "close"})
