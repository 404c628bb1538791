"""All archives that are polled, started and stopped together."""

from __future__ import annotations

from io import BytesIO

from kneeoa.serving.pacs.archive import Archive
from kneeoa.serving.pacs.pull import Puller, PullWatch
from kneeoa.serving.pacs.pull_settings import Pull, WebPull
from kneeoa.serving.pipeline.intake import Receipt, ReceiptState
from kneeoa.serving.service import KneeService
from kneeoa.serving.settings import PacsSettings
from kneeoa.serving.store.passed_over import KnownInstances


class Pulling:
    """The pollers of one service.

    Args:
        own: the `pacs` section.
        watch: is told of each poll.

    Raises:
        ConfigError: a certificate cannot be used.
    """

    def __init__(self, own: PacsSettings, watch: PullWatch) -> None:
        self._watch = watch
        self._archives = [(settings, _archive(settings, own)) for settings in own.pull]
        self._pullers: list[Puller] = []

    def start(self, service: KneeService) -> None:
        """Polls from now on.

        Args:
            service: that films go to, which runs.
        """
        known = self.known(service)
        receive = self.noting(service)
        self._pullers = [Puller(settings, a, known, receive, self._watch) for settings, a in self._archives]
        for puller in self._pullers:
            puller.start()

    def stop(self) -> None:
        """Ends the polls."""
        for puller in self._pullers:
            puller.stop()

    def noting(self, service: KneeService) -> _Noting:
        """What takes films for a service and notes which of them a poll need not fetch again.

        What C-MOVE has an archive send arrives at the Storage SCP like any other film: it must note them too.
        """
        return _Noting(service, self.known(service))

    @staticmethod
    def known(service: KneeService) -> KnownInstances:
        """What a service knows, under the rules that it has."""
        return KnownInstances(service.database, "\n".join(rule.model_dump_json() for rule in service.routing.rules))


class _Noting:
    """`pipeline.intake.Receive` that notes what a rule has ignored."""

    def __init__(self, service: KneeService, known: KnownInstances) -> None:
        self._service, self._known = service, known

    def __call__(self, source: BytesIO, *, sender: str) -> Receipt:
        receipt = self._service.receive(source, sender=sender)
        if receipt.state is ReceiptState.IGNORED and receipt.sop_instance_uid is not None:
            self._known.pass_over(receipt.sop_instance_uid, receipt.reason or receipt.state)
        return receipt


def _archive(settings: Pull, own: PacsSettings) -> Archive:
    if isinstance(settings, WebPull):
        from kneeoa.serving.pacs.pull_web import WebArchive

        return WebArchive(settings, own.seconds)
    from kneeoa.serving.pacs.pull_dimse import DimseArchive

    return DimseArchive(settings, own)
