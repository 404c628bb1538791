"""Where things lie on a composed film: affine maps of (row, column) points, and warps of pictures by them.

The centre of the top-left pixel is (0, 0). Angles are degrees, counter-clockwise as seen on the displayed film.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from kneeoa.model.radiograph import FloatImage

Points = npt.NDArray[np.float64]
"""(points, 2) float64, (row, column)."""


@dataclass(frozen=True, slots=True)
class Affine:
    """row' = rr * row + rc * column + r0 and column' = cr * row + cc * column + c0.

    Attributes:
        rr: share of the old row in the new row; likewise `rc`, `cr`, `cc`.
        r0: shift of the row in pixels; likewise `c0`.
    """

    rr: float = 1.0
    rc: float = 0.0
    r0: float = 0.0
    cr: float = 0.0
    cc: float = 1.0
    c0: float = 0.0

    @classmethod
    def shift(cls, rows: float, columns: float) -> Affine:
        """Moves points down and to the right."""
        return cls(r0=rows, c0=columns)

    @classmethod
    def scale(cls, rows: float, columns: float) -> Affine:
        """Stretches a raster so that its outer borders, not its pixel centres, stay in place."""
        return cls(rr=rows, r0=(rows - 1) / 2, cc=columns, c0=(columns - 1) / 2)

    @classmethod
    def turn(cls, degrees: float, centre: tuple[float, float]) -> Affine:
        """Turns counter-clockwise, as displayed, round a (row, column)."""
        cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        r, c = centre
        return cls(cos, -sin, r - cos * r + sin * c, sin, cos, c - sin * r - cos * c)

    @classmethod
    def mirror(cls, columns: int) -> Affine:
        """Left to right on a film of so many columns."""
        return cls(cc=-1.0, c0=columns - 1.0)

    def then(self, after: Affine) -> Affine:
        """This map first, `after` on its result."""
        return Affine(
            after.rr * self.rr + after.rc * self.cr,
            after.rr * self.rc + after.rc * self.cc,
            after.rr * self.r0 + after.rc * self.c0 + after.r0,
            after.cr * self.rr + after.cc * self.cr,
            after.cr * self.rc + after.cc * self.cc,
            after.cr * self.r0 + after.cc * self.c0 + after.c0,
        )

    @property
    def determinant(self) -> float:
        """Area of a pixel's image; negative where the map mirrors."""
        return self.rr * self.cc - self.rc * self.cr

    def inverse(self) -> Affine:
        """The map back."""
        d = self.determinant
        rr, rc, cr, cc = self.cc / d, -self.rc / d, -self.cr / d, self.rr / d
        return Affine(rr, rc, -(rr * self.r0 + rc * self.c0), cr, cc, -(cr * self.r0 + cc * self.c0))

    def points(self, points: Points) -> Points:
        """(points, 2) carried over."""
        p = np.asarray(points, dtype=np.float64)
        row = self.rr * p[..., 0] + self.rc * p[..., 1] + self.r0
        column = self.cr * p[..., 0] + self.cc * p[..., 1] + self.c0
        return np.stack([row, column], axis=-1)

    def point(self, point: tuple[float, float]) -> tuple[float, float]:
        """One (row, column) carried over."""
        row, column = self.points(np.array(point))
        return float(row), float(column)

    @property
    def is_shift(self) -> bool:
        """Whether the map moves by whole pixels and does nothing else."""
        near = abs(self.rr - 1) + abs(self.cc - 1) + abs(self.rc) + abs(self.cr) < 1e-9
        return near and abs(self.r0 - round(self.r0)) + abs(self.c0 - round(self.c0)) < 1e-6


def warped(pixels: FloatImage, to_film: Affine, size: tuple[int, int], fill: float = 0.0) -> FloatImage:
    """A picture carried onto another raster by bilinear interpolation.

    Args:
        pixels: (rows, columns) float32.
        to_film: from the picture's points to the raster's; it should not shrink by more than a quarter.
        size: rows and columns of the raster.
        fill: value where the picture does not reach.
    """
    back = to_film.inverse()
    # Pillow counts from the corner of the first pixel, x first.
    x0 = back.c0 + 0.5 - 0.5 * (back.cc + back.cr)
    y0 = back.r0 + 0.5 - 0.5 * (back.rc + back.rr)
    data = (back.cc, back.cr, x0, back.rc, back.rr, y0)
    picture = Image.fromarray(np.ascontiguousarray(pixels, dtype=np.float32))
    moved = picture.transform(
        (size[1], size[0]), Image.Transform.AFFINE, data, Image.Resampling.BILINEAR, fillcolor=fill
    )
    return np.asarray(moved, dtype=np.float32)


def resized(pixels: FloatImage, size: tuple[int, int], smooth: bool = True) -> FloatImage:
    """A picture on another number of rows and columns; low-pass filtered where it shrinks.

    Args:
        pixels: (rows, columns) float32.
        size: rows and columns wanted.
        smooth: bicubic where true, else bilinear.
    """
    if pixels.shape == size:
        return pixels
    method = Image.Resampling.BICUBIC if smooth else Image.Resampling.BILINEAR
    picture = Image.fromarray(np.ascontiguousarray(pixels, dtype=np.float32)).resize((size[1], size[0]), method)
    return np.asarray(picture, dtype=np.float32)
