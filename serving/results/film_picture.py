"""A film, or the part round one knee, as a picture: frames where knees were found, warm where a grade rests."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFont

from kneeoa.model.grades import Box, FilmGrades, KneeGrades
from kneeoa.model.radiograph import FloatImage, Side
from kneeoa.serving.results.joint_picture import draw_joint_space

GRADED = (255, 176, 32)
"""Colour of a knee that has a grade."""
REFUSED = (234, 98, 98)
"""Colour of a knee, or of words, without one."""
_DARK = (17, 20, 24)
_HEAT = (255, 110, 20)
_SIDES = {Side.RIGHT: "R", Side.LEFT: "L", Side.UNKNOWN: "?"}
HEAT_SIDE = 1024
"""Of a picture of heat alone, which is smooth."""
_FINER = 2
"""Frames and tags are drawn so many times larger and reduced, for their slanting lines to be smooth."""
_AROUND = 1.5
"""Side of an enlarged part over that of the frame in it, which may be turned."""
_TAG_PX = 20
Rectangle = tuple[float, float, float, float]
"""Left, top, right and bottom in the picture's pixels."""


@dataclass(frozen=True, slots=True)
class _Part:
    """An upright part of a film, in film pixels counted from the film's corner, and its size in the picture."""

    left: float
    top: float
    width: float
    height: float
    size: tuple[int, int]

    @property
    def scale(self) -> float:
        return self.size[0] / self.width

    def place(self, row: float, column: float) -> tuple[float, float]:
        """Film (row, column), counted between pixel centres, as (x, y) of the picture."""
        return (column + 0.5 - self.left) * self.scale, (row + 0.5 - self.top) * self.scale


def film_picture(pixels: FloatImage, grades: FilmGrades, most: tuple[int, int]) -> Image.Image:
    """The whole film with its knees framed and tagged.

    Args:
        pixels: (rows, columns) float32 in [0, 1], the film as displayed.
        grades: its report.
        most: greatest width and height of the picture; it fills one of them.

    Returns:
        An RGB picture in the film's proportions.
    """
    rows, columns = _film_size(pixels, grades)
    scale = min(most[0] / columns, most[1] / rows)
    part = _Part(0.0, 0.0, columns, rows, (max(1, round(columns * scale)), max(1, round(rows * scale))))
    picture = _shown(pixels, part, grades)
    finer, draw = _finer(picture.size)
    for knee in grades.knees:
        _frame(draw, knee, part)
        draw_joint_space(draw, knee, part.place, _FINER)
    taken: list[Rectangle] = []
    for knee in grades.knees:
        if knee.box is not None:
            taken.append(_tag(draw, knee, _tag_places(_corners(knee, knee.box, part)), picture.size, taken))
    return _under(picture, finer)


def knee_picture(pixels: FloatImage, grades: FilmGrades, knee: KneeGrades, side_px: int) -> Image.Image:
    """One knee from near, as it lies on the film.

    Args:
        pixels: (rows, columns) float32 in [0, 1], the film as displayed.
        grades: its report.
        knee: one of the report's, with a box.
        side_px: width and height of the picture, which is smaller one way where the film is.

    Raises:
        ValueError: the knee has no box.
    """
    if knee.box is None:
        raise ValueError("A knee without a box cannot be shown from near.")
    rows, columns = _film_size(pixels, grades)
    width, height = min(_AROUND * knee.box.width, columns), min(_AROUND * knee.box.height, rows)
    left = float(np.clip(knee.box.column + (knee.box.width - width) / 2, 0, columns - width))
    top = float(np.clip(knee.box.row + (knee.box.height - height) / 2, 0, rows - height))
    scale = side_px / max(width, height)
    part = _Part(left, top, width, height, (max(1, round(width * scale)), max(1, round(height * scale))))
    picture = _shown(pixels, part, grades)
    finer, draw = _finer(picture.size)
    _frame(draw, knee, part)
    draw_joint_space(draw, knee, part.place, _FINER)
    _tag(draw, knee, [(0.0, 0.0)], picture.size, [])
    return _under(picture, finer)


def heat_picture(pixels: FloatImage, grades: FilmGrades, long_side: int = HEAT_SIDE) -> Image.Image:
    """Where the grades of a film rest, to be laid over the film.

    Args:
        pixels: (rows, columns) float32, for the film's size where the report has none.
        grades: its report, with heat maps.
        long_side: greatest width and height of the picture.

    Returns:
        An RGBA picture in the film's proportions, transparent where no grade rests.
    """
    rows, columns = _film_size(pixels, grades)
    scale = min(1.0, long_side / max(rows, columns))
    part = _Part(0.0, 0.0, columns, rows, (max(1, round(columns * scale)), max(1, round(rows * scale))))
    picture = Image.new("RGB", part.size, _HEAT)
    picture.putalpha(_heat(grades, part))
    return picture


def frame_width(pixels: FloatImage, grades: FilmGrades, most: tuple[int, int]) -> float:
    """Width of the narrowest frame in `film_picture`, in its pixels; infinite where there is none."""
    rows, columns = _film_size(pixels, grades)
    scale = min(most[0] / columns, most[1] / rows)
    return min((knee.box.width * scale for knee in grades.knees if knee.box is not None), default=math.inf)


def _film_size(pixels: FloatImage, grades: FilmGrades) -> tuple[int, int]:
    # Boxes are told in the stored film's pixels, of which `pixels` may be a reduction.
    return grades.film.rows or pixels.shape[0], grades.film.columns or pixels.shape[1]


def _shown(pixels: FloatImage, part: _Part, grades: FilmGrades) -> Image.Image:
    rows, columns = _film_size(pixels, grades)
    down, across = pixels.shape[0] / rows, pixels.shape[1] / columns
    box = (
        part.left * across,
        part.top * down,
        min((part.left + part.width) * across, pixels.shape[1]),
        min((part.top + part.height) * down, pixels.shape[0]),
    )
    film = Image.fromarray(np.ascontiguousarray(pixels)).resize(part.size, Image.Resampling.LANCZOS, box=box)
    picture = Image.fromarray(np.clip(np.asarray(film) * 255, 0, 255).astype(np.uint8)).convert("RGB")
    return Image.composite(Image.new("RGB", picture.size, _HEAT), picture, _heat(grades, part))


def _heat(grades: FilmGrades, part: _Part) -> Image.Image:
    """How warm each pixel of a part is, all knees together."""
    mask = Image.new("L", part.size, 0)
    for knee in grades.knees:
        if knee.box is not None and knee.heat_map is not None:
            mask = ImageChops.lighter(mask, _heat_of(knee.box, knee.heat_map, knee.angle_degrees or 0.0, part))
    return mask


def _heat_of(box: Box, heat: FloatImage, angle_degrees: float, part: _Part) -> Image.Image:
    size = max(1, round(box.width * part.scale))
    warm = Image.fromarray((np.clip(heat, 0, 1) ** 1.2 * 130).astype(np.uint8))
    warm = warm.resize((size, size), Image.Resampling.BICUBIC)
    # The crop was turned upright; its heat is turned back, about its middle.
    turned = warm.rotate(angle_degrees, Image.Resampling.BICUBIC, expand=True)
    x, y = part.place(box.row + box.height / 2, box.column + box.width / 2)
    mask = Image.new("L", part.size, 0)
    mask.paste(turned, (round(x - turned.width / 2), round(y - turned.height / 2)))
    return mask


def _finer(size: tuple[int, int]) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    layer = Image.new("RGBA", (size[0] * _FINER, size[1] * _FINER), (0, 0, 0, 0))
    return layer, ImageDraw.Draw(layer)


def _under(picture: Image.Image, finer: Image.Image) -> Image.Image:
    # Premultiplied while it is reduced, or the borders of what is drawn would darken.
    layer = finer.convert("RGBa").resize(picture.size, Image.Resampling.BOX).convert("RGBA")
    return Image.alpha_composite(picture.convert("RGBA"), layer).convert("RGB")


def _corners(knee: KneeGrades, box: Box, part: _Part) -> list[tuple[float, float]]:
    """Where the corners of what the network was shown lie in the picture, going round."""
    return [part.place(row, column) for row, column in box.corners(knee.angle_degrees or 0.0)]


def _frame(draw: ImageDraw.ImageDraw, knee: KneeGrades, part: _Part) -> None:
    if knee.box is None:
        return
    corners = _on_picture(_corners(knee, knee.box, part), part.size)
    if len(corners) > 2:
        finer = [(x * _FINER, y * _FINER) for x, y in corners]
        draw.line([*finer, *finer[:2]], fill=_colour(knee), width=2 * _FINER + 1, joint="curve")


def _on_picture(corners: list[tuple[float, float]], size: tuple[int, int]) -> list[tuple[float, float]]:
    """What of a frame lies on the picture, closed along its edges (Sutherland & Hodgman 1974)."""
    for axis, limit, sign in ((0, 1.5, 1), (0, size[0] - 1.5, -1), (1, 1.5, 1), (1, size[1] - 1.5, -1)):
        kept: list[tuple[float, float]] = []
        for here, there in zip(corners, [*corners[1:], *corners[:1]], strict=True):
            before, after = (sign * (point[axis] - limit) for point in (here, there))
            if before >= 0:
                kept.append(here)
            if (before < 0) != (after < 0):
                share = before / (before - after)
                kept.append((here[0] + share * (there[0] - here[0]), here[1] + share * (there[1] - here[1])))
        corners = kept
    return corners


def _tag_places(corners: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Above the frame, below it, within it at the bottom, over the shaft: nowhere over the joint."""
    left, top, bottom = min(x for x, _ in corners), min(y for _, y in corners), max(y for _, y in corners)
    return [(left, top - _TAG_PX - 12), (left, bottom + 5), (left, bottom - _TAG_PX - 12)]


def _tag(
    draw: ImageDraw.ImageDraw,
    knee: KneeGrades,
    places: list[tuple[float, float]],
    size: tuple[int, int],
    taken: list[Rectangle],
) -> Rectangle:
    """Writes side and grade at the first place that lies on the picture and is free; tells where.

    On a picture too narrow for them nothing is written: the knee is shown from near too.
    """
    font = ImageFont.load_default(_TAG_PX * _FINER)
    said = f"{_SIDES[knee.side]}  KL {knee.kl.grade}" if knee.kl is not None else f"{_SIDES[knee.side]}  not graded"
    width, height = draw.textlength(said, font) / _FINER + 14, _TAG_PX + 8.0
    if width > size[0] or height > size[1]:
        return 0.0, 0.0, 0.0, 0.0
    tags = []
    for x, y in places:
        left, top = (float(np.clip(at, 0, max(0.0, size[i] - (width, height)[i]))) for i, at in enumerate((x, y)))
        tags.append((left, top, left + width, top + height))
    onto = [tag for tag, (_, y) in zip(tags, places, strict=True) if tag[1] == y]
    free = [tag for tag in onto if not any(_overlap(tag, other) for other in taken)]
    tag = (free or onto or tags)[0]
    draw.rectangle([n * _FINER for n in tag], fill=_colour(knee))
    draw.text(((tag[0] + 7) * _FINER, (tag[1] + 2) * _FINER), said, _DARK, font)
    return tag


def _overlap(one: Rectangle, other: Rectangle) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _colour(knee: KneeGrades) -> tuple[int, int, int]:
    return REFUSED if knee.kl is None else GRADED
