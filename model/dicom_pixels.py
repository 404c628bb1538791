"""The stored pixels of an object whose header has been found fit."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kneeoa.model.dicom_codecs import COMPRESSED, Geometry, decode
from kneeoa.model.dicom_grey import Stored
from kneeoa.model.dicom_header import EXPLICIT_BIG, Header
from kneeoa.model.dicom_sources import ByteSource
from kneeoa.model.errors import FilmError, ReasonCode

_CHUNK = 1 << 22
_PADDING = 4096
"""Bytes after the pixels that some writers add to fill a block."""
_GREY_TOLERANCE = 24
"""Of 255: how far a colour sample may be from its grey; JPEG's chroma noise stays far below."""
_COLOURED_SHARE = 0.005
"""Markers and labels may be in colour, the film may not."""
# ITU-R BT.601 luma, as JPEG and PS3.3 C.7.6.3.1.2 (YBR_FULL) have it.
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)


def stored_pixels(header: Header, geometry: Geometry) -> Stored:
    """Reads and decodes the pixels.

    Args:
        header: its source is at the first byte of the pixels, which are read and gone.
        geometry: as checked by `dicom_rules.checked_geometry`.

    Returns:
        Grey pixels in their stored coding; nearly grey colour as its 8-bit luma.

    Raises:
        FilmError: `truncated`, `corrupt_pixels`, `bad_geometry` (the codestream says another size), `too_large`,
            `wrong_modality` (a colour picture).
    """
    source = header.source
    if source is None:
        raise FilmError(ReasonCode.NO_PIXELS, "The object has no pixel data.")
    elements = header.elements
    bits = elements.integer(0x00280101) or geometry.bits_allocated
    high_bit = elements.integer(0x00280102)
    shift = 0 if high_bit is None else high_bit + 1 - bits
    if header.transfer_syntax in COMPRESSED:
        pixels, precision = decode(source, header.transfer_syntax, geometry, header.pixel_length)
        if precision != geometry.bits_allocated:
            bits, shift = precision, 0  # the codestream knows better than a header that nobody rewrote
    else:
        pixels = _native(header, source, geometry)
    if geometry.samples == 3:
        ybr = geometry.photometric.startswith("YBR") and header.transfer_syntax not in COMPRESSED - _KEEPS_YBR
        return Stored(_luma(pixels, ybr=ybr), 8, 0, signed=False, as_displayed=True)
    return Stored(pixels, bits, shift, signed=elements.integer(0x00280103) == 1)


_KEEPS_YBR = frozenset({"1.2.840.10008.1.2.5"} | {f"1.2.840.10008.1.2.4.{n}" for n in (57, 70, 80, 81)})
"""Decoders that give the components as stored; those of JPEG and JPEG 2000 give RGB."""


def _native(header: Header, source: ByteSource, geometry: Geometry) -> npt.NDArray[np.unsignedinteger]:
    """Uncompressed pixels in the machine's byte order.

    References:
        PS3.5 section 8.1.1 and 8.2 (native), PS3.3 C.7.6.3.1.3 (Planar Configuration), C.7.6.3.1.2 (YBR_FULL_422).
    """
    halved = geometry.photometric == "YBR_FULL_422"
    count = geometry.rows * geometry.columns * (2 if halved else geometry.samples)
    expected = count * geometry.bits_allocated // 8
    _refuse_length(header, expected, expected // geometry.rows)
    content = np.empty(expected, dtype=np.uint8)
    filled = 0
    while filled < expected:
        piece = source.read(min(_CHUNK, expected - filled))
        if not piece:
            raise FilmError(ReasonCode.TRUNCATED, "The file ends within its pixel data.")
        content[filled : filled + len(piece)] = np.frombuffer(piece, dtype=np.uint8)
        filled += len(piece)
    pixels: npt.NDArray[np.unsignedinteger] = content.view(f"u{geometry.bits_allocated // 8}")
    if header.transfer_syntax == EXPLICIT_BIG:
        if geometry.bits_allocated > 8:
            pixels.byteswap(inplace=True)
        elif header.pixel_vr == "OW" and expected % 2 == 0:
            content.view(np.uint16).byteswap(inplace=True)  # bytes in words, PS3.5 8.1.1
    if halved:
        return _unhalved(pixels, geometry)
    if geometry.samples == 3 and header.elements.integer(0x00280006) == 1:
        return np.moveaxis(pixels.reshape(3, geometry.rows, geometry.columns), 0, -1)
    return pixels.reshape(geometry.shape)


def _refuse_length(header: Header, expected: int, row: int) -> None:
    if header.pixel_length is None:
        raise FilmError(ReasonCode.CORRUPT_PIXELS, "The pixel data are framed as if they were compressed.")
    if header.pixel_length < expected or (header.left is not None and header.left < expected):
        raise FilmError(ReasonCode.TRUNCATED, "The pixel data are shorter than rows, columns and bits claim.")
    # Up to a row may be padding; more says that the film has another shape than its header.
    if header.pixel_length - expected >= max(_PADDING, row):
        raise FilmError(ReasonCode.BAD_GEOMETRY, "The pixel data are longer than rows, columns and bits claim.")


def _unhalved(pixels: npt.NDArray[np.unsignedinteger], geometry: Geometry) -> npt.NDArray[np.unsignedinteger]:
    """Y1 Y2 Cb Cr for each two pixels -> (rows, columns, 3)."""
    pairs = pixels.reshape(geometry.rows, geometry.columns // 2, 4)
    full = np.empty((geometry.rows, geometry.columns, 3), dtype=pixels.dtype)
    full[..., 0] = pairs[..., :2].reshape(geometry.rows, geometry.columns)
    full[..., 1:] = np.repeat(pairs[..., 2:], 2, axis=1)
    return full


def _luma(pixels: npt.NDArray[np.unsignedinteger], *, ybr: bool) -> npt.NDArray[np.uint8]:
    """(rows, columns, 3) -> (rows, columns) uint8, or a refusal where the colours mean something."""
    grey = np.empty(pixels.shape[:2], dtype=np.uint8)
    coloured = 0
    for start in range(0, len(pixels), 256):
        strip = pixels[start : start + 256]
        if ybr:
            chroma = np.abs(strip[..., 1:].astype(np.int16) - 128).max(axis=-1)
            coloured += int(np.count_nonzero(2 * chroma > _GREY_TOLERANCE))
            grey[start : start + 256] = strip[..., 0]
        else:
            spread = strip.max(axis=-1) - strip.min(axis=-1)
            coloured += int(np.count_nonzero(spread > _GREY_TOLERANCE))
            grey[start : start + 256] = np.rint(strip.astype(np.float32) @ _LUMA)
    if coloured > _COLOURED_SHARE * grey.size:
        raise FilmError(ReasonCode.WRONG_MODALITY, "This is a colour picture, not a plain radiograph.")
    return grey
