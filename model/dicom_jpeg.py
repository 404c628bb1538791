"""JPEG codestreams of DICOM films: looked through before native code sees them, and its complaints heard afterwards.

GDCM's libjpeg paints what it cannot decode with whatever comes to hand, says so on stderr and reports success; some of
its checks end the process. So the frame header is checked first, and stderr is read while it decodes.
"""

from __future__ import annotations

import io
import re
import struct
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kneeoa.model.dicom_native_stderr import native_stderr
from kneeoa.model.errors import FilmError, ReasonCode

SCANS = 64
"""Of one codestream; a progressive JPEG has about ten, and thousands, in a small file, take minutes."""
_LOSSLESS = 0xC3
_JPEG_LS = 0xF7
# ITU-T T.81 table B.1 and T.87: what each process codes; arithmetic coding and hierarchies are nobody's.
_PRECISIONS = {0xC0: range(8, 13, 4), 0xC1: range(8, 13, 4), 0xC2: range(8, 13, 4), _LOSSLESS: range(8, 17)}
_PADDING = 16
"""Bytes that some writers leave between the last code and the end marker."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What the frame header of a JPEG or JPEG-LS codestream says, and which marker it has."""

    rows: int
    columns: int
    samples: int
    bits: int
    marker: int


def frame_of(codestream: bytes) -> Frame:
    """The frame header, of which there is one.

    Raises:
        FilmError: `corrupt_pixels`: there is none, or it is of a process that no film uses.

    References:
        ITU-T T.81 B.2.2 and T.87 C.2.2: the frame header.
    """
    position = 2
    while codestream[:2] == b"\xff\xd8" and position + 10 <= len(codestream):
        marker = codestream[position + 1]
        if codestream[position] != 0xFF:
            break
        if marker == 0xFF:
            position += 1
            continue
        if marker == _JPEG_LS or (0xC0 <= marker <= 0xCF and marker not in {0xC4, 0xC8, 0xCC}):
            bits, rows, columns, samples = struct.unpack_from(">BHHB", codestream, position + 4)
            if bits not in _PRECISIONS.get(marker, range(2, 17) if marker == _JPEG_LS else ()):
                raise FilmError(ReasonCode.CORRUPT_PIXELS, "The compressed pixel data are of an unused JPEG process.")
            if codestream.count(b"\xff\xda") > SCANS:
                raise FilmError(ReasonCode.CORRUPT_PIXELS, f"The compressed pixel data have more than {SCANS} scans.")
            return Frame(rows, columns, samples, bits, marker)
        position += 2 + int(struct.unpack_from(">H", codestream, position + 2)[0])
    raise FilmError(ReasonCode.CORRUPT_PIXELS, "The compressed pixel data have no frame header.")


def decode_jpeg(codestream: bytes, frame: Frame, transfer_syntax: str) -> npt.NDArray[np.unsignedinteger]:
    """Decodes a baseline, extended or lossless JPEG.

    Args:
        codestream: of a single film.
        frame: its frame header, already held against the object's.
        transfer_syntax: one of the four JPEG syntaxes.

    Returns:
        (rows, columns) or (rows, columns, samples) uint8 or uint16.

    Raises:
        FilmError: `corrupt_pixels`.
        Exception: whatever the decoder raises.
    """
    if frame.samples == 3 and frame.bits == 8 and frame.marker != _LOSSLESS:
        from PIL import Image

        # Pillow knows from the markers whether three components are RGB or YCbCr; DICOM headers often do not.
        with Image.open(io.BytesIO(codestream), formats=("JPEG",)) as picture:
            return np.asarray(picture.convert("RGB"))
    with native_stderr() as heard:
        buffer = _gdcm(codestream, frame, transfer_syntax)
        heard.seek(0)
        said = heard.read()
    if _tells_of_damage(said):
        raise FilmError(ReasonCode.CORRUPT_PIXELS, "The compressed pixel data are damaged.")
    shape = (frame.rows, frame.columns) if frame.samples == 1 else (frame.rows, frame.columns, frame.samples)
    return np.frombuffer(buffer, dtype="u1" if frame.bits <= 8 else "<u2").reshape(shape)


def _gdcm(codestream: bytes, frame: Frame, transfer_syntax: str) -> bytes:
    import gdcm

    for quiet in (gdcm.Trace.WarningOff, gdcm.Trace.ErrorOff, gdcm.Trace.DebugOff):
        quiet()
    fragment = gdcm.Fragment()
    fragment.SetByteStringValue(codestream)
    fragments = gdcm.SequenceOfFragments.New()
    fragments.AddFragment(fragment)
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetValue(fragments.__ref__())
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((frame.columns, frame.rows, 1))
    image.SetDataElement(element)
    kind = gdcm.PhotometricInterpretation.MONOCHROME2 if frame.samples == 1 else gdcm.PhotometricInterpretation.RGB
    image.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(kind))
    image.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.GetTSType(transfer_syntax)))
    # GDCM chooses its decoder by the bits allocated; for the one of 12 bits they must be 12. The stored sign is applied
    # later, from the header: here the bits are only bits.
    allocated = 8 if frame.bits <= 8 else 12 if frame.marker != _LOSSLESS else 16
    image.SetPixelFormat(gdcm.PixelFormat(frame.samples, allocated, frame.bits, frame.bits - 1, 0))
    return bytes(image.GetBuffer().encode("utf-8", "surrogateescape"))


def _tells_of_damage(said: bytes) -> bool:
    """Whether libjpeg went on after damage; a few bytes of padding before a marker are none."""
    extraneous = re.search(rb"Corrupt JPEG data: (\d+) extraneous bytes", said)
    if extraneous is not None:
        return int(extraneous[1]) > _PADDING
    return b"Corrupt JPEG data" in said or b"Premature end" in said
