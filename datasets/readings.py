"""What readers say about a knee: one reading a reader and feature, never averaged away and never filled in.

A missing reading is absent: it is never a zero. Several readers are kept side by side; a single target, where one is
needed, is the lower median of their grades, and the share of readers for each grade is there beside it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from kneeoa.model.grades import KL_GRADES


class Feature(StrEnum):
    """What is graded. All but KL are graded 0-3 by the OARSI atlas.

    References:
        Altman R., Gold G., Atlas of individual radiographic features in osteoarthritis, revised. Osteoarthritis
        Cartilage 2007;15 Suppl A:A1.
    """

    KL = "kl"
    """Kellgren-Lawrence grade, 0-4."""
    JSN_MEDIAL = "jsn_medial"
    """Joint space narrowing, medial compartment."""
    JSN_LATERAL = "jsn_lateral"
    """Joint space narrowing, lateral compartment."""
    OSTEOPHYTES_FEMUR_MEDIAL = "osteophytes_femur_medial"
    OSTEOPHYTES_FEMUR_LATERAL = "osteophytes_femur_lateral"
    OSTEOPHYTES_TIBIA_MEDIAL = "osteophytes_tibia_medial"
    OSTEOPHYTES_TIBIA_LATERAL = "osteophytes_tibia_lateral"
    SCLEROSIS_FEMUR_MEDIAL = "sclerosis_femur_medial"
    SCLEROSIS_FEMUR_LATERAL = "sclerosis_femur_lateral"
    SCLEROSIS_TIBIA_MEDIAL = "sclerosis_tibia_medial"
    SCLEROSIS_TIBIA_LATERAL = "sclerosis_tibia_lateral"

    @property
    def highest(self) -> int:
        """The highest grade of its scale."""
        return KL_GRADES[-1] if self is Feature.KL else 3


COLUMN_CODES = MappingProxyType(
    {
        "KL": Feature.KL,
        "JSM": Feature.JSN_MEDIAL,
        "JSL": Feature.JSN_LATERAL,
        "OSFM": Feature.OSTEOPHYTES_FEMUR_MEDIAL,
        "OSFL": Feature.OSTEOPHYTES_FEMUR_LATERAL,
        "OSTM": Feature.OSTEOPHYTES_TIBIA_MEDIAL,
        "OSTL": Feature.OSTEOPHYTES_TIBIA_LATERAL,
        "SCFM": Feature.SCLEROSIS_FEMUR_MEDIAL,
        "SCFL": Feature.SCLEROSIS_FEMUR_LATERAL,
        "SCTM": Feature.SCLEROSIS_TIBIA_MEDIAL,
        "SCTL": Feature.SCLEROSIS_TIBIA_LATERAL,
    }
)
"""How OAI and MOST end the names of their columns."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One reader's word on one feature of one knee.

    Attributes:
        feature: what was graded.
        value: as written, at least 0. A fraction tells change within a grade and comes from paired readings.
        reader: reading project or reader; empty where the set names none.
    """

    feature: Feature
    value: float
    reader: str = ""

    @property
    def grade(self) -> int:
        """The whole grade: 1.4 is a knee of grade 1 that got worse since its last film, not one between 1 and 2."""
        return math.floor(self.value)


@dataclass(frozen=True, slots=True)
class WidthReading:
    """A joint space width that somebody measured.

    Attributes:
        place: "minimum_medial", or the compartment and the fraction of the femur's width, such as "medial_0.250".
        width_mm: the width in millimetres, at least 0.
    """

    place: str
    width_mm: float


@dataclass(frozen=True, slots=True)
class PictureBox:
    """A knee's place on a picture that shows more than it, in the picture's own pixels, as displayed.

    Attributes:
        row: first row.
        column: first column.
        height: rows, at least 2.
        width: columns, at least 2.
    """

    row: int
    column: int
    height: int
    width: int


@dataclass(frozen=True, slots=True)
class Group:
    """A part of a set that a knee belongs to, such as ("sex", "F")."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class KneeFacts:
    """What a set tells about a knee beside its KL grade; all may be absent.

    Attributes:
        visit: as the set names it, such as "00" or "24".
        readings: every reading of every reader.
        widths: joint space widths.
        box: where the knee lies on its picture; None where the picture is the knee.
        groups: parts of the set for tables by part.
    """

    visit: str = ""
    readings: tuple[Reading, ...] = ()
    widths: tuple[WidthReading, ...] = ()
    box: PictureBox | None = None
    groups: tuple[Group, ...] = ()


NO_FACTS = KneeFacts()
"""Of a set that tells nothing but grades."""


def consensus(grades: Iterable[int]) -> int:
    """The lower median: a grade that a reader gave, and not one between two.

    Args:
        grades: at least one.
    """
    ordered = sorted(grades)
    return ordered[(len(ordered) - 1) // 2]


def shares(grades: Iterable[int], highest: int) -> tuple[float, ...]:
    """The share of readers for each grade.

    Args:
        grades: at least one, each 0 to `highest`.
        highest: of the scale.

    Returns:
        (highest + 1,) shares that sum to 1.
    """
    given = list(grades)
    return tuple(given.count(grade) / len(given) for grade in range(highest + 1))


def of_feature(readings: Iterable[Reading], feature: Feature) -> tuple[Reading, ...]:
    """The readings of one feature, in their order; empty where there is none."""
    return tuple(reading for reading in readings if reading.feature is feature)
