"""The picture of the Secondary Capture: for a reading room, where it stands beside the film for a few seconds.

The film with its frames, each knee from near with the lines of its joint, and a table of one column a knee, in the
order in which the knees lie on the film. Every picture says twice that an AI made it. No identifier is drawn.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from PIL import Image, ImageDraw, ImageFont

from kneeoa.model.grades import FilmGrades, KneeGrades
from kneeoa.model.joint_grades import CompartmentGrades
from kneeoa.model.radiograph import FloatImage, Side
from kneeoa.serving.results.film_picture import GRADED, REFUSED, film_picture, frame_width, knee_picture
from kneeoa.serving.results.joint_picture import FEMUR, MINIMUM, TIBIA
from kneeoa.serving.results.words import NOTICE, SIDE_SOURCES, film_remarks, percent

MOST_HEIGHT = 1500
"""Of the picture, in pixels: what a three megapixel monitor shows whole."""
_MARGIN, _BANNER = 28, 76
_FILM = (700, 900)
_KNEE, _LABEL = 430, 250
_ROW, _SIZE, _SMALL = 31, 22, 18
_MOST_ROWS = 22
_WIDE_FRAME = 400
"""A knee framed as wide as this on the film is not shown from near again."""
_BACK, _BANNER_BACK, _LINE = (0, 0, 0), (34, 40, 48), (62, 70, 80)
_INK, _MUTED, _DARK = (238, 240, 243), (160, 168, 178), (17, 20, 24)
_SIDES = {Side.RIGHT: "RIGHT KNEE", Side.LEFT: "LEFT KNEE", Side.UNKNOWN: "KNEE, SIDE UNKNOWN"}
_MEANING = ("none", "doubtful", "minimal", "moderate", "severe")
_PLACES = (("medial", "0.225"), ("lateral", "0.800"))
"""The fixed places that are shown; the Structured Report has all of them."""
_Colour = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class _Row:
    """A line of the table: a label, and a cell a knee."""

    label: str
    cells: tuple[str, ...]
    size: int = _SIZE
    colour: _Colour = _INK


def capture_picture(pixels: FloatImage, grades: FilmGrades, made: datetime) -> Image.Image:
    """Draws the Secondary Capture of a film.

    Args:
        pixels: (rows, columns) float32 in [0, 1], the film as displayed.
        grades: its report.
        made: when the result was made.

    Returns:
        An RGB picture, at most `MOST_HEIGHT` high.
    """
    # A kept report has no heat map, and the same result must be the same picture.
    grades = replace(grades, knees=tuple(replace(knee, heat_map=None) for knee in grades.knees))
    knees = grades.knees[:2]
    film = film_picture(pixels, grades, _FILM)
    small = frame_width(pixels, grades, _FILM) < _WIDE_FRAME
    near = [knee_picture(pixels, grades, k, _KNEE - _MARGIN) if small and k.box is not None else None for k in knees]
    left = 2 * _MARGIN + film.width
    width = left + _LABEL + _KNEE * max(2 if grades.refusal is not None else 1, len(knees)) + _MARGIN
    canvas = Image.new("RGB", (width, MOST_HEIGHT), _BACK)
    draw = ImageDraw.Draw(canvas)
    _banner(draw, width)
    top = _BANNER + _MARGIN
    canvas.paste(film, (_MARGIN, top))
    places = [left + _LABEL + i * _KNEE for i in range(len(knees))]
    bottom = top
    for picture, x in zip(near, places, strict=True):
        if picture is not None:
            canvas.paste(picture, (x, top))
            bottom = max(bottom, top + picture.height + 12)
    if bottom > top:
        _legend(draw, left, top)
    if grades.refusal is not None and not knees:
        bottom = _refused_film(draw, grades, (left, top, width - left - _MARGIN))
    bottom = _table(draw, _rows(grades, knees), (left, bottom), places, width)
    bottom = _foot(draw, grades, made, (_MARGIN, max(bottom, top + film.height) + 14))
    return canvas.crop((0, 0, width, min(MOST_HEIGHT, bottom + _MARGIN // 2)))


def _banner(draw: ImageDraw.ImageDraw, width: int) -> None:
    draw.rectangle((0, 0, width, _BANNER), fill=_BANNER_BACK)
    draw.rounded_rectangle((_MARGIN, 14, _MARGIN + 74, _BANNER - 14), 8, fill=GRADED)
    draw.text((_MARGIN + 37, _BANNER // 2), "AI", _DARK, ImageFont.load_default(36), anchor="mm")
    draw.text(
        (_MARGIN + 96, _BANNER // 2),
        "KneeOA: knee osteoarthritis, graded by AI",
        _INK,
        ImageFont.load_default(30),
        anchor="lm",
    )
    draw.text(
        (width - _MARGIN, _BANNER // 2), "NOT FOR SOLE DIAGNOSIS", GRADED, ImageFont.load_default(26), anchor="rm"
    )


def _legend(draw: ImageDraw.ImageDraw, left: int, top: int) -> None:
    font = ImageFont.load_default(_SMALL)
    for i, (colour, words) in enumerate(
        ((GRADED, "what was graded"), (FEMUR, "femur"), (TIBIA, "tibia"), (MINIMUM, "narrowest place, mm"))
    ):
        y = top + 12 + i * 28
        draw.line((left, y, left + 26, y), fill=colour, width=4)
        draw.text((left + 38, y), words, _MUTED, font, anchor="lm")


def _refused_film(draw: ImageDraw.ImageDraw, grades: FilmGrades, room: tuple[int, int, int]) -> int:
    left, y, width = room
    refusal = grades.refusal
    if refusal is None:
        return y
    for words, size, colour in (
        ("NOT GRADED", 54, REFUSED),
        (refusal.code.value.replace("_", " "), 32, _INK),
        (refusal.message, 24, _INK),
        (refusal.remedy, 24, _MUTED),
    ):
        for line in _lines(draw, words, size, width):
            draw.text((left, y), line, colour, ImageFont.load_default(size))
            y += round(size * 1.35)
        y += 12
    return y + 10


def _table(
    draw: ImageDraw.ImageDraw, rows: Sequence[_Row], at: tuple[int, int], places: Sequence[int], width: int
) -> int:
    left, y = at
    for row in rows[:_MOST_ROWS]:
        cells = [_lines(draw, cell, row.size, _KNEE - _MARGIN) for cell in row.cells]
        step = max(_ROW, round(row.size * 1.35))
        high = step * max([1, *(len(lines) for lines in cells)])
        draw.line((left, y, width - _MARGIN, y), fill=_LINE)
        draw.text((left, y + step // 2 + 1), row.label, _MUTED, ImageFont.load_default(_SIZE - 2), anchor="lm")
        for lines, x in zip(cells, places, strict=True):
            for i, line in enumerate(lines):
                middle = y + step * i + step // 2 + 1
                draw.text((x, middle), line, row.colour, ImageFont.load_default(row.size), anchor="lm")
        y += high + 2
    return y


def _rows(grades: FilmGrades, knees: Sequence[KneeGrades]) -> list[_Row]:
    remarks = film_remarks(grades)
    if not knees:
        return [_Row("Flags: " + _said(remarks), ())] if remarks else []
    rows = [
        _Row("", tuple(_SIDES[knee.side] for knee in knees), 26),
        _Row("Kellgren-Lawrence", tuple(_grade(knee) for knee in knees), 38, GRADED),
    ]
    whys = tuple(_why(grades, knee) for knee in knees)
    if any(whys):
        rows.append(_Row("Why not", whys, _SMALL))
    rows += _probabilities(knees)
    for name in dict.fromkeys(name for knee in knees for name in knee.joint_space or {}):
        rows += _compartment(name, knees)
    rows.append(_Row("Side", tuple(SIDE_SOURCES[knee.side_source] for knee in knees), _SMALL, _MUTED))
    flags = tuple(_said(dict.fromkeys((*knee.flags, *remarks))) for knee in knees)
    if any(flags):
        rows.append(_Row("Flags", flags, _SIZE, GRADED))
    return rows


def _grade(knee: KneeGrades) -> str:
    return "NOT GRADED" if knee.kl is None else f"KL {knee.kl.grade}  {_MEANING[knee.kl.grade]}"


def _why(grades: FilmGrades, knee: KneeGrades) -> str:
    refusal = knee.refusal or (grades.refusal if knee.kl is None else None)
    return "" if refusal is None else f"{refusal.code.value.replace('_', ' ')}: {refusal.message}"


def _probabilities(knees: Sequence[KneeGrades]) -> Iterator[_Row]:
    if all(knee.kl is None for knee in knees):
        return
    shares = ["" if k.kl is None else "  ".join(percent(p).rjust(4) for p in k.kl.probabilities) for k in knees]
    yield _Row("Probability KL 0 to 4", tuple(shares))
    yield _Row("OA (KL 2 or more)", tuple("" if k.kl is None else percent(k.kl.oa_probability) for k in knees))


def _compartment(name: str, knees: Sequence[KneeGrades]) -> Iterator[_Row]:
    parts = [(knee.joint_space or {}).get(name) for knee in knees]
    said = name.replace("_", " ").capitalize()
    yield _Row(f"{said} min. JSW", tuple(_width(part) for part in parts))
    fixed = [_fixed(name, part) for part in parts]
    if any(fixed):
        yield _Row(f"{said} fixed JSW", tuple(fixed))
    if any(part is not None and part.jsn is not None for part in parts):
        yield _Row(f"{said} narrowing", tuple(_narrowing(part) for part in parts))


def _width(part: CompartmentGrades | None) -> str:
    if part is None:
        return ""
    if part.reason is not None:
        return f"not measured: {part.reason.replace('_', ' ')}"
    if part.contact:
        return "no visible space"
    if part.minimum_mm is None:
        return f"{part.minimum_percent_of_plateau or 0:.1f} % of plateau"
    low_high = part.minimum_interval_mm
    interval = "" if low_high is None else f"  ({low_high[0]:.1f} to {low_high[1]:.1f})"
    return f"{part.minimum_mm:.1f} mm{interval}{' at detector' if part.millimetres == 'detector' else ''}"


def _fixed(name: str, part: CompartmentGrades | None) -> str:
    if part is None or part.fixed_femur is None:
        return ""
    shown = [(x, part.fixed_femur[x]) for of, x in _PLACES if of == name and x in part.fixed_femur]
    return "  ".join(f"{width:.1f} {part.fixed_unit} at x = {x}" for x, width in shown)


def _narrowing(part: CompartmentGrades | None) -> str:
    if part is None or part.jsn is None:
        return ""
    said = f"JSN {part.jsn.grade}"
    if part.narrowing_percent is not None:
        said += (
            f"  ({abs(part.narrowing_percent):.0f} % {'wider' if part.narrowing_percent < 0 else 'narrower'} than KL 0)"
        )
    return f"{said}  borderline" if part.borderline else said


def _foot(draw: ImageDraw.ImageDraw, grades: FilmGrades, made: datetime, at: tuple[int, int]) -> int:
    x, y = at
    release = grades.release
    when = made.strftime("%Y-%m-%d %H:%M")
    made_by = f"KneeOA {release.software}, release {release.name}, sha256 {release.sha256[:16]}, {when}"
    for words, colour in ((made_by, _MUTED), (NOTICE, _INK)):
        draw.text((x, y), words, colour, ImageFont.load_default(20))
        y += 28
    return y


def _said(flags: Sequence[str] | dict[str, None]) -> str:
    return ", ".join(flag.replace("_", " ") for flag in flags)


def _lines(draw: ImageDraw.ImageDraw, words: str, size: int, width: int) -> list[str]:
    """The words in lines that fit."""
    font = ImageFont.load_default(size)
    lines = [""]
    for word in words.split(" "):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if draw.textlength(longer, font) <= width or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines
