"""Wakes those who listen to events, in whichever loop they wait."""

from __future__ import annotations

import asyncio
from threading import Lock


class Listeners:
    """The bells of everyone who waits for the next event."""

    def __init__(self) -> None:
        self._bells: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}
        self._lock = Lock()

    def add(self) -> asyncio.Event:
        """A bell for the running loop, to be waited for and cleared."""
        bell = asyncio.Event()
        with self._lock:
            self._bells[bell] = asyncio.get_running_loop()
        return bell

    def remove(self, bell: asyncio.Event) -> None:
        """Takes a bell down."""
        with self._lock:
            self._bells.pop(bell, None)

    def ring(self) -> None:
        """Wakes everyone; from any thread."""
        with self._lock:
            bells = list(self._bells.items())
        for bell, loop in bells:
            try:
                loop.call_soon_threadsafe(bell.set)
            except RuntimeError:  # its loop has ended
                self.remove(bell)
