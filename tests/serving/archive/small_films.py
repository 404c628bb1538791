"""Small films of both knees, quick to grade, and a folder of them."""

from __future__ import annotations

from pathlib import Path

from kneeoa.datasets.phantom import PhantomSpec
from kneeoa.datasets.phantom_dicom import FilmHeader, dx_dataset
from kneeoa.datasets.phantom_films import two_knee_phantom
from kneeoa.model.radiograph import Side

SHAPE = (480, 400)


def write_small_films(folder: Path, count: int) -> None:
    """Writes so many different films, and a file that is none."""
    folder.mkdir()
    for number in range(count):
        pixels = two_knee_phantom(PhantomSpec(Side.RIGHT, number % 5, number), SHAPE)
        header = FilmHeader(f"PHANTOM-{number}", Side.UNKNOWN, 0.9, f"study {number}", f"film {number}")
        dx_dataset(pixels, header).save_as(folder / f"{number:03d}.dcm", enforce_file_format=True)
    (folder / "notes.txt").write_text("no film")
