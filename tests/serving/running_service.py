"""A real `kneeoa serve` in a process of its own, on loopback: started, asked, measured (Linux) and stopped."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
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
        log: where its log goes.
    """

    def __init__(self, data: Path, environment: dict[str, str] | None = None, log: Path | None = None) -> None:
        self.data = data
        self._environment = environment or {}
        self._log = log or Path(os.devnull)
        self.port = _free_port()
        self.start_up = StartUp(0, 0, 0)

    def __enter__(self) -> Self:
        # As it is installed: with compiled modules, which some build machines forbid.
        kept = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
        command = [sys.executable, "-m", "kneeoa", "serve", "--port", str(self.port), "--data", str(self.data)]
        began = time.perf_counter()
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(command, env={**kept, **self._environment}, stderr=log)
        try:
            alive = self._wait("/healthz", began)
            ready = self._wait("/readyz", began)
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise
        self.start_up = StartUp(alive, ready, self.processor_seconds())
        return self

    def __exit__(self, *_: object) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(120)
        finally:
            self.process.kill()

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

    def _wait(self, path: str, began: float) -> float:
        while time.perf_counter() - began < _PATIENCE_SECONDS:
            if self.process.poll() is not None:
                raise AssertionError(f"the service has ended with status {self.process.returncode}")
            try:
                if self.ask("GET", path).status == http.HTTPStatus.OK:
                    return time.perf_counter() - began
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
