"""A real `kneeoa serve` in a process of its own, on loopback, which tests talk to, kill and listen to."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import httpx

BOUNDARY = "film-boundary"
RELATED = f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'
ROOT = Path(__file__).parents[2]
CALM: Mapping[str, str] = {
    "KNEEOA_WORKERS__COUNT": "1",
    "KNEEOA_LIMITS__REQUESTS_A_MINUTE": "10000000",
    "KNEEOA_QUEUE__FREE_BYTES": "0",
    "KNEEOA_QUEUE__BACKOFF_SECONDS": "0.05",
}
"""Settings under which neither a rate nor a small disk disturbs."""


@dataclass
class Server:
    """A running service; a context manager that stops it.

    Attributes:
        data: its data folder; what it prints is kept beside it.
        environment: more of its settings.
        program: what is run in place of `kneeoa serve`, with the same options.
        port: of its own choice.
    """

    data: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    program: tuple[str, ...] = ("-m", "kneeoa", "serve")
    port: int = field(init=False)
    process: subprocess.Popen[bytes] = field(init=False)
    client: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self.port = _free_port()
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=120)
        words = [*self.program, "--data", str(self.data), "--port", str(self.port)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **CALM, **self.environment},
                cwd=self.data.parent,
            )

    @property
    def log(self) -> Path:
        """Everything that it and those before it on this data folder have printed."""
        return self.data.with_suffix(".log")

    def wait_until_ready(self) -> Self:
        """Waits until it takes films."""
        until(self._ready)
        return self

    def _ready(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        try:
            return self.client.get("/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def stow(self, *films: bytes) -> httpx.Response:
        """The answer to films that are stored."""
        return self.client.post("/dicomweb/studies", content=related(*films), headers={"Content-Type": RELATED})

    def grade(self, film: bytes) -> httpx.Response:
        """The answer to one film as the body."""
        return self.client.post("/v1/grade", content=film, headers={"Content-Type": "application/dicom"})

    def studies(self, **query: str | int) -> int:
        """How many studies there are of a kind."""
        return int(self.client.get("/v1/studies", params=query).json()["total"])

    def waiting(self) -> int:
        """How many films have no end yet."""
        lines = self.client.get("/metrics").text.splitlines()
        return round(next(float(line.split()[1]) for line in lines if line.startswith("kneeoa_queue_films ")))

    def settle(self) -> None:
        """Waits until no film waits."""
        until(lambda: self.waiting() == 0)

    def kill(self) -> None:
        """kill -9 of the service alone: its workers must see to themselves."""
        self.process.kill()
        self.process.wait(60)
        self.client.close()

    def stop(self) -> int:
        """A graceful stop; its exit status."""
        self.client.close()
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(90)
        finally:
            self.process.kill()

    def __enter__(self) -> Self:
        try:
            return self.wait_until_ready()
        except BaseException:
            self.kill()
            raise

    def __exit__(self, *_: object) -> None:
        self.stop()


def related(*films: bytes) -> bytes:
    """The films as the body of a STOW request of media type `RELATED`."""
    head = f"--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode()
    return b"".join(head + film + b"\r\n" for film in films) + f"--{BOUNDARY}--\r\n".encode()


def until(condition: Callable[[], bool], seconds: float = 500.0) -> None:
    """Waits until something holds, and fails where it never does."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
