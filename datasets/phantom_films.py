"""Whole synthetic films: any kind that the composer knows, made of phantom knees, as arrays or DICOM objects."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset

from kneeoa.datasets.film_composer import compose_film
from kneeoa.datasets.film_drawing import draw_film
from kneeoa.datasets.film_layout import draw_layout
from kneeoa.datasets.film_patch import KneePatch
from kneeoa.datasets.film_truth import ComposedFilm, FilmKind, View
from kneeoa.datasets.phantom import PhantomSpec, make_phantom
from kneeoa.datasets.phantom_anatomy import PLATEAU_MM
from kneeoa.datasets.phantom_dicom import FilmHeader, film_dataset
from kneeoa.datasets.phantom_encoding import FilmEncoding
from kneeoa.model.radiograph import FloatImage, Side

DEFAULT_LONG_SIDE = 3000
_PATCH_SHARE = 0.4
"""Side of a knee's picture over the film's long side: as large as it will be shown, or nearly."""
_USUAL_SPACING_MM = 0.15
"""Of films without a knee, on which nothing else tells the scale."""
_VIEWS = {FilmKind.LATERAL: "LL", FilmKind.OBLIQUE: "LLO", FilmKind.SKYLINE: "SKYLINE"}
BODY_PARTS: dict[str, str] = {
    FilmKind.FOOT: "FOOT",
    FilmKind.ANKLE: "ANKLE",
    FilmKind.HAND: "HAND",
    FilmKind.ELBOW: "ELBOW",
    FilmKind.SHOULDER: "SHOULDER",
    FilmKind.HIP: "HIP",
    FilmKind.CHEST: "CHEST",
    FilmKind.SPINE: "LSPINE",
    FilmKind.SKULL: "SKULL",
    FilmKind.LONG_LEG: "LEG",
}


@dataclass(frozen=True, slots=True)
class FilmSpec:
    """What film to draw; equal specs give equal films on one machine.

    Attributes:
        kind: what it shows.
        right_grade: nominal KL grade of the right knee, 0-4; also `left_grade`.
        left_grade: of the left knee.
        seed: the invented person and everything else.
        long_side: of the film in pixels, 64 or more.
        implants: share of knees that bear metal: 0 none, 1 all.

    Raises:
        ValueError: one of these is out of its range.
    """

    kind: FilmKind = FilmKind.BILATERAL
    right_grade: int = 1
    left_grade: int = 3
    seed: int = 1
    long_side: int = DEFAULT_LONG_SIDE
    implants: float = 0.0

    def __post_init__(self) -> None:
        if self.right_grade not in range(5) or self.left_grade not in range(5):
            raise ValueError(f"A KL grade is 0, 1, 2, 3 or 4, not {self.right_grade} or {self.left_grade}.")
        if self.seed < 0 or self.long_side < 64:
            raise ValueError(f"Seed {self.seed} must not be negative, long side {self.long_side} must be 64 or more.")
        if not 0 <= self.implants <= 1:
            raise ValueError(f"The share of knees with implants is 0 to 1, not {self.implants}.")


def make_film(spec: FilmSpec) -> ComposedFilm:
    """Draws a film of phantom knees with its truth."""
    key = hashlib.sha256(f"{spec.seed} {spec.kind}".encode()).digest()
    rng = np.random.default_rng(int.from_bytes(key[:8]))
    return draw_film(spec.kind, _patches(spec), spec.long_side, rng, spec.implants)


def film_phantom_dataset(spec: FilmSpec, encoding: FilmEncoding | None = None) -> Dataset:
    """A drawn film as a DICOM object.

    Args:
        spec: what to draw.
        encoding: how it is stored and described; None is a plain DX whose header says what a careful scanner would.
    """
    film = make_film(spec)
    sides = {knee.side for knee in film.knees}
    header = FilmHeader(
        patient_id=f"PHANTOM-{spec.seed}",
        side=next(iter(sides)) if len(sides) == 1 else Side.UNKNOWN,
        pixel_spacing_mm=spacing_mm(film),
        study_key=str(spec.seed),
        image_key=repr(spec),
        view_position=_VIEWS.get(film.kind, "AP" if film.view is View.AP else "PA"),
    )
    return film_dataset(film.pixels, header, encoding or FilmEncoding(body_part=BODY_PARTS.get(film.kind, "KNEE")))


def spacing_mm(film: ComposedFilm) -> float:
    """Millimetres per pixel at which a film's first knee has a common plateau of 75 mm."""
    return PLATEAU_MM / film.knees[0].plateau_width_px if film.knees else _USUAL_SPACING_MM


def two_knee_phantom(spec: PhantomSpec, size: tuple[int, int] = (2500, 3000)) -> FloatImage:
    """Both knees of a person on one standing film, the right knee at image left, as films are hung.

    Args:
        spec: grade and seed of both knees.
        size: rows and columns in pixels.

    Returns:
        (rows, columns) float32 in [0, 1]; bone is bright.
    """
    return _two_knees(spec, size).pixels


def two_knee_phantom_dataset(spec: PhantomSpec, size: tuple[int, int] = (2500, 3000)) -> Dataset:
    """A film of both knees as a DICOM object, Image Laterality B; see `two_knee_phantom`."""
    film = _two_knees(spec, size)
    header = FilmHeader(
        patient_id=f"PHANTOM-{spec.seed}",
        side=Side.UNKNOWN,
        pixel_spacing_mm=spacing_mm(film),
        study_key=str(spec.seed),
        image_key=f"two knees {size} {spec!r}",
    )
    return film_dataset(film.pixels, header, FilmEncoding())


def _two_knees(spec: PhantomSpec, size: tuple[int, int]) -> ComposedFilm:
    rng = np.random.default_rng([spec.seed, spec.grade])
    layout = draw_layout(FilmKind.BILATERAL, size, rng, 0.0)
    both = _patches(FilmSpec(FilmKind.BILATERAL, spec.grade, spec.grade, spec.seed, max(size)))
    patches = [both[0] if side is Side.RIGHT else both[1] for side, _ in layout.knees]
    return compose_film(layout, patches, rng)


def _patches(spec: FilmSpec) -> list[KneePatch]:
    side_px = int(np.clip(_PATCH_SHARE * spec.long_side, 160, 1200))
    found = []
    for side, grade in ((Side.RIGHT, spec.right_grade), (Side.LEFT, spec.left_grade)):
        knee = PhantomSpec(side=side, grade=grade, seed=spec.seed, size=(side_px, side_px), marker=False)
        found.append(KneePatch.of_phantom(make_phantom(knee)))
    return found
