"""Joint space in the report; `docs/report.md` tells the fields. Points are (row, column) on the film."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Points = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class NarrowingGrade:
    """Joint space narrowing, 0 to 3.

    Attributes:
        grade: 0 normal, 1 mild, 2 moderate, 3 severe.
        origin: "measured" against knees of KL 0, or "network" trained on readers' grades.
        probabilities: of the four grades, or None where the origin has none.

    References:
        Altman & Gold, Osteoarthritis Cartilage 2007;15 Suppl A.
    """

    grade: int
    origin: str
    probabilities: tuple[float, float, float, float] | None = None


@dataclass(frozen=True, slots=True)
class CompartmentGrades:
    """One compartment. Widths are None where it could not be measured, and 0 where no space is visible.

    Attributes:
        minimum_px: smallest width in film pixels; also in mm, None without spacing, and in % of the plateau.
        mean_mm: mean width of the zone.
        minimum_interval_mm: 95 % interval of the minimum by the release's measurement error.
        fixed_plateau: widths by x along the plateau, "0.200" from the medial end; None where the side is unknown.
        fixed_femur: likewise along the femur's own axis.
        fixed_unit: "mm", or "px" without spacing.
        millimetres: "joint" where the film is calibrated, "detector" where only the detector's spacing is known.
        zone: x where the minimum is taken.
        contact: no visible space; every width is 0.
        narrowing_percent: against the median of KL 0; also its interval, that of 80 % of KL 0 knees.
        kl0_percentile: share of KL 0 knees that are narrower, in %.
        borderline: whether the measurement's error could change the narrowing grade.
        jsn: the grade of narrowing.
        femur_edge: lower border of the femur in this compartment, from lateral to medial; also `tibia_edge`.
        minimum_at: where the minimum lies: on the femur, on the tibia.
        quality: probability that the minimum is right within half a millimetre.
        reason: why there is no width, or None.
    """

    minimum_px: float | None
    minimum_mm: float | None
    minimum_percent_of_plateau: float | None
    mean_mm: float | None
    minimum_interval_mm: tuple[float, float] | None
    fixed_plateau: Mapping[str, float] | None
    fixed_femur: Mapping[str, float] | None
    fixed_unit: str
    millimetres: str | None
    zone: tuple[float, float] | None
    contact: bool
    narrowing_percent: float | None
    narrowing_interval_percent: tuple[float, float] | None
    kl0_percentile: float | None
    borderline: bool | None
    jsn: NarrowingGrade | None
    femur_edge: Points
    tibia_edge: Points
    minimum_at: Points
    quality: float
    reason: str | None = None
