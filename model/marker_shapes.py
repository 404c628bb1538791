"""Connected bright shapes of a film, by runs: what a lead letter may be, and nothing of what it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]
MOST_RUNS = 120_000
"""A mask of more runs than this is noise, in which no letter could be read."""


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """Pixels that hang together.

    Attributes:
        rows: (pixels,) of each pixel.
        columns: (pixels,) of each pixel.
    """

    rows: Integers
    columns: Integers

    @property
    def box(self) -> tuple[int, int, int, int]:
        """First row, row after the last, first column, column after the last."""
        rows, columns = self.rows, self.columns
        return int(rows.min()), int(rows.max()) + 1, int(columns.min()), int(columns.max()) + 1


@dataclass(frozen=True, slots=True, eq=False)
class _Runs:
    row: Integers
    first: Integers
    after: Integers


def shapes(mask: npt.NDArray[np.bool_], smallest: float, largest: float) -> Iterator[Shape]:
    """Shapes, joined at sides and corners, whose bounding box's longer side lies in a range.

    Args:
        mask: (rows, columns) bool.
        smallest: of the longer side, pixels.
        largest: of the longer side, pixels.

    Yields:
        None that touches the mask's border: it is cut, or belongs to what frames the film.
    """
    runs = _runs(mask)
    if not 0 < len(runs.row) <= MOST_RUNS:
        return
    labels = _labels(runs, mask.shape[1])
    order = np.argsort(labels, kind="stable")
    begins = np.flatnonzero(np.diff(labels[order], prepend=-1))
    row, first, after = runs.row[order], runs.first[order], runs.after[order]
    top, bottom = np.minimum.reduceat(row, begins), np.maximum.reduceat(row, begins) + 1
    left, right = np.minimum.reduceat(first, begins), np.maximum.reduceat(after, begins)
    long = np.maximum(bottom - top, right - left)
    inside = (top > 0) & (left > 0) & (bottom < mask.shape[0]) & (right < mask.shape[1])
    ends = np.append(begins[1:], len(order))
    for k in np.flatnonzero(inside & (long >= smallest) & (long <= largest)):
        mine = slice(begins[k], ends[k])
        lengths = after[mine] - first[mine]
        steps = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        yield Shape(np.repeat(row[mine], lengths), np.repeat(first[mine], lengths) + steps)


def _runs(mask: npt.NDArray[np.bool_]) -> _Runs:
    """Stretches of set pixels, row by row from the left."""
    rows, columns = mask.shape
    wide = np.zeros((rows, columns + 2), dtype=np.bool_)
    wide[:, 1:-1] = mask
    # Every row begins and ends unset, so changes come in pairs within a row.
    changes = np.flatnonzero(wide.ravel()[1:] != wide.ravel()[:-1])
    begins, ends = changes[0::2], changes[1::2]
    row = begins // (columns + 2)
    return _Runs(row, begins - row * (columns + 2), ends - row * (columns + 2))


def _labels(runs: _Runs, columns: int) -> Integers:
    """(runs,) the lowest number of a run that each hangs together with."""
    stride = columns + 2
    firsts, afters = runs.row * stride + runs.first, runs.row * stride + runs.after
    # Of the next row: from the first run that does not end before this one begins, up to the last that begins in time.
    low = np.searchsorted(afters, firsts + stride, side="left")
    high = np.searchsorted(firsts, afters + stride, side="right")
    counts = np.maximum(high - low, 0)
    upper = np.repeat(np.arange(len(counts)), counts)
    lower = np.repeat(low, counts) + np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    labels = np.arange(len(counts))
    while True:
        least = np.minimum(labels[upper], labels[lower])
        before = labels.copy()
        np.minimum.at(labels, before[upper], least)
        np.minimum.at(labels, before[lower], least)
        while not np.array_equal(labels, labels[labels]):
            labels = labels[labels]
        if np.array_equal(labels, before):
            return labels
