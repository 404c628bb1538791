"""Modality and VOI transformations, worked out once for every value that a container can hold."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from kneeoa.model.dicom_elements import Elements
from kneeoa.model.errors import FilmError, ReasonCode

Values: TypeAlias = npt.NDArray[np.float64]
"""(patterns,) float64, one for each bit pattern of the container."""
Counts: TypeAlias = npt.NDArray[np.int64]
"""(patterns,) int64, how many pixels hold each pattern."""

NO_WINDOW = "no_window"
WINDOW_IGNORED = "window_ignored"
PERCENTILES = (0.005, 0.995)
CLIPPED = 0.98
"""A share of pixels at black and white that no film has, however much of it a collimator covers."""
_MISREAD_SIGN = (-32768.0, 32768.0)
_FLAT_SPREAD = 0.1
"""Of the display's range: every sane window spreads a film over more."""


def modality_lut(values: Values, elements: Elements) -> tuple[Values, bool]:
    """The modality LUT's output, and whether it is a rescale and not a table."""
    for item in elements.items(0x00283000)[:1]:
        table = _table(item, signed=bool(values.min() < 0))
        if table is not None:
            first, data, _ = table
            return data[np.clip(values - first, 0, len(data) - 1).astype(np.int64)], False
    slope = next(iter(elements.numbers(0x00281053)), 1.0)
    intercept = next(iter(elements.numbers(0x00281052)), 0.0)
    if slope == 0.0 or not np.isfinite(values * slope + intercept).all():
        slope, intercept = 1.0, 0.0
    return values * slope + intercept, True


def voi_lut(modality: Values, counts: Counts, elements: Elements, *, signed: bool) -> tuple[Values, tuple[str, ...]]:
    """The stated VOI transformation where it shows something, else a window over nearly all values."""
    stated = _voi_table(modality, elements, signed=signed)
    if stated is None:
        stated = _voi_window(modality, elements)
    if stated is not None and not _hides(stated, counts):
        return stated, ()
    if any(_fits_when_shifted(modality, by, counts, elements) for by in _MISREAD_SIGN):
        raise FilmError(
            ReasonCode.UNREADABLE_EXPOSURE, "The values lie 32,768 off the stated window: their sign was lost."
        )
    low, high = quantiles(modality, counts, PERCENTILES)
    shown = np.clip((modality - low) / max(high - low, 1e-12), 0.0, 1.0)
    return shown, (NO_WINDOW,) if stated is None else (WINDOW_IGNORED,)


def _voi_table(modality: Values, elements: Elements, *, signed: bool) -> Values | None:
    for item in elements.items(0x00283010)[:1]:
        table = _table(item, signed=signed)
        if table is None:
            return None
        first, data, bits = table
        # Some writers state 16 bits for 12-bit data: the table's own maximum then is its white.
        full = float((1 << bits) - 1)
        white = full if full / 2 < data.max() <= full else max(float(data.max()), 1.0)
        index = np.clip(np.floor(modality - first), 0, len(data) - 1).astype(np.int64)
        return np.asarray(data[index] / white)
    return None


def _voi_window(x: Values, elements: Elements) -> Values | None:
    """The first window.

    References:
        PS3.3 C.11.2.1.2.1 (LINEAR, at least 1 wide), C.11.2.1.3.1 (SIGMOID), C.11.2.1.3.2 (LINEAR_EXACT).
    """
    centres, widths = elements.numbers(0x00281050), elements.numbers(0x00281051)
    if not centres or not widths or widths[0] <= 0:
        return None
    centre, width = centres[0], widths[0]
    function = elements.text(0x00281056)
    if function == "SIGMOID":
        return np.asarray(1.0 / (1.0 + np.exp(np.clip(-4.0 * (x - centre) / width, -700.0, 700.0))))
    if function == "LINEAR_EXACT":
        return np.clip((x - centre) / width + 0.5, 0.0, 1.0)
    if width < 1:
        return None
    if width == 1:
        return np.where(x <= centre - 0.5, 0.0, 1.0)
    return np.clip((x - (centre - 0.5)) / (width - 1) + 0.5, 0.0, 1.0)


def _fits_when_shifted(x: Values, by: float, counts: Counts, elements: Elements) -> bool:
    """Whether the stated window shows the film once its values are shifted as a wrongly decoded sign shifts them."""
    shifted = _voi_window(x + by, elements)
    return shifted is not None and not _hides(shifted, counts)


def _table(item: Elements, *, signed: bool) -> tuple[float, Values, int] | None:
    """(first value mapped, data, bits) of a LUT item, or None where its parts do not agree.

    References:
        PS3.3 C.11.1.1 and C.11.2.1.1: 0 entries mean 65,536; the first value mapped is signed where its input is, the
        number of entries never, whatever VR the descriptor was written with.
    """
    descriptor = item.numbers(0x00283002, "US")
    if len(descriptor) != 3:
        return None
    entries = int(descriptor[0]) % (1 << 16) or 1 << 16
    first = descriptor[1] - (1 << 16) if signed and descriptor[1] >= 1 << 15 else descriptor[1]
    content = item.content(0x00283006)
    if entries < 2 or len(content) < entries:
        return None
    wide = len(content) >= 2 * entries
    data = np.frombuffer(content, dtype=item.order(0x00283006) + "u2" if wide else "u1", count=entries)
    bits = int(descriptor[2])
    return first, data.astype(np.float64), bits if 8 <= bits <= 16 else 16


def _hides(shown: Values, counts: Counts) -> bool:
    """Whether a transformation leaves nothing to see: nearly all black and white, or one even grey."""
    clipped = counts[(shown <= 0.002) | (shown >= 0.998)].sum() / counts.sum()
    low, high = quantiles(shown, counts, PERCENTILES)
    return bool(clipped >= CLIPPED or high - low < _FLAT_SPREAD)


def quantiles(values: Values, counts: Counts, shares: tuple[float, float]) -> tuple[float, float]:
    """The values below which the given shares of all pixels lie."""
    used = np.flatnonzero(counts)
    order = used[np.argsort(values[used], kind="stable")]
    reached = np.cumsum(counts[order])
    low, high = (int(np.searchsorted(reached, share * reached[-1])) for share in shares)
    return float(values[order[low]]), float(values[order[min(high, len(order) - 1)]])
