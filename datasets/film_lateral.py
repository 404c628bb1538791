"""Knees that are not frontal: from the side, axial and oblique; drawn, and from frontal patches by squeezing.

Outlines are in plateau widths, (forward, down): forward is where the kneecap is. Each bone has its own axes.
"""

from __future__ import annotations

import numpy as np

from kneeoa.datasets.film_bones import (
    BoneAxes,
    Fade,
    Look,
    add_bone_chain,
    add_flesh_chain,
    add_outline,
    chain,
    ellipse,
    smooth_path,
    union,
)
from kneeoa.datasets.film_geometry import resized
from kneeoa.datasets.film_implants import METAL, lay_metal
from kneeoa.datasets.film_leg import Build
from kneeoa.datasets.film_limb import KneePose, add_leg
from kneeoa.datasets.film_patch import KneePatch
from kneeoa.datasets.film_texture import clouds, grain
from kneeoa.model.radiograph import FloatImage

_REPLACED = 0.12
"""Share of lateral knees with an arthroplasty: metal from the side is no frontal implant."""
_CONDYLES = np.array(
    [
        *((0.205, -1.20), (0.225, -0.85), (0.30, -0.58), (0.40, -0.36), (0.445, -0.12), (0.40, 0.10), (0.27, 0.27)),
        *((0.08, 0.345), (-0.14, 0.345), (-0.33, 0.26), (-0.455, 0.07), (-0.46, -0.14), (-0.37, -0.32)),
        *((-0.25, -0.48), (-0.20, -0.75), (-0.195, -1.20)),
    ]
)
_OTHER_CONDYLE = np.array(
    [
        *((0.05, -0.25), (0.30, -0.10), (0.30, 0.12), (0.18, 0.27), (0.0, 0.33), (-0.20, 0.32), (-0.38, 0.20)),
        *((-0.46, 0.02), (-0.42, -0.18), (-0.28, -0.32), (-0.1, -0.35)),
    ]
)
_TIBIA = np.array(
    [
        *((0.34, 0.03), (0.37, 0.09), (0.33, 0.20), (0.335, 0.33), (0.35, 0.44), (0.29, 0.60), (0.22, 0.85)),
        *((0.19, 1.30), (-0.17, 1.30), (-0.185, 0.95), (-0.23, 0.62), (-0.34, 0.38), (-0.45, 0.20), (-0.48, 0.10)),
        *((-0.44, 0.045), (-0.25, 0.04), (-0.06, 0.02), (0.0, -0.09), (0.05, -0.07), (0.11, 0.01), (0.24, 0.0)),
    ]
)
_PATELLA = np.array(
    [
        (-0.02, -0.29),
        (0.10, -0.25),
        (0.145, -0.05),
        (0.12, 0.14),
        (0.02, 0.28),
        (-0.06, 0.18),
        (-0.115, 0.0),
        (-0.10, -0.22),
    ]
)
# Femoral component: its bearing surface from the flange's top to the back, and the cuts of the bone that it sits on.
_RUNNER = np.array(
    [
        *((0.31, -0.56), (0.40, -0.36), (0.45, -0.12), (0.41, 0.11), (0.28, 0.28), (0.08, 0.36), (-0.14, 0.36)),
        *((-0.34, 0.27), (-0.47, 0.07), (-0.48, -0.14), (-0.42, -0.29)),
    ]
)
_CUTS = np.array([(0.27, -0.54), (0.33, 0.02), (0.20, 0.20), (-0.18, 0.22), (-0.36, 0.08), (-0.38, -0.27)])
_TROCHLEA = np.array(
    [
        *((-0.62, 0.75), (-0.60, 0.35), (-0.53, 0.08), (-0.40, -0.05), (-0.24, 0.02), (-0.02, 0.17), (0.18, 0.10)),
        *((0.34, 0.03), (0.48, 0.10), (0.57, 0.30), (0.60, 0.75)),
    ]
)
_AXIAL_PATELLA = np.array(
    [
        (-0.42, -0.18),
        (-0.22, -0.30),
        (0.05, -0.34),
        (0.28, -0.28),
        (0.37, -0.20),
        (0.22, -0.08),
        (0.02, 0.04),
        (-0.18, -0.06),
    ]
)


def draw_lateral(size: tuple[int, int], rng: np.random.Generator) -> FloatImage:
    """A knee from the side: flexed or nearly straight, upright, lying or tilted, forward to either side.

    Args:
        size: rows and columns.
        rng: of pose and person.

    Returns:
        (rows, columns) float32 absorption.
    """
    film = np.zeros(size, dtype=np.float32)
    scale = float(rng.uniform(0.25, 0.42)) * min(size)
    flexion = float(rng.choice([rng.uniform(0, 15), rng.uniform(15, 50), rng.uniform(50, 100)], p=[0.3, 0.5, 0.2]))
    lean = float(rng.normal(-0.45, 0.15)) * flexion + float(rng.normal(0, 6))
    lean += float(rng.choice([0.0, 90.0, -90.0, 180.0], p=[0.76, 0.11, 0.11, 0.02]))
    forward = 1.0 if rng.random() < 0.5 else -1.0
    centre = (size[0] * rng.uniform(0.43, 0.57), size[1] * rng.uniform(0.42, 0.58))
    femur = BoneAxes(centre, scale, lean, forward)
    bend = lean + flexion
    # The tibia's joint face rolls on the condyles.
    turn = np.radians(flexion)
    reach = 0.40
    origin = femur.point(-0.05 - reach * np.sin(turn), -0.01 + reach * np.cos(turn))
    tibia = BoneAxes(origin, scale, bend, forward)
    way = float(np.radians(-28 + 0.62 * flexion + rng.normal(0, 5)))
    far = 0.60 + float(rng.normal(0, 0.02))
    patella = (-0.04 + far * float(np.cos(way)), far * float(np.sin(way)))
    _side_flesh(film, femur, tibia, float(rng.normal(1, 0.12)), patella)
    _side_bones(film, femur, tibia, rng)
    _side_patella(film, femur, (patella, way), rng)
    film = _grained(film, scale, rng)
    if rng.random() < _REPLACED:
        add_side_arthroplasty(film, femur, tibia, rng)
    return film


def _side_flesh(film: FloatImage, femur: BoneAxes, tibia: BoneAxes, girth: float, patella: tuple[float, float]) -> None:
    scale = femur.scale
    thigh = np.concatenate(
        [femur.place(np.array([(-0.12, -5.0), (-0.14, -3.0), (-0.10, -1.6)])), femur.place(np.array([(0.02, -0.35)]))]
    )
    path = np.concatenate([thigh, tibia.place(np.array([(-0.02, 0.30), (-0.22, 1.3), (-0.16, 2.6), (-0.05, 4.6)]))])
    radii = np.array([1.35, 1.12, 0.90, 0.74, 0.66, 0.76, 0.62, 0.40]) * girth * scale
    smooth = smooth_path(path, 5)
    wide = np.interp(np.arange(len(smooth)), np.arange(len(path)) * 5, radii)
    # Skin over the kneecap, from the quadriceps' tendon to the tibia's tuberosity.
    front = np.concatenate([femur.place(np.array([(0.15, -1.0), patella])), tibia.place(np.array([(0.2, 0.55)]))])
    cap = chain(film.shape, smooth_path(front, 5), np.full(11, 0.30 * scale))
    add_flesh_chain(film, union(chain(film.shape, smooth, wide), cap, 0.35), 0.40)


def _side_bones(film: FloatImage, femur: BoneAxes, tibia: BoneAxes, rng: np.random.Generator) -> None:
    scale = femur.scale
    rim, deep = max(0.035 * scale, 0.8), max(0.16 * scale, 1.0)
    density, canal = float(rng.uniform(0.22, 0.32)), float(rng.uniform(0.5, 0.66))
    upper = Fade(femur.point(0.0, -1.15), femur.point(0.0, -0.75))
    add_outline(film, [femur.place(smooth_path(_CONDYLES))], Look(0.26, 0.14, rim, deep), upper)
    shaft = np.array([(0.01, -0.55), (0.005, -1.12), (0.02, -2.0), (0.06, -3.2), (0.05, -5.2)])
    femoral = chain(film.shape, femur.place(smooth_path(shaft)), np.linspace(0.205, 0.19, 25) * scale)
    add_bone_chain(film, femoral, density, canal, upper.reverse)
    shift = np.array([rng.normal(0, 0.05), rng.normal(0, 0.05)])
    other = femur.place(smooth_path(_OTHER_CONDYLE * rng.uniform(0.88, 1.0) + shift, closed=True))
    hidden = Fade(femur.point(0.05, -0.30), femur.point(0.0, 0.22))
    add_outline(film, [other], Look(0.05, 0.11, rim, deep), hidden)
    roof = femur.place(np.array([(0.16, 0.10), (-0.26, -0.26)]))
    add_bone_chain(film, chain(film.shape, roof, np.full(2, 0.014 * scale)), 0.05, 0.0)
    lower = Fade(tibia.point(0.0, 1.25), tibia.point(0.0, 0.80))
    add_outline(film, [tibia.place(smooth_path(_TIBIA, closed=True))], Look(0.26, 0.13, rim, deep), lower)
    shin = np.array([(0.02, 0.60), (0.01, 1.22), (-0.01, 2.0), (0.01, 3.2), (0.02, 5.0)])
    tibial = chain(film.shape, tibia.place(smooth_path(shin)), np.linspace(0.195, 0.155, 25) * scale)
    add_bone_chain(film, tibial, density, canal, lower.reverse)
    plateau = tibia.place(smooth_path(np.array([(-0.42, 0.12), (-0.2, 0.10), (0.0, 0.09), (0.2, 0.08), (0.33, 0.09)])))
    add_bone_chain(film, chain(film.shape, plateau, np.full(len(plateau), 0.025 * scale)), 0.07, 0.0)
    fibula = smooth_path(
        np.array([(-0.36, 0.33), (-0.33, 0.48), (-0.27, 0.8), (-0.2, 1.6), (-0.17, 3.0), (-0.16, 4.8)])
    )
    wide = np.interp(np.linspace(0, 1, len(fibula)), [0, 0.08, 0.25, 1], [0.095, 0.09, 0.055, 0.052])
    add_bone_chain(film, chain(film.shape, tibia.place(fibula), wide * scale), 0.14, 0.62)


def add_side_arthroplasty(film: FloatImage, femur: BoneAxes, tibia: BoneAxes, rng: np.random.Generator) -> None:
    """A total knee arthroplasty from the side, in place: shell round the condyles, tray with keel, plastic between."""
    runner = smooth_path(_RUNNER)
    shell = np.concatenate([runner, _CUTS[::-1]])
    peg = np.array([(-0.03, 0.20), (0.03, 0.20), (0.02, -0.02), (-0.02, -0.02)])
    thick, deep = float(rng.uniform(0.035, 0.055)), float(rng.uniform(0.3, 0.55))
    tray = np.array([(-0.43, 0.10), (0.34, 0.10), (0.34, 0.10 + thick), (-0.43, 0.10 + thick)])
    keel = np.array([(-0.06, 0.10), (0.08, 0.10), (0.05, 0.10 + deep), (-0.03, 0.10 + deep)])
    metal = [femur.place(shell), femur.place(peg), tibia.place(tray), tibia.place(keel)]
    lay_metal(film, metal, METAL * float(rng.uniform(0.85, 1.0)))


def _side_patella(
    film: FloatImage, femur: BoneAxes, place: tuple[tuple[float, float], float], rng: np.random.Generator
) -> None:
    at, way = place
    turn = 0.8 * way + np.radians(8)
    cos, sin = np.cos(turn), np.sin(turn)
    knee = _PATELLA * float(rng.uniform(0.9, 1.1))
    turned = np.stack([cos * knee[:, 0] - sin * knee[:, 1], sin * knee[:, 0] + cos * knee[:, 1]], axis=1) + at
    scale = femur.scale
    look = Look(0.17, 0.12, max(0.03 * scale, 0.8), max(0.08 * scale, 1))
    add_outline(film, [femur.place(smooth_path(turned, closed=True))], look)
    if way < 0:  # the tendons are seen in fat when the knee is not bent much
        for start, end in ((turned[0], (0.28, -1.5)), (turned[4], (0.36, 0.78))):
            line = femur.place(np.array([start, end]))
            add_flesh_chain(film, chain(film.shape, line, np.full(2, 0.045 * scale)), 0.025)


def draw_skyline(size: tuple[int, int], rng: np.random.Generator) -> FloatImage:
    """Kneecaps in their grooves, seen along the thigh; one or both: (rows, columns) float32 absorption."""
    film = np.zeros(size, dtype=np.float32)
    both = size[1] > 1.1 * size[0] and rng.random() < 0.8
    scale = float(rng.uniform(0.24, 0.32) * size[1] if both else rng.uniform(0.38, 0.6) * min(size))
    row = size[0] * rng.uniform(0.42, 0.56)
    for side in (-1.0, 1.0) if both else (float(rng.choice([-1.0, 1.0])),):
        column = size[1] * (0.5 + (0.24 * side if both else 0.0) + rng.normal(0, 0.01))
        axes = BoneAxes((float(row), float(column)), scale, float(rng.normal(0, 5)), -side)
        skin = np.array(
            [(-0.95, 1.6), (-0.88, 0.4), (-0.62, -0.35), (0.0, -0.68), (0.60, -0.40), (0.86, 0.4), (0.95, 1.6)]
        )
        add_outline(film, [axes.place(smooth_path(skin))], Look(0.40, 0, 1, 0.55 * scale))
        bone = Look(0.30, 0.12, max(0.035 * scale, 0.8), max(0.22 * scale, 1))
        behind = Fade(axes.point(0.0, 0.72), axes.point(0.0, 0.30))
        add_outline(film, [axes.place(smooth_path(_TROCHLEA))], bone, behind)
        tilt = _AXIAL_PATELLA + np.array((rng.normal(0, 0.04), rng.normal(-0.05, 0.02)))
        add_outline(
            film, [axes.place(smooth_path(tilt, closed=True))], Look(0.26, 0.13, 0.03 * scale + 0.5, 0.1 * scale + 0.5)
        )
        shin = ellipse(axes.point(0.0, 0.72), (0.45 * scale, 0.75 * scale))
        add_outline(film, [shin], Look(0.26, 0.02, 0.04 * scale + 0.5, 0.4 * scale))
    return _grained(film, scale, rng)


def draw_oblique(size: tuple[int, int], patch: KneePatch | None, rng: np.random.Generator) -> FloatImage:
    """A knee turned by 45 degrees or so: a frontal one squeezed, its condyles parted, its kneecap aside; absorption.

    Args:
        size: rows and columns.
        patch: a frontal knee; None draws a lateral one and stretches it.
        rng: of the rest.
    """
    if patch is None:
        narrow = draw_lateral((size[0], max(16, round(size[1] / 1.35))), rng)
        return resized(narrow, size)
    # Condyles are nearly as deep as they are wide: a knee turned by 45 degrees is little narrower where they part, and
    # its kneecap, half a plateau's width before them, lies a third of one aside.
    parted = rng.random() < 0.5
    share = float(rng.uniform(*((0.62, 0.80) if parted else (0.58, 0.74))))
    film, scale = _squeezed_leg(size, patch, (share, False), rng)
    if parted:
        film = _parted(film, scale, rng)
    aside = float(rng.choice([-1.0, 1.0])) * (float(rng.uniform(0.24, 0.36)) if parted else 0.17)
    middle = ((size[0] - 1) / 2, (size[1] - 1) / 2)
    knee = ellipse((middle[0] - 0.34 * scale, middle[1] + aside * scale), (0.29 * scale, 0.20 * scale))
    add_outline(film, [knee], Look(0.14, 0.05, 0.03 * scale + 0.5, 0.14 * scale + 0.5))
    return film


def _parted(film: FloatImage, scale: float, rng: np.random.Generator) -> FloatImage:
    """Front and back of the condyles seen beside each other; shafts are round and stay. The joint is in the middle."""
    apart = float(rng.uniform(0.12, 0.20)) * scale
    rows, columns = film.shape
    height = (np.arange(rows) - (rows - 1) / 2) / (0.55 * scale)
    shift = apart * np.exp(-(height**2))[:, None]
    front = float(rng.uniform(0.4, 0.6))
    at = np.arange(columns)[None, :]
    halves = [
        np.take_along_axis(film, np.clip(np.rint(at + way * shift), 0, columns - 1).astype(int), 1) for way in (-1, 1)
    ]
    return np.asarray(front * halves[0] + (1 - front) * halves[1], dtype=np.float32)


def squeezed_lateral(size: tuple[int, int], patch: KneePatch, rng: np.random.Generator) -> FloatImage:
    """A frontal knee, or half of one, squeezed, with a kneecap in front: much like a lateral one; absorption."""
    share = float(rng.uniform(0.34, 0.5))
    film, scale = _squeezed_leg(size, patch, (share, bool(rng.random() < 0.3)), rng)
    forward = float(rng.choice([-1.0, 1.0]))
    axes = BoneAxes(((size[0] - 1) / 2, (size[1] - 1) / 2), scale, float(rng.normal(0, 4)), forward)
    bulge = ellipse(axes.point(0.16, -0.15), (0.75 * scale, 0.52 * scale))
    add_outline(film, [bulge], Look(0.14, 0, 1, 0.3 * scale))
    at = (0.5 * share + float(rng.uniform(0.14, 0.2)), float(rng.uniform(-0.5, -0.2)))
    shape = _PATELLA * float(rng.uniform(0.85, 1.1)) + at
    look = Look(0.2, 0.11, 0.03 * scale + 0.5, 0.08 * scale + 0.5)
    add_outline(film, [axes.place(smooth_path(shape, closed=True))], look)
    return film


def _squeezed_leg(
    size: tuple[int, int], patch: KneePatch, way: tuple[float, bool], rng: np.random.Generator
) -> tuple[FloatImage, float]:
    """A frontal leg, its joint in the film's middle, squeezed to a share; on request one half and its mirror image."""
    share, half = way
    scale = float(rng.uniform(0.28, 0.45)) * min(size)
    wide = max(16, round(size[1] / share))
    film = np.zeros((size[0], wide), dtype=np.float32)
    pose = KneePose(((size[0] - 1) / 2, (wide - 1) / 2), scale, float(rng.normal(0, 6)))
    add_leg(film, patch, pose, Build.drawn(rng), rng)
    if half:
        middle = wide // 2 + round(0.15 * scale)
        part = film[:, :middle] if rng.random() < 0.5 else film[:, ::-1][:, :middle]
        film = np.concatenate([part, part[:, ::-1]], axis=1)
    return np.maximum(resized(film, size), 0), scale


def _grained(film: FloatImage, scale: float, rng: np.random.Generator) -> FloatImage:
    """Trabeculae where there is bone, and uneven flesh."""
    streaks = grain(film.shape, max(0.016 * scale, 1.0), rng) * np.float32(0.02 * min(1.0, scale / 150))
    slow = clouds(film.shape, (0.5 * scale, 0.5 * scale), rng) * np.float32(0.03)
    return np.asarray(np.maximum(film, 0) * (1 + slow) + streaks * np.clip(2.2 * film - 0.7, 0, 1), dtype=np.float32)
