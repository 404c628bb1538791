"""Two curves through a band at once: the lower border of the femur above the upper border of the tibia.

Each column scores every row for each curve; the best pair of curves is found exactly, by dynamic programming over
pairs of rows, so that an edge that one curve could mistake for its own is left to the other.
"""

from __future__ import annotations

from collections.abc import Sequence
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
    steps = [_steps(of) for of in stiffness]
    # Before either curve steps, and between the two steps. Where the best pair came from is asked of its own places
    # alone, on the way back.
    reached = np.empty((columns, 2, rows, rows), dtype=np.float32)
    score = np.zeros((rows, rows), dtype=np.float32)
    for column in range(columns):
        if column:
            reached[column, 0] = score
            reached[column, 1] = _stepped(score, steps[0])
            score = _stepped(reached[column, 1].T, steps[1]).T
        score = score + femur[:, column, None] + tibia[None, :, column] + forbidden
        if inside is not None:
            score += inside[None, 1:, column] - inside[:-1, column, None]
    best = np.empty((2, columns), dtype=np.intp)
    at, below = (int(of) for of in np.unravel_index(int(np.argmax(score)), score.shape))
    for column in range(columns - 1, -1, -1):
        best[:, column] = at, below
        if column:
            # The tibia stepped last, so it is taken back first.
            below = _came_from(reached[column, 1, at], below, steps[1])
            at = _came_from(reached[column, 0, :, below], at, steps[0])
    return best[0], best[1]


def _steps(stiffness: Stiffness) -> list[tuple[int, np.float32]]:
    """Steps in rows with what they cost: none first, since of equals the first wins, then from the highest down."""
    penalties = stiffness.penalties()
    moves = [0, *(step for step in range(-stiffness.reach, stiffness.reach + 1) if step)]
    return [(step, penalties[stiffness.reach + step]) for step in moves]


def _stepped(score: FloatImage, steps: Sequence[tuple[int, np.float32]]) -> FloatImage:
    """Best score after a step along the first axis."""
    rows = len(score)
    best = score - steps[0][1]
    # One array for every step: making a new one takes as long as filling it.
    other = np.empty_like(best)
    for step, penalty in steps[1:]:
        first, last = max(0, -step), rows - max(0, step)
        np.subtract(score[first + step : last + step], penalty, out=other[first:last])
        np.maximum(best[first:last], other[first:last], out=best[first:last])
    return best


def _came_from(score: FloatImage, row: int, steps: Sequence[tuple[int, np.float32]]) -> int:
    """The row from which a step led to this one: (rows,) scores before it."""
    rows = [(row + step, penalty) for step, penalty in steps if 0 <= row + step < len(score)]
    return rows[int(np.argmax([score[of] - penalty for of, penalty in rows]))][0]


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
