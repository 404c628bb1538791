"""Grey values made comparable: polarity and exposure. Training and serving both call these and nothing else."""

from __future__ import annotations

import numpy as np
from PIL import Image

from kneeoa.model.radiograph import FloatImage

# Mean of the public training knees less `held` (doi:10.17632/56rmx5bjcr.1, CC BY 4.0), each standardised and reduced to
# 8 x 8, made symmetric so that it serves both sides, then standardised. Of 5,778 training knees, correlation with it is
# below -0.68 for 70 (inverted grey values) and above 0.3 for all others: nothing lies between.
_MEAN_KNEE_HALF = np.array(
    [
        [-1.11, 0.35, 1.14, 1.24],
        [-1.03, 0.44, 1.18, 1.27],
        [-1.09, 0.41, 1.15, 1.20],
        [-1.37, 0.41, 1.02, 0.62],
        [-1.70, 0.01, 0.45, 0.37],
        [-1.89, -0.08, 0.49, 0.46],
        [-1.98, -0.39, 0.20, 0.27],
        [-1.95, -0.70, 0.25, 0.38],
    ]
)
_MEAN_KNEE = np.concatenate([_MEAN_KNEE_HALF, _MEAN_KNEE_HALF[:, ::-1]], axis=1)

CLIP_PERCENTILES = (0.5, 99.5)
"""Grey values beyond these are markers and collimator, not anatomy."""
_FLAT = 1e-6


def polarity(crop: FloatImage) -> float:
    """How much a crop looks like a knee with bone bright, rather than dark.

    Args:
        crop: (rows, columns) float32, one knee framed as the training crops; either side.

    Returns:
        Correlation in [-1, 1] with the mean knee; negative means inverted grey values, 0 a crop without contrast.
    """
    small = np.asarray(Image.fromarray(crop).resize((8, 8), Image.Resampling.BOX), dtype=np.float64)
    spread = float(small.std())
    if spread < _FLAT:
        return 0.0
    return float(((small - small.mean()) / spread * _MEAN_KNEE).mean() / _MEAN_KNEE.std())


def bone_bright(crop: FloatImage) -> FloatImage:
    """The crop with bone bright: inverted (1 - x) where its polarity is negative, else as it is.

    Args:
        crop: (rows, columns) float32 in [0, 1].
    """
    return np.float32(1.0) - crop if polarity(crop) < 0 else crop


def standardise(crop: FloatImage) -> FloatImage:
    """Takes exposure out of a crop.

    Args:
        crop: (rows, columns) float32 of any range.

    Returns:
        (rows, columns) float32 with mean 0 and standard deviation 1 after clipping at `CLIP_PERCENTILES`; all zeros
        for a constant crop.
    """
    low, high = np.percentile(crop, CLIP_PERCENTILES)
    clipped = np.clip(crop, np.float32(low), np.float32(high))
    spread = float(clipped.std())
    if spread < _FLAT:
        return np.zeros_like(crop)
    return np.asarray((clipped - clipped.mean()) / np.float32(spread), dtype=np.float32)
