"""Synthetic films that are refused or flagged, one for each code that a picture can show: those of docs/refusals.md."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from pydicom.dataset import Dataset

from kneeoa.datasets.film_truth import ComposedFilm, FilmKind
from kneeoa.datasets.phantom_choices import LateralityStatement, ViewStatement
from kneeoa.datasets.phantom_dicom import FilmHeader, film_dataset
from kneeoa.datasets.phantom_encoding import FilmEncoding
from kneeoa.datasets.phantom_films import FilmSpec, make_film
from kneeoa.model.grader import KneeGrader
from kneeoa.model.grades import FilmGrades
from kneeoa.model.radiograph import FloatImage, Side

LONG_SIDE = 1000
_CAREFUL = FilmEncoding()


@dataclass(frozen=True, slots=True)
class PicturedFilm:
    """A film and the code that it gets, of the film or of one of its knees.

    Attributes:
        code: a refusal's or a flag's.
        pixels: draws it: (rows, columns) float32 in [0, 1].
        side: what the object says; unknown says both.
        encoding: what else it says.
    """

    code: str
    pixels: Callable[[], FloatImage]
    side: Side = Side.UNKNOWN
    encoding: FilmEncoding = _CAREFUL

    def dataset(self) -> Dataset:
        """The film as a DICOM object."""
        header = FilmHeader("PHANTOM-0", self.side, 0.15, self.code, self.code)
        return film_dataset(self.pixels(), header, self.encoding)


def _film(kind: FilmKind, seed: int, implants: float = 0.0, grades: tuple[int, int] = (1, 3)) -> ComposedFilm:
    return make_film(FilmSpec(kind, *grades, seed=seed, long_side=LONG_SIDE, implants=implants))


def _pixels(kind: FilmKind, seed: int, implants: float = 0.0) -> Callable[[], FloatImage]:
    return lambda: _film(kind, seed, implants).pixels


def _overexposed() -> FloatImage:
    """A standing film with hardly a grey value left between black and white."""
    film = _film(FilmKind.BILATERAL, 12).pixels
    return np.asarray(np.clip((film - np.float32(0.1)) * np.float32(60), 0, 1), dtype=np.float32)


def _form() -> FloatImage:
    """A page with a table, as scanners of documents send them."""
    page = Image.new("L", (LONG_SIDE * 3 // 4, LONG_SIDE), 255)
    draw = ImageDraw.Draw(page)
    draw.fontmode = "1"
    draw.text((60, 50), "Knee, both sides, standing", 0, ImageFont.load_default(40))
    rows = (
        ("", "right", "left"),
        ("joint space", "narrow", "normal"),
        ("osteophytes", "two", "none"),
        ("grade", "?", "?"),
    )
    for i, row in enumerate(rows):
        for k, word in enumerate(row):
            left, top = 60 + 210 * k, 160 + 90 * i
            draw.rectangle((left, top, left + 210, top + 90), fill=255 if i and k else 210, outline=0, width=3)
            draw.text((left + 16, top + 28), word, 0, ImageFont.load_default(30))
    draw.line([(60, 760), (300, 640), (480, 700), (690, 560)], fill=0, width=5)
    return np.asarray(page, dtype=np.float32) / np.float32(255)


def _four_knees() -> FloatImage:
    """Two standing films of one size, one above the other."""
    above, below = (_film(FilmKind.BILATERAL, seed).pixels for seed in (8, 12))
    rows, columns = (min(above.shape[i], below.shape[i]) for i in (0, 1))
    return np.concatenate([above[:rows, :columns], below[:rows, :columns]])


def _twice() -> FloatImage:
    """One film of a right knee, beside itself."""
    film = _film(FilmKind.SINGLE, 6).pixels
    return np.concatenate([film, film], axis=1)


def _low_resolution() -> FloatImage:
    """A standing film as a thumbnail shows it, enlarged again."""
    film = Image.fromarray(_film(FilmKind.BILATERAL, 4).pixels)
    small = film.resize((film.width // 10, film.height // 10), Image.Resampling.BOX)
    large = small.resize(film.size, Image.Resampling.BICUBIC)
    return np.asarray(np.clip(np.asarray(large), 0, 1), dtype=np.float32)


_SAYS_NOTHING = FilmEncoding(
    laterality=LateralityStatement.NONE, patient_orientation=False, view=ViewStatement.NONE, body_part=None
)
_NO_VIEW = FilmEncoding(view=ViewStatement.NONE)
_NO_ORIENTATION = FilmEncoding(patient_orientation=False)
FILMS = (
    PicturedFilm("unreadable_exposure", _overexposed),
    PicturedFilm("not_a_radiograph", _form, encoding=_SAYS_NOTHING),
    PicturedFilm("not_a_knee", _pixels(FilmKind.HAND, 1), encoding=_SAYS_NOTHING),
    PicturedFilm("not_frontal", _pixels(FilmKind.LATERAL, 0), encoding=_NO_VIEW),
    PicturedFilm("implant", _pixels(FilmKind.BILATERAL, 2, 0.5)),
    PicturedFilm("incomplete_knee", _pixels(FilmKind.CUT_BY_EDGE, 2), encoding=_SAYS_NOTHING),
    PicturedFilm("too_many_knees", _four_knees),
    PicturedFilm("side_unknown", _twice, encoding=_SAYS_NOTHING),
    PicturedFilm("side_conflict", _pixels(FilmKind.SINGLE, 6), side=Side.LEFT, encoding=_NO_ORIENTATION),
    PicturedFilm("unusual_film", _low_resolution, encoding=_SAYS_NOTHING),
)


def codes_of(grades: FilmGrades) -> set[str]:
    """Every code in a report: of the film and of its knees, refusals and flags."""
    found = {*grades.flags, *(flag for knee in grades.knees for flag in knee.flags)}
    refusals = (grades.refusal, *(knee.refusal for knee in grades.knees))
    return found | {refusal.code.value for refusal in refusals if refusal is not None}


def graded(film: PicturedFilm, grader: KneeGrader, folder: Path) -> FilmGrades:
    """The report of a pictured film, which goes the way of any file."""
    path = folder / f"{film.code}.dcm"
    film.dataset().save_as(path, enforce_file_format=True)
    return grader.grade_file(path)
