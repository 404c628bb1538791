"""A synthetic frontal knee with known truth: for demonstrations, tests and pictures, never for training or judging.

Shape and look are drawn from statistics of real knees (`knee_statistics`), so it looks like a radiograph at first sight
and a network may grade it; the joint space is set to a width that is known to the last digit. No patient is behind it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset

from kneeoa.datasets.phantom_anatomy import FRAME_MM, draw_knee
from kneeoa.datasets.phantom_dicom import FilmHeader, Photometric, dx_dataset
from kneeoa.datasets.phantom_frame import Frame, with_marker
from kneeoa.datasets.phantom_outlines import Points
from kneeoa.datasets.phantom_rendering import render_knee
from kneeoa.model.radiograph import FloatImage, Side

DEFAULT_SIZE = (1200, 1200)
"""Rows and columns; with the training crops' frame that is 0.076 mm a pixel."""


@dataclass(frozen=True, slots=True)
class PhantomSpec:
    """What to draw; equal specs give equal films to the last bit on one machine.

    Attributes:
        side: `Side.RIGHT` or `Side.LEFT`.
        grade: nominal Kellgren-Lawrence grade, 0-4.
        seed: the invented person; not negative.
        size: rows and columns in pixels, at least 64 each.
        pixel_spacing_mm: millimetres per pixel in the joint's plane, 0.02 to 2; None frames the knee as the training
            crops do, the 75 mm plateau over 82 % of the width. What lies beyond is not drawn well: films with legs
            come from `phantom_films`.
        marker: whether a lead letter R or L lies beside the knee.
        medial_jsw_mm: minimum joint space width of the medial compartment, 0 to 8; None draws one that fits the grade.
        lateral_jsw_mm: likewise of the lateral one.

    Raises:
        ValueError: one of these is out of its range.
    """

    side: Side = Side.RIGHT
    grade: int = 0
    seed: int = 0
    size: tuple[int, int] = DEFAULT_SIZE
    pixel_spacing_mm: float | None = None
    marker: bool = True
    medial_jsw_mm: float | None = None
    lateral_jsw_mm: float | None = None

    def __post_init__(self) -> None:
        if self.side is Side.UNKNOWN:
            raise ValueError("A phantom has a side: give Side.RIGHT or Side.LEFT.")
        if self.grade not in range(5):
            raise ValueError(f"A phantom's grade is 0, 1, 2, 3 or 4, not {self.grade}.")
        if self.seed < 0 or min(self.size) < 64:
            raise ValueError(f"Seed {self.seed} must not be negative, and size {self.size} must be 64 or more each.")
        if self.pixel_spacing_mm is not None and not 0.02 <= self.pixel_spacing_mm <= 2.0:
            raise ValueError(f"A pixel spacing of {self.pixel_spacing_mm} mm is not one of a radiograph: 0.02 to 2.")

        for width in (self.medial_jsw_mm, self.lateral_jsw_mm):
            if width is not None and not 0 <= width <= 8:
                raise ValueError(f"A joint space of {width} mm is not one of a knee: 0 to 8.")

    @property
    def spacing_mm(self) -> float:
        """Millimetres per pixel, worked out where the spec leaves it open."""
        return FRAME_MM / self.size[1] if self.pixel_spacing_mm is None else self.pixel_spacing_mm


@dataclass(frozen=True, slots=True, eq=False)
class Phantom:
    """A synthetic knee and its truth. Points are (row, column); the centre of the top-left pixel is (0, 0).

    Attributes:
        spec: what was asked for.
        pixels: (rows, columns) float32 in [0, 1]; bone is bright; as displayed: a left knee has medial at image left.
        joint_centre: in the middle of the plateau's width, midway between the roof of the notch and the plateaus.
        plateau_width_px: width of the tibial plateau without osteophytes; 82 % of the frame in the mean person.
        femur_edge: (points, 2) float64, lower border of the femur, from the lateral to the medial margin.
        tibia_edge: (points, 2) float64, upper border of the tibia, likewise.
        medial_jsw_mm: minimum joint space width of the medial compartment in millimetres; 0 is bone on bone.
        lateral_jsw_mm: likewise of the lateral compartment.
    """

    spec: PhantomSpec
    pixels: FloatImage
    joint_centre: tuple[float, float]
    plateau_width_px: float
    femur_edge: Points
    tibia_edge: Points
    medial_jsw_mm: float
    lateral_jsw_mm: float

    @property
    def plateau_ends(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """The (lateral, medial) margin of the plateau as (row, column): where the border turns down, lips included."""
        (lateral, medial) = self.tibia_edge[0], self.tibia_edge[-1]
        return (float(lateral[0]), float(lateral[1])), (float(medial[0]), float(medial[1]))


def make_phantom(spec: PhantomSpec) -> Phantom:
    """Draws a knee.

    Args:
        spec: what to draw.

    Returns:
        Pixels and truth, the same for the same spec.
    """
    rows, columns = spec.size
    return _draw(spec, ((rows - 1) / 2, (columns - 1) / 2))


def phantom_dataset(spec: PhantomSpec, photometric: Photometric = Photometric.MONOCHROME2) -> Dataset:
    """The phantom as a DICOM object: Digital X-Ray Image, For Presentation, 12 bits stored.

    Args:
        spec: what to draw.
        photometric: how the pixels are stored; both look the same on a viewer.
    """
    header = FilmHeader(
        patient_id=f"PHANTOM-{spec.seed}",
        side=spec.side,
        pixel_spacing_mm=spec.spacing_mm,
        study_key=str(spec.seed),
        image_key=repr(spec),
        photometric=photometric,
    )
    return dx_dataset(make_phantom(spec).pixels, header)


def write_phantom(spec: PhantomSpec, path: Path, photometric: Photometric = Photometric.MONOCHROME2) -> Path:
    """Writes `phantom_dataset` as a DICOM file and returns its path; the folder must exist."""
    phantom_dataset(spec, photometric).save_as(path, enforce_file_format=True)
    return path


def _draw(spec: PhantomSpec, origin: tuple[float, float]) -> Phantom:
    rows, columns = spec.size
    rng = np.random.default_rng(int.from_bytes(hashlib.sha256(f"{spec.seed} {spec.side}".encode()).digest()[:8]))
    knee = draw_knee(spec.grade, rng, spec.medial_jsw_mm, spec.lateral_jsw_mm)
    frame = Frame(rows, columns, origin, spec.spacing_mm)
    pixels = render_knee(knee, frame, rng)
    edges = [frame.pixels(edge) for edge in (knee.femur_edge, knee.tibia_edge)]
    centre = frame.pixels(np.array(knee.joint_centre_mm))
    if spec.side is Side.LEFT:
        pixels = np.ascontiguousarray(pixels[:, ::-1])
        edges = [np.stack([edge[:, 0], columns - 1 - edge[:, 1]], axis=1) for edge in edges]
        centre = np.array((centre[0], columns - 1 - centre[1]))
        frame = replace(frame, origin=(origin[0], columns - 1 - origin[1]))
    if spec.marker:
        pixels = with_marker(pixels, spec.side, frame)
    return Phantom(
        spec=spec,
        pixels=pixels,
        joint_centre=(float(centre[0]), float(centre[1])),
        plateau_width_px=(knee.plateau_mm[1] - knee.plateau_mm[0]) / spec.spacing_mm,
        femur_edge=edges[0],
        tibia_edge=edges[1],
        medial_jsw_mm=knee.medial_jsw_mm,
        lateral_jsw_mm=knee.lateral_jsw_mm,
    )
