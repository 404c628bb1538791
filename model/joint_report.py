"""From what was measured on a crop to what the report says of the film."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from kneeoa.model.crop import SQUARE, Square
from kneeoa.model.joint_grades import CompartmentGrades, NarrowingGrade, Points
from kneeoa.model.joint_narrowing import MEASURED, narrowing_of
from kneeoa.model.joint_release import JointSpaceSettings
from kneeoa.model.joint_space import Compartment, JointSpace
from kneeoa.model.joint_widths import Floats, fixed_places
from kneeoa.model.radiograph import FilmFacts, SpacingOrigin

_EDGE_POINTS = 21
_EDGE_BEYOND = 0.05
"""Edges are told a little beyond the zone, in plateau widths."""


@dataclass(frozen=True, slots=True)
class FilmScale:
    """Where a crop lies on a film, and how large the film's pixels are.

    Attributes:
        square: the crop's, in pixels of the stored film.
        spacing_mm: millimetres per film pixel, or None.
        plane: "joint", "detector", or None without spacing.
    """

    square: Square
    spacing_mm: float | None
    plane: str | None

    def film_points(self, points: Floats) -> Points:
        """(points, 2) places of the crop as places of the film, rounded to a hundredth of a pixel."""
        along = (points + 0.5) * (self.square.size / SQUARE) - self.square.size / 2
        turn = math.radians(self.square.angle_degrees)
        cos, sin = math.cos(turn), math.sin(turn)
        rows = self.square.centre_row + cos * along[:, 0] - sin * along[:, 1]
        columns = self.square.centre_column + sin * along[:, 0] + cos * along[:, 1]
        return tuple((round(float(r), 2), round(float(c), 2)) for r, c in zip(rows, columns, strict=True))


def film_scale(square: Square, facts: FilmFacts) -> FilmScale:
    """The scale of a film: calibrated spacing is that of the joint, Imager Pixel Spacing (0018,1164) the detector's."""
    spacing = facts.pixel_spacing_mm
    if spacing is None:
        return FilmScale(square, None, None)
    plane = "detector" if facts.spacing_origin is SpacingOrigin.IMAGER else "joint"
    return FilmScale(square, math.sqrt(spacing[0] * spacing[1]), plane)


def joint_space_grades(
    found: JointSpace,
    scale: FilmScale,
    settings: JointSpaceSettings,
    read: Mapping[str, NarrowingGrade] | None = None,
) -> Mapping[str, CompartmentGrades]:
    """The report's joint space.

    Args:
        found: from the crop that `scale.square` cut.
        scale: of the film.
        settings: of the release.
        read: grades of a head trained on readers' grades, by compartment; they win over those that were measured.
    """
    grades = read or {}
    return {
        name: replace(made, jsn=grades[name]) if name in grades else made
        for name, made in (
            (name, _compartment(name, part, found, scale, settings)) for name, part in found.compartments.items()
        )
    }


def _compartment(
    name: str, part: Compartment, found: JointSpace, scale: FilmScale, settings: JointSpaceSettings
) -> CompartmentGrades:
    known = name in ("medial", "lateral")
    per_px = scale.square.size / SQUARE
    plateau = (found.plateau_width_px or 0.0) * per_px
    unit = 1.0 if scale.spacing_mm is None else scale.spacing_mm
    minimum = None if part.minimum_px is None else part.minimum_px * per_px
    judged = None
    interval = None
    if known and part.minimum_percent is not None:
        judged = narrowing_of(part.minimum_percent, settings.reference(name))
    if scale.spacing_mm is not None and minimum is not None:
        slack = 1.96 * settings.medial.error / 100 * plateau * scale.spacing_mm
        at = minimum * scale.spacing_mm
        interval = (round(max(0.0, at - slack), 3), round(at + slack, 3))
    return CompartmentGrades(
        minimum_px=_rounded(minimum),
        minimum_mm=_times(minimum, scale.spacing_mm),
        minimum_percent_of_plateau=_rounded(part.minimum_percent),
        mean_mm=_times(None if part.mean_px is None else part.mean_px * per_px, scale.spacing_mm),
        minimum_interval_mm=interval,
        fixed_plateau=_fixed(part, plateau * unit, of_femur=False) if known else None,
        fixed_femur=_fixed(part, plateau * unit, of_femur=True) if known else None,
        fixed_unit="px" if scale.spacing_mm is None else "mm",
        millimetres=scale.plane,
        zone=part.zone if known else None,
        contact=part.contact,
        narrowing_percent=None if judged is None else round(judged.percent, 2),
        narrowing_interval_percent=None
        if judged is None
        else (round(judged.interval[0], 2), round(judged.interval[1], 2)),
        kl0_percentile=None if judged is None else round(judged.percentile, 2),
        borderline=None if judged is None else judged.borderline,
        jsn=None if judged is None else NarrowingGrade(judged.grade, MEASURED),
        femur_edge=_edge(found.femur_edge, part, found, scale),
        tibia_edge=_edge(found.tibia_edge, part, found, scale),
        minimum_at=()
        if part.femur_at is None or part.tibia_at is None
        else scale.film_points(np.array([part.femur_at, part.tibia_at])),
        quality=round(part.quality, 4),
        reason=None if found.reason is None else found.reason.value,
    )


def _edge(edge: Floats, part: Compartment, found: JointSpace, scale: FilmScale) -> Points:
    if part.widths is None:
        return ()
    # Edges run evenly from x = 1.06 to -0.06.
    x = np.linspace(1.0, 0.0, len(edge)) * 1.12 - 0.06
    low, high = part.zone[0] - _EDGE_BEYOND, part.zone[1] + _EDGE_BEYOND
    inside = edge[(x >= low) & (x <= high)]
    step = max(1, len(inside) // _EDGE_POINTS)
    return scale.film_points(inside[::step]) if found.reason is None else ()


def _fixed(part: Compartment, factor: float, *, of_femur: bool) -> Mapping[str, float] | None:
    if part.widths is None:
        return None
    widths = part.widths.fixed_femur if of_femur else part.widths.fixed_plateau
    return {f"{x:.3f}": round(width * factor, 3) for x, width in zip(fixed_places(part.zone), widths, strict=True)}


def _times(value: float | None, factor: float | None) -> float | None:
    return None if value is None or factor is None else round(value * factor, 3)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
