"""Films of frontal knees, composed from knee patches, with their truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from kneeoa.datasets.film_exposure import Collimation, Exposure, expose, uneven
from kneeoa.datasets.film_geometry import Affine, resized
from kneeoa.datasets.film_hip import add_pelvis, replace_hip
from kneeoa.datasets.film_layout import Layout, draw_layout
from kneeoa.datasets.film_leg import Build
from kneeoa.datasets.film_limb import AddedLeg, KneePose, add_leg
from kneeoa.datasets.film_marking import add_lead, add_print
from kneeoa.datasets.film_patch import KneePatch
from kneeoa.datasets.film_truth import ComposedFilm, FilmKind, PlacedKnee, placed
from kneeoa.model.radiograph import FloatImage, Side


def compose_film(layout: Layout, patches: Sequence[KneePatch], rng: np.random.Generator) -> ComposedFilm:
    """Draws a film.

    Args:
        layout: what goes where.
        patches: one a pose, in the layout's order; a patch of the other side than its pose's is mirrored.
        rng: of everything that the layout leaves open. Equal layouts, patches and generator states give equal films.

    Returns:
        The film with its knees in the layout's order. Its truth holds for each knee's `patch`, which is the mirrored
        one where it was mirrored.

    Raises:
        ValueError: not as many patches as poses.
    """
    if len(patches) != len(layout.knees):
        raise ValueError(f"A layout of {len(layout.knees)} knees needs as many patches, not {len(patches)}.")
    if layout.reduced < 1.0:
        return _enlarged(compose_film(_reduced(layout), patches, rng), layout.size)
    absorption = np.zeros(layout.size, dtype=np.float32)
    build = Build.drawn(rng)
    knees = [patch.as_side(side) for patch, (side, _) in zip(patches, layout.knees, strict=True)]
    legs = [add_leg(absorption, knee, pose, build, rng) for knee, (_, pose) in zip(knees, layout.knees, strict=True)]
    if layout.kind is FilmKind.LONG_LEG:
        _add_hips(absorption, layout, legs, rng)
    absorption += uneven(layout.size, 0.012, rng)
    add_lead(absorption, layout, [leg.width_px for leg in legs], rng)
    field = None if layout.collimation is None else layout.collimation.field(layout.size)
    pixels = expose(absorption, layout.exposure, field, rng)
    truth = tuple(
        placed(knee, leg.patch_to_film, layout.size, field, pose.implant)
        for knee, leg, (_, pose) in zip(knees, legs, layout.knees, strict=True)
    )
    add_print(pixels, layout, truth, rng)
    metal = _metal_of(legs)
    if metal is not None and field is not None:
        metal = metal * field
    return ComposedFilm(pixels, truth, layout.kind, layout.view, metal=metal)


def _metal_of(legs: Sequence[AddedLeg]) -> FloatImage | None:
    drawn = [leg.metal for leg in legs if leg.metal is not None]
    return np.asarray(np.maximum.reduce(drawn), dtype=np.float32) if drawn else None


def compose_two_exposures(
    size: tuple[int, int], patches: tuple[KneePatch, KneePatch], rng: np.random.Generator, implants: float = 0.1
) -> ComposedFilm:
    """Two exposures side by side on one film, each of one knee, with its own collimation and grey values.

    Args:
        size: rows and columns.
        patches: of the right and the left knee, which lie at image left and right.
        rng: of all else.
        implants: share of knees with metal.
    """
    rows, columns = size
    half = columns // 2
    films = []
    for side, patch, width in ((Side.RIGHT, patches[0], half), (Side.LEFT, patches[1], columns - half)):
        layout = draw_layout(FilmKind.SINGLE, (rows, width), rng, implants)
        pose = replace(layout.knees[0][1], plateau_width_px=float(rng.uniform(0.38, 0.55)) * width)
        opening = layout.collimation or Collimation(0.02 * rows, 0.98 * rows, 0.04 * width, 0.97 * width)
        layout = replace(layout, kind=FilmKind.TWO_EXPOSURES, knees=((side, pose),), collimation=opening)
        films.append(compose_film(layout, (patch,), rng))
    knees = [films[0].knees[0], _shifted(films[1].knees[0], half)]
    pixels = np.concatenate([film.pixels for film in films], axis=1)
    metal = None
    if any(film.metal is not None for film in films):
        halves = [np.zeros_like(film.pixels) if film.metal is None else film.metal for film in films]
        metal = np.concatenate(halves, axis=1)
    return ComposedFilm(pixels, tuple(knees), FilmKind.TWO_EXPOSURES, films[0].view, metal=metal)


def _shifted(knee: PlacedKnee, columns: int) -> PlacedKnee:
    return replace(knee, patch_to_film=knee.patch_to_film.then(Affine.shift(0, columns)))


def _add_hips(film: FloatImage, layout: Layout, legs: list[AddedLeg], rng: np.random.Generator) -> None:
    width = legs[0].width_px
    hips = sorted((leg.hip for leg in legs), key=lambda hip: hip[1])
    if len(hips) == 1:
        toward = 1.0 if layout.knees[0][0] is Side.RIGHT else -1.0
        hips = sorted([hips[0], (hips[0][0], hips[0][1] + toward * 2.4 * width)], key=lambda hip: hip[1])
    if hips[1][1] - hips[0][1] < 1.4 * width:
        middle = (hips[0][1] + hips[1][1]) / 2
        hips = [(hips[0][0], middle - 0.9 * width), (hips[1][0], middle + 0.9 * width)]
    add_pelvis(film, (hips[0], hips[1]), width, rng)
    for leg, (side, _) in zip(legs, layout.knees, strict=True):
        if rng.random() < 0.08:
            replace_hip(film, leg.hip, width, 1.0 if side is Side.RIGHT else -1.0)


def _reduced(layout: Layout) -> Layout:
    share = layout.reduced
    rows, columns = (max(16, round(n * share)) for n in layout.size)
    down, across = rows / layout.size[0], columns / layout.size[1]
    scale = Affine.scale(down, across)

    def smaller(pose: KneePose) -> KneePose:
        return replace(pose, centre=scale.point(pose.centre), plateau_width_px=pose.plateau_width_px * across)

    opening = layout.collimation
    if opening is not None:
        opening = Collimation(
            opening.top * down, opening.bottom * down, opening.left * across, opening.right * across, opening.degrees
        )
    exposure: Exposure = replace(layout.exposure, blur_px=0.3)
    knees = tuple((side, smaller(pose)) for side, pose in layout.knees)
    return replace(layout, size=(rows, columns), knees=knees, collimation=opening, exposure=exposure, reduced=1.0)


def _enlarged(film: ComposedFilm, size: tuple[int, int]) -> ComposedFilm:
    scale = Affine.scale(size[0] / film.pixels.shape[0], size[1] / film.pixels.shape[1])
    knees = tuple(replace(knee, patch_to_film=knee.patch_to_film.then(scale)) for knee in film.knees)
    metal = None if film.metal is None else np.clip(resized(film.metal, size), 0, 1)
    return replace(film, pixels=np.clip(resized(film.pixels, size), 0, 1), knees=knees, metal=metal)
