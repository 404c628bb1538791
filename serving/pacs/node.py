"""The service as a DICOM node: its Storage SCP, its destinations and its polls, started and stopped with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from kneeoa.serving.pacs.printing import Printing
from kneeoa.serving.pacs.pull import PullWatch
from kneeoa.serving.pacs.pulling import Pulling
from kneeoa.serving.pipeline.destinations import Outgoing
from kneeoa.serving.results.codes import load_codes
from kneeoa.serving.service import KneeService
from kneeoa.serving.settings import PacsSettings, Settings
from kneeoa.serving.workers.grading import PooledGrading

if TYPE_CHECKING:
    from kneeoa.serving.pacs.store_scp import StorageScp
    from kneeoa.serving.pipeline.destinations import Destination


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
        destinations: tuple[Destination, ...] = ()
        reports = None
        self.scp: StorageScp | None = None
        # pynetdicom takes nearly half a second to load, and most services speak no DIMSE.
        if own.destinations:
            from kneeoa.serving.pacs.commitment import Reports
            from kneeoa.serving.pacs.store_scu import DicomDestination

            reports = Reports(self._reported)
            destinations = tuple(DicomDestination(peer, own, reports) for peer in own.destinations)
        if own.stow:
            from kneeoa.serving.pacs.stow_scu import StowDestination

            destinations = (*destinations, *(StowDestination(peer, own.seconds) for peer in own.stow))
        if own.port is not None:
            from kneeoa.serving.pacs.store_scp import StorageScp

            self.scp = StorageScp(own, reports)
        study = own.study_report
        self.outgoing = Outgoing(
            destinations=destinations,
            objects=self._objects,
            site=load_codes(settings.codes).site,
            study_quiet_seconds=study.quiet_seconds if study.on else None,
        )
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

    def _reported(self, transaction_uid: str, kept: Mapping[str, bool]) -> bool:
        return self._service is not None and self._service.courier.reported(transaction_uid, kept)

    def _objects(self, batch: str) -> dict[str, bytes]:
        if self._service is None:
            return {}
        return Printing(self._service, self._grading, self._settings.codes).objects(batch)
