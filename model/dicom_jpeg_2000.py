"""JPEG 2000 codestreams: how much work one asks for, told from its markers before a decoder allocates it."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from kneeoa.model.errors import FilmError, ReasonCode

BLOCKS = 1 << 19
"""Code-blocks and precincts of a film, 500 bytes each in OpenJPEG; 64 megapixels in blocks of 64 x 64 have 16,384."""
TILES = 1 << 12
"""Times components; 64 megapixels in tiles of 128 x 128 have 4,096. OpenJPEG keeps 10 KB for each."""
_COD, _COC, _SOT, _SOD, _EOC = 0xFF52, 0xFF53, 0xFF90, 0xFF93, 0xFFD9


def refuse_shredded(codestream: bytes, samples: int) -> None:
    """Refuses a codestream that is cut into more pieces than any encoder makes, before OpenJPEG reads its header.

    Args:
        codestream: raw or in a JP2 file.
        samples: rows times columns times components of the film.

    Raises:
        FilmError: `corrupt_pixels`.

    References:
        ITU-T T.800 A.4.2 (SOT), A.5.1 (SIZ), A.6.1 (COD), A.6.2 (COC).
    """
    codestream = codestream[max(0, codestream.find(b"\xff\x4f\xff\x51")) :]  # a JP2 file's header may stand before
    width, height, tile_width, tile_height, components = struct.unpack_from(">2L8x2L8xH", codestream.ljust(42), 8)
    tiles = -(-width // max(tile_width, 1)) * -(-height // max(tile_height, 1))
    if tiles * components > TILES:
        raise FilmError(ReasonCode.CORRUPT_PIXELS, "The compressed pixel data are cut into too many tiles.")
    for marker, body in _coding_styles(codestream):
        # Scod and SGcod (5 bytes), or Ccoc and Scoc, stand before the decomposition levels.
        start = 5 if marker == _COD else 2 if components < 257 else 3
        if len(body) < start + 5:
            raise FilmError(ReasonCode.CORRUPT_PIXELS, "The compressed pixel data's coding style is cut off.")
        style = body[0] if marker == _COD else body[start - 1]
        if _pieces(body[start:], samples, precincts=bool(style & 1)) > BLOCKS:
            raise FilmError(ReasonCode.CORRUPT_PIXELS, "The compressed pixel data are cut into too many blocks.")


def _pieces(style: bytes, samples: int, *, precincts: bool) -> int:
    """Code-blocks and precincts of all resolutions of a film, about."""
    levels, block = style[0], (style[1] & 15) + (style[2] & 15) + 4
    pieces = 0
    for resolution in range(min(levels, 32) + 1):
        area = samples >> 2 * (min(levels, 32) - resolution)
        size = style[5 + resolution] if precincts and 5 + resolution < len(style) else 0xFF
        precinct = (size & 15) + (size >> 4)
        pieces += (area >> min(block, precinct)) + (area >> precinct)
    return pieces


def _coding_styles(codestream: bytes) -> Iterator[tuple[int, bytes]]:
    """Markers and bodies of the COD and COC segments of the main header and of every tile-part's."""
    position, part, length = 2, 0, 0
    while position + 4 <= len(codestream):
        marker, size = struct.unpack_from(">HH", codestream, position)
        if marker == _EOC:
            return
        if marker == _SOD:
            # Psot counts from the SOT; 0 means up to the end.
            if length < 14:
                return
            position, length = part + length, 0
            continue
        if marker == _SOT and position + 12 <= len(codestream):
            part, length = position, int(struct.unpack_from(">L", codestream, position + 6)[0])
        if marker in {_COD, _COC}:
            yield marker, codestream[position + 4 : position + 2 + size]
        position += 2 + max(size, 2)
