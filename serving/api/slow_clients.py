"""Uvicorn's HTTP protocol, with an end to clients that never finish their headers, and to listeners when it stops."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

HEADER_SECONDS = 10.0
CONNECTIONS = "connections"
"""Name in a request's state of the set of all connections, which `Guard` counts: uvicorn's own limit answers in its own
words, without the headers and the problem that clients rely on."""
STOPPING = "stopping"
"""Name in the lifespan's state of the event that ends what would never end by itself."""


class PatientProtocol(H11Protocol):
    """HTTP/1.1 by h11; a connection without a whole request after `HEADER_SECONDS` is closed."""

    header_seconds = HEADER_SECONDS
    _watch: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn narrows it, too
        """Starts the clock of the first request."""
        super().connection_made(transport)
        self.app_state[CONNECTIONS] = self.connections
        self._watch_headers()

    def data_received(self, data: bytes) -> None:
        """Takes bytes; of a request that comes after another, the first one starts the clock."""
        super().data_received(data)
        if self._requested() and self._watch is not None:
            self._watch.cancel()
            self._watch = None
        elif not self._requested() and self._watch is None:
            self._watch_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stops the clock."""
        if self._watch is not None:
            self._watch.cancel()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """Finishes what runs, and tells endless answers to end."""
        stopping = self.app_state.get(STOPPING)
        if isinstance(stopping, asyncio.Event):
            stopping.set()
        super().shutdown()

    def _requested(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _watch_headers(self) -> None:
        self._watch = self.loop.call_later(self.header_seconds, self._give_up)

    def _give_up(self) -> None:
        self._watch = None
        if not self._requested() and not self.transport.is_closing():
            self.transport.close()
