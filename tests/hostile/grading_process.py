"""A pool of worker processes that tells which file killed, hung or filled one of them."""

from __future__ import annotations

import json
import os
import queue
import select
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

from kneeoa.model.grades import JSON

SECONDS = 60.0
"""A file that takes longer hangs; the limit that is asserted is far below."""


@dataclass(frozen=True, slots=True)
class Request:
    """A file to grade.

    Attributes:
        path: of the file.
        intact: the same film unharmed, to compare with, or None.
        draw: whether its overlay is drawn too.
    """

    path: Path
    intact: Path | None = None
    draw: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a file.

    Attributes:
        report: the JSON object of the contract, None when the process died or was stopped.
        seconds: for reading, grading and drawing, by the clock.
        cpu_seconds: of them, those of this process: what others do on the machine does not count.
        peak_mb: resident memory of the process at its highest, in MiB.
        gross: share of pixels that show something else than the unharmed film; None where that cannot be said.
        same: whether the pixels are the unharmed film's to the last bit.
        said: what appeared on stderr.
        death: exit status of a process that died, negative for a signal; None when it lived.
        hung: whether it was stopped after `SECONDS`.
    """

    report: dict[str, JSON] | None
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_mb: float = 0.0
    gross: float | None = None
    same: bool = False
    said: str = ""
    death: int | None = None
    hung: bool = False

    @property
    def code(self) -> str | None:
        """The film's reason code; None of a graded film."""
        refusal = self.report["refusal"] if self.report else None
        return str(refusal["code"]) if isinstance(refusal, dict) else None

    @property
    def graded(self) -> bool:
        """Whether the film has a grade."""
        return self.report is not None and self.report["refusal"] is None


class Worker:
    """One process and its pipes; replaced by a new one when it dies."""

    def __init__(self) -> None:
        self._stderr: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed in `close`
        self._process = self._started()

    def _started(self) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONSAFEPATH": "1"}
        command = [sys.executable, "-X", "faulthandler", "-W", "always", str(Path(__file__).with_name("worker.py"))]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=self._stderr, env=environment)

    def grade(self, request: Request) -> Outcome:
        """Has the process grade a file."""
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise AssertionError("a process without pipes")
        line = {"path": str(request.path), "intact": str(request.intact or ""), "draw": request.draw}
        stdin.write(json.dumps(line).encode() + b"\n")
        stdin.flush()
        if not select.select([stdout], [], [], SECONDS)[0]:
            return self._replaced(hung=True)
        answer = stdout.readline()
        if not answer:
            return self._replaced(hung=False)
        return Outcome(**json.loads(answer), said=self._said())

    def close(self) -> None:
        """Ends the process."""
        self._end()
        self._stderr.close()

    def _replaced(self, *, hung: bool) -> Outcome:
        if hung:
            self._process.kill()
        death = self._process.wait()
        self._end()
        outcome = Outcome(None, said=self._said(), death=None if hung else death, hung=hung)
        self._process = self._started()
        return outcome

    def _end(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.wait()

    def _said(self) -> str:
        self._stderr.seek(0)
        text = self._stderr.read().decode("utf-8", "replace")
        self._stderr.seek(0)
        self._stderr.truncate()
        return text


class Pool:
    """Workers that share the files among them; a context manager."""

    def __init__(self, workers: int = 2) -> None:
        self._free: queue.SimpleQueue[Worker] = queue.SimpleQueue()
        self._workers = [Worker() for _ in range(workers)]
        for worker in self._workers:
            self._free.put(worker)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.close()

    def grade(self, request: Request) -> Outcome:
        """Grades one file."""
        worker = self._free.get()
        try:
            return worker.grade(request)
        finally:
            self._free.put(worker)

    def grade_all(self, requests: Iterable[Request]) -> Iterator[Outcome]:
        """Grades files, several at once; the outcomes come in the requests' order."""
        with ThreadPoolExecutor(len(self._workers)) as threads:
            yield from threads.map(self.grade, requests)
