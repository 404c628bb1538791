"""A film's geometry: millimetres into pixels, distances from outlines on the pixel grid, and the lead letter."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType

import numpy as np
from PIL import Image, ImageDraw

from kneeoa.datasets.phantom_anatomy import Points
from kneeoa.model.radiograph import FloatImage, Side

_COARSE_MM = 0.4
"""Distances are smooth: they are taken this far apart and interpolated."""
REACH_MM = 16.0
"""Distances are told up to here; farther inside a bone nothing changes any more."""
_LETTER_MM = (4.5, 7.0)
# Strokes from (across, down) to (across, down), as fractions of the letter.
_LETTERS = MappingProxyType(
    {
        Side.LEFT: (((0.0, 0.0), (0.0, 1.0)), ((0.0, 1.0), (1.0, 1.0))),
        Side.RIGHT: (
            *(((0.0, 1.0), (0.0, 0.0)), ((0.0, 0.0), (0.8, 0.0)), ((0.8, 0.0), (1.0, 0.25)), ((1.0, 0.25), (0.8, 0.5))),
            *(((0.8, 0.5), (0.0, 0.5)), ((0.5, 0.5), (1.0, 1.0))),
        ),
    }
)


@dataclass(frozen=True, slots=True)
class Frame:
    """Where a knee lies on a film.

    Attributes:
        rows: of the film.
        columns: of the film.
        joint_centre: (row, column) in pixels; the centre of the top-left pixel is (0, 0).
        pixel_spacing_mm: millimetres per pixel, both ways.
    """

    rows: int
    columns: int
    joint_centre: tuple[float, float]
    pixel_spacing_mm: float

    def pixels(self, points: Points) -> Points:
        """Millimetres (x, y) from the joint centre as film pixels (row, column)."""
        return points[..., ::-1] / self.pixel_spacing_mm + self.joint_centre

    def axes_mm(self, step: int = 1) -> tuple[FloatImage, FloatImage]:
        """Middles of blocks of `step` pixels in millimetres: x (1, columns / step) and y (rows / step, 1)."""
        row, column = self.joint_centre
        y = (np.arange(-(-self.rows // step)) + 0.5) * step - 0.5 - row
        x = (np.arange(-(-self.columns // step)) + 0.5) * step - 0.5 - column
        scale = np.float32(self.pixel_spacing_mm)
        return x[None, :].astype(np.float32) * scale, y[:, None].astype(np.float32) * scale

    @property
    def step(self) -> int:
        """Pixels from one place where distances are taken to the next."""
        return min(max(int(_COARSE_MM / self.pixel_spacing_mm), 1), 8)

    def enlarged(self, coarse: FloatImage) -> FloatImage:
        """A map on blocks of `step` pixels, interpolated to the film's size."""
        size = (coarse.shape[1] * self.step, coarse.shape[0] * self.step)
        full = np.asarray(Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC))
        return full[: self.rows, : self.columns]


def depth_mm(frame: Frame, outline: Points) -> FloatImage:
    """(rows, columns) float32: millimetres below a bone's surface up to `REACH_MM`, negative outside."""
    x, y = frame.axes_mm(frame.step)
    inside = np.zeros((y.size, x.size), dtype=bool)
    closed = np.concatenate([outline, outline[:1]])
    for (x0, y0), (x1, y1) in pairwise(closed):
        straddles = ((y > y0) != (y > y1)).ravel()
        if straddles.any():
            rows = y[straddles]
            inside[straddles] ^= x < (x1 - x0) * (rows - y0) / (y1 - y0) + x0
    depth = np.sqrt(_squared_distance(frame, [closed], REACH_MM))
    return frame.enlarged(np.where(inside, depth, -depth).astype(np.float32))


def squared_distance_mm(frame: Frame, lines: Iterable[Points], reach_mm: float) -> FloatImage:
    """(rows, columns) float32: square of the distance from the nearest of some open lines, up to a reach."""
    # Interpolation overshoots below zero.
    return np.maximum(frame.enlarged(_squared_distance(frame, lines, reach_mm)), np.float32(0))


def _squared_distance(frame: Frame, lines: Iterable[Points], reach_mm: float) -> FloatImage:
    x, y = frame.axes_mm(frame.step)
    squared = np.full((y.size, x.size), reach_mm**2, dtype=np.float32)
    for line in lines:
        for start, end in pairwise(line):
            low, high = np.minimum(start, end) - reach_mm, np.maximum(start, end) + reach_mm
            left, right = np.searchsorted(x.ravel(), (low[0], high[0]))
            top, bottom = np.searchsorted(y.ravel(), (low[1], high[1]))
            if left < right and top < bottom:
                near = squared[top:bottom, left:right]
                np.minimum(near, _from_segment(x[:, left:right], y[top:bottom], start, end), out=near)
    return squared


def _from_segment(x: FloatImage, y: FloatImage, start: Points, end: Points) -> FloatImage:
    dx, dy = (end - start).astype(np.float32)
    from_x, from_y = x - np.float32(start[0]), y - np.float32(start[1])
    along = np.clip((from_x * dx + from_y * dy) / max(dx * dx + dy * dy, np.float32(1e-9)), 0, 1)
    return np.asarray((from_x - along * dx) ** 2 + (from_y - along * dy) ** 2, dtype=np.float32)


def with_marker(pixels: FloatImage, side: Side, frame: Frame) -> FloatImage:
    """A copy with a lead letter on the knee's lateral side above, where technicians lay it.

    Args:
        pixels: (rows, columns) float32 in [0, 1], as displayed: after mirroring.
        side: which letter; a right knee's lateral side is at image left.
        frame: the film, its joint centre as displayed.
    """
    strokes = np.array(_LETTERS[side]) * (_LETTER_MM[0], _LETTER_MM[1])
    left = -43.0 if side is Side.RIGHT else 43.0 - _LETTER_MM[0]
    points = frame.pixels(strokes + np.array((left, -43.0)))
    # Where the film ends before the letter's place does, the letter moves in.
    points += np.maximum(0.0, 2.0 - points.min(axis=(0, 1)))
    points -= np.maximum(0.0, points.max(axis=(0, 1)) - np.array((frame.rows - 3.0, frame.columns - 3.0)))
    mask = Image.new("L", (frame.columns, frame.rows))
    pen = ImageDraw.Draw(mask)
    width = max(1, round(1.0 / frame.pixel_spacing_mm))
    for start, end in points:
        pen.line([start[1], start[0], end[1], end[0]], fill=255, width=width)
        # Strokes of lead wire meet in round ends.
        pen.circle((end[1], end[0]), (width - 1) / 2, fill=255)
    lead: FloatImage = np.asarray(mask, dtype=np.float32) * np.float32(0.97 / 255)
    return np.maximum(pixels, lead)
