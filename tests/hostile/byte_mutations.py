"""Harm done to bytes without knowing what they mean, and to the lengths and tags that lie among them."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from types import MappingProxyType
from typing import TypeAlias

from kneeoa.model.dicom_codecs import COMPRESSED
from kneeoa.model.dicom_header import DEFLATED, EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE

ByteMutation: TypeAlias = Callable[[bytes, random.Random], bytes]

_PIXEL_TAGS = (b"\xe0\x7f\x10\x00", b"\x7f\xe0\x00\x10")
_VRS = tuple(b"AE AS AT CS DA DS DT FL FD IS LO LT OB OD OF OL OV OW PN SH SL SQ SS ST SV TM UC UI UL UN".split())
_LENGTHS = (0, 1, 2, 3, 7, 0x7FFF, 0xFFFE, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)
_SYNTAXES = (
    *(*sorted(COMPRESSED), IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG, DEFLATED),
    *("1.2.840.10008.1.2.4.52", "1.2.840.10008.1.2.4.100", "1.2.840.10008.1.2.8.1", "", "1.2.3", "ALONSO", "\\"),
)
# Elements that the reader looks at: a lie there is a lie that counts.
_TAGS = tuple(
    struct.pack("<HH", tag >> 16, tag & 0xFFFF)
    for tag in (
        *(0x00020000, 0x00020010, 0x00080005, 0x00080016, 0x00080018, 0x00080060, 0x00082218, 0x00100010, 0x00101010),
        *(0x00180015, 0x00185101, 0x0020000D, 0x00200062, 0x00280002, 0x00280004, 0x00280010, 0x00280011, 0x00280030),
        *(0x00280100, 0x00280101, 0x00280102, 0x00280103, 0x00281050, 0x00281051, 0x00281052, 0x00281053, 0x00540220),
        0x7FE00010,
    )
)


def pixels_begin(content: bytes) -> int:
    """Where the pixel data's element starts; the middle of a file that shows none."""
    place = max(content.rfind(tag) for tag in _PIXEL_TAGS)
    return place if place > 0 else len(content) // 2


def truncate(content: bytes, rng: random.Random) -> bytes:
    """Cut at a multiple of 5 %."""
    return content[: len(content) * rng.randrange(20) // 20]


def truncate_anywhere(content: bytes, rng: random.Random) -> bytes:
    """Cut at any byte."""
    return content[: rng.randrange(len(content) + 1)]


def flip_header(content: bytes, rng: random.Random) -> bytes:
    """One to eight bits of the header."""
    return _flipped(content, rng, 0, pixels_begin(content), rng.randint(1, 8))


def flip_pixels(content: bytes, rng: random.Random) -> bytes:
    """One to sixteen bits of the pixels."""
    return _flipped(content, rng, pixels_begin(content) + 12, len(content), rng.randint(1, 16))


def flip_many_pixels(content: bytes, rng: random.Random) -> bytes:
    """Every fiftieth byte of the pixels, about."""
    begin = pixels_begin(content) + 12
    return _flipped(content, rng, begin, len(content), max(1, (len(content) - begin) // 50))


def overwrite_pixels(content: bytes, rng: random.Random) -> bytes:
    """Up to 4 KB of the pixels replaced by noise, zeros or ones."""
    begin = pixels_begin(content) + 12
    size = rng.randint(64, 4096)
    start = rng.randrange(begin, max(begin + 1, len(content) - size))
    filling = rng.choice((rng.randbytes(size), bytes(size), b"\xff" * size))
    return (content[:start] + filling + content[start + size :])[: len(content)]


def lose_pixels(content: bytes, rng: random.Random) -> bytes:
    """Up to 64 bytes of the pixels are missing; zeros before the file's last bytes keep every length true."""
    begin = min(pixels_begin(content) + 64, len(content) - 1)
    start = rng.randrange(begin, len(content))
    count, last = rng.randint(1, 64), max(start, len(content) - 16)
    harmed = content[:start] + content[start + count : last]
    return harmed.ljust(last, b"\0") + content[last:]


def overwrite(content: bytes, rng: random.Random) -> bytes:
    """Up to a kilobyte replaced by noise, zeros or ones."""
    size = rng.randint(1, 1024)
    start = rng.randrange(max(1, len(content) - size))
    filling = rng.choice((rng.randbytes(size), bytes(size), b"\xff" * size))
    return content[:start] + filling + content[start + size :]


def lose_bytes(content: bytes, rng: random.Random) -> bytes:
    """Up to 2,000 bytes are missing, so that all after them is shifted."""
    start = rng.randrange(max(1, len(content)))
    return content[:start] + content[start + rng.randint(1, 2000) :]


def repeat_bytes(content: bytes, rng: random.Random) -> bytes:
    """Up to 2,000 bytes come twice."""
    start = rng.randrange(max(1, len(content)))
    stop = start + rng.randint(1, 2000)
    return content[:stop] + content[start:]


def lie_about_a_length(content: bytes, rng: random.Random) -> bytes:
    """The length of an element that the reader looks at, explicit or implicit."""
    place = _some_element(content, rng)
    if place is None:
        return flip_header(content, rng)
    length = rng.choice(_LENGTHS)
    long_form = content[place + 4 : place + 6] in {b"OB", b"OW", b"SQ", b"UN", b"UT"}
    explicit = content[place + 4 : place + 6].isalpha()
    if explicit and not long_form:
        return content[: place + 6] + struct.pack("<H", length & 0xFFFF) + content[place + 8 :]
    at = place + (8 if explicit else 4)
    return content[:at] + struct.pack("<L", length) + content[at + 4 :]


def swap_a_vr(content: bytes, rng: random.Random) -> bytes:
    """Another VR, known or not, for an element that the reader looks at."""
    place = _some_element(content, rng)
    if place is None:
        return flip_header(content, rng)
    vr = rng.choice((*_VRS, b"ZZ", b"\0\0", b"  "))
    return content[: place + 4] + vr + content[place + 6 :]


def swap_a_tag(content: bytes, rng: random.Random) -> bytes:
    """One attribute's value under another's name: a patient's name for a modality, rows for bits."""
    place = _some_element(content, rng)
    if place is None:
        return flip_header(content, rng)
    return content[:place] + rng.choice(_TAGS) + content[place + 4 :]


def mislabel(content: bytes, rng: random.Random) -> bytes:
    """A transfer syntax that is not the object's; the meta information's group length lies then, too."""
    place = content.find(b"\x02\x00\x10\x00UI", 128)
    if place < 0 or place + 8 > len(content):
        return flip_header(content, rng)
    after = place + 8 + int.from_bytes(content[place + 6 : place + 8], "little")
    uid = rng.choice(_SYNTAXES).encode()
    uid += b"\0" * (len(uid) % 2)
    return content[: place + 6] + len(uid).to_bytes(2, "little") + uid + content[after:]


def append_junk(content: bytes, rng: random.Random) -> bytes:
    """Bytes after the end."""
    return content + rng.randbytes(rng.randint(1, 4096))


def _some_element(content: bytes, rng: random.Random) -> int | None:
    places = [place for tag in _TAGS if (place := content.find(tag, 128)) >= 0]
    return rng.choice(places) if places else None


def _flipped(content: bytes, rng: random.Random, start: int, stop: int, count: int) -> bytes:
    harmed = bytearray(content)
    if stop <= start or not harmed:
        return content
    for _ in range(count):
        harmed[min(rng.randrange(start, stop), len(harmed) - 1)] ^= 1 << rng.randrange(8)
    return bytes(harmed)


BYTE_MUTATIONS = MappingProxyType(
    {
        mutation.__name__: mutation
        for mutation in (
            *(truncate, truncate_anywhere, flip_header, flip_pixels, flip_many_pixels, overwrite),
            *(
                overwrite_pixels,
                lose_pixels,
                lose_bytes,
                repeat_bytes,
                lie_about_a_length,
                swap_a_vr,
                swap_a_tag,
                mislabel,
                append_junk,
            ),
        )
    }
)
