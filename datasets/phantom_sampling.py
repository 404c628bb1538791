"""Looking up images between pixels, and smoothing them, with numpy alone: the runtime has no scipy."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt

from kneeoa.model.radiograph import FloatImage

F = TypeVar("F", np.float32, np.float64)


def bilinear(image: npt.NDArray[F], x: npt.NDArray[np.floating], y: npt.NDArray[np.floating]) -> npt.NDArray[F]:
    """Values of an image that spans [-1, 1] both ways, at places between its pixels; beyond, its border's.

    Args:
        image: (rows, columns) or (rows, columns, channels).
        x: any shape, -1 at the image's left edge and 1 at its right.
        y: the same shape, -1 at its top.

    Returns:
        The places' shape, with the channels last.
    """
    rows, columns = image.shape[:2]
    across = np.clip((x + 1) * (columns / 2) - 0.5, 0, columns - 1.001).astype(image.dtype)
    down = np.clip((y + 1) * (rows / 2) - 0.5, 0, rows - 1.001).astype(image.dtype)
    column, row = across.astype(np.int64), down.astype(np.int64)
    right, low = across - column, down - row
    if image.ndim == 3:
        right, low = right[..., None], low[..., None]
    flat = image.reshape(rows * columns, *image.shape[2:])
    at = row * columns + column
    upper = flat[at]
    upper = upper + (flat[at + 1] - upper) * right
    lower = flat[at + columns]
    lower = lower + (flat[at + columns + 1] - lower) * right
    found: npt.NDArray[F] = (upper + (lower - upper) * low).astype(image.dtype)
    return found


def gaussian(image: FloatImage, sigma: float) -> FloatImage:
    """An image smoothed by a Gaussian of `sigma` pixels, its border repeated outwards."""
    pad = int(3 * sigma) + 1
    # Up to a multiple of 32: transforms of such sizes are several times faster than of primes.
    more = [(pad, pad + -(n + 2 * pad) % 32) for n in image.shape]
    wide = np.pad(image, more, mode="edge")
    across = np.fft.rfftfreq(wide.shape[1])[None, :]
    down = np.fft.fftfreq(wide.shape[0])[:, None]
    kernel = np.exp(-2 * np.pi**2 * sigma**2 * (across**2 + down**2)).astype(np.float32)
    smooth = np.fft.irfft2(np.fft.rfft2(wide) * kernel, s=wide.shape)[
        pad : pad + image.shape[0], pad : pad + image.shape[1]
    ]
    return np.ascontiguousarray(smooth, dtype=np.float32)
