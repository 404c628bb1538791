"""From a place on a film to the network's frame.

The frame is that of the public crops: a square around the joint whose width the tibial plateau fills to about 82 %,
right knees as displayed and left knees mirrored, so that medial is always at image right. The network then sees the
band of rows that holds the joint and its margins; the rest of the square is shaft.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from kneeoa.model.grades import Box
from kneeoa.model.normalize import bone_bright, standardise
from kneeoa.model.radiograph import FloatImage, Side

FRAME_VERSION = "square288-band208-1"
"""Names everything in this file and in `normalize`; a release that was trained on another frame is refused at load."""
JOINT_BELOW_MIDDLE = 0.027
"""How far below the frame's middle the joint's centre lies, in frame widths: 0.527 +- 0.027 from the top."""
SQUARE = 288
"""Rows and columns of the square, in pixels."""
BAND_TOP = 56
"""First row of the band: 0.19 of the square."""
BAND_ROWS = 208
"""Rows of the band: 0.72 of the square, centred on its row 0.56; the joint lies at 0.53 in the public crops."""
PLATEAU_FRACTION = 0.82
"""Width of the tibial plateau over width of the square, in the public crops: 0.822 +- 0.029 by registration."""


@dataclass(frozen=True, slots=True)
class Square:
    """A square on a film, in film pixels; the centre of the top-left pixel is (0, 0).

    Attributes:
        centre_row: row of its middle.
        centre_column: column of its middle.
        size: length of its sides.
        angle_degrees: how far the knee's axis is turned anticlockwise from upright.
    """

    centre_row: float
    centre_column: float
    size: float
    angle_degrees: float = 0.0

    def enlarged(self, factor: int) -> Square:
        """The same place on a film whose block means of `factor` x `factor` pixels this square was found on."""
        # A block's centre is (factor - 1) / 2 pixels from its first pixel's centre.
        shift = (factor - 1) / 2
        row, column = self.centre_row * factor + shift, self.centre_column * factor + shift
        return Square(row, column, self.size * factor, self.angle_degrees)

    def box(self) -> Box:
        """The report's box: the square before rotation."""
        half = self.size / 2
        return Box(self.centre_row - half, self.centre_column - half, self.size, self.size)


def whole_film_square(rows: int, columns: int) -> Square:
    """The square of a film that is one knee crop already: as wide as the film, about its middle.

    Width decides because the plateau is framed by width; for height / width >= 0.8 the band still lies on the film.
    """
    return Square((rows - 1) / 2, (columns - 1) / 2, float(columns))


def cut_square(pixels: FloatImage, square: Square) -> FloatImage:
    """Resamples a square of the film to `SQUARE` x `SQUARE`, with the right low-pass filter for its scale.

    Args:
        pixels: (rows, columns) float32 in [0, 1], as displayed.
        square: where to cut; what lies beyond the film repeats its edge.

    Returns:
        (288, 288) float32 in [0, 1], upright, not mirrored.

    Raises:
        ValueError: the square is smaller than two pixels, or lies wholly beside the film.
    """
    rows, columns = pixels.shape
    box = square.box()
    # A turned square needs the corners of a larger upright one.
    turned = square.angle_degrees % 360.0 != 0.0
    margin = (np.sqrt(2.0) - 1.0) / 2.0 * square.size if turned else 0.0
    # Pillow counts from the top-left corner of the top-left pixel, we from its centre: + 0.5.
    left, top = box.column + 0.5 - margin, box.row + 0.5 - margin
    right, bottom = left + box.width + 2 * margin, top + box.height + 2 * margin
    if square.size < 2 or right <= 0 or bottom <= 0 or left >= columns or top >= rows:
        msg = f"a square of {square.size:.1f} pixels does not lie on a film of {rows} x {columns}"
        raise ValueError(msg)
    size = round(SQUARE * (1 + 2 * margin / square.size))
    # Pillow copies what it is given: of a whole film ten times what the square needs.
    part, (first_row, first_column) = _part(pixels, (top, left, bottom, right), size)
    left, top, right, bottom = left - first_column, top - first_row, right - first_column, bottom - first_row
    image = Image.fromarray(part)
    picture = image.resize((size, size), Image.Resampling.BICUBIC, box=(left, top, right, bottom))
    if turned:
        picture = _middle_turned(picture, square.angle_degrees)
    # Bicubic overshoots at sharp edges; the frame stays in [0, 1].
    return np.clip(np.asarray(picture, dtype=np.float32), 0.0, 1.0)


def _middle_turned(picture: Image.Image, degrees: float) -> Image.Image:
    """The middle `SQUARE` x `SQUARE` of a square picture, turned clockwise by so many degrees.

    As `rotate` and `crop` would give it, without the corners that `crop` would throw away.
    """
    turn = math.radians(degrees)
    cos, sin = math.cos(turn), math.sin(turn)
    edge, middle = (picture.width - SQUARE) // 2, picture.width / 2
    # From the result's column and row to the picture's, as Pillow asks for: both turn about the picture's middle.
    offset = edge - middle
    onto = (cos, sin, middle + (cos + sin) * offset, -sin, cos, middle + (cos - sin) * offset)
    return picture.transform((SQUARE, SQUARE), Image.Transform.AFFINE, onto, Image.Resampling.BICUBIC)


def _part(pixels: FloatImage, box: tuple[float, float, float, float], size: int) -> tuple[FloatImage, tuple[int, int]]:
    """What a box (top, left, bottom, right) of a film is resampled from, and the place of its first pixel.

    As far as the box reaches beyond the film, and no farther, the film's edge is repeated.
    """
    top, left, bottom, right = box
    beyond = int(np.ceil(max(0.0, -left, -top, right - pixels.shape[1], bottom - pixels.shape[0])))
    lines: list[npt.NDArray[np.intp]] = []
    for low, high, length in ((top, bottom, pixels.shape[0]), (left, right, pixels.shape[1])):
        # A bicubic filter reaches two of its own pixels to either side.
        reach = 2 * max(1.0, (high - low) / size) + 1
        first = max(-beyond, int(np.floor(low - reach)))
        lines.append(np.arange(first, min(length + beyond, int(np.ceil(high + reach)))))
    start = int(lines[0][0]), int(lines[1][0])
    if beyond:
        inside = [np.clip(line, 0, length - 1) for line, length in zip(lines, pixels.shape, strict=True)]
        return pixels[np.ix_(*inside)], start
    return np.ascontiguousarray(pixels[start[0] : lines[0][-1] + 1, start[1] : lines[1][-1] + 1]), start


def canonical(square: FloatImage, side: Side) -> FloatImage:
    """Bone bright and medial at image right: left knees are mirrored, inverted grey values are turned.

    Args:
        square: (288, 288) float32 in [0, 1], as displayed.
        side: the patient's side; an unknown side is treated as right, which the caller must flag.
    """
    upright = bone_bright(square)
    return np.ascontiguousarray(upright[:, ::-1]) if side is Side.LEFT else upright


def network_input(square: FloatImage) -> FloatImage:
    """The last step before a network, in training after augmentation: the joint's band, standardised.

    Args:
        square: (288, 288) float32, canonical.

    Returns:
        (208, 288) float32 with mean 0 and standard deviation 1.
    """
    return standardise(square[BAND_TOP : BAND_TOP + BAND_ROWS])
