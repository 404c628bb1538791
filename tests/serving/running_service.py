"""A real `kneeoa serve` in a process of its own, on loopback: started, asked, measured (Linux) and stopped."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_PATIENCE_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class StartUp:
    """Seconds from the command until it lives and until it takes films; processor seconds of all its processes then."""

    alive: float
    ready: float
    processor: float


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, body, and how long it took."""

    status: int
    body: bytes
    seconds: float


class RunningService:
    """The service on a data folder; a context manager.

    Args:
        data: its data folder.
        environment: settings, as `KNEEOA_...`.
        log: where all goes that it prints.
        program: what is run in place of `kneeoa serve`, with the same options.
    """

    def __init__(
        self,
        data: Path,
        environment: Mapping[str, str] | None = None,
        log: Path | None = None,
        program: tuple[str, ...] = ("-m", "kneeoa", "serve"),
    ) -> None:
        self.data = data
        self.log = log or Path(os.devnull)
        self._environment = environment or {}
        self._program = program
        self.port = _free_port()
        self.start_up = StartUp(0, 0, 0)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def launch(self) -> Self:
        """Starts it, and does not wait."""
        # As it is installed: with compiled modules, which some build machines forbid.
        kept = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
        command = [sys.executable, *self._program, "--port", str(self.port), "--data", str(self.data)]
        self._began = time.perf_counter()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**kept, **self._environment},
                cwd=self.data.parent,
            )
        return self

    def wait_until_ready(self) -> Self:
        """Waits until it takes films."""
        try:
            alive = self._wait("/healthz")
            ready = self._wait("/readyz")
        except BaseException:
            self.kill()
            raise
        self.start_up = StartUp(alive, ready, self.processor_seconds())
        return self

    def kill(self) -> None:
        """kill -9 of the service alone: its workers must see to themselves."""
        self.process.kill()
        self.process.wait(60)

    def stop(self) -> int:
        """A graceful stop; its exit status."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(120)
        finally:
            self.process.kill()

    def __enter__(self) -> Self:
        return self.launch().wait_until_ready()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def connection(self, seconds: float = _PATIENCE_SECONDS) -> http.client.HTTPConnection:
        """A new connection."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=seconds)

    def ask(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        kind: str = "application/dicom",
        seconds: float = _PATIENCE_SECONDS,
    ) -> Answer:
        """One request on a connection of its own."""
        began = time.perf_counter()
        connection = self.connection(seconds)
        try:
            connection.request(method, path, body or None, {"Content-Type": kind} if body else {})
            answer = connection.getresponse()
            return Answer(answer.status, answer.read(), time.perf_counter() - began)
        finally:
            connection.close()

    def processor_seconds(self) -> float:
        """What all its processes have used so far, those that have ended too."""
        used = [_stat(pid)[11:13] for pid in self.processes()]
        ended = _stat(self.process.pid)[13:15]
        ticks = sum(int(value) for pair in [*used, ended] for value in pair)
        return ticks / os.sysconf("SC_CLK_TCK")

    def resident_bytes(self) -> int:
        """Memory of all its processes that is in use, what they share counted for each."""
        return sum(int(_stat(pid)[21]) for pid in self.processes()) * os.sysconf("SC_PAGE_SIZE")

    def processes(self) -> list[int]:
        """Process ids: its own first, then its children's."""
        found = [self.process.pid]
        for pid in found:
            for thread in Path(f"/proc/{pid}/task").glob("*/children"):
                try:
                    found += [int(child) for child in thread.read_text(encoding="ascii").split()]
                except OSError:
                    continue  # the thread has ended
        return found

    def _wait(self, path: str) -> float:
        while time.perf_counter() - self._began < _PATIENCE_SECONDS:
            if self.process.poll() is not None:
                printed = self.log.read_text(encoding="utf-8")
                raise AssertionError(f"the service has ended with status {self.process.returncode}: {printed}")
            try:
                if self.ask("GET", path).status == http.HTTPStatus.OK:
                    return time.perf_counter() - self._began
            except OSError:
                pass
            time.sleep(0.02)
        raise AssertionError(f"{path} is not answered")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the third on (proc(5)); zeros where the process has just ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return ["0"] * 50
