"""Films for the tests of the reader: DX objects made from arrays, written where pytest cleans up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from pydicom import Dataset

from kneeoa.datasets.transfer_syntax import encode

PATIENT = {
    "PatientName": "Quixote^Alonso",
    "PatientID": "MRN-7734012",
    "PatientBirthDate": "19470929",
    "StudyInstanceUID": "1.2.826.0.1.3680043.9.99.1",
    "SeriesInstanceUID": "1.2.826.0.1.3680043.9.99.2",
    "SOPInstanceUID": "1.2.826.0.1.3680043.9.99.3",
}


def make_film(pixels: npt.NDArray[np.generic], **attributes: object) -> Dataset:
    film = Dataset()
    film.SOPClassUID = "1.2.840.10008.5.1.4.1.1.1.1"
    film.Modality = "DX"
    film.PatientAge = "065Y"
    film.BodyPartExamined = "KNEE"
    film.ViewPosition = "AP"
    film.ImageLaterality = "R"
    film.Rows, film.Columns = pixels.shape[:2]
    film.SamplesPerPixel = 1 if pixels.ndim == 2 else pixels.shape[2]
    film.PhotometricInterpretation = "MONOCHROME2" if pixels.ndim == 2 else "RGB"
    film.BitsAllocated = pixels.dtype.itemsize * 8
    film.BitsStored = 12 if pixels.dtype.itemsize == 2 else film.BitsAllocated
    film.HighBit = film.BitsStored - 1
    film.PixelRepresentation = int(pixels.dtype.kind == "i")
    content = pixels.tobytes()
    film.PixelData = content + b"\0" * (len(content) % 2)
    film["PixelData"].VR = "OW"
    for name, value in {**PATIENT, **attributes}.items():
        if value is None:
            delattr(film, name)
        else:
            setattr(film, name, value)
    return film


@pytest.fixture(scope="session")
def patient() -> dict[str, str]:
    """What must never stand in a message."""
    return dict(PATIENT)


@pytest.fixture(scope="session")
def bone() -> npt.NDArray[np.uint16]:
    """(48, 40) uint16 of 12 bits: a bright column on a dark, uneven ground, its upper left corner blackest."""
    rows, columns = np.mgrid[:48, :40]
    ground = 300 + 5 * rows + 4 * columns
    film: npt.NDArray[np.uint16] = np.where((columns >= 15) & (columns < 25), 3000 + 4 * rows, ground).astype(np.uint16)
    return film


@pytest.fixture(scope="session")
def film() -> Callable[..., Dataset]:
    """Makes an uncompressed DX of an array; keywords set attributes, None deletes one."""
    return make_film


@pytest.fixture
def saved(tmp_path: Path) -> Callable[..., Path]:
    """Writes a data set in a transfer syntax and returns the file."""

    def save(dataset: Dataset, transfer_syntax_uid: str = "1.2.840.10008.1.2.1") -> Path:
        path = tmp_path / "film.dcm"
        encode(dataset, transfer_syntax_uid).save_as(path, enforce_file_format=True)
        return path

    return save
