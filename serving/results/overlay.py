"""One picture that says it all: the film with its knees framed, the heat maps, the probabilities, the words.

Drawn with Pillow alone. No identifier is drawn: the file may travel.
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from kneeoa.model.errors import Refusal
from kneeoa.model.grades import FilmGrades, KneeGrades
from kneeoa.model.radiograph import FloatImage, Side
from kneeoa.serving.results.film_picture import GRADED, REFUSED, film_picture, frame_width, knee_picture
from kneeoa.serving.results.joint_picture import narrowing_words, width_words
from kneeoa.serving.results.words import SIDE_SOURCES, film_remarks, percent

FILM_HEIGHT = 760
"""Height of the film in the picture, in pixels; with its words it fills a monitor."""
_STRIP_HEIGHT, _WIDEST = 460, 1500
_STRIP = 1.75
"""A film wider than so many heights has its words below."""
_SMALL_FRAME = 130
"""Frames narrower than this are shown enlarged too."""
_PANEL = 460
_MARGIN = 28
_SURE = 0.5
"""Quality from which on a width is written in full ink."""
_BACK, _INK, _MUTED, _BAR = (17, 20, 24), (236, 239, 242), (150, 160, 170), (58, 68, 78)
_MEANING = ("no osteoarthritis", "doubtful", "minimal (definite osteophytes)", "moderate", "severe")
_SIDES = {Side.RIGHT: "RIGHT KNEE", Side.LEFT: "LEFT KNEE", Side.UNKNOWN: "KNEE, SIDE UNKNOWN"}
NOTICE = (
    "Made by AI. Research and decision support for trained readers; "
    "not a cleared medical device, not for sole diagnosis."
)
_HEAT = "Warm colours: where the network saw the grade. The frame: what it was shown."


def draw_overlay(pixels: FloatImage, grades: FilmGrades) -> Image.Image:
    """Draws a film and what KneeOA says about it.

    Args:
        pixels: (rows, columns) float32 in [0, 1], the film as displayed.
        grades: its report.

    Returns:
        An RGB picture: the film, its knees framed and warm where the grade rests, enlarged where they are small, and a
        column of words for each knee; a refused film or knee shows its reason. Wide strips have the words below.
    """
    strip = pixels.shape[1] > _STRIP * pixels.shape[0]
    most = (_WIDEST, _STRIP_HEIGHT if strip else FILM_HEIGHT)
    film = film_picture(pixels, grades, most)
    near = _near(pixels, grades) if frame_width(pixels, grades, most) < _SMALL_FRAME else []
    panels = max(1, len(grades.knees))
    words = panels * (_PANEL + _MARGIN) - _MARGIN
    top = _MARGIN + (film.height + _MARGIN if strip else 0)
    left = _MARGIN + (0 if strip else film.width + _MARGIN)
    right = left + max((picture.width + _MARGIN for picture in near), default=0)
    # Tall enough for any words; the rest is cut off.
    width = max(right + words, _MARGIN + film.width) + _MARGIN
    canvas = Image.new("RGB", (width, top + 3 * FILM_HEIGHT), _BACK)
    canvas.paste(film, (_MARGIN, _MARGIN))
    bottom = max(_MARGIN + film.height, _paste(canvas, near, left, top))
    draw = ImageDraw.Draw(canvas)
    places = [right + i * (_PANEL + _MARGIN) for i in range(panels)]
    ends = [_write(_Panel(draw, at, top), grades, grades.knees[i : i + 1]) for i, at in enumerate(places)]
    foot = _Panel(draw, right, max(ends) + _MARGIN, words)
    said = _foot(grades)
    foot.row = max(foot.row, bottom - sum(foot.height(*line) for line in said))
    for line in said:
        foot.text(*line)
    return canvas.crop((0, 0, width, max(foot.row, bottom) + _MARGIN))


def save_overlay(pixels: FloatImage, grades: FilmGrades, path: Path) -> Path:
    """Writes `draw_overlay` as a PNG and returns its path.

    Raises:
        OSError: the folder cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draw_overlay(pixels, grades).save(path, "PNG")
    return path


_Colour = tuple[int, int, int]


class _Panel:
    def __init__(self, draw: ImageDraw.ImageDraw, left: int, top: int, width: int = _PANEL) -> None:
        self.draw, self.left, self.row, self.width = draw, left, top, width

    def text(self, words: str, size: int, colour: _Colour = _INK, gap: int = 8) -> None:
        for line in self._lines(words, size):
            self.draw.text((self.left, self.row), line, colour, ImageFont.load_default(size))
            self.row += round(size * 1.3)
        self.row += gap

    def height(self, words: str, size: int, _colour: _Colour = _INK, gap: int = 8) -> int:
        return len(self._lines(words, size)) * round(size * 1.3) + gap

    def bar(self, label: str, share: float, chosen: bool) -> None:
        font = ImageFont.load_default(20)
        left, right = self.left + 64, self.left + self.width - 76
        self.draw.text((self.left, self.row), label, _INK if chosen else _MUTED, font)
        self.draw.rounded_rectangle((left, self.row + 3, right, self.row + 21), 4, _BAR)
        if share > 0.005:
            end = left + max(6, round((right - left) * share))
            fill = GRADED if chosen else (122, 162, 190)
            self.draw.rounded_rectangle((left, self.row + 3, end, self.row + 21), 4, fill)
        self.draw.text((right + 14, self.row), percent(share), _INK if chosen else _MUTED, font)
        self.row += 34

    def _lines(self, words: str, size: int) -> list[str]:
        """The words in lines that fit; one that is too long by itself is cut."""
        font = ImageFont.load_default(size)
        lines = [""]
        for word in words.split():
            longer = f"{lines[-1]} {word}".strip()
            if self.draw.textlength(longer, font) <= self.width:
                lines[-1] = longer
                continue
            lines += [""] if lines[-1] else []
            for letter in word:
                if self.draw.textlength(lines[-1] + letter, font) > self.width:
                    lines.append("")
                lines[-1] += letter
        return lines


def _near(pixels: FloatImage, grades: FilmGrades) -> list[Image.Image]:
    """The knees from near; two of them are as high as a film."""
    return [
        knee_picture(pixels, grades, knee, (FILM_HEIGHT - _MARGIN) // 2)
        for knee in grades.knees
        if knee.box is not None
    ]


def _paste(canvas: Image.Image, pictures: list[Image.Image], left: int, top: int) -> int:
    """Puts pictures one below the other; tells where the last ends."""
    for picture in pictures:
        canvas.paste(picture, (left, top))
        top += picture.height + _MARGIN
    return top - _MARGIN


def _write(panel: _Panel, grades: FilmGrades, knees: tuple[KneeGrades, ...]) -> int:
    """One knee's words, or those of a film without knees; tells where they end."""
    for knee in knees:
        panel.text(_SIDES[knee.side], 26, _MUTED, 0)
        panel.text(SIDE_SOURCES[knee.side_source], 18, _MUTED, 6)
        if knee.refusal is not None:
            _write_refusal(panel, knee.refusal)
        _write_grade(panel, knee)
        _write_joint_space(panel, knee)
        if knee.flags:
            panel.text(f"Flags: {_said(knee.flags)}", 20, GRADED)
    if not knees and grades.refusal is not None:
        _write_refusal(panel, grades.refusal)
    return panel.row


def _write_grade(panel: _Panel, knee: KneeGrades) -> None:
    kl = knee.kl
    if kl is None:
        return
    panel.text(f"KL grade {kl.grade}", 64, GRADED, 0)
    panel.text(_MEANING[kl.grade], 26, _INK, 22)
    panel.text("Probability of each Kellgren-Lawrence grade", 19, _MUTED, 6)
    for grade, share in enumerate(kl.probabilities):
        panel.bar(f"KL {grade}", share, grade == kl.grade)
    panel.row += 12
    panel.text(f"Radiographic osteoarthritis (KL 2 or more): {percent(kl.oa_probability)}", 20)
    panel.text(f"Expected grade: {kl.expected:.1f}", 20, _INK, 14)


def _write_joint_space(panel: _Panel, knee: KneeGrades) -> None:
    """The widths of the compartments, the less sure ones muted."""
    if knee.joint_space is None:
        return
    panel.text("Minimum joint space width", 19, _MUTED, 6)
    for name, part in knee.joint_space.items():
        ink = _INK if part.quality >= _SURE else _MUTED
        panel.text(f"{name.replace('_', ' ').capitalize()}: {width_words(part)}", 20, ink, 2)
        words = narrowing_words(part)
        if words:
            panel.text(words, 18, _MUTED, 6)
    panel.row += 8


def _write_refusal(panel: _Panel, refusal: Refusal) -> None:
    panel.text("Not graded", 52, REFUSED, 10)
    panel.text(refusal.code.value.replace("_", " "), 28, _INK, 16)
    panel.text(refusal.message, 21, _INK, 12)
    panel.text(refusal.remedy, 21, _MUTED)


def _foot(grades: FilmGrades) -> list[tuple[str, int, _Colour, int]]:
    """What is said of the film as a whole, as arguments of `_Panel.text`."""
    release, remarks = grades.release, film_remarks(grades)
    lines = [(f"Flags of the film: {_said(remarks)}", 20, GRADED, 10)] if remarks else []
    lines += [(_HEAT, 18, _MUTED, 4)] if any(knee.kl is not None for knee in grades.knees) else []
    made = f"KneeOA {release.software}, release {release.name} ({release.sha256[:12]})"
    return [*lines, (made, 18, _MUTED, 4), (NOTICE, 18, _INK, 0)]


def _said(flags: tuple[str, ...]) -> str:
    return ", ".join(flag.replace("_", " ") for flag in flags)
