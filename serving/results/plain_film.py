"""The film as it is displayed, and nothing on it."""

from __future__ import annotations

import numpy as np
from PIL import Image

from kneeoa.model.radiograph import FloatImage

LONG_SIDE = 2048
"""Of the picture, in pixels: what a monitor shows. Smaller films keep their size."""
LONGEST_SIDE = 8192
"""Of a picture in all of its film's pixels: browsers show no larger one for sure."""


def draw_film(pixels: FloatImage, long_side: int = LONG_SIDE) -> Image.Image:
    """Draws a film in grey.

    Args:
        pixels: (rows, columns) float32 in [0, 1], the film as displayed.
        long_side: greatest width and height of the picture.

    Returns:
        An 8-bit grey picture in the film's proportions.
    """
    rows, columns = pixels.shape
    share = min(1.0, long_side / max(rows, columns))
    film = Image.fromarray(np.ascontiguousarray(pixels))
    if share < 1:
        size = (max(1, round(columns * share)), max(1, round(rows * share)))
        film = film.resize(size, Image.Resampling.BOX)
    return Image.fromarray(np.rint(np.clip(np.asarray(film), 0, 1) * 255).astype(np.uint8))
