"""Pictures that are no frontal knee, for tests of refusal, demonstrations and documentation; no patient is in them."""

from __future__ import annotations

import numpy as np

from kneeoa.datasets.film_drawing import draw_anatomy
from kneeoa.datasets.film_exposure import Exposure, expose
from kneeoa.datasets.film_truth import FilmKind
from kneeoa.model.radiograph import FloatImage


def noise_picture(size: tuple[int, int], seed: int = 0) -> FloatImage:
    """(rows, columns) float32 in [0, 1]: independent grey values, as of an exposure without an object."""
    return np.random.default_rng(seed).random(size, dtype=np.float32)


def gradient_picture(size: tuple[int, int]) -> FloatImage:
    """(rows, columns) float32 in [0, 1]: a ramp from black at the left to white at the right."""
    rows, columns = size
    return np.tile(np.linspace(0.0, 1.0, columns, dtype=np.float32), (rows, 1))


def lateral_picture(size: tuple[int, int], seed: int = 0) -> FloatImage:
    """A knee from the side, in one of many poses.

    Args:
        size: rows and columns in pixels.
        seed: of the person, the pose and the noise.

    Returns:
        (rows, columns) float32 in [0, 1]; bone is bright.
    """
    return other_picture(FilmKind.LATERAL, size, seed)


def other_picture(kind: FilmKind, size: tuple[int, int], seed: int = 0) -> FloatImage:
    """A film of another view or another part of the body, plainly exposed and without marks.

    Args:
        kind: one without a frontal knee.
        size: rows and columns in pixels.
        seed: of the person, the pose and the noise.

    Returns:
        (rows, columns) float32 in [0, 1]; bone is bright.

    Raises:
        ValueError: the kind has frontal knees.
    """
    rng = np.random.default_rng(seed)
    return expose(draw_anatomy(kind, (), size, rng), Exposure(), None, rng)
