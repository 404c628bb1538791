"""What a release sees at places on films: the crop's embedding, and what the finder says of the place."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from kneeoa.datasets.film_truth import PlacedKnee
from kneeoa.model.crop import Square, canonical, cut_square, network_input
from kneeoa.model.film_views import close_view, whole_view
from kneeoa.model.finder import CELL_PX, WIDTH_UNIT_PX, FinderSession
from kneeoa.model.localize import KneeRegion, find_knees
from kneeoa.model.metal import MetalSession, squares_at
from kneeoa.model.radiograph import FloatImage, Side
from kneeoa.model.release import FinderThresholds
from kneeoa.model.session import NetworkSession

NEAR = 0.35
"""A region whose centre lies within so many plateau widths of a knee's is that knee."""
NEAR_CUT = 0.8
"""Likewise of a knee that is only half on the film: nobody can say where its middle lies."""
_SMALLEST_PX = 8.0


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Places on films, each with what the networks say of it; one row a place.

    Attributes:
        family: (places,) str: what the place shows, see `gate_films`.
        unit: (places,) int64: film, or knee, within the family; one that is graded at any of its places is graded.
        surest: (places,) bool: the finder's surest place of its unit; one a unit.
        embedding: (places, features) float32 of the crop, as the KL network gives it.
        confidence: (places,) float64 in [0, 1] of the finder; 0 where it named no place.
        implant: (places,) float64 in [0, 1].
        metal: (places,) float64 in [0, 1], by the network that looks at the square; 0 without one.
        side: (places,) float64 in [0, 1]: probability that the finder gives the side which the knee shows; NaN where
            there is no knee.
        seen_share: (places,) float64 in [0, 1] of the joint on the film.
        features: (places, finder's features) float32 that the finder pooled; NaN where the place was given to it.
    """

    family: npt.NDArray[np.str_]
    unit: npt.NDArray[np.int64]
    surest: npt.NDArray[np.bool_]
    embedding: npt.NDArray[np.float32]
    confidence: npt.NDArray[np.float64]
    implant: npt.NDArray[np.float64]
    metal: npt.NDArray[np.float64]
    side: npt.NDArray[np.float64]
    seen_share: npt.NDArray[np.float64]
    features: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.unit)

    def where(self, mask: npt.NDArray[np.bool_]) -> Places:
        """The places that a mask names."""
        return Places(**{column.name: getattr(self, column.name)[mask] for column in fields(self)})

    def of(self, *families: str) -> Places:
        """The places of these families."""
        return self.where(np.isin(self.family, families))

    def refused_by_finder(self, limits: FinderThresholds) -> npt.NDArray[np.bool_]:
        """(places,) whether the finder alone keeps a place from being graded."""
        unsure = self.confidence < limits.confidence
        borne = self.implant >= limits.implant
        if limits.metal is not None:
            borne |= self.metal >= limits.metal
        return np.asarray(unsure | borne | (self.seen_share < limits.seen_share))


def join(parts: Sequence[Places]) -> Places:
    """One table of several.

    Args:
        parts: at least one.
    """
    return Places(
        **{column.name: np.concatenate([getattr(p, column.name) for p in parts]) for column in fields(Places)}
    )


@dataclass(frozen=True, slots=True, eq=False)
class Spot:
    """One place before its crop is embedded.

    Attributes:
        family: see `Places`.
        unit: likewise.
        surest: likewise.
        square: canonical (288, 288).
        region: what the finder says of it.
        shows: the side that the knee shows; unknown where there is no knee.
        seen_share: of the joint on the film.
        along: what the metal network looks at, from `metal.squares_at`.
    """

    family: str
    unit: int
    surest: bool
    square: FloatImage
    region: KneeRegion
    shows: Side
    seen_share: float
    along: tuple[FloatImage, ...]

    @property
    def side(self) -> float:
        """Probability that the finder gives the shown side; NaN where there is no knee."""
        if self.shows is Side.UNKNOWN:
            return math.nan
        return self.region.right if self.shows is Side.RIGHT else 1 - self.region.right


@dataclass(frozen=True, slots=True)
class Networks:
    """What looks.

    Attributes:
        finder: ONNX bytes.
        network: likewise, of the KL network.
        metal: likewise, of the network that looks for metal, or None.
    """

    finder: bytes
    network: bytes
    metal: bytes | None = None


class Scout:
    """The networks of a release to be, at work on films.

    Args:
        networks: of the release.
        threads: processor threads for one call; 0 is all cores.
    """

    def __init__(self, networks: Networks, threads: int = 0) -> None:
        self.finder = FinderSession(networks.finder, "cpu", threads)
        self._network = NetworkSession(networks.network, "cpu", threads)
        self._metal = None if networks.metal is None else MetalSession(networks.metal, "cpu", threads)
        blank = whole_view(np.zeros((32, 32), dtype=np.float32))
        self._feature_count = self.finder.run([blank]).features.shape[1]

    def places(self, spots: Sequence[Spot], batch: int = 32) -> Places:
        """Embeds spots, in batches cut by their order.

        Args:
            spots: at least one.
            batch: crops a call.
        """
        inputs = [network_input(spot.square)[None] for spot in spots]
        parts = [np.stack(inputs[first : first + batch]) for first in range(0, len(inputs), batch)]
        return Places(
            family=np.array([spot.family for spot in spots]),
            unit=np.array([spot.unit for spot in spots], dtype=np.int64),
            surest=np.array([spot.surest for spot in spots], dtype=bool),
            embedding=np.concatenate([self._network.run(part).embedding for part in parts]),
            confidence=np.array([spot.region.confidence for spot in spots]),
            implant=np.array([spot.region.implant for spot in spots]),
            metal=self._metals([spot.along for spot in spots], batch // 2),
            side=np.array([spot.side for spot in spots], dtype=np.float64),
            seen_share=np.array([spot.seen_share for spot in spots]),
            features=np.stack([self._features(spot.region) for spot in spots]),
        )

    def _metals(self, knees: Sequence[Sequence[FloatImage]], batch: int) -> npt.NDArray[np.float64]:
        if self._metal is None:
            return np.zeros(len(knees))
        return np.concatenate(
            [self._metal.at_knees(knees[first : first + batch]) for first in range(0, len(knees), batch)]
        )

    def _features(self, region: KneeRegion) -> npt.NDArray[np.float32]:
        if region.features.size:
            return region.features
        return np.full(self._feature_count, np.nan, dtype=np.float32)

    def regions(self, film: FloatImage) -> list[KneeRegion]:
        """Every place that the finder names, however unsure, the surest first; its warmest place where it names none.

        Args:
            film: (rows, columns) float32 in [0, 1].
        """
        return find_knees(film, self.finder) or [self._warmest(film)]

    def _warmest(self, film: FloatImage) -> KneeRegion:
        """Where the whole view's heat is highest, which serving would not look at."""
        view = whole_view(film)
        scores = self.finder.run([view])
        heat, values = scores.heat[0].max(axis=0), scores.values[0]
        row, column = (int(at) for at in np.unravel_index(int(heat.argmax()), heat.shape))
        cell = np.array([[row, column]], dtype=np.float64) * CELL_PX + (CELL_PX - 1) / 2
        centre = view.to_film(cell)[0]
        width = WIDTH_UNIT_PX * math.exp(float(np.clip(values[0, row, column], -2.5, 2.0))) * max(view.scale)
        angle = math.degrees(math.atan2(float(values[2, row, column]), float(values[1, row, column])))
        place = (float(centre[0]), float(centre[1]))
        width = max(width, _SMALLEST_PX)
        near = self.finder.run([close_view(film, place, width, angle)])
        return KneeRegion(
            centre=place,
            plateau_width_px=width,
            angle_degrees=angle,
            confidence=0.0,
            implant=0.0,
            right=0.5,
            expected_error=1.0,
            features=near.features[0],
        )


def region_of(knee: PlacedKnee) -> KneeRegion:
    """A knee's true place, as a finder would name it that is not sure at all."""
    right = 1.0 if knee.looks_like is Side.RIGHT else 0.0
    return KneeRegion(knee.centre, knee.plateau_width_px, knee.angle_degrees, 0.0, 0.0, right, 0.0)


def crop_at(film: FloatImage, region: KneeRegion) -> FloatImage | None:
    """The canonical (288, 288) square of a region, its side as the finder says; None where it lies beside the film."""
    side = Side.RIGHT if region.right >= 0.5 else Side.LEFT
    return crop_of(film, region.square, side)


def spot_at(
    family: str,
    unit: int,
    film: FloatImage,
    region: KneeRegion,
    shows: Side = Side.UNKNOWN,
    surest: bool = True,
) -> list[Spot]:
    """A place on a film as the networks look at it; none where it lies beside the film.

    Args:
        family: see `Places`, likewise `unit` and `surest`.
        unit: of the family.
        film: (rows, columns) float32 in [0, 1].
        region: what the finder says of the place.
        shows: the side that the knee there shows; unknown where there is no knee.
        surest: the finder's surest of its unit.
    """
    square = crop_at(film, region)
    if square is None:
        return []
    share = region.seen_share((film.shape[0], film.shape[1]))
    return [Spot(family, unit, surest, square, region, shows, share, tuple(squares_at(film, region.square)))]


def crop_of(film: FloatImage, square: Square, side: Side) -> FloatImage | None:
    """The canonical (288, 288) square of a place; None where it lies beside the film or is too small."""
    try:
        return canonical(cut_square(film, square), side)
    except ValueError:
        return None


def nearest(knee: PlacedKnee, regions: Sequence[KneeRegion], within: float = NEAR) -> KneeRegion | None:
    """The region at a knee, or None.

    Args:
        knee: with its true place.
        regions: found on its film.
        within: plateau widths between both centres.
    """
    reach = within * knee.plateau_width_px
    near = [region for region in regions if math.dist(region.centre, knee.centre) < reach]
    return min(near, key=lambda region: math.dist(region.centre, knee.centre), default=None)
