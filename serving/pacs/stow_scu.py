"""STOW-RS: brings a result's objects to one DICOMweb server, and looks at what it says of each.

References:
    DICOM PS3.18 section 10.5 (Store transaction) and annex I (its response: Failed and Referenced SOP Sequence).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from io import BytesIO

import requests
from dicomweb_client.web import DICOMwebClient
from pydicom import Dataset, dcmread
from requests.auth import HTTPBasicAuth

from kneeoa.serving.pipeline.destinations import DeliveryError
from kneeoa.serving.settings import StowPeer

_WHOLE = 1 << 30
"""Bodies below this are sent with their length: not every archive takes chunks."""
# It would tell addresses and UIDs.
logging.getLogger("dicomweb_client").setLevel(logging.CRITICAL)


class StowDestination:
    """`pipeline.destinations.Destination` of one DICOMweb server; sent twice is the same as once, by its UID.

    Args:
        peer: where.
        objects: gives the DICOM files of a result; none where there is nothing to send.
        seconds: the longest silence of the server.
    """

    def __init__(self, peer: StowPeer, objects: Callable[[str], list[bytes]], seconds: float) -> None:
        self.name = f"stow:{peer.name}"
        self._peer, self._objects, self._seconds = peer, objects, seconds

    def deliver(self, result_id: str) -> str:
        """See `Destination.deliver`: "sent" when every object is named as stored, "nothing_to_send" of a picture.

        Raises:
            DeliveryError: the server is not there, does not let us in, or has not stored every object.
        """
        objects = self._objects(result_id)
        if not objects:
            return "nothing_to_send"
        datasets = [dcmread(BytesIO(content)) for content in objects]
        with requests.Session() as session:
            answer = self._stored(session, datasets)
        stored = {str(item.ReferencedSOPInstanceUID) for item in answer.get("ReferencedSOPSequence") or []}
        failed = answer.get("FailedSOPSequence") or []
        if failed or not {str(dataset.SOPInstanceUID) for dataset in datasets} <= stored:
            codes = sorted({f"0x{int(item.get('FailureReason', 0)):04X}" for item in failed}) or ["no reason"]
            raise DeliveryError("destination_refused", f"{self.name} has not stored every object: {', '.join(codes)}.")
        return "sent"

    def _stored(self, session: requests.Session, datasets: Sequence[Dataset]) -> Dataset:
        peer = self._peer
        if peer.token is not None:
            session.headers["Authorization"] = f"Bearer {peer.token.get_secret_value()}"
        elif peer.user is not None and peer.password is not None:
            session.auth = HTTPBasicAuth(peer.user, peer.password.get_secret_value())
        session.trust_env = False  # no proxy, and no .netrc, that the settings do not name
        session.verify = True if peer.authorities is None else str(peer.authorities)
        client = DICOMwebClient(str(peer.url).rstrip("/"), session, chunk_size=_WHOLE, timeout=self._seconds)
        client.set_http_retry_params(retry=False)  # the pipeline tries again, and says so
        try:
            return client.store_instances(datasets)
        except requests.HTTPError as error:
            status = "no status" if error.response is None else error.response.status_code
            raise DeliveryError("destination_refused", f"{self.name} answered with {status}.") from None
        except requests.ConnectionError:
            raise DeliveryError("destination_unreachable", f"{self.name} is not there.") from None
        except (requests.RequestException, ValueError, KeyError) as error:
            why = type(error).__name__
            raise DeliveryError(
                "destination_lost", f"{self.name} did not answer as a DICOMweb server: {why}."
            ) from None
