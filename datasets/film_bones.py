"""Bones and flesh of any kind out of outlines and paths, as absorption added to a film.

Points are (row, column) in pixels. A ray through a bone crosses cortex, longest where it grazes the surface, and
cancellous bone or a canal; that is all that is drawn here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from PIL import Image, ImageDraw

from kneeoa.datasets.film_geometry import Points
from kneeoa.datasets.film_texture import blurred, flat_chord, smoothstep
from kneeoa.model.radiograph import FloatImage

_FAR = 9.0


@dataclass(frozen=True, slots=True)
class Look:
    """How a bone, or a limb, absorbs.

    Attributes:
        density: absorption of its middle.
        cortex: absorption added along its border.
        rim: how deep the cortex is, pixels.
        rounding: how far from its border it reaches its full thickness, pixels.
    """

    density: float
    cortex: float = 0.0
    rim: float = 1.0
    rounding: float = 5.0


def smooth_path(knots: Points, steps: int = 6, closed: bool = False) -> Points:
    """Catmull-Rom curve through knots: (points, 2)."""
    knots = np.asarray(knots, dtype=np.float64)
    if closed:
        corners = [np.roll(knots, shift, axis=0) for shift in (1, 0, -1, -2)]
    else:
        longer = np.concatenate([2 * knots[:1] - knots[1:2], knots, 2 * knots[-1:] - knots[-2:-1]])
        corners = [longer[i : len(longer) - 3 + i] for i in range(4)]
    p0, p1, p2, p3 = (corner[:, None, :] for corner in corners)
    t = np.linspace(0.0, 1.0, steps, endpoint=False)[None, :, None]
    curve = p1 + t / 2 * (p2 - p0 + t * (2 * p0 - 5 * p1 + 4 * p2 - p3 + t * (3 * (p1 - p2) + p3 - p0)))
    points = curve.reshape(-1, curve.shape[-1])
    return points if closed else np.concatenate([points, knots[-1:]])


@dataclass(frozen=True, slots=True, eq=False)
class Mask:
    """Part of a film: which rows and columns, and how far each pixel is covered, 0 to 1."""

    rows: slice
    columns: slice
    cover: FloatImage

    @property
    def empty(self) -> bool:
        """Whether it lies outside the film."""
        return self.cover.size == 0


def polygon_mask(size: tuple[int, int], outlines: Iterable[Points], margin: float = 0.0, fine: int = 2) -> Mask:
    """Anti-aliased cover of closed outlines, (row, column) each, on a film of a size.

    Args:
        size: rows and columns of the film.
        outlines: drawn over each other.
        margin: pixels kept free around, for blurs.
        fine: sub-pixels along a side.
    """
    shapes = [np.asarray(o, dtype=np.float64) for o in outlines]
    low = np.min([s.min(axis=0) for s in shapes], axis=0) - margin - 1
    high = np.max([s.max(axis=0) for s in shapes], axis=0) + margin + 2
    r0, c0 = (int(max(np.floor(v), 0)) for v in low)
    r1, c1 = (int(min(np.ceil(v), n)) for v, n in zip(high, size, strict=True))
    if r1 <= r0 or c1 <= c0:
        return Mask(slice(0, 0), slice(0, 0), np.zeros((0, 0), dtype=np.float32))
    tile = Image.new("L", ((c1 - c0) * fine, (r1 - r0) * fine))
    pen = ImageDraw.Draw(tile)
    for shape in shapes:
        at = (shape[:, ::-1] - (c0, r0) + 0.5) * fine - 0.5
        pen.polygon([(float(x), float(y)) for x, y in at], fill=255)
    cover = np.asarray(tile.reduce(fine) if fine > 1 else tile, dtype=np.float32) / np.float32(255)
    return Mask(slice(r0, r1), slice(c0, c1), cover)


@dataclass(frozen=True, slots=True)
class Fade:
    """A bone's end gives way to the next part: nothing of it at `gone` and beyond, all of it at `whole` and beyond."""

    gone: tuple[float, float]
    whole: tuple[float, float]

    def share(self, rows: slice, columns: slice) -> FloatImage:
        """(rows, columns) float32 in [0, 1] on a part of a film."""
        (r0, c0), (r1, c1) = self.gone, self.whole
        y = np.arange(rows.start, rows.stop, dtype=np.float32)[:, None] - np.float32(r0)
        x = np.arange(columns.start, columns.stop, dtype=np.float32)[None, :] - np.float32(c0)
        along = y * np.float32(r1 - r0) + x * np.float32(c1 - c0)
        along /= np.float32((r1 - r0) ** 2 + (c1 - c0) ** 2 + 1e-6)
        return smoothstep(along.astype(np.float32), 0.0, 1.0)

    @property
    def reverse(self) -> Fade:
        """What the next part needs."""
        return Fade(self.whole, self.gone)


def add_outline(film: FloatImage, outlines: Sequence[Points], look: Look, fade: Fade | None = None) -> None:
    """Adds a bone, or a mass of flesh, that fills closed outlines, in place."""
    mask = polygon_mask(film.shape, outlines, margin=2 * look.rounding)
    if mask.empty:
        return
    body = np.clip(2 * blurred(mask.cover, look.rounding / 2) - 1, 0, 1)
    shape = np.sqrt(body * (2 - body)) * mask.cover
    total = np.float32(look.density) * (np.float32(0.12) * mask.cover + np.float32(0.88) * shape)
    if look.cortex:
        deep = np.clip(2 * blurred(mask.cover, look.rim / 2) - 1, 0, 1)
        total += np.float32(look.cortex) * mask.cover * (1 - deep)
    if fade is not None:
        total *= fade.share(mask.rows, mask.columns)
    film[mask.rows, mask.columns] += total


@dataclass(frozen=True, slots=True, eq=False)
class Chain:
    """Part of a film and, by pixel, the squared distance from a path over the path's squared radius there."""

    rows: slice
    columns: slice
    squared: FloatImage


def chain(size: tuple[int, int], path: Points, radii: Sequence[float] | Points) -> Chain:
    """Distances from a path of discs: 1 on the border of the limb that they sweep.

    Args:
        size: rows and columns of the film.
        path: (points, 2), (row, column).
        radii: one a point, pixels.
    """
    path, r = np.asarray(path, dtype=np.float64), np.maximum(np.asarray(radii, dtype=np.float64), 0.3)
    low, high = (path - r[:, None]).min(axis=0) - 1, (path + r[:, None]).max(axis=0) + 2
    r0, c0 = (int(np.clip(np.floor(v), 0, n)) for v, n in zip(low, size, strict=True))
    r1, c1 = (int(np.clip(np.ceil(v), 0, n)) for v, n in zip(high, size, strict=True))
    squared = np.full((max(r1 - r0, 0), max(c1 - c0, 0)), _FAR, dtype=np.float32)
    for (start, end), (ra, rb) in zip(pairwise(path), pairwise(r), strict=True):
        a = np.maximum(np.floor(np.minimum(start - ra, end - rb)).astype(int) - (r0, c0), 0)
        b = np.minimum(np.ceil(np.maximum(start + ra, end + rb)).astype(int) + 1 - (r0, c0), squared.shape)
        if (b <= a).any():
            continue
        near = squared[a[0] : b[0], a[1] : b[1]]
        y = np.arange(a[0] + r0, b[0] + r0, dtype=np.float32)[:, None] - np.float32(start[0])
        x = np.arange(a[1] + c0, b[1] + c0, dtype=np.float32)[None, :] - np.float32(start[1])
        dy, dx = (end - start).astype(np.float32)
        t = np.clip((y * dy + x * dx) / max(float(dy * dy + dx * dx), 1e-6), 0, 1)
        q = ((y - t * dy) ** 2 + (x - t * dx) ** 2) / (np.float32(ra) + np.float32(rb - ra) * t) ** 2
        np.minimum(near, q, out=near)
    return Chain(slice(r0, r0 + squared.shape[0]), slice(c0, c0 + squared.shape[1]), squared)


def union(where: Chain, other: Chain, thickness: float) -> Chain:
    """Two limbs as one: the second, `thickness` of the first's where it is thickest, only shows where it is thicker."""
    r0, r1 = min(where.rows.start, other.rows.start), max(where.rows.stop, other.rows.stop)
    c0, c1 = min(where.columns.start, other.columns.start), max(where.columns.stop, other.columns.stop)
    squared = np.full((r1 - r0, c1 - c0), _FAR, dtype=np.float32)
    squared[where.rows.start - r0 : where.rows.stop - r0, where.columns.start - c0 : where.columns.stop - c0] = (
        where.squared
    )
    near = squared[other.rows.start - r0 : other.rows.stop - r0, other.columns.start - c0 : other.columns.stop - c0]
    np.minimum(near, 1 - (1 - other.squared) * np.float32(thickness), out=near)
    return Chain(slice(r0, r1), slice(c0, c1), squared)


def add_bone_chain(film: FloatImage, where: Chain, density: float, canal: float, fade: Fade | None = None) -> None:
    """Adds a long bone, in place: cortex round a canal of `canal` of its width; its middle absorbs `density`."""
    q = where.squared
    wall = np.sqrt(np.maximum(1 - q, 0)) - np.float32(0.76) * np.sqrt(np.maximum(np.float32(canal**2) - q, 0))
    if fade is not None:
        wall *= fade.share(where.rows, where.columns)
    film[where.rows, where.columns] += np.float32(density / (1 - 0.76 * canal)) * wall


def add_flesh_chain(film: FloatImage, where: Chain, density: float, fat: float = 0.82) -> None:
    """Adds a limb's flesh: fat round muscle of `fat` of its width; `density` is the middle's absorption, in place."""
    q = where.squared
    outer = flat_chord(1 - q)
    inner = np.sqrt(np.maximum(np.float32(fat**2) - q, 0))
    film[where.rows, where.columns] += np.float32(density) * (np.float32(0.72) * outer + np.float32(0.33) * inner)


def ellipse(centre: tuple[float, float], radii: tuple[float, float], degrees: float = 0.0, points: int = 40) -> Points:
    """Outline of an ellipse: radii along rows and columns before it is turned counter-clockwise as displayed."""
    t = np.linspace(0, 2 * np.pi, points, endpoint=False)
    r, c = radii[0] * np.sin(t), radii[1] * np.cos(t)
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.stack([centre[0] + cos * r - sin * c, centre[1] + sin * r + cos * c], axis=1)


class BoneAxes:
    """A bone's own axes on a film, (forward, down) in multiples of a scale.

    Args:
        origin: (row, column) of their origin.
        scale: pixels.
        degrees: turns the bone's lower end backward.
        forward: 1 where forward is image right, -1 where it is image left.
    """

    def __init__(self, origin: tuple[float, float], scale: float, degrees: float, forward: float) -> None:
        self.origin, self.scale, self.forward = origin, scale, forward
        angle = np.radians(degrees)
        self._cos, self._sin = float(np.cos(angle)), float(np.sin(angle))

    def place(self, points: Points) -> Points:
        """(points, 2) (forward, down) as (row, column)."""
        u, v = np.asarray(points, dtype=np.float64).reshape(-1, 2).T
        forward, down = self._cos * u - self._sin * v, self._sin * u + self._cos * v
        row, column = self.origin
        return np.stack([row + down * self.scale, column + self.forward * forward * self.scale], axis=1)

    def point(self, forward: float, down: float) -> tuple[float, float]:
        """One (forward, down) as (row, column)."""
        row, column = self.place(np.array([(forward, down)]))[0]
        return float(row), float(column)
