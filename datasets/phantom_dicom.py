"""A picture as a DICOM object that any archive takes: Digital X-Ray, Computed Radiography or Secondary Capture.

The patient is invented and says so in name and identifier; UIDs are hashes, so that equal films are one object.
"""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    SecondaryCaptureImageStorage,
)

from kneeoa.datasets.phantom_choices import FilmObject, PhotometricInterpretation
from kneeoa.datasets.phantom_encoding import FilmEncoding
from kneeoa.datasets.phantom_pixels import add_pixels
from kneeoa.datasets.phantom_statements import state_anatomy, state_orientation, state_spacing, state_view
from kneeoa.datasets.transfer_syntax import encode
from kneeoa.model.radiograph import FloatImage, Side

_CLASSES = MappingProxyType(
    {
        FilmObject.DX: DigitalXRayImageStorageForPresentation,
        FilmObject.CR: ComputedRadiographyImageStorage,
        FilmObject.SC: SecondaryCaptureImageStorage,
    }
)
_STUDY_YEAR = 2024


class Photometric(StrEnum):
    """Photometric Interpretation (0028,0004): whether the smallest stored value is shown white or black."""

    MONOCHROME1 = "MONOCHROME1"
    MONOCHROME2 = "MONOCHROME2"


@dataclass(frozen=True, slots=True)
class FilmHeader:
    """What a film says about itself besides its pixels.

    Attributes:
        patient_id: invented identifier.
        side: the knee; `Side.UNKNOWN` stands for both, Image Laterality B.
        pixel_spacing_mm: millimetres per pixel in the joint's plane, both ways.
        study_key: films with equal keys belong to one study.
        image_key: whatever tells this film from all others.
        view_position: View Position (0018,5101): "PA", "AP", "LL", "RL", ...
        photometric: how `dx_dataset` stores the pixels; what is displayed is the same.
    """

    patient_id: str
    side: Side
    pixel_spacing_mm: float
    study_key: str
    image_key: str
    view_position: str = "PA"
    photometric: Photometric = Photometric.MONOCHROME2


def dx_dataset(pixels: FloatImage, header: FilmHeader) -> Dataset:
    """A film as a Digital X-Ray object with 12 bits stored.

    Args:
        pixels: (rows, columns) float32 in [0, 1]; bone is bright.
        header: what it says about itself.

    Returns:
        A data set with file meta information, ready to be saved or sent.

    References:
        PS3.3 A.26 (DX IOD), C.8.11.1 to C.8.11.5 (DX Series, Anatomy, Image, Detector, Positioning).
    """
    return film_dataset(pixels, header, FilmEncoding(photometric=PhotometricInterpretation(header.photometric.value)))


def film_dataset(pixels: FloatImage, header: FilmHeader, encoding: FilmEncoding) -> Dataset:
    """A film as the DICOM object that an encoding asks for.

    Args:
        pixels: (rows, columns) float32 in [0, 1]; bone is bright; as displayed.
        header: what it says about itself; `encoding.photometric` goes before the header's.
        encoding: how it is stored, and what of the header is stated where.

    Returns:
        A data set with file meta information, ready to be saved or sent.

    Raises:
        ValueError: Laterality (0020,0060) cannot say both; or padding leaves nothing of the picture.

    References:
        PS3.3 A.26 (DX), A.2 (CR), A.8.1 (SC); C.8.11.1 to C.8.11.5, C.8.1.1 and C.8.1.2, C.8.6.1 and C.8.6.2.
    """
    if 2 * encoding.padding_px >= min(pixels.shape):
        raise ValueError(f"Padding of {encoding.padding_px} pixels leaves nothing of a {pixels.shape} picture.")
    dataset = Dataset()
    dataset.SOPClassUID = _CLASSES[encoding.film_object]
    dataset.SOPInstanceUID = uid(f"image {header.image_key} {encoding!r}")
    _patient_and_study(dataset, header, encoding)
    _series_and_equipment(dataset, header, encoding)
    state_anatomy(dataset, header.side, encoding)
    state_view(dataset, header.view_position, encoding)
    state_orientation(dataset, header.view_position, encoding)
    state_spacing(dataset, header.pixel_spacing_mm, encoding)
    _image(dataset, encoding)
    add_pixels(dataset, _as_stored(pixels, encoding), encoding)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta = meta
    return dataset if encoding.transfer_syntax == ExplicitVRLittleEndian else encode(dataset, encoding.transfer_syntax)


def uid(key: str) -> str:
    """The same UID for the same key, in the arc that needs no registration.

    References:
        PS3.5 B.2 (UUID derived UID).
    """
    digest = hashlib.sha256(f"kneeoa phantom {key}".encode()).digest()
    return f"2.25.{uuid.UUID(bytes=digest[:16], version=5).int}"


def _as_stored(pixels: FloatImage, encoding: FilmEncoding) -> FloatImage:
    flipped = pixels[:, ::-1] if encoding.mirrored else pixels
    return np.ascontiguousarray(np.rot90(flipped, -(encoding.rotation_degrees // 90)))


def _patient_and_study(dataset: Dataset, header: FilmHeader, encoding: FilmEncoding) -> None:
    age = encoding.age_years
    dataset.PatientName = "PHANTOM^KNEE"
    dataset.PatientID = header.patient_id
    dataset.PatientBirthDate = "" if age is None else f"{_STUDY_YEAR - age}0101"
    dataset.PatientSex = "O"
    if age is not None:
        dataset.PatientAge = f"{age:03d}Y"
    dataset.StudyInstanceUID = uid(f"study {header.study_key}")
    dataset.StudyDate = dataset.SeriesDate = dataset.AcquisitionDate = dataset.ContentDate = f"{_STUDY_YEAR}0102"
    dataset.StudyTime = dataset.SeriesTime = dataset.AcquisitionTime = dataset.ContentTime = "080000"
    dataset.ReferringPhysicianName = ""
    dataset.StudyID = "1"
    dataset.AccessionNumber = ""
    dataset.StudyDescription = "Synthetic knee, no patient"


def _series_and_equipment(dataset: Dataset, header: FilmHeader, encoding: FilmEncoding) -> None:
    kind = encoding.film_object
    dataset.Modality = "OT" if kind is FilmObject.SC else kind.value
    dataset.SeriesInstanceUID = uid(f"series {header.study_key} {header.side} {kind} {encoding.laterality}")
    dataset.SeriesNumber = 1
    dataset.SeriesDescription = "Knee, synthetic"
    dataset.Manufacturer = "KneeOA"
    dataset.ManufacturerModelName = "phantom"
    if kind is FilmObject.SC:
        dataset.ConversionType = "SYN"
    elif kind is FilmObject.DX:
        dataset.PresentationIntentType = "FOR PRESENTATION"
        dataset.DetectorType = "DIRECT"
        dataset.DetectorID = "PHANTOM"
        dataset.PositionerType = "NONE"
        dataset.AcquisitionContextSequence = []


def _image(dataset: Dataset, encoding: FilmEncoding) -> None:
    dataset.ImageType = ["ORIGINAL", "PRIMARY"]
    dataset.InstanceNumber = 1
    dataset.LossyImageCompression = "00"
    dataset.BurnedInAnnotation = "NO"
    if encoding.film_object is FilmObject.DX:
        inverted = encoding.photometric is PhotometricInterpretation.MONOCHROME1
        dataset.PixelIntensityRelationship = "LOG"
        # 1: more X-rays, larger values. In MONOCHROME2 bone, which few X-rays pass, has the large ones.
        dataset.PixelIntensityRelationshipSign = 1 if inverted else -1
        dataset.PresentationLUTShape = "INVERSE" if inverted else "IDENTITY"
