"""What a film's header says of side, view, orientation and spacing, each where the encoding wants it said."""

from __future__ import annotations

from types import MappingProxyType

from pydicom.dataset import Dataset

from kneeoa.datasets.phantom_choices import FilmObject, LateralityStatement, SpacingStatement, ViewStatement
from kneeoa.datasets.phantom_encoding import FilmEncoding
from kneeoa.model.radiograph import Side

MAGNIFICATION = 1.1
"""The knee stands before the detector, so its shadow is larger: Imager Pixel Spacing over Pixel Spacing."""
FRONTAL = frozenset({"PA", "AP"})
# PS3.16 CID 244, by Image Laterality's letters.
_SIDES = MappingProxyType({"R": ("24028007", "Right"), "L": ("7771000", "Left"), "B": ("51440002", "Bilateral")})
# PS3.16 CID 4010, by View Position's terms.
_VIEWS = MappingProxyType(
    {
        "PA": ("272479007", "postero-anterior"),
        "AP": ("399348003", "antero-posterior"),
        "LL": ("399173006", "left lateral"),
        "RL": ("399198007", "right lateral"),
    }
)
_OPPOSITE = MappingProxyType({"L": "R", "R": "L", "A": "P", "P": "A", "H": "F", "F": "H"})


def state_anatomy(dataset: Dataset, side: Side, encoding: FilmEncoding) -> None:
    """States body part and side.

    Args:
        dataset: gets the attributes.
        side: the knee; `Side.UNKNOWN` stands for both.
        encoding: its `body_part` and `laterality` decide what is stated.

    Raises:
        ValueError: Laterality (0020,0060), which is R or L, would have to say both.

    References:
        PS3.3 C.7.3.1 (Laterality), C.8.11.2 (Image Laterality), 10.5 (Anatomic Region and its Modifier Sequence),
        C.7.6.16.2.8 (Frame Anatomy); PS3.16 CID 244 (Laterality).
    """
    by = encoding.laterality
    letter = "B" if side is Side.UNKNOWN else side.value
    if letter == "B" and by in {LateralityStatement.LATERALITY, LateralityStatement.CONFLICTING}:
        raise ValueError("Laterality (0020,0060) is R or L and cannot say both: state it elsewhere.")
    if encoding.body_part is not None or encoding.film_object is FilmObject.CR:  # type 2 in CR
        dataset.BodyPartExamined = encoding.body_part or ""
    if by in {LateralityStatement.IMAGE_LATERALITY, LateralityStatement.CONFLICTING}:
        dataset.ImageLaterality = letter
    if by is LateralityStatement.CONFLICTING:
        dataset.Laterality = _OPPOSITE[letter]
    elif by is not LateralityStatement.IMAGE_LATERALITY:
        # Type 2C, of a paired part without Image Laterality: empty where it does not tell the side.
        dataset.Laterality = letter if by is LateralityStatement.LATERALITY else ""
    region = _code("72696002", "Knee")
    if by is LateralityStatement.ANATOMIC_REGION:
        region.AnatomicRegionModifierSequence = [_code(*_SIDES[letter])]
    if by is LateralityStatement.FRAME_ANATOMY:
        frame = Dataset()
        frame.FrameLaterality = letter
        frame.AnatomicRegionSequence = [_code("72696002", "Knee")]
        dataset.FrameAnatomySequence = [frame]
    if encoding.film_object is FilmObject.DX or by is LateralityStatement.ANATOMIC_REGION:
        named = encoding.body_part == "KNEE" or by is LateralityStatement.ANATOMIC_REGION
        dataset.AnatomicRegionSequence = [region] if named else []  # type 2 in DX


def state_view(dataset: Dataset, view_position: str, encoding: FilmEncoding) -> None:
    """States the view as term, as code, both or not at all; a view without a code here has none.

    Of both, CR knows only the term and Secondary Capture only the code.

    References:
        PS3.3 C.8.11.5 and C.8.1.1 (View Position, View Code Sequence), PS3.16 CID 4010 (DX View).
    """
    kind, by = encoding.film_object, encoding.view
    if by is ViewStatement.POSITION or (by is ViewStatement.BOTH and kind is not FilmObject.SC):
        dataset.ViewPosition = view_position
    elif kind is FilmObject.CR:  # type 2
        dataset.ViewPosition = ""
    coded = by is ViewStatement.CODE or (by is ViewStatement.BOTH and kind is not FilmObject.CR)
    if coded and view_position in _VIEWS:
        view = _code(*_VIEWS[view_position])
        if kind is FilmObject.DX:  # type 2
            view.ViewModifierCodeSequence = []
        dataset.ViewCodeSequence = [view]


def state_orientation(dataset: Dataset, view_position: str, encoding: FilmEncoding) -> None:
    """States how the stored picture lies: the direction of its rows, to the right, and of its columns, down.

    A picture as displayed has the patient's left (of a lateral: his front) at image right and the feet down.

    References:
        PS3.3 C.7.6.1.1.1 (Patient Orientation).
    """
    if not encoding.patient_orientation:
        if encoding.film_object is not FilmObject.DX:  # type 2C
            dataset.PatientOrientation = ""
        return
    row, column = "L" if view_position in FRONTAL else "A", "F"
    if encoding.mirrored:
        row = _OPPOSITE[row]
    for _ in range(encoding.rotation_degrees // 90):
        # Clockwise, what pointed up comes to point right, and what pointed right, down.
        row, column = _OPPOSITE[column], row
    dataset.PatientOrientation = [row, column]


def state_spacing(dataset: Dataset, pixel_spacing_mm: float, encoding: FilmEncoding) -> None:
    """States the spacing in the joint's plane, at the detector, both or none; of both, SC knows only the first.

    Args:
        dataset: gets the attributes.
        pixel_spacing_mm: millimetres per pixel in the joint's plane.
        encoding: its `spacing` decides what is stated.

    References:
        PS3.3 10.7.1.1 and 10.7.1.3 (calibration; projection radiography), C.8.11.4 (DX Detector).
    """
    if encoding.spacing in {SpacingStatement.PIXEL, SpacingStatement.BOTH}:
        dataset.PixelSpacing = [_decimal(pixel_spacing_mm)] * 2
        dataset.PixelSpacingCalibrationType = "GEOMETRY"
        dataset.PixelSpacingCalibrationDescription = "Known, because drawn"
    both = encoding.spacing is SpacingStatement.BOTH
    if encoding.spacing is SpacingStatement.IMAGER or (both and encoding.film_object is not FilmObject.SC):
        dataset.ImagerPixelSpacing = [_decimal(pixel_spacing_mm * MAGNIFICATION)] * 2
    if both and encoding.film_object is FilmObject.DX:
        dataset.EstimatedRadiographicMagnificationFactor = _decimal(MAGNIFICATION)


def _code(value: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue = value
    item.CodingSchemeDesignator = "SCT"
    item.CodeMeaning = meaning
    return item


def _decimal(number: float) -> str:
    """A decimal string of at most 16 characters, PS3.5 section 6.2."""
    return f"{number:.10g}"
