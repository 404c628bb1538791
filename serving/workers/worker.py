"""One worker as the service sees it: started, asked, and ended when it does not answer."""

from __future__ import annotations

import json
import multiprocessing
import signal
from dataclasses import dataclass

from kneeoa.model.errors import KneeOAError, ReasonCode, Refusal
from kneeoa.serving.grading import GradingError
from kneeoa.serving.workers.jobs import Answer, Job, Wanted
from kneeoa.serving.workers.process import READY, Limits, main

_SPAWN = multiprocessing.get_context("spawn")
_START_SECONDS = 120.0
_GRACE_SECONDS = 5.0
"""After the worker's own alarm should have ended it."""
_LONGEST = 256 << 20


class WorkerStartError(KneeOAError):
    """A worker process cannot be started; the message says why."""


class DecoderCrashedError(GradingError):
    """A film has killed its worker, or was given up after its time.

    Attributes:
        refusal: `decoder_crashed`, as a report tells it.
    """

    def __init__(self, message: str) -> None:
        self.refusal = Refusal.because(ReasonCode.DECODER_CRASHED, message)
        super().__init__(self.refusal.code.value, message)


@dataclass(frozen=True, slots=True)
class Death:
    """How a worker ended.

    Attributes:
        exitcode: as `multiprocessing` tells it: negative is a signal's number; None where it had to be killed.
    """

    exitcode: int | None

    @property
    def gave_up(self) -> bool:
        """Whether it was the time limit."""
        return self.exitcode is None or self.exitcode == -getattr(signal, "SIGALRM", 14)

    def error(self) -> DecoderCrashedError:
        """What to tell of the film."""
        if self.gave_up:
            return DecoderCrashedError("The film was given up: decoding it took longer than is allowed.")
        return DecoderCrashedError("The process that decoded the film has died of it.")


class Worker:
    """A process and its pipe; used by one thread at a time.

    Attributes:
        process: the process.
        device: what it runs on, "cpu" or "cuda"; empty before it is ready.

    Raises:
        WorkerStartError: the process does not come up.
    """

    def __init__(self, limits: Limits) -> None:
        self._seconds = limits.film_seconds + _GRACE_SECONDS
        self.device = ""
        self._pipe, theirs = _SPAWN.Pipe()
        self.process = _SPAWN.Process(target=main, args=(theirs, limits), name="kneeoa-worker", daemon=True)
        self.process.start()
        theirs.close()

    def wait_until_ready(self) -> None:
        """Waits for the networks to be loaded."""
        try:
            said = self._pipe.recv_bytes(1 << 16) if self._pipe.poll(_START_SECONDS) else b"it does not answer"
        except (EOFError, OSError):
            said = b"it ended at once"
        if not said.startswith(READY):
            msg = f"A worker process cannot be started: {said.decode('utf-8', 'replace')}"
            raise WorkerStartError(msg)
        self.device = said.removeprefix(READY).decode()

    def ask(self, job: Job) -> Answer | Death:
        """Has the process do a job; it has died or been killed where the answer is a `Death`."""
        try:
            self._pipe.send_bytes(job.to_bytes())
            if not self._pipe.poll(self._seconds):
                self.end()
                return Death(None)
            report = json.loads(self._pipe.recv_bytes(_LONGEST))
            picture = self._pipe.recv_bytes(_LONGEST)
        except (EOFError, OSError, ValueError):
            self.process.join(_GRACE_SECONDS)
            death = Death(self.process.exitcode)
            self.end()
            return death
        return Answer(report, picture if job.wanted is not Wanted.REPORT and picture else None)

    def end(self) -> None:
        """Ends the process, whatever it is doing."""
        self._pipe.close()
        if self.process.is_alive():
            self.process.kill()
        self.process.join()
