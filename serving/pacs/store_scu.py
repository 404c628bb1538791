"""The Storage SCU: brings a result's objects to one DICOM node, and looks at every status.

References:
    DICOM PS3.4 table B.2-1: 0x0000 and the warnings 0xBxxx mean that the object is stored.
"""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from ssl import SSLContext

from pydicom import dcmread
from pydicom.uid import ComprehensiveSRStorage, ExplicitVRLittleEndian, SecondaryCaptureImageStorage
from pynetdicom import AE
from pynetdicom.association import Association

from kneeoa.serving.pacs.tls import client_context
from kneeoa.serving.pipeline.destinations import DeliveryError
from kneeoa.serving.settings import PacsPeer, PacsSettings

_VERIFICATION = "1.2.840.10008.1.1"
RESULT_CLASSES = (ComprehensiveSRStorage, SecondaryCaptureImageStorage)


class DicomDestination:
    """`pipeline.destinations.Destination` of one DICOM node; sent twice is the same as once, by its UID.

    Args:
        peer: where.
        own: who we are.
        objects: gives the DICOM files of a result; none where there is nothing to send.

    Raises:
        ConfigError: a certificate cannot be used.
    """

    def __init__(self, peer: PacsPeer, own: PacsSettings, objects: Callable[[str], list[bytes]]) -> None:
        self.name = f"dicom:{peer.ae_title}"
        self._peer, self._own, self._objects = peer, own, objects
        self._tls = _tls(peer, own)

    def deliver(self, result_id: str) -> str:
        """See `Destination.deliver`: "sent" when every object was answered as stored, "nothing_to_send" of a picture.

        Raises:
            DeliveryError: the node is not there, does not take reports, or answered one of them with a failure.
        """
        objects = self._objects(result_id)
        if not objects:
            return "nothing_to_send"
        with _Open(self._peer, self._own, RESULT_CLASSES, self._tls) as association:
            for content in objects:
                self._send(association, content)
        return "sent"

    def _send(self, association: Association, content: bytes) -> None:
        try:
            answer = association.send_c_store(dcmread(BytesIO(content)))
        except (ValueError, RuntimeError):
            raise DeliveryError("destination_refused", f"{self.name} does not take this kind of object.") from None
        status = answer.get("Status")
        if status is None:
            raise DeliveryError("destination_lost", f"{self.name} ended the association without an answer.")
        if status != 0 and not 0xB000 <= status <= 0xBFFF:
            raise DeliveryError("destination_refused", f"{self.name} answered with status 0x{status:04X}.")


def echo(peer: PacsPeer, own: PacsSettings) -> None:
    """C-ECHO.

    Raises:
        ConfigError: a certificate cannot be used.
        DeliveryError: there is no answer, or not a good one.
    """
    with _Open(peer, own, (_VERIFICATION,), _tls(peer, own)) as association:
        if association.send_c_echo().get("Status") != 0:
            raise DeliveryError("destination_refused", f"{peer.ae_title} answered C-ECHO with a failure.")


def _tls(peer: PacsPeer, own: PacsSettings) -> SSLContext | None:
    return client_context(own.tls) if peer.tls and own.tls is not None else None


class _Open:
    """An association, released at the end."""

    def __init__(self, peer: PacsPeer, own: PacsSettings, classes: tuple[str, ...], tls: SSLContext | None) -> None:
        ae = AE(own.ae_title)
        ae.connection_timeout = ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = own.seconds
        for uid in classes:
            ae.add_requested_context(uid, ExplicitVRLittleEndian)
        self._name = peer.ae_title
        shown = None if tls is None else (tls, peer.host)
        self._association = ae.associate(peer.host, peer.port, ae_title=peer.ae_title, tls_args=shown)

    def __enter__(self) -> Association:
        if not self._association.is_established:
            raise DeliveryError("destination_unreachable", f"{self._name} does not take the association.")
        return self._association

    def __exit__(self, *_: object) -> None:
        if self._association.is_established:
            self._association.release()
