"""An association that we request, and C-ECHO over one."""

from __future__ import annotations

from collections.abc import Sequence
from ssl import SSLContext

from pydicom.uid import (
    ComprehensiveSRStorage,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    SecondaryCaptureImageStorage,
)
from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.events import EventHandlerType

from kneeoa.serving.pacs.tls import client_context
from kneeoa.serving.pipeline.destinations import REFUSED, UNREACHABLE, DeliveryError
from kneeoa.serving.settings import PacsPeer, PacsSettings

VERIFICATION = "1.2.840.10008.1.1"
RESULT_CLASSES = (ComprehensiveSRStorage, SecondaryCaptureImageStorage)


def associate(
    peer: PacsPeer,
    own: PacsSettings,
    classes: Sequence[str],
    tls: SSLContext | None,
    handlers: Sequence[EventHandlerType] = (),
) -> Association:
    """An association with a node; the caller releases it.

    Args:
        peer: which.
        own: who we are.
        classes: SOP classes that are proposed, by UID; the node may take some of them only.
        tls: of `shown_tls`.
        handlers: of events.

    Raises:
        DeliveryError: the node is not there, or does not take it.
    """
    ae = AE(own.ae_title)
    ae.connection_timeout = ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = own.seconds
    for uid in classes:
        # Results are sent as they were made; all else in whichever of the two a node likes better.
        others = () if uid in RESULT_CLASSES else (ImplicitVRLittleEndian,)
        ae.add_requested_context(uid, [ExplicitVRLittleEndian, *others])
    shown = None if tls is None else (tls, peer.host)
    association = ae.associate(
        peer.host, peer.port, ae_title=peer.ae_title, tls_args=shown, evt_handlers=list(handlers)
    )
    if not association.is_established:
        raise DeliveryError(UNREACHABLE, f"{peer.ae_title} does not take the association.")
    return association


def shown_tls(peer: PacsPeer, own: PacsSettings) -> SSLContext | None:
    """What a node that is spoken to over TLS is shown.

    Raises:
        ConfigError: a certificate cannot be used.
    """
    return client_context(own.tls) if peer.tls and own.tls is not None else None


def echo(peer: PacsPeer, own: PacsSettings) -> None:
    """C-ECHO.

    Raises:
        ConfigError: a certificate cannot be used.
        DeliveryError: there is no answer, or not a good one.
    """
    association = associate(peer, own, (VERIFICATION,), shown_tls(peer, own))
    try:
        if association.send_c_echo().get("Status") != 0:
            raise DeliveryError(REFUSED, f"{peer.ae_title} answered C-ECHO with a failure.")
    finally:
        if association.is_established:
            association.release()
