"""STOW-RS and QIDO-RS: brings objects to one DICOMweb server, looks at what it says of each, and looks for them.

References:
    DICOM PS3.18 section 10.5 (Store transaction), annex I (its response: Failed and Referenced SOP Sequence), section
    10.6 (Search transaction).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO

import requests
from dicomweb_client.web import DICOMwebClient
from pydicom import dcmread
from requests.auth import HTTPBasicAuth

from kneeoa.serving.pipeline.destinations import LOST, REFUSED, UNREACHABLE, DeliveryError, Rules, SentObject
from kneeoa.serving.settings import StowPeer

_WHOLE = 1 << 30
"""Bodies below this are sent with their length: not every archive takes chunks."""
_SOP_INSTANCE_UID = "00080018"
# It would tell addresses and UIDs.
logging.getLogger("dicomweb_client").setLevel(logging.CRITICAL)


class WebArchive:
    """One DICOMweb server.

    Args:
        peer: where.
        seconds: the longest silence of the server.
    """

    def __init__(self, peer: StowPeer, seconds: float) -> None:
        self.name = f"stow:{peer.name}"
        self._peer, self._seconds = peer, seconds

    def store(self, content: bytes) -> None:
        """Brings one object.

        Raises:
            DeliveryError: the server is not there, does not let us in, or has not stored it.
        """
        dataset = dcmread(BytesIO(content))
        with self._client() as client, self._named():
            answer = client.store_instances([dataset])
        stored = {str(item.ReferencedSOPInstanceUID) for item in answer.get("ReferencedSOPSequence") or []}
        failed = answer.get("FailedSOPSequence") or []
        if failed or str(dataset.SOPInstanceUID) not in stored:
            codes = sorted({f"0x{int(item.get('FailureReason', 0)):04X}" for item in failed}) or ["no reason"]
            raise DeliveryError(REFUSED, f"{self.name} has not stored the object: {', '.join(codes)}.")

    def finds(self, one: SentObject) -> bool:
        """Whether QIDO-RS finds an object.

        Raises:
            DeliveryError: the server is not there, or does not answer.
        """
        with self._client() as client, self._named():
            found = client.search_for_instances(
                one.study_uid, one.series_uid, search_filters={"SOPInstanceUID": one.sop_uid}
            )
        return any(one.sop_uid in (item.get(_SOP_INSTANCE_UID) or {}).get("Value", ()) for item in found)

    @contextmanager
    def _client(self) -> Iterator[DICOMwebClient]:
        peer = self._peer
        with requests.Session() as session:
            if peer.token is not None:
                session.headers["Authorization"] = f"Bearer {peer.token.get_secret_value()}"
            elif peer.user is not None and peer.password is not None:
                session.auth = HTTPBasicAuth(peer.user, peer.password.get_secret_value())
            session.trust_env = False  # no proxy, and no .netrc, that the settings do not name
            session.verify = True if peer.authorities is None else str(peer.authorities)
            client = DICOMwebClient(str(peer.url).rstrip("/"), session, chunk_size=_WHOLE, timeout=self._seconds)
            client.set_http_retry_params(retry=False)  # the pipeline tries again, and says so
            yield client

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Turns failures of the network and of the server into `DeliveryError`."""
        try:
            yield
        except requests.HTTPError as error:
            status = "no status" if error.response is None else error.response.status_code
            raise DeliveryError(REFUSED, f"{self.name} answered with {status}.") from None
        except requests.ConnectionError:
            raise DeliveryError(UNREACHABLE, f"{self.name} is not there.") from None
        except (requests.RequestException, ValueError, KeyError) as error:
            why = type(error).__name__
            raise DeliveryError(LOST, f"{self.name} did not answer as a DICOMweb server: {why}.") from None


class StowDestination:
    """`pipeline.destinations.Destination` of one DICOMweb server, which knows no commitment.

    Args:
        peer: where.
        seconds: the longest silence of the server.
    """

    def __init__(self, peer: StowPeer, seconds: float) -> None:
        self._archive = WebArchive(peer, seconds)
        self.name = self._archive.name
        self.rules = Rules(verify=peer.verify != "none")

    @contextmanager
    def visit(self) -> Iterator[StowVisit]:
        """See `Destination.visit`."""
        yield StowVisit(self._archive)


class StowVisit:
    """`pipeline.destinations.Visit` of one DICOMweb server.

    Args:
        archive: the server.
    """

    offers_commitment = False

    def __init__(self, archive: WebArchive) -> None:
        self.store = archive.store
        self.finds = archive.finds
        self._name = archive.name

    def request_commitment(self, objects: Sequence[SentObject], transaction_uid: str) -> None:  # noqa: ARG002 - the seam
        """DICOMweb servers are not asked.

        Raises:
            DeliveryError: always.
        """
        raise DeliveryError(REFUSED, f"{self._name} takes no requests for commitment.")
