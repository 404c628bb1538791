"""The header of a DICOM object as raw bytes that are decoded only where asked: nothing warns, nothing is trusted.

pydicom walks the elements; values are decoded here, because pydicom's own conversion warns about, or stumbles over,
much of what real archives hold. Tags are written as integers, 0xGGGGEEEE.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, Protocol

from kneeoa.model.errors import FilmError, ReasonCode

if TYPE_CHECKING:
    from pydicom.dataelem import DataElement, RawDataElement
    from pydicom.dataset import Dataset

DEFLATED = "1.2.840.10008.1.2.1.99"
IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"
PIXEL_DATA = 0x7FE00010
HEADER_BYTES = 32 << 20
"""Header bytes that are looked at; skipped elements cost nothing, so only hostile objects have more."""
INFLATED_BYTES = 1 << 30
"""Deflate shrinks up to 1032 times: without a bound a 1 MB object could fill the memory."""
UNDEFINED_LENGTH = 0xFFFFFFFF
_FLOAT_PIXELS = (0x7FE00008, 0x7FE00009)
_STRUCT_CODES = {"US": "H", "SS": "h", "UL": "L", "SL": "l", "FL": "f", "FD": "d", "OW": "H"}

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


class ByteSource(Protocol):
    """What elements are read from: a plain file, or the inflated rest of one."""

    def read(self, count: int, /) -> bytes: ...
    def seek(self, position: int, /) -> int: ...
    def tell(self) -> int: ...


class InflatedSource:
    """The inflated bytes of a deflated data set, forward only but for a small window, never more than a gigabyte.

    Args:
        stream: a file positioned at the first deflated byte.
    """

    _CHUNK = 1 << 16
    _WINDOW = 1 << 16

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        self._buffer = bytearray()
        self._start = 0
        self._position = 0

    def tell(self) -> int:
        return self._position

    def seek(self, position: int, /) -> int:
        if position < self._start:
            raise FilmError(ReasonCode.NOT_DICOM, "The deflated header cannot be walked.")
        while position > self._end and self._grow():
            self._forget()
        self._position = position
        return position

    def read(self, count: int, /) -> bytes:
        while self._end < self._position + count and self._grow():
            pass
        offset = self._position - self._start
        piece = bytes(self._buffer[offset : offset + count])
        self._position += len(piece)
        self._forget()
        return piece

    @property
    def _end(self) -> int:
        return self._start + len(self._buffer)

    def _grow(self) -> bool:
        if self._inflater.eof:
            return False
        feed = self._inflater.unconsumed_tail or self._stream.read(self._CHUNK)
        try:
            piece = self._inflater.decompress(feed, 1 << 20)
        except zlib.error:
            raise FilmError(ReasonCode.CORRUPT_PIXELS, "The deflated data set is damaged.") from None
        if not feed and not piece:
            return False
        self._buffer += piece
        if self._end > INFLATED_BYTES:
            raise FilmError(ReasonCode.TOO_LARGE, "The deflated data set inflates to more than 1 GB.")
        return True

    def _forget(self) -> None:
        spare = min(self._position, self._end) - self._start - self._WINDOW
        if spare > self._WINDOW:
            del self._buffer[:spare]
            self._start += spare


class _Budgeted:
    """A source whose reads are counted and never longer than what is left, so that a claimed 4 GB costs nothing."""

    def __init__(self, source: ByteSource, end: int) -> None:
        self._source = source
        self._end = end
        self._spent = 0
        self.seek, self.tell = source.seek, source.tell

    def read(self, count: int) -> bytes:
        count = max(0, min(count, self._end - self._source.tell()))
        self._spent += count
        if self._spent > HEADER_BYTES:
            raise FilmError(ReasonCode.TOO_LARGE, "The header alone is larger than 32 MB.")
        return self._source.read(count)


@dataclass(frozen=True, slots=True)
class Elements:
    """Raw elements of a data set or of one item of a sequence, by tag. Absent and unreadable values are the same."""

    raw: Mapping[int, RawDataElement | DataElement] = field(default_factory=dict)

    def __contains__(self, tag: int) -> bool:
        return tag in self.raw

    def content(self, tag: int) -> bytes:
        """The value's bytes; empty where there are none."""
        value = self.raw[tag].value if tag in self.raw else None
        return bytes(value) if isinstance(value, bytes | bytearray) else b""

    def text(self, tag: int) -> str:
        """The first of the values as text, without padding; empty when absent.

        Code strings are ASCII; in code meanings other letters may come out wrong, which no rule here depends on.
        """
        return self.content(tag).decode("latin-1").split("\\")[0].strip("\0 \t\r\n")

    def numbers(self, tag: int, kind: str = "DS") -> tuple[float, ...]:
        """All finite numbers of a value.

        Args:
            tag: the attribute.
            kind: its VR by the dictionary, for objects that do not say it ("US", "SS", "DS", "IS", ...).
        """
        content = self.content(tag)
        vr = str(self.raw[tag].VR) if tag in self.raw else ""
        code = _STRUCT_CODES.get(vr) or _STRUCT_CODES.get(kind if vr in {"None", "UN", "OB", "OW"} else vr)
        if code is None:
            return tuple(n for part in content.decode("latin-1").split("\\") for n in _number(part))
        if kind == "SS" and code == "H":
            code = "h"  # "US or SS" by Pixel Representation, which the VR of a careless writer may contradict
        little = getattr(self.raw[tag], "is_little_endian", True)
        count = len(content) // struct.calcsize("<" + code)
        values = struct.unpack_from(f"{'<' if little else '>'}{count}{code}", content)
        return tuple(float(n) for n in values if math.isfinite(n))

    def integer(self, tag: int, kind: str = "US") -> int | None:
        """The first number of a value as an integer, or None."""
        numbers = self.numbers(tag, kind)
        return int(numbers[0]) if numbers and abs(numbers[0]) < 1 << 53 else None

    def items(self, tag: int) -> tuple[Elements, ...]:
        """The items of a sequence; empty when there are none or they cannot be parsed."""
        element = self.raw.get(tag)
        if element is None:
            return ()
        value = element.value
        if isinstance(value, bytes) and value:
            from pydicom.values import convert_SQ

            try:
                value = convert_SQ(
                    value, bool(getattr(element, "is_implicit_VR", True)), bool(getattr(element, "is_little_endian", True))
                )
            except Exception:  # noqa: BLE001, RUF100 - any failure of a parser fed with hostile bytes
                return ()
        return tuple(_of_dataset(item) for item in value) if isinstance(value, list | tuple) or _is_list(value) else ()


@dataclass(frozen=True, slots=True)
class Header:
    """A data set up to its pixels.

    Attributes:
        elements: the wanted elements.
        transfer_syntax: UID; for objects without File Meta Information the one that their bytes show.
        source: positioned at the first byte of the pixels, or None where there are none.
        pixel_length: length of Pixel Data (7FE0,0010) in bytes as claimed, None when encapsulated.
        left: bytes from the first of the pixels to the end of the file; None when it cannot be known (deflated).
    """

    elements: Elements
    transfer_syntax: str
    source: ByteSource | None = None
    pixel_length: int | None = None
    left: int | None = None
    float_pixels: bool = False


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
    meta, _ = _walk(_Budgeted(stream, size), stream, lambda tag: tag >> 16 != 2, (0x00020010,))
    transfer_syntax = meta.text(0x00020010)
    source: ByteSource = stream
    end = size
    if transfer_syntax == DEFLATED:
        source, end = InflatedSource(stream), INFLATED_BYTES
    budgeted = _Budgeted(source, end)
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
            length = struct.unpack(order + "L", source.read(4).ljust(4, b"\0"))[0] if long_form else (
                struct.unpack(order + "H", head[6:])[0]
            )
        left = None if deflated else end - source.tell()
        if tag == PIXEL_DATA:
            return Header(elements, transfer_syntax, source, None if length == UNDEFINED_LENGTH else length, left)
        if tag in _FLOAT_PIXELS or length == UNDEFINED_LENGTH:
            return Header(elements, transfer_syntax, float_pixels=True)
        source.seek(source.tell() + length)


def _walk(
    budgeted: _Budgeted, source: ByteSource, stops: Callable[[int], bool], wanted: tuple[int, ...]
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
            length = getattr(element, "length", UNDEFINED_LENGTH)
            value = element.value
            if length != UNDEFINED_LENGTH and length > len(value or b""):
                raise FilmError(ReasonCode.TRUNCATED, "The file ends within its header.")
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


def _may_be_elements(head: bytes) -> bool:
    """Whether eight bytes may be the start of a data set without preamble: a low group with a VR or a short length."""
    if len(head) < 8:
        return False
    little, big = struct.unpack("<H", head[:2])[0], struct.unpack(">H", head[:2])[0]
    if head[4:6].isalpha() and head[4:6].isupper():
        return little in {2, 4, 8} or big in {2, 4, 8}
    return little in {2, 4, 8} and struct.unpack("<L", head[4:])[0] < 1 << 16


def _of_dataset(item: Dataset) -> Elements:
    return Elements({int(tag): item.get_item(tag) for tag in item.keys()})  # noqa: SIM118 - a Dataset is no dict


def _is_list(value: object) -> bool:
    return hasattr(value, "__iter__") and not isinstance(value, str | bytes)


def _number(part: str) -> tuple[float, ...]:
    try:
        number = float(part.strip("\0 "))
    except ValueError:
        return ()
    return (number,) if math.isfinite(number) else ()
