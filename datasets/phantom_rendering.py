"""A knee into grey values: the learnt look, its borders made sharp where the outlines say, texture and noise.

Principal components are soft: they blur what lies a little differently in every knee. Outlines are known, so the step
between bone and soft tissue is taken from the look on both sides and drawn where it belongs.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from kneeoa.datasets.knee_statistics import LOOK_REACH, KneeStatistics, knee_statistics
from kneeoa.datasets.phantom_anatomy import FRAME_MM, HALF_MM, Knee
from kneeoa.datasets.phantom_frame import Frame
from kneeoa.datasets.phantom_outlines import (
    LINES,
    Points,
    femur_outline,
    fibula_outline,
    open_curve,
    patella_outline,
    tibia_outline,
    unit,
)
from kneeoa.datasets.phantom_sampling import bilinear, gaussian
from kneeoa.model.radiograph import FloatImage

_SIZE = 576
_PIXEL_MM = FRAME_MM * LOOK_REACH / _SIZE
_SOFT_MM = 0.85
"""How blurred the learnt look's borders are: registration, pixels and modes together."""
_NEARBY_MM = 2.2
"""Grey values on both sides of a border are averaged this far."""
_NOISE = 0.012
_COMPARTMENTS = ((-0.80, -0.30), (0.26, 0.78))
"""Where the template's condyles bear load, from left to right."""
_DETECTOR_MM = 0.10
_PLATES_MM = 0.15
"""Pixel of the grid on which trabecular plates are drawn."""


@dataclass(frozen=True, slots=True, eq=False)
class _Sharp:
    """The look with borders, over [-LOOK_REACH, LOOK_REACH]; `bone` is 1 in femur and tibia."""

    look: FloatImage
    bone: FloatImage


def render_knee(knee: Knee, frame: Frame, rng: np.random.Generator) -> FloatImage:
    """Renders a right knee as a radiograph.

    Args:
        knee: from `draw_knee`.
        frame: the film.
        rng: texture and noise.

    Returns:
        (rows, columns) float32 in [0, 1]; bone is bright.
    """
    statistics = knee_statistics()
    sharp = _sharpened(knee, rng)
    x, y = frame.axes_mm()
    across, down = knee.template_places(x, y)
    film = bilinear(sharp.look, across / LOOK_REACH, down / LOOK_REACH)
    bone = bilinear(sharp.bone, across / LOOK_REACH, down / LOOK_REACH)
    # The learnt strength peaks where outlines vary from knee to knee; texture proper is even.
    strength = np.clip(bilinear(statistics.texture_map, across, down), 0.5, 1.1)
    texture = _texture(statistics, frame, rng)
    film += knee.draw.texture * strength * (np.float32(0.35) + np.float32(0.65) * bone) * texture
    film = film * np.float32(knee.draw.contrast) + np.float32(knee.draw.brightness)
    film += np.float32(_NOISE) * rng.standard_normal(film.shape, dtype=np.float32)
    return np.clip(gaussian(film, _DETECTOR_MM / frame.pixel_spacing_mm), 0.0, 1.0)


def _sharpened(knee: Knee, rng: np.random.Generator) -> _Sharp:
    look = np.asarray(Image.fromarray(knee.draw.look).resize((_SIZE, _SIZE), Image.Resampling.BICUBIC))
    before, near_bone = _template_bone()
    bone = np.maximum(_filled(knee.femur), _filled(knee.tibia))
    sigma = _NEARBY_MM / _PIXEL_MM
    within = gaussian(look * before, sigma)
    inner = within / np.maximum(near_bone, np.float32(0.02))
    outer = (gaussian(look, sigma) - within) / np.maximum(1 - near_bone, np.float32(0.02))
    # Osteophytes are less dense than the bone that they grow from.
    grown = np.clip(bone - before, 0, 1)
    look = look * (1 - grown) + (np.float32(0.75) * inner + np.float32(0.25) * outer) * grown
    step = np.clip(inner - outer, 0.15, 2.0)
    look = look + np.float32(0.9) * step * (bone - gaussian(bone, _SOFT_MM / _PIXEL_MM))
    dense = np.clip(step, 0.3, 1.0)
    # A shell fades inwards: a thin bright rim on a wider, fainter one.
    look += np.float32(rng.uniform(0.30, 0.45)) * dense * _rim(bone, gaussian(bone, 0.3 / _PIXEL_MM))
    look += np.float32(rng.uniform(0.10, 0.22)) * dense * _rim(bone, gaussian(bone, 0.9 / _PIXEL_MM))
    look += _plates(rng) * bone
    look += _behind(fibula_outline(), rng, (0.20, 0.16)) * (1 - np.float32(0.55) * bone)
    look += _behind(patella_outline(), rng, (0.14, 0.06))
    lines = np.zeros((_SIZE, _SIZE), dtype=np.float32)
    for knots in LINES:
        lines += np.float32(rng.uniform(0.04, 0.2)) * _stroke(open_curve(unit(knots)) + rng.normal(0, 0.006, 2), 0.55)
    look += gaussian(lines, 0.3 / _PIXEL_MM)
    return _Sharp(look.astype(np.float32), bone)


@cache
def _template_bone() -> tuple[FloatImage, FloatImage]:
    """Femur and tibia of the template without osteophytes, as drawn and averaged over what is near."""
    statistics = knee_statistics()
    outlines = (femur_outline(statistics.femur_edge), tibia_outline(statistics.tibia_edge))
    femur, tibia = (_filled(outline) for outline in outlines)
    bone = np.maximum(femur, tibia).astype(np.float32)
    return bone, gaussian(bone, _NEARBY_MM / _PIXEL_MM)


def _rim(mask: FloatImage, soft: FloatImage) -> FloatImage:
    """Cortex: 1 just inside a mask's border, 0 elsewhere; the ray's path in a shell is longest where it grazes it."""
    return np.asarray(np.clip(4 * soft * (1 - soft), 0, 1) * mask, dtype=np.float32)


def _plates(rng: np.random.Generator) -> FloatImage:
    """Subchondral bone of both compartments: a dense line below the tibia's border, a faint one above the femur's."""
    statistics = knee_statistics()
    total = np.zeros((_SIZE, _SIZE), dtype=np.float32)
    for edge, inwards_mm, strength in ((statistics.tibia_edge, 0.5, 0.6), (statistics.femur_edge, -0.4, 0.25)):
        for low, high in _COMPARTMENTS:
            part = edge[(edge[:, 0] > low) & (edge[:, 0] < high)] + (0.0, inwards_mm / HALF_MM)
            total += np.float32(strength * rng.uniform(0.4, 1.2)) * _stroke(part, 0.9)
    return gaussian(total, 0.5 / _PIXEL_MM)


def _behind(outline: Points, rng: np.random.Generator, density: tuple[float, float]) -> FloatImage:
    """A bone that shines through: its body and its rim, a little elsewhere and of another density in each person."""
    mask = _filled(outline + rng.normal(0, 0.03, 2))
    body, rim = (value * rng.uniform(0.4, 1.3) for value in density)
    soft = gaussian(mask, 0.35 / _PIXEL_MM)
    return np.float32(body) * soft + np.float32(2 * rim) * _rim(mask, soft)


def _pixels(points: Points, scale: int) -> list[tuple[float, float]]:
    places = (points / LOOK_REACH + 1) / 2 * _SIZE * scale - 0.5
    return [(float(x), float(y)) for x, y in places]


def _filled(outline: Points) -> FloatImage:
    """(_SIZE, _SIZE) share of each pixel within a closed outline."""
    picture = Image.new("L", (2 * _SIZE, 2 * _SIZE))
    ImageDraw.Draw(picture).polygon(_pixels(outline, 2), fill=255)
    return np.asarray(picture.resize((_SIZE, _SIZE), Image.Resampling.BOX), dtype=np.float32) / np.float32(255)


def _stroke(line: Points, width_mm: float) -> FloatImage:
    picture = Image.new("L", (_SIZE, _SIZE))
    ImageDraw.Draw(picture).line(_pixels(line, 1), fill=255, width=max(1, round(width_mm / _PIXEL_MM)))
    return np.asarray(picture, dtype=np.float32) / np.float32(255)


def _texture(statistics: KneeStatistics, frame: Frame, rng: np.random.Generator) -> FloatImage:
    """Cancellous bone over the film: mean 0, standard deviation 1.

    Half of it is a random field of the learnt spectrum. The other half makes it bone: plates seen on edge are thin
    bright lines along the load, and the zero crossings of a smooth field, stretched along the leg, are such lines.
    """
    pixel_mm = statistics.texture_pixel * HALF_MM
    shape = _grid(frame, pixel_mm)
    power = np.fft.fftshift(statistics.texture_spectrum)
    across, down = np.meshgrid(np.fft.rfftfreq(shape[1]) * 2, np.fft.fftfreq(shape[0]) * 2)
    size = len(power)
    amplitude = np.sqrt(bilinear(power, across + 1 / size, down + 1 / size))
    clouds = _spread(_field(amplitude, shape, rng), pixel_mm, frame)
    shape = _grid(frame, _PLATES_MM)
    waves = np.meshgrid(np.fft.rfftfreq(shape[1]) / _PLATES_MM, np.fft.fftfreq(shape[0]) / _PLATES_MM)
    lines = np.zeros((frame.rows, frame.columns), dtype=np.float32)
    for wide_mm, long_mm in ((0.42, 1.5), (0.55, 0.6)):
        smooth = np.exp(-2 * np.pi**2 * ((waves[0] * wide_mm) ** 2 + (waves[1] * long_mm) ** 2))
        ridge = np.exp(-np.abs(_field(smooth, shape, rng)) / np.float32(0.35))
        ridge = (ridge - ridge.mean()) / ridge.std()
        lines += _spread(ridge.astype(np.float32), _PLATES_MM, frame)
    return np.float32(0.62) * clouds + np.float32(0.55) * lines


def _grid(frame: Frame, pixel_mm: float) -> tuple[int, int]:
    """Rows and columns of a grid of another pixel size that covers the film."""
    rows, columns = (int(np.ceil(n * frame.pixel_spacing_mm / pixel_mm)) + 2 for n in (frame.rows, frame.columns))
    return rows, columns


def _field(amplitude: npt.NDArray[np.floating], shape: tuple[int, int], rng: np.random.Generator) -> FloatImage:
    """Gaussian noise with an amplitude by frequency, on the half plane of `rfft2`; mean 0, standard deviation 1."""
    noise = np.fft.rfft2(rng.standard_normal(shape, dtype=np.float32))
    field = np.fft.irfft2(noise * amplitude, s=shape)
    return np.asarray((field - field.mean()) / max(float(field.std()), 1e-6), dtype=np.float32)


def _spread(field: FloatImage, pixel_mm: float, frame: Frame) -> FloatImage:
    """A grid's field on the film's pixels."""
    rows, columns = (max(1, round(n * pixel_mm / frame.pixel_spacing_mm)) for n in field.shape)
    large = np.asarray(Image.fromarray(field).resize((columns, rows), Image.Resampling.BICUBIC))
    return large[: frame.rows, : frame.columns]
