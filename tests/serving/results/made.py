"""A report with everything in it, of films that cost milliseconds: DICOM headers over a small grey picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom import Dataset, FileMetaDataset, dcmwrite
from pydicom.uid import UID, ExplicitVRLittleEndian

from kneeoa.model.errors import ReasonCode, Refusal
from kneeoa.model.grades import Box, FilmGrades, KLGrade, KneeGrades, ReleaseFacts
from kneeoa.model.joint_grades import CompartmentGrades, NarrowingGrade
from kneeoa.model.radiograph import FilmFacts, Side, SideSource, SpacingOrigin

RELEASE = ReleaseFacts("kneeoa-test", "ab" * 32, "0.0.1")
ROWS, COLUMNS = 400, 600
DX = "1.2.840.10008.5.1.4.1.1.1.1"
SOP_UID, STUDY_UID = "1.2.826.0.1.3680043.8.498.11", "1.2.826.0.1.3680043.8.498.12"


def write_small_film(path: Path, **attributes: object) -> Path:
    """A DX object with few pixels; `attributes` are set on it, those of None are left out."""
    film = Dataset()
    film.SOPClassUID, film.SOPInstanceUID, film.StudyInstanceUID = UID(DX), UID(SOP_UID), UID(STUDY_UID)
    film.SeriesInstanceUID = UID("1.2.826.0.1.3680043.8.498.13")
    film.Modality, film.PatientName, film.PatientID = "DX", "Phantom^Anna", "P-1"
    film.PatientBirthDate, film.PatientSex, film.PatientAge = "19600102", "F", "064Y"
    film.StudyDate, film.StudyTime, film.AccessionNumber, film.StudyID = "20240102", "101112", "A-77", "S1"
    film.ReferringPhysicianName = "Referrer^R"
    film.Rows, film.Columns, film.SamplesPerPixel = ROWS, COLUMNS, 1
    film.PhotometricInterpretation, film.PixelRepresentation = "MONOCHROME2", 0
    film.BitsAllocated = film.BitsStored = 8
    film.HighBit = 7
    for name, value in attributes.items():
        setattr(film, name, value)
    film.PixelData = np.tile(np.arange(COLUMNS, dtype=np.uint16) * 255 // COLUMNS, (ROWS, 1)).astype(np.uint8).tobytes()
    film["PixelData"].VR = "OB"
    film.file_meta = FileMetaDataset()
    film.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dcmwrite(path, film, enforce_file_format=True)
    return path


def compartment(width: float = 3.6, reason: str | None = None) -> CompartmentGrades:
    """One compartment, measured or not."""
    there = reason is None
    return CompartmentGrades(
        minimum_px=24.0 if there else None,
        minimum_mm=width if there else None,
        minimum_percent_of_plateau=4.8 if there else None,
        mean_mm=width + 0.5 if there else None,
        minimum_interval_mm=(width - 0.4, width + 0.4) if there else None,
        fixed_plateau={"0.200": width + 0.1} if there else None,
        fixed_femur={"0.225": width + 0.2} if there else None,
        fixed_unit="mm",
        millimetres="joint" if there else None,
        zone=(0.15, 0.3),
        contact=False,
        narrowing_percent=22.0 if there else None,
        narrowing_interval_percent=(2.0, 41.0) if there else None,
        kl0_percentile=21.0 if there else None,
        borderline=True if there else None,
        jsn=NarrowingGrade(1, "measured", (0.1, 0.7, 0.1, 0.1)) if there else None,
        femur_edge=((200.0, 150.0), (200.0, 220.0)) if there else (),
        tibia_edge=((220.0, 150.0), (221.0, 220.0)) if there else (),
        minimum_at=((200.0, 180.0), (220.0, 180.0)) if there else (),
        quality=0.93 if there else 0.0,
        reason=reason,
    )


def graded_knee(side: Side, grade: int = 2, column: float = 100.0) -> KneeGrades:
    """A knee with a grade and two compartments, of which the lateral one could not be measured on the left."""
    shares = (0.05, 0.15, 0.62, 0.16, 0.02)
    lateral = compartment(5.0) if side is Side.RIGHT else compartment(reason="no_contrast")
    return KneeGrades(
        side=side,
        side_source=SideSource.MARKER,
        centre=(210.0, column + 90),
        plateau_width_px=150.0,
        angle_degrees=2.0,
        confidence=0.9,
        box=Box(120.0, column, 180.0, 180.0),
        flags=("side_by_convention", "a_flag_of_tomorrow"),
        kl=KLGrade(grade, shares, 1.95, 0.8, (1, 2, 3), False),
        joint_space={"medial": compartment(), "lateral": lateral},
    )


def facts(**changes: object) -> FilmFacts:
    """The film of `write_small_film`."""
    stated: dict[str, object] = {
        "source": "film.dcm",
        "sop_instance_uid": SOP_UID,
        "study_instance_uid": STUDY_UID,
        "rows": ROWS,
        "columns": COLUMNS,
        "pixel_spacing_mm": (0.15, 0.15),
        "spacing_origin": SpacingOrigin.PIXEL,
        "modality": "DX",
    }
    return FilmFacts(**{**stated, **changes})  # type: ignore[arg-type] # values of every kind


def graded_film() -> FilmGrades:
    """Both knees; the film is flagged."""
    knees = (graded_knee(Side.RIGHT), graded_knee(Side.LEFT, 3, 330.0))
    return FilmGrades(facts(), RELEASE, None, ("no_window",), knees)


def refused_film(code: ReasonCode = ReasonCode.NOT_A_KNEE) -> FilmGrades:
    """A film without a knee."""
    return FilmGrades(facts(), RELEASE, Refusal.because(code, "No frontal knee was found."))
