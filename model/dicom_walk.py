"""One pass over data elements without recursion, without warnings and without converting a single value.

pydicom's own walk interprets Specific Character Set and the contents of sequences on the way, recursively: it warns of
what real archives hold, and a film with 2,000 nested sequences ends it. Python's warning filters belong to the whole
process, so a reader that is safe between threads cannot silence such warnings and must not cause them.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Collection
from dataclasses import dataclass

from kneeoa.model.dicom_sources import ByteSource
from kneeoa.model.errors import FilmError, ReasonCode

UNDEFINED_LENGTH = 0xFFFFFFFF
ITEM = 0xFFFEE000
_ITEM_END = 0xFFFEE00D
_SEQUENCE_END = 0xFFFEE0DD
# PS3.5 section 7.1.2: VRs with two reserved bytes and a length of four.
_LONG_FORM = frozenset(
    {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Layout:
    """How elements are laid out: byte order as struct writes it, and whether VRs are written."""

    order: str = "<"
    explicit: bool = True


@dataclass(frozen=True, slots=True)
class Element:
    """An element's value as stored, its VR ("" where it is not written) and its layout."""

    vr: str
    content: bytes
    layout: Layout


@dataclass(frozen=True, slots=True)
class Head:
    """What stands before a value."""

    tag: int
    vr: str
    length: int


def walk(
    source: ByteSource,
    layout: Layout,
    stops: Callable[[int], bool],
    wanted: Collection[int],
    found: dict[int, Element],
) -> None:
    """Collects elements until `stops` says so of a tag, the item or the source ends; then stands before that tag.

    Args:
        source: positioned at an element.
        layout: of the elements.
        stops: told each tag.
        wanted: tags whose values are kept; all others are skipped over.
        found: receives the elements, those before a fault too.

    Raises:
        FilmError: `truncated`.

    References:
        PS3.5 section 7.1 (elements), 7.5 (nesting).
    """
    while True:
        begin = source.tell()
        head = read_head(source, layout)
        if head is None:
            return
        if stops(head.tag):
            source.seek(begin)
            return
        if head.tag in {_ITEM_END, _SEQUENCE_END}:
            return
        kept = bytearray() if head.tag in wanted else None
        if head.length == UNDEFINED_LENGTH:
            _pass_nested(source, _inside(head, layout), kept)
        else:
            _pass(source, head.length, kept)
        if kept is not None:
            found[head.tag] = Element(head.vr, bytes(kept), _inside(head, layout))


def read_head(source: ByteSource, layout: Layout, kept: bytearray | None = None) -> Head | None:
    """The next element's tag, VR and length; None at the source's end.

    Raises:
        FilmError: `truncated`.
    """
    head = source.read(8)
    if not head:
        return None
    if len(head) < 8:
        raise cut()
    if kept is not None:
        kept += head
    group, element, length = struct.unpack(layout.order + "HHL", head)
    tag = group << 16 | element
    # Some writers fall back to implicit VR inside sequences: no VR, no explicit length.
    if not layout.explicit or group == 0xFFFE or not (head[4:6].isalpha() and head[4:6].isupper()):
        return Head(tag, "", length)
    if head[4:6] in _LONG_FORM:
        more = source.read(4)
        if len(more) < 4:
            raise cut()
        if kept is not None:
            kept += more
        length = struct.unpack(layout.order + "L", more)[0]
    else:
        length = struct.unpack(layout.order + "H", head[6:])[0]
    return Head(tag, head[4:6].decode("ascii"), length)


def cut() -> FilmError:
    """The error of a file that ends too early."""
    return FilmError(ReasonCode.TRUNCATED, "The file ends within its header.")


def _inside(head: Head, layout: Layout) -> Layout:
    """The layout of a sequence's items: PS3.5 section 6.2.2 has that of an unknown VR implicit and little endian."""
    return Layout("<", explicit=False) if head.vr == "UN" and head.length == UNDEFINED_LENGTH else layout


def _pass(source: ByteSource, length: int, kept: bytearray | None) -> None:
    if kept is None:
        source.seek(source.tell() + length)
        return
    content = source.read(length)
    if len(content) < length:
        raise cut()
    kept += content


def _pass_nested(source: ByteSource, layout: Layout, kept: bytearray | None) -> None:
    """Passes a value of undefined length with all that is nested in it."""
    # Open sequences and items, the innermost last.
    opened = [(_SEQUENCE_END, layout)]
    while opened:
        end, layout = opened[-1]
        head = read_head(source, layout, kept)
        if head is None:
            raise cut()
        if head.tag == _SEQUENCE_END:
            if end == _ITEM_END and len(opened) > 1:
                opened.pop()  # an item that nobody closed
            opened.pop()
        elif head.tag == _ITEM_END:
            if end == _ITEM_END:
                opened.pop()
        elif head.length != UNDEFINED_LENGTH:
            _pass(source, head.length, kept)
        elif head.tag == ITEM:
            opened.append((_ITEM_END, layout))
        else:
            opened.append((_SEQUENCE_END, _inside(head, layout)))
