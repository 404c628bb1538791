"""Films and crops by family, to fit and to judge a gate on: what it should accept, and each thing it should refuse.

Four families are to be accepted, all others refused. `FILMS` are judged by the whole road; `FRAMINGS` are squares that
the finder should never give (it would find the knees on such films, and frame them well), and only the embedding can
refuse them.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from kneeoa.datasets.film_composer import compose_film
from kneeoa.datasets.film_drawing import draw_film, draw_later
from kneeoa.datasets.film_exposure import Exposure, expose
from kneeoa.datasets.film_hardware import draw_implant
from kneeoa.datasets.film_implants import METAL, Implant
from kneeoa.datasets.film_lateral import squeezed_lateral
from kneeoa.datasets.film_layout import draw_layout, film_size
from kneeoa.datasets.film_leg import Build, LegRaster, leg_lines
from kneeoa.datasets.film_limb import with_implant
from kneeoa.datasets.film_patch import KneePatch, prepared
from kneeoa.datasets.film_truth import ComposedFilm, FilmKind, PlacedKnee
from kneeoa.datasets.phantom_others import other_picture
from kneeoa.model.crop import Square, whole_film_square
from kneeoa.model.radiograph import FloatImage, Side
from kneeoa.training.counterexamples import KINDS

CUT_BELOW = 0.62
"""A knee of which less is on the film is cut: nobody can grade it."""
_TRIES = 12
_NO_KNEE = tuple(kind for kind in FilmKind if not kind.has_knee)
_IMPLANTED = (FilmKind.SINGLE, FilmKind.BILATERAL, FilmKind.TWO_EXPOSURES, FilmKind.LONG_LEG, FilmKind.CROP)
_WIRED = (FilmKind.SINGLE, FilmKind.LONG_LEG)
"""Half of the wires lie round the shafts, up to two plateau widths from the joint: these films reach so far."""
_LEAST_METAL = 0.004
"""Share of a crop that metal must cover, for a crop with metal: a plate or a wire may lie beyond it."""


@dataclass(frozen=True, slots=True, eq=False)
class Exhibit:
    """A film and what is asked about it.

    Attributes:
        pixels: (rows, columns) float32 in [0, 1], as displayed.
        knee: the knee that is asked about; None asks about the whole film, or about `square`.
        square: a place that is given, so that the finder is not asked.
        side: the side that the given place shows; unknown where it shows no knee.
    """

    pixels: FloatImage
    knee: PlacedKnee | None = None
    square: Square | None = None
    side: Side = Side.UNKNOWN


Draw = Callable[[Sequence[KneePatch], np.random.Generator], Exhibit]
"""From a few knees of different people, and chance, to an exhibit."""


def _long_side(kind: FilmKind, rng: np.random.Generator) -> int:
    if kind is FilmKind.LONG_LEG:
        return int(rng.integers(1100, 1700))
    return int(rng.integers(300, 600) if kind is FilmKind.CROP else rng.integers(420, 900))


def without_knee(kind: FilmKind, from_knees: bool, patches: Sequence[KneePatch], rng: np.random.Generator) -> Exhibit:
    """A film without a frontal knee; laterals and obliques are drawn freely or squeezed from frontal knees."""
    some = patches if from_knees else ()
    return Exhibit(draw_later(draw_film(kind, some, _long_side(kind, rng), rng), rng).pixels)


def squeezed(patches: Sequence[KneePatch], rng: np.random.Generator) -> Exhibit:
    """A lateral made of a frontal knee that was squeezed."""
    long_side = _long_side(FilmKind.LATERAL, rng)
    size = film_size(FilmKind.LATERAL, long_side, rng)
    absorption = squeezed_lateral(size, patches[0], rng)
    pixels = expose(absorption, Exposure.drawn(rng, long_side), None, rng)
    return Exhibit(draw_later(ComposedFilm(pixels, (), FilmKind.LATERAL), rng).pixels)


def plain(_patches: Sequence[KneePatch], rng: np.random.Generator) -> Exhibit:
    """Any part of the body but a frontal knee, plainly exposed and without marks or collimation."""
    kind = _NO_KNEE[int(rng.integers(len(_NO_KNEE)))]
    rows, columns = (int(n) for n in rng.integers(380, 800, 2))
    return Exhibit(other_picture(kind, (rows, columns), int(rng.integers(2**31))))


def implanted(implant: Implant, patches: Sequence[KneePatch], rng: np.random.Generator) -> Exhibit:
    """A knee with metal on a film, wholly on it."""
    found: Exhibit | None = None
    for _ in range(_TRIES):
        kinds = _WIRED if implant is Implant.WIRES else _IMPLANTED
        kind = kinds[int(rng.integers(len(kinds)))]
        film = _with_metal(kind, implant, patches, rng)
        knees = [knee for knee in film.knees if knee.implant is implant]
        found = Exhibit(film.pixels, knees[0])
        if knees[0].visible_fraction >= 0.9:
            break
    if found is None:
        raise AssertionError("unreachable: at least one film is drawn")
    return found


def _with_metal(
    kind: FilmKind, implant: Implant, patches: Sequence[KneePatch], rng: np.random.Generator
) -> ComposedFilm:
    size = film_size(kind, _long_side(kind, rng), rng)
    layout = draw_layout(FilmKind.SINGLE if kind is FilmKind.TWO_EXPOSURES else kind, size, rng, 0.0)
    which = int(rng.integers(len(layout.knees)))
    knees = [
        (side, replace(pose, implant=implant) if i == which else pose) for i, (side, pose) in enumerate(layout.knees)
    ]
    layout = replace(layout, kind=kind, knees=tuple(knees))
    return draw_later(compose_film(layout, patches[: len(knees)], rng), rng)


def implant_on_crop(patches: Sequence[KneePatch], rng: np.random.Generator) -> Exhibit:
    """A framed knee with metal on it: the film is the crop."""
    found = patches[0]
    for _ in range(_TRIES):
        implant = tuple(Implant)[int(rng.integers(len(Implant)))]
        before = copy.deepcopy(rng)
        found = with_implant(patches[0], implant, rng)
        if _metal_share(found, implant, before) >= _LEAST_METAL:
            break
    return Exhibit(found.pixels)


def _metal_share(patch: KneePatch, implant: Implant, rng: np.random.Generator) -> float:
    """How much of a patch the metal covers that `with_implant` draws from such a state."""
    right = prepared(patch.as_side(Side.RIGHT))
    n = patch.pixels.shape[0]
    raster = LegRaster(n, n, right.patch.centre, right.patch.plateau_width_px, right.patch.plateau_width_px)
    flat = np.zeros((n, n), dtype=np.float32)
    draw_implant(flat, implant, leg_lines(right.patch, right.border, Build.drawn(rng), raster), raster, rng)
    return float((flat > METAL / 4).mean())


def cut(patches: Sequence[KneePatch], rng: np.random.Generator) -> Exhibit:
    """A knee of which too little is on the film, and some."""
    while True:
        film = draw_later(
            draw_film(FilmKind.CUT_BY_EDGE, patches, _long_side(FilmKind.CUT_BY_EDGE, rng), rng, 0.0), rng
        )
        if film.knees and 0.15 <= film.knees[0].visible_fraction < CUT_BELOW:
            return Exhibit(film.pixels, film.knees[0])


def beside(patches: Sequence[KneePatch], rng: np.random.Generator) -> Exhibit:
    """A place on a film of knees that shows none: shaft, hip, foot, air."""
    kinds = (FilmKind.SINGLE, FilmKind.BILATERAL, FilmKind.LONG_LEG)
    kind = kinds[int(rng.choice(len(kinds), p=(0.25, 0.25, 0.5)))]
    film = draw_later(draw_film(kind, patches, _long_side(kind, rng), rng, 0.2), rng)
    while True:
        square = _anywhere(film.pixels.shape, rng)
        middle = (square.centre_row, square.centre_column)
        if all(math.dist(knee.centre, middle) > 0.75 * knee.plateau_width_px for knee in film.knees):
            return Exhibit(film.pixels, square=square)


def elsewhere(patches: Sequence[KneePatch], rng: np.random.Generator) -> Exhibit:
    """Any place on a film without a frontal knee."""
    kind = _NO_KNEE[int(rng.integers(len(_NO_KNEE)))]
    film = draw_later(draw_film(kind, patches, _long_side(kind, rng), rng), rng)
    return Exhibit(film.pixels, square=_anywhere(film.pixels.shape, rng))


def _anywhere(shape: tuple[int, ...], rng: np.random.Generator) -> Square:
    row, column = (float(rng.uniform(0, n)) for n in shape[:2])
    size = max(shape) * math.exp(rng.uniform(math.log(0.08), math.log(0.9)))
    return Square(row, column, size, float(rng.normal(0, 8)))


def misframed(kind: str, patches: Sequence[KneePatch], rng: np.random.Generator) -> Exhibit:
    """A square that is badly placed on a knee: one of `counterexamples.KINDS`."""
    pixels = KINDS[kind](patches[0].pixels, patches[1].pixels, rng)
    side = Side.RIGHT if rng.random() < 0.5 else Side.LEFT
    return Exhibit(pixels, square=whole_film_square(*pixels.shape), side=side)


def as_film(kind: str, patches: Sequence[KneePatch], rng: np.random.Generator) -> Exhibit:
    """One of `counterexamples.KINDS` that holds no frontal knee, as a film."""
    return Exhibit(KINDS[kind](patches[0].pixels, patches[1].pixels, rng))


@dataclass(frozen=True, slots=True)
class Family:
    """One thing to refuse.

    Attributes:
        draw: draws one.
        group: families that resemble each other, and are left out together where that is asked.
        says: what it is, for a table.
    """

    draw: Draw
    group: str
    says: str


OTHER_VIEW = "knee, other view"
"""The group of families that show a knee, and not from the front."""
_NO_KNEE_GROUPS = {
    FilmKind.LATERAL: OTHER_VIEW,
    FilmKind.SKYLINE: OTHER_VIEW,
    FilmKind.OBLIQUE: OTHER_VIEW,
    FilmKind.SLICE: "no radiograph",
    FilmKind.EMPTY: "no radiograph",
    FilmKind.TEST_IMAGE: "no radiograph",
    FilmKind.SATURATED: "no radiograph",
}
_SAYS_FRAMED = {
    "two_knees": "two knees taken for one",
    "far_away": "a knee that is framed too wide",
    "too_near": "a knee that is framed too narrow",
    "off_centre": "a knee that is framed off centre",
    "turned": "a knee that lies on its side or upside down",
}

FILMS: dict[str, Family] = {
    **{
        kind.value: Family(
            partial(without_knee, kind, True),
            _NO_KNEE_GROUPS.get(kind, "other part of the body"),
            kind.value.replace("_", " "),
        )
        for kind in _NO_KNEE
    },
    "lateral_drawn": Family(partial(without_knee, FilmKind.LATERAL, False), OTHER_VIEW, "lateral, drawn bone by bone"),
    "lateral_squeezed": Family(squeezed, OTHER_VIEW, "lateral, squeezed from a frontal knee"),
    "oblique_drawn": Family(partial(without_knee, FilmKind.OBLIQUE, False), OTHER_VIEW, "oblique, drawn"),
    "squeezed": Family(partial(as_film, "squeezed"), OTHER_VIEW, "half a knee, or a narrow one"),
    "plain": Family(plain, "other part of the body", "any of these, plainly exposed"),
    "not_a_knee": Family(partial(as_film, "not_a_knee"), "no radiograph", "smooth noise and shapes"),
    **{
        f"implant_{implant.value}": Family(partial(implanted, implant), "implant", implant.value.replace("_", " "))
        for implant in Implant
    },
    "implant_on_crop": Family(implant_on_crop, "implant", "any metal, drawn on a crop"),
    "cut": Family(cut, "cut by the edge", "less than 62 % of the knee on the film"),
}
"""Judged as films, or as knees on films, by the whole road."""

FRAMINGS: dict[str, Family] = {
    **{kind: Family(partial(misframed, kind), "framing", says) for kind, says in _SAYS_FRAMED.items()},
    "beside": Family(beside, "framing", "a place beside the knees of a film"),
    "elsewhere": Family(elsewhere, "framing", "any place on a film without a frontal knee"),
}
"""Judged as crops, by the embedding alone."""
REFUSED: dict[str, Family] = FILMS | FRAMINGS
