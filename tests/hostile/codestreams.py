"""Codestreams and pictures that claim much and hold little, marker by marker."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable


def segment(marker: int, body: bytes) -> bytes:
    """A JPEG or JPEG 2000 marker segment."""
    return bytes((0xFF, marker)) + struct.pack(">H", len(body) + 2) + body


def jpeg_2000(rows: int, columns: int, *, bits: int = 12, components: int = 1, tile: int = 0, block: int = 4) -> bytes:
    """A codestream without data; `tile` is the tiles' side (0: one tile), `block` a code-block's exponent less two."""
    sizes = (columns, rows, 0, 0, tile or columns, tile or rows, 0, 0)
    parts = bytes((bits - 1, 1, 1)) * components
    siz = segment(0x51, struct.pack(">H8LH", 0, *sizes, components) + parts)
    cod = segment(0x52, struct.pack(">BBHBBBBBB", 0, 0, 1, 0, 5, block, block, 0, 1))
    qcd = segment(0x5C, b"\x40" + b"\x40" * 16)
    tile_part = b"\xff\x90\x00\x0a" + bytes(7) + b"\x01\xff\x93" + b"\x80" * 64
    return b"\xff\x4f" + siz + cod + qcd + tile_part + b"\xff\xd9"


def jpeg(marker: int, rows: int, columns: int, *, bits: int = 8, components: int = 1, scans: int = 1) -> bytes:
    """A JPEG (SOF marker 0xC0 to 0xCF) or JPEG-LS (0xF7) codestream whose scans hold next to nothing."""
    parts = range(1, components + 1)
    frame = struct.pack(">BHHB", bits, rows, columns, components) + b"".join(bytes((i, 0x11, 0)) for i in parts)
    huffman = [
        segment(0xC4, kind + bytes((0, 2)) + bytes(14) + codes)
        for kind, codes in ((b"\0", b"\0\1"), (b"\x10", b"\0\xe0"))
    ]
    tables = b"" if marker == 0xF7 else segment(0xDB, b"\0" + b"\1" * 64) + b"".join(huffman)
    spectrum = {0xF7: (0, 0, 0), 0xC3: (1, 0, 0), 0xC2: (0, 0, 0)}.get(marker, (0, 63, 0))
    scan = bytes((components,)) + b"".join(bytes((i, 0)) for i in parts) + bytes(spectrum)
    return b"\xff\xd8" + tables + segment(marker, frame) + (segment(0xDA, scan) + bytes(64)) * scans + b"\xff\xd9"


def chunk(kind: bytes, body: bytes) -> bytes:
    """A PNG chunk."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(
    width: int, height: int, rows: Iterable[bytes], *, depth: int = 8, colour: int = 0, extra: bytes = b""
) -> bytes:
    """A PNG of rows without their filter bytes; `colour` is its colour type, `extra` stands before the pixels."""
    deflater = zlib.compressobj(1)
    pixels = b"".join(deflater.compress(b"\0" + row) for row in rows) + deflater.flush()
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + extra + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
