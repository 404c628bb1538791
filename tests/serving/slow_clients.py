"""Clients that never finish: of their headers, of their bodies, half closed, torn off; and those that say nothing."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

_HEAD = b"POST /v1/grade HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/dicom\r\n"
_BODY = _HEAD + b"Content-Length: 10000000\r\n\r\n"
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with no time: closing sends RST instead of FIN."""


def _silent(_client: socket.socket, _drops: int) -> bool:
    return True


def _slow_headers(client: socket.socket, drops: int) -> bool:
    client.sendall(_HEAD if drops == 0 else b"X-Slow-%d: 1\r\n" % drops)
    return True


def _slow_body(client: socket.socket, drops: int) -> bool:
    client.sendall(_BODY if drops == 0 else b"x")
    return True


def _half_closed(client: socket.socket, drops: int) -> bool:
    if drops == 0:
        client.sendall(_BODY + b"x" * 1000)
        client.shutdown(socket.SHUT_WR)
    return drops < 3


def _torn_off(client: socket.socket, drops: int) -> bool:
    client.sendall(_BODY + b"x" * 5000 if drops == 0 else b"x" * 1000)
    if drops < 2:
        return True
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    return False


_WAYS: tuple[Callable[[socket.socket, int], bool], ...] = (
    _silent,
    _slow_headers,
    _slow_body,
    _half_closed,
    _torn_off,
)


@dataclass(slots=True)
class _Client:
    way: Callable[[socket.socket, int], bool]
    port: int
    opened: int = 0
    _drops: int = 0
    _socket: socket.socket | None = field(default=None, repr=False)

    def drop(self) -> None:
        """Sends a little; a client that is done with, or was sent away, comes again."""
        try:
            if self._socket is None:
                self._socket = socket.create_connection(("127.0.0.1", self.port), timeout=5)
                self._drops, self.opened = 0, self.opened + 1
            goes_on = self.way(self._socket, self._drops)
        except OSError:
            goes_on = False
        self._drops += 1
        if not goes_on:
            self.close()

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


class SlowClients:
    """So many of them, of every kind in turn, as long as the block runs.

    Args:
        port: of the service on 127.0.0.1.
        count: how many at once.
        seconds: between two drops of each.
    """

    def __init__(self, port: int, count: int, seconds: float = 0.5) -> None:
        self._clients = [_Client(_WAYS[number % len(_WAYS)], port) for number in range(count)]
        self._seconds = seconds
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="slow-clients", daemon=True)

    @property
    def opened(self) -> int:
        """How many connections there were so far."""
        return sum(client.opened for client in self._clients)

    def __enter__(self) -> Self:
        self._thread.start()
        deadline = time.monotonic() + 60
        while not all(client.opened for client in self._clients):
            if time.monotonic() > deadline:
                raise AssertionError("the service does not take their connections")
            time.sleep(0.05)
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join(30)
        for client in self._clients:
            client.close()

    def _run(self) -> None:
        while not self._end.is_set():
            for client in self._clients:
                client.drop()
            self._end.wait(self._seconds)
