"""Noise with a scale, blur, and edges of shapes: the grain of flesh, bone and detector."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kneeoa.datasets.film_geometry import resized
from kneeoa.model.radiograph import FloatImage


def clouds(size: tuple[int, int], cell: tuple[float, float], rng: np.random.Generator) -> FloatImage:
    """Smooth noise, mean 0, standard deviation near 0.7.

    Args:
        size: rows and columns.
        cell: pixels from one independent value to the next, down and across.
        rng: of the values.
    """
    coarse = tuple(max(2, int(np.ceil(n / max(c, 1.0))) + 1) for n, c in zip(size, cell, strict=True))
    values = rng.standard_normal((coarse[0], coarse[1]), dtype=np.float32)
    return resized(values, size)


def grain(size: tuple[int, int], pitch: float, rng: np.random.Generator) -> FloatImage:
    """Noise of standard deviation near 1 whose grains are `pitch` pixels wide; below 1 they are single pixels."""
    if pitch <= 1.15:
        return rng.standard_normal(size, dtype=np.float32)
    coarse = (int(np.ceil(size[0] / pitch)) + 1, int(np.ceil(size[1] / pitch)) + 1)
    return resized(rng.standard_normal(coarse, dtype=np.float32), size)


def blurred(pixels: FloatImage, sigma: float) -> FloatImage:
    """Gaussian blur in good likeness; borders repeat.

    Args:
        pixels: (rows, columns) float32.
        sigma: of the Gaussian, pixels; 0 blurs nothing.
    """
    if sigma < 0.2:
        return pixels
    factor = int(sigma / 1.4)
    if factor >= 2:
        rows, columns = pixels.shape
        pad = np.pad(pixels, ((0, -rows % factor), (0, -columns % factor)), mode="edge")
        small = pad.reshape(pad.shape[0] // factor, factor, pad.shape[1] // factor, factor).mean(axis=(1, 3))
        # Averaging over cells and interpolating back blur as well.
        left = np.sqrt(max((sigma / factor) ** 2 - 0.45, 0.04))
        return resized(_convolved(small, left), pad.shape)[:rows, :columns]
    return _convolved(pixels, sigma)


def _convolved(pixels: FloatImage, sigma: float) -> FloatImage:
    reach = max(1, round(2.6 * sigma))
    steps = np.arange(-reach, reach + 1)
    kernel = np.exp(-(steps**2) / (2 * sigma**2))
    kernel = (kernel / kernel.sum()).astype(np.float32)
    for axis in (0, 1):
        pad = [(0, 0), (0, 0)]
        pad[axis] = (reach, reach)
        wide = np.pad(pixels, pad, mode="edge")
        total = np.zeros_like(pixels)
        n = pixels.shape[axis]
        for weight, start in zip(kernel, range(2 * reach + 1), strict=True):
            total += weight * (wide[start : start + n] if axis == 0 else wide[:, start : start + n])
        pixels = total
    return pixels


def flat_chord(squared: FloatImage) -> FloatImage:
    """`squared` to the power 3/8, 0 where it is negative: a limb's flank on a film, flatter than its thickness."""
    return np.asarray(np.maximum(squared, 0) ** np.float32(0.375), dtype=np.float32)


def smoothstep(values: FloatImage, low: float, high: float) -> FloatImage:
    """0 below `low`, 1 above `high`, smooth between."""
    t = np.clip((values - np.float32(low)) / np.float32(high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), dtype=np.float32)


def smoothed_line(line: npt.NDArray[np.float32], sigma: float) -> npt.NDArray[np.float32]:
    """A profile blurred; its ends repeat."""
    reach = max(1, int(3 * sigma))
    kernel = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * max(sigma, 0.3) ** 2))
    wide = np.pad(line, reach, mode="edge")
    return np.convolve(wide, kernel / kernel.sum(), mode="valid").astype(np.float32)
