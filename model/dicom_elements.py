"""Data elements as raw bytes that are decoded only where asked: nothing warns, nothing is trusted.

pydicom's own conversion of values warns about, or stumbles over, much of what real archives hold; Python's warning
filters belong to the whole process, so a thread-safe reader cannot silence them and must not cause them.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, MutableSequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydicom.dataelem import DataElement, RawDataElement
    from pydicom.dataset import Dataset

_STRUCT_CODES = {"US": "H", "SS": "h", "UL": "L", "SL": "l", "FL": "f", "FD": "d", "OW": "H"}


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

    def order(self, tag: int) -> str:
        """The value's byte order as struct and numpy write it, "<" or ">"."""
        return "<" if getattr(self.raw.get(tag), "is_little_endian", True) else ">"

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
        count = len(content) // struct.calcsize("<" + code)
        values = struct.unpack_from(f"{self.order(tag)}{count}{code}", content)
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
                    value,
                    bool(getattr(element, "is_implicit_VR", True)),
                    bool(getattr(element, "is_little_endian", True)),
                )
            except Exception:  # noqa: BLE001, RUF100 - any failure of a parser fed with hostile bytes
                return ()
        return tuple(_of_dataset(item) for item in value) if isinstance(value, MutableSequence) else ()


def _of_dataset(item: Dataset) -> Elements:
    return Elements({int(tag): item.get_item(tag) for tag in item.keys()})  # noqa: SIM118 - a Dataset is no dict


def _number(part: str) -> tuple[float, ...]:
    try:
        number = float(part.strip("\0 "))
    except ValueError:
        return ()
    return (number,) if math.isfinite(number) else ()
