"""A client of a DICOMweb server: with its secret and its authorities, and without what the environment may say."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import requests
from dicomweb_client.web import DICOMwebClient
from requests.auth import HTTPBasicAuth

from kneeoa.serving.web_peer import WebPeer

# It would tell addresses and UIDs.
logging.getLogger("dicomweb_client").setLevel(logging.CRITICAL)


class _Session(requests.Session):
    """Sends the wildcards of a query as they are, which RFC 3986 section 3.4 allows.

    The client writes them %2A and %3F, and Orthanc's DICOMweb plugin, which does not decode these, then finds nothing.
    """

    def send(self, request: requests.PreparedRequest, **options: object) -> requests.Response:
        path, mark, query = (request.url or "").partition("?")
        request.url = path + mark + query.replace("%2A", "*").replace("%3F", "?")
        return super().send(request, **options)  # type: ignore[arg-type]  # as they came


@contextmanager
def web_client(peer: WebPeer, seconds: float) -> Iterator[DICOMwebClient]:
    """A client, whose connections end with it; nothing is tried twice.

    Args:
        peer: the server.
        seconds: its longest silence.
    """
    with web_session(peer) as session:
        client = DICOMwebClient(root_of(peer), session, timeout=seconds)
        client.set_http_retry_params(retry=False)  # whoever asks tries again, and says so
        yield client


def web_session(peer: WebPeer) -> requests.Session:
    """A session with a server; a context manager."""
    session = _Session()
    if peer.token is not None:
        session.headers["Authorization"] = f"Bearer {peer.token.get_secret_value()}"
    elif peer.user is not None and peer.password is not None:
        session.auth = HTTPBasicAuth(peer.user, peer.password.get_secret_value())
    session.trust_env = False  # no proxy, and no .netrc, that the settings do not name
    session.verify = True if peer.authorities is None else str(peer.authorities)
    return session


def root_of(peer: WebPeer) -> str:
    """The server's root without the slash at its end."""
    return str(peer.url).rstrip("/")
