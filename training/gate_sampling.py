"""Draws families of films and looks at them with the networks of a release, in several processes.

Each exhibit has a random state of its own, by seed, family and number: how many processes share the work changes
nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import get_context

import numpy as np

from kneeoa.datasets.film_geometry import Affine
from kneeoa.datasets.film_patch import KneePatch
from kneeoa.datasets.film_truth import PlacedKnee, placed
from kneeoa.datasets.grade_folders import KneeImage
from kneeoa.datasets.knee_pixels import read_knee
from kneeoa.model.crop import SQUARE, Square, canonical, cut_square, whole_film_square
from kneeoa.model.localize import KneeRegion
from kneeoa.model.radiograph import FloatImage, Side
from kneeoa.training.gate_films import CUT_BELOW, REFUSED
from kneeoa.training.gate_places import (
    NEAR,
    NEAR_CUT,
    Networks,
    Places,
    Scout,
    Spot,
    crop_of,
    join,
    nearest,
    region_of,
    spot_at,
)
from kneeoa.training.judge_finder import draw_judged

FRAMED, TILTED, GIVEN, COMPOSED = "framed", "tilted", "given", "composed"
"""Families to be accepted: crops as they are, crops a little off, crops that the finder has cut anew, and knees found
on composed films."""
ACCEPTED = (FRAMED, TILTED, GIVEN, COMPOSED)
PARTLY, METAL, FALSE = "partly", "metal", "false"
"""What else composed films hold: knees that are cut a little, knees with metal, and places that the finder takes for
knees without reason."""
_WHOLE = 0.85
"""Least share of a composed knee's frame on the film, shafts included, for a knee that is to be accepted."""
_WHOLE_JOINT = 0.97
_CHUNK = 24
_PATCHES_KEPT = 150


@dataclass(frozen=True, slots=True)
class Request:
    """What to draw.

    Attributes:
        family: of `ACCEPTED` or `gate_films.REFUSED`.
        count: exhibits of a refused family, films of `COMPOSED`; of the other three, one a knee, and never more than
            there are knees.
        seed: of everything.
        first: number of the first exhibit.
    """

    family: str
    count: int
    seed: int
    first: int = 0

    def chunks(self) -> list[Request]:
        """The same in small parts."""
        last = self.first + self.count
        return [
            Request(self.family, min(_CHUNK, last - first), self.seed, first)
            for first in range(self.first, last, _CHUNK)
        ]


class Sampler:
    """Draws and looks, in one process.

    Args:
        knees: framed crops to draw from, at least two.
        scout: looks.
    """

    def __init__(self, knees: Sequence[KneeImage], scout: Scout) -> None:
        self._knees = tuple(knees)
        self._scout = scout
        self._patch = lru_cache(_PATCHES_KEPT)(self._read_patch)

    def places(self, request: Request) -> Places | None:
        """What was seen; None where a family gave nothing to look at."""
        drawers: dict[str, Callable[[int, int], list[Spot]]] = {
            FRAMED: self._framed,
            TILTED: self._tilted,
            GIVEN: self._given,
            COMPOSED: self._composed,
        }
        spots: list[Spot] = []
        for i in range(request.first, request.first + request.count):
            if request.family in drawers:
                spots += drawers[request.family](i, request.seed)
            else:
                spots += self._refused(request.family, i, request.seed)
        return self._scout.places(spots) if spots else None

    def _read_patch(self, i: int) -> KneePatch:
        knee = self._knees[i]
        pixels = read_knee(knee)
        if pixels.shape[0] != pixels.shape[1]:
            pixels = cut_square(pixels, whole_film_square(*pixels.shape))
        return KneePatch.framed(pixels, knee.side, knee.kl)

    def _some(self, rng: np.random.Generator, count: int = 8) -> list[KneePatch]:
        return [self._patch(int(i)) for i in rng.integers(0, len(self._knees), count)]

    def _crop(self, i: int) -> FloatImage:
        pixels = read_knee(self._knees[i])
        return canonical(cut_square(pixels, whole_film_square(*pixels.shape)), self._knees[i].side)

    def _framed(self, i: int, _seed: int) -> list[Spot]:
        return [_given_spot(FRAMED, i, self._crop(i), self._knees[i].side)]

    def _tilted(self, i: int, seed: int) -> list[Spot]:
        """A knee as a careful radiographer, or a finder, may still place it."""
        rng = np.random.default_rng([seed, 3, i])
        row, column = (SQUARE - 1) / 2 + rng.uniform(-0.05, 0.05, 2) * SQUARE
        square = Square(float(row), float(column), SQUARE * float(rng.uniform(0.9, 1.1)), float(rng.uniform(-10, 10)))
        return [_given_spot(TILTED, i, cut_square(self._crop(i), square), self._knees[i].side)]

    def _given(self, i: int, _seed: int) -> list[Spot]:
        """A crop as a film of its own."""
        pixels, patch = read_knee(self._knees[i]), self._patch(i)
        if pixels.shape != patch.pixels.shape:
            pixels = patch.pixels
        knee = placed(patch, Affine(), (pixels.shape[0], pixels.shape[1]), None, None)
        return self._at_knee(GIVEN, i, pixels, knee, self._scout.regions(pixels))

    def _composed(self, i: int, seed: int) -> list[Spot]:
        rng = np.random.default_rng([seed, 5, i])
        film = draw_judged(i, self._some(rng), rng)
        regions = self._scout.regions(film.pixels)
        spots: list[Spot] = []
        for k, knee in enumerate(film.knees):
            if knee.visible_fraction >= CUT_BELOW:
                whole = region_of(knee).seen_share(film.pixels.shape) >= _WHOLE_JOINT
                family = COMPOSED if whole and knee.visible_fraction >= _WHOLE else PARTLY
                family = family if knee.implant is None else METAL
                spots += self._at_knee(family, 10 * i + k, film.pixels, knee, regions)
        false = [region for region in regions if not any(_may_be(region, knee) for knee in film.knees)]
        for k, region in enumerate(false):
            spots += spot_at(FALSE, 10 * i, film.pixels, region, surest=k == 0)
        return spots

    @staticmethod
    def _at_knee(
        family: str, unit: int, pixels: FloatImage, knee: PlacedKnee, regions: Sequence[KneeRegion]
    ) -> list[Spot]:
        region = nearest(knee, regions) or region_of(knee)
        return spot_at(family, unit, pixels, region, shows=knee.looks_like)

    def _refused(self, family: str, i: int, seed: int) -> list[Spot]:
        rng = np.random.default_rng([seed, 7, sorted(REFUSED).index(family), i])
        exhibit = REFUSED[family].draw(self._some(rng), rng)
        if exhibit.square is not None:
            side = Side.RIGHT if exhibit.side is Side.UNKNOWN else exhibit.side
            square = crop_of(exhibit.pixels, exhibit.square, side)
            return [] if square is None else [_given_spot(family, i, square, exhibit.side)]
        regions = self._scout.regions(exhibit.pixels)
        if exhibit.knee is not None:
            reach = NEAR_CUT * exhibit.knee.plateau_width_px
            centre = exhibit.knee.centre
            regions = [r for r in regions if math.dist(r.centre, centre) < reach] or [region_of(exhibit.knee)]
        spots: list[Spot] = []
        for region in regions:
            spots += spot_at(family, i, exhibit.pixels, region, surest=not spots)
        return spots


def _may_be(region: KneeRegion, knee: PlacedKnee) -> bool:
    within = NEAR if knee.visible_fraction >= CUT_BELOW else NEAR_CUT
    return math.dist(region.centre, knee.centre) < within * knee.plateau_width_px


def _given_spot(family: str, unit: int, square: FloatImage, shows: Side) -> Spot:
    """A crop that was not found: the finder has nothing against it."""
    right = 1.0 if shows is Side.RIGHT else 0.0
    region = KneeRegion((0.0, 0.0), float(SQUARE), 0.0, 1.0, 0.0, right, 0.0)
    return Spot(family, unit, True, square, region, shows, 1.0, (square,))


_SAMPLER: Sampler | None = None


def _begin(knees: Sequence[KneeImage], networks: Networks) -> None:
    """What a worker process does first."""
    global _SAMPLER  # noqa: PLW0603  # a pool's initialiser can hand its tasks nothing but a global
    _SAMPLER = Sampler(knees, Scout(networks, threads=1))


def _work(request: Request) -> Places | None:
    if _SAMPLER is None:
        raise RuntimeError("The worker was not begun.")
    return _SAMPLER.places(request)


def sample(requests: Sequence[Request], knees: Sequence[KneeImage], networks: Networks, workers: int = 2) -> Places:
    """Draws all requests, and looks.

    Args:
        requests: what to draw.
        knees: framed crops to draw from.
        networks: of the release to be.
        workers: processes; 0 or 1 works in this one.

    Returns:
        The places, in the order of the requests.
    """
    kept = (FRAMED, TILTED, GIVEN)
    wanted = [
        Request(r.family, min(r.count, len(knees) - r.first), r.seed, r.first) if r.family in kept else r
        for r in requests
    ]
    chunks = [chunk for request in wanted for chunk in request.chunks()]
    if workers <= 1:
        sampler = Sampler(knees, Scout(networks, threads=1))
        parts = [sampler.places(chunk) for chunk in chunks]
    else:
        given = (tuple(knees), networks)
        # Spawned: a fork would copy ONNX Runtime's threads in whatever state they are.
        with ProcessPoolExecutor(workers, get_context("spawn"), _begin, given) as pool:
            parts = list(pool.map(_work, chunks))
    return join([part for part in parts if part is not None])
