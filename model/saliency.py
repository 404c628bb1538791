"""What a grade rests on: a heat map over the crop that was graded."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from kneeoa.model.crop import BAND_ROWS, BAND_TOP, SQUARE
from kneeoa.model.radiograph import FloatImage, Side

_FLAT = 1e-6


def heat_map(activation_maps: npt.NDArray[np.float32], grade: int, side: Side) -> FloatImage:
    """Where the network saw the grade, as a picture over the crop's square.

    Args:
        activation_maps: (5, map rows, map columns) class activation maps of one knee.
        grade: the grade to explain, 0-4. Evidence is that of the grade against the mean of all grades.
        side: which way round the knee is shown; left ones were mirrored for the network and are mirrored back here.

    Returns:
        (288, 288) float32 in [0, 1], as displayed; 0 outside the band that the network saw.

    References:
        Zhou B. et al., Learning Deep Features for Discriminative Localization, CVPR 2016.
    """
    evidence = activation_maps[grade] - activation_maps.mean(axis=0)
    positive = np.maximum(evidence, 0.0)
    peak = float(positive.max())
    if peak < _FLAT:
        return np.zeros((SQUARE, SQUARE), np.float32)
    band = Image.fromarray((positive / np.float32(peak)).astype(np.float32)).resize(
        (SQUARE, BAND_ROWS), Image.Resampling.BICUBIC
    )
    square = np.zeros((SQUARE, SQUARE), np.float32)
    square[BAND_TOP : BAND_TOP + BAND_ROWS] = np.clip(np.asarray(band, dtype=np.float32), 0.0, 1.0)
    return np.ascontiguousarray(square[:, ::-1]) if side is Side.LEFT else square
