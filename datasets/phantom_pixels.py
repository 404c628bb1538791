"""From a picture in [0, 1] to stored values, with the header that turns them back into this very picture.

Each transformation is worked out backwards: a window or table is chosen first, then the stored value that it shows as
the wanted grey. So every true rendering of a film shows the same, and differs from it by half a stored step only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from kneeoa.datasets.phantom_choices import FilmObject, PhotometricInterpretation, Window
from kneeoa.datasets.phantom_encoding import FilmEncoding
from kneeoa.model.radiograph import FloatImage

_SIGMOID_STEEPNESS = 4.0
"""Range of values over Window Width: black and white come within 0.0004 of 0 and 1."""
_PALETTE_TAGS = (0x00281101, 0x00281102, 0x00281103)


@dataclass(frozen=True, slots=True)
class _Range:
    """The stored values that pictures use, both ends included, and the one that padding uses."""

    low: int
    high: int
    padding: int


def add_pixels(dataset: Dataset, pixels: FloatImage, encoding: FilmEncoding) -> None:
    """Gives a data set its pixels, uncompressed and little endian, and all that says how to show them.

    Args:
        dataset: gets the Image Pixel, Modality LUT and VOI LUT modules.
        pixels: (rows, columns) float32 in [0, 1]; bone is bright; as it is to be stored.
        encoding: how.

    References:
        PS3.3 C.7.6.3 (Image Pixel), C.11.1 (Modality LUT), C.11.2 (VOI LUT), C.7.9 (Palette Color Lookup Table).
    """
    dataset.SamplesPerPixel = 3 if encoding.photometric is PhotometricInterpretation.RGB else 1
    dataset.PhotometricInterpretation = encoding.photometric.value
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.BitsAllocated = encoding.bits_allocated
    dataset.BitsStored = encoding.bits_stored
    dataset.HighBit = encoding.bits_stored - 1 + encoding.shift
    dataset.PixelRepresentation = int(encoding.signed)
    content = (_colour if encoding.colour else _grey)(dataset, pixels, encoding).tobytes()
    dataset.PixelData = content + b"\0" * (len(content) % 2)
    dataset["PixelData"].VR = "OB" if encoding.bits_allocated == 8 else "OW"


def _colour(dataset: Dataset, pixels: FloatImage, encoding: FilmEncoding) -> npt.NDArray[np.uint8]:
    grey: npt.NDArray[np.uint8] = np.rint(pixels * np.float32(255)).astype(np.uint8)
    if encoding.photometric is PhotometricInterpretation.RGB:
        dataset.PlanarConfiguration = 0
        return np.repeat(grey[..., None], 3, axis=-1)
    ramp = (np.arange(256, dtype="<u2") * 257).tobytes()
    for tag in _PALETTE_TAGS:
        dataset.add_new(tag, "US", [256, 0, 16])
        dataset.add_new(tag + 0x100, "OW", ramp)
    return grey


def _grey(dataset: Dataset, pixels: FloatImage, encoding: FilmEncoding) -> npt.NDArray[np.unsignedinteger]:
    inverted = encoding.photometric is PhotometricInterpretation.MONOCHROME1
    used = _range(encoding, inverted=inverted)
    share = _share_of_range(1.0 - pixels if inverted else pixels, encoding)
    stored = np.rint(used.low + share * (used.high - used.low)).astype(np.int32)
    if encoding.padding_px:
        margin = np.ones(stored.shape, dtype=bool)
        margin[encoding.padding_px : -encoding.padding_px, encoding.padding_px : -encoding.padding_px] = False
        stored[margin] = used.padding
        dataset.add_new(0x00280120, "SS" if encoding.signed else "US", used.padding)
    _modality_lut(dataset, used, encoding)
    _voi_lut(dataset, used, encoding)
    significant = stored & ((1 << encoding.bits_stored) - 1) if encoding.shift else stored
    container = np.uint8 if encoding.bits_allocated == 8 else np.dtype("<u2")
    return (significant << encoding.shift).astype(container)


def _range(encoding: FilmEncoding, *, inverted: bool) -> _Range:
    low = -(1 << (encoding.bits_stored - 1)) if encoding.signed else 0
    high = low + (1 << encoding.bits_stored) - 1
    if not encoding.padding_px:
        return _Range(low, high, low)
    # Padding takes the end that is shown white: who ignores Pixel Padding Value sees it at once.
    return _Range(low + 1, high, low) if inverted else _Range(low, high - 1, high)


def _share_of_range(shown: FloatImage, encoding: FilmEncoding) -> npt.NDArray[np.float64]:
    """The place within the range of stored values, 0 to 1, that the stated transformations show as wanted."""
    grey = np.clip(shown, 0.0, 1.0).astype(np.float64)
    if encoding.window is Window.SIGMOID:
        tail = 1 / (1 + np.exp(2 * _SIGMOID_STEEPNESS))
        grey = np.clip(grey, tail, 1 - tail)
        grey = 0.5 + np.log(grey / (1 - grey)) / (4 * _SIGMOID_STEEPNESS)
    elif encoding.window is Window.VOI_LUT:
        grey = np.sqrt(grey)
    return np.sqrt(grey) if encoding.modality_lut else grey


def _modality_lut(dataset: Dataset, used: _Range, encoding: FilmEncoding) -> None:
    """The table or the rescale; a DX states its identity, of the others only those that have one say it."""
    if encoding.modality_lut:
        item = _square_table(used.low, used.high, signed=encoding.signed)
        item.ModalityLUTType = "US"
        dataset.ModalityLUTSequence = [item]
    elif encoding.rescaled or encoding.film_object is FilmObject.DX:
        dataset.RescaleIntercept = _decimal(encoding.rescale_intercept)
        dataset.RescaleSlope = _decimal(encoding.rescale_slope)
        dataset.RescaleType = "US"


def _voi_lut(dataset: Dataset, used: _Range, encoding: FilmEncoding) -> None:
    if encoding.modality_lut:
        low, high = 0.0, 65535.0
    else:
        low, high = (end * encoding.rescale_slope + encoding.rescale_intercept for end in (used.low, used.high))
    middle, width = (low + high) / 2, high - low
    window = encoding.window
    if window is Window.ABSENT:
        return
    if window is Window.VOI_LUT:
        # PS3.3 C.11.2.1.1: the first value mapped has a sign where the input has one, by Pixel Representation alone.
        dataset.VOILUTSequence = [_square_table(round(low), round(high), signed=low < 0)]
        return
    centres, widths = [middle + 0.5], [width + 1]  # C.11.2.1.2.1: these map low to black and high to white exactly
    if window is Window.SEVERAL:
        centres, widths = [*centres, middle + width / 4], [*widths, width / 2]
        dataset.WindowCenterWidthExplanation = ["WHOLE", "BONE"]
    elif window is Window.WRONG:
        # Far above all values, but not by 32,768, which has a meaning of its own.
        centres = [high + 100_000 + 2 * width]
    elif window in {Window.LINEAR_EXACT, Window.SIGMOID}:
        centres, widths = [middle], [width if window is Window.LINEAR_EXACT else width / _SIGMOID_STEEPNESS]
        dataset.VOILUTFunction = window.name
    dataset.WindowCenter = [_decimal(centre) for centre in centres]
    dataset.WindowWidth = [_decimal(wide) for wide in widths]


def _square_table(low: int, high: int, *, signed: bool) -> Dataset:
    """A table whose output is the square of its input, 16 bits wide.

    References:
        PS3.3 C.11.1.1: LUT Descriptor (0028,3002) is the number of entries, 0 for 65,536, the first value mapped, and
        the bits of an entry; C.11.1.1.1 has the VR as Pixel Representation says.
    """
    entries = high - low + 1
    data = np.rint(np.linspace(0, 1, entries) ** 2 * 65535).astype("<u2")
    item = Dataset()
    # The first number is unsigned in either VR, and pydicom writes it so.
    item.add_new(0x00283002, "SS" if signed else "US", [entries % 65536, low, 16])
    item.add_new(0x00283006, "OW", data.tobytes())
    return item


def _decimal(number: float) -> str:
    """A decimal string of at most 16 characters, PS3.5 section 6.2."""
    return f"{number:.10g}"
