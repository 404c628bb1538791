"""A film's report as a picture in the study: a Secondary Capture of the annotated knees, made by highdicom.

References:
    PS3.3 A.8.1 (Secondary Capture Image IOD), C.8.6.
"""

from __future__ import annotations

import numpy as np
from highdicom.sc import SCImage
from PIL import Image
from pydicom import Dataset
from pydicom.sr.codedict import codes as standard
from pydicom.uid import ExplicitVRLittleEndian

from kneeoa.model.radiograph import Side
from kneeoa.serving.results.result_object import (
    CAPTURE_SERIES,
    DEVICE,
    MANUFACTURER,
    ResultSource,
    take_over,
    to_bytes,
)

SERIES_DESCRIPTION = "KneeOA picture (AI, not for sole diagnosis)"


def secondary_capture(of: ResultSource, picture: Image.Image) -> bytes:
    """The Secondary Capture of one film.

    Args:
        of: the film and its report.
        picture: as `capture_picture` draws it.

    Returns:
        A DICOM file.
    """
    result = SCImage(
        pixel_array=np.asarray(picture.convert("RGB"), dtype=np.uint8),
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        study_instance_uid=of.film.study_instance_uid,
        series_instance_uid=of.series_uid("secondary capture series"),
        series_number=CAPTURE_SERIES,
        sop_instance_uid=of.capture_uid,
        instance_number=1,
        manufacturer=MANUFACTURER,
        # Required by highdicom; a page of film, close-ups and table has none, and it is emptied below (type 2C).
        patient_orientation=("L", "F"),
        transfer_syntax_uid=ExplicitVRLittleEndian,
        series_description=SERIES_DESCRIPTION,
        manufacturer_model_name=DEVICE,
        device_serial_number=of.grades.release.sha256[:64],
    )
    result["PatientOrientation"].value = None
    result["PixelData"].VR = "OB"  # 8 bits (PS3.5 A.2); left open by highdicom
    result.ConversionType = "WSD"
    result.SecondaryCaptureDeviceManufacturer = MANUFACTURER
    result.SecondaryCaptureDeviceManufacturerModelName = DEVICE
    result.SecondaryCaptureDeviceSoftwareVersions = list(of.versions)
    result["DateOfSecondaryCapture"].value = of.made.strftime("%Y%m%d")
    result["TimeOfSecondaryCapture"].value = of.made.strftime("%H%M%S")
    result.BodyPartExamined = "KNEE"
    result.BurnedInAnnotation = "YES"
    result.LossyImageCompression = "00"
    result.ImageComments = "Made by AI. Not for sole diagnosis."
    result.SourceImageSequence = [_source(of)]
    sides = {knee.side for knee in of.grades.knees}
    if len(sides) == 1 and (side := next(iter(sides))) is not Side.UNKNOWN:
        result.Laterality = side.value
    else:
        # Laterality (0020,0060) knows one side only: PS3.3 C.7.6.1 has both in the image's.
        result.ImageLaterality = "B" if {Side.RIGHT, Side.LEFT} <= sides else "U"
    take_over(result, of)
    return to_bytes(result)


def _source(of: ResultSource) -> Dataset:
    source = Dataset()
    source.ReferencedSOPClassUID = of.film.sop_class_uid
    source.ReferencedSOPInstanceUID = of.film.sop_instance_uid
    purpose = standard.DCM.SourceImageForImageProcessingOperation
    code = Dataset()
    code.CodeValue = purpose.value
    code.CodingSchemeDesignator = purpose.scheme_designator
    code.CodeMeaning = purpose.meaning
    source.PurposeOfReferenceCodeSequence = [code]
    return source
