"""Grey values out of PNG and JPEG pictures, whatever their depth and colour."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from kneeoa.model.radiograph import FloatImage


def read_grey(path: Path) -> FloatImage:
    """Reads a picture as grey.

    Args:
        path: a PNG or JPEG file; 8 or 16 bits, grey, colour or with alpha.

    Returns:
        (rows, columns) float32 in [0, 1], scaled by the file's bit depth and not by its content.

    Raises:
        OSError: the file cannot be read or decoded.
    """
    with Image.open(path) as picture:
        if picture.mode.startswith("I;16") or picture.mode == "I":
            return np.asarray(picture, dtype=np.float32) / np.float32(65535)
        return np.asarray(picture.convert("L"), dtype=np.float32) / np.float32(255)
