"""A composed film with its truth, and how the truth follows when the film is turned, mirrored or stretched."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from kneeoa.datasets.film_geometry import Affine, resized, warped
from kneeoa.datasets.film_implants import Implant
from kneeoa.datasets.film_patch import KneePatch
from kneeoa.model.radiograph import FloatImage, Side

_GRID = 21
"""Points a side at which a knee's frame is looked for on the film."""


@dataclass(frozen=True, slots=True, eq=False)
class PlacedKnee:
    """A frontal knee on a film. Points are (row, column); the centre of the top-left pixel is (0, 0).

    Attributes:
        patch: the knee as it was given.
        implant: what metal was drawn on it, or None.
        patch_to_film: carries points of the patch onto the film.
        seen: (21, 21) bool: which points of a grid over the patch's frame are exposed and on the film.
    """

    patch: KneePatch
    implant: Implant | None
    patch_to_film: Affine
    seen: npt.NDArray[np.bool_]

    @property
    def side(self) -> Side:
        """The patient's side, whatever way round the film shows it."""
        return self.patch.side

    @property
    def centre(self) -> tuple[float, float]:
        """The joint's centre on the film; it may lie outside."""
        return self.patch_to_film.point(self.patch.centre)

    @property
    def plateau_width_px(self) -> float:
        """Width of the tibial plateau on the film, along the plateau."""
        return self.patch.plateau_width_px * math.hypot(self.patch_to_film.rc, self.patch_to_film.cc)

    @property
    def angle_degrees(self) -> float:
        """How far the leg is turned from upright, counter-clockwise as displayed, in (-180, 180]."""
        up_row, up_column = -self.patch_to_film.rr, -self.patch_to_film.cr
        angle = math.degrees(math.atan2(-up_column, -up_row))
        return 180.0 if angle <= -180.0 else angle

    @property
    def mirrored(self) -> bool:
        """Whether the film shows it the wrong way round: a right knee looks like a left one."""
        return self.patch_to_film.determinant < 0

    @property
    def looks_like(self) -> Side:
        """The side that a reader would name from the anatomy alone."""
        other = Side.LEFT if self.side is Side.RIGHT else Side.RIGHT
        return other if self.mirrored else self.side

    @property
    def visible_fraction(self) -> float:
        """Share of the patch's frame that is exposed and on the film."""
        return float(self.seen.mean())


def frame_points(size: int) -> npt.NDArray[np.float64]:
    """The grid of `PlacedKnee.seen` on a patch of so many pixels a side: (441, 2) (row, column)."""
    at = (np.arange(_GRID) + 0.5) / _GRID * size - 0.5
    return np.stack([np.repeat(at, _GRID), np.tile(at, _GRID)], axis=1)


def placed(
    patch: KneePatch, patch_to_film: Affine, size: tuple[int, int], field: FloatImage | None, implant: Implant | None
) -> PlacedKnee:
    """The truth of a patch on a film.

    Args:
        patch: as given.
        patch_to_film: where it went.
        size: rows and columns of the film.
        field: (rows, columns) of any raster over the film, in [0, 1]: where it was exposed; None: everywhere.
        implant: what metal was drawn on it.
    """
    points = patch_to_film.points(frame_points(patch.pixels.shape[0]))
    seen = _on(points, size)
    if field is not None:
        shares = (points + 0.5) / size * field.shape
        at = np.clip(shares.astype(int), 0, np.array(field.shape) - 1)
        seen &= field[at[:, 0], at[:, 1]] > 0.5
    return PlacedKnee(patch, implant, patch_to_film, seen.reshape(_GRID, _GRID))


def _on(points: npt.NDArray[np.float64], size: tuple[int, int]) -> npt.NDArray[np.bool_]:
    return np.asarray(((points >= -0.5) & (points < np.array(size) - 0.5)).all(axis=1))


class View(StrEnum):
    """How the beam went through the knees, or that it was no frontal knee."""

    AP = "AP"
    PA = "PA"
    OTHER = "other"


class FilmKind(StrEnum):
    """What a film shows; the first eight hold frontal knees."""

    SINGLE = "single"
    BILATERAL = "bilateral"
    TWO_EXPOSURES = "two_exposures"
    OTHER_LEG_CUT = "other_leg_cut"
    LONG_LEG = "long_leg"
    CUT_BY_EDGE = "cut_by_edge"
    STRIP = "strip"
    CROP = "crop"
    LATERAL = "lateral"
    SKYLINE = "skyline"
    OBLIQUE = "oblique"
    FOOT = "foot"
    ANKLE = "ankle"
    HAND = "hand"
    ELBOW = "elbow"
    SHOULDER = "shoulder"
    HIP = "hip"
    CHEST = "chest"
    SPINE = "spine"
    SKULL = "skull"
    SLICE = "slice"
    EMPTY = "empty"
    TEST_IMAGE = "test_image"
    SATURATED = "saturated"

    @property
    def has_knee(self) -> bool:
        """Whether such films hold frontal knees."""
        return self in _WITH_KNEES


_WITH_KNEES = frozenset(list(FilmKind)[:8])


@dataclass(frozen=True, slots=True, eq=False)
class ComposedFilm:
    """A film and its truth.

    Attributes:
        pixels: (rows, columns) float32 in [0, 1]; bone is bright unless `is_inverted`; as displayed.
        knees: the frontal knees on it.
        kind: what it shows.
        view: how the beam went.
        is_inverted: whether the grey values were turned round: bone is dark.
        metal: (rows, columns) float32 in [0, 1]: where metal lies in or on the legs; None where there is none.
    """

    pixels: FloatImage
    knees: tuple[PlacedKnee, ...]
    kind: FilmKind
    view: View = View.OTHER
    is_inverted: bool = False
    metal: FloatImage | None = None

    def inverted(self) -> ComposedFilm:
        """The film with its grey values turned round."""
        return replace(self, pixels=np.float32(1) - self.pixels, is_inverted=not self.is_inverted)


@dataclass(frozen=True, slots=True)
class FilmTurn:
    """What happened to a film after the exposure, in this order.

    Attributes:
        tilt_degrees: turned within its raster, counter-clockwise; corners that come in are black.
        mirrored: left to right.
        quarter_turns: by 90 degrees counter-clockwise, 0 to 3.
        stretch: rows over columns of what was a square pixel, near 1.
    """

    tilt_degrees: float = 0.0
    mirrored: bool = False
    quarter_turns: int = 0
    stretch: float = 1.0


def turned(film: ComposedFilm, turn: FilmTurn) -> ComposedFilm:
    """A film turned, with its truth.

    Args:
        film: stays as it is.
        turn: what to do.
    """
    rows, columns = film.pixels.shape
    move = Affine()
    if turn.tilt_degrees:
        move = Affine.turn(turn.tilt_degrees, ((rows - 1) / 2, (columns - 1) / 2))
    if turn.stretch != 1.0:
        height = max(1, round(rows * turn.stretch))
        move = move.then(Affine.scale(height / rows, 1.0))
        rows = height
    if turn.mirrored:
        move = move.then(Affine.mirror(columns))
    for _ in range(turn.quarter_turns % 4):
        # A point at (row, column) comes to (columns - 1 - column, row).
        move = move.then(Affine(0.0, -1.0, columns - 1.0, 1.0, 0.0, 0.0))
        rows, columns = columns, rows
    pixels = _picture_turned(film.pixels, turn, fill=1.0 if film.is_inverted else 0.0)
    metal = None if film.metal is None else _picture_turned(film.metal, turn)
    knees = tuple(_moved(knee, move, (rows, columns)) for knee in film.knees)
    return replace(film, pixels=pixels, knees=knees, metal=metal)


def _picture_turned(pixels: FloatImage, turn: FilmTurn, fill: float = 0.0) -> FloatImage:
    rows, columns = pixels.shape
    if turn.tilt_degrees:
        about = Affine.turn(turn.tilt_degrees, ((rows - 1) / 2, (columns - 1) / 2))
        pixels = warped(pixels, about, (rows, columns), fill=fill)
    if turn.stretch != 1.0:
        pixels = np.clip(resized(pixels, (max(1, round(rows * turn.stretch)), columns)), 0, 1)
    if turn.mirrored:
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(np.rot90(pixels, turn.quarter_turns % 4))


def _moved(knee: PlacedKnee, move: Affine, size: tuple[int, int]) -> PlacedKnee:
    after = knee.patch_to_film.then(move)
    seen = _on(after.points(frame_points(knee.patch.pixels.shape[0])), size).reshape(_GRID, _GRID)
    return replace(knee, patch_to_film=after, seen=knee.seen & seen)
