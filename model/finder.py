"""The network that finds knees, as ONNX Runtime runs it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kneeoa.model.film_views import View
from kneeoa.model.session import open_session

CELL_PX = 4
"""View pixels between the network's cells; a cell's middle lies at `CELL_PX * cell + (CELL_PX - 1) / 2`."""
WIDTH_UNIT_PX = 64.0
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class FinderScores:
    """What the network says about views of one size.

    Attributes:
        heat: (views, 2, rows / 4, columns / 4) float32 in [0, 1]: centres of native and of implanted knees.
        values: (views, 6, rows / 4, columns / 4) float32: logarithm of the plateau's width over 64 view pixels; cosine
            and sine of the leg's turn; how far the centre lies below and right of the cell's middle, in cells;
            logarithm of the centre's expected error in plateau widths.
        kind: (views, 3) float32 probabilities: no frontal knee at the middle, a native one, one with an implant.
        right: (views,) float32 probability that the knee at the middle looks like a right one.
        features: (views, features) float32 pooled.
    """

    heat: Floats
    values: Floats
    kind: Floats
    right: Floats
    features: Floats


class FinderSession:
    """The finder, ready to run; safe to call from several threads.

    Args:
        network: the ONNX file's bytes.
        device: "auto", "cpu" or "cuda".
        threads: processor threads for one call; 0 is all cores.
    """

    def __init__(self, network: bytes, device: str = "auto", threads: int = 0) -> None:
        self._session, self.device = open_session(network, device, threads)

    def run(self, views: Sequence[View]) -> FinderScores:
        """Scores views of one size."""
        stacked = np.stack([view.pixels for view in views])[:, None].astype(np.float32)
        names = ["maps", "kind", "side", "features"]
        maps, kind, side, features = (np.asarray(of) for of in self._session.run(names, {"views": stacked}))
        risen = np.exp(kind - kind.max(axis=1, keepdims=True))
        return FinderScores(
            heat=_sigmoid(maps[:, :2]),
            values=maps[:, 2:],
            kind=risen / risen.sum(axis=1, keepdims=True),
            right=_sigmoid(side),
            features=features,
        )


def _sigmoid(logits: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(logits, -30, 30))), dtype=np.float32)
