"""Pictures that are no frontal knee, for tests of refusal; as crude as they can be and still make their point."""

from __future__ import annotations

import numpy as np

from kneeoa.model.radiograph import FloatImage


def noise_picture(size: tuple[int, int], seed: int = 0) -> FloatImage:
    """(rows, columns) float32 in [0, 1]: independent grey values, as of an exposure without an object."""
    return np.random.default_rng(seed).random(size, dtype=np.float32)


def gradient_picture(size: tuple[int, int]) -> FloatImage:
    """(rows, columns) float32 in [0, 1]: a ramp from black at the left to white at the right."""
    rows, columns = size
    return np.tile(np.linspace(0.0, 1.0, columns, dtype=np.float32), (rows, 1))


def lateral_picture(size: tuple[int, int], seed: int = 0) -> FloatImage:
    """A knee from the side, by its masses: femoral shaft and condyles, patella in front at image right, tibia.

    Args:
        size: rows and columns in pixels.
        seed: of the noise and of how far the knee is bent.

    Returns:
        (rows, columns) float32 in [0, 1]; bone is bright.
    """
    rng = np.random.default_rng(seed)
    rows, columns = size
    y, x = np.meshgrid(np.linspace(-1.0, 1.0, rows), np.linspace(-1.0, 1.0, columns), indexing="ij")
    bend = rng.uniform(0.3, 0.5)
    soft = 0.30 * np.clip(1 - ((x + bend * np.abs(y) * 0.6) / 0.75) ** 2, 0, None) ** 0.7
    bone = _ellipse(x, y, (0.0, -0.12), (0.42, 0.33))
    bone = np.maximum(bone, _ellipse(x, y, (0.55, -0.32), (0.13, 0.27)))
    bone = np.maximum(bone, _ellipse(x, y, (0.02, 0.42), (0.40, 0.24)))
    upper = np.clip(1 - ((x - 0.05 - bend * (y + 0.12)) / 0.22) ** 2, 0, None) * (y < -0.12)
    lower = np.clip(1 - ((x - 0.05 + bend * (y - 0.42)) / 0.21) ** 2, 0, None) * (y > 0.42)
    bone = np.maximum(bone, np.maximum(upper, lower) ** 0.5)
    film = 0.05 + soft + 0.5 * bone + rng.normal(0.0, 0.015, size)
    return np.clip(film, 0.0, 1.0).astype(np.float32)


def _ellipse(
    x: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
    y: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
    centre: tuple[float, float],
    radii: tuple[float, float],
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Chord through an ellipsoid, 1 in its middle; x, y, centre and radii as fractions of half the picture."""
    inside = 1 - ((x - centre[0]) / radii[0]) ** 2 - ((y - centre[1]) / radii[1]) ** 2
    chord: np.ndarray[tuple[int, ...], np.dtype[np.float64]] = np.sqrt(np.clip(inside, 0, None))
    return chord
