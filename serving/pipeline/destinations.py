"""Where results go beyond this service: what a destination is, and what it may be asked to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from kneeoa.model.errors import KneeOAError

REFUSED, LOST, UNREACHABLE = "destination_refused", "destination_lost", "destination_unreachable"


class DeliveryError(KneeOAError):
    """A result could not be brought to a destination; another attempt may succeed.

    Attributes:
        reason: a stable code: `destination_unreachable` or `destination_lost`, after which nothing more of this visit
            is tried, or `destination_refused`, which is of one object.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason

    def __reduce__(self) -> tuple[type[DeliveryError], tuple[str, str]]:
        return DeliveryError, (self.reason, str(self))  # DBOS keeps errors as pickles


class Commitment(StrEnum):
    """Whether a destination is asked to report that it keeps what it was sent (Storage Commitment)."""

    REQUIRED = "required"
    IF_OFFERED = "if_offered"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Rules:
    """When an object is where it should be.

    Attributes:
        commitment: see `Commitment`.
        verify: whether it must be found there by a query.
        commitment_seconds: how long the destination may take to report.
    """

    commitment: Commitment = Commitment.NONE
    verify: bool = False
    commitment_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class SentObject:
    """What names an object at a destination.

    Attributes:
        study_uid, series_uid, sop_class_uid, sop_uid: its UIDs.
    """

    study_uid: str
    series_uid: str
    sop_class_uid: str
    sop_uid: str


class Visit(Protocol):
    """One connection to a destination, opened by the first thing that is asked."""

    @property
    def offers_commitment(self) -> bool:
        """Whether it takes requests for Storage Commitment.

        Raises:
            DeliveryError: it cannot be reached.
        """

    def store(self, content: bytes) -> None:
        """Brings one object, a DICOM file; sent twice is the same as once, by its UID.

        Raises:
            DeliveryError: it is not there, or has not stored it.
        """

    def request_commitment(self, objects: Sequence[SentObject], transaction_uid: str) -> None:
        """Asks it to report that it keeps objects; the report comes later, on this or on another connection.

        Raises:
            DeliveryError: it is not there, or does not take the request.
        """

    def finds(self, one: SentObject) -> bool:
        """Whether a query finds an object there.

        Raises:
            DeliveryError: it is not there, or does not answer.
        """


class Destination(Protocol):
    """A place that results are brought to."""

    @property
    def name(self) -> str:
        """What settings, metrics and the table of deliveries call it."""

    @property
    def rules(self) -> Rules:
        """When an object is where it should be."""

    def visit(self) -> AbstractContextManager[Visit]:
        """A visit, ended with the block."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What leaves the service.

    Attributes:
        destinations: all that there are.
        objects: makes the objects of a batch, by kind ("sc", "sr", "study_sr"); the same bytes however often it is
            asked. It leaves out what cannot be made of the film.
        site: digest of the site's codes, or "": with other codes results are other objects.
        study_quiet_seconds: how long after its last film a study gets a document of its own; None is never.
    """

    destinations: tuple[Destination, ...] = ()
    objects: Callable[[str], Mapping[str, bytes]] = lambda _: {}
    site: str = ""
    study_quiet_seconds: float | None = None
