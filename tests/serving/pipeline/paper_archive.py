"""A destination on paper, at the seam that is made for it: what becomes of each object is told to it beforehand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from threading import Event, Lock

import pydicom
from sqlalchemy import select
from tests.serving.results.made import write_small_film

from kneeoa.serving.pipeline.destinations import DeliveryError, Rules, SentObject
from kneeoa.serving.service import KneeService
from kneeoa.serving.store.tables import Delivery


class PaperArchive:
    """A destination that does as it is told.

    Attributes:
        arrived: kinds of what was stored, by SOP Instance UID, as often as it was stored.
        failures: by kind, reasons that are raised one after another, one a try.
        asked: transactions, with the objects that they are about.
        hides: how many queries find nothing.
        offers: whether it takes requests for commitment.
        visits: how many there were.
        open: cleared, it holds everybody up.
    """

    def __init__(self, name: str = "archive", rules: Rules | None = None) -> None:
        self.name, self.rules = name, rules or Rules()
        self.arrived: dict[str, list[str]] = {}
        self.failures: dict[str, list[str]] = {}
        self.asked: dict[str, list[str]] = {}
        self.hides, self.offers, self.visits = 0, True, 0
        self.open = Event()
        self.open.set()

    @contextmanager
    def visit(self) -> Iterator[PaperArchive]:
        self.visits += 1
        self.open.wait(60)
        yield self

    @property
    def offers_commitment(self) -> bool:
        return self.offers

    def store(self, content: bytes) -> None:
        header = pydicom.dcmread(BytesIO(content), stop_before_pixels=True)
        kind = str(header.SeriesDescription)
        if self.failures.get(kind):
            raise DeliveryError(self.failures[kind].pop(0), "Told to.")
        self.arrived.setdefault(str(header.SOPInstanceUID), []).append(kind)

    def request_commitment(self, objects: Sequence[SentObject], transaction_uid: str) -> None:
        self.asked[transaction_uid] = [one.sop_uid for one in objects]

    def finds(self, one: SentObject) -> bool:
        if self.hides:
            self.hides -= 1
            return False
        return one.sop_uid in self.arrived

    @property
    def kinds(self) -> list[str]:
        """What was stored, in order of kinds, once for each time."""
        return sorted(kind for kinds in self.arrived.values() for kind in kinds)


class Press:
    """Makes objects of every batch, small ones that name their kind.

    Attributes:
        service: whose deliveries are read.
        made: how often each batch was made.
        failures: what is raised one after another.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = Lock()
        self.service: KneeService | None = None
        self.made: Counter[str] = Counter()
        self.failures: list[Exception] = []

    def __call__(self, batch: str) -> Mapping[str, bytes]:
        assert self.service is not None
        self.made[batch] += 1
        if self.failures:
            raise self.failures.pop(0)
        with self.service.database.read() as session:
            rows = session.scalars(select(Delivery).where(Delivery.batch == batch)).all()
        return {row.kind: self._written(row) for row in rows}

    def _written(self, row: Delivery) -> bytes:
        with self._lock:
            path = self._folder / "object.dcm"
            write_small_film(path, SOPInstanceUID=row.object_uid, SeriesDescription=row.kind)
            return path.read_bytes()
