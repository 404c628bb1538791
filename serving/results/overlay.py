"""One picture that says it all: the film with the graded box, the heat map, the probabilities, the words.

Drawn with Pillow alone. No identifier is drawn: the file may travel.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from kneeoa.model.grades import FilmGrades, KneeGrades
from kneeoa.model.radiograph import FloatImage, Side
from kneeoa.serving.results.words import percent

FILM_HEIGHT = 760
"""Height of the film in the picture, in pixels; the whole is about 1,400 pixels wide, as a monitor shows it."""
_PANEL = 560
_MARGIN = 28
_BACK, _INK, _MUTED, _BAR, _ACCENT = (17, 20, 24), (236, 239, 242), (150, 160, 170), (58, 68, 78), (255, 176, 32)
_MEANING = ("no osteoarthritis", "doubtful", "minimal (definite osteophytes)", "moderate", "severe")
_SIDES = {Side.RIGHT: "RIGHT KNEE", Side.LEFT: "LEFT KNEE", Side.UNKNOWN: "KNEE, SIDE UNKNOWN"}
NOTICE = (
    "Made by AI. Research and decision support for trained readers; "
    "not a cleared medical device, not for sole diagnosis."
)


def draw_overlay(pixels: FloatImage, grades: FilmGrades) -> Image.Image:
    """Draws a film and what KneeOA says about it.

    Args:
        pixels: (rows, columns) float32 in [0, 1], the film as displayed.
        grades: its report.

    Returns:
        An RGB picture: film, film under the heat map, and the words; a refused film shows its reason.
    """
    scale = FILM_HEIGHT / pixels.shape[0]
    width = max(1, round(pixels.shape[1] * scale))
    grey = Image.fromarray(np.ascontiguousarray(pixels)).resize((width, FILM_HEIGHT), Image.Resampling.LANCZOS)
    film = Image.fromarray(np.clip(np.asarray(grey) * 255, 0, 255).astype(np.uint8)).convert("RGB")
    knee = grades.knees[0] if grades.knees else None
    films = [film] if knee is None or knee.heat_map is None else [film, _heated(film, knee, scale)]
    whole = (_MARGIN * (len(films) + 2) + width * len(films) + _PANEL, FILM_HEIGHT + 2 * _MARGIN)
    picture = Image.new("RGB", whole, _BACK)
    for i, part in enumerate(films):
        picture.paste(part, (_MARGIN + i * (width + _MARGIN), _MARGIN))
    panel = _Panel(ImageDraw.Draw(picture), whole[0] - _PANEL - _MARGIN, _MARGIN)
    if knee is None or knee.kl is None:
        _write_refusal(panel, grades)
    else:
        _write_grade(panel, grades, knee)
    _write_foot(panel, grades)
    return picture


def save_overlay(pixels: FloatImage, grades: FilmGrades, path: Path) -> Path:
    """Writes `draw_overlay` as a PNG and returns its path.

    Raises:
        OSError: the folder cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draw_overlay(pixels, grades).save(path, "PNG")
    return path


class _Panel:
    def __init__(self, draw: ImageDraw.ImageDraw, left: int, top: int) -> None:
        self.draw, self.left, self.row = draw, left, top

    def text(self, words: str, size: int, colour: tuple[int, int, int] = _INK, gap: int = 8) -> None:
        font = ImageFont.load_default(size)
        line = ""
        for word in [*words.split(), ""]:
            longer = f"{line} {word}".strip()
            if word and self.draw.textlength(longer, font) <= _PANEL:
                line = longer
                continue
            self.draw.text((self.left, self.row), line, colour, font)
            self.row += round(size * 1.3)
            line = word
        self.row += gap

    def bar(self, label: str, share: float, chosen: bool) -> None:
        font = ImageFont.load_default(20)
        left, right = self.left + 64, self.left + _PANEL - 76
        self.draw.text((self.left, self.row), label, _INK if chosen else _MUTED, font)
        self.draw.rounded_rectangle((left, self.row + 3, right, self.row + 21), 4, _BAR)
        if share > 0.005:
            end = left + max(6, round((right - left) * share))
            fill = _ACCENT if chosen else (122, 162, 190)
            self.draw.rounded_rectangle((left, self.row + 3, end, self.row + 21), 4, fill)
        self.draw.text((right + 14, self.row), percent(share), _INK if chosen else _MUTED, font)
        self.row += 34


def _heated(film: Image.Image, knee: KneeGrades, scale: float) -> Image.Image:
    box, heat = knee.box, knee.heat_map
    if box is None or heat is None:
        return film
    # The box counts pixel centres, Pillow counts corners.
    left, top = round((box.column + 0.5) * scale), round((box.row + 0.5) * scale)
    size = (max(1, round(box.width * scale)), max(1, round(box.height * scale)))
    warm = np.asarray(Image.fromarray(heat).resize(size, Image.Resampling.BICUBIC), dtype=np.float32)
    mask = Image.new("L", film.size, 0)
    mask.paste(Image.fromarray((np.clip(warm, 0, 1) ** 1.2 * 150).astype(np.uint8)), (left, top))
    heated = Image.composite(Image.new("RGB", film.size, (255, 110, 20)), film, mask)
    outline = (max(0, left), max(0, top), min(film.width, left + size[0]) - 1, min(film.height, top + size[1]) - 1)
    ImageDraw.Draw(heated).rectangle(outline, outline=_ACCENT, width=3)
    return heated


def _write_grade(panel: _Panel, grades: FilmGrades, knee: KneeGrades) -> None:
    kl = knee.kl
    if kl is None:
        return
    panel.text(_SIDES[knee.side], 26, _MUTED, 2)
    panel.text(f"KL grade {kl.grade}", 68, _ACCENT, 0)
    panel.text(_MEANING[kl.grade], 28, _INK, 26)
    panel.text("Probability of each Kellgren-Lawrence grade", 20, _MUTED, 6)
    for grade, share in enumerate(kl.probabilities):
        panel.bar(f"KL {grade}", share, grade == kl.grade)
    panel.row += 14
    panel.text(f"Radiographic osteoarthritis (KL 2 or more): {percent(kl.oa_probability)}", 22)
    panel.text(f"Expected grade: {kl.expected:.1f}", 22, _INK, 18)
    flags = [*grades.flags, *knee.flags]
    if flags:
        panel.text("Flags: " + ", ".join(flag.replace("_", " ") for flag in flags), 20, _ACCENT)
    panel.text("Warm colours: where the network saw the grade; the frame is what it was shown.", 18, _MUTED)


def _write_refusal(panel: _Panel, grades: FilmGrades) -> None:
    refusal = grades.refusal
    panel.text("Not graded", 60, _ACCENT, 10)
    if refusal is not None:
        panel.text(refusal.code.value.replace("_", " "), 30, _INK, 18)
        panel.text(refusal.message, 22, _INK, 14)
        panel.text(refusal.remedy, 22, _MUTED)


def _write_foot(panel: _Panel, grades: FilmGrades) -> None:
    panel.row = FILM_HEIGHT - 92 + _MARGIN
    release = grades.release
    panel.text(f"KneeOA {release.software}, release {release.name} ({release.sha256[:12]})", 18, _MUTED, 4)
    panel.text(NOTICE, 18, _INK)
