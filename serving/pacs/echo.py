"""Whether a node that the settings name is there: C-ECHO, or of a DICOMweb server a question that changes nothing.

References:
    DICOM PS3.4 annex A (Verification), PS3.18 sections 8.9 (capabilities) and 10.6 (search).
"""

from __future__ import annotations

import requests

from kneeoa.model.errors import ConfigError, KneeOAError
from kneeoa.serving.pacs.pull_settings import Pull, WebPull
from kneeoa.serving.pacs.web_client import root_of, web_session
from kneeoa.serving.pipeline.destinations import DeliveryError
from kneeoa.serving.settings import PacsPeer, PacsSettings
from kneeoa.serving.web_peer import WebPeer

_GOOD = range(200, 300)


class NoAnswerError(KneeOAError):
    """A node is not there, or does not let us in."""


def echo_by_name(pacs: PacsSettings, name: str) -> str:
    """Asks a destination, or an archive that is polled, for a sign of life.

    Args:
        pacs: the `pacs` section.
        name: an AE title, or a name, as the settings have it; "dicom:" or "stow:" before it where two have one name.

    Returns:
        What answered, in words.

    Raises:
        ConfigError: the settings name no such node, or two.
        NoAnswerError: there is no answer, or not a good one.
    """
    nodes: dict[str, PacsPeer | WebPeer] = {f"dicom:{peer.ae_title}": peer for peer in pacs.destinations}
    nodes |= {f"stow:{peer.name}": peer for peer in pacs.stow}
    nodes |= {f"pull:{source.name}": _node(source) for source in pacs.pull}
    found = [full for full in nodes if name in {full, full.partition(":")[2]}]
    if len(found) != 1:
        listed = ", ".join(found or nodes) or "none"
        raise ConfigError(f"The settings have {'more than one' if found else 'no'} node {name}. Name one of: {listed}.")
    node = nodes[found[0]]
    answer = _asked(node, pacs.seconds) if isinstance(node, WebPeer) else _echoed(node, pacs)
    return f"{found[0]} answers {answer}"


def _node(source: Pull) -> PacsPeer | WebPeer:
    if isinstance(source, WebPull):
        return source
    return PacsPeer(ae_title=source.ae_title, host=source.host, port=source.port, tls=source.tls)


def _echoed(node: PacsPeer, pacs: PacsSettings) -> str:
    from kneeoa.serving.pacs.association import echo

    try:
        echo(node, pacs)
    except DeliveryError as error:
        raise NoAnswerError(str(error)) from None
    return "C-ECHO"


def _asked(node: WebPeer, seconds: float) -> str:
    """OPTIONS of the place where results go; where a server does not know it, a search for at most one study."""
    place = f"{root_of(node)}/studies"
    accepted = {"Accept": "application/dicom+json"}
    try:
        with web_session(node) as session:
            status = session.options(place, timeout=seconds, allow_redirects=False).status_code
            if status in _GOOD:
                return "OPTIONS"
            answer = session.get(
                place, params={"limit": "1"}, headers=accepted, timeout=seconds, allow_redirects=False, stream=True
            )
            status = answer.status_code  # of its body nothing is read: it has a patient's name
    except requests.RequestException as error:
        raise NoAnswerError(f"{node.name} does not answer: {type(error).__name__}.") from None
    if status not in _GOOD:
        raise NoAnswerError(f"{node.name} answers with {status}. Check its URL, and the token or password.")
    return "QIDO-RS"
