"""One knee with its leg onto a film: drawn upright on a raster of its own, then turned into place."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from kneeoa.datasets.film_geometry import Affine, warped
from kneeoa.datasets.film_hardware import draw_implant
from kneeoa.datasets.film_hip import add_foot, add_upper_femur
from kneeoa.datasets.film_implants import Implant
from kneeoa.datasets.film_join import add_grain, join_patch, patch_to_raster
from kneeoa.datasets.film_leg import (
    ANKLE_Y,
    BONE,
    FLESH,
    HIP_Y,
    Build,
    LegRaster,
    add_fibula,
    draw_leg,
    girth_within,
    leg_lines,
    patch_box,
)
from kneeoa.datasets.film_patch import KneePatch, prepared
from kneeoa.model.radiograph import FloatImage, Side

_ASIDE = 0.3
"""Plateau widths beyond the usual skin that a leg may fill: a patch may show its skin farther out."""
_UP, _DOWN = HIP_Y - 1.2, ANKLE_Y + 1.2


@dataclass(frozen=True, slots=True)
class KneePose:
    """Where a knee is to lie on a film.

    Attributes:
        centre: (row, column) of the joint's centre; it is kept to half a pixel, the placed knee's truth tells exactly.
        plateau_width_px: likewise, to half a pixel of the patch's width.
        angle_degrees: turned counter-clockwise.
        implant: metal to draw, or None.
    """

    centre: tuple[float, float]
    plateau_width_px: float
    angle_degrees: float = 0.0
    implant: Implant | None = None


@dataclass(frozen=True, slots=True)
class AddedLeg:
    """What `add_leg` did.

    Attributes:
        patch_to_film: carries points of the patch onto the film.
        hip: centre of the femoral head on the film, (row, column); it may lie outside.
        width_px: plateau width in pixels, exactly.
        metal: (rows, columns) float32 in [0, 1]: where metal lies on the film; None where none was drawn.
    """

    patch_to_film: Affine
    hip: tuple[float, float]
    width_px: float
    metal: FloatImage | None = None


def add_leg(film: FloatImage, patch: KneePatch, pose: KneePose, build: Build, rng: np.random.Generator) -> AddedLeg:
    """Adds a leg to a film, in place.

    Args:
        film: (rows, columns) float32 absorption.
        patch: its knee.
        pose: where.
        build: the person.
        rng: of flesh, grain and implant.
    """
    ready = prepared(patch)
    right, border = ready.patch, ready.border
    raster, to_film = _raster(film.shape, ready.patch, (patch.side, build), pose)
    leg = leg_lines(right, border, build, raster)
    pixels = draw_leg(leg, raster, rng)
    gain = join_patch(pixels, right, border, leg, raster)
    add_fibula(pixels, leg, patch_box(right)[1], raster)
    add_grain(pixels, raster, right, gain * border.grain, rng)
    hip = add_upper_femur(pixels, leg, raster)
    if raster.reaches(ANKLE_Y - 0.2):
        add_foot(pixels, leg, raster, rng)
    metal = None
    if pose.implant is not None:
        bare = pixels.copy()
        draw_implant(pixels, pose.implant, leg, raster, rng)
        metal = np.zeros_like(film)
        _add(metal, _cover(pixels, bare), to_film)
    _add(film, pixels, to_film)
    placed = patch_to_raster(right, raster).then(to_film)
    if patch.side is Side.LEFT:
        placed = Affine.mirror(patch.pixels.shape[1]).then(placed)
    return AddedLeg(placed, to_film.point(hip), raster.width_px, metal)


def _cover(absorption: FloatImage, bare: FloatImage) -> FloatImage:
    """Where metal lies, in [0, 1]: half of what it adds to bone is metal beyond doubt; cement adds less."""
    return np.asarray(np.clip((absorption - bare - np.float32(0.15)) / np.float32(0.3), 0, 1), dtype=np.float32)


def with_implant(patch: KneePatch, implant: Implant, rng: np.random.Generator) -> KneePatch:
    """A patch with metal on it; as on films, the metal sets the window, and all else gets darker.

    Args:
        patch: either side.
        implant: which.
        rng: of make, fit and window.
    """
    return metal_on(patch, implant, rng).patch


@dataclass(frozen=True, slots=True, eq=False)
class MetalOnPatch:
    """A knee with metal, and the same without.

    Attributes:
        patch: with metal.
        cover: (n, n) float32 in [0, 1]: where metal lies.
        bare: (n, n) float32 in [0, 1]: the patch's pixels without metal, in the window that the metal has set.
    """

    patch: KneePatch
    cover: FloatImage
    bare: FloatImage


def metal_on(patch: KneePatch, implant: Implant, rng: np.random.Generator) -> MetalOnPatch:
    """As `with_implant`, and where the metal lies."""
    ready = prepared(patch)
    right, border = ready.patch, ready.border
    n = right.pixels.shape[0]
    raster = LegRaster(n, n, right.centre, right.plateau_width_px, right.plateau_width_px)
    gain = float(np.clip((BONE - FLESH) / max(border.bone - border.flesh, 1e-3), 0.4, 2.4))
    bare = np.clip(np.float32(BONE - gain * border.bone) + np.float32(gain) * right.pixels, 0, 1.1)
    absorption = bare.copy()
    draw_implant(absorption, implant, leg_lines(right, border, Build.drawn(rng), raster), raster, rng)
    cover = _cover(absorption, bare)
    window = np.float32(rng.uniform(1.1, 1.6))
    pixels = np.clip(absorption / window, 0, 1)
    shown = KneePatch(pixels, Side.RIGHT, right.centre, right.plateau_width_px, patch.kl).as_side(patch.side)
    columns = slice(None, None, -1 if patch.side is Side.LEFT else 1)
    cover, bare = (np.ascontiguousarray(of[:, columns]) for of in (cover, np.clip(bare / window, 0, 1)))
    return MetalOnPatch(shown, cover, bare)


def _raster(
    size: tuple[int, int], patch: KneePatch, whose: tuple[Side, Build], pose: KneePose
) -> tuple[LegRaster, Affine]:
    """The part of a leg that the film shows, with the patch's borders between pixels, and its way onto the film."""
    side, build = whose
    n = patch.pixels.shape[0]
    across = max(4, round(pose.plateau_width_px * n / patch.plateau_width_px))
    scale = across / n
    width = patch.plateau_width_px * scale
    corners = np.array([(0, 0), (0, size[1] - 1), (size[0] - 1, 0), (size[0] - 1, size[1] - 1)], dtype=float)
    back = Affine.turn(-pose.angle_degrees, pose.centre).then(Affine.shift(-pose.centre[0], -pose.centre[1]))
    seen = back.points(corners)
    if side is Side.LEFT:
        seen = seen * (1.0, -1.0)
    shown = float(seen[:, 0].min()) / width - 0.1, float(seen[:, 0].max()) / width + 0.1
    aside = (girth_within(*shown) * build.girth + _ASIDE) * width
    low = np.maximum(seen.min(axis=0) - 2, (_UP * width, -aside))
    high = np.minimum(seen.max(axis=0) + 2, (_DOWN * width, aside))
    # The patch's first pixel begins a whole number of raster pixels after the raster's.
    first = [int(np.ceil(-low[i] - (patch.centre[i] + 0.5) * scale)) for i in (0, 1)]
    joint = tuple(first[i] + (patch.centre[i] + 0.5) * scale - 0.5 for i in (0, 1))
    rows, columns = (max(8, int(np.ceil(joint[i] + high[i])) + 1) for i in (0, 1))
    raster = LegRaster(rows, columns, (joint[0], joint[1]), width, width)
    to_film = Affine()
    if side is Side.LEFT:
        to_film = Affine.mirror(columns)
        joint = (joint[0], columns - 1 - joint[1])
    shift = (pose.centre[0] - joint[0], pose.centre[1] - joint[1])
    if pose.angle_degrees == 0:
        shift = (round(shift[0]), round(shift[1]))
    turn = Affine.turn(pose.angle_degrees, (joint[0], joint[1])) if pose.angle_degrees else Affine()
    return raster, to_film.then(turn).then(Affine.shift(*shift))


def _add(film: FloatImage, pixels: FloatImage, to_film: Affine) -> None:
    if to_film.cc < 0 and to_film.rr == 1:
        pixels, to_film = pixels[:, ::-1], replace(to_film, cc=1.0, c0=to_film.c0 - (pixels.shape[1] - 1))
    if not to_film.is_shift:
        rows, columns = pixels.shape
        corners = to_film.points(np.array([(0, 0), (0, columns), (rows, 0), (rows, columns)], dtype=float))
        r0, c0 = (int(max(np.floor(v) - 1, 0)) for v in corners.min(axis=0))
        r1, c1 = (int(min(np.ceil(v) + 1, n)) for v, n in zip(corners.max(axis=0), film.shape, strict=True))
        if r1 > r0 and c1 > c0:
            film[r0:r1, c0:c1] += warped(pixels, to_film.then(Affine.shift(-r0, -c0)), (r1 - r0, c1 - c0))
        return
    top, left = round(to_film.r0), round(to_film.c0)
    r0, c0 = max(top, 0), max(left, 0)
    r1, c1 = min(top + pixels.shape[0], film.shape[0]), min(left + pixels.shape[1], film.shape[1])
    if r1 > r0 and c1 > c0:
        film[r0:r1, c0:c1] += pixels[r0 - top : r1 - top, c0 - left : c1 - left]
