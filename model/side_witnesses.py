"""What film and markers say of a knee's side, before anything is weighed: looks, owners of markers, order of knees."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from kneeoa.model.film_orientation import FilmOrientation
from kneeoa.model.localize import KneeRegion
from kneeoa.model.marker import Marker
from kneeoa.model.radiograph import Side

SAME_WAY_DEGREES = 40.0
"""Legs turned apart by more are two pictures, not a pair."""
_BESIDE = 0.6
"""Least way between the knees of a pair, across the legs, in plateau widths; and more than along them."""
_REACH = 2.5
"""How far across the leg from its knee a marker may lie, in plateau widths."""
REACH_OF_SEVERAL = 1.3
"""The same where the film shows another knee that was not found, or lies otherwise."""
_OWN_HALF = 0.6
"""A marker between two knees is of neither, up to this share of the way from their middle to a knee."""
_INWARD = 0.2
"""Nor is one that lies further inward from a knee than so many plateau widths."""


@dataclass(frozen=True, slots=True)
class OwnedMarkers:
    """Markers of a pair of knees: beside the one at image left, beside the other, and beside neither."""

    left: tuple[Marker, ...]
    right: tuple[Marker, ...]
    neither: tuple[Marker, ...]

    @property
    def left_knee(self) -> frozenset[Side]:
        """What they say of the knee at image left; of the two knees of a person one is right and one left."""
        return frozenset([m.side for m in self.left] + [opposite(m.side) for m in self.right])

    @property
    def mirrored(self) -> bool:
        """Whether a letter that names a knee is seen from behind."""
        return any(marker.mirrored for marker in (*self.left, *self.right))


def opposite(side: Side) -> Side:
    """The other of a person's sides; unknown stays unknown."""
    return {Side.RIGHT: Side.LEFT, Side.LEFT: Side.RIGHT}.get(side, side)


def looks_like(region: KneeRegion, clear: float) -> Side | None:
    """Which knee it clearly looks like, whichever way round the film is; None where it does not clearly.

    Args:
        region: the knee.
        clear: probability from which on a look is clear (`release.FinderThresholds.side`), above 0.5.
    """
    if region.right >= clear:
        return Side.RIGHT
    return Side.LEFT if region.right <= 1 - clear else None


def as_pictured(look: Side | None, lies: FilmOrientation | None) -> Side | None:
    """What the picture says: as the knee looks, turned round where the film is known to be mirrored."""
    return opposite(look) if look is not None and lies is not None and lies.mirrored else look


def in_reach(markers: Sequence[Marker], region: KneeRegion, alone: bool) -> tuple[Marker, ...]:
    """Markers that a film's only knee owns.

    Args:
        markers: of the film.
        region: the knee.
        alone: whether no other knee is known to be on the film.
    """
    reach = (_REACH if alone else REACH_OF_SEVERAL) * region.plateau_width_px
    turn = math.radians(region.angle_degrees)
    return tuple(marker for marker in markers if abs(_across(region.centre, marker.place, turn)) <= reach)


def nearest_owned(markers: Sequence[Marker], region: KneeRegion, other: KneeRegion) -> tuple[Marker, ...]:
    """Markers near one knee and clearly nearer to it than to another."""
    owned = []
    for marker in markers:
        mine, others = (math.dist(marker.place, r.centre) / r.plateau_width_px for r in (region, other))
        if mine <= REACH_OF_SEVERAL and mine < 0.6 * others:
            owned.append(marker)
    return tuple(owned)


def side_by_side(first: KneeRegion, second: KneeRegion) -> bool:
    """Whether two knees are a pair: legs that lie the same way, one beside the other."""
    if abs(math.remainder(first.angle_degrees - second.angle_degrees, 360.0)) > SAME_WAY_DEGREES:
        return False
    turn = _common_turn(first, second)
    across, width = (
        abs(_across(first.centre, second.centre, turn)),
        max(first.plateau_width_px, second.plateau_width_px),
    )
    along = math.sqrt(max(math.dist(first.centre, second.centre) ** 2 - across**2, 0.0))
    return across >= _BESIDE * width and across > along


def lies_left(first: KneeRegion, second: KneeRegion) -> bool:
    """Whether the first knee of a pair is at image left when the film is turned so that the legs are upright."""
    return _across(first.centre, second.centre, _common_turn(first, second)) > 0


def owned(markers: Sequence[Marker], left: KneeRegion, right: KneeRegion) -> OwnedMarkers:
    """Which marker is whose; one between the knees names neither, and height along the legs does not matter."""
    turn = _common_turn(left, right)
    half = _across(left.centre, right.centre, turn) / 2
    middle = ((left.centre[0] + right.centre[0]) / 2, (left.centre[1] + right.centre[1]) / 2)
    sides: tuple[list[Marker], list[Marker], list[Marker]] = ([], [], [])
    for marker in markers:
        across = _across(middle, marker.place, turn)
        width = (left if across < 0 else right).plateau_width_px
        low, high = max(half - _INWARD * width, _OWN_HALF * half), half + _REACH * width
        sides[2 if not low <= abs(across) <= high else 0 if across < 0 else 1].append(marker)
    return OwnedMarkers(*(tuple(one) for one in sides))


def _across(origin: tuple[float, float], place: tuple[float, float], turn: float) -> float:
    """How far a place lies to image right of another, with the film turned by so many radians back to upright."""
    return -math.sin(turn) * (place[0] - origin[0]) + math.cos(turn) * (place[1] - origin[1])


def _common_turn(first: KneeRegion, second: KneeRegion) -> float:
    between = math.remainder(second.angle_degrees - first.angle_degrees, 360.0)
    return math.radians(first.angle_degrees + between / 2)
