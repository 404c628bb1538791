"""Compressed pixels out of their codestreams, each by the decoder that is fastest without being GPL.

The decoders are called directly: pydicom's own runner warns, and refuses 12-bit JPEG Extended, which GDCM decodes. They
are imported when first needed, for the sake of the cold start. Before one of them sees a codestream, the size that
the codestream claims has been held against the header's: native code inflates whatever it is told to.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kneeoa.model.dicom_jpeg import decode_jpeg, frame_of
from kneeoa.model.dicom_jpeg_2000 import refuse_shredded
from kneeoa.model.dicom_native_stderr import native_stderr
from kneeoa.model.dicom_sources import ByteSource
from kneeoa.model.errors import FilmError, ReasonCode

RLE = "1.2.840.10008.1.2.5"
JPEG = frozenset(f"1.2.840.10008.1.2.4.{n}" for n in (50, 51, 57, 70))
JPEG_LS = frozenset(f"1.2.840.10008.1.2.4.{n}" for n in (80, 81))
JPEG_2000 = frozenset(f"1.2.840.10008.1.2.4.{n}" for n in (90, 91, 201, 202, 203))
COMPRESSED = frozenset({RLE}) | JPEG | JPEG_LS | JPEG_2000
FRAGMENTS = 1 << 16
"""Of one film; most have one."""
_SLACK = 1 << 20

StoredPixels = npt.NDArray[np.unsignedinteger]
"""(rows, columns) or (rows, columns, samples), unsigned containers of the stored bits."""


@dataclass(frozen=True, slots=True)
class Geometry:
    """What the header claims of the pixels, and what the codestream is held to."""

    rows: int
    columns: int
    samples: int
    bits_allocated: int
    photometric: str

    @property
    def size_bytes(self) -> int:
        """Of the pixels, decoded."""
        return self.rows * self.columns * self.samples * self.bits_allocated // 8

    @property
    def shape(self) -> tuple[int, ...]:
        """The array's shape; colour comes by pixel."""
        return (self.rows, self.columns) if self.samples == 1 else (self.rows, self.columns, self.samples)


def decode(
    source: ByteSource, transfer_syntax: str, geometry: Geometry, length: int | None
) -> tuple[StoredPixels, int]:
    """Decodes the single frame of an encapsulated Pixel Data.

    Args:
        source: positioned at the first byte of the pixels' value.
        transfer_syntax: one of `COMPRESSED`.
        geometry: the header's claims.
        length: the value's length as claimed, None when undefined, as it should be.

    Returns:
        (stored pixels, significant bits of each). Signed values are in two's complement.

    Raises:
        FilmError: cut off, damaged, or of another size than the header says.

    References:
        PS3.5 section A.4 (encapsulation, one section a codec) and section 8.2.
    """
    codestream = _codestream(source, length, 2 * geometry.size_bytes + _SLACK)
    try:
        if transfer_syntax == RLE:
            return _rle(codestream, geometry), geometry.bits_allocated
        if transfer_syntax in JPEG_2000:
            return _jpeg_2000(codestream, geometry)
        if transfer_syntax in JPEG_LS:
            return _jpeg_ls(codestream, geometry)
        return _jpeg(codestream, transfer_syntax, geometry)
    except FilmError:
        raise
    except MemoryError:
        raise FilmError(ReasonCode.TOO_LARGE, "There is not enough memory to decode the pixel data.") from None
    except BaseException as error:
        # Decoders raise anything, with texts that quote the file; a panic in pylibjpeg-rle's Rust is no Exception.
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise FilmError(ReasonCode.CORRUPT_PIXELS, "The decoder does not accept the pixel data.") from None


def _codestream(source: ByteSource, length: int | None, largest: int) -> bytes:
    """All fragments but the offset table, in a row: of a single frame, that is its codestream."""
    if length is not None and length < 8:
        raise FilmError(ReasonCode.TRUNCATED, "The pixel data are shorter than the header claims.")
    pieces: list[bytes] = []
    total = count = 0
    while len(head := source.read(8)) == 8:
        size = int(struct.unpack("<L", head[4:])[0])
        if head[:4] == b"\xfe\xff\xdd\xe0":
            break
        if head[:4] != b"\xfe\xff\x00\xe0" or size == 0xFFFFFFFF:
            raise FilmError(ReasonCode.CORRUPT_PIXELS, "The compressed pixel data are not framed as they must be.")
        total, count = total + size, count + 1
        if total > largest or count > FRAGMENTS:
            raise FilmError(ReasonCode.TOO_LARGE, "The compressed pixel data are larger than the film could ever be.")
        piece = source.read(size)
        if len(piece) < size:
            raise FilmError(ReasonCode.TRUNCATED, "The file ends within its pixel data.")
        if count > 1:
            pieces.append(piece)
    else:
        raise FilmError(ReasonCode.TRUNCATED, "The file ends before the end of its compressed pixel data.")
    if not any(pieces):
        raise FilmError(ReasonCode.NO_PIXELS, "The object's pixel data are empty.")
    return b"".join(pieces)


def _hold(geometry: Geometry, rows: int, columns: int, samples: int) -> None:
    if (rows, columns) != (geometry.rows, geometry.columns):
        raise FilmError(
            ReasonCode.BAD_GEOMETRY,
            f"The header claims {geometry.rows} x {geometry.columns} pixels, the codestream {rows} x {columns}.",
        )
    if samples != geometry.samples:
        raise FilmError(
            ReasonCode.BAD_GEOMETRY,
            f"The header claims {geometry.samples} samples per pixel, the codestream {samples}.",
        )


def _rle(codestream: bytes, geometry: Geometry) -> StoredPixels:
    from rle.utils import decode_pixel_data

    with native_stderr():  # its Rust panics at segments that are too long, and prints where
        frame = decode_pixel_data(
            codestream,
            version=2,
            rows=geometry.rows,
            columns=geometry.columns,
            bits_allocated=geometry.bits_allocated,
        )
    planes = _view(bytes(frame), geometry.bits_allocated).reshape(geometry.samples, geometry.rows, geometry.columns)
    return planes[0] if geometry.samples == 1 else np.moveaxis(planes, 0, -1)  # RLE is colour by plane, PS3.5 G.2


def _jpeg_2000(codestream: bytes, geometry: Geometry) -> tuple[StoredPixels, int]:
    from openjpeg.utils import decode as openjpeg_decode
    from openjpeg.utils import get_parameters

    refuse_shredded(codestream, geometry.rows * geometry.columns * geometry.samples)
    claims = get_parameters(codestream)
    rows, columns, samples = (int(claims[name]) for name in ("rows", "columns", "samples_per_pixel"))
    _hold(geometry, rows, columns, samples)
    bits = int(claims["precision"])
    pixels = openjpeg_decode(codestream)
    return pixels.view(f"u{pixels.dtype.itemsize}"), bits


def _jpeg_ls(codestream: bytes, geometry: Geometry) -> tuple[StoredPixels, int]:
    from jpeg_ls import decode_pixel_data

    frame = frame_of(codestream)
    rows, columns, samples, bits = frame.rows, frame.columns, frame.samples, frame.bits
    _hold(geometry, rows, columns, samples)
    # Without its end marker the decoder searches for minutes.
    if not codestream.rstrip(b"\0").endswith(b"\xff\xd9"):
        raise FilmError(ReasonCode.CORRUPT_PIXELS, "The compressed pixel data have no end.")
    buffer, info = decode_pixel_data(codestream)
    pixels = _view(buffer, 8 if bits <= 8 else 16)
    if samples > 1 and int(info["interleave_mode"]) == 0:
        return np.moveaxis(pixels.reshape(samples, rows, columns), 0, -1), bits
    return pixels.reshape(geometry.shape), bits


def _jpeg(codestream: bytes, transfer_syntax: str, geometry: Geometry) -> tuple[StoredPixels, int]:
    frame = frame_of(codestream)
    _hold(geometry, frame.rows, frame.columns, frame.samples)
    return decode_jpeg(codestream, frame, transfer_syntax), frame.bits


def _view(buffer: bytes | bytearray, bits_allocated: int) -> StoredPixels:
    return np.frombuffer(buffer, dtype=f"<u{bits_allocated // 8}")
