"""Films without anatomy: empty exposures, test images of a display or a detector, saturated plates; grey values."""

from __future__ import annotations

import numpy as np

from kneeoa.datasets.film_bones import ellipse
from kneeoa.datasets.film_geometry import resized
from kneeoa.datasets.film_marks import cover_with, stamp, text_mask
from kneeoa.datasets.film_texture import clouds
from kneeoa.model.radiograph import FloatImage


def draw_empty(size: tuple[int, int], rng: np.random.Generator) -> FloatImage:
    """An exposure without an object: one grey with a slow slope and noise, or nothing at all."""
    level = float(rng.choice([0.0, 1.0, rng.uniform(0, 1)], p=[0.25, 0.1, 0.65]))
    film = np.full(size, level, dtype=np.float32)
    if rng.random() < 0.8:
        film += np.float32(rng.uniform(0.0, 0.15)) * clouds(size, (max(size), max(size)), rng)
        film += rng.standard_normal(size, dtype=np.float32) * np.float32(rng.uniform(0.002, 0.12))
    return np.clip(film, 0, 1)


def draw_test_image(size: tuple[int, int], rng: np.random.Generator) -> FloatImage:
    """A grey wedge, a grid, line pairs, rings or a ramp, as quality tests use."""
    rows, columns = size
    film = np.full(size, float(rng.uniform(0.2, 0.6)), dtype=np.float32)
    which = int(rng.integers(5))
    if which == 0:
        film[:] = np.linspace(0, 1, columns, dtype=np.float32)[None, :]
    if which in {1, 4}:
        steps = np.floor(np.linspace(0, 10.99, columns)).astype(np.float32) / np.float32(10)
        film[rows // 3 : 2 * rows // 3] = steps
    if which in {2, 4}:
        pitch = max(4, min(size) // int(rng.integers(8, 24)))
        film[::pitch] = 1.0
        film[:, ::pitch] = 1.0
    if which == 3:
        for n in range(8, 0, -1):
            ring = ellipse((rows / 2, columns / 2), (0.06 * n * min(size), 0.06 * n * min(size)), points=72)
            film_level = 0.9 if n % 2 else 0.1
            cover_with(film, [ring], film_level)
            if not n % 2:
                film_dark = 1 - film
                cover_with(film_dark, [ring], 0.9)
                film = 1 - film_dark
    for place in ((0.12, 0.12), (0.12, 0.88), (0.88, 0.12), (0.88, 0.88)):
        pairs = int(rng.integers(2, 9))
        bars = np.tile((np.arange(6 * pairs) // pairs % 2).astype(np.float32), (max(8, rows // 14), 1))
        stamp(film, bars, (place[0] * rows, place[1] * columns), 1.0)
    text = text_mask(str(rng.choice(["TG18-QC", "TEST", "QC 1", "DQE", "SMPTE"])), max(5, rows // 28))
    stamp(film, text, (0.93 * rows, 0.5 * columns), 1.0)
    film += rng.standard_normal(size, dtype=np.float32) * np.float32(rng.uniform(0, 0.03))
    return np.clip(film, 0, 1)


def draw_saturated(size: tuple[int, int], rng: np.random.Generator) -> FloatImage:
    """A plate that a wrong exposure has blackened or whitened but for a trace."""
    trace = resized(rng.standard_normal((7, 6), dtype=np.float32), size)
    white = rng.random() < 0.5
    film = np.float32(1.0 if white else 0.0) + np.float32(rng.uniform(0.05, 0.25)) * trace
    film += rng.standard_normal(size, dtype=np.float32) * np.float32(rng.uniform(0.005, 0.04))
    return np.asarray(np.clip(film, 0, 1), dtype=np.float32)
