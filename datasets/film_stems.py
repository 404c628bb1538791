"""How implants are held in bone: stems, coats, cement, cones and blocks, as outlines for `film_implants`.

Outlines are (points, 2), (x, y) in plateau widths from the joint's centre; see there.
"""

from __future__ import annotations

import numpy as np

from kneeoa.datasets.film_bones import smooth_path
from kneeoa.datasets.film_geometry import Points
from kneeoa.datasets.film_leg import LegRaster, Tube

_BEAD = 0.004
"""Depth of a porous coat's beads."""


def stem(tube: Tube, raster: LegRaster, ends: tuple[float, float], rng: np.random.Generator) -> Points:
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


def coated(outline: Points, rng: np.random.Generator) -> Points:
    """The same part with a porous coat: its border is rough by a bead, not smooth."""
    closed = np.concatenate([outline, outline[:1]])
    steps = np.linalg.norm(np.diff(closed, axis=0), axis=1)
    along = np.concatenate([[0.0], np.cumsum(steps)])
    at = np.linspace(0.0, along[-1], max(8, round(along[-1] / (2 * _BEAD))), endpoint=False)
    fine = np.stack([np.interp(at, along, closed[:, axis]) for axis in (0, 1)], axis=1)
    return fine + rng.normal(0.0, _BEAD / 2, fine.shape)


def mantle(outline: Points, depth: float) -> Points:
    """The cement round a part: its outline, grown by `depth` away from its middle across, and a little beyond its end.

    Args:
        outline: of a stem or keel, whose middle line runs up and down.
        depth: of the cement.
    """
    middle = outline.mean(axis=0)
    grown = outline + np.sign(outline - middle) * (depth, 0.0)
    tip = np.abs(grown[:, 1]) > np.abs(grown[:, 1]).max() - 0.02
    grown[tip, 1] += np.sign(middle[1]) * depth
    return smooth_path(grown, steps=3, closed=True)


def cone(middle: float, start: float, deep: float, rng: np.random.Generator) -> Points:
    """A metaphyseal cone of tantalum round a stem: wide at the joint's side, rough, less dense than the stem.

    Args:
        middle: x of the stem.
        start: y at the joint's side.
        deep: its height, negative upwards.
        rng: of its width and its pores.
    """
    wide, narrow = float(rng.uniform(0.19, 0.28)), float(rng.uniform(0.11, 0.15))
    y = np.linspace(start, start + deep, 9)
    half = np.linspace(wide, narrow, 9) + 0.02 * np.sin(np.linspace(0, np.pi, 9))
    outline = np.concatenate([np.stack([middle - half, y], axis=1), np.stack([middle + half, y], axis=1)[::-1]])
    return coated(outline, rng)


def block(half: float, top: float, rng: np.random.Generator) -> Points:
    """An augment under one half of a tibial tray: a block, or a wedge that gets thicker outwards."""
    side = float(rng.choice([-1.0, 1.0]))
    thick, inner = float(rng.uniform(0.05, 0.13)), 0.10
    thin = thick if rng.random() < 0.6 else 0.01
    return np.array(
        [(side * inner, top), (side * half, top), (side * half, top + thick), (side * inner, top + thin)], dtype=float
    )
