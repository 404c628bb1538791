"""How fast a run went: films finished over time, told by when each part was written."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from statistics import median

from kneeoa.serving.archive.report_findings import Bin, Pace

_LENGTHS = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14_400, 28_800, 86_400)
_MOST_BINS = 120
_PARTS_A_BIN = 3
_STOP = 10.0
"""A gap of so many usual ones between two parts is a stop of the run, not work."""


def pace_of(parts: Sequence[tuple[float, int]]) -> Pace:
    """The pace of a run.

    Args:
        parts: when each was written, in seconds since whenever, and its films.
    """
    ordered = sorted(parts)
    if len(ordered) < 2:
        return Pace((), 0.0, None)
    first, last = ordered[0][0], ordered[-1][0]
    gaps = [later - earlier for (earlier, _), (later, _) in pairwise(ordered)]
    usual = median(gaps)
    # A bin holds several parts, or the picture would be a comb.
    least = max((last - first) / _MOST_BINS, _PARTS_A_BIN * usual)
    length = next((float(one) for one in _LENGTHS if one >= least), least)
    films = [0] * (int((last - first) / length) + 1)
    for when, number in ordered:
        films[min(int((when - first) / length), len(films) - 1)] += number
    worked = sum(gap for gap in gaps if gap <= _STOP * usual or gap < 1.0)
    # The films of the first part were done before it was written.
    done = sum(number for gap, (_, number) in zip(gaps, ordered[1:], strict=True) if gap <= _STOP * usual or gap < 1.0)
    bins = tuple(Bin(place * length, number) for place, number in enumerate(films))
    return Pace(bins, length, done / worked if worked > 0 else None)
