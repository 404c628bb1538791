"""Attacks by name, each with the reasons that may end it: bombs, floods, nests, false claims and two-faced files."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from pydicom.encaps import encapsulate
from pydicom.uid import UID
from tests.hostile.bases import base, knee_dataset, saved
from tests.hostile.codestreams import chunk, jpeg, jpeg_2000, png

from kneeoa.model.errors import ReasonCode

JPEG_SYNTAX = "1.2.840.10008.1.2.4."
EXPLICIT, DEFLATED = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99"
_COLOUR = MappingProxyType(
    {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0, "BitsAllocated": 8}
    | {"BitsStored": 8, "HighBit": 7}
)
_EIGHT = MappingProxyType({"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7})
_ITEM = struct.pack("<HHL", 0xFFFE, 0xE000, 0)
R = ReasonCode


@dataclass(frozen=True, slots=True)
class Attack:
    """A file made to do harm.

    Attributes:
        make: its bytes, or pieces of them where they are many.
        codes: reasons that may end it; empty where the harm is passed over and the knee is graded.
        large: whether making or refusing it takes seconds.
    """

    make: Callable[[], bytes | Iterator[bytes]]
    codes: frozenset[ReasonCode] = field(default=frozenset())
    large: bool = False


def _film(syntax: str, rows: int, columns: int, frame: bytes, **attributes: object) -> bytes:
    film = knee_dataset()
    film.file_meta.TransferSyntaxUID = UID(JPEG_SYNTAX + syntax)
    film.Rows, film.Columns = rows, columns
    for keyword, value in attributes.items():
        setattr(film, keyword, value)
    film.PixelData = encapsulate([frame])
    film["PixelData"].VR = "OB"
    film["PixelData"].is_undefined_length = True
    return saved(film)


def _with(raw: bytes, before: int = 0x00280002) -> bytes:
    """The explicit knee with raw bytes before an element."""
    content = base(f"knee R {EXPLICIT}").content
    place = content.index(struct.pack("<HH", before >> 16, before & 0xFFFF), 400)
    return content[:place] + raw + content[place:]


def _long(tag: int, vr: bytes, value: bytes, length: int | None = None) -> bytes:
    head = struct.pack("<HH2sHL", tag >> 16, tag & 0xFFFF, vr, 0, len(value) if length is None else length)
    return head + value


def _fragments(raw: bytes) -> bytes:
    """The lossless knee whose fragments begin with these bytes in place of an offset table."""
    content = base(f"knee R {JPEG_SYNTAX}70").content
    place = content.index(struct.pack("<HH", 0x7FE0, 0x0010)) + 12
    table = 8 + int.from_bytes(content[place + 4 : place + 8], "little")
    return content[:place] + raw + content[place + table :]


def _deflated(size: int) -> bytes:
    """The deflated knee with `size` zeros in a private element."""
    content = base(f"knee R {DEFLATED}").content
    start = next(at for at in range(content.index(DEFLATED.encode()), len(content)) if _inflated(content[at:]))
    plain = _inflated(content[start:])
    place = plain.index(struct.pack("<HH", 0x0010, 0x0010))
    deflater = zlib.compressobj(1, zlib.DEFLATED, -15)
    pieces = [content[:start], deflater.compress(plain[:place] + _long(0x00091010, b"OB", b"", size))]
    pieces += [deflater.compress(bytes(1 << 24)) for _ in range(size >> 24)]
    return b"".join((*pieces, deflater.compress(plain[place:]), deflater.flush()))


def _inflated(content: bytes) -> bytes:
    try:
        plain = zlib.decompressobj(-15).decompress(content)
    except zlib.error:
        return b""
    return plain if plain.startswith(b"\x08\x00") else b""


def _native(rows: int, columns: int, bits: int, **attributes: object) -> Iterator[bytes]:
    """An uncompressed film of a ramp, row by row: no attack, but the largest that is let in."""
    film = knee_dataset()
    film.Rows, film.Columns, film.BitsAllocated, film.BitsStored, film.HighBit = rows, columns, bits, bits, bits - 1
    for keyword, value in attributes.items():
        setattr(film, keyword, value)
    film.PixelData = b"\0\0"
    row = (np.linspace(0, 0.9, columns) * (1 << bits)).astype(f"<u{bits // 8}").tobytes()
    yield saved(film)[:-6] + struct.pack("<L", rows * len(row))
    for _ in range(rows):
        yield row


def _picture(colour: int, samples: int, *, depth: int = 8, extra: bytes = b"") -> bytes:
    ramp = np.repeat((np.arange(8192) // 32).astype(np.uint8), samples * depth // 8).tobytes()
    return png(8192, 8192, (ramp for _ in range(8192)), depth=depth, colour=colour, extra=extra)


def _small_png(extra: bytes) -> bytes:
    ramp = bytes(np.arange(320) % 256)
    return png(320, 320, (ramp for _ in range(320)), extra=extra)


def _two_faced(preamble: bytes) -> bytes:
    return preamble.ljust(128, b"\0")[:128] + base(f"knee R {EXPLICIT}").content[128:]


_PALETTE = chunk(b"PLTE", bytes(range(256)) * 3) + chunk(b"tRNS", bytes(range(256)))
_CORRUPT = frozenset({R.CORRUPT_PIXELS})
_FLAT = frozenset({R.CORRUPT_PIXELS, R.UNREADABLE_EXPOSURE})
_LARGE = frozenset({R.TOO_LARGE})
_RAMP = frozenset({R.NOT_A_KNEE, R.NOT_FRONTAL, R.NOT_A_RADIOGRAPH, R.UNREADABLE_EXPOSURE})

_CODECS = {
    "a JPEG 2000 of 64 megapixels in 200 bytes": Attack(
        lambda: _film("90", 8192, 8192, jpeg_2000(8192, 8192)), _FLAT, large=True
    ),
    "a JPEG 2000 in blocks of 4 x 4": Attack(lambda: _film("90", 8192, 8192, jpeg_2000(8192, 8192, block=0)), _CORRUPT),
    "a JPEG 2000 in tiles of 33 x 33": Attack(
        lambda: _film("90", 8192, 8192, jpeg_2000(8192, 8192, tile=33)), _CORRUPT
    ),
    "a JPEG 2000 of 16,384 components": Attack(
        lambda: _film("90", 320, 320, jpeg_2000(320, 320, components=16384)), _CORRUPT
    ),
    "a JPEG 2000 of 64 megapixels in colour": Attack(
        lambda: _film("90", 8192, 8192, jpeg_2000(8192, 8192, bits=8, components=3), **_COLOUR), _LARGE
    ),
    "a JPEG 2000 of 2 gigapixels": Attack(
        lambda: _film("90", 320, 320, jpeg_2000(1 << 16, 1 << 15)), frozenset({R.BAD_GEOMETRY})
    ),
    "a JPEG-LS of 64 megapixels": Attack(
        lambda: _film("80", 8192, 8192, jpeg(0xF7, 8192, 8192, bits=12)), _CORRUPT, large=True
    ),
    "a JPEG of 64 megapixels": Attack(
        lambda: _film("50", 8192, 8192, jpeg(0xC0, 8192, 8192), **_EIGHT), _FLAT, large=True
    ),
    "a lossless JPEG of 64 megapixels": Attack(
        lambda: _film("70", 8192, 8192, jpeg(0xC3, 8192, 8192, bits=16)), _FLAT, large=True
    ),
    "a lossless JPEG of 2 bits, at which GDCM aborts": Attack(
        lambda: _film("70", 320, 320, jpeg(0xC3, 320, 320, bits=2)), _CORRUPT
    ),
    "an arithmetic JPEG": Attack(lambda: _film("51", 320, 320, jpeg(0xC9, 320, 320), **_EIGHT), _CORRUPT),
    "a progressive JPEG of 400 scans": Attack(
        lambda: _film("50", 8000, 8000, jpeg(0xC2, 8000, 8000, scans=400), **_EIGHT), _CORRUPT
    ),
}
_PICTURES = {
    "a JPEG picture of 4 gigapixels": Attack(lambda: jpeg(0xC0, 65500, 65500, components=3), _LARGE),
    "a JPEG picture of 500 scans": Attack(lambda: jpeg(0xC2, 8000, 8000, scans=500), _CORRUPT),
    "a PNG of 2^62 pixels": Attack(lambda: png(2**31 - 1, 2**31 - 1, (), depth=16, colour=6), _LARGE),
    "a PNG of a million chunks": Attack(lambda: _small_png(chunk(b"tEXt", b"a\0b") * 1_000_000), _CORRUPT),
    "a PNG with 400 MB of compressed text": Attack(
        lambda: _small_png(
            b"".join(chunk(b"zTXt", b"k%d\0\0" % i + zlib.compress(bytes(1 << 20))) for i in range(400))
        ),
        _CORRUPT,
        large=True,
    ),
    "a PNG with 512 MB of colour profile": Attack(
        lambda: _small_png(chunk(b"iCCP", b"k\0\0" + zlib.compress(bytes(1 << 29), 1))), _CORRUPT | _RAMP, large=True
    ),
    "a PNG of 2 GB where 100 KB are due": Attack(
        lambda: png(320, 320, (bytes(1 << 20) for _ in range(2000))), _FLAT, large=True
    ),
    "a PNG of 64 megapixels with alpha": Attack(lambda: _picture(6, 4), _RAMP, large=True),
    "a PNG of 64 megapixels with deep alpha": Attack(lambda: _picture(6, 4, depth=16), _RAMP, large=True),
    "a PNG of 64 megapixels with a palette of alphas": Attack(
        lambda: _picture(3, 1, extra=_PALETTE), _RAMP, large=True
    ),
}
_HEADERS = {
    "a header of four million elements": Attack(
        lambda: _with(struct.pack("<HH2sH", 0x0019, 0x1010, b"LO", 0) * 3_900_000), _LARGE
    ),
    "a sequence of four million items": Attack(
        lambda: _with(_long(0x00191010, b"SQ", _ITEM * 3_900_000 + struct.pack("<HHL", 0xFFFE, 0xE0DD, 0), 0xFFFFFFFF)),
        _LARGE,
    ),
    "an anatomy of four million items": Attack(lambda: _with(_long(0x00209071, b"SQ", _ITEM * 3_700_000))),
    "a table of four million items": Attack(lambda: _with(_long(0x00283010, b"SQ", _ITEM * 3_700_000))),
    "a region four million deep": Attack(
        lambda: _with(_long(0x00082218, b"SQ", struct.pack("<HHL", 0xFFFE, 0xE000, 0xFFFFFFFF) * 3_700_000))
    ),
    "fifteen million windows": Attack(lambda: _with(_long(0x00281050, b"UT", b"1\\" * 15_000_000))),
    "a modality of 31 MB": Attack(
        lambda: _with(_long(0x00080060, b"UT", b"\\" * 31_000_000)),
    ),
    "a deflated header of 900 MB": Attack(lambda: _deflated(896 << 20), large=True),
    "a deflated header of 3 GB": Attack(lambda: _deflated(3 << 30), _LARGE, large=True),
}
_PIXELS = {
    "ten million empty fragments": Attack(lambda: _fragments(_ITEM * 10_000_000), _LARGE),
    "empty fragments among the true ones": Attack(lambda: _fragments(_ITEM * 9)),
    "an offset table of nonsense": Attack(
        lambda: _fragments(struct.pack("<HHL", 0xFFFE, 0xE000, 4096) + b"\xff" * 4096)
    ),
    "an offset table of 512 MB that is not there": Attack(
        lambda: _fragments(struct.pack("<HHL", 0xFFFE, 0xE000, 0x1FFFFFFF)), _LARGE
    ),
    "an uncompressed film of 16k x 16k": Attack(lambda: _native(16384, 16384, 16), _RAMP, large=True),
    "an uncompressed film of 64 megapixels of 32 bits": Attack(lambda: _native(8192, 8192, 32), _RAMP, large=True),
}
_FACES = {
    "an object that begins as a JPEG": Attack(lambda: _two_faced(jpeg(0xC0, 320, 320))),
    "an object that begins as a PNG": Attack(lambda: _two_faced(png(1, 1, (b"\0",)))),
    "an object that begins as a TIFF": Attack(lambda: _two_faced(b"II*\0\x08\0\0\0")),
    "an object that begins as a program": Attack(lambda: _two_faced(b"\x7fELF\x02\x01\x01")),
    "an object that begins as a PDF": Attack(lambda: _two_faced(b"%PDF-1.7\n")),
}
ATTACKS: Mapping[str, Attack] = MappingProxyType({**_CODECS, **_PICTURES, **_HEADERS, **_PIXELS, **_FACES})
