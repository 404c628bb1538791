"""Plates, nails, screws, staples and wires round a native knee, drawn in its leg's coordinates; see `film_implants`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kneeoa.datasets.film_geometry import Points
from kneeoa.datasets.film_implants import METAL, Implant, draw_arthroplasty, lay_metal, to_pixels
from kneeoa.datasets.film_leg import Leg, LegRaster, Tube
from kneeoa.datasets.film_screws import bolt, bone_staple, cortical, disc, interference, lag, stroke
from kneeoa.model.radiograph import FloatImage

_TITANIUM = 0.72 * METAL


@dataclass(frozen=True, slots=True)
class _Hardware:
    """Outlines of metal, and of holes through it: of screws in a plate, of a nail's bore."""

    parts: list[Points]
    holes: list[Points]


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
    metal = {
        Implant.PLATE: _plate,
        Implant.NAIL: _nail,
        Implant.SCREWS: _screws,
        Implant.STAPLES: _staples,
        Implant.WIRES: _wires,
        Implant.SKIN_STAPLES: _skin_staples,
    }[implant](leg, raster, rng)
    level = float(rng.uniform(_TITANIUM, METAL))
    outlines, holes = ([to_pixels(part, raster) for part in some] for some in (metal.parts, metal.holes))
    lay_metal(film, outlines, level, holes)


def _at(tube: Tube, raster: LegRaster, y: float) -> tuple[float, float, float]:
    """Left edge, middle and right edge of a shaft at a height."""
    _, rows = raster.axes()
    middle = float(np.interp(y, rows.ravel(), tube.middle.ravel()))
    half = min(float(np.interp(y, rows.ravel(), tube.half.ravel())), 0.5)
    return middle - half, middle, middle + half


def _plate(leg: Leg, raster: LegRaster, rng: np.random.Generator) -> _Hardware:
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
    inward = 1.0 if lateral else -1.0
    if rng.random() < 0.25:
        return _broad_plate(np.stack([x, heights], axis=1), inward, rng)
    wide = float(rng.uniform(0.045, 0.11))
    parts = [stroke(np.stack([x, heights], axis=1), wide)]
    near = [abs(float(h)) for h in heights[:5:2]]
    rafting = rng.random() < 0.4
    for height, at in zip(heights[::2], x[::2], strict=True):
        if rng.random() < 0.2:
            continue
        close = abs(float(height)) in near
        length = rng.uniform(0.7, 0.95) if close else 0.42
        tip = (float(at + inward * length), float(height + rng.normal(0, 0.01 + 0.03 * rafting)))
        width = float(rng.uniform(0.04, 0.06))
        origin = (float(at), float(height))
        parts += lag(origin, tip, 1.4 * width, washer=False) if close and rafting else cortical(origin, tip, width)
    return _Hardware(parts, [])


def _broad_plate(line: Points, inward: float, rng: np.random.Generator) -> _Hardware:
    """A plate that the beam meets on its face: broad, with its holes, some filled by a screw's head."""
    wide = float(rng.uniform(0.12, 0.18))
    face = line + np.array([inward * 0.7 * wide, 0.0])
    parts, holes = [stroke(face, wide)], []
    for x, y in face[::2]:
        tip = (float(x + inward * rng.uniform(0.25, 0.6)), float(y + rng.normal(0, 0.04)))
        if rng.random() < 0.45:
            holes.append(disc((float(x), float(y)), 0.27 * wide))
        else:
            parts += cortical((float(x), float(y)), tip, float(rng.uniform(0.04, 0.06)))
    return _Hardware(parts, holes)


def _nail(leg: Leg, raster: LegRaster, rng: np.random.Generator) -> _Hardware:
    femoral = rng.random() < 0.5
    tube, sign = (leg.femur, -1.0) if femoral else (leg.tibia, 1.0)
    heights = sign * np.linspace(0.22 if femoral else 0.28, 7.0, 40)
    x = np.array([_at(tube, raster, float(y))[1] for y in heights])
    x[:8] = np.linspace(0.4 * x[8], x[8], 8)
    width = float(rng.uniform(0.12, 0.16))
    holes = []
    if rng.random() < 0.5:  # a slot for the instrument that takes it out
        deep = float(rng.uniform(0.05, 0.1))
        holes.append(
            stroke(np.array([(x[0], heights[0] - 0.01 * sign), (x[0], heights[0] + deep * sign)]), 0.4 * width)
        )
    parts = [stroke(np.stack([x, heights], axis=1), width)]
    for height in sign * np.array([0.45, 0.68, 0.95])[: rng.integers(1, 4)]:
        reach = 0.36 - 0.1 * (abs(float(height)) > 0.8)
        parts += cortical((-reach, float(height)), (reach, float(height + rng.normal(0, 0.02))), 0.06)
    return _Hardware(parts, holes)


def _screws(_leg: Leg, _raster: LegRaster, rng: np.random.Generator) -> _Hardware:
    kind = rng.random()
    if kind < 0.25:
        return _graft(rng)
    parts: list[Points] = []
    if kind < 0.33:  # a bolt that draws the halves of a plateau together
        y, lean = float(rng.uniform(0.2, 0.4)), float(rng.normal(0, 0.05))
        return _Hardware(bolt((-0.46, y - lean), (0.48, y + lean), float(rng.uniform(0.018, 0.03))), [])
    for _ in range(int(rng.integers(1, 4))):
        y = float(rng.choice([-1.0, 1.0]) * rng.uniform(0.2, 0.55))
        side = float(rng.choice([-1.0, 1.0]))
        start = (side * 0.46, y + (0.05 if y > 0 else 0.0))
        tip = (start[0] - side * float(rng.uniform(0.3, 0.85)), y + float(rng.normal(0, 0.10)))
        width = float(rng.uniform(0.05, 0.10))
        if rng.random() < 0.45:
            parts += lag(start, tip, width, washer=bool(rng.random() < 0.5))
        else:
            parts += cortical(start, tip, width, head=bool(rng.random() < 0.7))
    return _Hardware(parts, [])


def _graft(rng: np.random.Generator) -> _Hardware:
    """What holds a ligament's graft: a screw in the tibial tunnel, and one or a button at the femoral."""
    lean = float(rng.normal(-0.35, 0.12))
    wide, long = float(rng.uniform(0.085, 0.125)), float(rng.uniform(0.24, 0.38))
    parts = [interference((float(rng.normal(0.08, 0.04)), float(rng.uniform(0.28, 0.5))), lean, wide, long)]
    if rng.random() < 0.5:
        at = (-float(rng.uniform(0.08, 0.2)), -float(rng.uniform(0.22, 0.4)))
        parts.append(interference(at, float(rng.normal(-0.6, 0.2)), wide, 0.8 * long))
    elif rng.random() < 0.7:  # a button that lies on the cortex
        parts.append(stroke(np.array([(-0.5, -0.55), (-0.43, -0.68)]), 0.03))
    return _Hardware(parts, [])


def _staples(_leg: Leg, _raster: LegRaster, rng: np.random.Generator) -> _Hardware:
    parts: list[Points] = []
    for _ in range(int(rng.integers(1, 4))):
        side = float(rng.choice([-1.0, 1.0]))
        corner = (side * 0.45, float(rng.choice([-1.0, 1.0]) * rng.uniform(0.22, 0.5)))
        high, long = float(rng.uniform(0.12, 0.22)), float(rng.uniform(0.18, 0.3))
        staple = bone_staple(corner, -side, high, long, float(rng.uniform(0.03, 0.045)))
        turn, middle = float(rng.normal(0, 0.15)), np.array(corner)
        spin = np.array([(np.cos(turn), -np.sin(turn)), (np.sin(turn), np.cos(turn))])
        parts += [middle + (part - middle) @ spin.T for part in staple]
    return _Hardware(parts, [])


def _wires(leg: Leg, raster: LegRaster, rng: np.random.Generator) -> _Hardware:
    parts: list[Points] = []
    if rng.random() < 0.5:  # tension band of the patella: two pins and an eight of wire
        for x in (-0.12, 0.10):
            lean = float(rng.normal(0, 0.02))
            parts.append(stroke(np.array([(x, -0.72), (x + lean, -0.02)]), 0.025))
        t = np.linspace(0, 2 * np.pi, 60)
        eight = np.stack([0.19 * np.sin(2 * t), -0.37 + 0.31 * np.cos(t)], axis=1)
        parts += [stroke(eight[i : i + 8], 0.016) for i in range(0, 55, 7)]
        return _Hardware(parts, [])
    tube, sign = (leg.femur, -1.0) if rng.random() < 0.6 else (leg.tibia, 1.0)
    for i in range(int(rng.integers(2, 6))):
        # The first lies near the joint: wires round the middle of a shaft alone are no matter of the knee.
        y = float(sign * rng.uniform(0.65, 1.15 if i == 0 else 2.2))
        left, _, right = _at(tube, raster, y)
        t = np.linspace(0, 1, 12)
        bow = float(rng.uniform(-0.04, 0.04))
        line = np.stack([left - 0.01 + (right - left + 0.02) * t, y + bow * np.sin(np.pi * t)], axis=1)
        parts.append(stroke(line, 0.018))
        parts.append(stroke(np.array([(right, y), (right + 0.05, y + 0.03)]), 0.03))
    return _Hardware(parts, [])


def _skin_staples(_leg: Leg, _raster: LegRaster, rng: np.random.Generator) -> _Hardware:
    x = float(rng.uniform(-0.12, 0.12))
    parts: list[Points] = []
    for y in np.arange(-0.9, float(rng.uniform(0.5, 0.9)), float(rng.uniform(0.08, 0.12))):
        half, drop = 0.038, 0.03
        at = x + float(rng.normal(0, 0.012))
        line = np.array([(at - half, y + drop), (at - half, y), (at + half, y), (at + half, y + drop)])
        parts += [stroke(line[i : i + 2], 0.011) for i in range(3)]
    return _Hardware(parts, [])
