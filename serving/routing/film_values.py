"""The values of a film that rules look at: the header is walked once, no pixel is decoded, nothing is trusted."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from kneeoa.model.dicom_elements import VALUE_BYTES, Elements
from kneeoa.model.dicom_header import read_header
from kneeoa.serving.routing.tag_path import TagPath

_CHARACTER_SET = 0x00080005
_BINARY = frozenset({"US", "SS", "UL", "SL", "FL", "FD"})
_OPAQUE = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "AT", "SV", "UV", "SQ"})
_ONE_VALUE = frozenset({"LT", "ST", "UT", "UR"})
"""PS3.5 section 6.4: in these a backslash is a letter."""
_AGE = re.compile(r"(\d{3})([DWMY])")
_AGES_A_YEAR = {"D": 365.25, "W": 365.25 / 7, "M": 12.0, "Y": 1.0}
_LETTERS = 256
"""Of one value; longer ones are cut, so that no film makes a regular expression run for long."""


@dataclass(frozen=True, slots=True)
class FilmValues:
    """The values of one film; a picture that is no DICOM object has none.

    Attributes:
        elements: those that were asked for.
        encoding: of texts, as Python calls it.
    """

    elements: Elements = field(default_factory=Elements)
    encoding: str = "latin-1"

    def present(self, path: TagPath) -> bool:
        """Whether a tag is there, with a value or an item."""
        tag, holders = path.tags[-1], self._holders(path)
        if path.vr == "SQ":
            return any(holder.items(tag) for holder in holders)
        return any(holder.content(tag).strip(b"\0 ") for holder in holders)

    def texts(self, path: TagPath) -> tuple[str, ...]:
        """The values that are not empty, as text without padding; numbers as Python writes them."""
        return tuple(text for holder in self._holders(path) for text in self._texts(holder, path) if text)

    def numbers(self, path: TagPath) -> tuple[float, ...]:
        """The values that are numbers; of ages the years (PS3.5 section 6.2, AS)."""
        return tuple(number for text in self.texts(path) for number in _number(text))

    def _holders(self, path: TagPath) -> tuple[Elements, ...]:
        """What has the last tag of the path, as far as it is there."""
        holders: tuple[Elements, ...] = (self.elements,)
        for here, within in zip(path.tags[:-1], path.tags[1:], strict=True):
            holders = tuple(item for holder in holders for item in holder.items(here, (within,)))
        return holders

    def _texts(self, holder: Elements, path: TagPath) -> tuple[str, ...]:
        tag = path.tags[-1]
        written = holder.found[tag].vr if tag in holder else ""
        vr = path.vr if written in {"", "UN"} else written
        if vr in _BINARY:
            return tuple(f"{number:.15g}" for number in holder.numbers(tag, vr))
        if vr in _OPAQUE:
            return ()
        text = holder.content(tag)[:VALUE_BYTES].decode(self.encoding, "replace")
        parts = [text] if vr in _ONE_VALUE else text.split("\\")
        return tuple(part.strip("\0 \t\r\n")[:_LETTERS] for part in parts)


def read_values(path: Path, wanted: Iterable[TagPath]) -> FilmValues:
    """Reads values from a DICOM file; of a damaged header those before the fault.

    Args:
        path: the file.
        wanted: what is looked at.

    Raises:
        FilmError: `not_dicom`.
    """
    tags = (_CHARACTER_SET, *(one.tags[0] for one in wanted))
    with path.open("rb") as stream:
        elements = read_header(stream, path.stat().st_size, tags).elements
    return FilmValues(elements, _encoding(elements.text(_CHARACTER_SET)))


def _encoding(character_set: str) -> str:
    """Of the first character set of a film (PS3.3 section C.12.1.1.2); one that is not known is Latin 1."""
    from pydicom.charset import python_encoding

    found = python_encoding.get(character_set, "latin-1")
    return "latin-1" if found == "iso8859" else found


def _number(text: str) -> tuple[float, ...]:
    age = _AGE.fullmatch(text)
    if age is not None:
        return (int(age[1]) / _AGES_A_YEAR[age[2]],)
    try:
        return (float(text),)
    except ValueError:
        return ()
