"""A synthetic film as a DICOM object that any archive takes: Digital X-Ray Image, For Presentation.

The patient is invented and says so in name and identifier; UIDs are hashes, so that equal films are one object.
"""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian

from kneeoa.model.radiograph import FloatImage, Side

BITS_STORED = 12
MAGNIFICATION = 1.1
"""The knee stands before the detector, so its shadow is larger: Imager Pixel Spacing over Pixel Spacing."""


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
        view_position: View Position (0018,5101), "PA" or "LL".
        photometric: how the pixels are stored; what is displayed is the same.
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
    dataset = Dataset()
    dataset.SOPClassUID = DigitalXRayImageStorageForPresentation
    dataset.SOPInstanceUID = uid(f"image {header.image_key} {header.photometric}")
    _patient_and_study(dataset, header)
    _series_and_equipment(dataset, header)
    _anatomy_and_view(dataset, header)
    _detector(dataset, header)
    _image(dataset, pixels, header.photometric)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta = meta
    return dataset


def uid(key: str) -> str:
    """The same UID for the same key, in the arc that needs no registration.

    References:
        PS3.5 B.2 (UUID derived UID).
    """
    digest = hashlib.sha256(f"kneeoa phantom {key}".encode()).digest()
    return f"2.25.{uuid.UUID(bytes=digest[:16], version=5).int}"


def _patient_and_study(dataset: Dataset, header: FilmHeader) -> None:
    dataset.PatientName = "PHANTOM^KNEE"
    dataset.PatientID = header.patient_id
    dataset.PatientBirthDate = "19600101"
    dataset.PatientSex = "O"
    dataset.PatientAge = "064Y"
    dataset.StudyInstanceUID = uid(f"study {header.study_key}")
    dataset.StudyDate = dataset.SeriesDate = dataset.AcquisitionDate = dataset.ContentDate = "20240102"
    dataset.StudyTime = dataset.SeriesTime = dataset.AcquisitionTime = dataset.ContentTime = "080000"
    dataset.ReferringPhysicianName = ""
    dataset.StudyID = "1"
    dataset.AccessionNumber = ""
    dataset.StudyDescription = "Synthetic knee, no patient"


def _series_and_equipment(dataset: Dataset, header: FilmHeader) -> None:
    dataset.Modality = "DX"
    dataset.SeriesInstanceUID = uid(f"series {header.study_key} {header.side}")
    dataset.SeriesNumber = 1
    dataset.SeriesDescription = "Knee, synthetic"
    dataset.PresentationIntentType = "FOR PRESENTATION"
    dataset.Manufacturer = "KneeOA"
    dataset.ManufacturerModelName = "phantom"


def _anatomy_and_view(dataset: Dataset, header: FilmHeader) -> None:
    dataset.BodyPartExamined = "KNEE"
    dataset.ImageLaterality = "B" if header.side is Side.UNKNOWN else header.side.value
    dataset.AnatomicRegionSequence = [_code("72696002", "Knee")]
    dataset.ViewPosition = header.view_position
    # PS3.16 CID 4010.
    frontal = header.view_position == "PA"
    view = _code("272479007", "postero-anterior") if frontal else _code("399173006", "left lateral")
    view.ViewModifierCodeSequence = []
    dataset.ViewCodeSequence = [view]
    # As displayed: to image right lies the patient's left (of a lateral: his front), down lie the feet.
    dataset.PatientOrientation = ["L" if frontal else "A", "F"]
    dataset.PositionerType = "NONE"
    dataset.AcquisitionContextSequence = []


def _detector(dataset: Dataset, header: FilmHeader) -> None:
    dataset.DetectorType = "DIRECT"
    dataset.DetectorID = "PHANTOM"
    dataset.PixelSpacing = [_decimal(header.pixel_spacing_mm)] * 2
    dataset.ImagerPixelSpacing = [_decimal(header.pixel_spacing_mm * MAGNIFICATION)] * 2
    dataset.EstimatedRadiographicMagnificationFactor = _decimal(MAGNIFICATION)
    dataset.PixelSpacingCalibrationType = "GEOMETRY"
    dataset.PixelSpacingCalibrationDescription = "Known, because drawn"


def _image(dataset: Dataset, pixels: FloatImage, photometric: Photometric) -> None:
    largest = (1 << BITS_STORED) - 1
    stored: npt.NDArray[np.uint16] = np.round(pixels * np.float32(largest)).astype("<u2")
    inverted = photometric is Photometric.MONOCHROME1
    dataset.ImageType = ["ORIGINAL", "PRIMARY"]
    dataset.InstanceNumber = 1
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = photometric.value
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.BitsAllocated = 16
    dataset.BitsStored = BITS_STORED
    dataset.HighBit = BITS_STORED - 1
    dataset.PixelRepresentation = 0
    dataset.PixelIntensityRelationship = "LOG"
    # 1: more X-rays, larger values. In MONOCHROME2 bone, which few X-rays pass, has the large ones.
    dataset.PixelIntensityRelationshipSign = 1 if inverted else -1
    dataset.RescaleIntercept = "0"
    dataset.RescaleSlope = "1"
    dataset.RescaleType = "US"
    dataset.PresentationLUTShape = "INVERSE" if inverted else "IDENTITY"
    dataset.LossyImageCompression = "00"
    dataset.BurnedInAnnotation = "NO"
    # PS3.3 C.11.2.1.2: this centre and width map 0 to black and 4095 to white exactly.
    dataset.WindowCenter = str(1 << (BITS_STORED - 1))
    dataset.WindowWidth = str(1 << BITS_STORED)
    dataset.PixelData = (largest - stored if inverted else stored).astype("<u2").tobytes()


def _code(value: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue = value
    item.CodingSchemeDesignator = "SCT"
    item.CodeMeaning = meaning
    return item


def _decimal(number: float) -> str:
    """A decimal string of at most 16 characters, PS3.5 section 6.2."""
    return f"{number:.10g}"
