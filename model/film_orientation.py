"""What Patient Orientation tells: whether a frontal film is mirrored, and whether it can be believed."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

_DIRECTIONS = re.compile(r"[APRLHF]{1,3}")
_OPPOSITE = {"A": "P", "P": "A", "R": "L", "L": "R", "H": "F", "F": "H"}


@dataclass(frozen=True, slots=True)
class FilmOrientation:
    """How a frontal film lies, seen as if the patient faced the reader.

    Attributes:
        mirrored: whether it shows the patient from behind, so that a right knee looks like a left one.
        angle_degrees: turn of the legs from upright that the object states, counter-clockwise as displayed: a multiple
            of 90 in (-180, 180].
    """

    mirrored: bool
    angle_degrees: float

    def fits(self, leg_degrees: float) -> bool:
        """Whether legs that lie so on the film agree: to 45 degrees, half of a quarter turn."""
        return abs(math.remainder(leg_degrees - self.angle_degrees, 360.0)) <= 45.0


def stated_directions(values: tuple[str, ...]) -> tuple[str, str] | None:
    """Patient Orientation (0020,0020) where it is two directions, in upper case, else None.

    Args:
        values: as the object states them: the directions of the rows (to the right) and of the columns (down).

    References:
        PS3.3 C.7.6.1.1.1: A, P, R, L, H, F, principal direction first; no two of one direction are opposite or alike.
    """
    if len(values) != 2:
        return None
    row, column = (value.strip("\0 \t\r\n").upper() for value in values)
    for direction in (row, column):
        axes = {frozenset((letter, _OPPOSITE[letter])) for letter in direction if letter in _OPPOSITE}
        if not _DIRECTIONS.fullmatch(direction) or len(axes) != len(direction):
            return None
    # The rows and the columns of one picture do not run along one axis of the patient.
    return None if column[0] in {row[0], _OPPOSITE[row[0]]} else (row, column)


def film_orientation(directions: tuple[str, str] | None) -> FilmOrientation | None:
    """How a film lies whose rows and columns run so; None where it is not a frontal one.

    Args:
        directions: of the rows, to the right, and of the columns, down. Only the principal ones count.
    """
    if directions is None:
        return None
    # Where each principal direction points on the film, as (row, column).
    points = {}
    for letter, (down, across) in ((directions[0][0], (0, 1)), (directions[1][0], (1, 0))):
        points[letter] = (down, across)
        points[_OPPOSITE[letter]] = (-down, -across)
    if "L" not in points or "F" not in points:
        return None
    left, feet = points["L"], points["F"]
    # As hung, left points to image right and feet down: from feet to left is then a quarter turn counter-clockwise.
    mirrored = left[1] * feet[0] - left[0] * feet[1] < 0
    turn = math.degrees(math.atan2(feet[1], feet[0]))
    return FilmOrientation(mirrored, 180.0 if turn <= -180.0 else turn)
