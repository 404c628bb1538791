"""Arthroplasties as a frontal film shows them: metal that is homogeneous, sharply bounded and near saturation.

Coordinates are a right knee's, (x, y) in plateau widths from the joint's centre, x to image right (medial), y down.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import numpy as np

from kneeoa.datasets.film_bones import polygon_mask, smooth_path
from kneeoa.datasets.film_geometry import Points
from kneeoa.datasets.film_leg import Leg, LegRaster
from kneeoa.datasets.film_stems import block, coated, cone, mantle, stem
from kneeoa.datasets.film_texture import smoothed_line
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
    level = METAL * float(rng.uniform(0.9, 1.05))
    if implant is Implant.UNICOMPARTMENTAL:
        if rng.random() < 0.12:
            _trochlear(film, fit, level, rng)
        else:
            _unicompartmental(film, fit, rng)
        return
    tray_y = 0.07 + float(rng.uniform(0.085, 0.15))
    body = [_resected(film, fit, leg, rng)] if implant is Implant.HINGE and rng.random() < 0.25 else []
    _poly_gap(film, fit, ((-0.50, -0.06), (0.50, -0.06), (0.50, tray_y + 0.02), (-0.50, tray_y + 0.02)))
    below = _tray(tray_y, rng)
    above = [smooth_path(_shield(rng), steps=5, closed=True)]
    holes: list[Points] = (
        [smooth_path(_NOTCH, closed=False)] if implant is Implant.TOTAL and rng.random() < 0.25 else []
    )
    if implant is not Implant.TOTAL or rng.random() < 0.15:
        long = (1.1, 2.2) if implant is not Implant.TOTAL else (0.55, 0.9)
        below.append(stem(leg.tibia, raster, (tray_y, tray_y + float(rng.uniform(*long)) + 0.2), rng))
    if implant is not Implant.TOTAL:
        above.append(stem(leg.femur, raster, (-0.25, -0.35 - float(rng.uniform(0.9, 2.1))), rng))
        above += [_box(-0.17, 0.17, -0.55, 0.02), *body]
    if implant is Implant.HINGE:
        above += [_box(-0.21, 0.21, -0.30, 0.05), _box(-0.09, 0.09, 0.0, tray_y + 0.02)]
        above += [_box(sign * 0.30 - 0.05, sign * 0.30 + 0.05, -0.30, -0.08) for sign in (-1, 1)]
    _fix(film, fit, (above, below), implant, rng)
    # Many trays are of titanium under a shield of cobalt-chromium.
    _lay(film, fit, below, level * (float(rng.uniform(0.66, 0.8)) if rng.random() < 0.4 else 1.0))
    _lay(film, fit, above, level, holes)
    # The condyles are deep from front to back, the flange is not.
    for sign in (-1.0, 1.0):
        runner = _CONDYLE * (sign, 1.0)
        _lay(film, fit, [smooth_path(runner, closed=True)], 1.05 * level, holes)
    if rng.random() < 0.08:
        _patella(film, fit, level, rng)


def _shield(rng: np.random.Generator) -> Points:
    shield = _SHIELD.copy()
    shield[:9, 1] = shield[:9, 1] * rng.uniform(0.8, 1.15)
    return shield


def _fix(
    film: FloatImage, fit: _Fit, parts: tuple[list[Points], list[Points]], implant: Implant, rng: np.random.Generator
) -> None:
    """What holds an implant in bone, in place: cement round it, or a porous coat, then cones and blocks.

    Args:
        film: see `draw_arthroplasty`.
        fit: of the implant.
        parts: metal above and below the joint, shield and tray first; coats change them.
        implant: which; only those with stems have cones and blocks.
        rng: of all.
    """
    above, below = parts
    tray = below[0]
    if rng.random() < 0.6:
        deep, level = float(rng.uniform(0.012, 0.035)), float(rng.uniform(0.8, 1.0))
        half, foot = float(tray[:, 0].max()) - 0.03, float(tray[:, 1].max())
        _lay(film, fit, [_box(-half, half, foot - 0.01, foot + deep)], level)
        _lay(film, fit, [mantle(part, deep) for part in (*below[1:2], *below[-1:], *above[1:2])], level)
    else:
        below[:] = [coated(part, rng) for part in below]
        above[1:] = [coated(part, rng) for part in above[1:]]
    if implant is Implant.TOTAL:
        return
    if rng.random() < 0.3:
        below.append(block(float(tray[:, 0].max()), float(tray[:, 1].max()) - 0.005, rng))
    if rng.random() < 0.25:
        level = float(rng.uniform(1.15, 1.45))
        cones = [cone(0.0, float(tray[:, 1].max()), float(rng.uniform(0.3, 0.5)), rng)]
        if rng.random() < 0.5:
            cones.append(cone(0.0, -0.42, -float(rng.uniform(0.3, 0.5)), rng))
        _lay(film, fit, cones, level)


def _resected(film: FloatImage, fit: _Fit, leg: Leg, rng: np.random.Generator) -> Points:
    """Takes a femur's lower end away, in place; returns the body of metal that leads up to the stem instead."""
    high = -float(rng.uniform(0.9, 1.6))
    _, y = fit.raster.axes()
    rows = slice(*np.searchsorted(y.ravel(), (high, 0.0)))
    if rows.start < rows.stop:
        # Condyles are wider than the shaft's lines know.
        bump = np.exp(-(((y[rows] + 0.1) / 0.34) ** 2))
        left, right = (edge[rows] for edge in leg.femur.edges())
        left, right = left * (1 - bump) - 0.56 * bump - 0.05, right * (1 - bump) + 0.56 * bump + 0.05
        film[rows] = _flesh_between(film[rows], left, right, fit.raster)
    shaft, half = float(np.interp(high, y.ravel(), leg.femur.middle.ravel())), float(rng.uniform(0.13, 0.19))
    body = [(shaft - half, high), (shaft + half, high), (half, -0.62), (0.34, -0.42), (0.40, -0.2)]
    body += [(-0.40, -0.2), (-0.34, -0.42), (-half, -0.62)]
    return np.array(body)


def _flesh_between(film: FloatImage, left: FloatImage, right: FloatImage, raster: LegRaster) -> FloatImage:
    """Rows of a film whose bone, between two columns in plateau widths, gives way to what lies on both sides of it."""
    ends = []
    for edge in (left, right):
        column = np.clip(np.rint(edge * raster.width_px + raster.joint[1]), 0, film.shape[1] - 1).astype(np.intp)
        beside = np.take_along_axis(film, column, axis=1).ravel()
        ends.append(smoothed_line(beside, 0.08 * raster.height_px)[:, None])
    x, _ = raster.axes()
    share = np.clip((x - left) / np.maximum(right - left, 1e-3), 0, 1)
    inside = (x > left) & (x < right)
    between = ends[0] + share * (ends[1] - ends[0]) + np.float32(0.25) * share * (1 - share)
    return np.where(inside, np.minimum(film, between), film).astype(np.float32)


def _trochlear(film: FloatImage, fit: _Fit, level: float, rng: np.random.Generator) -> None:
    """A shield for the patella's groove alone, in place; the joint below stays as it is."""
    wide, high = float(rng.uniform(0.20, 0.28)), float(rng.uniform(0.42, 0.52))
    knots = [(-wide, -high), (0.1 * wide, -high - 0.05), (wide, -high + 0.03), (0.9 * wide, -0.7 * high)]
    knots += [(0.55 * wide, -0.35 * high), (0.06, -0.06), (-0.06, -0.06), (-0.6 * wide, -0.4 * high)]
    _lay(film, fit, [smooth_path(np.array(knots), closed=True)], 0.9 * level)


def _patella(film: FloatImage, fit: _Fit, level: float, rng: np.random.Generator) -> None:
    """The metal back of a patella's button, in place; buttons of polyethylene do not show."""
    x, y, r = float(rng.normal(0, 0.06)), -float(rng.uniform(0.2, 0.55)), float(rng.uniform(0.13, 0.18))
    t = np.linspace(0, 2 * np.pi, 40)
    _lay(film, fit, [np.stack([x + r * np.cos(t), y + 0.85 * r * np.sin(t)], axis=1)], 0.85 * level)


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
