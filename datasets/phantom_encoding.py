"""The ways in which one and the same picture becomes a DICOM object: what scanners, archives and exporters do to it."""

from __future__ import annotations

from dataclasses import dataclass

from kneeoa.datasets.phantom_choices import (
    FilmObject,
    LateralityStatement,
    PhotometricInterpretation,
    SpacingStatement,
    ViewStatement,
    Window,
)
from kneeoa.datasets.transfer_syntax import ENCODABLE, LOSSY, NARROW
from kneeoa.model.dicom_codecs import COMPRESSED
from kneeoa.model.dicom_header import EXPLICIT_LITTLE

BIT_DEPTHS = range(8, 17)
QUARTER_TURNS = (0, 90, 180, 270)
_BASELINE = "1.2.840.10008.1.2.4.50"


@dataclass(frozen=True, slots=True)
class FilmEncoding:
    """How a picture is put into a DICOM object; the defaults are a plain DX that a careful scanner would send.

    Attributes:
        film_object: DX, CR or Secondary Capture. PS3.3 C.8.11.3 and C.8.11.1.1 hold DX to unsigned, right-aligned
            pixels and an identity rescale; what says otherwise is refused here, CR takes it.
        transfer_syntax: UID, one of `transfer_syntax.ENCODABLE`; PS3.5 annex A.
        photometric: Photometric Interpretation (0028,0004).
        bits_stored: Bits Stored (0028,0101), 8 to 16.
        bits_allocated: Bits Allocated (0028,0100), 8 or 16; colours have 8.
        high_bit: High Bit (0028,0102); None is Bits Stored - 1, as PS3.5 8.1.1 has wanted since 2014.
        signed: whether Pixel Representation (0028,0103) is 1.
        rescale_slope: Rescale Slope (0028,1053), positive; PS3.3 C.11.1.
        rescale_intercept: Rescale Intercept (0028,1052); 32,768 off with `signed` is a common pair.
        modality_lut: whether a Modality LUT Sequence (0028,3000) stands in place of the rescale; PS3.3 C.11.1.1.
        window: the VOI transformation.
        padding_px: how many of the outermost rows and columns hold Pixel Padding Value (0028,0120), which whoever
            ignores it sees white; PS3.3 C.7.5.1.1.2.
        spacing: which pixel spacing is stated.
        laterality: what tells the side. What DX demands, Image Laterality, is missing unless that tells it.
        view: where the view is stated.
        rotation_degrees: 0, 90, 180 or 270 clockwise, how the stored picture lies.
        mirrored: whether the stored picture was flipped left to right, before it was turned.
        patient_orientation: whether Patient Orientation (0020,0020) says, truly, how the stored picture lies;
            PS3.3 C.7.6.1.1.1.
        body_part: Body Part Examined (0018,0015), or None.
        age_years: Patient's Age (0010,1010) and, agreeing with it, birth date; None for neither.

    Raises:
        ValueError: a value is out of its range, or two of them cannot be together.
    """

    film_object: FilmObject = FilmObject.DX
    transfer_syntax: str = EXPLICIT_LITTLE
    photometric: PhotometricInterpretation = PhotometricInterpretation.MONOCHROME2
    bits_stored: int = 12
    bits_allocated: int = 16
    high_bit: int | None = None
    signed: bool = False
    rescale_slope: float = 1.0
    rescale_intercept: float = 0.0
    modality_lut: bool = False
    window: Window = Window.LINEAR
    padding_px: int = 0
    spacing: SpacingStatement = SpacingStatement.BOTH
    laterality: LateralityStatement = LateralityStatement.IMAGE_LATERALITY
    view: ViewStatement = ViewStatement.BOTH
    rotation_degrees: int = 0
    mirrored: bool = False
    patient_orientation: bool = True
    body_part: str | None = "KNEE"
    age_years: int | None = 64

    def __post_init__(self) -> None:
        for wrong, why in (*_number_faults(self), *_grey_faults(self), *_codec_faults(self), *_statement_faults(self)):
            if wrong:
                raise ValueError(why)

    @property
    def colour(self) -> bool:
        """Whether the pixels are colours or indices of colours, which know neither rescale nor window."""
        return self.photometric in {PhotometricInterpretation.RGB, PhotometricInterpretation.PALETTE_COLOR}

    @property
    def shift(self) -> int:
        """Empty bits below the lowest stored one."""
        return 0 if self.high_bit is None else self.high_bit + 1 - self.bits_stored

    @property
    def rescaled(self) -> bool:
        """Whether stored values are not yet the values that the window is for."""
        return self.modality_lut or (self.rescale_slope, self.rescale_intercept) != (1.0, 0.0)


def _number_faults(of: FilmEncoding) -> tuple[tuple[bool, str], ...]:
    high_bit = of.bits_stored - 1 if of.high_bit is None else of.high_bit
    return (
        (of.bits_stored not in BIT_DEPTHS, f"Bits Stored are 8 to 16, not {of.bits_stored}."),
        (of.bits_allocated not in {8, 16}, f"Bits Allocated are 8 or 16, not {of.bits_allocated}."),
        (of.bits_stored > of.bits_allocated, f"{of.bits_stored} bits do not fit into {of.bits_allocated}."),
        (
            not of.bits_stored - 1 <= high_bit < of.bits_allocated,
            f"High Bit {high_bit} does not go with {of.bits_stored} bits in {of.bits_allocated}.",
        ),
        (not 0 < of.rescale_slope < 1e6, f"A rescale slope is above 0 and below a million, not {of.rescale_slope}."),
        (not abs(of.rescale_intercept) < 1e6, f"A rescale intercept of {of.rescale_intercept} is none."),
        (of.padding_px < 0, f"{of.padding_px} pixels of padding are none."),
        (
            of.rotation_degrees not in QUARTER_TURNS,
            f"A film is turned by 0, 90, 180 or 270 degrees: {of.rotation_degrees}.",
        ),
        (of.age_years is not None and not 0 <= of.age_years <= 120, f"Nobody is {of.age_years} years old."),
    )


def _grey_faults(of: FilmEncoding) -> tuple[tuple[bool, str], ...]:
    strict = of.film_object is FilmObject.DX
    return (
        (of.colour and of.film_object is not FilmObject.SC, "Colours are for Secondary Capture only: choose SC."),
        (of.colour and (of.bits_allocated, of.bits_stored) != (8, 8), "Colours have 8 bits, stored and allocated."),
        (
            of.colour and (of.signed or of.rescaled or of.padding_px > 0 or of.window is not Window.LINEAR),
            "Colours know no sign, rescale, padding or window: leave these as they are.",
        ),
        (
            strict and (of.signed or of.shift > 0),
            "DX pixels are unsigned and right-aligned (PS3.3 C.8.11.3): choose CR or SC.",
        ),
        (strict and of.rescaled, "DX has the identity for its rescale (PS3.3 C.8.11.3): choose CR or SC."),
        (
            of.modality_lut and (of.rescale_slope, of.rescale_intercept) != (1.0, 0.0),
            "Either a modality LUT or a rescale (PS3.3 C.11.1): leave slope and intercept as they are.",
        ),
        (
            of.window is Window.VOI_LUT and not _fits_table(of),
            "A VOI LUT has at most 65,536 entries of whole 16-bit numbers: choose another slope and intercept.",
        ),
    )


def _fits_table(of: FilmEncoding) -> bool:
    """Whether a VOI LUT can have one entry for each value that the rescale gives."""
    lowest = -(1 << (of.bits_stored - 1)) if of.signed else 0
    low, high = (end * of.rescale_slope + of.rescale_intercept for end in (lowest, lowest + (1 << of.bits_stored) - 1))
    whole = float(of.rescale_slope).is_integer() and float(of.rescale_intercept).is_integer()
    return of.modality_lut or (whole and high - low < 65536 and low >= -32768 and high < 65536)


def _codec_faults(of: FilmEncoding) -> tuple[tuple[bool, str], ...]:
    syntax = of.transfer_syntax
    return (
        (syntax not in ENCODABLE, f"No encoder for {syntax}: choose one of {', '.join(sorted(ENCODABLE))}."),
        (syntax == _BASELINE and of.bits_stored > 8, "JPEG Baseline (.50) holds 8 bits: store 8."),
        (syntax.endswith(".4.51") and of.bits_stored > 12, "JPEG Extended (.51) holds 12 bits: store 12 or fewer."),
        (
            syntax in NARROW and of.bits_stored == 8 and of.bits_allocated == 16,
            "These codecs hold 8 bits in 8: allocate as many (PS3.5 8.2.1).",
        ),
        (syntax in COMPRESSED and of.shift > 0, "A codestream has no empty low bits: leave the high bit as it is."),
        (syntax in LOSSY and of.padding_px > 0, "A lossy codec changes padding: choose a lossless transfer syntax."),
        (syntax in LOSSY and of.signed, "A lossy codec takes the jump at 0 for an edge: store unsigned pixels."),
        (of.colour and syntax in COMPRESSED, "Colours are written uncompressed only."),
    )


def _statement_faults(of: FilmEncoding) -> tuple[tuple[bool, str], ...]:
    part = of.body_part
    return (
        (
            of.laterality is LateralityStatement.PATIENT_ORIENTATION and not of.patient_orientation,
            "Patient Orientation cannot tell the side and be absent.",
        ),
        (
            part is not None and not (0 < len(part) <= 16 and part.isascii() and part == part.upper()),
            "A body part is a code string: up to 16 capital letters.",
        ),
    )
