"""A plain radiograph as the rest of the road sees it: pixels with bone bright, and the facts that the object states."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

FloatImage: TypeAlias = npt.NDArray[np.float32]
"""(rows, columns) float32."""


class Side(StrEnum):
    """Which of the patient's knees, as DICOM Laterality (0020,0060) codes it."""

    RIGHT = "R"
    LEFT = "L"
    UNKNOWN = "unknown"


class SideSource(StrEnum):
    """What told the side. Only `TAG` and `USER` are statements; the others are readings."""

    TAG = "tag"
    ORIENTATION = "orientation"
    MARKER = "marker"
    PICTURE = "picture"
    HANGING = "hanging"
    USER = "user"
    NONE = "none"


class SpacingOrigin(StrEnum):
    """Where `pixel_spacing_mm` comes from; `IMAGER` is at the detector and larger than the patient's anatomy."""

    PIXEL = "PixelSpacing"
    IMAGER = "ImagerPixelSpacing"
    USER = "user"
    NONE = "none"


class ViewSource(StrEnum):
    """What told the view: a tag of the object, or the picture."""

    TAG = "tag"
    PICTURE = "picture"


@dataclass(frozen=True, slots=True)
class FilmFacts:
    """The `film` object of the report contract: what was found in the file, before any judgement.

    Attributes:
        source: path or name that the film was read from, as given by the caller.
        sop_instance_uid: SOP Instance UID (0008,0018), None for a picture without a DICOM header.
        study_instance_uid: Study Instance UID (0020,000D) or None.
        rows: image height in pixels, None when unknown.
        columns: image width in pixels, None when unknown.
        pixel_spacing_mm: (between rows, between columns) in millimetres, or None.
        spacing_origin: which attribute gave the spacing.
        modality: Modality (0008,0060), None for a picture.
        view: "PA", "AP", "LL", "RL", ... as View Position (0018,5101) or the view code states it, else "unknown".
        view_source: what told the view.
    """

    source: str
    sop_instance_uid: str | None = None
    study_instance_uid: str | None = None
    rows: int | None = None
    columns: int | None = None
    pixel_spacing_mm: tuple[float, float] | None = None
    spacing_origin: SpacingOrigin = SpacingOrigin.NONE
    modality: str | None = None
    view: str = "unknown"
    view_source: ViewSource = ViewSource.TAG


@dataclass(frozen=True, slots=True, eq=False)
class Radiograph:
    """One film, ready to be searched for knees.

    Attributes:
        pixels: (rows, columns) float32 in [0, 1]; bone is bright; as displayed (no mirroring, no rotation).
        facts: what the object states about itself.
        side: laterality that the object or the user states, else `Side.UNKNOWN`.
        side_source: who stated it.
        body_part: Body Part Examined (0018,0015) or the anatomic region's meaning, upper case, or None.
        patient_age_years: Patient's Age (0010,1010) in years, or None. It never leaves the process.
        flags: remarks of the reader, such as "no_window"; they travel into the report.
        patient_orientation: Patient Orientation (0020,0020), where it is two directions: of the rows, to the right, and
            of the columns, down, as ("L", "F"), upper case; else None.
    """

    pixels: FloatImage
    facts: FilmFacts
    side: Side = Side.UNKNOWN
    side_source: SideSource = SideSource.NONE
    body_part: str | None = None
    patient_age_years: float | None = None
    flags: tuple[str, ...] = ()
    patient_orientation: tuple[str, str] | None = None
