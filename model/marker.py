"""Reads lead letters: R and L beside a knee, as laid there by a technician, the right way round or mirrored.

A false reading is worse than none: it names the wrong knee. What is not clearly a letter, and alone, is not read.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kneeoa.model.localize import KneeRegion
from kneeoa.model.marker_letters import CLASSES, OTHER, laid_out, letter_network
from kneeoa.model.marker_shapes import Shape, shapes
from kneeoa.model.radiograph import FloatImage, Side

CLEAR_LETTER = 0.97
"""Confidence from which a letter is read."""
HEIGHTS = (0.07, 0.5)
"""A letter's height in plateau widths: 5 to 38 mm."""
_HEIGHTS_ALONE = (0.012, 0.2)
"""The same in the film's long side, where no knee tells the scale."""
_SMALLEST_PX = 9.0
"""A letter is not told from others on fewer pixels."""
_RASTER = (1000, 1500)
"""Long side that films are reduced to, about; the second where knees are small."""
_PLATEAU_PX = 130.0
"""Plateau width that is enough for the smallest letters."""
_LEVELS = (0.95, 0.82, 0.66)
"""Shares of the film's brightest at which it is cut: lead is near it, whatever the window."""
_CONTRAST = 0.22
"""A letter is brighter than what lies around it by this share of the film's brightest, at least."""
_FILL = (0.14, 0.72)
"""Share of its box that a letter covers, whichever way it is turned."""
_SLENDEREST = 0.35
"""Short over long side of a letter's box."""
_WORD_SHARE = 0.6
"""Shapes down to this share of the smallest letter are looked at as a letter's neighbours."""
_MOST = 60
"""Shapes of a film that are looked at; the most contrasty first."""
_ANGLES = np.arange(-180.0, 180.0, 15.0)
"""Turns tried, from the leg's upright."""
_LEANING = 45.0
"""Turned by more a letter is not read: a lying L is a corner of many things, and few markers lie."""
_TEXT_HEIGHT = (0.7, 1.43)
_TEXT_GAP = 0.9
"""What is as high as a letter and next to it on its line, nearer than so many heights, makes it a word's."""


@dataclass(frozen=True, slots=True)
class Marker:
    """A lead letter on a film.

    Attributes:
        side: what it says: `Side.RIGHT` or `Side.LEFT`.
        mirrored: whether it is seen from behind. The film is then mirrored, or it is a PA film whose marker faced the
            tube.
        place: its middle, (row, column) on the film.
        height_px: its longer side on the film.
        angle_degrees: how far it is turned from upright, counter-clockwise as displayed, to some 10 degrees.
        confidence: in [0, 1].
    """

    side: Side
    mirrored: bool
    place: tuple[float, float]
    height_px: float
    angle_degrees: float
    confidence: float


@dataclass(frozen=True, slots=True, eq=False)
class _Candidate:
    shape: Shape
    box: tuple[int, int, int, int]
    contrast: float
    """Over what lies around, as a share of the film's brightest; 0 of what cannot be a letter."""

    @property
    def middle(self) -> tuple[float, float]:
        top, bottom, left, right = self.box
        return (top + bottom - 1) / 2, (left + right - 1) / 2

    @property
    def long(self) -> int:
        return max(self.box[1] - self.box[0], self.box[3] - self.box[2])


def read_markers(film: FloatImage, regions: Sequence[KneeRegion] = ()) -> tuple[Marker, ...]:
    """Reads the letters R and L on a film.

    Args:
        film: (rows, columns) float32 in [0, 1]; bone, and lead, is bright; as displayed.
        regions: the knees on it, which tell how large letters are and which way is up. Letters over a joint are not
            read.

    Returns:
        Letters that are clear, by falling confidence; often none.
    """
    step = _step(film, regions)
    every = _bright_shapes(_reduced(film, step), _heights(film, regions, step))
    found = [one for one in _letter_like(every) if not _over_a_joint(one.middle, step, regions)]
    upright = _upright(regions)
    markers: list[Marker] = []
    for one in found:
        marker = _letter(one, upright, step)
        if marker is not None and not _in_a_word(one, marker.angle_degrees, every):
            markers.append(marker)
    distinct: list[Marker] = []
    for marker in sorted(markers, key=lambda m: -m.confidence):
        if all(math.dist(marker.place, other.place) > 0.5 * other.height_px for other in distinct):
            distinct.append(marker)
    return tuple(distinct)


def candidates(film: FloatImage, regions: Sequence[KneeRegion] = ()) -> list[Shape]:
    """Shapes that `read_markers` would look at, on its reduced raster: what its network is fitted on."""
    step = _step(film, regions)
    return [one.shape for one in _letter_like(_bright_shapes(_reduced(film, step), _heights(film, regions, step)))]


def _step(film: FloatImage, regions: Sequence[KneeRegion]) -> int:
    long = float(max(film.shape))
    least = max(1, round(long / _RASTER[0]))
    if not regions:
        return least
    # Small knees, as on long-leg films, have small letters.
    wanted = int(min(region.plateau_width_px for region in regions) / _PLATEAU_PX)
    return min(max(wanted, math.ceil(long / _RASTER[1]), 1), least)


def _reduced(film: FloatImage, step: int) -> FloatImage:
    """The film by a whole factor. Two pixels of each block stand for it: a mean of all costs ten times as much."""
    if step == 1:
        return film
    rows, columns = (n // step * step for n in film.shape)
    a, b = step // 3, step - 1 - step // 3
    return np.asarray((film[a:rows:step, a:columns:step] + film[b:rows:step, b:columns:step]) * np.float32(0.5))


def _heights(film: FloatImage, regions: Sequence[KneeRegion], step: int) -> tuple[float, float]:
    """Shortest and longest letter on the raster."""
    if regions:
        widths = [region.plateau_width_px / step for region in regions]
        low, high = HEIGHTS[0] * min(widths), HEIGHTS[1] * max(widths)
    else:
        long = max(film.shape) / step
        low, high = _HEIGHTS_ALONE[0] * long, _HEIGHTS_ALONE[1] * long
    return max(low, _SMALLEST_PX), high


def _bright_shapes(raster: FloatImage, heights: tuple[float, float]) -> list[_Candidate]:
    """Shapes of a letter's size, and smaller ones, which may be a word's."""
    # The very brightest may be one hot pixel.
    white = float(np.partition(raster[::3, ::3].ravel(), -8)[-8]) if raster.size > 9 * 64 else float(raster.max())
    found: list[_Candidate] = []
    for level in _LEVELS:
        for shape in shapes(raster > np.float32(level * white), _WORD_SHARE * heights[0], heights[1]):
            box = shape.box
            sides = (box[1] - box[0], box[3] - box[2])
            share = len(shape.rows) / (sides[0] * sides[1])
            fits = _FILL[0] <= share <= _FILL[1] and min(sides) >= _SLENDEREST * max(sides) and max(sides) >= heights[0]
            contrast = _contrast(raster, shape, box) / max(white, 1e-6) if fits else 0.0
            found.append(_Candidate(shape, box, contrast))
    return found


def _letter_like(found: Sequence[_Candidate]) -> list[_Candidate]:
    clear = [one for one in found if one.contrast >= _CONTRAST]
    return sorted(clear, key=lambda one: -one.contrast)[:_MOST]


def _contrast(raster: FloatImage, shape: Shape, box: tuple[int, int, int, int]) -> float:
    """How much brighter a shape is than the upper quartile of what lies in and round its box."""
    margin = 2
    top, left = max(box[0] - margin, 0), max(box[2] - margin, 0)
    part = raster[top : box[1] + margin, left : box[3] + margin]
    mine = np.zeros(part.shape, dtype=np.bool_)
    mine[shape.rows - top, shape.columns - left] = True
    inside = part[mine]
    # A pixel on the edge is of both: one ring round the shape does not count.
    near = mine.copy()
    near[1:] |= mine[:-1]
    near[:-1] |= mine[1:]
    near[:, 1:] |= near[:, :-1].copy()
    near[:, :-1] |= near[:, 1:].copy()
    outside = part[~near]
    if outside.size < 8:
        return 0.0
    return float(np.median(inside) - np.percentile(outside, 75))


def _upright(regions: Sequence[KneeRegion]) -> float:
    """The legs' common turn."""
    turns = [math.radians(region.angle_degrees) for region in regions]
    return math.degrees(math.atan2(sum(map(math.sin, turns)), sum(map(math.cos, turns)))) if turns else 0.0


def _letter(one: _Candidate, upright: float, step: int) -> Marker | None:
    chances = letter_network().probabilities(laid_out(one.shape, _ANGLES + upright)).astype(np.float64)
    letters = chances[:, :OTHER]
    angle, letter = np.unravel_index(int(letters.argmax()), letters.shape)
    # Another letter at another turn is a rival: a mirrored L lying down is nearly an L.
    rival = float(np.delete(letters, letter, axis=1).max())
    confidence = float(letters[angle, letter]) * (1 - rival)
    name = CLASSES[int(letter)]
    if confidence < CLEAR_LETTER or abs(_ANGLES[angle]) > _LEANING:
        return None
    return Marker(
        side=Side(name[-1]),
        mirrored=name.startswith("mirrored"),
        place=_on_film(one.middle, step),
        height_px=float(one.long * step),
        angle_degrees=math.remainder(float(_ANGLES[angle]) + upright, 360.0),
        confidence=confidence,
    )


def _on_film(middle: tuple[float, float], step: int) -> tuple[float, float]:
    return (middle[0] + 0.5) * step - 0.5, (middle[1] + 0.5) * step - 0.5


def _over_a_joint(middle: tuple[float, float], step: int, regions: Sequence[KneeRegion]) -> bool:
    """Whether a shape lies in the bones of a knee: there are implants, not markers."""
    place = _on_film(middle, step)
    return any(math.dist(place, region.centre) < 0.5 * region.plateau_width_px for region in regions)


def _in_a_word(one: _Candidate, degrees: float, others: Sequence[_Candidate]) -> bool:
    turn = math.radians(degrees)
    height, width = _extent(one.shape, turn)
    for other in others:
        down = other.middle[0] - one.middle[0]
        across = other.middle[1] - one.middle[1]
        along, aside = -math.sin(turn) * down + math.cos(turn) * across, math.cos(turn) * down + math.sin(turn) * across
        if math.hypot(along, aside) < 0.3 * height:
            continue  # itself, at another level
        if abs(aside) >= 0.4 * height:
            continue
        other_height, other_width = _extent(other.shape, turn)
        gap = abs(along) - (width + other_width) / 2
        if _TEXT_HEIGHT[0] < other_height / height < _TEXT_HEIGHT[1] and gap < _TEXT_GAP * height:
            return True
    return False


def _extent(shape: Shape, turn: float) -> npt.NDArray[np.float64]:
    """(2,) height and width of a shape in a turned frame."""
    rows, columns = shape.rows.astype(np.float64), shape.columns.astype(np.float64)
    down = math.cos(turn) * rows + math.sin(turn) * columns
    across = -math.sin(turn) * rows + math.cos(turn) * columns
    return np.array([np.ptp(down) + 1, np.ptp(across) + 1])
