"""Many small films that differ, quickly: one phantom under new UIDs and with a few pixels changed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
from pydicom.uid import UID

from kneeoa.datasets.phantom import PhantomSpec, write_phantom
from kneeoa.model.radiograph import Side


def write_films(folder: Path, count: int, *, studies: int | None = None, start: int = 0) -> list[Path]:
    """Writes films.

    Args:
        folder: where to.
        count: how many.
        studies: among how many studies; by default each film is its own.
        start: number of the first; another number is another film.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pattern = folder / "pattern.dcm"
    if not pattern.exists():
        write_phantom(PhantomSpec(side=Side.RIGHT, grade=2, seed=7), pattern)
    film = pydicom.dcmread(pattern)
    pixels = np.array(film.pixel_array)
    paths = []
    for number in range(start, start + count):
        write_film(film, pixels, folder / f"{number}.dcm", number, number % (studies or count + start))
        paths.append(folder / f"{number}.dcm")
    return paths


def write_film(
    film: pydicom.Dataset,
    pixels: np.ndarray[tuple[int, int], np.dtype[np.generic]],
    path: Path,
    number: int,
    study: int,
) -> None:
    """Writes one of them."""
    film.SOPInstanceUID = film.file_meta.MediaStorageSOPInstanceUID = UID(f"1.2.826.0.1.3680043.9.99.7.{number}")
    film.StudyInstanceUID = UID(f"1.2.826.0.1.3680043.9.99.8.{study}")
    changed = pixels.copy()
    changed[0, :4] = [number % 1000, number // 1000, 1, 2]
    film.PixelData = changed.tobytes()
    film.save_as(path, enforce_file_format=True)


def with_other_pixels(source: Path, target: Path) -> Path:
    """The same film under the same UIDs, with another picture."""
    film = pydicom.dcmread(source)
    pixels = np.array(film.pixel_array)
    pixels[1, :4] += 1
    film.PixelData = pixels.tobytes()
    film.save_as(target, enforce_file_format=True)
    return target


def with_other_patient(source: Path, target: Path) -> Path:
    """The same film after its patient's name was corrected."""
    film = pydicom.dcmread(source)
    film.PatientName = "Panza^Sancho"
    film.save_as(target, enforce_file_format=True)
    return target
