"""What a reader of lead letters meets on films without any: bones, metal, rulers, arrows, labels, words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from kneeoa.datasets.film_composer import compose_film
from kneeoa.datasets.film_layout import draw_layout, film_size
from kneeoa.datasets.film_marks import add_arrow, add_label, add_ruler, add_text, stamp, text_mask
from kneeoa.datasets.film_patch import KneePatch
from kneeoa.datasets.film_truth import FilmKind, FilmTurn, PlacedKnee, turned
from kneeoa.datasets.phantom import PhantomSpec, make_phantom
from kneeoa.model.localize import KneeRegion
from kneeoa.model.marker import candidates
from kneeoa.model.marker_shapes import Shape
from kneeoa.model.radiograph import FloatImage, Side

_KINDS = (FilmKind.SINGLE, FilmKind.BILATERAL, FilmKind.LONG_LEG, FilmKind.OTHER_LEG_CUT, FilmKind.CUT_BY_EDGE)
_WORDS = ("AP", "PA", "WB", "ST", "KT", "JM", "20", "10", "3", "7", "12", "STANDING", "BEIDE KNIE", "SEMI", "CHOP")
"""Without R and L: those of a word are letters too, and it is their neighbours that tell the reader to leave them."""
_SMALLEST_PX, _LARGEST_PX = 700, 1400


def letterless_shapes(films: int, rng: np.random.Generator, patches: int = 12) -> list[Shape]:
    """Shapes that the reader would look at on films that bear no R and no L of lead.

    Args:
        films: how many to draw.
        rng: of everything.
        patches: phantoms to compose them of.
    """
    knees = [phantom_patch(Side.RIGHT if n % 2 else Side.LEFT, int(rng.integers(1 << 30))) for n in range(patches)]
    found: list[Shape] = []
    for _ in range(films):
        pixels, regions = letterless_film(knees, rng)
        found += candidates(pixels, regions if rng.random() < 0.7 else ())
    return found


def letterless_film(knees: list[KneePatch], rng: np.random.Generator) -> tuple[FloatImage, list[KneeRegion]]:
    """A film of frontal knees with all marks but letters, turned at random, and where its knees are."""
    long_side = int(rng.integers(_SMALLEST_PX, _LARGEST_PX))
    kind = _KINDS[int(rng.integers(len(_KINDS)))]
    layout = replace(draw_layout(kind, film_size(kind, long_side, rng), rng, 0.35), marks=0.0)
    picked = [knees[int(rng.integers(len(knees)))].as_side(side) for side, _ in layout.knees]
    film = compose_film(layout, picked, rng)
    add_marks(film.pixels, film.knees[0].plateau_width_px, rng)
    tilt, mirrored = float(rng.normal(0, 4)), bool(rng.random() < 0.3)
    quarters = int(rng.integers(4)) if rng.random() < 0.2 else 0
    film = turned(film, FilmTurn(tilt, mirrored, quarters))
    return film.pixels, [region_of(knee) for knee in film.knees]


def add_marks(pixels: FloatImage, width: float, rng: np.random.Generator) -> None:
    """Lays rulers, arrows, words, labels and texts on a film, as bright as lead, in place."""
    rows, columns = pixels.shape
    if rng.random() < 0.35:
        ends = np.sort(rng.uniform(0, rows, 2))
        column = columns * float(rng.choice([0.08, 0.5, 0.92]))
        add_ruler(pixels, (float(ends[0]), float(ends[1])), column, 0.133 * width, rng)
    if rng.random() < 0.4:
        at = (rows * float(rng.uniform(0.1, 0.9)), columns * float(rng.choice([0.1, 0.5, 0.9])))
        add_arrow(pixels, at, 0.3 * width, float(rng.normal(0, 20)))
    for _ in range(int(rng.integers(0, 4))):
        mask = text_mask(str(rng.choice(_WORDS)), max(6, round(width * float(rng.uniform(0.05, 0.25)))))
        at = (rows * float(rng.uniform(0.05, 0.95)), columns * float(rng.choice([0.1, 0.3, 0.7, 0.9])))
        stamp(pixels, mask, at, float(rng.uniform(0.8, 1.0)), (float(rng.normal(0, 10)), bool(rng.random() < 0.2)))
    if rng.random() < 0.3:
        box = (int(rows * 0.02), int(rows * 0.10), int(columns * 0.02), int(columns * 0.35))
        add_label(pixels, box, ("KNEES WB PA", "70 kV 4 mAs"), bool(rng.random() < 0.4))
    if rng.random() < 0.3:
        add_text(pixels, "KNEE AP  S 400", (0.9 * rows, 0.05 * columns), max(6, round(0.02 * rows)), 0.9)
    np.clip(pixels, 0, 1, out=pixels)


def phantom_patch(side: Side, seed: int) -> KneePatch:
    """A phantom to compose films of."""
    spec = PhantomSpec(side=side, grade=seed % 5, seed=seed, size=(300, 300), marker=False)
    return KneePatch.of_phantom(make_phantom(spec))


def region_of(knee: PlacedKnee) -> KneeRegion:
    """What a finder without fault would say of a knee."""
    return KneeRegion(
        centre=knee.centre,
        plateau_width_px=knee.plateau_width_px,
        angle_degrees=knee.angle_degrees,
        confidence=1.0,
        implant=float(knee.implant is not None),
        right=1.0 if knee.looks_like is Side.RIGHT else 0.0,
        expected_error=0.02,
    )
