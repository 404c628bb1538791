"""A Storage SCP in this process, and what it has been given."""

from __future__ import annotations

from io import BytesIO
from typing import BinaryIO

import pydicom
from pydicom import Dataset

from kneeoa.serving.pacs.store_scp import StorageScp
from kneeoa.serving.pipeline.intake import Receipt, ReceiptState
from kneeoa.serving.settings import PacsSettings


class Kept:
    """Listens on a port of its own, as KNEEOA, and takes every film.

    Args:
        seconds: the longest silence of a peer.

    Attributes:
        scp: what listens.
        films: as they came, by SOP Instance UID.
    """

    def __init__(self, seconds: float) -> None:
        self.films = dict[str, Dataset]()
        self.scp = StorageScp(PacsSettings(port=0, seconds=seconds))
        self.scp.start(self._receive)

    def _receive(self, source: BinaryIO, *, sender: str) -> Receipt:  # noqa: ARG002 - called by these names
        film = pydicom.dcmread(BytesIO(source.read()))
        self.films[str(film.SOPInstanceUID)] = film
        return Receipt(ReceiptState.ACCEPTED)
