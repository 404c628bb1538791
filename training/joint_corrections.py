"""Puts outlines that somebody drew in the place of a tracer's labels, for the columns that were drawn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kneeoa.datasets.splits import is_held
from kneeoa.model.errors import DatasetError
from kneeoa.model.joint_band import Floats, JointPlace, column_x, down_row
from kneeoa.model.radiograph import Side
from kneeoa.training.joint_atlas import SIZE
from kneeoa.training.joint_labels import JointLabels
from kneeoa.training.joint_outlines import Curve, JointOutline
from kneeoa.training.joint_tracer import COLUMNS

SHIPPED = Path(__file__).parents[1] / "datasets" / "outlines"
"""Outlines drawn for this repository; its README.md tells how."""


@dataclass(frozen=True, slots=True, eq=False)
class Correction:
    """An outline as labels of one knee.

    Attributes:
        femur: (COLUMNS,) band rows of the femur's border; NaN where nothing was drawn.
        tibia: likewise of the tibia's, never above the femur's.
        drawn: (COLUMNS,) where something was drawn.
    """

    femur: Floats
    tibia: Floats
    drawn: npt.NDArray[np.bool_]


def corrections(labels: JointLabels, outlines: Mapping[str, JointOutline]) -> dict[int, Correction]:
    """Outlines of the knees that labels have, by their index there.

    Args:
        labels: traced knees.
        outlines: by file name without ending, from `joint_outlines.read_outlines`.

    Raises:
        DatasetError: an outline is of a knee of `held`, which must not teach.
    """
    _refuse_held(outlines.values())
    found = {}
    for i, name in enumerate(labels.names):
        outline = outlines.get(Path(str(name)).stem)
        if outline is not None:
            found[i] = correction(outline, labels.place(i))
    return found


def correction(outline: JointOutline, place: JointPlace) -> Correction:
    """An outline as band rows around a place on the canonical crop of `SIZE`."""
    femur, tibia = (_in_band(curve, outline, place) for curve in (outline.femur, outline.tibia))
    drawn = np.isfinite(femur) & np.isfinite(tibia)
    return Correction(np.minimum(femur, tibia), tibia, drawn)


def corrected(labels: JointLabels, found: Mapping[int, Correction]) -> JointLabels:
    """Labels with what was drawn in the place of what was traced."""
    femur, tibia = labels.femur.copy(), labels.tibia.copy()
    for i, one in found.items():
        femur[i, one.drawn], tibia[i, one.drawn] = one.femur[one.drawn], one.tibia[one.drawn]
        # Beside the outline the tracing goes on; the curves must not cross there.
        femur[i] = np.minimum(femur[i], tibia[i])
    return replace(labels, femur=femur, tibia=tibia)


def _in_band(curve: Curve, outline: JointOutline, place: JointPlace) -> Floats:
    points = np.array(curve, dtype=np.float64)
    scale = SIZE / outline.columns if outline.columns else 1.0
    points = (points + 0.5) * scale - 0.5
    if outline.side is Side.LEFT:
        points[:, 1] = SIZE - 1 - points[:, 1]
    x, down = place.from_crop(points)
    order = np.argsort(x)
    return np.interp(column_x(COLUMNS), x[order], down_row(down)[order], left=np.nan, right=np.nan)


def _refuse_held(outlines: Iterable[JointOutline]) -> None:
    held = [outline.image for outline in outlines if outline.subject and is_held(outline.subject)]
    if held:
        raise DatasetError(f"{held[0]} belongs to `held`, which never teaches: take its outline out of the folder.")
