"""From absorption to grey values: window, curve, blur, noise, collimation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kneeoa.datasets.film_bones import polygon_mask
from kneeoa.datasets.film_geometry import Affine, Points
from kneeoa.datasets.film_texture import blurred, clouds
from kneeoa.model.radiograph import FloatImage

_METAL = 1.2
"""Absorption above which a detector's automatic window sees metal."""


@dataclass(frozen=True, slots=True)
class Exposure:
    """How a film was taken and shown.

    Attributes:
        black: absorption shown as black, at or below 0 where air shows.
        white: absorption shown as white.
        gamma: exponent of the curve between.
        noise: standard deviation of the quanta in flesh, in grey values.
        blur_px: sigma of focal spot and detector.
        heel: change of the tube's output across the film, as a share.
        surround: grey of what the collimator shut out: 0 black shutters, near 1 an unexposed film.
        metal_sets_window: whether white moves up to metal where there is some, so that all else gets darker.
    """

    black: float = 0.0
    white: float = 1.0
    gamma: float = 0.85
    noise: float = 0.012
    blur_px: float = 0.4
    heel: float = 0.0
    surround: float = 0.0
    metal_sets_window: bool = True

    @classmethod
    def drawn(cls, rng: np.random.Generator, long_side: int) -> Exposure:
        """A random exposure of a film whose long side has so many pixels."""
        low_contrast = rng.random() < 0.15
        burnt = rng.random() < 0.12
        white = float(rng.uniform(0.85, 1.25) + (rng.uniform(0.5, 1.2) if low_contrast else 0.0))
        surround = 0.0 if rng.random() < 0.65 else float(rng.choice([rng.uniform(0.02, 0.3), rng.uniform(0.8, 1.0)]))
        return cls(
            black=float(rng.uniform(0.08, 0.22) if burnt else rng.uniform(-0.12, 0.04) - 0.4 * low_contrast),
            white=white * (0.9 if burnt else 1.0),
            gamma=float(np.exp(rng.normal(-0.12, 0.22))),
            noise=float(rng.uniform(0.004, 0.022) * (1.5 if rng.random() < 0.1 else 1.0)),
            blur_px=float(rng.uniform(0.0, 0.6) * max(1.0, long_side / 1500)),
            heel=float(rng.normal(0.0, 0.05)),
            surround=surround,
            metal_sets_window=bool(rng.random() < 0.7),
        )


def expose(
    absorption: FloatImage, exposure: Exposure, field: FloatImage | None, rng: np.random.Generator
) -> FloatImage:
    """Grey values of a film.

    Args:
        absorption: (rows, columns) float32; 0 air.
        exposure: how.
        field: (rows, columns) float32 in [0, 1]: what the collimator let through; None: everything.
        rng: of the noise.

    Returns:
        (rows, columns) float32 in [0, 1]; bone is bright.
    """
    rows, columns = absorption.shape
    film = blurred(absorption, exposure.blur_px)
    white = exposure.white
    if exposure.metal_sets_window and float((film[::4, ::4] > _METAL).mean()) > 0.004:
        white = max(white, float(rng.uniform(1.15, 1.7)))
    if exposure.heel:
        film = film + np.float32(0.5 * exposure.heel) * np.linspace(-1, 1, rows, dtype=np.float32)[:, None]
    noise = rng.standard_normal((rows, columns), dtype=np.float32)
    if exposure.blur_px > 0.8:
        noise = noise + np.roll(noise, 1, axis=1) + np.roll(noise, 1, axis=0)  # the detector smooths its quanta
        noise *= np.float32(0.75)
    noise *= np.float32(exposure.noise) * (np.float32(0.45) + np.clip(film, 0, 1.2))
    film = film + noise
    film -= np.float32(exposure.black)
    film *= np.float32(1 / (white - exposure.black))
    np.clip(film, 0, 1, out=film)
    if exposure.gamma != 1.0:
        film **= np.float32(exposure.gamma)
    if field is not None:
        shut = np.float32(exposure.surround) + np.float32(0.04) * film
        film = np.clip(shut + field * (film - shut), 0, 1)
    return np.asarray(film, dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Collimation:
    """The opening of the collimator: a rectangle on the film.

    Attributes:
        top: of the opening before it is turned, pixels; likewise `bottom`, `left` and `right`.
        degrees: turned counter-clockwise round its middle.
        penumbra_px: sigma of its soft border.
    """

    top: float
    bottom: float
    left: float
    right: float
    degrees: float = 0.0
    penumbra_px: float = 1.0

    def corners(self) -> Points:
        """(4, 2) (row, column)."""
        middle = ((self.top + self.bottom) / 2, (self.left + self.right) / 2)
        box = np.array(
            [(self.top, self.left), (self.top, self.right), (self.bottom, self.right), (self.bottom, self.left)]
        )
        return Affine.turn(self.degrees, middle).points(box)

    def field(self, size: tuple[int, int]) -> FloatImage:
        """(rows, columns) float32: 1 within, 0 without."""
        field = np.zeros(size, dtype=np.float32)
        mask = polygon_mask(size, [self.corners()], margin=4 * self.penumbra_px)
        if not mask.empty:
            field[mask.rows, mask.columns] = blurred(mask.cover, self.penumbra_px)
        return field


def uneven(size: tuple[int, int], strength: float, rng: np.random.Generator) -> FloatImage:
    """Slow unevenness of scatter over a film, as absorption: (rows, columns) float32."""
    return np.float32(strength) * clouds(size, (max(size) / 2.5, max(size) / 2.5), rng)
