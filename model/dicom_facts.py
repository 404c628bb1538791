"""What a header states about the film besides its pixels: side, view, spacing, body part, age."""

from __future__ import annotations

import math
import re
from datetime import date
from types import MappingProxyType

from kneeoa.model.dicom_elements import VALUE_BYTES, Elements
from kneeoa.model.dicom_terms import known_modality, known_view
from kneeoa.model.film_orientation import stated_directions
from kneeoa.model.radiograph import FilmFacts, Side, SideSource, SpacingOrigin

BILATERAL = "bilateral"
SIDE_CONFLICT = "side_conflict"
FOR_PROCESSING = "for_processing"
LARGEST_SPACING_MM = 5.0
"""No film has pixels this large; what states more is a scale in other units, or nonsense."""
_DAYS = MappingProxyType({"D": 1.0, "W": 7.0, "M": 365.25 / 12, "Y": 365.25})
_UID = re.compile(r"[0-9.]{1,64}")
_CODE_MEANING = 0x00080104
# PS3.16 CID 4010 and 4009 by meaning, as View Position (0018,5101) would code them.
_VIEWS = (
    (re.compile(r"POSTER(O|IO)R?[- ]?ANTERIOR"), "PA"),
    (re.compile(r"ANTER(O|IO)R?[- ]?POSTERIOR"), "AP"),
    (re.compile(r"LEFT[- ]LATERAL"), "LL"),
    (re.compile(r"RIGHT[- ]LATERAL"), "RL"),
)


def film_facts(source: str, elements: Elements, spacing_mm: float | None) -> FilmFacts:
    """The `film` object of the report.

    Args:
        source: what the caller named the film by.
        elements: the header.
        spacing_mm: the user's pixel spacing, for a file that states none.
    """
    spacing, origin = spacing_of(elements)
    if spacing is None:
        spacing, origin = user_spacing(spacing_mm)
    return FilmFacts(
        source=source,
        sop_instance_uid=_uid(elements, 0x00080018),
        study_instance_uid=_uid(elements, 0x0020000D),
        rows=_count(elements, 0x00280010),
        columns=_count(elements, 0x00280011),
        pixel_spacing_mm=spacing,
        spacing_origin=origin,
        modality=known_modality(elements.text(0x00080060)),
        view=_view(elements),
    )


def user_spacing(spacing_mm: float | None) -> tuple[tuple[float, float] | None, SpacingOrigin]:
    """The user's spacing, where it is one."""
    if spacing_mm is None or not 0 < spacing_mm <= LARGEST_SPACING_MM:
        return None, SpacingOrigin.NONE
    return (float(spacing_mm), float(spacing_mm)), SpacingOrigin.USER


def spacing_of(elements: Elements) -> tuple[tuple[float, float] | None, SpacingOrigin]:
    """Pixel spacing in millimetres, (between rows, between columns), and what it was measured at.

    Pixel Spacing that equals Imager Pixel Spacing, without a calibration type, has not been corrected for
    magnification: the Standard says that it is then the spacing at the detector, whatever attribute it stands in, so
    `IMAGER` is the honest origin. Equal values with a calibration type stay `PIXEL`: someone calibrated to a
    magnification of 1.

    References:
        PS3.3 10.7.1.3 (Pixel Spacing in projection radiography) and 10.7.1.1 (Pixel Spacing Calibration Type).
    """
    pixel = _spacing(elements, 0x00280030)
    imager = _spacing(elements, 0x00181164)
    calibrated = bool(elements.text(0x00280A02))
    if pixel is not None:
        same = imager is not None and all(math.isclose(a, b, rel_tol=1e-4) for a, b in zip(pixel, imager, strict=True))
        return pixel, SpacingOrigin.IMAGER if same and not calibrated else SpacingOrigin.PIXEL
    return imager, SpacingOrigin.NONE if imager is None else SpacingOrigin.IMAGER


def side_of(elements: Elements, user: Side | None) -> tuple[Side, SideSource, tuple[str, ...]]:
    """The stated side, who stated it, and flags.

    A statement of the object outweighs the user's; where they differ the film is flagged.

    References:
        PS3.3 C.8.11.1 (Image Laterality), C.7.3.1 (Laterality), 10.5 and C.7.6.16.2.8 (anatomy, Frame Laterality).
    """
    places = (elements.text(0x00200062), elements.text(0x00200060), _side_of_anatomy(elements))
    statements = [place.upper()[:1] for place in places if place.upper()[:1] in {"R", "L", "B"}]
    stated = statements[0] if statements else ""
    said = user if user in {Side.LEFT, Side.RIGHT} else None
    if stated in {"R", "L"}:
        side = Side(stated)
        # "Both" in the series and one side in the image is no contradiction.
        others = {*statements, *([said.value] if said is not None else [])} - {"B", stated}
        return side, SideSource.TAG, (SIDE_CONFLICT,) if others else ()
    flags = (BILATERAL,) if stated == "B" else ()
    if said is None:
        return Side.UNKNOWN, SideSource.NONE, flags
    if flags:
        return Side.UNKNOWN, SideSource.TAG, (*flags, SIDE_CONFLICT)
    return said, SideSource.USER, ()


def patient_orientation(elements: Elements) -> tuple[str, str] | None:
    """Patient Orientation (0020,0020): the directions of rows and columns, where the object states two."""
    return stated_directions(tuple(elements.content(0x00200020)[:VALUE_BYTES].decode("latin-1").split("\\")))


def body_part(elements: Elements) -> str | None:
    """Body Part Examined, else the anatomic region's meaning, in upper case."""
    stated = elements.text(0x00180015) or _meaning(elements, 0x00082218)
    return stated.upper() or None


def age_years(elements: Elements) -> float | None:
    """The patient's age in years at the study.

    References:
        PS3.5 section 6.2: AS is three digits and one of D, W, M, Y; DA is YYYYMMDD.
    """
    stated = re.fullmatch(r"(\d{1,3})([DWMY])", elements.text(0x00101010).upper())
    if stated:
        return int(stated[1]) * _DAYS[stated[2]] / _DAYS["Y"]
    born, studied = _date(elements.text(0x00100030)), _date(elements.text(0x00080020))
    if born is None or studied is None or studied < born:
        return None
    return (studied - born).days / _DAYS["Y"]


def _date(text: str) -> date | None:
    digits = text.replace(".", "")
    if not re.fullmatch(r"\d{8}", digits):
        return None
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return None


def _spacing(elements: Elements, tag: int) -> tuple[float, float] | None:
    numbers = elements.numbers(tag)
    if len(numbers) != 2 or not all(0 < number <= LARGEST_SPACING_MM for number in numbers):
        return None
    return numbers[0], numbers[1]


def _side_of_anatomy(elements: Elements) -> str:
    for item in elements.items(0x00209071):  # Frame Anatomy Sequence: Frame Laterality
        if item.text(0x00209072):
            return item.text(0x00209072)
    for region in elements.items(0x00082218):  # Anatomic Region Sequence: its Modifier Sequence
        for modifier in region.items(0x00082220):
            words = re.split(r"\W+", modifier.text(_CODE_MEANING).upper())
            for word, code in (("BILATERAL", "B"), ("RIGHT", "R"), ("LEFT", "L")):
                if word in words:
                    return code
    return ""


def _view(elements: Elements) -> str:
    stated = elements.text(0x00185101)
    if stated:
        return known_view(stated)
    meaning = _meaning(elements, 0x00540220).upper()
    if not meaning:
        return "unknown"
    return next((view for pattern, view in _VIEWS if pattern.search(meaning)), known_view(meaning))


def _meaning(elements: Elements, tag: int) -> str:
    return next((item.text(_CODE_MEANING) for item in elements.items(tag)), "")


def _uid(elements: Elements, tag: int) -> str | None:
    text = elements.text(tag)
    return text if _UID.fullmatch(text) else None


def _count(elements: Elements, tag: int) -> int | None:
    number = elements.integer(tag)
    return number if number is not None and number > 0 else None
