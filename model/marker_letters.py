"""Which letter a shape is: R or L, the right way round or mirrored, or neither.

A shape is turned, laid into cells, and judged by a network of one hidden layer, whose weights
`kneeoa.training.fit_marker` fits and `marker_letters.npz` holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kneeoa.model.marker_shapes import Shape
from kneeoa.model.radiograph import FloatImage

LETTERS_FILE = Path(__file__).with_name("marker_letters.npz")
CELLS = 16
"""Cells a side into which a letter is laid, upright."""
CLASSES = ("R", "L", "mirrored R", "mirrored L", "other")
OTHER = CLASSES.index("other")
_MOST_POINTS = 4000
"""Of a shape; more tell nothing about a letter."""
_GOLDEN = (5**0.5 - 1) / 2


@dataclass(frozen=True, slots=True, eq=False)
class LetterNetwork:
    """Weights: logits = outer @ relu(inner @ cells + inner_bias) + outer_bias.

    Attributes:
        inner: (hidden, cells) float32.
        inner_bias: (hidden,) float32.
        outer: (classes, hidden) float32.
        outer_bias: (classes,) float32.
    """

    inner: FloatImage
    inner_bias: FloatImage
    outer: FloatImage
    outer_bias: FloatImage

    def probabilities(self, cells: FloatImage) -> FloatImage:
        """(shapes, cells) float32 -> (shapes, classes) float32 of `CLASSES`."""
        hidden = np.maximum(cells @ self.inner.T + self.inner_bias, 0)
        logits = hidden @ self.outer.T + self.outer_bias
        logits -= logits.max(axis=1, keepdims=True)
        shares = np.exp(logits)
        return np.asarray(shares / shares.sum(axis=1, keepdims=True), dtype=np.float32)


@cache
def letter_network() -> LetterNetwork:
    """The network of this package."""
    with np.load(LETTERS_FILE, allow_pickle=False) as stored:
        names = ("inner", "inner_bias", "outer", "outer_bias")
        return LetterNetwork(*(stored[name].astype(np.float32) for name in names))


def laid_out(shape: Shape, degrees: npt.NDArray[np.float64]) -> FloatImage:
    """A shape in cells, as it looks when what is turned by an angle is made upright.

    Args:
        shape: on a raster.
        degrees: (angles,) float64, counter-clockwise as displayed.

    Returns:
        (angles, CELLS * CELLS + 1) float32: cover of each cell in [0, 1], row by row, then the box's width over its
        height, as a log. The longer side of the box fills the cells.
    """
    rows, columns = _points(shape)
    turn = np.radians(degrees)[:, None]
    cos, sin = np.cos(turn), np.sin(turn)
    down, across = cos * rows + sin * columns, -sin * rows + cos * columns
    down -= down.min(axis=1, keepdims=True)
    across -= across.min(axis=1, keepdims=True)
    high, wide = down.max(axis=1, keepdims=True), across.max(axis=1, keepdims=True)
    unit = np.maximum(np.maximum(high, wide), 1e-6) / (CELLS - 1e-3)
    row = ((down + (unit * CELLS - high) / 2) / unit).astype(np.intp)
    column = ((across + (unit * CELLS - wide) / 2) / unit).astype(np.intp)
    np.clip(row, 0, CELLS - 1, out=row)
    np.clip(column, 0, CELLS - 1, out=column)
    at = np.arange(len(degrees))[:, None] * CELLS**2 + row * CELLS + column
    counts = np.bincount(at.ravel(), minlength=len(degrees) * CELLS**2).reshape(len(degrees), CELLS**2)
    # Points a cell where the shape covers it: points over the shape's area, times the cell's.
    density = len(rows) / len(shape.rows) * unit**2
    cover = np.minimum(counts / density, 1.0)
    slender = np.log((wide + 1) / (high + 1))
    return np.concatenate([cover, slender], axis=1).astype(np.float32)


def _points(shape: Shape) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Points spread evenly over a shape, many enough to fill the cells, not more than needed."""
    rows, columns = shape.rows.astype(np.float64), shape.columns.astype(np.float64)
    if len(rows) > _MOST_POINTS:
        # Steps of the golden ratio: those of a whole number would fall in step with the rows and leave stripes.
        picked = (np.arange(_MOST_POINTS) * _GOLDEN % 1.0 * len(rows)).astype(np.intp)
        rows, columns = rows[picked], columns[picked]
    long = max(np.ptp(rows), np.ptp(columns)) + 1
    if long > 3 * CELLS:
        return rows, columns
    fine = int(np.ceil(3 * CELLS / long))
    steps = (np.arange(fine) + 0.5) / fine - 0.5
    down, across = np.repeat(steps, fine), np.tile(steps, fine)
    return (rows[:, None] + down).ravel(), (columns[:, None] + across).ravel()
