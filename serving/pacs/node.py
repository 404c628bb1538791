"""The service as a DICOM node: its Storage SCP, its destinations and its polls, started and stopped with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kneeoa.serving.pacs.pull import PullWatch
from kneeoa.serving.pacs.pulling import Pulling
from kneeoa.serving.results.objects import Form, Request
from kneeoa.serving.service import KneeService
from kneeoa.serving.settings import PacsSettings, Settings
from kneeoa.serving.store.tables import Film, Result
from kneeoa.serving.workers.grading import PooledGrading

if TYPE_CHECKING:
    from kneeoa.serving.pacs.store_scp import StorageScp
    from kneeoa.serving.pipeline.destinations import Destination

_FORMS = (Form.SECONDARY_CAPTURE, Form.STRUCTURED_REPORT)
"""The report last: it refers to the picture."""


class PacsNode:
    """What the `pacs` section of the settings asks for.

    Args:
        settings: of the service.
        grading: by the workers, which also make the objects that are sent.
        watch: is told of polls.

    Raises:
        ConfigError: it would listen to the network, and to everybody there.
    """

    def __init__(self, settings: Settings, grading: PooledGrading, watch: PullWatch) -> None:
        self._settings = settings
        self._grading = grading
        self._service: KneeService | None = None
        own: PacsSettings = settings.pacs
        self.destinations: tuple[Destination, ...] = ()
        self.scp: StorageScp | None = None
        # pynetdicom takes nearly half a second to load, and most services speak no DIMSE.
        if own.destinations:
            from kneeoa.serving.pacs.store_scu import DicomDestination

            self.destinations = tuple(DicomDestination(peer, own, self._objects) for peer in own.destinations)
        if own.stow:
            from kneeoa.serving.pacs.stow_scu import StowDestination

            web = tuple(StowDestination(peer, self._objects, own.seconds) for peer in own.stow)
            self.destinations = (*self.destinations, *web)
        if own.port is not None:
            from kneeoa.serving.pacs.store_scp import StorageScp

            self.scp = StorageScp(own)
        self.pulling = Pulling(own, watch) if own.pull else None

    def attach(self, service: KneeService) -> None:
        """Names the service that films go to and results come from."""
        self._service = service

    def start(self) -> None:
        """Starts listening, where the settings have a port, and polling, where they name archives.

        Raises:
            ConfigError: the address cannot be bound.
        """
        service, pulling = self._service, self.pulling
        if self.scp is not None and service is not None:
            self.scp.start(service.receive if pulling is None else pulling.noting(service))
        if pulling is not None and service is not None:
            pulling.start(service)

    def stop(self) -> None:
        """Takes no further film, and asks for none."""
        if self.pulling is not None:
            self.pulling.stop()
        if self.scp is not None:
            self.scp.stop()

    def _objects(self, result_id: str) -> list[bytes]:
        """What is sent of a result; nothing of a picture, which has no study."""
        service = self._service
        if service is None:
            return []
        with service.database.read() as session:
            result = session.get_one(Result, result_id)
            film = session.get_one(Film, result.film_id)
        codes = None if self._settings.codes is None else str(self._settings.codes)
        request = Request(_FORMS, codes, result.result_uid, result.created)
        _, found = self._grading.print(service.film_path(film.film_id), request, result.report)
        return [found[form] for form in _FORMS if form in found]
