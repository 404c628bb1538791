"""Arthroplasties as a frontal film shows them: metal that is homogeneous, sharply bounded and near saturation.

Coordinates are a right knee's, (x, y) in plateau widths from the joint's centre, x to image right (medial), y down.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import numpy as np

from kneeoa.datasets.film_bones import polygon_mask, smooth_path
from kneeoa.datasets.film_geometry import Points
from kneeoa.datasets.film_leg import Leg, LegRaster, Tube
from kneeoa.model.radiograph import FloatImage


class Implant(StrEnum):
    """Metal in or round a knee."""

    TOTAL = "total_arthroplasty"
    STEMMED = "stemmed_arthroplasty"
    HINGE = "hinged_arthroplasty"
    UNICOMPARTMENTAL = "unicompartmental_arthroplasty"
    PLATE = "plate"
    NAIL = "nail"
    SCREWS = "screws"
    STAPLES = "staples"
    WIRES = "wires"
    SKIN_STAPLES = "skin_staples"

    @property
    def is_arthroplasty(self) -> bool:
        """Whether the joint's surfaces are replaced."""
        return self in _ARTHROPLASTIES


_ARTHROPLASTIES = frozenset({Implant.TOTAL, Implant.STEMMED, Implant.HINGE, Implant.UNICOMPARTMENTAL})
METAL = 1.9
"""Absorption of cobalt-chromium; titanium has two thirds of it."""

# A right knee's femoral shield, clockwise from its lateral upper corner.
_SHIELD = np.array(
    [
        *((-0.485, -0.27), (-0.42, -0.33), (-0.355, -0.42), (-0.23, -0.50), (0.0, -0.485), (0.20, -0.475)),
        *((0.32, -0.395), (0.40, -0.32), (0.485, -0.26), (0.525, -0.15), (0.525, -0.05), (0.475, 0.02)),
        *((0.38, 0.062), (0.27, 0.070), (0.17, 0.045), (0.08, 0.005), (0.0, -0.008), (-0.08, 0.005)),
        *((-0.17, 0.045), (-0.27, 0.070), (-0.38, 0.062), (-0.475, 0.02), (-0.525, -0.05), (-0.525, -0.15)),
    ]
)
_CONDYLE = np.array(
    [
        (0.13, -0.10),
        (0.17, -0.22),
        (0.32, -0.29),
        (0.47, -0.22),
        (0.50, -0.06),
        (0.43, 0.02),
        (0.28, 0.06),
        (0.16, 0.02),
    ]
)
_NOTCH = np.array(
    [(-0.10, 0.03), (-0.09, -0.08), (-0.05, -0.15), (0.0, -0.165), (0.05, -0.15), (0.09, -0.08), (0.10, 0.03)]
)


def draw_arthroplasty(
    film: FloatImage, implant: Implant, leg: Leg, raster: LegRaster, rng: np.random.Generator
) -> None:
    """Replaces the joint's surfaces, in place.

    Args:
        film: (rows, columns) float32 absorption of a right leg with its knee.
        implant: one whose `is_arthroplasty` holds.
        leg: the leg's lines, for the stems.
        raster: of the film.
        rng: of make, size and fit.
    """
    fit = _Fit(raster, rng)
    if implant is Implant.UNICOMPARTMENTAL:
        _unicompartmental(film, fit, rng)
        return
    gap = float(rng.uniform(0.085, 0.15))
    tray_y = 0.07 + gap
    _poly_gap(film, fit, ((-0.50, -0.06), (0.50, -0.06), (0.50, tray_y + 0.02), (-0.50, tray_y + 0.02)))
    metal: list[Points] = []
    shield = _SHIELD.copy()
    shield[:9, 1] = shield[:9, 1] * rng.uniform(0.8, 1.15)
    cement: list[Points] = [_box(-0.47, 0.47, tray_y + 0.045, tray_y + 0.075)]
    holes: list[Points] = (
        [smooth_path(_NOTCH, closed=False)] if implant is Implant.TOTAL and rng.random() < 0.25 else []
    )
    metal.append(smooth_path(shield, steps=5, closed=True))
    metal += _tray(tray_y, rng)
    if implant is not Implant.TOTAL or rng.random() < 0.15:
        long = (1.1, 2.2) if implant is not Implant.TOTAL else (0.55, 0.9)
        metal.append(_stem(leg.tibia, raster, (tray_y, tray_y + float(rng.uniform(*long)) + 0.2), rng))
    if implant is not Implant.TOTAL:
        metal.append(_stem(leg.femur, raster, (-0.25, -0.35 - float(rng.uniform(0.9, 2.1))), rng))
        metal.append(_box(-0.17, 0.17, -0.55, 0.02))
    if implant is Implant.HINGE:
        metal.append(_box(-0.21, 0.21, -0.30, 0.05))
        metal.append(_box(-0.09, 0.09, 0.0, tray_y + 0.02))
        metal += [_box(sign * 0.30 - 0.05, sign * 0.30 + 0.05, -0.30, -0.08) for sign in (-1, 1)]
    _lay(film, fit, cement, float(rng.uniform(0.8, 1.0)))
    level = METAL * float(rng.uniform(0.9, 1.05))
    _lay(film, fit, metal, level, holes)
    # The condyles are deep from front to back, the flange is not.
    for sign in (-1.0, 1.0):
        runner = _CONDYLE * (sign, 1.0)
        _lay(film, fit, [smooth_path(runner, closed=True)], 1.05 * level, holes)


def _tray(y: float, rng: np.random.Generator) -> list[Points]:
    half, thick = float(rng.uniform(0.46, 0.515)), float(rng.uniform(0.035, 0.06))
    deep, wide = float(rng.uniform(0.28, 0.5)), float(rng.uniform(0.06, 0.095))
    keel = [
        (-wide * 1.15, y),
        (wide * 1.15, y),
        (wide, y + deep - 0.05),
        (wide * 0.6, y + deep),
        (-wide * 0.6, y + deep),
    ]
    parts = [_box(-half, half, y, y + thick), np.array([*keel, (-wide, y + deep - 0.05)])]
    if rng.random() < 0.6:
        fin = float(rng.uniform(0.2, 0.3))
        parts.append(np.array([(-fin, y), (fin, y), (wide, y + 0.75 * deep), (-wide, y + 0.75 * deep)]))
    else:
        parts += [_box(s * 0.28 - 0.035, s * 0.28 + 0.035, y, y + 0.17) for s in (-1, 1)]
    return parts


def _stem(tube: Tube, raster: LegRaster, ends: tuple[float, float], rng: np.random.Generator) -> Points:
    """A stem that follows the canal: ends[0] at the joint, ends[1] in the shaft."""
    y = np.linspace(*ends, 24)
    _, rows = raster.axes()
    middle = np.interp(y, rows.ravel(), tube.middle.ravel())
    # The stem is straight: it lies on the line through the joint's middle and the canal at its tip.
    axis = np.linspace(0.35 * middle[0], middle[-1], len(y))
    half = np.full(len(y), float(rng.uniform(0.065, 0.095)))
    half[-4:] *= (0.98, 0.9, 0.72, 0.35)
    half[:6] *= np.linspace(1.35, 1.05, 6)
    return np.concatenate([np.stack([axis - half, y], axis=1), np.stack([axis + half, y], axis=1)[::-1]])


def _unicompartmental(film: FloatImage, fit: _Fit, rng: np.random.Generator) -> None:
    medial = 1.0 if rng.random() < 0.85 else -1.0
    inner, outer = float(rng.uniform(0.10, 0.15)), float(rng.uniform(0.46, 0.51))
    top = 0.165 + float(rng.uniform(0.0, 0.03))
    middle, half = (inner + outer) / 2 + 0.02, float(rng.uniform(0.115, 0.15))
    t = np.linspace(0, 2 * np.pi, 40)
    # A rounded shield: the runner's lower pole bears, its upper end lies behind the condyle.
    round_x = np.sign(np.cos(t)) * np.abs(np.cos(t)) ** 0.7
    round_y = np.sign(np.sin(t)) * np.abs(np.sin(t)) ** 0.7
    high = float(rng.uniform(0.10, 0.14))
    runner = np.stack([middle + half * round_x * (1 + 0.12 * round_y), 0.075 - high + high * round_y], axis=1)
    thick = float(rng.uniform(0.035, 0.05))
    metal = [runner, _box(middle - 0.03, middle + 0.03, -0.05 - 2.6 * high, 0.02)]
    metal.append(_box(inner, outer, top, top + thick))
    metal.append(
        np.array([(inner + 0.12, top), (inner + 0.19, top), (inner + 0.17, top + 0.17), (inner + 0.13, top + 0.17)])
    )
    if rng.random() < 0.5:
        metal.append(_box(inner, inner + 0.03, top - 0.07, top + thick))
    flip = np.array([medial, 1.0])
    corners = ((inner, 0.07), (outer, 0.05), (outer, top), (inner, top))
    _poly_gap(film, fit, tuple((medial * x, y) for x, y in corners))
    _lay(film, fit, [_box(inner, outer, top + thick, top + thick + 0.025) * flip], 0.85)
    _lay(film, fit, [part * flip for part in metal], METAL)


def _poly_gap(film: FloatImage, fit: _Fit, corners: Sequence[tuple[float, float]]) -> None:
    """Bone gives way to polyethylene, which looks like flesh."""
    mask = polygon_mask(film.shape, [fit.pixels(np.array(corners))])
    if mask.empty:
        return
    x, _ = fit.raster.axes()
    flesh = np.float32(0.40) * np.maximum(1 - (x[:, mask.columns] / np.float32(0.85)) ** 2, 0.05) ** np.float32(0.38)
    here = film[mask.rows, mask.columns]
    film[mask.rows, mask.columns] = here + mask.cover * (np.minimum(flesh, 0.1 * here + 0.9 * flesh) - here)


class _Fit:
    """Where a part lands: each knee gets its implant a little larger, shifted and tilted."""

    def __init__(self, raster: LegRaster, rng: np.random.Generator) -> None:
        self.raster = raster
        self._turn = np.radians(rng.normal(0.0, 1.5))
        self._size = rng.uniform(0.95, 1.06)
        self._shift = rng.normal(0.0, 0.012, 2)

    def pixels(self, part: Points) -> Points:
        cos, sin = np.cos(self._turn) * self._size, np.sin(self._turn) * self._size
        x = cos * part[:, 0] - sin * part[:, 1] + self._shift[0]
        y = sin * part[:, 0] + cos * part[:, 1] + self._shift[1]
        return to_pixels(np.stack([x, y], axis=1), self.raster)


def to_pixels(part: Points, raster: LegRaster) -> Points:
    """(x, y) in plateau widths as (row, column) of a leg's raster."""
    return np.stack(
        [raster.joint[0] + part[:, 1] * raster.height_px, raster.joint[1] + part[:, 0] * raster.width_px], axis=1
    )


def _lay(film: FloatImage, fit: _Fit, parts: list[Points], level: float, holes: Sequence[Points] = ()) -> None:
    lay_metal(film, [fit.pixels(part) for part in parts], level, [fit.pixels(hole) for hole in holes])


def lay_metal(film: FloatImage, outlines: list[Points], level: float, holes: Sequence[Points] = ()) -> None:
    """Covers outlines, (row, column), with metal of an absorption, in place; what is behind adds little."""
    mask = polygon_mask(film.shape, outlines, fine=3)
    if mask.empty:
        return
    cover = mask.cover
    if holes:
        gap = polygon_mask(film.shape, holes, fine=3)
        whole = np.zeros(film.shape, dtype=np.float32)
        whole[gap.rows, gap.columns] = gap.cover
        cover = cover * (1 - whole[mask.rows, mask.columns])
    here = film[mask.rows, mask.columns]
    film[mask.rows, mask.columns] = here + cover * (np.float32(level) + np.float32(0.08) * here - here)


def _box(left: float, right: float, top: float, bottom: float) -> Points:
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
