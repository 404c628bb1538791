"""What a poll asks of an archive, by whichever protocol."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Protocol

from kneeoa.model.errors import KneeOAError
from kneeoa.serving.pacs.pull_settings import PullQuery

MOST_LISTED = 100_000
"""Of studies or instances in one answer: no department has so many in a year, and no answer goes on for ever."""


class PullError(KneeOAError):
    """An archive could not be asked; the next poll tries again.

    Attributes:
        reason: a stable code: `archive_unreachable`, `archive_refused`, `archive_lost`, `archive_floods`.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class ListedStudy:
    """A study that an archive has.

    Attributes:
        uid: Study Instance UID.
        instances: how many it has, where the archive says so.
    """

    uid: str
    instances: int | None = None


@dataclass(frozen=True, slots=True)
class ListedInstance:
    """An instance that an archive has: UIDs of its study, its series and its own."""

    study: str
    series: str
    uid: str


Take = Callable[[str, BytesIO], None]
"""Takes a film: the SOP Instance UID that was asked for, and the file. What it raises ends the fetching."""


class Asked(Protocol):
    """An archive while it is asked."""

    def studies(self) -> list[ListedStudy]:
        """Those that the query matches.

        Raises:
            PullError: it did not answer, or not well.
        """

    def instances(self, study: str) -> list[ListedInstance]:
        """Those of a study that the query matches.

        Raises:
            PullError: it did not answer, or not well.
        """

    def fetch(self, wanted: Iterable[ListedInstance], take: Take) -> None:
        """Has instances brought; one that the archive does not give is left out.

        Raises:
            PullError: it did not answer, or gives nothing.
        """


class Archive(Protocol):
    """An archive that can be asked."""

    def open(self) -> AbstractContextManager[Asked]:
        """Asks it, and takes leave at the end."""


def study_filters(query: PullQuery) -> dict[str, str]:
    """What is asked for at the level of studies, by keyword.

    Args:
        query: of the settings.
    """
    # Until tomorrow: the archive's clock, or its time zone, may be ahead.
    today = datetime.now(UTC).astimezone()
    first, last = today - timedelta(days=query.days - 1), today + timedelta(days=1)
    filters = {"StudyDate": f"{first:%Y%m%d}-{last:%Y%m%d}"}
    modality = query.series.get("Modality", "")
    if modality and not set(modality) & set("*?\\"):
        filters["ModalitiesInStudy"] = modality  # spares questions about studies without any
    return {**filters, **query.study}


def bounded(answers: Iterable[str]) -> Iterator[str]:
    """UIDs of an answer, each once and without empty ones.

    Raises:
        PullError: there are more than anybody has.
    """
    seen: set[str] = set()
    for uid in answers:
        if len(seen) >= MOST_LISTED:
            raise PullError("archive_floods", f"The archive lists more than {MOST_LISTED} at once. Narrow the query.")
        if uid and uid not in seen:
            seen.add(uid)
            yield uid
