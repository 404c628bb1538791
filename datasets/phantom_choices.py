"""The choices that a DICOM film leaves to whoever writes it, by name; `phantom_encoding` puts them together."""

from __future__ import annotations

from enum import StrEnum


class PhantomKind(StrEnum):
    """What is on the film: `FRAMED` is one frontal knee that fills it, the others are `film_truth.FilmKind`'s.

    They are named here anew, for the command line to know them without loading the composer.
    """

    FRAMED = "framed"
    SINGLE = "single"
    BILATERAL = "bilateral"
    TWO_EXPOSURES = "two_exposures"
    OTHER_LEG_CUT = "other_leg_cut"
    LONG_LEG = "long_leg"
    CUT_BY_EDGE = "cut_by_edge"
    STRIP = "strip"
    CROP = "crop"
    LATERAL = "lateral"
    SKYLINE = "skyline"
    OBLIQUE = "oblique"
    FOOT = "foot"
    ANKLE = "ankle"
    HAND = "hand"
    ELBOW = "elbow"
    SHOULDER = "shoulder"
    HIP = "hip"
    CHEST = "chest"
    SPINE = "spine"
    SKULL = "skull"
    SLICE = "slice"
    EMPTY = "empty"
    TEST_IMAGE = "test_image"
    SATURATED = "saturated"


class FilmObject(StrEnum):
    """Which information object definition the film follows (PS3.3 A.26, A.2, A.8.1); SC has the Modality OT."""

    DX = "DX"
    CR = "CR"
    SC = "SC"


class PhotometricInterpretation(StrEnum):
    """Photometric Interpretation (0028,0004), PS3.3 C.7.6.3.1.2; colours are grey ones, and for SC only."""

    MONOCHROME1 = "MONOCHROME1"
    MONOCHROME2 = "MONOCHROME2"
    RGB = "RGB"
    PALETTE_COLOR = "PALETTE COLOR"


class Window(StrEnum):
    """The VOI transformation that is stated, PS3.3 C.11.2.

    `LINEAR`, `LINEAR_EXACT`, `SIGMOID` (VOI LUT Function (0028,1056), C.11.2.1.2 and C.11.2.1.3), `VOI_LUT` (VOI LUT
    Sequence (0028,3010), C.11.2.1.1) and `SEVERAL` (the right one first) show the picture. `ABSENT` states none,
    `WRONG` one in which every pixel is black.
    """

    LINEAR = "linear"
    LINEAR_EXACT = "linear-exact"
    SIGMOID = "sigmoid"
    VOI_LUT = "voi-lut"
    SEVERAL = "several"
    ABSENT = "absent"
    WRONG = "wrong"


class SpacingStatement(StrEnum):
    """Which spacing is stated, PS3.3 10.7.1.3.

    Pixel Spacing (0028,0030) is in the plane of the joint, Imager Pixel Spacing (0018,1164) at the detector and larger
    by the magnification; Pixel Spacing Calibration Type (0028,0A02) says how the first was found. `BOTH` is what the
    information object definition has of the two.
    """

    BOTH = "both"
    PIXEL = "pixel"
    IMAGER = "imager"
    NONE = "none"


class LateralityStatement(StrEnum):
    """What tells the patient's side.

    `IMAGE_LATERALITY` (0020,0062), PS3.3 C.8.11.2; `LATERALITY` (0020,0060) of the series, C.7.3.1; `ANATOMIC_REGION`,
    a laterality of CID 244 in Anatomic Region Modifier Sequence (0008,2220), 10.5; `FRAME_ANATOMY`, Frame Laterality
    (0020,9072), C.7.6.16.2.8, which belongs to multi-frame objects and is met elsewhere; `PATIENT_ORIENTATION`, only
    (0020,0020) and the picture; `NONE`; `CONFLICTING`, the image says one side and the series the other.
    """

    IMAGE_LATERALITY = "image-laterality"
    LATERALITY = "laterality"
    ANATOMIC_REGION = "anatomic-region"
    FRAME_ANATOMY = "frame-anatomy"
    PATIENT_ORIENTATION = "patient-orientation"
    NONE = "none"
    CONFLICTING = "conflicting"


class ViewStatement(StrEnum):
    """Where the view is stated: View Position (0018,5101), View Code Sequence (0054,0220), what the IOD has, or not."""

    BOTH = "both"
    POSITION = "position"
    CODE = "code"
    NONE = "none"
