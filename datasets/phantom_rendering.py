"""Outlines into grey values: bones as smooth thickness maps with a denser shell, in soft tissue, with quantum noise.

A grey value stands for absorption along the ray, which a detector with logarithmic output and a linear window shows:
bone bright, air dark.
"""

from __future__ import annotations

import numpy as np

from kneeoa.datasets.phantom_anatomy import KneeShape
from kneeoa.datasets.phantom_frame import Frame, depth_mm, squared_distance_mm
from kneeoa.model.radiograph import FloatImage


def render_knee(shape: KneeShape, frame: Frame, sclerosis: float, rng: np.random.Generator) -> FloatImage:
    """Renders a right knee as a radiograph.

    Args:
        shape: outlines in millimetres.
        frame: the film.
        sclerosis: density added below the medial plateau, 0 to 1.
        rng: texture, noise and the leg's girth.

    Returns:
        (rows, columns) float32 in [0, 1]; bone is bright.
    """
    x, y = frame.axes_mm()
    spectrum = np.fft.rfft2(rng.standard_normal((frame.rows, frame.columns), dtype=np.float32))
    streaks = _texture(spectrum, frame, (0.14, 0.95), (0.7, 2.4))
    grain = _texture(spectrum, frame, (0.20, 0.24), (0.9, 1.1))
    clouds = _texture(spectrum[::-1], frame, (3.0, 4.0), (13.0, 14.0))
    absorption = _soft_tissue(frame, rng) * (1 + np.float32(0.02) * clouds)
    femur, tibia, fibula, patella = (
        depth_mm(frame, o) for o in (shape.femur, shape.tibia, shape.fibula, shape.patella)
    )
    # Trabeculae show where the bone is loaded, and not everywhere alike.
    seen = np.clip(np.float32(0.9) + np.float32(0.28) * clouds, 0.25, 1.6)
    trabeculae = 1 + seen * (np.float32(0.050) * streaks + np.float32(0.045) * grain) + np.float32(0.04) * clouds
    notch = 1 - np.float32(0.30) * np.exp(-(((x + 1) / 12) ** 2) - ((y + 9) / 10) ** 2)
    # The shafts' cortex is a tube of millimetres, that of the ends a film.
    femur_wall = (0.07 + 0.16 * np.clip((-14 - y) / 26, 0, 1)).astype(np.float32)
    tibia_wall = (0.07 + 0.16 * np.clip((y - 16) / 24, 0, 1)).astype(np.float32)
    # Between the spines the tibia is a ridge, thin from front to back.
    ridge = 1 - np.float32(0.45) * np.clip((11 - y) / 14, 0, 1) * np.exp(-((x / 15) ** 4))
    absorption += np.float32(0.235) * _body(femur, 15.0) * trabeculae * notch + _shell(femur, 1.0, femur_wall)
    absorption += np.float32(0.215) * _body(tibia, 13.0) * trabeculae * ridge + _shell(tibia, 1.0, tibia_wall)
    absorption += np.float32(0.080) * _body(fibula, 6.0) * trabeculae + _shell(fibula, 0.9, 0.10)
    absorption += np.float32(0.060) * _body(patella, 14.0) + _shell(patella, 0.9, 0.025)
    absorption += _subchondral(femur, tibia, frame, sclerosis)
    absorption += _lines(shape, frame) * np.clip(1 + np.float32(0.3) * clouds, 0.3, 1.7) * trabeculae
    return _exposed(absorption, frame, rng)


def _body(depth: FloatImage, radius_mm: float) -> FloatImage:
    """Chord through a body with rounded edges, 0 at the outline and 1 from `radius_mm` inwards."""
    into = np.clip(depth / np.float32(radius_mm), 0, 1)
    chord: FloatImage = np.sqrt(into * (2 - into))
    return chord


def _shell(depth: FloatImage, thickness_mm: float, density: FloatImage | float) -> FloatImage:
    """Cortex: the ray's path in a shell is longest where it grazes the inner surface."""
    outer, inner = _body(depth, 9.0), _body(depth - np.float32(thickness_mm), 9.0)
    return np.asarray(np.float32(2.2) * density * (outer - inner), dtype=np.float32)


def _soft_tissue(frame: Frame, rng: np.random.Generator) -> FloatImage:
    x, y = frame.axes_mm()
    # Thigh thicker than calf: the film is wider and denser above.
    level = np.clip(y, -90, 90)
    girth = rng.uniform(49.0, 53.0) - 0.085 * level
    across = np.clip(1 - ((x - rng.uniform(-2.0, 1.0)) / girth) ** 2, 0, None)
    tissue: FloatImage = (0.015 + (0.36 - 0.0012 * level) * across**0.7).astype(np.float32)
    return tissue


def _subchondral(femur: FloatImage, tibia: FloatImage, frame: Frame, sclerosis: float) -> FloatImage:
    """Dense bone under the cartilage, thicker and brighter with disease, above all medially."""
    x, y = frame.axes_mm()
    medial = np.exp(-(((x - 25) / 11) ** 4))
    lateral = np.exp(-(((x + 24) / 12) ** 4))
    plate = np.exp(-(((y - 9) / 11) ** 4))
    reach = np.float32(1.3 + 1.6 * sclerosis)
    below, above = np.maximum(tibia, 0), np.maximum(femur, 0)
    # A sharp plate, and a glow below it where the dish's floor slopes away from front and back.
    under = np.exp(-below / reach) * (0.13 + 0.10 * sclerosis)
    under += np.exp(-below / (4 * reach)) * (0.085 + 0.08 * sclerosis)
    over = np.exp(-above / (np.float32(0.7) * reach)) * (0.035 + 0.13 * sclerosis)
    over += np.exp(-above / (3 * reach)) * 0.06 * sclerosis
    dense = under * _body(tibia, 0.8) * (medial + lateral * (0.75 - 0.35 * sclerosis))
    dense += over * _body(femur, 0.8) * (medial + lateral * 0.5)
    return (dense * plate).astype(np.float32)


def _lines(shape: KneeShape, frame: Frame) -> FloatImage:
    """Edges seen through the bones."""
    total = np.zeros((frame.rows, frame.columns), dtype=np.float32)
    for lines, width_mm, density in ((shape.dishes, 0.9, 0.055), (shape.scars, 0.7, 0.030), (shape.walls, 0.6, 0.040)):
        squared = squared_distance_mm(frame, lines, 4 * width_mm)
        total += np.float32(density) * np.exp(-squared / np.float32(width_mm**2))
    return total


def _texture(
    spectrum: np.ndarray[tuple[int, int], np.dtype[np.complexfloating]],
    frame: Frame,
    fine_mm: tuple[float, float],
    coarse_mm: tuple[float, float],
) -> FloatImage:
    """Noise between two Gaussian scales, given as (across, down) in millimetres; mean 0, standard deviation 1."""
    band = _gaussian(frame, fine_mm) - _gaussian(frame, coarse_mm)
    noise = np.fft.irfft2(spectrum * band, s=(frame.rows, frame.columns)).astype(np.float32)
    return noise / np.float32(max(float(noise.std()), 1e-6))


def _gaussian(frame: Frame, sigma_mm: tuple[float, float]) -> FloatImage:
    """Transfer function of a Gaussian, on the half plane of `rfft2`."""
    across, down = (sigma / frame.pixel_spacing_mm for sigma in sigma_mm)
    fx = np.fft.rfftfreq(frame.columns)[None, :]
    fy = np.fft.fftfreq(frame.rows)[:, None]
    return np.exp(-2 * np.pi**2 * ((across * fx) ** 2 + (down * fy) ** 2)).astype(np.float32)


def _exposed(absorption: FloatImage, frame: Frame, rng: np.random.Generator) -> FloatImage:
    """Blur of focal spot and detector, quantum noise that grows where few quanta arrive, and the window."""
    # The noise rides on the same transform: half of the blur is the detector's and smooths it too.
    quanta = np.exp(np.float32(1.2) * (absorption - np.float32(0.5)))
    noise = rng.standard_normal(absorption.shape, dtype=np.float32) * np.float32(0.030) * quanta
    # Padding with the edge keeps the transform's wrap-around off the film.
    pad = max(2, round(1.0 / frame.pixel_spacing_mm))
    wide = np.pad(absorption + noise, pad, mode="edge")
    larger = Frame(wide.shape[0], wide.shape[1], frame.joint_centre, frame.pixel_spacing_mm)
    blurred = np.fft.irfft2(np.fft.rfft2(wide) * _gaussian(larger, (0.13, 0.13)), s=wide.shape)
    film = blurred[pad:-pad, pad:-pad].astype(np.float32)
    contrast = np.float32(rng.uniform(0.97, 1.06))
    shown: FloatImage = np.clip(contrast * film, 0.0, 1.0)
    return shown
