"""Traces both edges of a joint space classically: the maker of labels, and a second reader.

Gradients, the bright subchondral ridge and a weak prior score every row; `model.joint_decode` finds the best pair of
curves. What divides the floor of a plateau from its rim, whose edge lies above it where the beam was not level, is the
ridge: the floor is seen end on and is the brightest line.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter, gaussian_filter1d, maximum_filter1d

from kneeoa.model.joint_band import (
    BAND_ROWS,
    Floats,
    JointPlace,
    column_x,
    cut_band,
    down_row,
)
from kneeoa.model.joint_decode import Stiffness, refined, two_curves
from kneeoa.model.radiograph import FloatImage

COLUMNS = 80
"""Columns in which edges are traced: a millimetre wide, half the band's."""
ZONES = ((0.12, 0.33), (0.67, 0.92))
"""x of the parts by which a tracing is judged: medial and lateral."""
_FEMUR_STIFFNESS = Stiffness(5, 0.03, 0.03)
_TIBIA_STIFFNESS = Stiffness(5, 0.05, 0.05)
_RIDGE = 1.3
"""Weight of the ridge below the tibia's edge against its gradient."""
_PRIOR_ROWS = (26.0, 22.0)
"""Deviation of the femur and of the tibia from the carried template that costs half a unit of score."""
_BRIGHT = 0.12
"""Score that a row of joint space loses where it is as bright as bone."""


@dataclass(frozen=True, slots=True, eq=False)
class Tracing:
    """Edges in a band.

    Attributes:
        place: of the band.
        femur: (COLUMNS,) row of the femur's lower border.
        tibia: likewise of the tibia's upper border.
        strength: (2,) how clearly the weaker edge stands out in the medial and in the lateral zone.
    """

    place: JointPlace
    femur: Floats
    tibia: Floats
    strength: Floats


def place_of(ends: Floats, tibia: Floats) -> JointPlace:
    """A joint's place from the plateau's ends and the course of its edge.

    Args:
        ends: (2, 2) lateral and medial end, (row, column) in pixels.
        tibia: (points, 2) upper border of the tibia.
    """
    levels = []
    for x in (0.80, 0.225):
        column = ends[1, 1] + x * (ends[0, 1] - ends[1, 1])
        levels.append((float(np.interp(column, tibia[:, 1], tibia[:, 0])), float(column)))
    return place_from_levels(ends, np.array(levels))


def place_from_levels(ends: Floats, levels: Floats) -> JointPlace:
    """Likewise from one place on either half of the plateau.

    Args:
        ends: (2, 2) lateral and medial end.
        levels: (2, 2) a lateral and a medial place of the plateau's floor; the line through them is its level.
    """
    across = levels[1] - levels[0]
    angle = np.degrees(np.arctan2(-across[0], across[1]))
    unit = across / np.hypot(*across)
    along = (ends - levels[0]) @ unit
    middle = levels[0] + unit * along.mean()
    return JointPlace(float(middle[0]), float(middle[1]), float(along[1] - along[0]), float(angle))


def trace(crop: FloatImage, place: JointPlace, prior: tuple[Floats, Floats]) -> Tracing:
    """Traces a joint.

    Args:
        crop: (rows, columns) float32, canonical.
        place: from registration.
        prior: (points, 2) the template's femoral and tibial edges carried onto the crop.
    """
    band = cut_band(crop, place).reshape(BAND_ROWS, COLUMNS, -1).mean(axis=2)
    expected = [_in_band(place, edge) for edge in prior]
    femur, tibia = edge_scores(band)
    rows = np.arange(BAND_ROWS)[:, None]
    pulls = [0.5 * np.minimum(((rows - at) / much) ** 2, 6.0) for at, much in zip(expected, _PRIOR_ROWS, strict=True)]
    scores = [(score - pull).astype(np.float32) for score, pull in zip((femur, tibia), pulls, strict=True)]
    found = two_curves(scores[0], scores[1], (_FEMUR_STIFFNESS, _TIBIA_STIFFNESS), joint_space_score(band))
    curves = [refined(4 * score, at, 2) for score, at in zip((femur, tibia), found, strict=True)]
    curves[0] = np.minimum(curves[0], curves[1])
    curves = [gaussian_filter1d(curve, 0.6) for curve in curves]
    return Tracing(place, curves[0], curves[1], _strength((femur, tibia), found))


def edge_scores(band: FloatImage) -> tuple[FloatImage, FloatImage]:
    """Scores of every row for the femur's lower and the tibia's upper border, each about 0 to 3.

    Args:
        band: (rows, columns) float32 from `cut_band`.
    """
    slope = np.gradient(gaussian_filter(band, (1.6, 0.8)), axis=0)
    share = slope / _local(slope)
    femur = np.clip(-share, 0, 2.5)
    # The floor's ridge: bright against what lies one or two millimetres above and below, thin or thick.
    ridge = np.zeros_like(band)
    for thick, below in ((2.5, 4), (4.5, 7)):
        bright = np.maximum(-gaussian_filter(band, (thick, 1.0), order=(2, 0)), 0)
        ridge = np.maximum(ridge, np.minimum(_below(bright, below) / _local(bright), 2.0))
    tibia = np.minimum(np.clip(share, 0, None), 1.2) + _RIDGE * ridge * np.clip(4 * share, 0, 1)
    return femur.astype(np.float32), tibia.astype(np.float32)


def _below(values: FloatImage, reach: int) -> FloatImage:
    """The largest value among the `reach` rows that begin one row further down."""
    wide = np.pad(values, ((0, reach + 1), (0, 0)))
    return np.asarray(np.max([wide[k : k + len(values)] for k in range(1, reach + 1)], axis=0))


def joint_space_score(band: FloatImage) -> FloatImage:
    """What a row of joint space loses for being as bright as bone; nothing where it is dark."""
    smooth = gaussian_filter(band, (1.5, 1.0))
    dark = gaussian_filter1d(np.percentile(smooth[30:100], 8, axis=0), 5.0)
    bright = gaussian_filter1d(np.percentile(smooth, 75, axis=0), 5.0)
    share = (smooth - dark) / np.maximum(bright - dark, 0.3)
    return np.asarray(-_BRIGHT * np.clip(share - 0.75, 0, 0.5) / 0.5, dtype=np.float32)


def _local(values: FloatImage) -> FloatImage:
    """Typical largest magnitude around each column."""
    top = np.percentile(np.abs(values), 97, axis=0)
    smooth: FloatImage = gaussian_filter1d(top, 7.0)
    return np.maximum(smooth, 1e-4)


def _in_band(place: JointPlace, edge: Floats) -> Floats:
    """(COLUMNS,) rows of the band of an edge on the crop."""
    x, down = place.from_crop(edge)
    order = np.argsort(x)
    return np.interp(column_x(COLUMNS), x[order], down_row(down)[order])


def _strength(
    scores: tuple[FloatImage, FloatImage], found: tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]
) -> Floats:
    """(2,) mean score in the medial and the lateral zone of the weaker of the two edges."""
    columns, x = np.arange(COLUMNS), column_x(COLUMNS)
    own = [np.asarray(maximum_filter1d(score, 3, axis=0))[at, columns] for score, at in zip(scores, found, strict=True)]
    zones = [(x >= low) & (x <= high) for low, high in ZONES]
    return np.array([min(float(score[zone].mean()) for score in own) for zone in zones])
