"""What an object's header rules out before a single pixel is touched."""

from __future__ import annotations

from types import MappingProxyType

from kneeoa.model.dicom_codecs import COMPRESSED, Geometry
from kneeoa.model.dicom_elements import Elements
from kneeoa.model.dicom_header import (
    DEFLATED,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    Header,
)
from kneeoa.model.dicom_terms import known_modality
from kneeoa.model.errors import FilmError, ReasonCode

COMPRESSED_PIXELS = 64 << 20
"""Of a film in grey, a third of it in colour: decoders hold each sample in 32 bits, some of them twice."""
NATIVE_BYTES = 16384 * 16384 * 2 + (1 << 20)
"""16k x 16k at 16 bits: such a film and its reduced float32 copy stay below 1 GB together."""
SLENDER = 16
"""Longer side over shorter; a film of both legs has 3, and what is drawn of a film is scaled to its height."""
_RADIOGRAPHS = frozenset({"CR", "DX", "RF", "RG"})
_SECONDARY = frozenset({"OT", "SC", ""})
_NATIVE = frozenset({IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG, DEFLATED})
_CLASSES = "1.2.840.10008.5.1.4.1.1."
_ENCAPSULATED = _CLASSES + "104."

_COLOURS = frozenset({"RGB", "YBR_FULL", "YBR_FULL_422", "YBR_RCT", "YBR_ICT", "YBR_PARTIAL_420", "YBR_PARTIAL_422"})

# PS3.3 C.7.3.1.1.1, defined terms of Modality (0008,0060), as a sentence wants them.
_MODALITIES = MappingProxyType(
    {
        "AU": "an audio recording",
        "BI": "a biomagnetic image",
        "BMD": "a bone densitometry image",
        "CT": "a CT slice",
        "DG": "a diaphanography image",
        "ECG": "an electrocardiogram",
        "EPS": "an electrophysiology recording",
        "ES": "an endoscopy image",
        "GM": "a microscopy image",
        "HC": "a printed hard copy",
        "HD": "a haemodynamic waveform",
        "IO": "an intra-oral radiograph",
        "IVOCT": "an intravascular tomography image",
        "IVUS": "an intravascular ultrasound image",
        "MG": "a mammography image",
        "MR": "an MR image",
        "NM": "a nuclear medicine image",
        "OAM": "an eye measurement",
        "OCT": "an optical coherence tomography image",
        "OP": "an eye photograph",
        "OPT": "an eye tomography image",
        "PT": "a PET image",
        "PX": "a panoramic dental radiograph",
        "REG": "a registration",
        "RTDOSE": "a radiotherapy dose map",
        "RTIMAGE": "a radiotherapy portal image",
        "RTPLAN": "a radiotherapy plan",
        "RTSTRUCT": "a radiotherapy structure set",
        "SEG": "a segmentation",
        "SM": "a slide microscopy image",
        "TG": "a thermography image",
        "US": "an ultrasound image",
        "XA": "an angiography image",
        "XC": "a photograph",
    }
)
# PS3.6 annex A: storage classes whose objects lie about, or do not state, their modality.
_CLASS_MODALITIES = MappingProxyType(
    {
        "1.2": "MG",
        "1.2.1": "MG",
        "1.3": "IO",
        "1.3.1": "IO",
        "13.1.3": "MG",
        "13.1.4": "MG",
        "13.1.5": "MG",
        "2": "CT",
        "2.1": "CT",
        "2.2": "CT",
        "3": "US",
        "3.1": "US",
        "4": "MR",
        "4.1": "MR",
        "4.3": "MR",
        "5": "NM",
        "6": "US",
        "6.1": "US",
        "6.2": "US",
        "12.1": "XA",
        "12.1.1": "XA",
        "20": "NM",
        "66.4": "SEG",
        "77.1.1": "ES",
        "77.1.2": "GM",
        "77.1.4": "XC",
        "128": "PT",
        "130": "PT",
        "481.1": "RTIMAGE",
        "481.2": "RTDOSE",
        "481.3": "RTSTRUCT",
        "481.5": "RTPLAN",
    }
)


def checked_geometry(header: Header) -> Geometry:
    """Refuses what is no plain film and what cannot be decoded safely.

    Args:
        header: of the object.

    Returns:
        What the pixels must be.

    Raises:
        FilmError: `encapsulated_document`, `wrong_modality`, `no_pixels`, `multi_frame`, `palette`, `bad_geometry`,
            `too_large` or `unknown_transfer_syntax`, in this order.
    """
    elements = header.elements
    _refuse_kind(elements, has_pixels=header.source is not None)
    frames = elements.integer(0x00280008, "IS")
    if frames is not None and frames > 1:
        raise FilmError(ReasonCode.MULTI_FRAME, f"The object has {frames} frames.")
    photometric = elements.text(0x00280004) or "MONOCHROME2"
    if photometric == "PALETTE COLOR":
        raise FilmError(ReasonCode.PALETTE, "The pixels are indices into a colour palette.")
    geometry = _geometry(elements, photometric)
    syntax = header.transfer_syntax
    if syntax not in _NATIVE | COMPRESSED:
        raise FilmError(ReasonCode.UNKNOWN_TRANSFER_SYNTAX, f"Transfer syntax {_uid(syntax)} cannot be read.")
    _refuse_size(geometry, compressed=syntax in COMPRESSED)
    if header.pixel_length == 0:
        raise FilmError(ReasonCode.NO_PIXELS, "The object's pixel data are empty.")
    return geometry


def _refuse_kind(elements: Elements, *, has_pixels: bool) -> None:
    sop_class = elements.text(0x00080016)
    if sop_class.startswith(_ENCAPSULATED) or 0x00420011 in elements:
        raise FilmError(ReasonCode.ENCAPSULATED_DOCUMENT, "The object is a document, such as a PDF, and not a film.")
    modality = elements.text(0x00080060).upper()
    known = _MODALITIES.get(modality) or _MODALITIES.get(
        _CLASS_MODALITIES.get(sop_class.removeprefix(_CLASSES), ""), ""
    )
    if known:
        raise FilmError(ReasonCode.WRONG_MODALITY, f"The object is {known}, not a plain radiograph.")
    if not has_pixels:
        raise FilmError(ReasonCode.NO_PIXELS, "The object has no pixel data.")
    if modality not in _RADIOGRAPHS | _SECONDARY:
        said = f" (its Modality is {modality})" if known_modality(modality) else ""
        raise FilmError(ReasonCode.WRONG_MODALITY, f"The object is of another kind{said}, not a plain radiograph.")


def _geometry(elements: Elements, photometric: str) -> Geometry:
    rows, columns = elements.integer(0x00280010), elements.integer(0x00280011)
    if not rows or not columns or max(rows, columns) >= 0xFFFF or min(rows, columns) < 0:
        raise FilmError(ReasonCode.BAD_GEOMETRY, f"Rows and Columns are {rows} and {columns}.")
    refuse_slender(rows, columns)
    samples = elements.integer(0x00280002)
    samples = 1 if samples is None else samples
    grey = photometric in {"MONOCHROME1", "MONOCHROME2"}
    if not (grey and samples == 1) and not (photometric in _COLOURS and samples == 3):
        raise FilmError(ReasonCode.BAD_GEOMETRY, f"{samples} samples per pixel do not go with the photometry.")
    allocated = elements.integer(0x00280100)
    stored = elements.integer(0x00280101) or allocated
    high_bit = elements.integer(0x00280102)
    high_bit = (stored or 0) - 1 if high_bit is None else high_bit
    if (
        allocated not in ({8, 16, 32} if samples == 1 else {8})
        or stored is None
        or not 1 < stored <= allocated
        or not stored - 1 <= high_bit < allocated
    ):
        raise FilmError(
            ReasonCode.BAD_GEOMETRY,
            f"Bits Allocated {allocated}, Bits Stored {stored} and High Bit {high_bit} do not go together.",
        )
    if photometric == "YBR_FULL_422" and columns % 2:
        raise FilmError(ReasonCode.BAD_GEOMETRY, "Halved chroma needs an even number of columns.")
    return Geometry(rows, columns, samples, allocated, photometric)


def refuse_slender(rows: int, columns: int) -> None:
    """Refuses a line of pixels, which is no film.

    Raises:
        FilmError: `bad_geometry`.
    """
    if max(rows, columns) > SLENDER * min(rows, columns):
        raise FilmError(ReasonCode.BAD_GEOMETRY, f"The film is a strip of {rows} x {columns} pixels.")


def _refuse_size(geometry: Geometry, *, compressed: bool) -> None:
    pixels = geometry.rows * geometry.columns
    size = pixels * geometry.samples * geometry.bits_allocated // 8
    claim = f"The header claims {geometry.rows} x {geometry.columns} pixels"
    if compressed and pixels * geometry.samples > COMPRESSED_PIXELS:
        raise FilmError(ReasonCode.TOO_LARGE, f"{claim}, more than can safely be decompressed.")
    # Colour and 32-bit pixels need a second copy on their way to grey values.
    if size > NATIVE_BYTES or (geometry.samples * geometry.bits_allocated > 16 and pixels > COMPRESSED_PIXELS):
        raise FilmError(ReasonCode.TOO_LARGE, f"{claim}, more than fit into the memory of one film.")


def _uid(text: str) -> str:
    """A transfer syntax's UID is no secret, but whatever else stands in its place may be."""
    known = text.startswith("1.2.840.10008.1.2") and all(part.isdigit() for part in text.split("."))
    return text if known and len(text) <= 64 else "of this object"
