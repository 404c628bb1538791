"""The walk through a DICOM object up to its pixels.

Tags are written as integers, 0xGGGGEEEE.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import BinaryIO

from kneeoa.model.dicom_elements import Elements
from kneeoa.model.dicom_sources import BudgetedSource, ByteSource, InflatedSource
from kneeoa.model.dicom_walk import UNDEFINED_LENGTH, Element, Layout, read_head, walk
from kneeoa.model.errors import FilmError, ReasonCode

DEFLATED = "1.2.840.10008.1.2.1.99"
IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"
PIXEL_DATA = 0x7FE00010
_FIRST_OF_PIXELS = 0x7FE00000
_OFFSETS = 1 << 20
"""Extended Offset Table and its like, (7FE0,0001) and (7FE0,0002), of one frame: 8 bytes, generously."""
_FLOAT_PIXELS = (0x7FE00008, 0x7FE00009)

OVERLAY_BIT_POSITIONS = tuple((group << 16) | 0x0102 for group in range(0x6000, 0x6020, 2))
WANTED_TAGS = (
    # What and from whom: SOP Class and Instance UID, dates, modality, intent, anatomy, view.
    *(0x00080016, 0x00080018, 0x00080020, 0x00080060, 0x00080068, 0x00082218, 0x00100030, 0x00101010),
    *(0x00180015, 0x00181164, 0x00185101, 0x0020000D, 0x00200060, 0x00200062, 0x00209071, 0x00540220),
    # Pixels: samples, photometry, planes, frames, geometry, bits, padding.
    *(0x00280002, 0x00280004, 0x00280006, 0x00280008, 0x00280010, 0x00280011, 0x00280030, 0x00280100, 0x00280101),
    *(0x00280102, 0x00280103, 0x00280120, 0x00280121, 0x00280A02),
    *OVERLAY_BIT_POSITIONS,
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
        fault: why the walk ended before the pixels, or None; the elements before it still say what film it was.
    """

    elements: Elements
    transfer_syntax: str
    source: ByteSource | None = None
    pixel_length: int | None = None
    left: int | None = None
    pixel_vr: str = ""
    fault: FilmError | None = None


def read_header(stream: BinaryIO, size: int, wanted: tuple[int, ...] = WANTED_TAGS) -> Header:
    """Walks a DICOM object up to its pixels.

    Args:
        stream: the file, at its first byte; it stays open, for the pixels.
        size: of the file in bytes.
        wanted: tags whose values are kept.

    Returns:
        The header, or what there is of one, with its fault.

    Raises:
        FilmError: `not_dicom`, where no element at all can be expected.

    References:
        PS3.10 section 7.1 (preamble and meta information), PS3.5 sections 7.1 and A.5 (elements; deflation).
    """
    head = stream.read(132)
    start = 132 if head[128:] == b"DICM" else 0
    if not start and not _may_be_elements(head[:8]):
        raise FilmError(ReasonCode.NOT_DICOM, "The file is neither DICOM nor a PNG or JPEG picture.")
    stream.seek(start)
    meta = _walk(stream, size, lambda tag: tag >> 16 != 2, (0x00020010,))
    transfer_syntax = meta.elements.text(0x00020010)
    source: ByteSource = stream
    end: int | None = size
    if transfer_syntax == DEFLATED:
        source, end = InflatedSource(stream), None
    header = _walk(source, end, lambda tag: tag >> 16 == 0x7FE0, wanted)
    fault = meta.fault or header.fault
    if fault is None:
        try:
            header = _at_pixels(header, source, end)
        except FilmError as error:
            fault = error
    if transfer_syntax in {"", IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG}:
        transfer_syntax = header.transfer_syntax  # senders lie about these three; the bytes do not
    return replace(header, transfer_syntax=transfer_syntax, fault=fault)


def _at_pixels(header: Header, source: ByteSource, end: int | None) -> Header:
    """The header with its pixels, where the source, after the last element before group 7FE0, has any."""
    layout = _layout(header.transfer_syntax)
    while (head := read_head(source, layout)) is not None:
        if head.tag == PIXEL_DATA:
            return replace(
                header,
                source=source,
                pixel_length=None if head.length == UNDEFINED_LENGTH else head.length,
                left=None if end is None else end - source.tell(),
                pixel_vr=head.vr,
            )
        if not _FIRST_OF_PIXELS <= head.tag < PIXEL_DATA or head.tag in _FLOAT_PIXELS or head.length > _OFFSETS:
            return header
        source.seek(source.tell() + head.length)
    return header


def _walk(source: ByteSource, end: int | None, stops: Callable[[int], bool], wanted: tuple[int, ...]) -> Header:
    """Elements until `stops` says so, with the transfer syntax that the bytes show; the source is then at that tag."""
    found: dict[int, Element] = {}
    shown = EXPLICIT_LITTLE
    fault = None
    try:
        begin = source.tell()
        peek = source.read(6)
        source.seek(begin)
        # A group above 0x00FF at the start of a data set is a small one, read in the wrong byte order.
        big = len(peek) == 6 and peek[0] == 0 and peek[1] != 0
        explicit = peek[4:6].isalpha() and peek[4:6].isupper()
        shown = IMPLICIT_LITTLE if not explicit else EXPLICIT_BIG if big else EXPLICIT_LITTLE
        walk(BudgetedSource(source, end), _layout(shown), stops, wanted, found)
    except FilmError as error:
        fault = error
    return Header(Elements(found), shown, fault=fault)


def _layout(transfer_syntax: str) -> Layout:
    return Layout(">" if transfer_syntax == EXPLICIT_BIG else "<", explicit=transfer_syntax != IMPLICIT_LITTLE)


def _may_be_elements(head: bytes) -> bool:
    """Whether eight bytes may be the start of a data set without preamble: a low group with a VR or a short length."""
    if len(head) < 8:
        return False
    little, big = struct.unpack("<H", head[:2])[0], struct.unpack(">H", head[:2])[0]
    if head[4:6].isalpha() and head[4:6].isupper():
        return little in {2, 4, 8} or big in {2, 4, 8}
    return little in {2, 4, 8} and struct.unpack("<L", head[4:])[0] < 1 << 16
