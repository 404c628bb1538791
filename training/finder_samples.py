"""What the finder learns from: films composed as it trains, each seen once, cut into views with their truth.

There are no labelled full films; `datasets.film_drawing` composes them from framed knees. Every film gives one whole
view and a few close views: round its knees, a little off, as the first pass will be, and anywhere else.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import IterableDataset, get_worker_info

from kneeoa.datasets.film_drawing import draw_film, draw_later
from kneeoa.datasets.film_patch import KneePatch
from kneeoa.datasets.film_truth import ComposedFilm, FilmKind, PlacedKnee
from kneeoa.model.film_views import View, close_view, whole_view
from kneeoa.model.finder import FinderSession
from kneeoa.model.localize import find_knees
from kneeoa.model.radiograph import FloatImage, Side
from kneeoa.training.finder_network import STRIDE

KINDS: dict[FilmKind, float] = {
    FilmKind.SINGLE: 14,
    FilmKind.BILATERAL: 16,
    FilmKind.TWO_EXPOSURES: 7,
    FilmKind.OTHER_LEG_CUT: 7,
    FilmKind.LONG_LEG: 20,
    FilmKind.CUT_BY_EDGE: 5,
    FilmKind.STRIP: 4,
    FilmKind.CROP: 9,
    FilmKind.LATERAL: 7,
    FilmKind.SKYLINE: 1.5,
    FilmKind.OBLIQUE: 10,
    FilmKind.FOOT: 1.5,
    FilmKind.ANKLE: 1.5,
    FilmKind.HAND: 1,
    FilmKind.ELBOW: 1,
    FilmKind.SHOULDER: 1,
    FilmKind.HIP: 1.5,
    FilmKind.CHEST: 0.7,
    FilmKind.SPINE: 0.7,
    FilmKind.SKULL: 0.5,
    FilmKind.SLICE: 0.7,
    FilmKind.EMPTY: 0.3,
    FilmKind.TEST_IMAGE: 0.3,
    FilmKind.SATURATED: 0.3,
}
"""How often each kind comes: long legs a fifth, films without a knee a fifth."""
IMPLANTS = 0.4
WHOLE_SIZE = 288
"""Training's whole view is a square of this side; films are laid into it at random."""
SEEN, GONE = 0.62, 0.25
"""A knee is one from this visible share on, and none below the other; between, nobody is asked."""
_NATIVE, _IMPLANT = 0, 1
_LOOKED_AT = 0.1
"""Share of films with knees that an earlier finder is asked about; it is asked about all others."""


@dataclass(frozen=True, slots=True, eq=False)
class ViewTruth:
    """Truth of a view, on the network's grid of cells.

    Attributes:
        heat: (2, rows, columns) float32 in [0, 1]: 1 at centres of native and of implanted knees, Gaussians around.
        ignore: (rows, columns) bool: where a knee is half on the film.
        values: (6, rows, columns) float32: log width, cosine, sine, row and column offset, width in cells.
        known: (rows, columns) bool: where `values` hold.
        kind: 0 no frontal knee at the middle, 1 native, 2 implant, -1 not asked.
        side: 1 looks right, 0 looks left, -1 not asked.
    """

    heat: npt.NDArray[np.float32]
    ignore: npt.NDArray[np.bool_]
    values: npt.NDArray[np.float32]
    known: npt.NDArray[np.bool_]
    kind: int
    side: int


def truth_of(view: View, film: ComposedFilm, near: PlacedKnee | None, asked: bool) -> ViewTruth:
    """What the network should say of a view.

    Args:
        view: of the film.
        film: with its knees.
        near: the knee at the view's middle, or None.
        asked: whether the pooled heads are trained on this view: of a close one.
    """
    rows, columns = (n // STRIDE for n in view.pixels.shape)
    heat, values = np.zeros((2, rows, columns), np.float32), np.zeros((6, rows, columns), np.float32)
    ignore, known = np.zeros((rows, columns), bool), np.zeros((rows, columns), bool)
    down, across = np.mgrid[:rows, :columns].astype(np.float32)
    for knee in film.knees:
        # A view pixel's centre is whole; a cell's middle lies at STRIDE * cell + (STRIDE - 1) / 2.
        at = (view.from_film(np.array([knee.centre]))[0] - (STRIDE - 1) / 2) / STRIDE
        width = knee.plateau_width_px / math.sqrt(view.scale[0] * view.scale[1]) / STRIDE
        sigma = max(0.09 * width, 0.7)
        squared = (down - at[0]) ** 2 + (across - at[1]) ** 2
        if knee.visible_fraction < GONE:
            continue
        if knee.visible_fraction < SEEN:
            ignore |= squared < (0.6 * width) ** 2
            continue
        turn = math.radians(knee.angle_degrees - view.angle_degrees)
        channel = _NATIVE if knee.implant is None else _IMPLANT
        heat[channel] = np.maximum(heat[channel], np.exp(-squared / (2 * sigma**2)))
        here = squared <= max(1.5, 0.12 * width) ** 2
        known |= here
        row, column = np.rint(at).astype(int)
        if 0 <= row < rows and 0 <= column < columns:
            heat[channel, row, column] = 1.0
        for i, value in enumerate((math.log(width * STRIDE / 64), math.cos(turn), math.sin(turn))):
            values[i][here] = value
        values[3][here], values[4][here] = (at[0] - down)[here], (at[1] - across)[here]
        values[5][here] = width
    if not asked:
        return ViewTruth(heat, ignore, values, known, -1, -1)
    if near is None:
        return ViewTruth(heat, ignore, values, known, 0, -1)
    kind = 1 if near.implant is None else 2
    half = GONE <= near.visible_fraction < SEEN
    side = 1 if near.looks_like is Side.RIGHT else 0
    return ViewTruth(heat, ignore, values, known, -1 if half else kind, side if near.visible_fraction >= SEEN else -1)


def close_views(film: ComposedFilm, rng: np.random.Generator, elsewhere: int = 1) -> list[tuple[View, ViewTruth]]:
    """Close views of a film: one round each knee, as the first pass might see it, and some elsewhere."""
    found = []
    for knee in film.knees:
        if knee.visible_fraction < GONE:
            continue
        width = knee.plateau_width_px * math.exp(float(np.clip(rng.normal(0, 0.16), -0.5, 0.5)))
        off = rng.normal(0, 0.12, 2) * knee.plateau_width_px
        turn = knee.angle_degrees + float(rng.normal(0, 7))
        view = close_view(film.pixels, (knee.centre[0] + off[0], knee.centre[1] + off[1]), width, turn)
        found.append((view, truth_of(view, film, knee, asked=True)))
    rows, columns = film.pixels.shape
    for _ in range(elsewhere):
        centre = (float(rng.uniform(0, rows)), float(rng.uniform(0, columns)))
        width = max(rows, columns) * math.exp(rng.uniform(math.log(0.06), math.log(0.6)))
        reach = min((math.dist(knee.centre, centre) / knee.plateau_width_px for knee in film.knees), default=9.0)
        if reach < 0.75:
            continue
        view = close_view(film.pixels, centre, width, float(rng.choice((0, 0, 0, 90, 180, 270)) + rng.normal(0, 6)))
        found.append((view, truth_of(view, film, None, asked=True)))
    return found


def mistaken_views(
    film: ComposedFilm, finder: FinderSession, rng: np.random.Generator, most: int = 2
) -> list[tuple[View, ViewTruth]]:
    """Close views of the places that a finder takes for knees without reason, the surest first.

    Args:
        film: with its knees.
        finder: an earlier one.
        rng: of how far off the views are.
        most: of them.
    """
    found = []
    for region in find_knees(film.pixels, finder):
        reach = min((math.dist(k.centre, region.centre) / k.plateau_width_px for k in film.knees), default=9.0)
        if reach < 0.75:
            continue
        width = region.plateau_width_px * math.exp(float(np.clip(rng.normal(0, 0.08), -0.3, 0.3)))
        off = rng.normal(0, 0.05, 2) * width
        centre = (region.centre[0] + float(off[0]), region.centre[1] + float(off[1]))
        view = close_view(film.pixels, centre, width, region.angle_degrees + float(rng.normal(0, 4)))
        found.append((view, truth_of(view, film, None, asked=True)))
    return found[:most]


def laid(film: ComposedFilm, rng: np.random.Generator) -> tuple[View, ViewTruth]:
    """A film's whole view, laid at random into a square of `WHOLE_SIZE`."""
    view = whole_view(film.pixels, int(rng.integers(WHOLE_SIZE * 3 // 5, WHOLE_SIZE + 1)))
    rows, columns = view.pixels.shape
    top, left = (int(rng.integers(0, WHOLE_SIZE - n + 1)) // STRIDE * STRIDE for n in (rows, columns))
    around = ((top, WHOLE_SIZE - rows - top), (left, WHOLE_SIZE - columns - left))
    pixels = np.pad(view.pixels, around, mode="edge")
    shift = ((WHOLE_SIZE - 1) / 2 - top - (rows - 1) / 2, (WHOLE_SIZE - 1) / 2 - left - (columns - 1) / 2)
    centre = (view.centre[0] + shift[0] * view.scale[0], view.centre[1] + shift[1] * view.scale[1])
    wide = View(pixels, view.scale, centre, 0.0)
    return wide, truth_of(wide, film, None, asked=False)


def disturbed(pixels: FloatImage, rng: np.random.Generator) -> FloatImage:
    """A view through another detector: blur and noise, now and then."""
    if rng.random() < 0.3:
        pixels = pixels + rng.normal(0, rng.uniform(0.02, 0.25), pixels.shape).astype(np.float32)
    if rng.random() < 0.25:
        pixels = np.sign(pixels) * np.abs(pixels) ** np.float32(rng.uniform(0.7, 1.4))
    return pixels.astype(np.float32)


class ComposedFilms(IterableDataset[tuple[list[tuple[View, ViewTruth]], list[tuple[View, ViewTruth]]]]):
    """Films without end: each item is a film's whole view, and its close views.

    Args:
        patches: framed knees to compose from.
        seed: of the stream; workers take disjoint streams.
        scout: ONNX bytes of an earlier finder: what it takes for a knee without reason is shown as close views.
    """

    def __init__(self, patches: Sequence[KneePatch], seed: int, scout: bytes | None = None) -> None:
        self.patches = patches
        self.seed = seed
        self.scout = scout

    def __iter__(self) -> Iterator[tuple[list[tuple[View, ViewTruth]], list[tuple[View, ViewTruth]]]]:
        """Draws films, one after another."""
        worker = get_worker_info()
        rng = np.random.default_rng([self.seed, 0 if worker is None else worker.id])
        kinds, weights = list(KINDS), np.array(list(KINDS.values()))
        finder = None if self.scout is None else FinderSession(self.scout, "cpu", 1)
        while True:
            kind = kinds[int(rng.choice(len(kinds), p=weights / weights.sum()))]
            some = [self.patches[i] for i in rng.integers(0, len(self.patches), 8)]
            long_side = int(math.exp(rng.uniform(math.log(240), math.log(900 if kind is FilmKind.LONG_LEG else 560))))
            film = draw_later(draw_film(kind, some, long_side, rng, IMPLANTS), rng)
            near = close_views(film, rng)
            if finder is not None and (not film.knees or rng.random() < _LOOKED_AT):
                near += mistaken_views(film, finder, rng)
            yield [laid(film, rng)], near


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Views of one size with their truth, as tensors; see `ViewTruth`."""

    views: torch.Tensor
    heat: torch.Tensor
    ignore: torch.Tensor
    values: torch.Tensor
    known: torch.Tensor
    kind: torch.Tensor
    side: torch.Tensor


def stacked(views: Sequence[tuple[View, ViewTruth]], rng: np.random.Generator) -> Batch:
    """Views of one size as a batch."""
    truths = [truth for _, truth in views]
    return Batch(
        views=torch.from_numpy(np.stack([disturbed(view.pixels, rng) for view, _ in views])[:, None]),
        heat=torch.from_numpy(np.stack([t.heat for t in truths])),
        ignore=torch.from_numpy(np.stack([t.ignore for t in truths])),
        values=torch.from_numpy(np.stack([t.values for t in truths])),
        known=torch.from_numpy(np.stack([t.known for t in truths])),
        kind=torch.tensor([t.kind for t in truths]),
        side=torch.tensor([t.side for t in truths]),
    )
