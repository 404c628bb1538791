"""The outlines of bones on the template knee, drawn by hand on the registered mean of many knees.

Everything is a RIGHT knee as displayed: medial at image right, fibula at image left. Points are (x, y) in [-1, 1] over
the training crops' frame, x to image right and y down. They say where a border is; what lies on its sides is learnt.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Points: TypeAlias = npt.NDArray[np.float64]
"""(points, 2) float64."""

_BEYOND = 4.0
"""Outlines are closed this far outside the frame, so that no border is drawn where a shaft goes on."""

# In thousandths of the frame, (across, down). Edges go from the lateral to the medial margin.
FEMUR_EDGE_KNOTS = (
    *((103, 536), (128, 560), (183, 568), (247, 560), (311, 536), (366, 505), (412, 481), (440, 456), (462, 438)),
    *((495, 430), (527, 438), (549, 462), (586, 490), (632, 522), (668, 549), (714, 570), (778, 579), (842, 572)),
    *((879, 559), (902, 540)),
)
TIBIA_EDGE_KNOTS = (
    *((81, 641), (92, 630), (137, 626), (201, 626), (266, 623), (311, 609), (366, 577), (403, 548), (426, 531)),
    *((449, 533), (490, 546), (540, 527), (563, 515), (581, 529), (595, 563), (623, 600), (659, 615), (714, 621)),
    *((788, 619), (852, 612), (893, 615), (902, 632)),
)
_FEMUR_LATERAL = (
    *((197, 0), (169, 64), (128, 114), (92, 160), (69, 211), (64, 266), (73, 316), (96, 357), (112, 386), (117, 430)),
    *((108, 462), (93, 495), (103, 536)),
)
_FEMUR_MEDIAL = (
    *((902, 540), (909, 504), (911, 458), (918, 403), (929, 339), (941, 266), (945, 211), (934, 160), (911, 114)),
    *((870, 78), (824, 41), (788, 0)),
)
_TIBIA_LATERAL = (
    *((252, 1000), (238, 989), (192, 943), (147, 897), (114, 847), (92, 788), (75, 733), (73, 678), (81, 641)),
)
_TIBIA_MEDIAL = (*((902, 632), (893, 678), (879, 733), (865, 797), (842, 842), (815, 888), (778, 943), (760, 1000)),)
_FIBULA = (
    *((10, 870), (28, 815), (75, 780), (120, 770), (160, 805), (178, 870), (172, 960), (160, 1100), (150, 1400)),
    *((30, 1400), (30, 1120), (12, 980)),
)
_PATELLA = ((450, -60), (590, -30), (655, 80), (630, 200), (520, 265), (400, 250), (300, 160), (300, 20))
LINES = (
    # Closed growth plates, the notch's medial wall: what the template shows within the bones.
    ((192, 266), (302, 279), (440, 275)),
    ((586, 229), (668, 243), (733, 227), (797, 201), (852, 169)),
    ((641, 284), (641, 385), (652, 449), (646, 485)),
    ((211, 806), (366, 778), (513, 778), (595, 760), (687, 774), (806, 789)),
)


def unit(knots: tuple[tuple[int, int], ...]) -> Points:
    """Thousandths of the frame as (x, y) in [-1, 1]."""
    return np.array(knots, dtype=np.float64) / 500.0 - 1.0


def open_curve(knots: Points, steps: int = 8) -> Points:
    """A Catmull-Rom curve through all knots, with `steps` points a stretch; its first and last points are theirs."""
    longer = np.concatenate([2 * knots[:1] - knots[1:2], knots, 2 * knots[-1:] - knots[-2:-1]])
    curve = _catmull_rom([longer[i : len(longer) - 3 + i] for i in range(4)], steps)
    return np.concatenate([curve, knots[-1:]])


def closed_curve(knots: Points, steps: int = 8) -> Points:
    """Likewise, closed: the last point is not the first again."""
    return _catmull_rom([np.roll(knots, shift, axis=0) for shift in (1, 0, -1, -2)], steps)


def femur_outline(edge: Points) -> Points:
    """Closed outline of the femur round a lower border; the shaft goes on far above the frame."""
    return _round(unit(_FEMUR_LATERAL), edge, unit(_FEMUR_MEDIAL), -_BEYOND)


def tibia_outline(edge: Points) -> Points:
    """Closed outline of the tibia round an upper border; the shaft goes on far below the frame."""
    return _round(unit(_TIBIA_LATERAL), edge, unit(_TIBIA_MEDIAL), _BEYOND)


def fibula_outline() -> Points:
    """Closed outline of the head and neck of the fibula."""
    return closed_curve(unit(_FIBULA))


def patella_outline() -> Points:
    """Closed outline of the patella, as it shines through the femur."""
    return closed_curve(unit(_PATELLA))


def _round(lateral: Points, edge: Points, medial: Points, far: float) -> Points:
    first, last = open_curve(lateral)[:-1], open_curve(medial)[1:]
    # Straight on from where the frame ends: a shaft narrows no more than the last stretch says.
    ends = [np.array([[first[0, 0] * 0.9, far]]), np.array([[last[-1, 0] * 0.9, far]])]
    return np.concatenate([ends[0], first, edge, last, ends[1]])


def _catmull_rom(corners: list[Points], steps: int) -> Points:
    p0, p1, p2, p3 = (corner[:, None, :] for corner in corners)
    t = np.linspace(0.0, 1.0, steps, endpoint=False)[None, :, None]
    curve = p1 + t / 2 * (p2 - p0 + t * (2 * p0 - 5 * p1 + 4 * p2 - p3 + t * (3 * (p1 - p2) + p3 - p0)))
    return np.asarray(curve, dtype=np.float64).reshape(-1, 2)
