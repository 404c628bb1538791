"""One figure of the road that a film takes, made of what the software itself sees at each step."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from kneeoa.model.crop import canonical, cut_square, network_input
from kneeoa.model.film_views import close_view, whole_view
from kneeoa.model.grader import KneeGrader
from kneeoa.model.radiograph import FloatImage, Radiograph, Side
from kneeoa.serving.results.film_picture import film_picture, knee_picture

_HEIGHT = 420
_GAP = 46
_SMALL = (_HEIGHT - 20) // 2
_MARGIN, _CAPTION = 24, 96
_BACK, _INK, _MUTED, _WARM = (255, 255, 255), (30, 34, 40), (95, 105, 115), (255, 120, 0)
_WORDS = (
    ("1  The film", "as the reader decoded it"),
    ("2  First look", "the finder, on the whole film"),
    ("3  Second look", "each knee, from near, upright"),
    ("4  Frame", "left mirrored: medial at right"),
    ("5  Grade", "or a refusal, knee by knee"),
)


def road_picture(film: Radiograph, grader: KneeGrader) -> Image.Image:
    """The steps from left to right: film, heat of the finder, close views, network inputs, grades.

    Args:
        film: with two knees that are graded.
        grader: a loaded grader.
    """
    grades = grader.grade(film)
    regions = sorted(grader.find(film), key=lambda region: region.centre[1])
    near = [close_view(film.pixels, r.centre, r.plateau_width_px, r.angle_degrees).pixels for r in regions]
    sides = [Side.LEFT if r.right < 0.5 else Side.RIGHT for r in regions]
    frames = [
        network_input(canonical(cut_square(film.pixels, region.square), side))
        for region, side in zip(regions, sides, strict=True)
    ]
    bare = film_picture(film.pixels, replace(grades, knees=()), (2 * _HEIGHT, _HEIGHT))
    return _joined(
        [
            [bare],
            [_first_look(film, grader, bare)],
            [_grey(view) for view in near],
            [_grey(frame) for frame in frames],
            [knee_picture(film.pixels, grades, knee, _SMALL) for knee in grades.knees],
        ]
    )


def _first_look(film: Radiograph, grader: KneeGrader, bare: Image.Image) -> Image.Image:
    """The film, warm where the finder's heat for the centre of a knee is high."""
    view = whole_view(film.pixels)
    heat = grader.finder.run([view]).heat[0].max(axis=0)
    rows, columns = film.pixels.shape
    # The view has a border that the film has not.
    corners = view.from_film(np.array([[-0.5, -0.5], [rows - 0.5, columns - 0.5]])) + 0.5
    share = np.array(heat.shape) / view.pixels.shape
    (top, left), (bottom, right) = (tuple(corner * share) for corner in corners)
    mask = Image.fromarray(heat).resize(bare.size, Image.Resampling.BICUBIC, box=(left, top, right, bottom))
    strength = Image.fromarray((np.clip(np.asarray(mask), 0, 1) ** 0.8 * 250).astype(np.uint8))
    return Image.composite(Image.new("RGB", bare.size, _WARM), bare, strength)


def _grey(picture: FloatImage) -> Image.Image:
    """A standardised picture in grey, as large as its column."""
    low, high = np.percentile(picture, (0.5, 99.5))
    grey = Image.fromarray((np.clip((picture - low) / (high - low), 0, 1) * 255).astype(np.uint8))
    scale = _SMALL / max(grey.size)
    size = (round(grey.width * scale), round(grey.height * scale))
    return grey.resize(size, Image.Resampling.LANCZOS).convert("RGB")


def _joined(columns: list[list[Image.Image]]) -> Image.Image:
    widths = [max(picture.width for picture in column) for column in columns]
    size = (sum(widths) + _GAP * (len(widths) - 1) + 2 * _MARGIN, _HEIGHT + _CAPTION + _MARGIN)
    joined = Image.new("RGB", size, _BACK)
    draw = ImageDraw.Draw(joined)
    left = _MARGIN
    for column, width, (title, words) in zip(columns, widths, _WORDS, strict=True):
        draw.text((left, 16), title, _INK, ImageFont.load_default(24))
        draw.text((left, 52), words, _MUTED, ImageFont.load_default(15))
        for i, picture in enumerate(column):
            slot = _HEIGHT if len(column) == 1 else _SMALL
            top = _CAPTION + i * (_HEIGHT - _SMALL) + (slot - picture.height) // 2
            joined.paste(picture, (left + (width - picture.width) // 2, top))
        if left > _MARGIN:
            middle, tip = _CAPTION + _HEIGHT // 2, left - 10
            draw.line((tip - 24, middle, tip - 8, middle), _WARM, 5)
            draw.polygon([(tip, middle), (tip - 13, middle - 9), (tip - 13, middle + 9)], _WARM)
        left += width + _GAP
    return joined
