"""Trunk and head: hip, chest, spine, skull, and a slice of a limb as a scanner shows it; absorption throughout."""

from __future__ import annotations

import numpy as np

from kneeoa.datasets.film_bones import Look, add_bone_chain, add_flesh_chain, add_outline, chain, ellipse, smooth_path
from kneeoa.datasets.film_geometry import Points
from kneeoa.datasets.film_hip import add_pelvis, add_vertebra, replace_hip
from kneeoa.datasets.film_texture import clouds, grain
from kneeoa.model.radiograph import FloatImage

_FEMUR = np.array(
    [
        *((-0.26, 2.4), (-0.27, 1.0), (-0.32, 0.42), (-0.38, 0.20), (-0.32, -0.05), (-0.16, -0.02), (0.05, 0.0)),
        *((0.25, -0.14), (0.40, -0.34), (0.62, -0.42), (0.85, -0.34), (0.98, -0.12), (0.98, 0.12), (0.86, 0.30)),
        *((0.64, 0.36), (0.46, 0.34), (0.32, 0.44), (0.20, 0.64), (0.17, 1.0), (0.16, 2.4)),
    ]
)


def draw_hip(size: tuple[int, int], rng: np.random.Generator) -> FloatImage:
    """A pelvis with both hips, or one hip: (rows, columns) float32."""
    film = np.zeros(size, dtype=np.float32)
    whole = rng.random() < 0.6
    scale = float(rng.uniform(0.19, 0.24) * size[1] if whole else rng.uniform(0.28, 0.36) * min(size))
    row = size[0] * float(rng.uniform(0.5, 0.65))
    middle = size[1] * (0.5 if whole else float(rng.choice([-0.05, 1.05])))
    heads = [(row, middle - 1.25 * scale), (row, middle + 1.25 * scale)]
    add_pelvis(film, (heads[0], heads[1]), scale, rng)
    for head, medial in zip(heads, (1.0, -1.0), strict=True):
        thigh = np.array([head, (head[0] + 4 * scale, head[1] - medial * 0.6 * scale)])
        add_flesh_chain(film, chain(size, thigh, np.array([1.0, 0.95]) * scale), 0.24)
        bone = smooth_path((_FEMUR - (0.66, 0.0))[:, ::-1] * (scale, medial * scale) + head, closed=True)
        add_outline(film, [bone], Look(0.26, 0.12, max(0.05 * scale, 0.8), max(0.2 * scale, 1)))
        if rng.random() < 0.15:
            replace_hip(film, head, scale, medial)
    return _grained(film, scale, rng)


def draw_chest(size: tuple[int, int], rng: np.random.Generator) -> FloatImage:
    """A chest from the front: (rows, columns) float32."""
    film = np.zeros(size, dtype=np.float32)
    s = float(rng.uniform(0.85, 1.0)) * min(size)
    r, c = size[0] * 0.5, size[1] * 0.5

    def at(points: list[tuple[float, float]]) -> Points:
        return smooth_path(np.array(points) * s + (r, c), 3)

    for knots, radii, density in (
        ([(0.7, 0.0), (0.2, 0.0), (-0.25, 0.0)], (0.44, 0.42, 0.36), 0.50),
        ([(-0.28, -0.4), (-0.32, -0.2), (-0.36, 0.0), (-0.32, 0.2), (-0.28, 0.4)], (0.16, 0.13, 0.11, 0.13, 0.16), 0.2),
        ([(-0.7, 0.0), (-0.3, 0.0)], (0.11, 0.12), 0.14),
    ):
        path = at(knots)
        wide = np.interp(np.linspace(0, 1, len(path)), np.linspace(0, 1, len(radii)), radii) * s
        add_flesh_chain(film, chain(size, path, wide), density)
    for sign in (-1.0, 1.0):
        floor = 0.28 if sign < 0 else 0.31
        lung = [
            (-0.36, 0.10),
            (-0.30, 0.20),
            (-0.1, 0.30),
            (0.15, 0.345),
            (floor, 0.345),
            (floor - 0.06, 0.2),
            (floor - 0.02, 0.07),
        ]
        shape = np.array([*lung, (0.0, 0.06), (-0.25, 0.05)]) * (1.0, sign) * s + (r, c)
        add_outline(film, [smooth_path(shape, closed=True)], Look(-0.40, 0, 1, 0.06 * s))
        for number in range(9):
            y = -0.36 + 0.075 * number
            w = 0.20 + 0.16 * np.sin(np.pi * (number + 1.5) / 12)
            path = at(
                [
                    (y, sign * 0.03),
                    (y - 0.01, sign * w * 0.5),
                    (y + 0.05, sign * w * 0.95),
                    (y + 0.13, sign * w),
                    (y + 0.2, sign * w * 0.7),
                ]
            )
            add_bone_chain(film, chain(size, path, np.full(len(path), 0.014 * s)), 0.055, 0.75)
        collar = at([(-0.30, sign * 0.04), (-0.33, sign * 0.15), (-0.36, sign * 0.30), (-0.35, sign * 0.38)])
        add_bone_chain(film, chain(size, collar, np.full(len(collar), 0.018 * s)), 0.10, 0.6)
        for _ in range(14):
            way = rng.uniform(-0.8, 1.0)
            far = rng.uniform(0.06, 0.2)
            line = at(
                [(0.0, sign * 0.07), (far * way * 0.5, sign * (0.07 + far * 0.6)), (far * way, sign * (0.07 + far))]
            )
            add_bone_chain(film, chain(size, line, np.linspace(0.012, 0.003, len(line)) * s), 0.05, 0.0)
    heart = np.array(
        [(-0.12, -0.05), (-0.15, 0.03), (0.0, 0.10), (0.14, 0.19), (0.27, 0.17), (0.29, -0.05), (0.12, -0.09)]
    )
    add_outline(film, [smooth_path(heart * s + (r, c), closed=True)], Look(0.26, 0, 1, 0.08 * s))
    for number in range(13):
        add_vertebra(film, (r + (-0.42 + 0.075 * number) * s, c), (0.03 * s, 0.035 * s))
    return _grained(film, 0.3 * s, rng)


def draw_spine(size: tuple[int, int], rng: np.random.Generator) -> FloatImage:
    """A lumbar or cervical spine from the front or the side: (rows, columns) float32."""
    film = np.zeros(size, dtype=np.float32)
    s = float(size[0])
    side = rng.random() < 0.5
    count = int(rng.integers(5, 8))
    step = s * float(rng.uniform(0.9, 1.1)) / count
    wide = float(rng.uniform(0.55, 0.75)) * step
    bow, phase = float(rng.uniform(0.03, 0.10)) * s, float(rng.uniform(0, 2))
    middle = size[1] * float(rng.normal(0.5, 0.04))
    trunk = np.array([(-0.2 * s, middle), (1.2 * s, middle)])
    add_flesh_chain(film, chain(size, trunk, np.full(2, min(0.75 * size[1], 2.7 * wide))), 0.46)
    for number in range(-1, count + 1):
        y = (number + 0.5) * step
        x = middle + bow * (np.sin(np.pi * y / s + phase) - 0.5) * (1.0 if side else 0.25)
        if not side:
            add_vertebra(film, (y, x), (0.40 * step, wide))
            continue
        h, w = 0.40 * step, 0.9 * wide
        body = np.array(
            [
                (y - h, x - w),
                (y - 0.85 * h, x),
                (y - h, x + w),
                (y, x + 0.88 * w),
                (y + h, x + w),
                (y + 0.85 * h, x),
                (y + h, x - w),
                (y, x - 0.88 * w),
            ]
        )
        add_outline(
            film, [smooth_path(body, closed=True)], Look(0.24, 0.13, max(0.05 * step, 0.8), max(0.15 * step, 1))
        )
        arch = np.array([(y - 0.3 * h, x + w), (y, x + 1.6 * w), (y + 0.9 * h, x + 2.5 * w)])
        add_bone_chain(film, chain(size, arch, np.array([0.3, 0.34, 0.26]) * h), 0.14, 0.7)
    return _grained(film, 0.5 * step, rng)


def draw_skull(size: tuple[int, int], rng: np.random.Generator) -> FloatImage:
    """A skull from the front or the side: (rows, columns) float32."""
    film = np.zeros(size, dtype=np.float32)
    s = float(rng.uniform(0.8, 1.0)) * min(size)
    r, c = size[0] * 0.47, size[1] * 0.5

    def shape(centre: tuple[float, float], radii: tuple[float, float]) -> Points:
        return ellipse((r + centre[0] * s, c + centre[1] * s), (radii[0] * s, radii[1] * s))

    side = rng.random() < 0.5
    rim = max(0.022 * s, 1.0)
    vault = shape((-0.08, 0.04 if side else 0.0), (0.32, 0.40 if side else 0.29))
    add_flesh_chain(
        film, chain(size, np.array([(r + 0.1 * s, c), (r + 0.8 * s, c + 0.1 * s)]), np.array([0.2, 0.2]) * s), 0.3
    )
    scalp = np.array([(-0.10, 0.03 if side else 0.0), (0.12, -0.02 if side else 0.0), (0.26, -0.14 if side else 0.0)])
    add_flesh_chain(film, chain(size, scalp * s + (r, c), np.array([0.36, 0.30, 0.23]) * s), 0.22)
    add_outline(film, [vault], Look(0.42, 0.26, rim, 0.10 * s))
    if side:
        face = np.array(
            [(0.0, -0.30), (0.12, -0.36), (0.2, -0.38), (0.36, -0.30), (0.40, -0.2), (0.28, -0.05), (0.15, 0.0)]
        )
        add_outline(film, [smooth_path(face * s + (r, c), closed=True)], Look(0.16, 0.08, rim, 0.05 * s))
        jaw = np.array([(0.12, -0.02), (0.28, 0.0), (0.40, -0.2), (0.40, -0.33)]) * s + (r, c)
        add_bone_chain(film, chain(size, smooth_path(jaw), np.full(19, 0.05 * s)), 0.16, 0.6)
        for number in range(5):
            add_outline(
                film,
                [shape((0.2 + 0.11 * number, 0.1 + 0.012 * number), (0.045, 0.06))],
                Look(0.18, 0.1, rim, 0.03 * s),
            )
    else:
        for sign in (-1.0, 1.0):
            add_outline(film, [shape((0.05, sign * 0.12), (0.075, 0.085))], Look(-0.12, -0.06, rim, 0.03 * s))
            add_outline(film, [shape((0.16, sign * 0.13), (0.07, 0.06))], Look(-0.08, 0, rim, 0.03 * s))
        add_outline(film, [shape((0.14, 0.0), (0.07, 0.04))], Look(-0.10, 0, rim, 0.02 * s))
        jaw = np.array([(0.1, -0.24), (0.3, -0.21), (0.42, -0.08), (0.42, 0.08), (0.3, 0.21), (0.1, 0.24)]) * s + (r, c)
        add_bone_chain(film, chain(size, smooth_path(jaw), np.full(31, 0.045 * s)), 0.18, 0.6)
    teeth = [
        shape((0.30 + 0.05 * (n % 2), (-0.33 + 0.02 * n) if side else (-0.09 + 0.017 * n)), (0.02, 0.008))
        for n in range(11)
    ]
    add_outline(film, teeth, Look(0.2, 0.1, 1.0, 2.0))
    return _grained(film, 0.3 * s, rng)


def draw_slice(size: tuple[int, int], rng: np.random.Generator) -> FloatImage:
    """A slice across a limb or the trunk, as a scanner reconstructs it: grey is density, not path; noise is grainy."""
    film = np.zeros(size, dtype=np.float32)
    s, r, c = float(min(size)), size[0] / 2, size[1] / 2
    legs = rng.random() < 0.5
    for sign in (-1.0, 1.0) if legs else (0.0,):
        x = c + sign * 0.24 * s
        wide = (0.24 * s, 0.22 * s) if legs else (0.3 * s, 0.42 * s)
        add_outline(film, [ellipse((r, x), wide)], Look(0.22, 0, 1, 2.0))
        add_outline(film, [ellipse((r, x), (0.88 * wide[0], 0.88 * wide[1]))], Look(0.12, 0, 1, 2.0))
        bone = (0.11 * s, 0.15 * s) if legs else (0.05 * s, 0.06 * s)
        place = (r - 0.01 * s, x) if legs else (r + 0.12 * s, x)
        add_outline(film, [ellipse(place, bone, float(rng.normal(0, 10)))], Look(0.12, 0.5, max(0.012 * s, 0.8), 2.0))
        cap = (r - 0.17 * s, x)
        add_outline(film, [ellipse(cap, (0.035 * s, 0.07 * s))], Look(0.15, 0.45, max(0.01 * s, 0.8), 2.0))
    if not legs:
        for _ in range(6):
            at = (r + rng.uniform(-0.15, 0.1) * s, c + rng.uniform(-0.3, 0.3) * s)
            add_outline(
                film,
                [ellipse(at, (rng.uniform(0.03, 0.1) * s, rng.uniform(0.03, 0.1) * s))],
                Look(float(rng.uniform(-0.2, 0.12)), 0, 1, 2.0),
            )
    table = smooth_path(np.array([(0.36, -0.4), (0.42, 0.0), (0.36, 0.4)]) * s + (r, c))
    add_bone_chain(film, chain(size, table, np.full(len(table), 0.008 * s)), 0.25, 0.0)
    return np.asarray(film + grain(size, 1.8, rng) * np.float32(rng.uniform(0.01, 0.05)), dtype=np.float32)


def _grained(film: FloatImage, scale: float, rng: np.random.Generator) -> FloatImage:
    slow = clouds(film.shape, (0.5 * scale, 0.5 * scale), rng) * np.float32(0.04)
    fine = grain(film.shape, max(scale / 60, 1.0), rng) * np.float32(0.010)
    film = np.maximum(film, 0)
    return np.asarray(film * (1 + slow) + fine * np.clip(2 * film, 0, 1), dtype=np.float32)
