"""Grey values out of PNG and JPEG pictures, whatever their depth and colour."""

from __future__ import annotations

import io
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from kneeoa.model.errors import FilmError, ReasonCode
from kneeoa.model.radiograph import FloatImage

PICTURE_MAGICS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")
SCANS = 64
"""Of one JPEG; a progressive one has about ten, and thousands, in a small file, take minutes."""
CHUNKS = 1 << 17
"""Of one PNG; the largest pictures allowed, in chunks of 1 KB."""
_STRIP = 512
PICTURE_PIXELS = 64 << 20
"""As many as a compressed DICOM film may have: a PNG of a few kilobytes can claim 4 gigapixels."""


def read_grey(path: Path) -> FloatImage:
    """Reads a picture as grey.

    Args:
        path: a PNG or JPEG file; 8 or 16 bits, grey, colour or with alpha. What is transparent is black.

    Returns:
        (rows, columns) float32 in [0, 1], scaled by the file's bit depth and not by its content.

    Raises:
        FilmError: `unreadable_file` where there is none, `too_large`, `truncated` or `corrupt_pixels`.
    """
    try:
        # The plugins themselves, because `Image.open` warns of large pictures before their size can be refused.
        with path.open("rb") as stream:
            plugin = PngImageFile if stream.read(8) == PICTURE_MAGICS[0] else JpegImageFile
            stream.seek(0)
            _refuse_floods(stream, png=plugin is PngImageFile)
            picture = plugin(stream)
            _refuse_size(picture)
            return _grey(picture)
    except FilmError:
        raise
    except MemoryError:
        raise FilmError(ReasonCode.TOO_LARGE, "There is not enough memory to decode the picture.") from None
    except Exception as error:  # noqa: BLE001, RUF100 - Pillow's plugins raise nearly anything
        if isinstance(error, OSError) and error.strerror:
            raise FilmError(ReasonCode.UNREADABLE_FILE, f"The picture cannot be read: {error.strerror}.") from None
        if "truncated" in str(error).lower():
            raise FilmError(ReasonCode.TRUNCATED, "The picture's file ends before its pixels do.") from None
        raise FilmError(ReasonCode.CORRUPT_PIXELS, "The picture cannot be decoded.") from None


def _refuse_size(picture: Image.Image) -> None:
    if picture.width * picture.height > PICTURE_PIXELS:
        raise FilmError(ReasonCode.TOO_LARGE, f"The picture has {picture.height} x {picture.width} pixels.")


def _refuse_floods(stream: BinaryIO, *, png: bool) -> None:
    """Refuses files made of so many parts that going through them takes minutes; the stream is then at its start.

    References:
        PNG (ISO/IEC 15948) 5.3, chunk layout; ITU-T T.81 B.1.1.2: within coded data 0xFF is no marker.
    """
    count, tail = 0, b""
    if png:
        stream.seek(len(PICTURE_MAGICS[0]))
        while count <= CHUNKS and len(head := stream.read(8)) == 8 and head[4:] != b"IEND":
            count += 1
            stream.seek(int.from_bytes(head[:4], "big") + 4, io.SEEK_CUR)
    while not png and count <= SCANS and (piece := stream.read(1 << 20)):
        count += (tail + piece).count(b"\xff\xda")
        tail = b"\xff" if piece.endswith(b"\xff") else b""
    stream.seek(0)
    if count > (CHUNKS if png else SCANS):
        raise FilmError(ReasonCode.CORRUPT_PIXELS, "The picture's file is cut into too many parts.")


def _grey(picture: Image.Image) -> FloatImage:
    """In strips: besides the decoded picture there is never a second one in colour."""
    picture.load()
    grey = np.empty((picture.height, picture.width), dtype=np.float32)
    for top in range(0, picture.height, _STRIP):
        strip = picture.crop((0, top, picture.width, min(top + _STRIP, picture.height)))
        grey[top : top + _STRIP] = _strip(strip)
    return grey


def _strip(picture: Image.Image) -> FloatImage:
    if picture.mode.startswith("I;16") or picture.mode == "I":
        deep: FloatImage = np.asarray(picture, dtype=np.float32) / np.float32(65535)
        np.clip(deep, 0, 1, out=deep)
        return deep
    if "transparency" in picture.info or picture.mode in {"LA", "PA", "RGBA", "La", "RGBa"}:
        rgba = picture.convert("RGBA")
        black = Image.new("RGBA", rgba.size, (0, 0, 0, 255))
        picture = Image.alpha_composite(black, rgba)
    shallow: FloatImage = np.asarray(picture.convert("L"), dtype=np.float32) / np.float32(255)
    return shallow
