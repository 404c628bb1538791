"""pydicom's bundled test objects: real CT, MR, ultrasound and other pictures, none of them a frontal knee."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pydicom
from PIL import Image
from pydicom.data.data_manager import DATA_ROOT
from pydicom.errors import InvalidDicomError

from kneeoa.model.grader import KneeGrader
from kneeoa.training.gate_places import Places, Scout, Spot, join, spot_at

PYDICOM = "pydicom_objects"
_FRAMES = 3
"""Of one object, at most; first, middle and last."""
_LEAST_PX = 8
"""Pictures of fewer rows or columns show nothing: there are objects of one pixel."""


@dataclass(frozen=True, slots=True)
class GradedObjects:
    """What `grade_file` made of the objects.

    Attributes:
        objects: with pixels, headers as they are.
        graded: of these, with a graded knee.
        pictures: bare pictures of them, without a header.
        pictures_graded: of these, with a graded knee.
    """

    objects: int
    graded: int
    pictures: int
    pictures_graded: int


def bundled_objects() -> list[Path]:
    """Pydicom's own test files that hold pixels, those that come with the package; nothing is fetched."""
    files = sorted(Path(DATA_ROOT, "test_files").rglob("*"))
    return [path for path in files if path.is_file() and _holds_pixels(path)]


def _holds_pixels(path: Path) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            dataset = pydicom.dcmread(path, stop_before_pixels=False)
        except (InvalidDicomError, OSError, ValueError, AttributeError, KeyError, NotImplementedError, TypeError):
            return False
        return "PixelData" in dataset


def pictures(path: Path) -> Iterator[npt.NDArray[np.uint8]]:
    """Bare pictures of an object: (rows, columns), darkest black and brightest white; none where it cannot be read."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            dataset = pydicom.dcmread(path)
            pixels = np.asarray(dataset.pixel_array, dtype=np.float64)
        except Exception:  # broken on purpose in a hundred ways: what cannot be read shows nothing
            return
        if int(dataset.get("SamplesPerPixel", 1)) > 1:
            pixels = pixels.mean(axis=-1)
    frames = pixels.reshape(-1, *pixels.shape[-2:])
    for i in sorted({0, len(frames) // 2, len(frames) - 1})[:_FRAMES]:
        frame = frames[i]
        if min(frame.shape) >= _LEAST_PX:
            low, high = float(frame.min()), float(frame.max())
            yield np.round((frame - low) * (255 / max(high - low, 1e-9))).astype(np.uint8)


def pydicom_places(scout: Scout) -> Places:
    """Every place that the finder names on a bare picture of an object; the surest is marked."""
    spots: list[Spot] = []
    parts: list[Places] = []
    for unit, picture in enumerate(picture for path in bundled_objects() for picture in pictures(path)):
        film = picture.astype(np.float32) / np.float32(255)
        for i, region in enumerate(scout.regions(film)):
            spots += spot_at(PYDICOM, unit, film, region, surest=i == 0)
        if len(spots) > 64:
            parts.append(scout.places(spots))
            spots = []
    return join([*parts, scout.places(spots)] if spots else parts)


def graded_objects(grader: KneeGrader) -> GradedObjects:
    """Runs every object through `grade_file`, with its header and as a bare picture.

    Args:
        grader: of the release.
    """
    paths = bundled_objects()
    graded = sum(_is_graded(grader, path) for path in paths)
    count = bare = 0
    with tempfile.TemporaryDirectory() as folder:
        picture_path = Path(folder) / "picture.png"
        for path in paths:
            for picture in pictures(path):
                Image.fromarray(picture).save(picture_path)
                count += 1
                bare += _is_graded(grader, picture_path)
    return GradedObjects(len(paths), graded, count, bare)


def _is_graded(grader: KneeGrader, path: Path) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return any(knee.refusal is None for knee in grader.grade_file(path).knees)
