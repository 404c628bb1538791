"""What lies on films besides the patient: lead letters, rulers, balls, arrows, labels, bars, text and seams.

Lead is drawn as absorption, before the exposure; bars, labels and text as grey values, after it.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from kneeoa.datasets.film_bones import ellipse, polygon_mask
from kneeoa.datasets.film_geometry import Affine, Points, warped
from kneeoa.datasets.film_texture import blurred
from kneeoa.model.radiograph import FloatImage

LEAD = 1.7
_FINE = 3


@lru_cache(maxsize=256)
def text_mask(text: str, height_px: int, bold: bool = True) -> FloatImage:
    """(rows, columns) float32 in [0, 1]: a line of text whose capitals are `height_px` high; do not write into it."""
    size = max(int(height_px * _FINE / 0.72), 6)
    font = ImageFont.load_default(size)
    weight = round(size * 0.035) if bold else 0
    box = font.getbbox(text, stroke_width=weight)
    wide, high = int(box[2] - box[0]) + 2 * _FINE, int(box[3] - box[1]) + 2 * _FINE
    tile = Image.new("L", (-(-wide // _FINE) * _FINE, -(-high // _FINE) * _FINE))
    ImageDraw.Draw(tile).text((_FINE - box[0], _FINE - box[1]), text, fill=255, font=font, stroke_width=weight)
    mask = np.asarray(tile.reduce(_FINE), dtype=np.float32) / np.float32(255)
    mask.setflags(write=False)
    return mask


def stamp(
    film: FloatImage,
    mask: FloatImage,
    centre: tuple[float, float],
    level: float,
    turn: tuple[float, bool] = (0.0, False),
) -> None:
    """Lays a mask on a film: values become `level` where it covers, if they were lower, in place.

    Args:
        film: (rows, columns) float32.
        mask: cover in [0, 1].
        centre: (row, column) of the mask's middle on the film.
        level: absorption or grey value.
        turn: degrees counter-clockwise, and whether it is mirrored first.
    """
    degrees, mirrored = turn
    mask = mask[:, ::-1] if mirrored else mask
    if degrees:
        side = int(np.ceil(np.hypot(*mask.shape))) + 2
        middle = ((side - 1) / 2, (side - 1) / 2)
        shift = Affine.shift((side - mask.shape[0]) / 2, (side - mask.shape[1]) / 2)
        mask = warped(mask, shift.then(Affine.turn(degrees, middle)), (side, side))
    top, left = round(centre[0] - mask.shape[0] / 2), round(centre[1] - mask.shape[1] / 2)
    r0, c0 = max(top, 0), max(left, 0)
    r1, c1 = min(top + mask.shape[0], film.shape[0]), min(left + mask.shape[1], film.shape[1])
    if r1 <= r0 or c1 <= c0:
        return
    here = film[r0:r1, c0:c1]
    cover = mask[r0 - top : r1 - top, c0 - left : c1 - left]
    film[r0:r1, c0:c1] = here + cover * np.maximum(np.float32(level) - here, 0)


def lead_letter(text: str, height_px: float, ring: bool) -> FloatImage:
    """A lead letter, on request within a ring: a mask for `stamp`."""
    mask = text_mask(text, max(round(height_px), 3))
    if not ring:
        return mask
    side = int(np.hypot(*mask.shape) * 1.25) + 4
    disc = np.zeros((side, side), dtype=np.float32)
    middle = (side - 1) / 2
    for radius, value in ((0.49, 1.0), (0.41, 0.0)):
        cover = polygon_mask((side, side), [ellipse((middle, middle), (radius * side, radius * side))])
        here = disc[cover.rows, cover.columns]
        disc[cover.rows, cover.columns] = here + cover.cover * (np.float32(value) - here)
    top, left = (side - mask.shape[0]) // 2, (side - mask.shape[1]) // 2
    disc[top : top + mask.shape[0], left : left + mask.shape[1]] += mask
    return np.clip(disc, 0, 1)


def add_arrow(film: FloatImage, at: tuple[float, float], length_px: float, degrees: float) -> None:
    """A lead arrow that points up, as laid beside weight-bearing knees, turned counter-clockwise, in place."""
    half, head = 0.06 * length_px, 0.2 * length_px
    r, c = at
    up, down = r - length_px / 2, r + length_px / 2
    outline = np.array(
        [
            *((up, c), (up + 1.4 * head, c + head), (up + head, c + half), (down, c + half)),
            *((down, c - half), (up + head, c - half), (up + 1.4 * head, c - head)),
        ]
    )
    cover_with(film, [Affine.turn(degrees, at).points(outline)], LEAD)


def cover_with(film: FloatImage, outlines: list[Points], level: float) -> None:
    """Fills outlines with at least a level, in place."""
    mask = polygon_mask(film.shape, outlines, fine=3)
    if not mask.empty:
        here = film[mask.rows, mask.columns]
        film[mask.rows, mask.columns] = here + mask.cover * np.maximum(np.float32(level) - here, 0)


def add_ruler(
    film: FloatImage, ends: tuple[float, float], column: float, cm_px: float, rng: np.random.Generator
) -> None:
    """An upright ruler with a tick each centimetre and digits each fifth or tenth, in place.

    Args:
        film: (rows, columns) float32 absorption.
        ends: first and last row.
        column: of its line.
        cm_px: pixels in a centimetre.
        rng: of its make.
    """
    wide = max(0.05 * cm_px, 0.7)
    every = 5 if rng.random() < 0.5 else 10
    side = float(rng.choice([-1.0, 1.0]))
    boxes = []
    count = int((ends[1] - ends[0]) / cm_px)
    if rng.random() < 0.5:
        boxes.append(_box(ends[0], ends[1], column - wide / 2, column + wide / 2))
    step = 1 if cm_px >= 3 else 5
    for tick in range(0, count + 1, step):
        row = ends[0] + tick * cm_px
        long = (1.1 if tick % every == 0 else 0.55 if tick % 5 else 0.8) * cm_px
        boxes.append(
            _box(row - wide / 2, row + wide / 2, min(column, column + side * long), max(column, column + side * long))
        )
        if tick % every == 0 and cm_px >= 2.5:
            text = text_mask(str(tick), max(round(0.75 * cm_px), 3), bold=False)
            stamp(film, text, (row, column + side * (1.4 * cm_px + text.shape[1] / 2)), 0.9 * LEAD)
    if boxes:
        cover_with(film, boxes, 0.85 * LEAD)


def add_ball(film: FloatImage, centre: tuple[float, float], radius_px: float) -> None:
    """A steel ball for calibration, on its holder, in place."""
    row, column = centre
    cover_with(film, [_box(row, row + 6 * radius_px, column - 0.12 * radius_px, column + 0.12 * radius_px)], 0.5)
    cover_with(film, [ellipse(centre, (radius_px, radius_px), points=64)], 2.0)


def add_seam(film: FloatImage, row: float, tilt_px: float) -> None:
    """Where two cassettes overlap on a long film: a light line with a darker one beside it, in place."""
    rows, columns = film.shape
    slope = tilt_px / columns
    line = row + slope * (np.arange(columns, dtype=np.float32) - columns / 2)
    reach = max(3, rows // 150)
    low, high = max(int(line.min()) - reach, 0), min(int(line.max()) + reach + 1, rows)
    off = (np.arange(low, high, dtype=np.float32)[:, None] - line[None, :]) / np.float32(max(1.0, rows / 900))
    film[low:high] += np.float32(0.10) * np.exp(-(off**2)) - np.float32(0.05) * np.exp(-((off - 2) ** 2))


def add_label(film: FloatImage, box: tuple[int, int, int, int], lines: tuple[str, ...], light: bool) -> None:
    """A printed or photographed label: a block with lines of text, in place, on grey values.

    Args:
        film: (rows, columns) float32 grey values.
        box: top, bottom, left and right.
        lines: of text, made up.
        light: dark text on a light block, or the reverse.
    """
    top, bottom, left, right = box
    block = film[max(top, 0) : bottom, max(left, 0) : right]
    if block.size == 0:
        return
    block[...] = 0.92 if light else 0.03
    height = max(3, int(0.55 * block.shape[0] / max(len(lines), 1)))
    longest = max(text_mask(line, height, bold=False).shape[1] for line in lines)
    height = max(3, int(height * min(1.0, 0.94 * block.shape[1] / longest)))
    for number, line in enumerate(lines):
        mask = text_mask(line, height, bold=False)[:, : block.shape[1]]
        row = int((number + 0.5) / len(lines) * block.shape[0])
        target = block if not light else 1 - block
        stamp(target, mask, (row, 2 + mask.shape[1] / 2), 0.95)
        if light:
            block[...] = 1 - target


def add_text(film: FloatImage, text: str, corner: tuple[float, float], height_px: int, level: float) -> None:
    """Burned-in text, its upper left corner at (row, column), in place, on grey values."""
    mask = text_mask(text, height_px, bold=False)
    stamp(film, mask, (corner[0] + mask.shape[0] / 2, corner[1] + mask.shape[1] / 2), level)


def add_fold(film: FloatImage, path: Points, width_px: float, strength: float) -> None:
    """A skin fold, a dressing's border or a sleeve: one side of a curve is denser, softly, in place."""
    mask = polygon_mask(film.shape, [path], margin=4 * width_px)
    if not mask.empty:
        film[mask.rows, mask.columns] += np.float32(strength) * blurred(mask.cover, width_px)


def _box(top: float, bottom: float, left: float, right: float) -> Points:
    return np.array([(top, left), (top, right), (bottom, right), (bottom, left)])
