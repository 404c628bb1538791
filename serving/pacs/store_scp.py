"""The Storage SCP: films by C-STORE. What is answered with success is on the disk, and will be graded.

References:
    DICOM PS3.4 annex B (Storage Service Class; table B.2-1 for the statuses), PS3.7 sections 9.1.1 and 9.1.5, PS3.8.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from io import BytesIO
from threading import Thread

import structlog
from pydicom import Dataset
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
    SecondaryCaptureImageStorage,
    XRayRadiofluoroscopicImageStorage,
)
from pynetdicom import AE, evt
from pynetdicom.events import Event
from pynetdicom.transport import ThreadedAssociationServer

from kneeoa.model.dicom_codecs import COMPRESSED
from kneeoa.model.dicom_header import DEFLATED, EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE
from kneeoa.model.errors import ConfigError
from kneeoa.serving.pacs.commitment import PUSH_MODEL, Reports
from kneeoa.serving.pacs.connections import BoundedServer
from kneeoa.serving.pacs.tls import server_context
from kneeoa.serving.pipeline.admission import BusyError
from kneeoa.serving.pipeline.intake import ReceiptState, Receive
from kneeoa.serving.settings import PacsSettings
from kneeoa.serving.store.database import StoreError
from kneeoa.serving.store.originals import TooLargeError
from kneeoa.serving.web_peer import LOOPBACK

SUCCESS, OUT_OF_RESOURCES, CANNOT_UNDERSTAND, UID_REUSED = 0x0000, 0xA700, 0xC000, 0xB000
VERIFICATION = "1.2.840.10008.1.1"
NOT_AUTHORIZED = 0x0124
"""PS3.7 annex C.5.1."""
STORED_CLASSES = (
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
    XRayRadiofluoroscopicImageStorage,
    SecondaryCaptureImageStorage,
)
TRANSFER_SYNTAXES = (EXPLICIT_LITTLE, IMPLICIT_LITTLE, DEFLATED, EXPLICIT_BIG, *sorted(COMPRESSED))
"""All that are decoded."""
_LOG = structlog.get_logger("kneeoa.pacs")


class StorageScp:
    """Listens for associations.

    Args:
        settings: the `pacs` section.
        reports: takes reports of commitment from those that may send; None takes none.

    Raises:
        ConfigError: the address is not loopback and nobody is named who may send, or a certificate cannot be used.
    """

    def __init__(self, settings: PacsSettings, reports: Reports | None = None) -> None:
        if settings.host not in LOOPBACK and not settings.allowed_peers:
            raise ConfigError(
                f"The Storage SCP on {settings.host} lets others in, and nobody is named who may send. Name AE titles "
                "and addresses (KNEEOA_PACS__ALLOWED_PEERS), or listen on 127.0.0.1."
            )
        self._settings = settings
        self._tls = None if settings.tls is None else server_context(settings.tls, settings.seconds)
        self._server: ThreadedAssociationServer | None = None
        self._receive: Receive | None = None
        self._reports = reports
        self._ae = AE(settings.ae_title)
        self._ae.maximum_associations = settings.associations
        self._ae.network_timeout = settings.seconds
        self._ae.acse_timeout = self._ae.dimse_timeout = settings.seconds
        self._ae.require_calling_aet = sorted({peer.ae_title for peer in settings.allowed_peers})
        self._ae.require_called_aet = bool(settings.allowed_peers)
        self._ae.add_supported_context(VERIFICATION)
        for uid in STORED_CLASSES:
            self._ae.add_supported_context(uid, list(TRANSFER_SYNTAXES))
        if reports is not None:
            # Who reports is the provider of the service, and requests the association: PS3.7 annex D.3.3.4 (roles).
            self._ae.add_supported_context(PUSH_MODEL, scu_role=False, scp_role=True)

    @property
    def port(self) -> int:
        """Where it listens; also where the settings leave the choice to the system (0)."""
        return 0 if self._server is None else int(self._server.server_address[1])

    def start(self, receive: Receive) -> None:
        """Listens, in threads of its own.

        Raises:
            ConfigError: the address cannot be bound.
        """
        self._receive = receive
        handlers = [
            (evt.EVT_ESTABLISHED, self._established),
            (evt.EVT_C_ECHO, self._echo),
            (evt.EVT_C_STORE, self._store),
            (evt.EVT_N_EVENT_REPORT, self._report),
        ]
        address = (self._settings.host, self._settings.port or 0)
        try:
            server = self._ae.make_server(
                address,
                evt_handlers=handlers,  # type: ignore[arg-type]  # typed for handlers with arguments
                ssl_context=self._tls,
                server_class=BoundedServer,
                welcome=self._welcome,
            )
        except OSError as error:
            raise ConfigError(
                f"The Storage SCP cannot listen on {address[0]}, port {address[1]}: {error.strerror}. Choose another "
                "(KNEEOA_PACS__HOST, KNEEOA_PACS__PORT), or end what listens there."
            ) from error
        self._server = server
        self._ae._servers.append(server)  # noqa: SLF001 - as `start_server` does, which takes no class of server
        Thread(target=server.serve_forever, name="kneeoa-storage-scp", daemon=True).start()

    def stop(self) -> None:
        """Ends associations and stops listening."""
        if self._server is not None:
            self._ae.shutdown()

    def _welcome(self, address: str) -> bool:
        """Whether anybody at an address may send."""
        peers = self._settings.allowed_peers
        return not peers or any(_within(address, peer.networks) for peer in peers)

    def _established(self, event: Event) -> None:
        if not self._may(event):
            _LOG.warning("peer_refused")
            event.assoc.abort()

    def _echo(self, event: Event) -> int:
        return SUCCESS if self._may(event) else NOT_AUTHORIZED

    def _report(self, event: Event) -> tuple[int, Dataset | None]:
        if self._reports is None or not self._may(event):
            return NOT_AUTHORIZED, None
        return self._reports.handle(event)

    def _store(self, event: Event) -> int:
        """Takes one film; every failure has its status, and none is answered with success."""
        if not self._may(event) or self._receive is None:
            return NOT_AUTHORIZED
        try:
            receipt = self._receive(BytesIO(event.encoded_dataset()), sender="c-store")
        except (BusyError, StoreError, TooLargeError) as error:
            _LOG.warning("film_not_taken", reason=error.reason)
            return OUT_OF_RESOURCES
        except Exception as error:  # whatever it is, the sender must keep the film
            _LOG.warning("film_not_taken", reason="internal_error", error=type(error).__name__)
            return OUT_OF_RESOURCES
        if receipt.state is ReceiptState.REFUSED:
            return CANNOT_UNDERSTAND
        return UID_REUSED if receipt.state is ReceiptState.UID_REUSED else SUCCESS

    def _may(self, event: Event) -> bool:
        """Whether title and address of the peer stand together in the list; an empty one is loopback's alone."""
        requestor = event.assoc.requestor
        return allowed(self._settings, str(requestor.ae_title).strip(), str(requestor.address))


def allowed(settings: PacsSettings, ae_title: str, address: str) -> bool:
    """Whether a peer may send.

    Args:
        settings: the `pacs` section.
        ae_title: that it calls itself.
        address: that it calls from.
    """
    if not settings.allowed_peers:
        return settings.host in LOOPBACK
    return any(peer.ae_title == ae_title and _within(address, peer.networks) for peer in settings.allowed_peers)


def _within(address: str, networks: Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> bool:
    at = ipaddress.ip_address(address)
    return any(at.version == network.version and at in network for network in networks)
