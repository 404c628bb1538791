"""What leaves the road: the report contract's objects for one film, and nothing else.

Field names are those of the JSON (`docs/report.md`); `FilmGrades.to_json` adds no fact and drops none but heat
map and embedding.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from enum import Enum
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from kneeoa.model.errors import Refusal
from kneeoa.model.joint_grades import CompartmentGrades
from kneeoa.model.radiograph import FilmFacts, FloatImage, Side, SideSource

SCHEMA_VERSION = "1.0"
KL_GRADES = (0, 1, 2, 3, 4)
"""Kellgren & Lawrence, Ann Rheum Dis 1957;16:494: 0 none, 1 doubtful, 2 minimal, 3 moderate, 4 severe."""
OA_FROM_GRADE = 2
"""Radiographic osteoarthritis is KL >= 2."""

JSON: TypeAlias = "dict[str, JSON] | list[JSON] | str | int | float | bool | None"


@dataclass(frozen=True, slots=True)
class KLGrade:
    """A Kellgren-Lawrence reading.

    Attributes:
        grade: 0-4, by the release's decision rule.
        probabilities: five calibrated probabilities, grade 0 first; they sum to 1.
        expected: probability-weighted grade in [0, 4].
        oa_probability: P(KL >= 2) in [0, 1].
        prediction_set: grades that cannot be excluded, or None where the release has no fitted set.
        abstain: whether the release declines to name one grade; None where it has no such rule.
    """

    grade: int
    probabilities: tuple[float, float, float, float, float]
    expected: float
    oa_probability: float
    prediction_set: tuple[int, ...] | None = None
    abstain: bool | None = None


@dataclass(frozen=True, slots=True)
class Box:
    """A square in film pixels before rotation; `row` and `column` are of its top-left corner."""

    row: float
    column: float
    height: float
    width: float

    def corners(self, angle_degrees: float) -> list[tuple[float, float]]:
        """Its corners after rotation, (row, column) in film pixels, going round from the top-left one.

        Args:
            angle_degrees: of the knee, see `KneeGrades`.
        """
        turn = math.radians(angle_degrees)
        cos, sin, half = math.cos(turn), math.sin(turn), self.width / 2
        row, column = self.row + self.height / 2, self.column + self.width / 2
        around = ((-half, -half), (half, -half), (half, half), (-half, half))
        return [(row - sin * x + cos * y, column + cos * x + sin * y) for x, y in around]


@dataclass(frozen=True, slots=True)
class KneeGrades:
    """One knee of a film. Points are (row, column) in film pixels; the centre of the top-left pixel is (0, 0).

    Attributes:
        side: the patient's side.
        side_source: what told it.
        centre: middle of the joint, (row, column).
        plateau_width_px: width of the tibial plateau in film pixels.
        angle_degrees: rotation of the knee's axis against the film's columns, anticlockwise positive.
        confidence: in [0, 1], how sure the finder is of a frontal knee here; the surest film of a side leads a study.
        box: the crop that was graded.
        refusal: why this knee has no grade, or None.
        flags: remarks that a reader should see.
        kl: the grade; None exactly when refused.
        joint_space: "medial" and "lateral", or "image_left" and "image_right" where the side is unknown; None where
            the release does not measure it, or the knee is refused.
        heat_map: (rows, columns) float32 in [0, 1] over `box`, what the grade rests on; not part of the JSON.
        embedding: (features,) float32 of the KL network; not part of the JSON.
    """

    side: Side
    side_source: SideSource
    centre: tuple[float, float] | None = None
    plateau_width_px: float | None = None
    angle_degrees: float | None = None
    confidence: float | None = None
    box: Box | None = None
    refusal: Refusal | None = None
    flags: tuple[str, ...] = ()
    kl: KLGrade | None = None
    joint_space: Mapping[str, CompartmentGrades] | None = None
    heat_map: FloatImage | None = field(default=None, compare=False, repr=False)
    embedding: npt.NDArray[np.float32] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class ReleaseFacts:
    """Which networks graded. `sha256` is that of `release.json`, which lists every other file's hash."""

    name: str
    sha256: str
    software: str


@dataclass(frozen=True, slots=True)
class Seconds:
    """Wall-clock seconds spent on this film, by step."""

    read: float = 0.0
    find: float = 0.0
    grade: float = 0.0
    total: float = 0.0


@dataclass(frozen=True, slots=True)
class FilmGrades:
    """Everything that KneeOA has to say about one film: the report contract's top-level object."""

    film: FilmFacts
    release: ReleaseFacts
    refusal: Refusal | None = None
    flags: tuple[str, ...] = ()
    knees: tuple[KneeGrades, ...] = ()
    seconds: Seconds = Seconds()
    schema_version: str = SCHEMA_VERSION

    def to_json(self) -> dict[str, JSON]:
        """The report as plain JSON values; numbers are finite, enums are their strings, tuples are lists."""
        order = ("schema_version", "film", "release", "refusal", "flags", "knees", "seconds")
        return {name: _plain(getattr(self, name)) for name in order}


_NOT_IN_JSON = frozenset({"heat_map", "embedding"})


def _plain(value: object) -> JSON:
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value) if f.name not in _NOT_IN_JSON}
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        # NaN is not JSON; a number that could not be had is null, never a made-up value.
        return float(value) if math.isfinite(value) else None
    if value is None or isinstance(value, str | int | bool):
        return value
    msg = f"{type(value).__name__} has no place in a report"
    raise TypeError(msg)
