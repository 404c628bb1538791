"""The network that looks for metal at a knee, as ONNX Runtime runs it.

The finder looks at a knee from afar: wires, staples and single screws are thinner there than a pixel. This one looks at
the square that is graded, and at one above and one below it: plates, nails and wires often end beyond it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from kneeoa.model.crop import SQUARE, Square, cut_square
from kneeoa.model.localize import KneeRegion
from kneeoa.model.normalize import polarity
from kneeoa.model.radiograph import FloatImage
from kneeoa.model.session import open_session

ALONG = 0.6
"""How far above and below the joint's square the other two lie, in widths of a square: all three reach 1.3 plateau
widths from the joint."""
LEAST_ON_FILM = 0.6
"""A square of which less lies on the film is not looked at: there is nothing but a repeated edge."""
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
        self.looks_along = "middle" in {output.name for output in self._session.get_outputs()}
        """Whether it was trained on squares above and below the joint: releases before kneeoa-5 were not."""

    def run(self, squares: Sequence[FloatImage]) -> npt.NDArray[np.float64]:
        """How likely squares show metal.

        Args:
            squares: each (288, 288) float32 in [0, 1] from `crop.cut_square`.

        Returns:
            (squares,) in [0, 1].
        """
        return self._probabilities(squares, ["score"])[0]

    def at_knees(self, knees: Sequence[Sequence[FloatImage]]) -> npt.NDArray[np.float64]:
        """How likely knees bear metal.

        Args:
            knees: of each the square at its joint and those along the leg, from `squares_at`.

        Returns:
            (knees,) in [0, 1]: the highest of a knee's squares.
        """
        if not self.looks_along:
            return self.run([squares[0] for squares in knees])
        score, middle = self._probabilities([square for squares in knees for square in squares], ["score", "middle"])
        found, first = np.zeros(len(knees)), 0
        for i, squares in enumerate(knees):
            last = first + len(squares)
            found[i] = max(score[first], *middle[first + 1 : last], 0.0)
            first = last
        return found

    def _probabilities(self, squares: Sequence[FloatImage], outputs: list[str]) -> list[npt.NDArray[np.float64]]:
        if not squares:
            return [np.zeros(0) for _ in outputs]
        views = np.stack([metal_input(square) for square in squares])[:, None]
        if views.shape[2:] != (SQUARE, SQUARE):
            raise ValueError(f"The metal network sees squares of {SQUARE} pixels a side, not {views.shape[2:]}.")
        said = self._session.run(outputs, {"views": views})
        return [np.asarray(1 / (1 + np.exp(-np.clip(np.asarray(of, dtype=np.float64), -30, 30)))) for of in said]


def moved_along(square: Square, widths: float) -> Square:
    """A square moved along the leg, in widths of itself: up, towards the hip, where negative."""
    turn = math.radians(square.angle_degrees)
    step = widths * square.size
    return replace(
        square,
        centre_row=square.centre_row + step * math.cos(turn),
        centre_column=square.centre_column + step * math.sin(turn),
    )


def share_on_film(square: Square, size: tuple[int, int]) -> float:
    """Share of a square, taken as upright, that lies on a film of so many rows and columns."""
    share = 1.0
    for centre, length in zip((square.centre_row, square.centre_column), size, strict=True):
        low, high = max(centre - square.size / 2, -0.5), min(centre + square.size / 2, length - 0.5)
        share *= max(high - low, 0.0) / square.size
    return share


def squares_at(film: FloatImage, joint: Square, along: bool = True) -> list[FloatImage]:
    """What the metal network looks at for one knee.

    Args:
        film: (rows, columns) float32 in [0, 1].
        joint: the knee's square, at least partly on the film.
        along: also above and below it, as far as the film reaches.

    Returns:
        One to three (288, 288) float32, bone bright as at the joint, the joint's first.
    """
    places = [joint, *(moved_along(joint, widths) for widths in (-ALONG, ALONG) if along)]
    shown = [place for place in places[1:] if share_on_film(place, (film.shape[0], film.shape[1])) >= LEAST_ON_FILM]
    squares = [cut_square(film, place) for place in (joint, *shown)]
    if polarity(squares[0]) < 0:
        squares = [np.float32(1) - square for square in squares]
    return squares


def with_metal(film: FloatImage, regions: Sequence[KneeRegion], network: MetalSession) -> list[KneeRegion]:
    """Looks for metal at each region.

    Args:
        film: (rows, columns) float32 in [0, 1].
        regions: found on it, each at least partly on the film.
        network: of the release.

    Returns:
        The regions with `metal` read, and their squares `cut`.
    """
    knees = [squares_at(film, region.square, network.looks_along) for region in regions]
    metal = network.at_knees(knees)
    return [replace(of, metal=float(m), cut=squares[0]) for of, m, squares in zip(regions, metal, knees, strict=True)]
