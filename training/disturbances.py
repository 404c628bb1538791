"""What may happen to a film between the tube and the network, in steps of known strength.

A disturbance is a function of the picture, its strength and the knee's name alone: the same set is disturbed in the
same way every time, whichever release is judged.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy import ndimage

from kneeoa.model.radiograph import FloatImage

_CROP = 299.0
"""Columns of a published crop: lengths below are in its pixels and scale with the picture."""
Disturb = Callable[[FloatImage, float, int], FloatImage]
"""(picture, strength, seed of the knee) -> picture of the same size, in [0, 1]."""


@dataclass(frozen=True, slots=True)
class Disturbance:
    """One kind of disturbance.

    Attributes:
        name: as in files.
        label: as on the plot's axis, with the unit.
        strengths: in plotting order; `neutral` is among them.
        neutral: the strength that changes nothing.
        apply: does it.
    """

    name: str
    label: str
    strengths: tuple[float, ...]
    neutral: float
    apply: Disturb


def knee_seed(name: str) -> int:
    """A seed that is the same for one knee on every machine."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4])


def _exposure(pixels: FloatImage, strength: float, _seed: int) -> FloatImage:
    return np.asarray(pixels ** (2.0**strength), dtype=np.float32)


def _blur(pixels: FloatImage, strength: float, _seed: int) -> FloatImage:
    blurred = ndimage.gaussian_filter(pixels, strength * pixels.shape[1] / _CROP, mode="nearest")
    return np.asarray(blurred, dtype=np.float32)


def _noise(pixels: FloatImage, strength: float, seed: int) -> FloatImage:
    grain = np.random.default_rng(seed).normal(0, strength / 255, pixels.shape)
    return np.asarray(np.clip(pixels + grain, 0, 1), dtype=np.float32)


def _jpeg(pixels: FloatImage, strength: float, _seed: int) -> FloatImage:
    buffer = io.BytesIO()
    _levels(pixels).save(buffer, format="JPEG", quality=round(strength))
    with Image.open(buffer) as picture:
        return np.asarray(np.asarray(picture) / 255, dtype=np.float32)


def _rotation(pixels: FloatImage, strength: float, _seed: int) -> FloatImage:
    turned = ndimage.rotate(pixels, strength, reshape=False, order=1, mode="nearest")
    return np.asarray(np.clip(turned, 0, 1), dtype=np.float32)


def _shift(pixels: FloatImage, strength: float, seed: int) -> FloatImage:
    angle = np.random.default_rng(seed).uniform(0, 2 * np.pi)
    length = strength / 100 * pixels.shape[1]
    moved = ndimage.shift(pixels, (length * np.sin(angle), length * np.cos(angle)), order=1, mode="nearest")
    return np.asarray(np.clip(moved, 0, 1), dtype=np.float32)


def _downsampling(pixels: FloatImage, strength: float, _seed: int) -> FloatImage:
    rows, columns = pixels.shape
    picture = Image.fromarray(pixels)
    small = picture.resize((max(2, round(columns / strength)), max(2, round(rows / strength))), Image.Resampling.BOX)
    return np.clip(np.asarray(small.resize((columns, rows), Image.Resampling.BILINEAR), dtype=np.float32), 0, 1)


def _inversion(pixels: FloatImage, _strength: float, _seed: int) -> FloatImage:
    return np.asarray(1 - pixels, dtype=np.float32)


def _levels(pixels: FloatImage) -> Image.Image:
    return Image.fromarray(np.round(pixels * 255).astype(np.uint8))


DISTURBANCES = (
    Disturbance("exposure", "exposure: gamma as a power of 2", (-1.0, -0.5, 0.0, 0.5, 1.0), 0.0, _exposure),
    Disturbance("blur", "blur: sigma, pixels of a 299-pixel crop", (0.0, 1.0, 2.0, 4.0), 0.0, _blur),
    Disturbance("noise", "noise: standard deviation, grey levels of 255", (0.0, 4.0, 8.0, 16.0), 0.0, _noise),
    Disturbance("jpeg", "JPEG quality; 100 is the picture as it is", (100.0, 75.0, 50.0, 25.0, 10.0), 100.0, _jpeg),
    Disturbance("rotation", "rotation: degrees", (-15.0, -7.5, 0.0, 7.5, 15.0), 0.0, _rotation),
    Disturbance("crop-shift", "crop shift: per cent of the width", (0.0, 3.0, 6.0, 12.0), 0.0, _shift),
    Disturbance("downsampling", "downsampling: factor, then up again", (1.0, 2.0, 4.0, 8.0), 1.0, _downsampling),
    Disturbance("inversion", "inversion: 0 as it is, 1 inverted", (0.0, 1.0), 0.0, _inversion),
)


def disturbed(one: Disturbance, strength: float, pixels: FloatImage, name: str) -> FloatImage:
    """A picture after a disturbance.

    Args:
        one: which.
        strength: one of its strengths, or between them.
        pixels: (rows, columns) float32 in [0, 1].
        name: of the knee, which seeds what is random.

    Returns:
        (rows, columns) float32 in [0, 1]; the picture itself at the neutral strength.
    """
    return pixels if strength == one.neutral else one.apply(pixels, strength, knee_seed(name))
