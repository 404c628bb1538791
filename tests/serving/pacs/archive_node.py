"""An archive on loopback that answers C-FIND, C-GET and C-MOVE, made of pynetdicom; it counts what it gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import pydicom
from pydicom import Dataset
from pynetdicom import AE, evt
from pynetdicom.events import Event
from pynetdicom.sop_class import (  # type: ignore[attr-defined]  # made at run time
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
)

from kneeoa.serving.pacs.store_scp import STORED_CLASSES

LOOPBACK = "127.0.0.1"
_KEYS = {"STUDY": "StudyInstanceUID", "SERIES": "SeriesInstanceUID", "IMAGE": "SOPInstanceUID"}


class ArchiveNode:
    """The archive.

    Args:
        films: what it has.

    Attributes:
        films: by SOP Instance UID.
        given: UIDs of what was asked for, in order.
        withheld: UIDs that it has and does not give.
        status: of C-FIND, instead of an answer.
        destination: tells the port of the node that C-MOVE sends to.
    """

    def __init__(self, *films: Path) -> None:
        self.films = {str(film.SOPInstanceUID): film for film in map(pydicom.dcmread, films)}
        self.given: list[str] = []
        self.asked: list[Dataset] = []
        self.withheld: set[str] = set()
        self.status = 0
        self.destination: Callable[[], int] = lambda: 0
        self.ae = AE("ARCHIVE")
        self.ae.add_supported_context(StudyRootQueryRetrieveInformationModelFind)
        self.ae.add_supported_context(StudyRootQueryRetrieveInformationModelGet)
        self.ae.add_supported_context(StudyRootQueryRetrieveInformationModelMove)
        for uid in STORED_CLASSES:
            self.ae.add_supported_context(uid, scp_role=True, scu_role=True)
            self.ae.add_requested_context(uid)
        server = self.ae.start_server(
            (LOOPBACK, 0),
            block=False,
            evt_handlers=[(evt.EVT_C_FIND, self._find), (evt.EVT_C_GET, self._get), (evt.EVT_C_MOVE, self._move)],
        )
        assert server is not None
        self.port = int(server.server_address[1])

    def _found(self, identifier: Dataset) -> list[Dataset]:
        return [film for film in self.films.values() if _matches(film, identifier)]

    def _find(self, event: Event) -> Iterator[tuple[int, Dataset | None]]:
        identifier = event.identifier
        self.asked.append(identifier)
        if self.status:
            yield self.status, None
            return
        key, told = _KEYS[identifier.QueryRetrieveLevel], set[str]()
        for film in self._found(identifier):
            uid = str(film[key].value)
            if uid not in told:
                told.add(uid)
                answer = Dataset()
                setattr(answer, key, uid)
                if key == "StudyInstanceUID":
                    answer.NumberOfStudyRelatedInstances = sum(
                        one.StudyInstanceUID == film.StudyInstanceUID for one in self.films.values()
                    )
                yield 0xFF00, answer

    def _wanted(self, identifier: Dataset) -> list[Dataset]:
        found = self._found(identifier)
        self.given += [str(film.SOPInstanceUID) for film in found]
        return [film for film in found if film.SOPInstanceUID not in self.withheld]

    def _get(self, event: Event) -> Iterator[object]:
        films = self._wanted(event.identifier)
        yield len(films)
        for film in films:
            yield 0xFF00, film

    def _move(self, event: Event) -> Iterator[object]:
        yield LOOPBACK, self.destination()
        films = self._wanted(event.identifier)
        yield len(films)
        for film in films:
            yield 0xFF00, film


def _matches(film: Dataset, identifier: Dataset) -> bool:
    for element in identifier:
        wanted = str(element.value or "")
        if not wanted or element.keyword in {"QueryRetrieveLevel", "NumberOfStudyRelatedInstances"}:
            continue
        keyword = "Modality" if element.keyword == "ModalitiesInStudy" else element.keyword
        has = str(film.get(keyword, ""))
        first, dash, last = wanted.partition("-")
        if element.VR == "DA" and dash:
            if not first <= has <= last:
                return False
        elif not fnmatchcase(has, wanted):
            return False
    return True
