"""A knee patch set into its leg without a seam.

What the patch's border has and the drawn leg has not is carried outward along the shafts, stretched as they narrow, and
dies away; so cortex goes on as cortex, and grey as grey.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kneeoa.datasets.film_geometry import Affine, resized
from kneeoa.datasets.film_leg import BONE, Leg, LegRaster, Tube, patch_box
from kneeoa.datasets.film_patch import KneePatch, PatchBorder
from kneeoa.datasets.film_texture import blurred, grain, smoothed_line, smoothstep
from kneeoa.model.radiograph import FloatImage

Line = npt.NDArray[np.float32]
_SIDE = 0.16
"""Plateau widths inside the patch's sides where grey below that of flesh is no bone."""
_EDGE = 0.04
"""Plateau widths on both sides of a bone's edge that are not carried far."""
_TEXTURE = 0.16
"""Plateau widths beyond the border over which the patch's mirrored texture dies away."""
_REACH = 1.3
"""Plateau widths beyond the border over which what was carried outward dies away."""


def patch_to_raster(patch: KneePatch, raster: LegRaster) -> Affine:
    """Where the points of a patch lie on its leg's raster."""
    down, across = raster.height_px / patch.plateau_width_px, raster.width_px / patch.plateau_width_px
    row, column = patch.centre
    return Affine(rr=down, r0=raster.joint[0] - down * row, cc=across, c0=raster.joint[1] - across * column)


def join_patch(film: FloatImage, patch: KneePatch, border: PatchBorder, leg: Leg, raster: LegRaster) -> float:
    """Sets a patch into a drawn leg, in place.

    Args:
        film: (rows, columns) float32, what `draw_leg` drew.
        patch: a right knee; its pixels end at whole pixels of the raster (`leg_raster` sees to that).
        border: of the patch.
        leg: of the film.
        raster: of the film.

    Returns:
        Absorption per grey value of the patch.
    """
    place = patch_to_raster(patch, raster)
    n = patch.pixels.shape[0]
    top, left = (round(v + 0.5) for v in place.point((-0.5, -0.5)))
    bottom, right = (round(v + 0.5) for v in place.point((n - 0.5, n - 0.5)))
    knee = resized(patch.pixels, (bottom - top, right - left))
    tall, wide, trim = bottom - top, right - left, border.trim
    inner = (
        _cut(top + round(trim[0] * tall), bottom - round(trim[1] * tall), film.shape[0]),
        _cut(left + round(trim[2] * wide), right - round(trim[3] * wide), film.shape[1]),
    )
    knee = knee[inner[0].start - top : inner[0].stop - top, inner[1].start - left : inner[1].stop - left]
    if knee.size == 0:
        return 1.0
    gain = _gain(film, border, raster)
    knee = np.clip(np.float32(BONE - gain * border.bone) + np.float32(gain) * knee, -0.05, 1.4)
    knee = _lifted(knee, inner, film[inner], leg, raster)
    _carry_outward(film, knee, inner, leg, raster)
    film[inner] = knee
    return gain


def _cut(low: int, high: int, size: int) -> slice:
    return slice(min(max(low, 0), size), max(min(high, size), 0))


def _gain(film: FloatImage, border: PatchBorder, raster: LegRaster) -> float:
    """Absorption per grey value of the patch: bone and the flesh beside it are brought to the leg's."""
    row, off = min(max(round(raster.joint[0]), 0), film.shape[0] - 1), round(0.57 * raster.width_px)
    columns = [c for c in (round(raster.joint[1]) - off, round(raster.joint[1]) + off) if 0 <= c < film.shape[1]]
    flesh = float(np.mean([film[row, c] for c in columns])) if columns else 0.25
    return float(np.clip((BONE - flesh) / max(border.bone - border.flesh, 1e-3), 0.4, 2.4))


def _lifted(knee: FloatImage, place: tuple[slice, slice], flesh: FloatImage, leg: Leg, raster: LegRaster) -> FloatImage:
    """Flesh that a collimator blackened near the patch's borders comes back in part; air is black."""
    rows, columns = place
    across = np.arange(knee.shape[1], dtype=np.float32) + np.float32(0.5)
    near = np.minimum(across, knee.shape[1] - across) / np.float32(_SIDE * raster.width_px)
    beside = smoothstep(1.6 - near[None, :], 0.0, 0.8)
    down = np.arange(knee.shape[0], dtype=np.float32) + np.float32(0.5)
    share = np.broadcast_to(beside, knee.shape).copy()
    x, _ = raster.axes()
    for tube, away in ((leg.femur, down), (leg.tibia, knee.shape[0] - down)):
        left, right = (edge[rows] for edge in tube.edges())
        outside = np.maximum(left - x[:, columns], x[:, columns] - right)
        close = smoothstep(1.6 - away[:, None] / np.float32(2 * _SIDE * raster.height_px), 0.0, 0.8)
        np.maximum(share, close * smoothstep(outside, 0.0, 0.05), out=share)
    lifted = knee + share * np.maximum(np.float32(0.72) * flesh - knee, 0)
    # On a film of low contrast the patch's air is grey; this leg's is black.
    beyond = np.maximum(leg.skin_left[rows] - x[:, columns], x[:, columns] - leg.skin_right[rows])
    return np.asarray(lifted * (1 - smoothstep(beyond, 0.0, 0.08)), dtype=np.float32)


def _carry_outward(film: FloatImage, knee: FloatImage, inner: tuple[slice, slice], leg: Leg, raster: LegRaster) -> None:
    rows, columns = inner
    missing = knee - film[inner]
    deep, wide = max(1, round(0.03 * raster.height_px)), max(1, round(0.03 * raster.width_px))
    sides = [
        smoothed_line(band.mean(axis=1).astype(np.float32), 0.02 * raster.height_px)
        for band in (missing[:, :wide], missing[:, -wide:])
    ]
    texture = knee - blurred(knee, 0.022 * raster.width_px)
    # Grain and trabeculae are mirrored, edges of bones are not.
    usual = np.float32(1.6 * np.median(np.abs(texture)))
    texture = np.where(np.abs(texture) < 3 * usual, np.clip(texture, -usual, usual), np.float32(0))
    _carry_sideways(film, (sides, texture), inner, raster)
    for above in (True, False):
        band = missing[:deep] if above else missing[-deep:]
        profile = smoothed_line(band.mean(axis=0).astype(np.float32), max(0.008 * raster.width_px, 0.7))
        # At the corners top, bottom and sides carry on the same value.
        ends = [float(side[0] if above else side[-1]) for side in sides]
        ramp = np.clip(np.arange(len(profile)) / max(1.0, 0.06 * raster.width_px), 0, 1).astype(np.float32)
        profile = ends[0] * (1 - ramp) + ramp * profile
        profile = ends[1] * (1 - ramp[::-1]) + ramp[::-1] * profile
        reach = round(_REACH * 1.6 * raster.height_px)
        outer = slice(max(rows.start - reach, 0), rows.start) if above else slice(rows.stop, rows.stop + reach)
        beyond = _Beyond(outer, columns, above, texture if above else texture[::-1])
        _carry_along(film, profile, beyond, leg, raster)


def _carry_sideways(
    film: FloatImage, carried: tuple[list[Line], FloatImage], inner: tuple[slice, slice], raster: LegRaster
) -> None:
    rows, columns = inner
    far = round(_REACH * raster.width_px)
    sides, texture = carried
    for side, part in zip(
        sides, (slice(max(columns.start - far, 0), columns.start), slice(columns.stop, columns.stop + far)), strict=True
    ):
        here = film[rows, part]
        if here.size == 0:
            continue
        distance = np.arange(here.shape[1], dtype=np.float32) / np.float32(raster.width_px)
        at_left = part.stop == columns.start
        smooth = smoothed_line(side, 0.12 * raster.height_px)
        near, fade = np.exp(-distance / 0.07)[None, :], np.exp(-distance / 0.4)[None, :]
        values = (side[:, None] * near + smooth[:, None] * (1 - near)) * fade
        mirrored = texture if at_left else texture[:, ::-1]
        reach = min(round(_TEXTURE * raster.width_px), mirrored.shape[1], here.shape[1])
        values[:, :reach] += mirrored[:, :reach] * np.exp(-((distance[:reach] / (0.4 * _TEXTURE)) ** 2))
        film[rows, part] = _added(here, values[:, ::-1] if at_left else values)


@dataclass(frozen=True, slots=True, eq=False)
class _Beyond:
    """Rows beyond the patch, its columns, on which side, and the patch's texture, the border's row first."""

    rows: slice
    columns: slice
    above: bool
    texture: FloatImage


def _carry_along(film: FloatImage, profile: Line, beyond: _Beyond, leg: Leg, raster: LegRaster) -> None:
    """Carries a profile of the patch's top or bottom border along the bone that leaves there."""
    outer, columns = beyond.rows, beyond.columns
    here = film[outer]
    if here.shape[0] == 0:
        return
    tube = leg.femur if beyond.above else leg.tibia
    x, y = raster.axes()
    start = outer.stop - 1 if beyond.above else outer.start
    source = _source(x, tube, (leg.skin_left, leg.skin_right), outer, start)
    offset = np.float32(raster.joint[1] - columns.start)
    edges = [float(edge[start, 0]) * raster.width_px + float(offset) for edge in tube.edges()]
    smooth = smoothed_line(_bridged(profile, edges, _EDGE * raster.width_px), 0.03 * raster.width_px)
    fine = profile - smooth
    at = np.clip(source * np.float32(raster.width_px) + offset, 0, len(profile) - 1)
    whole, away = np.rint(at).astype(np.intp), np.abs(y[outer] - y[start])
    step = at - np.floor(at)
    low, high = np.floor(at).astype(np.intp), np.ceil(at).astype(np.intp)
    near = np.exp(-((away / np.float32(0.11)) ** 1.5))
    values = smooth[whole] + near * (fine[low] + step * (fine[high] - fine[low]))
    beside = np.maximum(columns.start - np.arange(film.shape[1]), np.arange(film.shape[1]) - columns.stop + 1)
    across = np.exp(-np.maximum(beside, 0) / (0.4 * raster.width_px)).astype(np.float32)[None, :]
    values *= across * np.exp(-((away / np.float32(0.62 * _REACH)) ** 1.5))
    reach = min(round(2.5 * _TEXTURE * raster.height_px), beyond.texture.shape[0], here.shape[0])
    rows = slice(here.shape[0] - reach, here.shape[0]) if beyond.above else slice(0, reach)
    order = np.arange(reach)[::-1] if beyond.above else np.arange(reach)
    mirrored = beyond.texture[order[:, None], whole[rows]]
    values[rows] += mirrored * np.exp(-((away[rows] / np.float32(_TEXTURE)) ** 2)) * (across == 1)
    film[outer] = _added(here, values)


def _bridged(profile: Line, edges: list[float], reach: float) -> Line:
    """The profile without what it has at the bone's edges, where drawn and true edge never quite agree."""
    columns = np.arange(len(profile), dtype=np.float32)
    far = np.min([np.abs(columns - edge) for edge in edges], axis=0) > reach
    return np.interp(columns, columns[far], profile[far]).astype(np.float32) if far.any() else profile


def _added(film: FloatImage, values: FloatImage) -> FloatImage:
    """Nothing is carried into the air, and flesh does not turn to air."""
    total = film + values * np.clip(film / np.float32(0.16), 0, 1)
    return np.asarray(np.maximum(total, np.float32(0.15) * film), dtype=np.float32)


def _source(x: FloatImage, tube: Tube, skin: tuple[FloatImage, FloatImage], outer: slice, start: int) -> FloatImage:
    """Where on the border's row each pixel beyond it takes its value from: bone from bone, flesh from flesh."""
    left, right = (edge[outer] for edge in tube.edges())
    left0, right0 = (float(edge[start, 0]) for edge in tube.edges())
    skin_left, skin_right = (line[outer] for line in skin)
    skin_left0, skin_right0 = (float(line[start, 0]) for line in skin)
    bone = left0 + (x - left) * ((right0 - left0) / (right - left))
    flesh_left = left0 + (x - left) * ((left0 - skin_left0) / np.maximum(left - skin_left, 0.05))
    flesh_right = right0 + (x - right) * ((skin_right0 - right0) / np.maximum(skin_right - right, 0.05))
    return np.where(x < left, flesh_left, np.where(x > right, flesh_right, bone)).astype(np.float32)


def add_grain(film: FloatImage, raster: LegRaster, patch: KneePatch, strength: float, rng: np.random.Generator) -> None:
    """The patch's own grain, outside it, in place; and the streaks of cancellous bone would be `film_leg`'s.

    Args:
        film: (rows, columns) float32.
        raster: of the film.
        patch: gives the grain's size.
        strength: standard deviation of the grain on a raster of the patch's own pixels.
        rng: of the grain.
    """
    pitch = raster.width_px / patch.plateau_width_px
    top, bottom, left, right = patch_box(patch)
    x, y = raster.axes()
    outside = np.maximum(np.maximum(top - y, y - bottom), np.maximum(left - x, x - right))
    share = 1 - np.exp(-((np.maximum(outside, 0) / np.float32(1.2 * _TEXTURE)) ** 2))
    noise = grain((raster.rows, raster.columns), pitch, rng)
    film += noise * share * np.clip(film / np.float32(0.16), 0, 1) * np.float32(strength * min(pitch, 1.0))
