"""A real `kneeoa serve` in a process of its own, on loopback, which tests talk to, kill and listen to."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self

import httpx
from tests.serving.running_service import RunningService

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


class Server(RunningService):
    """A running service and a client of it; a context manager. It is started when it is made, and not waited for.

    Args:
        data: its data folder; what it prints is kept beside it.
        environment: more of its settings.
        program: what is run in place of `kneeoa serve`, with the same options.
    """

    def __init__(
        self,
        data: Path,
        environment: Mapping[str, str] | None = None,
        program: tuple[str, ...] = ("-m", "kneeoa", "serve"),
    ) -> None:
        super().__init__(data, {**CALM, **(environment or {})}, data.with_suffix(".log"), program)
        self.client = httpx.Client(base_url=self.url, timeout=120)
        self.launch()

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
        super().kill()
        self.client.close()

    def stop(self) -> int:
        """A graceful stop; its exit status."""
        self.client.close()
        return super().stop()

    def __enter__(self) -> Self:
        return self.wait_until_ready()


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
