"""A network trained on readers' narrowing grades, where a release has one; it then grades narrowing, `origin: network`.

None ships: the public crops have no such readings. The seam: the release lists `jsn.onnx` among its files and sets
`joint_space.jsn`. Its input `crops` is that of the KL network; its output `logits` has a row of four, grades 0 to 3,
for the medial and for the lateral compartment.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from kneeoa.model.errors import ReleaseError
from kneeoa.model.joint_grades import NarrowingGrade
from kneeoa.model.session import open_session

NETWORK = "network"
JSN_NETWORK = "jsn.onnx"
COMPARTMENTS = ("medial", "lateral")


class NarrowingHeadSettings(BaseModel):
    """How logits of the head become a grade.

    Attributes:
        temperature: of the calibrated softmax.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    temperature: float = Field(gt=0)


class NarrowingHead:
    """The head, ready to run; safe to call from several threads.

    Args:
        network: ONNX bytes.
        settings: of the release.
        device: "auto", "cpu" or "cuda".
        threads: see `session.NetworkSession`.
    """

    def __init__(self, network: bytes, settings: NarrowingHeadSettings, device: str = "auto", threads: int = 0) -> None:
        self._session, _ = open_session(network, device, threads)
        self._temperature = settings.temperature

    def grades(self, crop: npt.NDArray[np.float32]) -> Mapping[str, NarrowingGrade]:
        """The most probable grade of each compartment.

        Args:
            crop: (208, 288) float32 from `crop.network_input`.

        Raises:
            ReleaseError: the network does not answer as a head does.
        """
        (logits,) = self._session.run(["logits"], {"crops": crop[None, None]})
        table = np.asarray(logits, dtype=np.float64)
        if table.shape != (1, len(COMPARTMENTS), 4) or not np.isfinite(table).all():
            msg = f"{JSN_NETWORK} answers with shape {table.shape}, not (1, 2, 4). Install the release again."
            raise ReleaseError(msg)
        scaled = table[0] / self._temperature
        shares = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
        found = {}
        for name, row in zip(COMPARTMENTS, shares, strict=True):
            none, mild, moderate, severe = (round(float(share), 4) for share in row)
            found[name] = NarrowingGrade(int(row.argmax()), NETWORK, (none, mild, moderate, severe))
        return found
