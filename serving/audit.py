"""Who saw or sent what, and when: a file that only grows, each line sealed by the one before it.

A line cannot be changed, removed or put in without breaking the chain. What a chain cannot show is that its end was cut
off, or that all of it was written anew: note `AuditEnd` now and then where this machine cannot write, and verify
against it.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from kneeoa.model.errors import KneeOAError

AUDIT_FILE = "audit.jsonl"
_SEED = hashlib.sha256(b"KneeOA audit trail, version 1").hexdigest()
_TAIL = 1 << 16


class AuditError(KneeOAError):
    """The trail is broken or cannot be written; the message says where."""


@dataclass(frozen=True, slots=True)
class AuditEnd:
    """The newest line: how many there are, and its seal."""

    count: int
    seal: str

    def __str__(self) -> str:
        return f"{self.count}:{self.seal}"


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One line.

    Attributes:
        number: from 1.
        time: seconds since 1970.
        who: a pseudonym: see `Principal.name`.
        action: what was done: "film_sent", "study_seen", ...
        outcome: "success", or a reason code.
        study_uid, film_id: of what, or None.
        request: id of the request, as the log has it.
        seal: SHA-256 over the seal before it and this line's other fields.
    """

    number: int
    time: float
    who: str
    action: str
    outcome: str
    study_uid: str | None
    film_id: str | None
    request: str
    seal: str = ""

    def sealed_by(self, before: str) -> str:
        """The seal that belongs to this line after another one."""
        fields = {key: value for key, value in asdict(self).items() if key != "seal"}
        text = json.dumps(fields, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
        return hashlib.sha256(f"{before}\n{text}".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Deed:
    """What is to be written down: see `AuditRecord`."""

    who: str
    action: str
    outcome: str = "success"
    study_uid: str | None = None
    film_id: str | None = None
    request: str = ""


class AuditTrail:
    """Appends to the trail of one data folder; safe between threads and processes.

    Args:
        folder: the service's data folder.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / AUDIT_FILE
        self._lock = threading.Lock()

    def write(self, *deeds: Deed) -> AuditEnd:
        """Writes lines; returns when they are on the disk.

        Raises:
            AuditError: they cannot be written, or the newest line is broken.
        """
        try:
            with self._lock:
                return self._appended(deeds)
        except OSError as error:
            raise AuditError(f"The audit trail cannot be written: {error.strerror}. Check the data folder.") from None

    def _appended(self, deeds: tuple[Deed, ...]) -> AuditEnd:
        import fcntl

        self.path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "r+b", buffering=0) as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            end, whole = _end(stream)
            # A line that a crash cut short stays and is passed over by readers: nothing is ever removed.
            text = b"" if whole else b"\n"
            for deed in deeds:
                record = AuditRecord(end.count + 1, time.time(), **asdict(deed))
                seal = record.sealed_by(end.seal)
                text += json.dumps({**asdict(record), "seal": seal}).encode() + b"\n"
                end = AuditEnd(record.number, seal)
            stream.write(text)
            os.fsync(stream.fileno())
        return end


def _end(stream: BinaryIO) -> tuple[AuditEnd, bool]:
    """The newest whole line, and whether the file ends with it."""
    size = stream.seek(0, os.SEEK_END)
    if not size:
        return AuditEnd(0, _SEED), True
    stream.seek(max(0, size - _TAIL))
    tail = stream.read()
    for line in reversed(tail.split(b"\n")):
        try:
            fields = json.loads(line)
            return AuditEnd(int(fields["number"]), str(fields["seal"])), tail.endswith(b"\n")
        except (ValueError, KeyError, TypeError):
            continue
    if size <= _TAIL:
        return AuditEnd(0, _SEED), tail.endswith(b"\n")
    raise AuditError("The audit trail's end cannot be read. Restore it from a backup.")


def verify(folder: Path, expected: AuditEnd | None = None) -> AuditEnd:
    """Checks every line's seal; a line that a crash cut short is no line.

    Args:
        folder: the service's data folder.
        expected: an end noted before: the trail must hold it still.

    Raises:
        AuditError: a line was changed, removed or put in, or the noted end is not there.
    """
    end, met = AuditEnd(0, _SEED), expected is None or expected == AuditEnd(0, _SEED)
    for place, record in _records(folder / AUDIT_FILE):
        if record is None or record.number != end.count + 1 or record.sealed_by(end.seal) != record.seal:
            raise AuditError(f"The audit trail is broken at line {place}: changed, removed or put in.")
        end = AuditEnd(record.number, record.seal)
        met = met or end == expected
    if not met:
        raise AuditError("The audit trail does not hold the noted end: it was cut off or written anew.")
    return end


def _records(path: Path) -> Iterator[tuple[int, AuditRecord | None]]:
    """Line numbers and records; None for a line that is none."""
    if not path.exists():
        return
    with path.open("rb") as stream:
        for place, line in enumerate(stream, 1):
            try:
                yield place, AuditRecord(**json.loads(line))
            except (ValueError, TypeError):
                # What a crash cut short is no line; whole lines end with their brace.
                if line.rstrip(b"\n").endswith(b"}"):
                    yield place, None
