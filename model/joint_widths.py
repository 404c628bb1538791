"""Widths of a joint space between two curves. Lengths are plateau widths; x runs from the medial end to the lateral.

References:
    Mehta & Duryea 2017: width at fixed places, x a fraction of the femur's width along the tangent to the condyles.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
MEDIAL_ZONE, LATERAL_ZONE = (0.15, 0.30), (0.70, 0.90)
"""Where the minimum is taken, in plateau widths from the medial end."""
FIXED_STEP = 0.025
_FEMUR_SHARE = 0.973
"""Width of the femur's condyles over that of the plateau, on the mean training knee; both begin at one medial x."""
_ASIDE = 0.06
"""How far beside the zone the tibia's nearest place may lie."""
_STEPS = 61
FLAT_SLOPE = 0.1
"""Rise of the tibia's edge toward the spine from which on it is the spine's foot and no plateau."""
_FLAT_REACH = 0.03
"""The rise is that of the chord so far to either side."""
_FLAT_LEAST = 0.06
"""Width of a zone, in plateau widths, that is kept however steep it is."""


@dataclass(frozen=True, slots=True, eq=False)
class Curves:
    """Both edges of a joint in the plateau's frame.

    Attributes:
        x: (points,) rising.
        femur: (points,) distance of the femur's lower border below the plateau's level; mostly negative.
        tibia: (points,) likewise of the tibia's upper border, never above the femur's.
    """

    x: Floats
    femur: Floats
    tibia: Floats

    def at(self, x: Floats) -> tuple[Floats, Floats]:
        """Femur and tibia at places."""
        return np.interp(x, self.x, self.femur), np.interp(x, self.x, self.tibia)


@dataclass(frozen=True, slots=True)
class Widths:
    """Of one compartment, in plateau widths.

    Attributes:
        zone: what is flat of the compartment's zone, from `flat_zone`; everything here is measured in it.
        minimum: smallest distance from the femur in the zone to the tibia.
        mean: mean distance down the zone.
        femur_at: (x, down) of the minimum's place on the femur.
        tibia_at: likewise on the tibia.
        fixed_plateau: widths at `fixed_places`, square to the plateau.
        fixed_femur: likewise along the femur's own axis.
    """

    zone: tuple[float, float]
    minimum: float
    mean: float
    femur_at: tuple[float, float]
    tibia_at: tuple[float, float]
    fixed_plateau: tuple[float, ...]
    fixed_femur: tuple[float, ...]


def fixed_places(zone: tuple[float, float]) -> tuple[float, ...]:
    """The multiples of `FIXED_STEP` in a zone."""
    first, last = math.ceil(zone[0] / FIXED_STEP - 1e-6), math.floor(zone[1] / FIXED_STEP + 1e-6)
    return tuple(round(i * FIXED_STEP, 3) for i in range(first, last + 1))


def flat_zone(curves: Curves, zone: tuple[float, float]) -> tuple[float, float]:
    """What of a zone lies on the flat part of the plateau: its inner end moves outward off the spine's slope.

    Args:
        curves: both edges.
        zone: lowest and highest x; one of them is nearer the middle, where the spine is.
    """
    inward = 1.0 if zone[0] < 0.5 else -1.0
    inner, outer = (zone[1], zone[0]) if inward > 0 else (zone[0], zone[1])
    x = np.linspace(inner, outer + inward * _FLAT_LEAST, _STEPS)
    chord = curves.at(x - inward * _FLAT_REACH)[1] - curves.at(x + inward * _FLAT_REACH)[1]
    flat = chord <= 2 * _FLAT_REACH * FLAT_SLOPE
    end = float(x[flat.argmax()] if flat.any() else x[-1])
    return (outer, end) if inward > 0 else (end, outer)


def measure_zone(curves: Curves, zone: tuple[float, float]) -> Widths:
    """The widths of a compartment, on the flat part of its zone.

    Args:
        curves: both edges.
        zone: lowest and highest x.
    """
    zone = flat_zone(curves, zone)
    x = np.linspace(*zone, _STEPS)
    femur, tibia = curves.at(x)
    wide = np.linspace(zone[0] - _ASIDE, zone[1] + _ASIDE, 3 * _STEPS)
    _, around = curves.at(wide)
    distances = np.hypot(x[:, None] - wide, femur[:, None] - around)
    i, j = np.unravel_index(int(distances.argmin()), distances.shape)
    places = np.array(fixed_places(zone))
    above, below = curves.at(places)
    return Widths(
        zone=zone,
        minimum=float(distances[i, j]),
        mean=float((tibia - femur).mean()),
        femur_at=(float(x[i]), float(femur[i])),
        tibia_at=(float(wide[j]), float(around[j])),
        fixed_plateau=tuple(float(width) for width in below - above),
        fixed_femur=tuple(_along_femur(curves, place) for place in places),
    )


def _along_femur(curves: Curves, place: float) -> float:
    """Width at a fraction of the femur's width along the tangent to the condyles, square to it."""
    lowest = []
    for low, high in ((0.10, 0.38), (0.62, 0.92)):
        x = np.linspace(low, high, _STEPS)
        femur, _ = curves.at(x)
        lowest.append((float(x[femur.argmax()]), float(femur.max())))
    (medial_x, medial_y), (lateral_x, lateral_y) = lowest
    along = np.array([lateral_x - medial_x, lateral_y - medial_y])
    along /= np.hypot(*along)
    across = np.array([-along[1], along[0]])
    start = np.array([0.0, medial_y - medial_x * along[1] / along[0]]) + place * _FEMUR_SHARE * along
    # Down the line from above both edges to below them: where it leaves the femur, and where it meets the tibia.
    way = np.linspace(-0.15, 0.15, 601)
    points = start + way[:, None] * across
    femur, tibia = curves.at(points[:, 0])
    in_femur, in_tibia = points[:, 1] < femur, points[:, 1] > tibia
    leaves = way[in_femur].max() if in_femur.any() else way[0]
    meets = way[in_tibia].min() if in_tibia.any() else way[-1]
    return float(max(0.0, meets - leaves))
