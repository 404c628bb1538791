"""Other limbs and joints: foot, ankle, hand, elbow, shoulder.

Each drawing fills a square of its own, (down, across) with the middle at (0, 0) and the long side's ends at -0.5 and
0.5, which is turned and set into the film.
"""

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
from kneeoa.datasets.film_geometry import Affine, Points
from kneeoa.datasets.film_texture import clouds, grain
from kneeoa.model.radiograph import FloatImage

Knots = list[tuple[float, float]]


class _Sheet:
    """A film with coordinates of its own: a scale, a turn, perhaps mirrored."""

    def __init__(self, size: tuple[int, int], scale: float, degrees: float, rng: np.random.Generator) -> None:
        self.film = np.zeros(size, dtype=np.float32)
        self.scale = scale
        self.rng = rng
        mirror = float(rng.choice([-1.0, 1.0]))
        centre = (size[0] * float(rng.normal(0.5, 0.03)), size[1] * float(rng.normal(0.5, 0.03)))
        turn = Affine.turn(degrees, (0.0, 0.0))
        self._place = Affine(scale, 0, 0, 0, mirror * scale, 0).then(turn).then(Affine.shift(*centre))

    def at(self, points: Knots | Points) -> Points:
        return self._place.points(np.array(points, dtype=np.float64))

    def bone(self, knots: Knots, radii: list[float], density: float = 0.2, canal: float = 0.6) -> None:
        """A tube along knots; radii by knot, or spread over them."""
        self._tube(knots, radii, (density, canal), None)

    def shaft(self, knots: Knots, radii: list[float], ends: tuple[Knots, Knots], density: float = 0.26) -> None:
        """A tube that gives way to a `head`: whole at the first, gone at the second point."""
        whole, gone = (self.at(end)[0] for end in ends)
        self._tube(knots, radii, (density, 0.6), Fade((gone[0], gone[1]), (whole[0], whole[1])))

    def _tube(self, knots: Knots, radii: list[float], look: tuple[float, float], fade: Fade | None) -> None:
        path = smooth_path(self.at(knots), 5)
        wide = np.interp(np.linspace(0, 1, len(path)), np.linspace(0, 1, len(radii)), np.array(radii)) * self.scale
        add_bone_chain(self.film, chain(self.film.shape, path, wide), *look, fade)

    def flesh(self, knots: Knots, radii: list[float], density: float = 0.3) -> None:
        path = smooth_path(self.at(knots), 5)
        wide = np.interp(np.linspace(0, 1, len(path)), np.linspace(0, 1, len(radii)), np.array(radii)) * self.scale
        add_flesh_chain(self.film, chain(self.film.shape, path, wide), density)

    def block(self, knots: Knots | Points, density: float = 0.2, cortex: float = 0.1, round_: float = 0.03) -> None:
        """A bone with an outline."""
        look = Look(density, cortex, max(0.008 * self.scale, 0.7), max(round_ * self.scale, 1))
        add_outline(self.film, [smooth_path(self.at(knots), closed=True)], look)

    def head(self, knots: Knots, ends: tuple[Knots, Knots], density: float) -> None:
        """An outline that a `shaft` gives way to: gone at the first, whole at the second point."""
        gone, whole = (self.at(end)[0] for end in ends)
        look = Look(density, 0.12, max(0.01 * self.scale, 0.7), max(0.05 * self.scale, 1))
        fade = Fade((gone[0], gone[1]), (whole[0], whole[1]))
        add_outline(self.film, [smooth_path(self.at(knots), closed=True)], look, fade)

    def done(self) -> FloatImage:
        slow = clouds(self.film.shape, (0.15 * self.scale, 0.15 * self.scale), self.rng) * np.float32(0.03)
        fine = grain(self.film.shape, max(self.scale / 250, 1.0), self.rng) * np.float32(0.012)
        return np.asarray(self.film * (1 + slow) + fine * np.clip(2 * self.film - 0.5, 0, 1), dtype=np.float32)


def _quarter(rng: np.random.Generator, share: float = 0.2) -> float:
    return float(rng.normal(0, 8)) + (float(rng.choice([90.0, 180.0, -90.0])) if rng.random() < share else 0.0)


def draw_foot(size: tuple[int, int], rng: np.random.Generator) -> FloatImage:
    """A foot from above or from the side, the latter with its shin: (rows, columns) float32 absorption."""
    sheet = _Sheet(size, float(rng.uniform(0.8, 1.05)) * min(size), _quarter(rng), rng)
    if rng.random() < 0.5:
        _rays(sheet, count=5, thumb=False)
        sheet.flesh([(0.5, -0.02), (0.2, 0.0), (-0.05, 0.0), (-0.2, 0.0)], [0.12, 0.14, 0.19, 0.18], 0.26)
        for r, c, h, w in (
            *(
                (0.13, -0.09, 0.05, 0.035),
                (0.12, -0.03, 0.05, 0.03),
                (0.13, 0.02, 0.05, 0.03),
                (0.17, 0.09, 0.08, 0.045),
            ),
            *((0.20, -0.05, 0.035, 0.07), (0.28, -0.03, 0.06, 0.06), (0.36, 0.01, 0.12, 0.06)),
        ):
            sheet.block(ellipse((r, c), (h, w), float(rng.normal(0, 6))), 0.13, 0.08)
        return sheet.done()
    sheet.flesh([(-0.75, 0.16), (-0.2, 0.17), (0.05, 0.15)], [0.13, 0.10, 0.11], 0.30)
    sheet.flesh([(0.10, 0.22), (0.08, 0.0), (0.14, -0.25), (0.19, -0.45)], [0.12, 0.13, 0.07, 0.035], 0.30)
    sheet.bone([(-0.8, 0.15), (-0.25, 0.15), (-0.06, 0.15)], [0.045, 0.045, 0.075], 0.26)
    sheet.bone([(-0.8, 0.19), (-0.2, 0.19), (0.0, 0.18)], [0.02, 0.022, 0.035], 0.12)
    sheet.block([(-0.04, 0.20), (-0.045, 0.12), (0.0, 0.05), (0.05, 0.03), (0.08, 0.1), (0.06, 0.2)], 0.22)
    sheet.block(
        [(0.05, 0.20), (0.05, 0.30), (0.12, 0.34), (0.20, 0.31), (0.16, 0.2), (0.14, 0.06), (0.08, 0.05)], 0.24, 0.12
    )
    sheet.block([(0.02, 0.03), (0.03, -0.03), (0.13, -0.04), (0.14, 0.05)], 0.18)
    for number in range(5):
        drop, far = 0.02 * number, 0.03 * number
        sheet.bone([(0.05 + drop, -0.04), (0.13 + 0.6 * drop, -0.24 + far)], [0.026, 0.018, 0.018, 0.026], 0.10)
        sheet.bone([(0.14 + 0.6 * drop, -0.26 + far), (0.18, -0.34 + far)], [0.018, 0.013, 0.016], 0.07)
    return sheet.done()


def _rays(sheet: _Sheet, count: int, thumb: bool) -> None:
    """Metacarpals or metatarsals with their fingers or toes, upwards, in flesh."""
    rng = sheet.rng
    splay = float(rng.uniform(0.5, 1.3)) if thumb else 0.55
    for number in range(count):
        first = number == 0
        base = np.array([0.08 + (0.05 if first and thumb else 0.0), -0.11 + 0.052 * number])
        angle = np.radians((-8 + 4.5 * number) * splay * 1.4 - (28 if first and thumb else 0))
        ahead = np.array([-np.cos(angle), np.sin(angle)])
        long = 0.9 if first else 1.0 - 0.09 * abs(number - (2 if thumb else 1))
        lengths = (0.20, 0.13 if thumb else 0.075, 0.08 if thumb else 0.03, 0.055 if thumb else 0.03)
        half = 0.021 if thumb or not first else 0.03
        start = base
        for part, length in enumerate(lengths[: 3 if first else 4]):
            end = start + ahead * length * long
            shrink = half * (1.0, 0.82, 0.68, 0.55)[part]
            knots = [(float(p[0]), float(p[1])) for p in (start, (start + end) / 2, end)]
            sheet.bone(knots, [1.15 * shrink, 0.72 * shrink, 0.72 * shrink, 1.1 * shrink], 0.16 - 0.02 * part)
            start = end + ahead * 0.010
        tip = (float(start[0]), float(start[1]))
        root = (float(base[0] - 0.1), float(base[1]))
        sheet.flesh([root, tip], [0.036 if thumb or not first else 0.045, 0.030 if thumb else 0.028], 0.12)


def draw_hand(size: tuple[int, int], rng: np.random.Generator) -> FloatImage:
    """A hand on the plate: (rows, columns) float32 absorption."""
    sheet = _Sheet(size, float(rng.uniform(0.85, 1.1)) * min(size), _quarter(rng), rng)
    _rays(sheet, count=5, thumb=True)
    sheet.flesh([(0.75, 0.0), (0.3, 0.0), (0.15, 0.0), (-0.05, 0.0)], [0.09, 0.085, 0.11, 0.13], 0.24)
    for row in range(2):
        for number in range(4):
            at = (0.12 + 0.055 * row, -0.075 + 0.05 * number + 0.01 * row)
            sheet.block(ellipse(at, (0.031, 0.027), float(rng.uniform(0, 180))), 0.13, 0.07, 0.015)
    sheet.bone([(0.8, -0.04), (0.4, -0.045), (0.22, -0.05)], [0.028, 0.03, 0.06], 0.2)
    sheet.bone([(0.8, 0.05), (0.4, 0.05), (0.22, 0.055)], [0.026, 0.022, 0.03], 0.17)
    return sheet.done()


def draw_ankle(size: tuple[int, int], rng: np.random.Generator) -> FloatImage:
    """An ankle from the front: (rows, columns) float32 absorption."""
    sheet = _Sheet(size, float(rng.uniform(0.75, 1.1)) * min(size), _quarter(rng, 0.1), rng)
    sheet.flesh([(-0.75, 0.0), (-0.2, 0.0), (0.1, 0.0), (0.4, 0.0)], [0.26, 0.19, 0.20, 0.22], 0.34)
    joint = ([(-0.40, -0.02)], [(-0.18, -0.02)])
    sheet.shaft([(-0.9, -0.02), (-0.3, -0.02), (-0.06, -0.02)], [0.085, 0.085, 0.12], joint, 0.30)
    plafond = [
        (-0.5, -0.10),
        (-0.3, -0.11),
        (-0.15, -0.145),
        (-0.02, -0.175),
        (0.07, -0.165),
        (0.075, -0.14),
        (0.015, -0.12),
    ]
    sheet.head([*plafond, (0.0, 0.0), (0.015, 0.10), (-0.08, 0.11), (-0.25, 0.08), (-0.5, 0.065)], joint, 0.30)
    sheet.bone([(-0.9, 0.16), (-0.2, 0.15), (0.0, 0.145), (0.10, 0.15)], [0.034, 0.036, 0.052, 0.04], 0.18)
    dome = [(0.035, -0.115), (0.022, 0.0), (0.035, 0.105), (0.13, 0.11), (0.19, 0.06), (0.18, -0.07), (0.13, -0.12)]
    sheet.block(dome, 0.26, 0.12, 0.05)
    sheet.block(ellipse((0.28, 0.02), (0.13, 0.11)), 0.18, 0.08, 0.05)
    sheet.block(ellipse((0.40, -0.03), (0.10, 0.16)), 0.14, 0.05, 0.06)
    return sheet.done()


def draw_elbow(size: tuple[int, int], rng: np.random.Generator) -> FloatImage:
    """An elbow from the front, straight, or from the side, bent: (rows, columns) float32 absorption."""
    sheet = _Sheet(size, float(rng.uniform(0.8, 1.15)) * min(size), _quarter(rng), rng)
    if rng.random() < 0.6:
        sheet.flesh(
            [(-0.8, 0.0), (-0.2, 0.0), (0.05, 0.0), (0.3, 0.0), (0.8, 0.03)], [0.20, 0.17, 0.19, 0.19, 0.13], 0.32
        )
        joint = ([(-0.24, 0.0)], [(-0.10, 0.0)])
        sheet.shaft([(-0.9, 0.0), (-0.25, 0.0), (-0.02, 0.0)], [0.062, 0.06, 0.075], joint)
        ends = [(-0.2, -0.06), (-0.06, -0.17), (0.0, -0.15), (0.035, -0.05), (0.01, 0.02), (0.04, 0.1), (0.0, 0.14)]
        sheet.head([(-0.32, -0.06), *ends, (-0.07, 0.16), (-0.2, 0.07), (-0.32, 0.06)], joint, 0.26)
        sheet.bone([(0.05, 0.09), (0.10, 0.09), (0.16, 0.08), (0.9, 0.12)], [0.056, 0.05, 0.036, 0.04], 0.2)
        sheet.bone([(-0.02, -0.04), (0.07, -0.06), (0.2, -0.05), (0.9, -0.03)], [0.075, 0.085, 0.055, 0.03], 0.2)
        return sheet.done()
    sheet.flesh([(-0.8, 0.05), (-0.1, 0.06), (0.1, 0.0), (0.12, -0.8)], [0.19, 0.16, 0.15, 0.11], 0.32)
    sheet.bone([(-0.9, 0.05), (-0.15, 0.05), (0.03, 0.02)], [0.06, 0.055, 0.085], 0.26)
    sheet.block(ellipse((0.06, 0.01), (0.085, 0.085)), 0.16, 0.12)
    sheet.bone([(0.06, 0.15), (0.14, 0.08), (0.15, -0.1), (0.17, -0.9)], [0.05, 0.075, 0.05, 0.028], 0.22)
    sheet.bone([(0.06, -0.10), (0.07, -0.2), (0.09, -0.9)], [0.055, 0.036, 0.04], 0.18)
    return sheet.done()


def draw_shoulder(size: tuple[int, int], rng: np.random.Generator) -> FloatImage:
    """A shoulder from the front, with upper ribs: (rows, columns) float32 absorption."""
    sheet = _Sheet(size, float(rng.uniform(0.85, 1.15)) * min(size), float(rng.normal(0, 5)), rng)
    sheet.flesh([(0.9, 0.55), (0.2, 0.5), (-0.3, 0.35), (-0.55, 0.5)], [0.42, 0.42, 0.2, 0.15], 0.42)
    sheet.flesh([(0.8, -0.26), (0.2, -0.2), (-0.1, -0.12)], [0.15, 0.19, 0.2], 0.36)
    lung = Look(-0.16, 0, 1, 0.1 * sheet.scale)
    add_outline(sheet.film, [sheet.at(ellipse((0.35, 0.42), (0.5, 0.26)))], lung)
    for number in range(6):
        y = -0.15 + 0.13 * number
        sheet.bone([(y, 0.62), (y + 0.03, 0.35), (y + 0.14, 0.18), (y + 0.26, 0.24)], [0.022, 0.024, 0.022], 0.08)
    neck = ([(0.22, -0.19)], [(0.06, -0.17)])
    sheet.shaft([(0.9, -0.24), (0.2, -0.19), (-0.05, -0.15)], [0.065, 0.062, 0.09], neck)
    head = [(0.30, -0.26), (0.10, -0.26), (-0.06, -0.27), (-0.14, -0.20), (-0.16, -0.09), (-0.10, 0.0), (0.0, 0.02)]
    sheet.head([*head, (0.08, -0.05), (0.16, -0.11), (0.30, -0.14)], neck, 0.24)
    blade = [
        (-0.15, 0.05),
        (-0.04, 0.07),
        (0.06, 0.05),
        (0.2, 0.12),
        (0.42, 0.22),
        (0.1, 0.36),
        (-0.16, 0.34),
        (-0.2, 0.2),
    ]
    sheet.block(blade, 0.07, 0.08, 0.03)
    sheet.bone([(-0.2, 0.55), (-0.28, 0.35), (-0.25, 0.15), (-0.24, 0.0)], [0.035, 0.026, 0.03], 0.17)
    sheet.block([(-0.22, 0.02), (-0.25, -0.12), (-0.20, -0.17), (-0.17, -0.08), (-0.17, 0.1)], 0.1, 0.08)
    sheet.block(ellipse((-0.12, 0.08), (0.04, 0.06)), 0.1, 0.08)
    return sheet.done()
