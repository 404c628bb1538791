"""What the finder looks at: a film as a whole, and a close view round a knee. Training and serving cut them here.

Points are (row, column) in pixels; the centre of the top-left pixel is (0, 0).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from kneeoa.model.normalize import standardise
from kneeoa.model.radiograph import FloatImage

VIEWS_VERSION = "whole384-192-close160-1"
"""Named in a release: a finder that was trained on other views is refused."""
WHOLE_PX = 384
"""Long side of the whole view: the smallest plateau of a long-leg film is then some 18 pixels wide."""
SMALL_PX = 192
"""Long side of the whole view once more: there the network sees enough of a knee that fills its film."""
STRIDE = 16
"""Sides of views are multiples of this, as the network halves them four times."""
CLOSE_PX = 160
CLOSE_PLATEAUS = 2.6
"""Width of the close view in plateau widths: the knee, its shafts' beginnings, the head of the fibula."""


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A picture for the finder, and where it lies on the film.

    Attributes:
        pixels: (rows, columns) float32, mean 0 and standard deviation 1 over the film's part; sides multiples of 16.
        scale: film pixels per view pixel (down, across).
        centre: place on the film of the view's middle.
        angle_degrees: counter-clockwise turn, as displayed, of the view's upright on the film.
    """

    pixels: FloatImage
    scale: tuple[float, float]
    centre: tuple[float, float]
    angle_degrees: float

    def to_film(self, points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """(n, 2) places of the view as places on the film."""
        rows, columns = self.pixels.shape
        down = (points[:, 0] - (rows - 1) / 2) * self.scale[0]
        across = (points[:, 1] - (columns - 1) / 2) * self.scale[1]
        turn = math.radians(self.angle_degrees)
        cos, sin = math.cos(turn), math.sin(turn)
        # Counter-clockwise as displayed, with rows going down.
        return np.stack(
            [self.centre[0] + cos * down - sin * across, self.centre[1] + sin * down + cos * across], axis=1
        )

    def from_film(self, points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """(n, 2) places on the film as places of the view."""
        rows, columns = self.pixels.shape
        turn = math.radians(self.angle_degrees)
        cos, sin = math.cos(turn), math.sin(turn)
        down, across = points[:, 0] - self.centre[0], points[:, 1] - self.centre[1]
        view_down, view_across = cos * down + sin * across, -sin * down + cos * across
        return np.stack(
            [view_down / self.scale[0] + (rows - 1) / 2, view_across / self.scale[1] + (columns - 1) / 2], axis=1
        )


def whole_view(film: FloatImage, long_side: int = WHOLE_PX) -> View:
    """The whole film, made small, and padded with its border to sides that the network takes.

    Args:
        film: (rows, columns) float32 in [0, 1].
        long_side: of the view, before padding.
    """
    return whole_views(film, (long_side,))[0]


def whole_views(film: FloatImage, long_sides: Sequence[int] = (WHOLE_PX, SMALL_PX)) -> list[View]:
    """`whole_view` in several sizes; the film is handed to the resampler once."""
    picture = Image.fromarray(np.ascontiguousarray(film))
    return [_whole(picture, long_side) for long_side in long_sides]


def _whole(picture: Image.Image, long_side: int) -> View:
    columns, rows = picture.size
    share = long_side / max(rows, columns)
    size = (max(1, round(rows * share)), max(1, round(columns * share)))
    small = _picture_resized(picture, size)
    padded = [-(-n // STRIDE) * STRIDE for n in size]
    top, left = (padded[0] - size[0]) // 2, (padded[1] - size[1]) // 2
    around = ((top, padded[0] - size[0] - top), (left, padded[1] - size[1] - left))
    pixels = np.pad(standardise(small), around, mode="edge")
    scale = (rows / size[0], columns / size[1])
    # The view's middle, where padding is uneven, is not the film's.
    middle = [(padded[i] - 1) / 2 - (top, left)[i] for i in (0, 1)]
    centre = tuple((middle[i] + 0.5) * scale[i] - 0.5 for i in (0, 1))
    return View(pixels, scale, (centre[0], centre[1]), 0.0)


def close_view(film: FloatImage, centre: tuple[float, float], plateau_px: float, angle_degrees: float) -> View:
    """A square round a knee, turned upright; beyond the film its border goes on.

    Args:
        film: (rows, columns) float32 in [0, 1].
        centre: of the joint.
        plateau_px: width of the tibial plateau on the film.
        angle_degrees: how far the leg is turned from upright, counter-clockwise as displayed.
    """
    side = CLOSE_PLATEAUS * plateau_px
    scale = side / CLOSE_PX
    # Reduced first, so that turning with bilinear interpolation does not alias.
    reach = side * (abs(math.cos(math.radians(angle_degrees))) + abs(math.sin(math.radians(angle_degrees)))) / 2 + 2
    low = [int(np.clip(math.floor(centre[i] - reach), 0, film.shape[i] - 1)) for i in (0, 1)]
    high = [int(np.clip(math.ceil(centre[i] + reach) + 1, low[i] + 1, film.shape[i])) for i in (0, 1)]
    part = film[low[0] : high[0], low[1] : high[1]]
    share = min(1.0, 1.25 / scale)
    size = (max(1, round(part.shape[0] * share)), max(1, round(part.shape[1] * share)))
    small = _resized(part, size)
    by = (part.shape[0] / size[0], part.shape[1] / size[1])
    turn = math.radians(angle_degrees)
    cos, sin = math.cos(turn), math.sin(turn)
    middle = (CLOSE_PX - 1) / 2
    # From view (column, row) to the reduced part's (column, row), as Pillow asks for; its pixels begin at 0, not -0.5.
    xx, xy = scale * cos / by[1], scale * sin / by[1]
    yx, yy = -scale * sin / by[0], scale * cos / by[0]
    x0 = (centre[1] - low[1] + 0.5) / by[1] - (xx + xy) * (middle + 0.5)
    y0 = (centre[0] - low[0] + 0.5) / by[0] - (yx + yy) * (middle + 0.5)
    reachable = _bordered(small, (xx, xy, x0, yx, yy, y0))
    return View(standardise(reachable), (scale, scale), centre, angle_degrees)


def _resized(film: FloatImage, size: tuple[int, int]) -> FloatImage:
    return film if film.shape == size else _picture_resized(Image.fromarray(np.ascontiguousarray(film)), size)


def _picture_resized(picture: Image.Image, size: tuple[int, int]) -> FloatImage:
    if picture.size == size[::-1]:
        return np.asarray(picture, dtype=np.float32)
    shrinks = size[0] <= picture.size[1] and size[1] <= picture.size[0]
    how = Image.Resampling.BOX if shrinks else Image.Resampling.BILINEAR
    return np.asarray(picture.resize((size[1], size[0]), how), dtype=np.float32)


def _bordered(small: FloatImage, to_part: tuple[float, float, float, float, float, float]) -> FloatImage:
    """Bilinear look-up with the border repeated, which Pillow does not offer."""
    xx, xy, x0, yx, yy, y0 = to_part
    axis = np.arange(CLOSE_PX, dtype=np.float32) + np.float32(0.5)
    across = np.float32(xx) * axis[None, :] + np.float32(xy) * axis[:, None] + np.float32(x0 - 0.5)
    down = np.float32(yx) * axis[None, :] + np.float32(yy) * axis[:, None] + np.float32(y0 - 0.5)
    rows, columns = small.shape
    across, down = np.clip(across, 0, columns - 1), np.clip(down, 0, rows - 1)
    left, top = across.astype(np.intp), down.astype(np.intp)
    right, low = np.minimum(left + 1, columns - 1), np.minimum(top + 1, rows - 1)
    over, under = across - left, down - top
    upper = small[top, left] * (1 - over) + small[top, right] * over
    lower = small[low, left] * (1 - over) + small[low, right] * over
    return np.asarray(upper * (1 - under) + lower * under, dtype=np.float32)
