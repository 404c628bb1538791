"""Archives that go wrong, each in its own way, and keep a book of what they have stored and what they have said."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

from pydicom import Dataset
from pydicom.uid import UID, ExplicitVRLittleEndian
from pynetdicom import AE, build_role, evt
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.events import Event
from pynetdicom.sop_class import ComprehensiveSRStorage, SecondaryCaptureImageStorage  # type: ignore[attr-defined]

from kneeoa.serving.pacs.commitment import PUSH_MODEL, PUSH_MODEL_INSTANCE
from kneeoa.serving.settings import PacsPeer

LOOPBACK = "127.0.0.1"
_REPORT_ACTION = {True: 1, False: 2}
"""Event Type ID of N-EVENT-REPORT: all are kept, or some are not (PS3.4 J.3.3)."""


@dataclass
class Book:
    """What an archive knows.

    Attributes:
        stored: how often each object was stored, by SOP Instance UID.
        answered: objects whose storing was answered with success before they were stored once more.
        again: objects that came once more after such an answer.
        reports: objects of which commitment was reported.
    """

    stored: Counter[str] = field(default_factory=Counter)
    answered: set[str] = field(default_factory=set)
    again: Counter[str] = field(default_factory=Counter)
    reports: set[str] = field(default_factory=set)


class FaultyArchive:
    """An archive on loopback. As it is, it works; faults are subclasses.

    Args:
        name: its Application Entity title.
        commitment: what our side asks of it.
    """

    def __init__(self, name: str, commitment: str = "none") -> None:
        self.name, self.commitment = name, commitment
        self.book = Book()
        self.lock = threading.Lock()
        self.port = free_port()
        self._ae: AE | None = None

    @property
    def peer(self) -> PacsPeer:
        """As the settings name it."""
        return PacsPeer.model_validate(
            {"ae_title": self.name, "host": LOOPBACK, "port": self.port, "commitment": self.commitment}
        )

    def start(self) -> None:
        """Listens."""
        ae = AE(self.name)
        ae.add_supported_context(ComprehensiveSRStorage)
        ae.add_supported_context(SecondaryCaptureImageStorage)
        ae.add_supported_context(PUSH_MODEL)
        handlers = [(evt.EVT_C_STORE, self.take), (evt.EVT_N_ACTION, self.asked)]
        ae.start_server((LOOPBACK, self.port), block=False, evt_handlers=handlers)  # type: ignore[arg-type]  # as typed
        self._ae = ae

    def stop(self) -> None:
        """Ends all associations, and is away."""
        if self._ae is not None:
            self._ae.shutdown()
        self._ae = None

    def take(self, event: Event) -> int:
        """C-STORE."""
        return self.kept(event, 0x0000)

    def kept(self, event: Event, status: int) -> int:
        """Stores, and answers so."""
        uid = _named(event)
        with self.lock:
            self.book.stored[uid] += 1
            if uid in self.book.answered:
                self.book.again[uid] += 1
            self.book.answered.add(uid)
        return status

    def asked(self, event: Event) -> tuple[int, Dataset | None]:
        """N-ACTION."""
        information = event.action_information
        self.report(event, str(information.TransactionUID), [*information.ReferencedSOPSequence])
        return 0x0000, None

    def report(self, event: Event, transaction: str, asked: list[Dataset]) -> None:
        """What it does about a request for commitment: nothing."""


class Down(FaultyArchive):
    """Is not there for the first seconds."""

    def __init__(self, name: str, seconds: float) -> None:
        super().__init__(name)
        self._seconds = seconds

    def start(self) -> None:
        later = threading.Timer(self._seconds, super().start)
        later.daemon = True
        later.start()


class Refusing(FaultyArchive):
    """Has no room for each object at its first tries."""

    def __init__(self, name: str, times: int) -> None:
        super().__init__(name)
        self._times, self._tries = times, Counter[str]()

    def take(self, event: Event) -> int:
        uid = _named(event)
        self._tries[uid] += 1
        return 0xA700 if self._tries[uid] <= self._times else self.kept(event, 0x0000)


class Warning_(FaultyArchive):  # noqa: N801 - Warning is Python's
    """Stores with a warning."""

    def take(self, event: Event) -> int:
        return self.kept(event, 0xB000)


class Forgetful(FaultyArchive):
    """Stores, and is gone before it answers, at first."""

    def __init__(self, name: str, times: int) -> None:
        super().__init__(name)
        self._times = times

    def take(self, event: Event) -> int:
        if self._times:
            self._times -= 1
            self.kept(event, 0x0000)
            self.book.answered.discard(_named(event))
            event.assoc.abort()
            return 0x0000
        return self.kept(event, 0x0000)


class Slow(FaultyArchive):
    """Takes its time."""

    def take(self, event: Event) -> int:
        time.sleep(1.0)
        return self.kept(event, 0x0000)


class Restarting(FaultyArchive):
    """Goes away and comes back, again and again, whatever is on its way."""

    def __init__(self, name: str, times: int, seconds: float) -> None:
        super().__init__(name)
        self._times, self._seconds = times, seconds
        self._ending = threading.Event()

    def start(self) -> None:
        super().start()
        threading.Thread(target=self._restart, daemon=True).start()

    def stop(self) -> None:
        self._ending.set()
        super().stop()

    def _restart(self) -> None:
        for _ in range(self._times):
            if self._ending.wait(self._seconds):
                return
            super().stop()
            if self._ending.wait(self._seconds / 2):
                return
            super().start()


class Cutting(FaultyArchive):
    """The first connections are cut amid an object; a proxy before a working archive does it."""

    def __init__(self, name: str, times: int, after_bytes: int = 300_000) -> None:
        super().__init__(name)
        self._times, self._after = times, after_bytes
        self._inner, self.port = self.port, free_port()
        self._listener: socket.socket | None = None

    def start(self) -> None:
        outer, self.port = self.port, self._inner
        super().start()
        self.port = outer
        self._listener = socket.create_server((LOOPBACK, outer))
        threading.Thread(target=self._serve, args=(self._listener,), daemon=True).start()

    def stop(self) -> None:
        if self._listener is not None:
            self._listener.close()
        super().stop()

    def _serve(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            archive = socket.create_connection((LOOPBACK, self._inner))
            left = self._after if self._times > 0 else None
            self._times -= 1
            threading.Thread(target=_pump, args=(client, archive, left), daemon=True).start()
            threading.Thread(target=_pump, args=(archive, client, None), daemon=True).start()


def _pump(source: socket.socket, target: socket.socket, left: int | None) -> None:
    """Hands on what comes, up to so many bytes; then both ends are closed."""
    try:
        while (left is None or left > 0) and (chunk := source.recv(65536)):
            target.sendall(chunk if left is None else chunk[:left])
            left = None if left is None else left - len(chunk)
    except OSError:
        pass
    for one in (source, target):
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()


class Committing(FaultyArchive):
    """Reports on an association of its own, as most do, of what it keeps: all, but for those that it loses at first.

    Args:
        name: its Application Entity title.
        ours: port of our Storage SCP.
        loses: how many objects of each kind are not kept at their first time.
        silent: how many requests are never reported on.
        same: whether it reports on the association of the request.
    """

    def __init__(self, name: str, ours: int, *, loses: int = 0, silent: int = 0, same: bool = False) -> None:
        super().__init__(name, "required")
        self._ours, self._loses, self._silent, self._same = ours, loses, silent, same

    def report(self, event: Event, transaction: str, asked: list[Dataset]) -> None:
        if self._silent:
            self._silent -= 1
            return
        kept, lost = list(asked), list[Dataset]()
        if self._loses:
            self._loses -= 1
            kept, lost = asked[:-1], asked[-1:]
        for item in lost:
            uid = str(item.ReferencedSOPInstanceUID)
            with self.lock:
                self.book.stored.pop(uid, None)
                self.book.answered.discard(uid)
        information = _information(transaction, kept, lost)
        send = self._on_same if self._same else self._on_another
        later = threading.Timer(0.05, send, (event, information, not lost))
        later.daemon = True
        later.start()
        self.book.reports |= {str(item.ReferencedSOPInstanceUID) for item in kept}

    def _on_same(self, event: Event, information: Dataset, good: bool) -> None:
        event.assoc.send_n_event_report(information, _REPORT_ACTION[good], PUSH_MODEL, PUSH_MODEL_INSTANCE)

    def _on_another(self, _event: Event, information: Dataset, good: bool) -> None:
        ae = AE(self.name)
        ae.add_requested_context(PUSH_MODEL, ExplicitVRLittleEndian)
        role = build_role(UID(PUSH_MODEL), scu_role=False, scp_role=True)
        association = ae.associate(LOOPBACK, self._ours, ae_title="KNEEOA", ext_neg=[role])
        if association.is_established:
            association.send_n_event_report(information, _REPORT_ACTION[good], PUSH_MODEL, PUSH_MODEL_INSTANCE)
            association.release()


def _named(event: Event) -> str:
    """SOP Instance UID of what is to be stored."""
    assert isinstance(event.request, C_STORE)
    return str(event.request.AffectedSOPInstanceUID)


def _information(transaction: str, kept: list[Dataset], lost: list[Dataset]) -> Dataset:
    information = Dataset()
    information.TransactionUID = transaction
    if kept:
        information.ReferencedSOPSequence = kept
    for item in lost:
        item.FailureReason = 0x0112  # no such object instance
    if lost:
        information.FailedSOPSequence = lost
    return information


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])
