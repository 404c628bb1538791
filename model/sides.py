"""Which knee is which: what object, marker, picture and convention say of the sides, weighed.

The rules, most trusted first:

1. **Tag** (Laterality, Image Laterality, anatomy; else the user's word) on a film of one knee. On a film of two it
   cannot tell them apart: there a tag flags the knee that it does not name, and the user's word counts for nothing.
2. **Patient Orientation** tells on a film of two knees which is which, and on any film whether it is mirrored. Where it
   does not know how the legs lie, it is stale: it is not used, and the film's knees are flagged.
3. **Marker** beside a knee names it, and thereby the other one of a pair.
4. **Picture**: which knee it looks like, turned round where the orientation says that the film is mirrored. Alone it
   cannot see a mirrored film.
5. **Hanging**: of two knees side by side the patient's right is at image left, along the legs. Always flagged.

View Position decides nothing. Where sources contradict, the knee is flagged `side_conflict` and the most trusted is
reported, but for these, which are `unknown`: a knee named wrongly may be treated, and one without a name is looked up.

- A tag or a user contradicted by two witnesses (marker, picture, another tag) and borne out by none. Tags are typed,
  or left at a protocol's default, and two errors that agree are rarer than one.
- A marker against the picture of one knee, where the orientation says which way round the film is: a mirrored film,
  the usual excuse, is then ruled out, and neither source is better than the other.
- The orientation of a pair against a marker, or against the looks of both knees that no marker contradicts: it is often
  a fixed default, and both knees would be wrong at once.
- Letters of both sides beside one knee, and two knees that are named alike or look alike with nothing to tell them
  apart: a film never shows the same side twice.

Without a stated orientation a mirrored letter takes the picture's word away instead of turning it round: the film is
mirrored, or it is a PA film whose marker faced the tube, and both are common. The letter names its knee all the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from kneeoa.model.dicom_facts import BILATERAL, SIDE_CONFLICT
from kneeoa.model.film_orientation import FilmOrientation, film_orientation
from kneeoa.model.localize import KneeRegion
from kneeoa.model.marker import Marker, read_markers
from kneeoa.model.radiograph import Radiograph, Side, SideSource
from kneeoa.model.side_witnesses import (
    OwnedMarkers,
    as_pictured,
    in_reach,
    lies_left,
    looks_like,
    nearest_owned,
    opposite,
    owned,
    side_by_side,
)

SIDE_UNKNOWN = "side_unknown"
SIDE_BY_CONVENTION = "side_by_convention"


@dataclass(frozen=True, slots=True)
class SideReading:
    """The side of one knee.

    Attributes:
        side: the patient's, or `Side.UNKNOWN`.
        source: the most trusted source that says so; `SideSource.NONE` where the side is unknown.
        flags: "side_conflict", "side_unknown", "side_by_convention".
    """

    side: Side
    source: SideSource
    flags: tuple[str, ...] = ()

    @property
    def in_conflict(self) -> SideReading:
        """The same, flagged as contradicted."""
        return self if SIDE_CONFLICT in self.flags else replace(self, flags=(*self.flags, SIDE_CONFLICT))


_UNKNOWN = SideReading(Side.UNKNOWN, SideSource.NONE, (SIDE_UNKNOWN,))


def assign_sides(
    radiograph: Radiograph, regions: Sequence[KneeRegion], clear: float, markers: Sequence[Marker] | None = None
) -> tuple[SideReading, ...]:
    """Names the side of each knee on a film, by this module's rules.

    Args:
        radiograph: the film, and what the object or the user states.
        regions: the knees on it, those with implants among them: where one is left out the other looks alone. Of more
            than two, which are copies or errors, none is named.
        clear: probability from which on a picture clearly tells right or left, in (0.5, 1): the release's
            `FinderThresholds.side`.
        markers: what `read_markers` reads on the film; None: read them.

    Returns:
        One reading a region, in their order. Two knees never get the same side.
    """
    if len(regions) > 2:
        return tuple(_UNKNOWN for _ in regions)
    read = tuple(read_markers(radiograph.pixels, regions)) if markers is None and regions else tuple(markers or ())
    stated = film_orientation(radiograph.patient_orientation)
    stale = stated is not None and not all(stated.fits(region.angle_degrees) for region in regions)
    lies = None if stale else stated
    looks = [looks_like(region, clear) for region in regions]
    readings: tuple[SideReading, ...] = ()
    if len(regions) == 1:
        markers = in_reach(read, regions[0], alone=BILATERAL not in radiograph.flags)
        readings = (_single(radiograph, looks[0], markers, lies),)
    elif regions and side_by_side(regions[0], regions[1]):
        left, right = (0, 1) if lies_left(regions[0], regions[1]) else (1, 0)
        pair = _pair((looks[left], looks[right]), owned(read, regions[left], regions[right]), lies)
        readings = _against_tag(radiograph, (pair[left], pair[right]))
    elif regions:
        # Two pictures on one film: neither convention nor the other knee tells anything of a knee.
        around = [nearest_owned(read, regions[i], regions[1 - i]) for i in (0, 1)]
        each = [_by_marker_and_picture(looks[i], around[i], lies) for i in (0, 1)]
        alike = each[0].side is each[1].side is not Side.UNKNOWN
        readings = _against_tag(radiograph, (_UNKNOWN.in_conflict,) * 2 if alike else tuple(each))
    return tuple(reading.in_conflict for reading in readings) if stale else readings


def _single(
    radiograph: Radiograph, look: Side | None, markers: tuple[Marker, ...], lies: FilmOrientation | None
) -> SideReading:
    """The one knee found on a film."""
    if radiograph.side is Side.UNKNOWN:
        return _by_marker_and_picture(look, markers, lies)
    letters = {marker.side for marker in markers}
    witnesses = [side for side in letters if len(letters) == 1]
    picture = _picture_beside(look, markers, lies)
    if picture is not None:
        witnesses.append(picture)
    against = sum(side is not radiograph.side for side in witnesses)
    doubted = SIDE_CONFLICT in radiograph.flags  # by another tag, or by the user
    if against == len(witnesses) and against + doubted >= 2:
        return _UNKNOWN.in_conflict
    reading = SideReading(radiograph.side, radiograph.side_source)
    return reading.in_conflict if against or doubted or len(letters) > 1 else reading


def _by_marker_and_picture(look: Side | None, markers: tuple[Marker, ...], lies: FilmOrientation | None) -> SideReading:
    """A knee of which no tag tells the side."""
    letters = {marker.side for marker in markers}
    picture = _picture_beside(look, markers, lies)
    if len(letters) > 1:
        return _UNKNOWN.in_conflict
    if letters:
        reading = SideReading(letters.pop(), SideSource.MARKER)
        if picture in {None, reading.side}:
            return reading
        return reading.in_conflict if lies is None else _UNKNOWN.in_conflict
    return _UNKNOWN if picture is None else SideReading(picture, SideSource.PICTURE)


def _picture_beside(look: Side | None, markers: tuple[Marker, ...], lies: FilmOrientation | None) -> Side | None:
    """What the picture says, beside markers of which a mirrored one takes its word away."""
    unsure = lies is None and any(marker.mirrored for marker in markers)
    return None if unsure else as_pictured(look, lies)


def _pair(
    looks: tuple[Side | None, Side | None], markers: OwnedMarkers, lies: FilmOrientation | None
) -> tuple[SideReading, SideReading]:
    """Two knees side by side, by image left and right."""
    # Of a body the knee at image left looks right, on a mirrored film too: then it is the left one. What looks
    # otherwise is two exposures put together, or misread.
    swapped = looks == (Side.LEFT, Side.RIGHT)
    named = markers.left_knee
    by_orientation = None if lies is None else Side.LEFT if lies.mirrored else Side.RIGHT
    contradicted = by_orientation is not None and (opposite(by_orientation) in named or (swapped and not named))
    if len(named) > 1 or contradicted:
        return _UNKNOWN.in_conflict, _UNKNOWN.in_conflict
    if by_orientation is not None:
        both = _both(by_orientation, SideSource.ORIENTATION)
        return _against(both, (as_pictured(looks[0], lies), as_pictured(looks[1], lies)))
    if named:
        return _pair_by_marker(next(iter(named)), markers, looks)
    return _pair_by_looks(looks, doubtful=any(marker.mirrored for marker in markers.neither))


def _pair_by_marker(
    side: Side, markers: OwnedMarkers, looks: tuple[Side | None, Side | None]
) -> tuple[SideReading, SideReading]:
    both = _both(side, SideSource.MARKER)
    if looks[0] is not None and looks[0] is looks[1]:
        # Each marker names its own knee; that the other one is of the other side, its look denies.
        own = (bool(markers.left), bool(markers.right))
        return (both[0] if own[0] else _UNKNOWN).in_conflict, (both[1] if own[1] else _UNKNOWN).in_conflict
    # Where the film may be either way round, only looks that no body has contradict.
    expected = (Side.RIGHT, Side.LEFT) if markers.mirrored else (both[0].side, both[1].side)
    wrong = [look is not None and look is not expected[i] for i, look in enumerate(looks)]
    return (both[0].in_conflict, both[1].in_conflict) if any(wrong) else both


def _pair_by_looks(looks: tuple[Side | None, Side | None], doubtful: bool) -> tuple[SideReading, SideReading]:
    """A pair without orientation and marker; doubtful if a mirrored letter lies where it names no knee."""
    if looks == (Side.LEFT, Side.RIGHT) and not doubtful:
        # Two exposures in an order of their own: both pictures speak, and only the convention is against them.
        both = _both(Side.LEFT, SideSource.PICTURE)
        return both[0].in_conflict, both[1].in_conflict
    if looks[0] is Side.LEFT or looks[1] is Side.RIGHT:
        return _UNKNOWN.in_conflict, _UNKNOWN.in_conflict
    if doubtful:
        return _UNKNOWN, _UNKNOWN
    if looks == (None, None):
        both = _both(Side.RIGHT, SideSource.HANGING)
        return replace(both[0], flags=(SIDE_BY_CONVENTION,)), replace(both[1], flags=(SIDE_BY_CONVENTION,))
    return _both(Side.RIGHT, SideSource.PICTURE)


def _both(left: Side, source: SideSource) -> tuple[SideReading, SideReading]:
    return SideReading(left, source), SideReading(opposite(left), source)


def _against(
    both: tuple[SideReading, SideReading], seen: tuple[Side | None, Side | None]
) -> tuple[SideReading, SideReading]:
    """Two readings, each flagged where something else is seen."""
    left, right = (r if s in {None, r.side} else r.in_conflict for r, s in zip(both, seen, strict=True))
    return left, right


def _against_tag(radiograph: Radiograph, readings: tuple[SideReading, ...]) -> tuple[SideReading, ...]:
    """Readings of two knees on a film whose tag names one: the other is flagged; a tag in doubt flags both."""
    if radiograph.side_source is not SideSource.TAG or radiograph.side is Side.UNKNOWN:
        return readings
    doubted = SIDE_CONFLICT in radiograph.flags
    return tuple(r.in_conflict if doubted or r.side is opposite(radiograph.side) else r for r in readings)
