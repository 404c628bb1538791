"""The ends of a long-leg film: the upper femur, pelvis and belly, and the ankle and foot."""

from __future__ import annotations

import numpy as np

from kneeoa.datasets.film_bones import (
    Fade,
    Look,
    add_bone_chain,
    add_flesh_chain,
    add_outline,
    chain,
    ellipse,
    smooth_path,
)
from kneeoa.datasets.film_geometry import Points
from kneeoa.datasets.film_implants import METAL, lay_metal, to_pixels
from kneeoa.datasets.film_leg import ANKLE_Y, HIP_Y, NECK_Y, Leg, LegRaster
from kneeoa.model.radiograph import FloatImage

_JOIN = 0.5
"""Plateau widths over which the upper end of the femur gives way to its shaft."""
# Upper end of a right femur, (medial, down) in plateau widths from its shaft's axis at the height of the hip.
_FEMUR = np.array(
    [
        *((-0.185, 1.6), (-0.195, 0.75), (-0.25, 0.40), (-0.29, 0.18), (-0.24, -0.02), (-0.10, 0.00), (0.10, 0.02)),
        *((0.28, -0.10), (0.42, -0.26), (0.60, -0.33), (0.78, -0.27), (0.90, -0.10), (0.90, 0.09), (0.79, 0.24)),
        *((0.62, 0.29), (0.46, 0.28), (0.34, 0.36), (0.25, 0.52), (0.27, 0.62), (0.20, 0.78), (0.185, 1.6)),
    ]
)
# Half a pelvis in plateau widths from the middle between the hips, whose centres are at (1.2, 0): wing, then paths.
_WING = np.array(
    [
        *((0.90, -0.20), (1.10, -0.42), (1.42, -0.44), (1.56, -0.30), (1.55, -0.62), (1.78, -1.0), (1.98, -1.40)),
        *((1.88, -1.85), (1.45, -2.18), (1.0, -2.15), (0.66, -1.86), (0.52, -1.45), (0.62, -1.0), (0.80, -0.65)),
        *((0.82, -0.40),),
    ]
)
_PUBIS = np.array([(1.02, -0.22), (0.82, -0.02), (0.5, 0.12), (0.22, 0.28), (0.12, 0.42)])
_RAMUS = np.array([(0.12, 0.42), (0.28, 0.62), (0.52, 0.86), (0.72, 0.98)])
_ISCHIUM = np.array([(1.05, -0.1), (0.98, 0.35), (0.88, 0.72), (0.74, 0.95)])
_SACRUM = np.array(
    [
        *((-0.62, -1.82), (0.0, -1.95), (0.62, -1.82), (0.52, -1.35), (0.30, -0.85), (0.14, -0.45), (0.0, -0.28)),
        *((-0.14, -0.45), (-0.30, -0.85), (-0.52, -1.35)),
    ]
)


def add_upper_femur(film: FloatImage, leg: Leg, raster: LegRaster) -> tuple[float, float]:
    """Draws trochanters, neck and head on a right leg's raster, in place.

    Returns:
        (row, column) of the head's centre on the raster; it may lie outside.
    """
    _, y = raster.axes()
    shaft = float(np.interp(HIP_Y + 1.15, y.ravel(), leg.femur.middle.ravel()))
    at = _FEMUR + np.array((shaft, HIP_Y))
    scale = raster.width_px
    look = Look(0.36, 0.12, max(0.05 * scale, 1.0), max(0.20 * scale, 1.0))
    gone, whole = to_pixels(np.array([(shaft, NECK_Y + _JOIN), (shaft, NECK_Y)]), raster)
    if not raster.reaches(NECK_Y + _JOIN):
        return _head(shaft, raster)
    fade = Fade((float(gone[0]), float(gone[1])), (float(whole[0]), float(whole[1])))
    add_outline(film, [to_pixels(smooth_path(at), raster)], look, fade)
    return _head(shaft, raster)


def _head(shaft: float, raster: LegRaster) -> tuple[float, float]:
    row, column = to_pixels(np.array([(shaft + 0.60, HIP_Y - 0.02)]), raster)[0]
    return float(row), float(column)


def replace_hip(film: FloatImage, head: tuple[float, float], scale: float, medial: float) -> None:
    """A hip arthroplasty on a film: head, neck and stem, and a cup; `medial` is 1 where medial is at image right."""
    r, c = head

    def place(points: list[tuple[float, float]]) -> Points:
        return np.array([(r + y * scale, c + medial * x * scale) for x, y in points])

    stem = [(-0.10, -0.04), (0.02, 0.08), (-0.34, 0.42), (-0.47, 1.0), (-0.60, 1.9), (-0.68, 1.88), (-0.70, 1.0)]
    metal = [place([*stem, (-0.68, 0.30), (-0.56, 0.16)]), ellipse(head, (0.19 * scale, 0.19 * scale))]
    t = np.linspace(np.pi * 0.85, np.pi * 1.95, 24)
    outer = [(0.34 * np.cos(a), 0.34 * np.sin(a)) for a in t]
    inner = [(0.25 * np.cos(a), 0.25 * np.sin(a)) for a in t[::-1]]
    metal.append(place([*outer, *inner]))
    lay_metal(film, metal, METAL)


def add_pelvis(
    film: FloatImage, heads: tuple[tuple[float, float], tuple[float, float]], scale: float, rng: np.random.Generator
) -> None:
    """Pelvis, sacrum, lowest vertebrae, belly and gas round two hips, in place.

    Args:
        film: (rows, columns) float32 absorption.
        heads: centres of the femoral heads, (row, column), the one at image left first.
        scale: pixels in a plateau width.
        rng: of gas and flesh.
    """
    row, middle = (heads[0][0] + heads[1][0]) / 2, (heads[0][1] + heads[1][1]) / 2
    half = abs(heads[1][1] - heads[0][1]) / 2
    fit = np.array([1.0, half / (1.2 * scale)])

    def place(points: Points, sign: float = 1.0) -> Points:
        return np.asarray((row, middle) + points[:, ::-1] * (1.0, sign) * fit * scale, dtype=np.float64)

    trunk = np.array([(-3.4, 0.0), (-2.4, 0.0), (-1.2, 0.0), (-0.45, 0.0)]) * scale + (row, middle)
    girth = half / scale
    add_flesh_chain(film, chain(film.shape, trunk, np.array([1.25, 1.2, 1.35, 1.1]) * girth * scale), 0.50)
    look = Look(0.17, 0.08, max(0.05 * scale, 1), max(0.12 * scale, 1))
    for sign in (1.0, -1.0):
        add_outline(film, [place(smooth_path(_WING, closed=True), sign)], look)
        for path, radii in ((_PUBIS, (0.2, 0.14)), (_RAMUS, (0.13, 0.12)), (_ISCHIUM, (0.26, 0.19))):
            points = smooth_path(path, 4)
            bone = chain(film.shape, place(points, sign), np.linspace(*radii, len(points)) * scale)
            add_bone_chain(film, bone, 0.15, 0.8)
    add_outline(film, [place(smooth_path(_SACRUM, closed=True))], Look(0.15, 0.05, 0.05 * scale, 0.15 * scale))
    for y in (-2.25, -2.85, -3.45):
        add_vertebra(film, (row + y * scale, middle), (0.24 * scale, 0.36 * scale))
    for _ in range(int(rng.integers(2, 10))):
        at = (row + rng.uniform(-3.0, -0.5) * scale, middle + rng.uniform(-1.2, 1.2) * scale)
        size = (rng.uniform(0.08, 0.3) * scale, rng.uniform(0.1, 0.4) * scale)
        add_outline(film, [ellipse(at, size, rng.uniform(0, 180))], Look(-0.16, 0, 1, max(0.08 * scale, 1)))


def add_vertebra(film: FloatImage, centre: tuple[float, float], half: tuple[float, float]) -> None:
    """A vertebral body from the front with pedicles and spinous process; half heights and widths in pixels."""
    (r, c), (h, w) = centre, half
    body = np.array(
        [
            *((r - h, c - w), (r - 0.86 * h, c), (r - h, c + w), (r, c + 0.86 * w), (r + h, c + w)),
            *((r + 0.86 * h, c), (r + h, c - w), (r, c - 0.86 * w)),
        ]
    )
    add_outline(film, [smooth_path(body, closed=True)], Look(0.13, 0.10, max(0.22 * h, 0.8), max(0.5 * h, 1)))
    for sign in (-1, 1):
        ring = ellipse((r - 0.25 * h, c + sign * 0.55 * w), (0.32 * h, 0.18 * w))
        add_outline(film, [ring], Look(0.05, 0.07, max(0.12 * h, 0.7), max(0.2 * h, 1)))
        wing = np.array([(r, c + sign * 0.8 * w), (r - 0.15 * h, c + sign * 1.6 * w)])
        add_bone_chain(film, chain(film.shape, wing, (0.2 * h, 0.14 * h)), 0.06, 0.6)
    add_outline(film, [ellipse((r + 0.55 * h, c), (0.6 * h, 0.13 * w))], Look(0.07, 0.05, 1, max(0.15 * h, 1)))


def add_foot(film: FloatImage, leg: Leg, raster: LegRaster, rng: np.random.Generator) -> None:
    """Talus, and a foot that stands on the floor and points at the beam, on a right leg's raster, in place."""
    _, y = raster.axes()
    x = float(np.interp(ANKLE_Y, y.ravel(), leg.tibia.middle.ravel()))
    scale = raster.width_px
    turn = float(rng.uniform(-0.30, 0.05))
    talus = np.array([(-0.22, 0.03), (0.0, 0.0), (0.20, 0.03), (0.22, 0.22), (0.10, 0.34), (-0.15, 0.34), (-0.24, 0.2)])
    heel = np.array([(-0.25, 0.28), (0.10, 0.26), (0.22, 0.5), (0.10, 0.72), (-0.18, 0.72), (-0.30, 0.5)])

    def place(points: Points) -> Points:
        return to_pixels(points + np.array((x, ANKLE_Y + 0.02)), raster)

    toes = np.array(
        [(-0.55, 0.72), (-0.30, 0.36), (0.05, 0.30), (0.36, 0.45), (0.50, 0.74), (0.30, 0.86), (-0.35, 0.86)]
    )
    toes[:, 0] += turn * np.clip(toes[:, 1], 0, 1)
    add_outline(film, [place(smooth_path(toes, closed=True))], Look(0.26, 0, 1, max(0.15 * scale, 1)))
    for shape in (talus, heel):
        add_outline(
            film, [place(smooth_path(shape, closed=True))], Look(0.20, 0.1, max(0.04 * scale, 1), 0.1 * scale + 1)
        )
    for number in range(5):
        start = np.array([(-0.15 + 0.08 * number, 0.40)])
        end = np.array([(-0.42 + 0.20 * number + turn, 0.76)])
        path = place(np.concatenate([start, end]))
        add_bone_chain(film, chain(film.shape, path, (0.055 * scale, 0.05 * scale)), 0.035, 0.55)
