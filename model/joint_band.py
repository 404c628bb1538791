"""Where a joint lies on a crop, and the straightened band around it that edges are looked for in.

Everything is a canonical crop: bone bright, medial at image right. Points are (row, column) in crop pixels; the centre
of the top-left pixel is (0, 0). x is a place along the plateau in plateau widths: 0 at the medial end, 1 at the lateral
end.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
from PIL import Image

from kneeoa.model.radiograph import FloatImage

Floats = npt.NDArray[np.float64]

BAND_ROWS, BAND_COLUMNS = 128, 160
BAND_REACH = (1.06, -0.06)
"""x of the band's left and right border."""
ROW_WIDTHS = 1 / 490
"""Height of a row in plateau widths: half a pixel of the public crops, 0.15 mm of a 75 mm plateau."""
LEVEL_ROW = 80.0
"""Row of the band at which the plateau's level lies: 12 mm of joint space above it, 7 mm of bone below."""
PLACE_PX = 96
"""Side of what the placing network looks at."""
_LOOK_BLUR = 7.0
"""Scale in pixels of `place_input` over which exposure is taken out."""
_BAND_BLUR = 14.0
"""Likewise in columns of the band."""
_FINER = 2
"""The band is sampled so many times finer across, and averaged: films have more columns than it."""


@dataclass(frozen=True, slots=True)
class JointPlace:
    """A tibial plateau on a canonical crop.

    Attributes:
        row: of the middle of the plateau's width, at the level of its floor.
        column: likewise.
        width: of the plateau, in crop pixels.
        angle_degrees: turn of the plateau from level, anticlockwise as displayed.
    """

    row: float
    column: float
    width: float
    angle_degrees: float

    def to_crop(self, x: Floats, down: Floats) -> Floats:
        """Places along the plateau, and distances below its level, as places of the crop.

        Args:
            x: (...) in plateau widths from the medial end.
            down: (...) in plateau widths below the level.

        Returns:
            (..., 2) row and column.
        """
        turn = math.radians(self.angle_degrees)
        right, below = (0.5 - x) * self.width, down * self.width
        rows = self.row - math.sin(turn) * right + math.cos(turn) * below
        columns = self.column + math.cos(turn) * right + math.sin(turn) * below
        return np.stack([rows, columns], axis=-1)

    def from_crop(self, points: Floats) -> tuple[Floats, Floats]:
        """(..., 2) places of the crop as (x, down), the inverse of `to_crop`."""
        turn = math.radians(self.angle_degrees)
        rows, columns = points[..., 0] - self.row, points[..., 1] - self.column
        right = math.cos(turn) * columns - math.sin(turn) * rows
        below = math.sin(turn) * columns + math.cos(turn) * rows
        return 0.5 - right / self.width, below / self.width


def column_x(columns: int = BAND_COLUMNS) -> Floats:
    """(columns,) x of the middles of the band's columns, from lateral to medial."""
    left, right = BAND_REACH
    return left + (np.arange(columns) + 0.5) / columns * (right - left)


def row_down(rows: Floats) -> Floats:
    """Rows of the band, from 0 at its first row's middle, as plateau widths below the plateau's level."""
    return (rows - LEVEL_ROW) * ROW_WIDTHS


def down_row(down: Floats) -> Floats:
    """The inverse of `row_down`."""
    return down / ROW_WIDTHS + LEVEL_ROW


def cut_band(crop: FloatImage, place: JointPlace) -> FloatImage:
    """The straightened band around a joint, exposure taken out.

    Args:
        crop: (rows, columns) float32, canonical.
        place: where the joint lies.

    Returns:
        (BAND_ROWS, BAND_COLUMNS) float32, mean 0 and deviation about 1 around every column.
    """
    return levelled(raw_band(crop, place))


def raw_band(crop: FloatImage, place: JointPlace) -> FloatImage:
    """Likewise as it lies on the crop, its grey values untouched."""
    x = column_x(BAND_COLUMNS * _FINER)
    down = row_down(np.arange(BAND_ROWS, dtype=np.float64))
    points = place.to_crop(np.broadcast_to(x, (BAND_ROWS, len(x))), np.broadcast_to(down[:, None], (BAND_ROWS, len(x))))
    fine = sampled(crop, points)
    return np.asarray(fine.reshape(BAND_ROWS, BAND_COLUMNS, _FINER).mean(axis=2))


def levelled(band: FloatImage) -> FloatImage:
    """A band with the exposure around every column taken out: unchanged by any gain and offset.

    Args:
        band: (rows, columns) float32.
    """
    weights = _gaussian(band.shape[1], _BAND_BLUR)
    mean = band.mean(axis=0) @ weights.T
    centred = band - mean
    spread = np.sqrt((centred**2).mean(axis=0) @ weights.T)
    return np.asarray(centred / (spread + max(1e-6, 0.02 * float(spread.mean()))), dtype=np.float32)


def place_input(crop: FloatImage) -> FloatImage:
    """What the placing network looks at: the crop made small, exposure taken out locally.

    Args:
        crop: (rows, columns) float32, canonical.

    Returns:
        (PLACE_PX, PLACE_PX) float32.
    """
    picture = Image.fromarray(np.ascontiguousarray(crop)).resize((PLACE_PX, PLACE_PX), Image.Resampling.BILINEAR)
    return place_levelled(np.asarray(picture))


def place_levelled(small: FloatImage) -> FloatImage:
    """(PLACE_PX, PLACE_PX) grey values with exposure taken out locally: unchanged by any gain and offset."""
    weights = _gaussian(PLACE_PX, _LOOK_BLUR)
    centred = small - weights @ small @ weights.T
    spread = np.sqrt(np.maximum(weights @ centred**2 @ weights.T, 0))
    return np.asarray(centred / (spread + max(1e-6, 0.1 * float(spread.mean()))), dtype=np.float32)


def sampled(crop: FloatImage, points: Floats) -> FloatImage:
    """Bilinear grey values at places of a crop; beyond it its border goes on.

    Args:
        crop: (rows, columns) float32.
        points: (..., 2) row and column.

    Returns:
        (...) float32.
    """
    rows = np.clip(points[..., 0], 0, crop.shape[0] - 1).astype(np.float32)
    columns = np.clip(points[..., 1], 0, crop.shape[1] - 1).astype(np.float32)
    top = np.minimum(rows.astype(np.intp), crop.shape[0] - 2)
    left = np.minimum(columns.astype(np.intp), crop.shape[1] - 2)
    down, right = rows - top, columns - left
    flat, at = np.ascontiguousarray(crop).ravel(), top * crop.shape[1] + left
    upper = flat[at] * (1 - right) + flat[at + 1] * right
    lower = flat[at + crop.shape[1]] * (1 - right) + flat[at + crop.shape[1] + 1] * right
    return np.asarray(upper * (1 - down) + lower * down, dtype=np.float32)


@cache
def _gaussian(size: int, sigma: float) -> FloatImage:
    """(size, size) float32 rows of weights that sum to 1: a Gaussian blur along an axis, cut at its ends."""
    at = np.arange(size)
    weights = np.exp(-0.5 * ((at[:, None] - at) / sigma) ** 2)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), dtype=np.float32)
