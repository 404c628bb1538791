"""The walk through a DICOM object up to its pixels.

pydicom walks the elements and never converts them (see `dicom_elements`). Tags are written as integers, 0xGGGGEEEE.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from kneeoa.model.dicom_elements import Elements
from kneeoa.model.dicom_sources import INFLATED_BYTES, BudgetedSource, ByteSource, InflatedSource
from kneeoa.model.errors import FilmError, ReasonCode

if TYPE_CHECKING:
    from pydicom.dataelem import DataElement, RawDataElement

DEFLATED = "1.2.840.10008.1.2.1.99"
IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"
PIXEL_DATA = 0x7FE00010
UNDEFINED_LENGTH = 0xFFFFFFFF
_FLOAT_PIXELS = (0x7FE00008, 0x7FE00009)

WANTED_TAGS = (
    # What and from whom: SOP Class and Instance UID, dates, modality, intent, anatomy, view.
    *(0x00080016, 0x00080018, 0x00080020, 0x00080060, 0x00080068, 0x00082218, 0x00100030, 0x00101010),
    *(0x00180015, 0x00181164, 0x00185101, 0x0020000D, 0x00200060, 0x00200062, 0x00209071, 0x00540220),
    # Pixels: samples, photometry, planes, frames, geometry, bits, padding.
    *(0x00280002, 0x00280004, 0x00280006, 0x00280008, 0x00280010, 0x00280011, 0x00280030, 0x00280100, 0x00280101),
    *(0x00280102, 0x00280103, 0x00280120, 0x00280121, 0x00280A02),
    # Grey values: window, rescale, the two tables, presentation shape; the document in place of pixels.
    *(0x00281050, 0x00281051, 0x00281052, 0x00281053, 0x00281056, 0x00283000, 0x00283010, 0x20500020, 0x00420011),
)


@dataclass(frozen=True, slots=True)
class Header:
    """A data set up to its pixels.

    Attributes:
        elements: the wanted elements.
        transfer_syntax: UID; for objects without File Meta Information the one that their bytes show.
        source: positioned at the first byte of the pixels, or None where there are none.
        pixel_length: length of Pixel Data (7FE0,0010) in bytes as claimed, None when encapsulated.
        left: bytes from the first of the pixels to the end of the file; None when it cannot be known (deflated).
        pixel_vr: VR of Pixel Data, empty in implicit VR.
    """

    elements: Elements
    transfer_syntax: str
    source: ByteSource | None = None
    pixel_length: int | None = None
    left: int | None = None
    pixel_vr: str = ""


def read_header(stream: BinaryIO, size: int) -> Header:
    """Walks a DICOM object up to its pixels.

    Args:
        stream: the file, at its first byte; it stays open, for the pixels.
        size: of the file in bytes.

    Raises:
        FilmError: not DICOM, cut off, or larger than any header should be.

    References:
        PS3.10 section 7.1 (preamble and meta information), PS3.5 sections 7.1 and A.5 (elements; deflation).
    """
    head = stream.read(132)
    start = 132 if head[128:] == b"DICM" else 0
    if not start and not _may_be_elements(head[:8]):
        raise FilmError(ReasonCode.NOT_DICOM, "The file is neither DICOM nor a PNG or JPEG picture.")
    stream.seek(start)
    meta, _ = _walk(BudgetedSource(stream, size), stream, lambda tag: tag >> 16 != 2, (0x00020010,))
    transfer_syntax = meta.text(0x00020010)
    source: ByteSource = stream
    end = size
    if transfer_syntax == DEFLATED:
        source, end = InflatedSource(stream), INFLATED_BYTES
    budgeted = BudgetedSource(source, end)
    elements, shown = _walk(budgeted, source, lambda tag: tag >> 16 == 0x7FE0, WANTED_TAGS)
    if transfer_syntax in {"", IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG}:
        transfer_syntax = shown  # senders lie about these three; the bytes do not
    return _at_pixels(elements, transfer_syntax, source, end, deflated=source is not stream)


def _at_pixels(elements: Elements, transfer_syntax: str, source: ByteSource, end: int, *, deflated: bool) -> Header:
    big = transfer_syntax == EXPLICIT_BIG
    order = ">" if big else "<"
    while True:
        head = source.read(8)
        if len(head) < 8:
            if head or (not deflated and source.tell() > end):
                raise FilmError(ReasonCode.TRUNCATED, "The file ends within its header.")
            return Header(elements, transfer_syntax)
        group, element = struct.unpack(order + "HH", head[:4])
        tag = group << 16 | element
        if group != 0x7FE0 or (tag != PIXEL_DATA and tag not in _FLOAT_PIXELS and tag > PIXEL_DATA):
            return Header(elements, transfer_syntax)
        length = struct.unpack(order + "L", head[4:])[0]
        if transfer_syntax != IMPLICIT_LITTLE:
            long_form = head[4:6] in {b"OB", b"OW", b"UN", b"OF", b"OD", b"OV"}
            length = (
                struct.unpack(order + "L", source.read(4).ljust(4, b"\0"))[0]
                if long_form
                else (struct.unpack(order + "H", head[6:])[0])
            )
        left = None if deflated else end - source.tell()
        if tag == PIXEL_DATA:
            vr = "" if transfer_syntax == IMPLICIT_LITTLE else head[4:6].decode("latin-1")
            return Header(elements, transfer_syntax, source, None if length == UNDEFINED_LENGTH else length, left, vr)
        if tag in _FLOAT_PIXELS or length == UNDEFINED_LENGTH:
            return Header(elements, transfer_syntax)
        source.seek(source.tell() + length)


def _walk(
    budgeted: BudgetedSource, source: ByteSource, stops: Callable[[int], bool], wanted: tuple[int, ...]
) -> tuple[Elements, str]:
    """Elements until `stops` says so, with the transfer syntax that the bytes show; the source is then at that tag."""
    from pydicom.filereader import data_element_generator

    begin = source.tell()
    peek = source.read(6)
    source.seek(begin)
    # A group above 0x00FF at the start of a data set is a small one, read in the wrong byte order.
    big = len(peek) == 6 and peek[0] == 0 and peek[1] != 0
    explicit = peek[4:6].isalpha() and peek[4:6].isupper()
    shown = IMPLICIT_LITTLE if not explicit else EXPLICIT_BIG if big else EXPLICIT_LITTLE
    found: dict[int, RawDataElement | DataElement] = {}
    try:
        for element in data_element_generator(
            budgeted,  # type: ignore[arg-type]
            not explicit,
            not big,
            stop_when=lambda tag, _vr, _length: stops(int(tag)),
            specific_tags=list(wanted),
        ):
            _refuse_cut(element)
            found[int(element.tag)] = element
    except FilmError:
        raise
    except (EOFError, struct.error):
        raise FilmError(ReasonCode.TRUNCATED, "The file ends within its header.") from None
    except RecursionError:
        raise FilmError(ReasonCode.NOT_DICOM, "The header cannot be walked: its sequences nest too deeply.") from None
    except Exception:  # noqa: BLE001, RUF100 - any failure of a parser fed with hostile bytes; its text may name a patient
        raise FilmError(ReasonCode.NOT_DICOM, "The header cannot be walked: it is not valid DICOM.") from None
    return Elements(found), shown


def _refuse_cut(element: RawDataElement | DataElement) -> None:
    length = getattr(element, "length", UNDEFINED_LENGTH)
    if length != UNDEFINED_LENGTH and length > len(element.value or b""):
        raise FilmError(ReasonCode.TRUNCATED, "The file ends within its header.")


def _may_be_elements(head: bytes) -> bool:
    """Whether eight bytes may be the start of a data set without preamble: a low group with a VR or a short length."""
    if len(head) < 8:
        return False
    little, big = struct.unpack("<H", head[:2])[0], struct.unpack(">H", head[:2])[0]
    if head[4:6].isalpha() and head[4:6].isupper():
        return little in {2, 4, 8} or big in {2, 4, 8}
    return little in {2, 4, 8} and struct.unpack("<L", head[4:])[0] < 1 << 16
