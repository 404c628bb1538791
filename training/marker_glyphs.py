"""Lead letters to learn from, and what is taken for them: glyphs of several types, turned, blurred, cut at a level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from kneeoa.datasets.film_geometry import Affine, warped
from kneeoa.datasets.film_texture import blurred
from kneeoa.model.marker_letters import CELLS, CLASSES, OTHER, laid_out
from kneeoa.model.marker_shapes import Shape, shapes
from kneeoa.model.radiograph import FloatImage

UPRIGHT_DEGREES = 11.0
"""A letter turned by less counts as upright; the reader tries every 15 degrees."""
NOT_UPRIGHT_DEGREES = 28.0
"""Turned by more it counts as no letter at that turn; between the two nothing is learnt."""
OTHERS = "ABCDEFGHIJKMNOPQSTUVWXYZ0123456789+-/>TPAKBF147J"
"""Some more often: what is most like an R or an L."""
_DRAWN_PX = 96
_SHAPES = ("bar", "ring", "corner", "arrow", "wedge", "cross", "blob")


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """Shapes as the letter network sees them.

    Attributes:
        cells: (examples, cells) float32, as `laid_out` gives them.
        classes: (examples,) int64, index into `CLASSES`.
    """

    cells: FloatImage
    classes: npt.NDArray[np.int64]


def glyph_examples(count: int, faces: Sequence[Path | None], rng: np.random.Generator) -> Examples:
    """Draws examples: three fifths letters of the four kinds, a third of these turned away; the rest others.

    Args:
        count: how many.
        faces: font files; None is Pillow's own.
        rng: of everything.
    """
    rows: list[FloatImage] = []
    classes: list[int] = []
    while len(rows) < count:
        kind = int(rng.integers(OTHER)) if rng.random() < 0.6 else OTHER
        degrees = float(rng.uniform(-180, 180))
        shape = _cut(_drawn(kind, faces, rng), degrees, rng)
        if shape is None:
            continue
        off = float(rng.uniform(-UPRIGHT_DEGREES, UPRIGHT_DEGREES))
        if kind != OTHER and rng.random() < 0.33:
            off = float(rng.uniform(NOT_UPRIGHT_DEGREES, 360 - NOT_UPRIGHT_DEGREES))
            kind = OTHER
        rows.append(laid_out(shape, np.array([degrees + off]))[0])
        classes.append(kind)
    return Examples(np.stack(rows), np.array(classes, dtype=np.int64))


def shape_examples(found: Sequence[Shape], turns: int, rng: np.random.Generator) -> Examples:
    """Shapes of films that are no letters, each at some turns."""
    rows = [laid_out(shape, rng.uniform(-180, 180, turns)) for shape in found]
    cells = np.concatenate(rows) if rows else np.zeros((0, CELLS**2 + 1), dtype=np.float32)
    return Examples(cells, np.full(len(cells), OTHER, dtype=np.int64))


def _drawn(kind: int, faces: Sequence[Path | None], rng: np.random.Generator) -> FloatImage:
    """(rows, columns) float32 in [0, 1] of a glyph or a shape, upright."""
    if kind == OTHER and rng.random() < 0.25:
        return _shape(str(rng.choice(_SHAPES)), rng)
    text = CLASSES[kind][-1] if kind != OTHER else str(rng.choice(list(OTHERS)))
    face = faces[int(rng.integers(len(faces)))]
    glyph = _glyph(text, face, int(rng.integers(0, 8)))
    mirrored = rng.random() < 0.5 if kind == OTHER else CLASSES[kind].startswith("mirrored")
    glyph = glyph[:, ::-1] if mirrored else glyph
    wide = max(4, round(glyph.shape[1] * float(rng.uniform(0.78, 1.2))))
    picture = Image.fromarray(np.ascontiguousarray(glyph)).resize((wide, glyph.shape[0]))
    return np.asarray(picture, dtype=np.float32)


@lru_cache(maxsize=4096)
def _glyph(text: str, face: Path | None, weight: int) -> FloatImage:
    size = _DRAWN_PX
    font = ImageFont.load_default(size) if face is None else ImageFont.truetype(str(face), size)
    box = font.getbbox(text, stroke_width=weight)
    tile = Image.new("L", (int(box[2] - box[0]) + 2, int(box[3] - box[1]) + 2))
    at = (1 - box[0], 1 - box[1])
    ImageDraw.Draw(tile).text(at, text, fill=255, font=font, stroke_width=weight)
    return np.asarray(tile, dtype=np.float32) / np.float32(255)


def _shape(name: str, rng: np.random.Generator) -> FloatImage:
    size = _DRAWN_PX
    tile = Image.new("L", (size, size))
    pen = ImageDraw.Draw(tile)
    wide = int(rng.integers(10, 26))
    middle = size // 2
    if name == "bar":
        pen.rectangle((0, middle - wide, size - 1, middle + wide // 2), fill=255)
    elif name == "ring":
        pen.ellipse((0, 0, size - 1, int(rng.integers(60, size))), outline=255, width=wide)
    elif name == "corner":
        foot = int(rng.integers(88, 160))  # the arms of a corner are equal, or the lower the longer
        tile = Image.new("L", (foot, size))
        pen = ImageDraw.Draw(tile)
        pen.rectangle((0, 0, wide, size - 1), fill=255)
        pen.rectangle((0, size - 1 - wide, foot - 1, size - 1), fill=255)
    elif name == "arrow":
        pen.polygon([(middle, 0), (middle + 2 * wide, 2 * wide), (middle - 2 * wide, 2 * wide)], fill=255)
        pen.rectangle((middle - wide // 2, wide, middle + wide // 2, size - 1), fill=255)
    elif name == "wedge":
        corners = rng.uniform(0, size - 1, (3, 2))
        pen.polygon([(float(x), float(y)) for x, y in corners], fill=255)
    elif name == "cross":
        at = int(rng.integers(wide, size - wide))
        pen.rectangle((at - wide // 2, 0, at + wide // 2, size - 1), fill=255)
        at = int(rng.integers(wide, size - wide))
        pen.rectangle((0, at - wide // 2, size - 1, at + wide // 2), fill=255)
    else:
        turns = np.sort(rng.uniform(0, 2 * np.pi, 9))
        reach = rng.uniform(8, middle, 9)
        corners = np.stack([middle + reach * np.cos(turns), middle + reach * np.sin(turns)], axis=1)
        pen.polygon([(float(x), float(y)) for x, y in corners], fill=255)
    return np.asarray(tile, dtype=np.float32) / np.float32(255)


def _cut(glyph: FloatImage, degrees: float, rng: np.random.Generator) -> Shape | None:
    """A glyph on a film: turned, reduced, blurred, noisy, and cut at a level; None where it fell to pieces."""
    height = float(np.exp(rng.uniform(np.log(9), np.log(70))))
    share = height / _DRAWN_PX
    picture = Image.fromarray(np.ascontiguousarray(glyph))
    size = (max(3, round(glyph.shape[1] * share)), max(3, round(glyph.shape[0] * share)))
    small = np.asarray(picture.resize(size, Image.Resampling.BOX), dtype=np.float32)
    side = int(np.ceil(np.hypot(*small.shape))) + 6
    shift = Affine.shift((side - small.shape[0]) / 2 + rng.uniform(0, 1), (side - small.shape[1]) / 2)
    film = warped(small, shift.then(Affine.turn(degrees, ((side - 1) / 2, (side - 1) / 2))), (side, side))
    ground = float(rng.uniform(0, 0.6))
    cover = blurred(film, float(rng.uniform(0, 0.045)) * height)
    film = np.float32(ground) + np.float32(1.15 - ground) * cover
    film += np.float32(rng.uniform(0, 0.03)) * rng.standard_normal(film.shape, dtype=np.float32)
    level = float(rng.uniform(max(ground + 0.12, 0.6), 0.97))
    found = list(shapes(np.clip(film, 0, 1) > level, 0.5 * height, 3 * height))
    return max(found, key=lambda shape: len(shape.rows), default=None)
