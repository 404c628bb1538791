"""The values of elements, decoded only where asked, and trusted in nothing."""

from __future__ import annotations

import io
import math
import struct
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from kneeoa.model.dicom_sources import BudgetedSource
from kneeoa.model.dicom_walk import ITEM, UNDEFINED_LENGTH, Element, read_head, walk
from kneeoa.model.errors import FilmError

ITEM_TAGS = (
    # Within items: code meaning, region modifiers, frame laterality, and the parts of a table.
    *(0x00080104, 0x00082220, 0x00209072, 0x00283002, 0x00283006),
)
VALUE_BYTES = 1 << 12
"""Of a value that is read as text or numbers: only its first few are asked for, and a hostile one has millions."""
_MOST_ITEMS = 64
_ITEM_READS = 1 << 12
_STRUCT_CODES = {"US": "H", "SS": "h", "UL": "L", "SL": "l", "FL": "f", "FD": "d", "OW": "H"}


@dataclass(frozen=True, slots=True)
class Elements:
    """Elements of a data set or of one item of a sequence, by tag. Absent and unreadable values are the same."""

    found: Mapping[int, Element] = field(default_factory=dict)

    def __contains__(self, tag: int) -> bool:
        return tag in self.found

    def content(self, tag: int) -> bytes:
        """The value's bytes; empty where there are none."""
        return self.found[tag].content if tag in self.found else b""

    def order(self, tag: int) -> str:
        """The value's byte order as struct and numpy write it, "<" or ">"."""
        return self.found[tag].layout.order if tag in self.found else "<"

    def text(self, tag: int) -> str:
        """The first of the values as text, without padding; empty when absent.

        Code strings are ASCII; in code meanings other letters may come out wrong, which no rule here depends on.
        """
        return self.content(tag)[:VALUE_BYTES].decode("latin-1").split("\\")[0].strip("\0 \t\r\n")

    def numbers(self, tag: int, kind: str = "DS") -> tuple[float, ...]:
        """All finite numbers of a value, of an overlong one the first.

        Args:
            tag: the attribute.
            kind: its VR by the dictionary, for objects that do not say it ("US", "SS", "DS", "IS", ...).
        """
        content = self.content(tag)[:VALUE_BYTES]
        vr = self.found[tag].vr if tag in self.found else ""
        code = _STRUCT_CODES.get(vr) or _STRUCT_CODES.get(kind if vr in {"", "UN", "OB"} else vr)
        if code is None:
            return tuple(n for part in content.decode("latin-1").split("\\") for n in _number(part))
        if kind == "SS" and code == "H":
            code = "h"  # "US or SS" by Pixel Representation, which the VR of a careless writer may contradict
        count = len(content) // struct.calcsize("<" + code)
        values = struct.unpack_from(f"{self.order(tag)}{count}{code}", content)
        return tuple(float(n) for n in values if math.isfinite(n))

    def integer(self, tag: int, kind: str = "US") -> int | None:
        """The first number of a value as an integer, or None."""
        numbers = self.numbers(tag, kind)
        return int(numbers[0]) if numbers and abs(numbers[0]) < 1 << 53 else None

    def items(self, tag: int, wanted: Collection[int] = ITEM_TAGS) -> tuple[Elements, ...]:
        """The items of a sequence, at most 64; empty when there are none or they cannot be walked.

        Args:
            tag: of the sequence.
            wanted: tags whose values are kept.
        """
        element = self.found.get(tag)
        return () if element is None else _items(element, wanted)


def _items(element: Element, wanted: Collection[int]) -> tuple[Elements, ...]:
    source = BudgetedSource(io.BytesIO(element.content), len(element.content), _ITEM_READS)
    items: list[Elements] = []
    try:
        while len(items) < _MOST_ITEMS and (head := read_head(source, element.layout)) is not None and head.tag == ITEM:
            end = None if head.length == UNDEFINED_LENGTH else source.tell() + head.length
            body = source if end is None else BudgetedSource(source, end)
            found: dict[int, Element] = {}
            walk(body, element.layout, lambda _tag: False, wanted, found)
            items.append(Elements(found))
            if end is not None:
                source.seek(end)
    except FilmError:
        return tuple(items)
    return tuple(items)


def _number(part: str) -> tuple[float, ...]:
    try:
        number = float(part.strip("\0 "))
    except ValueError:
        return ()
    return (number,) if math.isfinite(number) else ()
