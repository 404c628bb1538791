"""Screws, bolts, staples and wires as outlines: (points, 2), (x, y) in plateau widths from the joint's centre."""

from __future__ import annotations

import numpy as np

from kneeoa.datasets.film_geometry import Points

Spot = tuple[float, float]
"""(x, y)."""


def stroke(points: Points, width: float) -> Points:
    """Outline of a line of a width, both (x, y)."""
    points = np.asarray(points, dtype=np.float64)
    ahead = np.gradient(points, axis=0)
    ahead /= np.maximum(np.linalg.norm(ahead, axis=1, keepdims=True), 1e-9)
    aside = np.stack([-ahead[:, 1], ahead[:, 0]], axis=1) * width / 2
    return np.concatenate([points + aside, (points - aside)[::-1]])


def disc(centre: Spot, radius: float) -> Points:
    """A round outline."""
    t = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    return np.stack([centre[0] + radius * np.cos(t), centre[1] + radius * np.sin(t)], axis=1)


def threaded(start: Spot, end: Spot, width: float, pitch: float = 0.028, core: float = 0.62) -> Points:
    """A rod with a thread as a saw-tooth, pointed at its end; `core` is the rod's width over the thread's."""
    a, b = np.array(start), np.array(end)
    length = float(np.linalg.norm(b - a))
    turns = max(4, int(length / pitch))
    t = np.linspace(0, 1, 2 * turns + 1)
    axis = a + (b - a) * t[:, None]
    aside = np.array([-(b - a)[1], (b - a)[0]]) / max(length, 1e-6)
    half = np.where(np.arange(len(t)) % 2 == 0, core, 1.0) * width / 2
    half[-1] = 0.1 * width
    return np.concatenate([axis + half[:, None] * aside, (axis - half[:, None] * aside)[::-1]])


def cortical(start: Spot, end: Spot, width: float, head: bool = True) -> list[Points]:
    """A screw with thread all along."""
    parts = [threaded(start, end, width)]
    if head:
        parts.append(_head(start, end, width))
    return parts


def lag(start: Spot, end: Spot, width: float, washer: bool) -> list[Points]:
    """A cancellous screw: a smooth shank, a coarse thread over its last third, a head, and a washer if asked."""
    a, b = np.array(start), np.array(end)
    neck = a + 0.62 * (b - a)
    parts = [stroke(np.stack([a, neck]), 0.62 * width), _head(start, end, width)]
    parts.append(threaded((float(neck[0]), float(neck[1])), end, width, pitch=0.042, core=0.5))
    if washer:
        ahead = (b - a) / max(float(np.linalg.norm(b - a)), 1e-6)
        parts.append(stroke(np.stack([a, a + 0.25 * width * ahead]), 3.2 * width))
    return parts


def interference(centre: Spot, lean: float, width: float, length: float) -> Points:
    """A headless screw that holds a graft in its tunnel; `lean` is its angle from upright, radians."""
    ahead = np.array([np.sin(lean), np.cos(lean)]) * length / 2
    a, b = np.array(centre) - ahead, np.array(centre) + ahead
    return threaded((float(a[0]), float(a[1])), (float(b[0]), float(b[1])), width, pitch=0.036, core=0.72)


def bolt(start: Spot, end: Spot, width: float) -> list[Points]:
    """A rod across a bone with a nut near each end."""
    a, b = np.array(start), np.array(end)
    ahead = (b - a) / max(float(np.linalg.norm(b - a)), 1e-6)
    parts = [stroke(np.stack([a, b]), width)]
    for at, sign in ((a, 1.0), (b, -1.0)):
        nut = at + sign * 2.0 * width * ahead
        parts.append(stroke(np.stack([nut - 0.7 * width * ahead, nut + 0.7 * width * ahead]), 3.6 * width))
    return parts


def bone_staple(corner: Spot, inward: float, high: float, long: float, wide: float) -> list[Points]:
    """A staple driven in from the side: a bridge along the cortex and two legs that taper to points.

    Args:
        corner: (x, y) of the bridge's upper end.
        inward: direction of the legs, 1 or -1.
        high: length of the bridge.
        long: length of the legs.
        wide: of bridge and legs.
    """
    x, y = corner
    parts = [stroke(np.array([(x, y - wide / 2), (x, y + high + wide / 2)]), wide)]
    for at in (y, y + high):
        tip = (x + inward * long, at)
        parts.append(
            np.array([(x, at - wide / 2), (x + inward * 0.7 * long, at - 0.4 * wide), tip, (x, at + wide / 2)])
        )
    return parts


def _head(start: Spot, end: Spot, width: float) -> Points:
    a, b = np.array(start), np.array(end)
    back = (b - a) / max(float(np.linalg.norm(b - a)), 1e-6) * width * 0.9
    return stroke(np.stack([a - back, a]), 2.0 * width)
