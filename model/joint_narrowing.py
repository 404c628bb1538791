"""From a width to a narrowing: against knees of KL 0, compartment by compartment, never averaged.

A narrowing here is measured, not read: it is calibrated to knees without osteoarthritis, not to readers of the OARSI
atlas, and its grades say so by their origin.

References:
    Altman & Gold, Osteoarthritis Cartilage 2007;15 Suppl A: narrowing 0 to 3 by thirds of the normal width.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

MEASURED = "measured"
Quantiles: TypeAlias = tuple[float, ...]


class CompartmentReference(BaseModel):
    """How wide a compartment is in knees of KL 0, and what counts as narrow.

    Attributes:
        quantiles: 101 quantiles, 0 to 100 %, of minimum widths in % of the plateau, of training knees of KL 0.
        cuts: narrowing in % from which on the grade is 1, 2 and 3.
        error: standard deviation of a measured minimum against its truth, in % of the plateau.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    quantiles: Quantiles = Field(min_length=101, max_length=101)
    cuts: tuple[float, float, float]
    error: float = Field(gt=0)

    @property
    def median(self) -> float:
        """Median width of KL 0, in % of the plateau."""
        return self.quantiles[50]


class Narrowing(BaseModel):
    """A compartment against knees of KL 0.

    Attributes:
        percent: 100 for no space, 0 for the median of KL 0, negative for wider.
        interval: the same against a tenth and nine tenths of KL 0: 80 % of healthy knees lie between.
        percentile: share of KL 0 knees that are narrower, in %.
        grade: 0 to 3.
        borderline: whether the measurement's own error could change the grade.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    percent: float
    interval: tuple[float, float]
    percentile: float
    grade: int
    borderline: bool


def narrowing_of(width: float, reference: CompartmentReference) -> Narrowing:
    """Judges a minimum width.

    Args:
        width: in % of the plateau.
        reference: of its compartment.
    """
    percent = narrowing_percent(width, reference.median)
    low, high = (narrowing_percent(width, reference.quantiles[at]) for at in (10, 90))
    percentile = float(np.interp(width, reference.quantiles, np.arange(101.0), left=0.0, right=100.0))
    slack = 100 * reference.error / reference.median
    return Narrowing(
        percent=percent,
        interval=(low, high),
        percentile=percentile,
        grade=sum(percent >= cut for cut in reference.cuts),
        borderline=any(abs(percent - cut) < slack for cut in reference.cuts),
    )


def narrowing_percent(width: float, normal: float) -> float:
    """How much of a normal width is gone, in %."""
    return 100 * (1 - width / normal)
