"""Outlines of joint spaces that somebody drew: JSON files of curves, one a crop, named as the crop; no pixels.

`kneeoa outline` writes them, and `kneeoa evaluate --joint-space` reads them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from kneeoa.model.errors import DatasetError
from kneeoa.model.joint_band import Floats
from kneeoa.model.radiograph import Side

Curve = tuple[tuple[float, float], ...]
MOST_POINTS = 2000
"""Of one curve."""


class JointOutline(BaseModel):
    """What was drawn on one crop; points are (row, column) in its pixels, as displayed.

    Attributes:
        image: name of the crop as published, such as "9001695L.jpg"; empty in files of other origin.
        subject: as published, such as "9001695".
        side: "L" or "R"; "unknown" in files of other origin.
        rows: of the crop, or 0 where the file does not say; `columns` likewise.
        author: who drew it.
        femur: lower border of the femur.
        tibia: upper border of the tibia: the floor of the plateau, from which the space is measured.
        rim: the plateau's rim where it is seen above the floor; empty elsewhere.
        plateau_ends: lateral and medial end of the plateau, or nothing.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    image: str = Field(default="", max_length=200)
    subject: str = Field(default="", max_length=100)
    side: Side = Side.UNKNOWN
    rows: int = Field(default=0, ge=0, le=65535)
    columns: int = Field(default=0, ge=0, le=65535)
    author: str = Field(default="", max_length=200)
    femur: Curve = Field(min_length=2, max_length=MOST_POINTS)
    tibia: Curve = Field(min_length=2, max_length=MOST_POINTS)
    rim: Curve = Field(default=(), max_length=MOST_POINTS)
    plateau_ends: Curve = Field(default=(), max_length=2)

    @model_validator(mode="after")
    def _numbers(self) -> JointOutline:
        for curve in (self.femur, self.tibia, self.rim, self.plateau_ends):
            if not np.isfinite(np.array(curve, dtype=np.float64)).all():
                raise ValueError("points are finite")
        return self

    def edges(self, columns: int) -> tuple[Floats, Floats]:
        """(columns,) rows of the space's upper and lower border; NaN where nothing was drawn."""
        at = np.arange(columns, dtype=np.float64)
        scale = columns / self.columns if self.columns else 1.0
        found = []
        for curve in (self.femur, self.tibia):
            points = (np.array(curve, dtype=np.float64) + 0.5) * scale - 0.5
            points = points[np.argsort(points[:, 1], kind="stable")]
            found.append(np.interp(at, points[:, 1], points[:, 0], left=np.nan, right=np.nan))
        return found[0], np.maximum(found[0], found[1])


def read_outline(path: Path) -> JointOutline:
    """Reads one outline.

    Raises:
        DatasetError: the file holds none.
    """
    try:
        return JointOutline.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        msg = f'{path.name} holds no curves: {{"femur": [[row, column], …], "tibia": …}}. `kneeoa outline` writes them.'
        raise DatasetError(msg) from error


def write_outline(outline: JointOutline, path: Path) -> None:
    """Writes one outline; the file is whole or as it was before."""
    draft = path.with_suffix(".draft")
    draft.write_text(outline.model_dump_json(indent=None, exclude_defaults=True) + "\n", encoding="utf-8")
    draft.replace(path)


def read_outlines(folder: Path) -> dict[str, JointOutline]:
    """All outlines of a folder, by file name without ending."""
    return {path.stem: read_outline(path) for path in sorted(folder.glob("*.json"))}
