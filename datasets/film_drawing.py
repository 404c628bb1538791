"""Any kind of film, drawn at random: the one entry to the composer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import MappingProxyType

import numpy as np

from kneeoa.datasets.film_blank import draw_empty, draw_saturated, draw_test_image
from kneeoa.datasets.film_composer import compose_film, compose_two_exposures
from kneeoa.datasets.film_exposure import Exposure, expose
from kneeoa.datasets.film_extremities import draw_ankle, draw_elbow, draw_foot, draw_hand, draw_shoulder
from kneeoa.datasets.film_geometry import resized
from kneeoa.datasets.film_lateral import draw_lateral, draw_oblique, draw_skyline, squeezed_lateral
from kneeoa.datasets.film_layout import Layout, draw_collimation, draw_layout, film_size
from kneeoa.datasets.film_marking import add_lead, add_print
from kneeoa.datasets.film_patch import KneePatch
from kneeoa.datasets.film_trunk import draw_chest, draw_hip, draw_skull, draw_slice, draw_spine
from kneeoa.datasets.film_truth import ComposedFilm, FilmKind, FilmTurn, View, turned
from kneeoa.model.radiograph import FloatImage, Side

_DRAWN_PX = 1600
"""Long side beyond which films without a frontal knee are drawn smaller and enlarged: nothing on them is measured."""

Draw = Callable[[tuple[int, int], np.random.Generator], FloatImage]
_ABSORPTION: MappingProxyType[FilmKind, Draw] = MappingProxyType(
    {
        FilmKind.LATERAL: draw_lateral,
        FilmKind.SKYLINE: draw_skyline,
        FilmKind.FOOT: draw_foot,
        FilmKind.ANKLE: draw_ankle,
        FilmKind.HAND: draw_hand,
        FilmKind.ELBOW: draw_elbow,
        FilmKind.SHOULDER: draw_shoulder,
        FilmKind.HIP: draw_hip,
        FilmKind.CHEST: draw_chest,
        FilmKind.SPINE: draw_spine,
        FilmKind.SKULL: draw_skull,
        FilmKind.SLICE: draw_slice,
    }
)
_GREY: MappingProxyType[FilmKind, Draw] = MappingProxyType(
    {FilmKind.EMPTY: draw_empty, FilmKind.TEST_IMAGE: draw_test_image, FilmKind.SATURATED: draw_saturated}
)


def draw_film(
    kind: FilmKind, patches: Sequence[KneePatch], long_side: int, rng: np.random.Generator, implants: float = 0.1
) -> ComposedFilm:
    """Draws a random film of a kind.

    Args:
        kind: what it shows.
        patches: knees to choose from; kinds with frontal knees need one at least and take one of the right side where
            there is one, else mirror. Laterals and obliques are drawn from none, or squeezed from these.
        long_side: of the film, in pixels; 64 at least.
        rng: of everything. Equal arguments and generator states give equal films on one machine.
        implants: share of frontal knees with metal.

    Returns:
        The film upright and as hung; for what happens to films later see `draw_turn`, `turned` and `inverted`.

    Raises:
        ValueError: a kind with knees without a patch, or a film too small.
    """
    if long_side < 64:
        raise ValueError(f"A film has a long side of 64 pixels or more, not {long_side}.")
    size = film_size(kind, long_side, rng)
    if not kind.has_knee:
        return _without_knee(kind, patches, size, rng)
    if not patches:
        raise ValueError(f"A film of the kind {kind} needs a knee patch.")
    if kind is FilmKind.TWO_EXPOSURES:
        pair = (_picked(patches, Side.RIGHT, rng), _picked(patches, Side.LEFT, rng))
        return compose_two_exposures(size, pair, rng, implants)
    layout = draw_layout(kind, size, rng, implants)
    return compose_film(layout, [_picked(patches, side, rng) for side, _ in layout.knees], rng)


def draw_turn(rng: np.random.Generator) -> FilmTurn:
    """What happens to films on their way into an archive: small tilts often, mirrors, quarter turns, oblong pixels."""
    tilt = float(rng.normal(0, 3)) if rng.random() < 0.2 else 0.0
    return FilmTurn(
        tilt_degrees=float(rng.uniform(-20, 20)) if rng.random() < 0.08 else tilt,
        mirrored=bool(rng.random() < 0.12),
        quarter_turns=int(rng.integers(1, 4)) if rng.random() < 0.08 else 0,
        stretch=float(np.exp(rng.uniform(-0.22, 0.22))) if rng.random() < 0.15 else 1.0,
    )


def draw_later(film: ComposedFilm, rng: np.random.Generator, inversions: float = 0.08) -> ComposedFilm:
    """A film after its way into an archive: turned by a `draw_turn`, and with inverted grey values now and then."""
    film = turned(film, draw_turn(rng))
    return film.inverted() if rng.random() < inversions else film


def _picked(patches: Sequence[KneePatch], side: Side, rng: np.random.Generator) -> KneePatch:
    fitting = [patch for patch in patches if patch.side is side] or list(patches)
    return fitting[int(rng.integers(len(fitting)))].as_side(side)


def _without_knee(
    kind: FilmKind, patches: Sequence[KneePatch], size: tuple[int, int], rng: np.random.Generator
) -> ComposedFilm:
    if kind in _GREY:
        return ComposedFilm(_GREY[kind](size, rng), (), kind)
    share = min(1.0, _DRAWN_PX / max(size))
    drawn = (max(8, round(size[0] * share)), max(8, round(size[1] * share)))
    absorption = resized(draw_anatomy(kind, patches, drawn, rng), size).copy()
    layout = Layout(
        kind=kind,
        size=size,
        knees=(),
        view=View.OTHER,
        exposure=Exposure.drawn(rng, max(size)),
        collimation=draw_collimation(kind, size, rng),
        marks=float(rng.uniform(0.2, 0.9)),
    )
    if kind is not FilmKind.SLICE:
        add_lead(absorption, layout, (), rng)
    field = None if layout.collimation is None else layout.collimation.field(size)
    pixels = expose(absorption, layout.exposure, field, rng)
    add_print(pixels, layout, (), rng)
    return ComposedFilm(pixels, (), kind)


def draw_anatomy(
    kind: FilmKind, patches: Sequence[KneePatch], size: tuple[int, int], rng: np.random.Generator
) -> FloatImage:
    """What a film without a frontal knee shows, before the exposure and without marks.

    Args:
        kind: one without a frontal knee.
        patches: frontal knees to make obliques and some laterals from; may be empty.
        size: rows and columns.
        rng: of everything.

    Returns:
        (rows, columns) float32 absorption, 0 air; of films without anatomy the grey values in [0, 1].

    Raises:
        ValueError: the kind has frontal knees.
    """
    if kind.has_knee:
        raise ValueError(f"A film of the kind {kind} has frontal knees: use draw_film.")
    patch = patches[int(rng.integers(len(patches)))] if patches else None
    if kind is FilmKind.OBLIQUE:
        return draw_oblique(size, patch, rng)
    if kind is FilmKind.LATERAL and patch is not None and rng.random() < 0.25:
        return squeezed_lateral(size, patch, rng)
    return (_ABSORPTION | _GREY)[kind](size, rng)
