"""Plates, nails, screws, staples and wires round a native knee, drawn in its leg's coordinates; see `film_implants`."""

from __future__ import annotations

import numpy as np

from kneeoa.datasets.film_geometry import Points
from kneeoa.datasets.film_implants import METAL, Implant, draw_arthroplasty, lay_metal, to_pixels
from kneeoa.datasets.film_leg import Leg, LegRaster, Tube
from kneeoa.model.radiograph import FloatImage

_TITANIUM = 0.72 * METAL


def draw_implant(film: FloatImage, implant: Implant, leg: Leg, raster: LegRaster, rng: np.random.Generator) -> None:
    """Puts metal into a right leg, in place.

    Args:
        film: (rows, columns) float32 absorption, the knee joined in.
        implant: which.
        leg: the leg's lines.
        raster: of the film.
        rng: of make and place.
    """
    if implant.is_arthroplasty:
        draw_arthroplasty(film, implant, leg, raster, rng)
        return
    parts = {
        Implant.PLATE: _plate,
        Implant.NAIL: _nail,
        Implant.SCREWS: _screws,
        Implant.STAPLES: _staples,
        Implant.WIRES: _wires,
        Implant.SKIN_STAPLES: _skin_staples,
    }[implant](leg, raster, rng)
    level = float(rng.uniform(_TITANIUM, METAL))
    lay_metal(film, [to_pixels(part, raster) for part in parts], level)


def stroke(points: Points, width: float) -> Points:
    """Outline of a line of a width, both (x, y)."""
    points = np.asarray(points, dtype=np.float64)
    ahead = np.gradient(points, axis=0)
    ahead /= np.maximum(np.linalg.norm(ahead, axis=1, keepdims=True), 1e-9)
    aside = np.stack([-ahead[:, 1], ahead[:, 0]], axis=1) * width / 2
    return np.concatenate([points + aside, (points - aside)[::-1]])


def _screw(start: tuple[float, float], end: tuple[float, float], width: float, head: bool = True) -> list[Points]:
    """Core, thread as a saw-tooth, and head."""
    a, b = np.array(start), np.array(end)
    length = float(np.linalg.norm(b - a))
    turns = max(4, int(length / 0.028))
    t = np.linspace(0, 1, 2 * turns + 1)
    axis = a + (b - a) * t[:, None]
    aside = np.array([-(b - a)[1], (b - a)[0]]) / max(length, 1e-6)
    half = np.where(np.arange(len(t)) % 2 == 0, 0.62, 1.0) * width / 2
    half[-1] = 0.1 * width
    parts = [np.concatenate([axis + half[:, None] * aside, (axis - half[:, None] * aside)[::-1]])]
    if head:
        back = (b - a) / max(length, 1e-6) * width * 0.9
        parts.append(stroke(np.stack([a - back, a]), 2.0 * width))
    return parts


def _at(tube: Tube, raster: LegRaster, y: float) -> tuple[float, float, float]:
    """Left edge, middle and right edge of a shaft at a height."""
    _, rows = raster.axes()
    middle = float(np.interp(y, rows.ravel(), tube.middle.ravel()))
    half = min(float(np.interp(y, rows.ravel(), tube.half.ravel())), 0.5)
    return middle - half, middle, middle + half


def _plate(leg: Leg, raster: LegRaster, rng: np.random.Generator) -> list[Points]:
    femoral = rng.random() < 0.5
    lateral = rng.random() < 0.75
    tube, sign = (leg.femur, -1.0) if femoral else (leg.tibia, 1.0)
    start, stop = (0.16, float(rng.uniform(1.2, 2.6))) if femoral else (0.24, float(rng.uniform(0.9, 2.0)))
    heights = sign * np.linspace(start, stop, 14)
    side = 0 if lateral else 2
    outer = -0.52 if lateral else 0.52
    # Near the joint the plate hugs the condyle, which the shaft's lines do not know.
    edge = np.array([_at(tube, raster, y)[side] for y in heights])
    ramp = np.clip((np.abs(heights) - 0.35) / 0.5, 0, 1)
    x = outer * (1 - ramp) + edge * ramp + (-0.02 if lateral else 0.02)
    wide = float(rng.uniform(0.045, 0.11))
    parts = [stroke(np.stack([x, heights], axis=1), wide)]
    inward = 1.0 if lateral else -1.0
    near = [abs(float(h)) for h in heights[:5:2]]
    for height, at in zip(heights[::2], x[::2], strict=True):
        if rng.random() < 0.2:
            continue
        length = rng.uniform(0.7, 0.95) if abs(float(height)) in near else 0.42
        tip = (float(at + inward * length), float(height + rng.normal(0, 0.01)))
        parts += _screw((float(at), float(height)), tip, float(rng.uniform(0.04, 0.06)))
    return parts


def _nail(leg: Leg, raster: LegRaster, rng: np.random.Generator) -> list[Points]:
    femoral = rng.random() < 0.5
    tube, sign = (leg.femur, -1.0) if femoral else (leg.tibia, 1.0)
    heights = sign * np.linspace(0.22 if femoral else 0.28, 7.0, 40)
    x = np.array([_at(tube, raster, float(y))[1] for y in heights])
    x[:8] = np.linspace(0.4 * x[8], x[8], 8)
    width = float(rng.uniform(0.12, 0.16))
    parts = [stroke(np.stack([x, heights], axis=1), width)]
    for height in sign * np.array([0.45, 0.68, 0.95])[: rng.integers(1, 4)]:
        reach = 0.36 - 0.1 * (abs(float(height)) > 0.8)
        parts += _screw((-reach, float(height)), (reach, float(height + rng.normal(0, 0.02))), 0.06)
    return parts


def _screws(_leg: Leg, _raster: LegRaster, rng: np.random.Generator) -> list[Points]:
    parts: list[Points] = []
    for _ in range(int(rng.integers(1, 4))):
        y = float(rng.choice([-1.0, 1.0]) * rng.uniform(0.2, 0.55))
        side = float(rng.choice([-1.0, 1.0]))
        start = (side * 0.46, y + (0.05 if y > 0 else 0.0))
        tip = (start[0] - side * float(rng.uniform(0.3, 0.85)), y + float(rng.normal(0, 0.10)))
        parts += _screw(start, tip, float(rng.uniform(0.05, 0.10)), head=bool(rng.random() < 0.7))
    if rng.random() < 0.3:  # a button that holds a ligament's graft
        parts.append(stroke(np.array([(-0.5, -0.55), (-0.43, -0.68)]), 0.03))
    return parts


def _staples(_leg: Leg, _raster: LegRaster, rng: np.random.Generator) -> list[Points]:
    parts: list[Points] = []
    for _ in range(int(rng.integers(1, 4))):
        side = float(rng.choice([-1.0, 1.0]))
        x, y = side * 0.45, float(rng.choice([-1.0, 1.0]) * rng.uniform(0.22, 0.5))
        high, long = float(rng.uniform(0.12, 0.22)), float(rng.uniform(0.18, 0.3))
        line = np.array([(x - side * long, y), (x, y), (x, y + high), (x - side * long, y + high)])
        parts += [stroke(line[i : i + 2], 0.035) for i in range(3)]
    return parts


def _wires(leg: Leg, raster: LegRaster, rng: np.random.Generator) -> list[Points]:
    parts: list[Points] = []
    if rng.random() < 0.5:  # tension band of the patella: two pins and an eight of wire
        for x in (-0.12, 0.10):
            lean = float(rng.normal(0, 0.02))
            parts.append(stroke(np.array([(x, -0.72), (x + lean, -0.02)]), 0.025))
        t = np.linspace(0, 2 * np.pi, 60)
        eight = np.stack([0.19 * np.sin(2 * t), -0.37 + 0.31 * np.cos(t)], axis=1)
        parts += [stroke(eight[i : i + 8], 0.016) for i in range(0, 55, 7)]
        return parts
    tube, sign = (leg.femur, -1.0) if rng.random() < 0.6 else (leg.tibia, 1.0)
    for _ in range(int(rng.integers(2, 6))):
        y = float(sign * rng.uniform(0.8, 2.2))
        left, _, right = _at(tube, raster, y)
        t = np.linspace(0, 1, 12)
        bow = float(rng.uniform(-0.04, 0.04))
        line = np.stack([left - 0.01 + (right - left + 0.02) * t, y + bow * np.sin(np.pi * t)], axis=1)
        parts.append(stroke(line, 0.018))
        parts.append(stroke(np.array([(right, y), (right + 0.05, y + 0.03)]), 0.03))
    return parts


def _skin_staples(_leg: Leg, _raster: LegRaster, rng: np.random.Generator) -> list[Points]:
    x = float(rng.uniform(-0.12, 0.12))
    parts: list[Points] = []
    for y in np.arange(-0.9, float(rng.uniform(0.5, 0.9)), float(rng.uniform(0.08, 0.12))):
        half, drop = 0.038, 0.03
        at = x + float(rng.normal(0, 0.012))
        line = np.array([(at - half, y + drop), (at - half, y), (at + half, y), (at + half, y + drop)])
        parts += [stroke(line[i : i + 2], 0.011) for i in range(3)]
    return parts
