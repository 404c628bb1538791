"""A person's knee: the learnt template warped, osteophytes grown, and the femur seated to a joint space of known width.

Everything here is a RIGHT knee as displayed: medial at image right, fibula at image left. Lengths are millimetres from
the middle of the training crops' frame, (x, y), x to image right and y down; places on the template are (x, y) in
[-1, 1] over that frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kneeoa.datasets.knee_statistics import KneeDraw, KneeStatistics, knee_statistics
from kneeoa.datasets.phantom_outlines import Points, femur_outline, tibia_outline
from kneeoa.datasets.phantom_sampling import bilinear
from kneeoa.model.radiograph import FloatImage

PLATEAU_MM = 75.0
"""Width of the mean tibial plateau, a common adult one."""
FRAME_MM = PLATEAU_MM / 0.82
"""Width of the training crops' frame, which the plateau fills to 82 %."""
HALF_MM = FRAME_MM / 2
MEDIAL_ZONE = (0.15, 0.30)
"""Where the minimum joint space width is taken, in plateau widths from the medial end; so in `report`'s `zone`."""
LATERAL_ZONE = (0.70, 0.90)
_WARP_REACH = 1.5
"""The warp is turned round on a grid of this many half frames each way."""
_TURN_STEPS = 10
_FLARE = 1.5


@dataclass(frozen=True, slots=True)
class GradeLook:
    """What a Kellgren-Lawrence grade adds to the learnt look, in millimetres.

    Attributes:
        medial_mm: mean and deviation of the medial minimum joint space width.
        lateral_mm: likewise of the lateral one.
        osteophyte_mm: length of a large osteophyte.

    References:
        Kellgren & Lawrence, Ann Rheum Dis 1957;16:494 for the signs; the widths are ours, after the usual 4-6 mm of
        healthy standing knees.
    """

    medial_mm: tuple[float, float]
    lateral_mm: tuple[float, float]
    osteophyte_mm: float


GRADE_LOOKS = (
    GradeLook((4.9, 0.5), (5.6, 0.6), 0.0),
    GradeLook((4.5, 0.5), (5.5, 0.6), 0.3),
    GradeLook((3.8, 0.6), (5.5, 0.7), 2.0),
    GradeLook((1.9, 0.5), (5.6, 0.7), 2.8),
    GradeLook((-0.3, 0.3), (5.8, 0.8), 3.2),
)
_MARGINS = (
    # Where osteophytes grow: bone, end of its edge, direction, size against the largest.
    ("femur", 0, (-0.90, 0.40), 0.45),
    ("tibia", 0, (-0.90, -0.33), 0.60),
    ("tibia", -1, (0.90, -0.33), 1.00),
    ("femur", -1, (0.90, 0.40), 0.90),
)


@dataclass(frozen=True, slots=True, eq=False)
class Knee:
    """A right knee before it is rendered.

    Attributes:
        draw: what was learnt and drawn: warp, look, exposure.
        femur: closed outline on the template, osteophytes included; also `tibia`.
        seat: how far the femur is lowered, in mm at x = 0, and by how much more per mm to image right.
        femur_edge: lower border of the seated femur in mm, from the lateral to the medial margin.
        tibia_edge: upper border of the tibia, likewise.
        unseated_edge: lower border of the femur before it was seated.
        plateau_mm: (lateral, medial) x of the plateau's ends without osteophytes.
        medial_jsw_mm: minimum joint space width; 0 where bone touches bone. Also `lateral_jsw_mm`.
    """

    draw: KneeDraw
    femur: Points
    tibia: Points
    seat: tuple[float, float]
    femur_edge: Points
    tibia_edge: Points
    unseated_edge: Points
    plateau_mm: tuple[float, float]
    medial_jsw_mm: float
    lateral_jsw_mm: float

    @property
    def joint_centre_mm(self) -> tuple[float, float]:
        """(x, y): middle of the plateau's width, midway between the roof of the notch and the plateaus."""
        left, right = self.plateau_mm
        middle = (left + right) / 2
        level = np.interp([left + 12, right - 12], self.tibia_edge[:, 0], self.tibia_edge[:, 1]).mean()
        roof = self.femur_edge[np.abs(self.femur_edge[:, 0] - middle) < 15, 1].min()
        return float(middle), float((level + roof) / 2)

    def template_places(self, x: Points, y: Points) -> tuple[FloatImage, FloatImage]:
        """Where on the template lies what is seen at places of the seated knee.

        Args:
            x: (1, columns) millimetres.
            y: (rows, 1) millimetres.

        Returns:
            Two (rows, columns) float32: x and y on the template.
        """
        # Beside the joint the bones' borders turn away from each other; so does what is squeezed between them.
        left, right = self.plateau_mm
        aside = _FLARE * np.maximum(0.0, np.maximum(left - x, x - right))
        below, above = edge_at(self.tibia_edge, x) + aside, edge_at(self.femur_edge, x) - aside
        before = edge_at(self.unseated_edge, x) - aside
        # Above its border the femur moves as one; the space between the bones is squeezed or stretched.
        y = y.astype(np.float32)
        squeeze = (below - before) / np.maximum(below - above, 1e-3)
        between = before.astype(np.float32) + (y - above.astype(np.float32)) * squeeze.astype(np.float32)
        lifted = y - (above - before).astype(np.float32)
        unseated = np.where(y <= above, lifted, np.where(y >= below, y, between))
        scale = np.float32(1 / (HALF_MM * _WARP_REACH))
        across = np.broadcast_to(x.astype(np.float32) * scale, unseated.shape)
        from_x, from_y = (np.ascontiguousarray(of) for of in np.moveaxis(_turned(self.draw.warp), -1, 0))
        return bilinear(from_x, across, unseated * scale), bilinear(from_y, across, unseated * scale)


def draw_knee(
    grade: int, rng: np.random.Generator, medial_jsw_mm: float | None = None, lateral_jsw_mm: float | None = None
) -> Knee:
    """Invents a right knee of a grade.

    Args:
        grade: Kellgren-Lawrence grade, 0-4.
        rng: source of the variation.
        medial_jsw_mm: minimum joint space width of the medial compartment, 0 to 8; None draws one that fits the grade.
        lateral_jsw_mm: likewise of the lateral one.
    """
    statistics = knee_statistics()
    drawn = statistics.draw(grade, rng)
    look = GRADE_LOOKS[grade]
    goals = [max(0.0, float(rng.normal(*of))) for of in (look.medial_mm, look.lateral_mm)]
    medial = goals[0] if medial_jsw_mm is None else medial_jsw_mm
    lateral = goals[1] if lateral_jsw_mm is None else lateral_jsw_mm
    outlines, edges = _with_osteophytes(statistics, look.osteophyte_mm, rng)
    femur_edge, tibia_edge = (_warped(drawn.warp, edge) * HALF_MM for edge in edges)
    ends = _warped(drawn.warp, statistics.tibia_edge[[0, -1]])[:, 0] * HALF_MM
    joint = _Joint(femur_edge, tibia_edge, (float(ends[0]), float(ends[1])))
    seat = joint.seat(medial, lateral)
    seated = joint.seated(seat)
    return Knee(
        draw=drawn,
        femur=outlines[0],
        tibia=outlines[1],
        seat=seat,
        femur_edge=seated,
        tibia_edge=tibia_edge,
        unseated_edge=femur_edge,
        plateau_mm=joint.ends,
        medial_jsw_mm=max(0.0, joint.width(seated, MEDIAL_ZONE)),
        lateral_jsw_mm=max(0.0, joint.width(seated, LATERAL_ZONE)),
    )


def edge_at(edge: Points, x: Points) -> Points:
    """Heights y of an edge at places x; the edge is read as a function of x, level beyond its ends."""
    return np.interp(x, np.maximum.accumulate(edge[:, 0]), edge[:, 1])


@dataclass(frozen=True, slots=True, eq=False)
class _Joint:
    """Both borders in millimetres and the ends of the plateau."""

    femur: Points
    tibia: Points
    ends: tuple[float, float]

    def zone_mm(self, zone: tuple[float, float]) -> tuple[float, float]:
        """A zone, in plateau widths from the medial end, as (left, right) x."""
        width = self.ends[1] - self.ends[0]
        return self.ends[1] - zone[1] * width, self.ends[1] - zone[0] * width

    def width(self, femur: Points, zone: tuple[float, float]) -> float:
        """Smallest distance from the femur to the tibia in a zone; where they overlap, minus the deepest overlap."""
        left, right = self.zone_mm(zone)
        x, wide = np.linspace(left, right, 80), np.linspace(left - 5, right + 5, 320)
        gap = float((edge_at(self.tibia, x) - edge_at(femur, x)).min())
        if gap <= 1e-9:
            return gap
        over, up = x[:, None] - wide, edge_at(femur, x)[:, None] - edge_at(self.tibia, wide)
        return float(np.hypot(over, up).min())

    def moved(self, seat: tuple[float, float]) -> Points:
        """The femur's border lowered, and tilted about x = 0."""
        return self.femur + np.stack([np.zeros(len(self.femur)), seat[0] + seat[1] * self.femur[:, 0]], axis=1)

    def seated(self, seat: tuple[float, float]) -> Points:
        """Likewise, worn away where it would overlap the tibia."""
        moved = self.moved(seat)
        x = np.unique(np.concatenate([moved[:, 0], self.tibia[:, 0]]))
        x = x[(x >= moved[:, 0].min()) & (x <= moved[:, 0].max())]
        return np.stack([x, np.minimum(edge_at(moved, x), edge_at(self.tibia, x))], axis=1)

    def seat(self, medial_mm: float, lateral_mm: float) -> tuple[float, float]:
        """How to lower and tilt the femur so that both compartments have their width."""
        middles = [np.mean(self.zone_mm(zone)) for zone in (MEDIAL_ZONE, LATERAL_ZONE)]
        # Bone on bone is a length of contact, not a point: the condyle sinks a little.
        goals = [goal if goal > 0 else -0.8 for goal in (medial_mm, lateral_mm)]
        low = tilt = 0.0
        for _ in range(40):
            femur = self.moved((low, tilt))
            spare = [self.width(femur, zone) - goal for zone, goal in zip(_ZONES, goals, strict=True)]
            turn = 0.8 * (spare[0] - spare[1]) / (middles[0] - middles[1])
            tilt += float(turn)
            low += 0.8 * (spare[0] + spare[1]) / 2 - float(turn * sum(middles) / 2)
        return low, tilt


_ZONES = (MEDIAL_ZONE, LATERAL_ZONE)


def _with_osteophytes(
    statistics: KneeStatistics, largest_mm: float, rng: np.random.Generator
) -> tuple[list[Points], list[Points]]:
    """Outlines and edges of femur and tibia on the template, lips grown at the joint's margins."""
    plain = {"femur": statistics.femur_edge, "tibia": statistics.tibia_edge}
    outlines = {"femur": femur_outline(plain["femur"]), "tibia": tibia_outline(plain["tibia"])}
    edges = dict(plain)
    overall = rng.uniform(0.75, 1.25)
    for bone, end, direction, weight in _MARGINS:
        size = min(largest_mm * weight * overall * float(rng.uniform(0.65, 1.3)), 6.5)
        at = plain[bone][end]
        outlines[bone] = _lip(outlines[bone], at, np.array(direction), size)
        edges[bone] = _lip(edges[bone], at, np.array(direction), size)
    return [outlines["femur"], outlines["tibia"]], [edges["femur"], edges["tibia"]]


def _lip(points: Points, at: Points, direction: Points, size_mm: float) -> Points:
    near = np.exp(-((points - at) ** 2).sum(axis=1) * (HALF_MM / (1.7 + 0.3 * size_mm)) ** 2)
    return np.asarray(points + size_mm / HALF_MM * near[:, None] * direction)


def _warped(warp: Points, points: Points) -> Points:
    """Places on the template as places on the person, both in half frames."""
    return np.asarray(points + bilinear(warp, points[:, 0], points[:, 1]))


def _turned(warp: Points, size: int = 180) -> FloatImage:
    """The warp turned round: (size, size, 2) template places seen over [-_WARP_REACH, _WARP_REACH] half frames."""
    axis = ((np.arange(size) + 0.5) / size * 2 - 1) * _WARP_REACH
    x, y = np.meshgrid(axis, axis)
    from_x, from_y = x, y
    # A fixed point: the warp is smooth and moves little, so each step brings it three times nearer or more.
    for _ in range(_TURN_STEPS):
        moved = bilinear(warp, from_x, from_y)
        from_x, from_y = x - moved[..., 0], y - moved[..., 1]
    return np.stack([from_x, from_y], axis=-1).astype(np.float32)
