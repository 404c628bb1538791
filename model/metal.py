"""The network that looks for metal at a knee, as ONNX Runtime runs it.

The finder looks at a knee from afar: wires, staples and single screws are thinner there than a pixel. This one looks at
the square that is graded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from kneeoa.model.crop import SQUARE, cut_square
from kneeoa.model.localize import KneeRegion
from kneeoa.model.normalize import bone_bright
from kneeoa.model.radiograph import FloatImage
from kneeoa.model.session import open_session

_FLAT = 1e-6


def metal_input(square: FloatImage) -> FloatImage:
    """What the metal network sees of a square.

    Args:
        square: (288, 288) float32 in [0, 1] from `crop.cut_square`; bone bright, either side.

    Returns:
        (288, 288) float32 with mean 0 and standard deviation 1; nothing is clipped, as metal is what lies beyond the
        percentiles that anatomy ends at. All zeros for a constant square.
    """
    spread = float(square.std())
    if spread < _FLAT:
        return np.zeros_like(square)
    return np.asarray((square - square.mean()) / np.float32(spread), dtype=np.float32)


class MetalSession:
    """The metal network, ready to run; safe to call from several threads.

    Args:
        network: the ONNX file's bytes.
        device: "auto", "cpu" or "cuda".
        threads: processor threads for one call; 0 is all cores.
    """

    def __init__(self, network: bytes, device: str = "auto", threads: int = 0) -> None:
        self._session, self.device = open_session(network, device, threads)

    def run(self, squares: Sequence[FloatImage]) -> npt.NDArray[np.float64]:
        """How likely squares show metal.

        Args:
            squares: each (288, 288) float32 in [0, 1] from `crop.cut_square`.

        Returns:
            (squares,) in [0, 1].
        """
        if not squares:
            return np.zeros(0)
        views = np.stack([metal_input(square) for square in squares])[:, None]
        if views.shape[2:] != (SQUARE, SQUARE):
            raise ValueError(f"The metal network sees squares of {SQUARE} pixels a side, not {views.shape[2:]}.")
        (score,) = self._session.run(["score"], {"views": views})
        return np.asarray(1 / (1 + np.exp(-np.clip(np.asarray(score, dtype=np.float64), -30, 30))))


def with_metal(film: FloatImage, regions: Sequence[KneeRegion], network: MetalSession) -> list[KneeRegion]:
    """Looks for metal at each region.

    Args:
        film: (rows, columns) float32 in [0, 1].
        regions: found on it, each at least partly on the film.
        network: of the release.

    Returns:
        The regions with `metal` read.
    """
    squares = [bone_bright(cut_square(film, region.square)) for region in regions]
    return [replace(of, metal=float(metal)) for of, metal in zip(regions, network.run(squares), strict=True)]
