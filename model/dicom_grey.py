"""From stored values to what a radiologist sees: bone bright, in [0, 1].

All that the Standard puts between a stored value and the screen acts on one value at a time. So it is worked out once
for every value that the container can hold, and the film is looked up in that table.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kneeoa.model.dicom_elements import Elements
from kneeoa.model.dicom_header import OVERLAY_BIT_POSITIONS
from kneeoa.model.dicom_window import CLIPPED, PERCENTILES, Counts, Values, modality_lut, quantiles, voi_lut
from kneeoa.model.errors import FilmError, ReasonCode
from kneeoa.model.radiograph import FloatImage

REDUCED = "reduced"
FULL_SIZE_PIXELS = 32 << 20
"""Above, the film is reduced by block means: with its stored pixels and the copy that is cut, it stays below 1 GB."""
_SAMPLE_PIXELS = 1 << 21
_JUMP = 0.95
"""Of the range of the stored bits, from one pixel to the next: no anatomy does that, a lost sign does at every grey."""
_JUMPING_SHARE = 0.0003
"""600 radiographs had none at all; with the sign lost, the median of them was at 0.006."""
_SAMPLE_ROWS = 128
_FEWEST_STEPS = 4.0
"""Stored grey steps between the darkest and the brightest; fewer show no anatomy."""


@dataclass(frozen=True, slots=True)
class Stored:
    """Pixels as the object stores them.

    Attributes:
        pixels: (rows, columns) uint8, uint16 or uint32 containers; those of 32 bits are used up when displayed.
        bits: significant bits.
        shift: bits below the lowest significant one.
        signed: whether the significant bits are two's complement.
        as_displayed: whether the values are 8-bit grey levels already, as the luma of a screenshot.
    """

    pixels: npt.NDArray[np.unsignedinteger]
    bits: int
    shift: int
    signed: bool
    as_displayed: bool = False


def displayed(stored: Stored, elements: Elements) -> tuple[FloatImage, tuple[str, ...]]:
    """The film as its header wants it shown.

    Args:
        stored: pixels and their coding.
        elements: the header.

    Returns:
        ((rows, columns) float32 in [0, 1], bone bright; flags of the reader). Films above `FULL_SIZE_PIXELS` come
        reduced by a whole factor and are flagged.

    Raises:
        FilmError: `unreadable_exposure` where no window could show anything.

    References:
        PS3.3 C.7.6.3.1.2 (photometry), C.7.5.1.1.2 (padding), C.11.1 (modality LUT), C.11.2 (VOI LUT), C.11.6
        (presentation LUT shape), C.8.11.3.1.5 (for DX, INVERSE and MONOCHROME1 belong together).
    """
    pixels, values = _pattern_values(stored)
    real = ~_padding(elements, values, signed=stored.signed)
    occurring = _histogram(pixels, len(values))
    if pixels is stored.pixels and not stored.as_displayed:
        _refuse_lying_bits(stored, occurring, elements)
        _refuse_lost_sign(stored, values)
    counts = np.where(real, occurring, 0)
    _refuse_blank(values, counts)
    if stored.as_displayed:
        return _look_up(pixels, (values / 255).astype(np.float32), ())
    modality, linear = modality_lut(values, elements)
    shown, flags = voi_lut(modality, counts, elements, signed=bool(modality.min() < 0) and linear)
    # MONOCHROME1 and INVERSE are two ways to say one thing: with both, the film is still inverted once.
    if elements.text(0x00280004) == "MONOCHROME1" or elements.text(0x20500020) == "INVERSE":
        shown = 1.0 - shown
    table = np.where(real, shown, 0.0).astype(np.float32)
    return _look_up(pixels, table, flags)


def refuse_blank_picture(pixels: FloatImage) -> None:
    """Refuses a picture, (rows, columns) in [0, 1], that is even or saturated.

    Raises:
        FilmError: `unreadable_exposure`.
    """
    levels = np.rint(pixels[:: _step(pixels.size), :: _step(pixels.size)] * 255).astype(np.uint8)
    _refuse_blank(np.arange(256, dtype=np.float64), np.bincount(levels.ravel(), minlength=256))


def _step(size: int) -> int:
    return max(1, int(np.ceil(np.sqrt(size / _SAMPLE_PIXELS))))


def _pattern_values(stored: Stored) -> tuple[npt.NDArray[np.unsignedinteger], Values]:
    """Containers of at most 16 bits, and the stored value that each pattern means."""
    pixels = stored.pixels
    scale, offset = 1.0, 0.0
    bits, shift, signed = stored.bits, stored.shift, stored.signed
    if pixels.dtype.itemsize == 4:
        # 32-bit films are quantised to 16 bits over the range that they use: a table of 2^32 has no place anywhere.
        # In place and in strips: a second copy of 64 megapixels has no place either.
        if not pixels.flags.writeable:  # a decoder's own bytes
            pixels = pixels.copy()
        pixels >>= np.uint32(shift)
        pixels &= np.uint32((1 << bits) - 1)
        if signed:
            pixels ^= np.uint32(1 << (bits - 1))
            offset = -float(1 << (bits - 1))
        low, high = int(pixels.min()), int(pixels.max())
        down = max(0, (high - low).bit_length() - 16)
        short = np.empty(pixels.shape, dtype=np.uint16)
        for start in range(0, len(pixels), 128):
            short[start : start + 128] = (pixels[start : start + 128] - np.uint32(low)) >> np.uint32(down)
        pixels = short
        bits, shift, signed, scale, offset = 16, 0, False, float(1 << down), offset + low
    patterns = np.arange(1 << 8 * pixels.dtype.itemsize, dtype=np.int64) >> shift & (1 << bits) - 1
    if signed:
        patterns = np.where(patterns >> (bits - 1) == 1, patterns - (1 << bits), patterns)
    values: Values = patterns.astype(np.float64) * scale + offset
    return pixels, values


def _histogram(pixels: npt.NDArray[np.unsignedinteger], patterns: int) -> Counts:
    """How often each pattern occurs, in an even sample of about two megapixels."""
    step = _step(pixels.size)
    return np.bincount(pixels[step // 2 :: step, step // 2 :: step].ravel(), minlength=patterns)


def _refuse_lying_bits(stored: Stored, counts: Counts, elements: Elements) -> None:
    """Refuses values that do not fit into Bits Stored: masked, they would wrap into another picture.

    References:
        PS3.5 8.1.1: bits above High Bit are an overlay's (PS3.3 C.9.2, Overlay Bit Position) or, signed, the sign's.
    """
    top = stored.shift + stored.bits
    above = np.unique(np.flatnonzero(counts) >> top)
    sign = {0, (len(counts) - 1) >> top} if stored.signed else set()
    overlay = any(elements.integer(tag) for tag in OVERLAY_BIT_POSITIONS)
    # One constant above High Bit is somebody's mark, not the picture.
    if len(above) > 1 and not set(above.tolist()) <= sign and not overlay:
        raise FilmError(ReasonCode.BAD_GEOMETRY, f"The values need more than the {stored.bits} bits that are claimed.")


def _refuse_lost_sign(stored: Stored, values: Values) -> None:
    """Refuses pixels whose Pixel Representation is not the one that they were written with: grey wraps to black."""
    rows = values[stored.pixels[:: max(1, len(stored.pixels) // _SAMPLE_ROWS)]]
    whole = 1 << stored.bits
    jumps = _jumps(rows, _JUMP * whole)
    if jumps <= _JUMPING_SHARE * rows.size:
        return
    # A white letter on black air jumps too; read the other way, smooth flesh would then do so wherever it is mid-grey.
    otherwise = _jumps(np.mod(rows if stored.signed else rows + whole // 2, whole), _JUMP * whole)
    if otherwise < jumps / 10:
        raise FilmError(
            ReasonCode.UNREADABLE_EXPOSURE, "Neighbouring pixels jump over the whole range: their sign was lost."
        )


def _jumps(rows: Values, least: float) -> int:
    """How often neighbours differ by more, but for the two extremes: a collimator's edge, a letter, padding."""
    left, right = rows[:, :-1], rows[:, 1:]
    inner = (np.minimum(left, right) > rows.min()) & (np.maximum(left, right) < rows.max())
    return int((inner & (np.abs(right - left) > least)).sum())


def _padding(elements: Elements, values: Values, *, signed: bool) -> npt.NDArray[np.bool_]:
    kind = "SS" if signed else "US"
    low, high = elements.integer(0x00280120, kind), elements.integer(0x00280121, kind)
    if low is None:
        return np.zeros(values.shape, dtype=bool)
    high = low if high is None else high
    return np.asarray((values >= min(low, high)) & (values <= max(low, high)))


def _refuse_blank(values: Values, counts: Counts) -> None:
    total = int(counts.sum())
    if total == 0:
        raise FilmError(ReasonCode.UNREADABLE_EXPOSURE, "The film is nothing but padding.")
    used = np.flatnonzero(counts)
    low, high = quantiles(values, counts, PERCENTILES)
    if high - low < _FEWEST_STEPS:
        raise FilmError(ReasonCode.UNREADABLE_EXPOSURE, "The film is one even grey.")
    ends = counts[used[np.argmin(values[used])]] + counts[used[np.argmax(values[used])]]
    if ends / total >= CLIPPED:
        raise FilmError(ReasonCode.UNREADABLE_EXPOSURE, "The film is saturated: nearly all of it is black or white.")


def _look_up(
    pixels: npt.NDArray[np.unsignedinteger], table: FloatImage, flags: tuple[str, ...]
) -> tuple[FloatImage, tuple[str, ...]]:
    factor = int(np.ceil(np.sqrt(pixels.size / FULL_SIZE_PIXELS)))
    rows, columns = pixels.shape[0] // factor, pixels.shape[1] // factor
    if factor == 1 or not rows or not columns:
        film = np.empty(pixels.shape, dtype=np.float32)
        for start in range(0, len(pixels), 128):  # strips that stay in the cache
            np.take(table, pixels[start : start + 128], out=film[start : start + 128], mode="clip")
        return film, flags
    film = np.empty((rows, columns), dtype=np.float32)
    for start in range(0, rows, 64):
        stop = min(start + 64, rows)
        strip = pixels[start * factor : stop * factor, : columns * factor]
        total = np.zeros((stop - start, columns), dtype=np.float32)
        for offset in range(factor * factor):
            total += table[strip[offset // factor :: factor, offset % factor :: factor]]
        film[start:stop] = total / np.float32(factor * factor)
    return film, (*flags, REDUCED)
