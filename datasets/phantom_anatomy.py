"""The outlines of a synthetic frontal knee, with a joint space whose width is known.

Everything here is a RIGHT knee as displayed: medial at image right, fibula at image left. Coordinates are millimetres
from the joint centre, (x, y), x to image right and y down. The shapes are drawn by hand; no patient's data are in them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Points: TypeAlias = npt.NDArray[np.float64]
"""(points, 2) float64."""

PLATEAU_MM = 75.0
"""Width of the tibial plateau, a common adult one."""
FRAME_MM = PLATEAU_MM / 0.82
"""Width of the training crops' frame, which the plateau fills to 82 %."""
JOINT_LEVEL = 0.53
"""Height of the joint centre in that frame: midway between the roof of the notch and the plateaus."""

# Fractions of the frame, (across, down), clockwise from the shaft; they go on beyond the frame so that longer films
# show shafts and not stumps.
_FEMUR = (
    *((0.335, -0.50), (0.26, -0.16), (0.195, -0.02), (0.135, 0.06), (0.080, 0.13), (0.056, 0.20), (0.055, 0.27)),
    *((0.078, 0.36), (0.102, 0.43), (0.090, 0.48), (0.088, 0.535), (0.112, 0.570), (0.18, 0.583), (0.26, 0.570)),
    *((0.34, 0.530), (0.42, 0.468), (0.49, 0.442), (0.555, 0.470), (0.62, 0.530), (0.68, 0.568), (0.76, 0.582)),
    *((0.84, 0.572), (0.889, 0.545), (0.902, 0.50), (0.908, 0.42), (0.918, 0.33), (0.937, 0.24), (0.935, 0.18)),
    *((0.902, 0.10), (0.84, 0.03), (0.785, -0.03), (0.70, -0.20), (0.665, -0.50), (0.66, -1.0), (0.66, -2.5)),
    *((0.34, -2.5), (0.34, -1.0)),
)
_FEMUR_EDGE = slice(9, 24)  # from the lateral to the medial margin
_TIBIA = (
    *((0.120, 0.77), (0.096, 0.70), (0.092, 0.665), (0.105, 0.645), (0.16, 0.642), (0.24, 0.640), (0.31, 0.615)),
    *((0.365, 0.578), (0.400, 0.553), (0.440, 0.562), (0.490, 0.556), (0.535, 0.530), (0.570, 0.515), (0.596, 0.548)),
    *((0.63, 0.594), (0.69, 0.622), (0.76, 0.629), (0.85, 0.622), (0.895, 0.625), (0.908, 0.645), (0.906, 0.69)),
    *((0.893, 0.77), (0.865, 0.86), (0.82, 0.94), (0.785, 1.01), (0.70, 1.25), (0.66, 1.6), (0.65, 2.2), (0.65, 3.5)),
    *((0.36, 3.5), (0.36, 2.2), (0.35, 1.6), (0.31, 1.25), (0.25, 1.08), (0.20, 0.98), (0.155, 0.88)),
)
_TIBIA_EDGE = slice(2, 20)
_FIBULA = (
    *((0.010, 0.87), (0.028, 0.815), (0.075, 0.775), (0.125, 0.760), (0.170, 0.800), (0.190, 0.87), (0.187, 0.96)),
    *((0.160, 1.13), (0.14, 1.4), (0.14, 2.2), (0.14, 3.5), (0.03, 3.5), (0.03, 2.2), (0.03, 1.4), (0.030, 1.12)),
    *((0.012, 0.98),),
)
_PATELLA = (
    *((0.46, -0.06), (0.60, -0.03), (0.665, 0.08), (0.63, 0.20), (0.52, 0.275), (0.40, 0.255), (0.29, 0.16)),
    *((0.30, 0.02),),
)
# Lines that lie within the bones: floors of the plateaus' dishes, epiphyseal scars, walls of the notch.
_DISHES = (
    ((0.112, 0.662), (0.19, 0.668), (0.26, 0.662), (0.315, 0.640), (0.36, 0.603), (0.390, 0.572)),
    ((0.592, 0.570), (0.625, 0.622), (0.69, 0.648), (0.78, 0.656), (0.892, 0.646)),
)
_SCARS = (
    ((0.10, 0.235), (0.20, 0.262), (0.32, 0.262), (0.44, 0.245)),
    ((0.60, 0.235), (0.68, 0.205), (0.77, 0.168), (0.84, 0.19), (0.90, 0.245)),
    ((0.13, 0.80), (0.30, 0.772), (0.46, 0.785), (0.60, 0.775), (0.75, 0.785), (0.885, 0.81)),
)
_WALLS = (
    ((0.622, 0.33), (0.642, 0.40), (0.655, 0.46), (0.668, 0.535)),
    ((0.335, 0.40), (0.345, 0.46), (0.335, 0.515)),
)
_MARGINS = (
    # Where osteophytes grow, which way, and how large they are against the largest: tibia and femur, medial, lateral.
    ("tibia", (0.908, 0.640), (0.90, -0.35), 1.0),
    ("femur", (0.893, 0.548), (0.90, 0.40), 0.9),
    ("tibia", (0.092, 0.655), (-0.90, -0.35), 0.6),
    ("femur", (0.090, 0.545), (-0.90, 0.40), 0.6),
)
LATERAL_WINDOW_MM = (-31.0, -15.0)
MEDIAL_WINDOW_MM = (18.0, 32.0)
"""Weight-bearing parts of the compartments, in which the minimum joint space width is taken; the medial one begins
where the slope of the spine has ended, which would else be nearest."""


@dataclass(frozen=True, slots=True)
class GradeLook:
    """What a Kellgren-Lawrence grade looks like here.

    Attributes:
        medial_mm: smallest vertical gap of the medial compartment; the joint space width is a little less on a slope.
        lateral_mm: likewise of the lateral compartment.
        osteophyte_mm: length of the largest osteophyte.
        sclerosis: density added below the medial plateau, 0 none.
        wear_mm: how far the medial margin of the plateau has sunk.

    References:
        Kellgren & Lawrence, Ann Rheum Dis 1957;16:494 for the signs; the widths are ours, after the usual 4-6 mm of
        healthy standing knees.
    """

    medial_mm: float
    lateral_mm: float
    osteophyte_mm: float
    sclerosis: float
    wear_mm: float


GRADE_LOOKS = (
    GradeLook(4.6, 5.4, 0.0, 0.0, 0.0),
    GradeLook(4.3, 5.3, 0.9, 0.05, 0.0),
    GradeLook(3.2, 5.2, 2.4, 0.25, 0.0),
    GradeLook(1.7, 5.4, 3.6, 0.6, 0.5),
    GradeLook(0.0, 5.9, 5.6, 1.0, 2.2),
)


@dataclass(frozen=True, slots=True, eq=False)
class KneeShape:
    """Outlines in millimetres, (x, y).

    Attributes:
        femur: closed outline; also `tibia`, `fibula` and `patella`.
        femur_edge: lower border of the femur, from the lateral to the medial margin.
        tibia_edge: upper border of the tibia, likewise.
        dishes: floor of the lateral, then of the medial plateau.
        scars: closed growth plates.
        walls: sides of the intercondylar notch.
        medial_jsw_mm: minimum joint space width; 0 where bone touches bone. Also `lateral_jsw_mm`.
    """

    femur: Points
    tibia: Points
    fibula: Points
    patella: Points
    femur_edge: Points
    tibia_edge: Points
    dishes: tuple[Points, ...]
    scars: tuple[Points, ...]
    walls: tuple[Points, ...]
    medial_jsw_mm: float
    lateral_jsw_mm: float


def knee_shape(grade: int, rng: np.random.Generator) -> KneeShape:
    """Draws the outlines of a right knee of a grade; each generator state gives a slightly different person.

    Args:
        grade: Kellgren-Lawrence grade, 0-4.
        rng: source of the variation.
    """
    look = GRADE_LOOKS[grade]
    person = _Person(rng)
    tibia_knots = person.vary(_millimetres(_TIBIA))
    tibia_knots[:, 1] += look.wear_mm * _ramp(tibia_knots[:, 0], 12.0, 36.0) * (np.abs(tibia_knots[:, 1]) < 25.0)
    tibia, tibia_edge = _closed(tibia_knots, _TIBIA_EDGE)
    femur, femur_edge = _closed(person.vary(_millimetres(_FEMUR)), _FEMUR_EDGE)
    placed = _seat(femur, femur[femur_edge], tibia[tibia_edge], look)
    bones = {"femur": placed, "tibia": tibia}
    for bone, margin, direction, weight in _MARGINS:
        size = look.osteophyte_mm * weight * rng.uniform(0.85, 1.15)
        bones[bone] = _lip(bones[bone], _millimetres((margin,))[0], np.array(direction), size)
    bones["femur"] = _grind(bones["femur"], bones["tibia"][tibia_edge])
    edges = bones["femur"][femur_edge], bones["tibia"][tibia_edge]
    sunk = [_sink(_open(_millimetres(line)), look.wear_mm) for line in _DISHES]
    return KneeShape(
        femur=bones["femur"],
        tibia=bones["tibia"],
        fibula=_closed(person.vary(_millimetres(_FIBULA)), slice(0, 1))[0],
        patella=_closed(_millimetres(_PATELLA) * rng.uniform(0.93, 1.05) + rng.normal(0.0, 1.5, 2), slice(0, 1))[0],
        femur_edge=edges[0],
        tibia_edge=edges[1],
        dishes=tuple(sunk),
        scars=tuple(_open(person.vary(_millimetres(line))) for line in _SCARS),
        walls=tuple(_open(_millimetres(line)) for line in _WALLS),
        medial_jsw_mm=_width_mm(*edges, MEDIAL_WINDOW_MM),
        lateral_jsw_mm=_width_mm(*edges, LATERAL_WINDOW_MM),
    )


class _Person:
    """A smooth warp of the plane: neighbouring points move together, so outlines keep their character."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._phases = rng.uniform(0.0, 2 * np.pi, (2, 3))
        self._sizes = rng.normal(0.0, 0.35, (2, 3))

    def vary(self, points: Points) -> Points:
        turns = np.stack([points[:, 0] / 45.0, points[:, 1] / 40.0, points.sum(axis=1) / 60.0])
        moves = (self._sizes[:, :, None] * np.sin(2 * turns + self._phases[:, :, None])).sum(axis=1)
        # Beyond the frame the shafts stay straight.
        return np.where(np.abs(points[:, 1:]) < FRAME_MM, points + moves.T, points)


def edge_at(edge: Points, x: Points) -> Points:
    """Heights y of an edge at places x, both in millimetres; the edge is read as a function of x."""
    return np.interp(x, np.maximum.accumulate(edge[:, 0]), edge[:, 1])


def _millimetres(fractions: tuple[tuple[float, float], ...]) -> Points:
    return (np.array(fractions) - (0.5, JOINT_LEVEL)) * FRAME_MM


def _closed(knots: Points, part: slice, steps: int = 8) -> tuple[Points, slice]:
    """Catmull-Rom curve through closed knots, and which of its points belong to the knots of `part`."""
    around = [np.roll(knots, shift, axis=0) for shift in (1, 0, -1, -2)]
    curve = _catmull_rom(around, steps)
    return curve, slice(part.start * steps, (part.stop - 1) * steps + 1)


def _open(knots: Points, steps: int = 5) -> Points:
    longer = np.concatenate([knots[:1], knots, knots[-1:]])
    return _catmull_rom([longer[i : len(longer) - 3 + i] for i in range(4)], steps)


def _catmull_rom(corners: list[Points], steps: int) -> Points:
    p0, p1, p2, p3 = (corner[:, None, :] for corner in corners)
    t = np.linspace(0.0, 1.0, steps, endpoint=False)[None, :, None]
    curve = p1 + t / 2 * (p2 - p0 + t * (2 * p0 - 5 * p1 + 4 * p2 - p3 + t * (3 * (p1 - p2) + p3 - p0)))
    return np.asarray(curve, dtype=np.float64).reshape(-1, 2)


def _ramp(x: Points, low: float, high: float) -> Points:
    return np.asarray(np.clip((x - low) / (high - low), 0.0, 1.0), dtype=np.float64)


def _sink(line: Points, wear_mm: float) -> Points:
    return line + np.stack([np.zeros(len(line)), wear_mm * _ramp(line[:, 0], 12.0, 36.0)], axis=1)


def _seat(femur: Points, femur_edge: Points, tibia_edge: Points, look: GradeLook) -> Points:
    """Lowers and tilts the femur until both compartments have their width."""
    # Bone on bone is a length of contact, not a point: the condyle sinks a little and its surface is ground flat.
    medial_goal = look.medial_mm if look.medial_mm > 0.0 else -1.0
    low = tilt = 0.0
    for _ in range(6):
        edge = _tilted(femur_edge, low, tilt)
        lateral = _gaps(edge, tibia_edge, LATERAL_WINDOW_MM).min() - look.lateral_mm
        medial = _gaps(edge, tibia_edge, MEDIAL_WINDOW_MM).min() - medial_goal
        low += (lateral + medial) / 2
        tilt += (medial - lateral) / 48.0  # the windows' middles are 48 mm apart
    return _tilted(femur, low, tilt)


def _grind(femur: Points, tibia_edge: Points) -> Points:
    """Bone on bone wears the femur away where it would overlap the tibia."""
    floor = edge_at(tibia_edge, femur[:, 0])
    over = (np.abs(femur[:, 0]) < 36.0) & (np.abs(femur[:, 1]) < 30.0)
    ground = femur.copy()
    ground[over, 1] = np.minimum(femur[over, 1], floor[over])
    return ground


def _tilted(points: Points, low: float, tilt: float) -> Points:
    x, y = points[:, 0], points[:, 1]
    return np.stack([x - tilt * y, y + low + tilt * x], axis=1)


def _lip(outline: Points, margin: Points, direction: Points, size_mm: float) -> Points:
    near = np.exp(-((outline - margin) ** 2).sum(axis=1) / (1.6 + 0.3 * size_mm) ** 2)
    lipped: Points = outline + size_mm * near[:, None] * direction
    return lipped


def _gaps(femur_edge: Points, tibia_edge: Points, window: tuple[float, float]) -> Points:
    """Vertical distances in millimetres, negative where the bones overlap."""
    x = np.linspace(*window, 80)
    return edge_at(tibia_edge, x) - edge_at(femur_edge, x)


def _width_mm(femur_edge: Points, tibia_edge: Points, window: tuple[float, float]) -> float:
    """Smallest distance from the femur to the tibia within a window, as a reader places the calliper."""
    if _gaps(femur_edge, tibia_edge, window).min() <= 1e-6:
        return 0.0
    x = np.linspace(*window, 160)
    wide = np.linspace(window[0] - 4.0, window[1] + 4.0, 320)
    femur = np.stack([x, edge_at(femur_edge, x)], axis=1)
    tibia = np.stack([wide, edge_at(tibia_edge, wide)], axis=1)
    return float(np.sqrt(((femur[:, None] - tibia[None]) ** 2).sum(axis=2).min()))
