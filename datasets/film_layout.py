"""Where knees lie on films of each kind, drawn at random; lengths are shares of the film or plateau widths."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from kneeoa.datasets.film_exposure import Collimation, Exposure
from kneeoa.datasets.film_implants import Implant
from kneeoa.datasets.film_limb import KneePose
from kneeoa.datasets.film_truth import FilmKind, View
from kneeoa.model.radiograph import Side


@dataclass(frozen=True, slots=True)
class Layout:
    """A film before it is drawn.

    Attributes:
        kind: what it shows.
        size: rows and columns.
        knees: poses by side; on a film as hung the right knee lies at image left.
        view: how the beam goes.
        exposure: how it is taken.
        collimation: opening of the collimator, or None.
        marks: how many of the marks that such films may bear, 0 none to 1.
        reduced: drawn at this share of the size and enlarged, below 1 for films of low resolution.
    """

    kind: FilmKind
    size: tuple[int, int]
    knees: tuple[tuple[Side, KneePose], ...]
    view: View = View.AP
    exposure: Exposure = field(default_factory=Exposure)
    collimation: Collimation | None = None
    marks: float = 0.5
    reduced: float = 1.0


_ASPECTS = {
    FilmKind.SINGLE: (1.0, 1.45),
    FilmKind.BILATERAL: (0.72, 1.1),
    FilmKind.OTHER_LEG_CUT: (0.9, 1.4),
    FilmKind.LONG_LEG: (2.0, 3.0),
    FilmKind.CUT_BY_EDGE: (0.8, 1.4),
    FilmKind.STRIP: (0.32, 0.55),
    FilmKind.CROP: (1.0, 1.0),
    FilmKind.TWO_EXPOSURES: (0.65, 1.0),
}
"""Rows over columns."""
_IMPLANTS = tuple(Implant)
_IMPLANT_SHARES = (0.34, 0.12, 0.06, 0.12, 0.10, 0.08, 0.07, 0.04, 0.04, 0.03)


def film_size(kind: FilmKind, long_side: int, rng: np.random.Generator) -> tuple[int, int]:
    """Rows and columns of a film of a kind whose longer side has so many pixels."""
    aspect = float(rng.uniform(*_ASPECTS.get(kind, (0.8, 1.3))))
    return (long_side, max(16, round(long_side / aspect))) if aspect >= 1 else (round(long_side * aspect), long_side)


def draw_layout(kind: FilmKind, size: tuple[int, int], rng: np.random.Generator, implants: float = 0.1) -> Layout:
    """A random layout.

    Args:
        kind: one whose `has_knee` holds, but `TWO_EXPOSURES`, which is two films of a single knee.
        size: rows and columns.
        rng: of the layout.
        implants: share of knees with metal.

    Raises:
        ValueError: the kind has no knees, or two exposures.
    """
    drawers = {
        FilmKind.SINGLE: _single,
        FilmKind.BILATERAL: _bilateral,
        FilmKind.OTHER_LEG_CUT: _other_leg_cut,
        FilmKind.LONG_LEG: _long_leg,
        FilmKind.CUT_BY_EDGE: _cut_by_edge,
        FilmKind.STRIP: _bilateral,
        FilmKind.CROP: _crop,
    }
    if kind not in drawers:
        raise ValueError(f"A layout has frontal knees on one exposure; {kind} has not.")
    knees = tuple((side, replace(pose, implant=draw_metal(implants, rng))) for side, pose in drawers[kind](size, rng))
    reduced = float(rng.uniform(0.25, 0.6)) if kind is FilmKind.STRIP else 1.0
    return Layout(
        kind=kind,
        size=size,
        knees=knees,
        view=View.PA if rng.random() < 0.5 else View.AP,
        exposure=Exposure.drawn(rng, max(size)),
        collimation=draw_collimation(kind, size, rng),
        marks=0.0 if kind is FilmKind.CROP and rng.random() < 0.7 else float(rng.uniform(0.2, 0.9)),
        reduced=reduced,
    )


def draw_metal(share: float, rng: np.random.Generator) -> Implant | None:
    """An implant as often as `share` says."""
    return _IMPLANTS[int(rng.choice(len(_IMPLANTS), p=_IMPLANT_SHARES))] if rng.random() < share else None


_Knees = list[tuple[Side, KneePose]]


def _lean(rng: np.random.Generator) -> float:
    return float(rng.normal(0, 2.0) if rng.random() < 0.8 else rng.normal(0, 8.0))


def _side(rng: np.random.Generator) -> Side:
    return Side.RIGHT if rng.random() < 0.5 else Side.LEFT


def _single(size: tuple[int, int], rng: np.random.Generator) -> _Knees:
    rows, columns = size
    width = float(rng.uniform(0.27, 0.52)) * columns
    centre = (rows * rng.uniform(0.42, 0.58), columns * rng.uniform(0.42, 0.58))
    return [(_side(rng), KneePose(centre, width, _lean(rng)))]


def _bilateral(size: tuple[int, int], rng: np.random.Generator) -> _Knees:
    rows, columns = size
    width = float(min(rng.uniform(0.14, 0.235) * columns, 0.75 * rows))
    apart = float(min(rng.uniform(1.9, 2.9) * width, columns - 1.25 * width))
    middle, row = columns * rng.normal(0.5, 0.015), rows * rng.uniform(0.38, 0.6)
    uneven, lean = rng.normal(0, 0.08) * width, rng.normal(0, 2.0)
    knees: _Knees = []
    for side, sign in ((Side.RIGHT, -1.0), (Side.LEFT, 1.0)):
        centre = (row + sign * uneven / 2, middle + sign * apart / 2)
        knees.append((side, KneePose(centre, width * float(rng.normal(1, 0.015)), sign * lean + _lean(rng) / 2)))
    return knees


def _other_leg_cut(size: tuple[int, int], rng: np.random.Generator) -> _Knees:
    rows, columns = size
    width = float(rng.uniform(0.25, 0.38)) * columns
    row = rows * rng.uniform(0.42, 0.58)
    side = _side(rng)
    toward = 1.0 if side is Side.RIGHT else -1.0  # the other leg stands on the medial side
    column = columns * (0.5 - toward * rng.uniform(0.08, 0.2))
    other = column + toward * width * rng.uniform(1.7, 2.4)
    mate = Side.LEFT if side is Side.RIGHT else Side.RIGHT
    row_other = row + rng.normal(0, 0.1) * width
    return [
        (side, KneePose((row, column), width, _lean(rng))),
        (mate, KneePose((row_other, other), width, _lean(rng))),
    ]


def _long_leg(size: tuple[int, int], rng: np.random.Generator) -> _Knees:
    rows, columns = size
    width = rows / float(rng.uniform(11.8, 14.5))
    row = rows * float(rng.uniform(0.49, 0.56))
    if columns < 3.6 * width or rng.random() < 0.2:
        return [(_side(rng), KneePose((row, columns * rng.uniform(0.4, 0.6)), width, float(rng.normal(0, 1.5))))]
    apart = float(min(rng.uniform(2.0, 2.9) * width, columns - 1.6 * width))
    middle, lean = columns * rng.normal(0.5, 0.02), float(rng.normal(1.0, 1.5))
    return [
        (
            side,
            KneePose((row + rng.normal(0, 0.08) * width, middle + s * apart / 2), width, s * lean + rng.normal(0, 1)),
        )
        for side, s in ((Side.RIGHT, -1.0), (Side.LEFT, 1.0))
    ]


def _cut_by_edge(size: tuple[int, int], rng: np.random.Generator) -> _Knees:
    rows, columns = size
    width = float(rng.uniform(0.25, 0.5)) * min(size)
    centre = [rows * rng.uniform(0.3, 0.7), columns * rng.uniform(0.3, 0.7)]
    axis, over = int(rng.integers(2)), float(rng.uniform(-0.25, 0.35)) * width
    centre[axis] = -over if rng.random() < 0.5 else size[axis] - 1 + over
    return [(_side(rng), KneePose((float(centre[0]), float(centre[1])), width, _lean(rng)))]


def _crop(size: tuple[int, int], rng: np.random.Generator) -> _Knees:
    rows, columns = size
    width = columns * float(rng.choice([rng.normal(0.82, 0.03), rng.uniform(0.36, 0.8)]))
    centre = (rows * rng.normal(0.52, 0.03), columns * rng.normal(0.5, 0.03))
    return [(_side(rng), KneePose(centre, width, _lean(rng)))]


def draw_collimation(kind: FilmKind, size: tuple[int, int], rng: np.random.Generator) -> Collimation | None:
    """A collimator's opening as often as films of the kind show its edges."""
    rows, columns = size
    share = {FilmKind.LONG_LEG: 0.3, FilmKind.CROP: 0.1, FilmKind.CUT_BY_EDGE: 0.3}.get(kind, 0.5)
    if rng.random() > share:
        return None
    top, bottom = rng.uniform(-0.05, 0.10, 2) * rows
    left, right = rng.uniform(-0.04, 0.08, 2) * columns
    return Collimation(
        top=float(top),
        bottom=float(rows - bottom),
        left=float(left),
        right=float(columns - right),
        degrees=float(rng.normal(0, 2.0) if rng.random() < 0.4 else 0.0),
        penumbra_px=float(rng.uniform(0.3, 3.0) * max(size) / 1500),
    )
