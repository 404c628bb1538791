"""Synthetic films in every DICOM encoding: the same picture, stored and described as another scanner would."""

from __future__ import annotations

from pathlib import Path

from pydicom.dataset import Dataset

from kneeoa.datasets.phantom import PhantomSpec, make_phantom
from kneeoa.datasets.phantom_dicom import FilmHeader, film_dataset
from kneeoa.datasets.phantom_encoding import FilmEncoding
from kneeoa.datasets.phantom_films import FilmSpec, film_phantom_dataset


def variant_dataset(spec: PhantomSpec | FilmSpec, encoding: FilmEncoding) -> Dataset:
    """The phantom as the DICOM object that an encoding asks for.

    Args:
        spec: the framed knee, or the film, to draw.
        encoding: how it is stored and described.

    Returns:
        A data set with file meta information, ready to be saved or sent.
    """
    if isinstance(spec, FilmSpec):
        return film_phantom_dataset(spec, encoding)
    header = FilmHeader(
        patient_id=f"PHANTOM-{spec.seed}",
        side=spec.side,
        pixel_spacing_mm=spec.spacing_mm,
        study_key=str(spec.seed),
        image_key=repr(spec),
    )
    return film_dataset(make_phantom(spec).pixels, header, encoding)


def write_variant(spec: PhantomSpec | FilmSpec, encoding: FilmEncoding, path: Path) -> Path:
    """Writes `variant_dataset` as a DICOM file and returns its path; the folder must exist."""
    variant_dataset(spec, encoding).save_as(path, enforce_file_format=True)
    return path
