"""A film's geometry: millimetres into pixels, and the lead letter."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from PIL import Image, ImageDraw

from kneeoa.datasets.phantom_outlines import Points
from kneeoa.model.radiograph import FloatImage, Side

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
        origin: middle of the knee's frame, (row, column) in pixels; the centre of the top-left pixel is (0, 0).
        pixel_spacing_mm: millimetres per pixel, both ways.
    """

    rows: int
    columns: int
    origin: tuple[float, float]
    pixel_spacing_mm: float

    def pixels(self, points: Points) -> Points:
        """Millimetres (x, y) from the origin as film pixels (row, column)."""
        return points[..., ::-1] / self.pixel_spacing_mm + self.origin

    def axes_mm(self) -> tuple[Points, Points]:
        """Middles of pixels in millimetres from the origin: x (1, columns) and y (rows, 1) float64."""
        row, column = self.origin
        x = np.asarray((np.arange(self.columns) - column) * self.pixel_spacing_mm, dtype=np.float64)
        y = np.asarray((np.arange(self.rows) - row) * self.pixel_spacing_mm, dtype=np.float64)
        return x[None, :], y[:, None]


def with_marker(pixels: FloatImage, side: Side, frame: Frame) -> FloatImage:
    """A copy with a lead letter on the knee's lateral side above, where technicians lay it.

    Args:
        pixels: (rows, columns) float32 in [0, 1], as displayed: after mirroring.
        side: which letter; a right knee's lateral side is at image left.
        frame: the film, its origin as displayed.
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
