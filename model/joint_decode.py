"""Two curves through a band at once: the lower border of the femur above the upper border of the tibia.

Each column scores every row for each curve; the best pair of curves is found exactly, by dynamic programming over
pairs of rows, so that an edge that one curve could mistake for its own is left to the other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kneeoa.model.radiograph import FloatImage

Floats = npt.NDArray[np.float64]
_NEVER = np.float32(-1e9)


@dataclass(frozen=True, slots=True)
class Stiffness:
    """How much a curve may bend.

    Attributes:
        reach: largest step in rows from a column to the next.
        cost: score lost for a step, per row.
        square_cost: likewise per squared row.
    """

    reach: int = 4
    cost: float = 0.05
    square_cost: float = 0.05

    def penalties(self) -> npt.NDArray[np.float32]:
        """(2 reach + 1,) what steps of -reach to +reach rows cost."""
        steps = np.arange(-self.reach, self.reach + 1)
        return (self.cost * np.abs(steps) + self.square_cost * steps**2).astype(np.float32)


def two_curves(
    femur: FloatImage,
    tibia: FloatImage,
    stiffness: tuple[Stiffness, Stiffness] = (Stiffness(), Stiffness()),
    between: FloatImage | None = None,
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """The best pair of curves, the tibia never above the femur.

    Args:
        femur: (rows, columns) float32, score of the femur's border at each row; higher is better.
        tibia: likewise of the tibia's.
        stiffness: of the femur's curve and of the tibia's.
        between: (rows, columns) float32, score of a place that lies in the joint space; None scores none.

    Returns:
        Two (columns,) rows: femur and tibia.
    """
    rows, columns = femur.shape
    forbidden = np.where(np.arange(rows)[None, :] < np.arange(rows)[:, None], _NEVER, np.float32(0))
    inside = None if between is None else np.cumsum(np.pad(between, ((1, 0), (0, 0))), axis=0, dtype=np.float32)
    score = np.zeros((rows, rows), dtype=np.float32)
    came = np.empty((columns, 2, rows, rows), dtype=np.int8)
    for column in range(columns):
        if column:
            score, came[column, 0] = _stepped(score, stiffness[0])
            turned, back = _stepped(np.ascontiguousarray(score.T), stiffness[1])
            score, came[column, 1] = turned.T, back.T
        score = score + femur[:, column, None] + tibia[None, :, column] + forbidden
        if inside is not None:
            score += inside[None, 1:, column] - inside[:-1, column, None]
    best = np.empty((2, columns), dtype=np.intp)
    at, below = np.unravel_index(int(np.argmax(score)), score.shape)
    for column in range(columns - 1, -1, -1):
        best[:, column] = at, below
        if column:
            # The tibia stepped last, so it is taken back first.
            below = below + came[column, 1, at, below]
            at = at + came[column, 0, at, below]
    return best[0], best[1]


def _stepped(score: FloatImage, stiffness: Stiffness) -> tuple[FloatImage, npt.NDArray[np.int8]]:
    """Best score after a step along the first axis, and the step back that it came by."""
    reach, penalties = stiffness.reach, stiffness.penalties()
    wide = np.pad(score, ((reach, reach), (0, 0)), constant_values=_NEVER)
    best = score - penalties[reach]
    back = np.zeros(score.shape, dtype=np.int8)
    for step in range(-reach, reach + 1):
        if step:
            other = wide[reach + step : reach + step + len(score)] - penalties[reach + step]
            better = other > best
            np.copyto(best, other, where=better)
            back[better] = step
    return best, back


def refined(scores: FloatImage, rows: npt.NDArray[np.intp], reach: int) -> Floats:
    """Curves to a fraction of a row: the mean row near the curve, weighed by probability.

    Args:
        scores: (rows, columns) float32 log probabilities.
        rows: (columns,) the curve.
        reach: how many rows on either side count.

    Returns:
        (columns,) float64.
    """
    offsets = np.arange(-reach, reach + 1)
    at = rows[None, :] + offsets[:, None]
    inside = (at >= 0) & (at < scores.shape[0])
    near = np.where(inside, np.take_along_axis(scores, np.clip(at, 0, scores.shape[0] - 1), axis=0), -np.inf)
    weights = np.exp(near - near.max(axis=0))
    return np.asarray(rows + (weights * offsets[:, None]).sum(axis=0) / weights.sum(axis=0), dtype=np.float64)
