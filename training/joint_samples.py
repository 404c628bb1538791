"""What the joint-space networks are shown: knees shifted, turned, narrowed, exposed otherwise, with things laid over.

Narrowing is simulated in the band: what lies above the femur's edge moves down as one, the space is squeezed. Rims are
simulated too: a shade of bone above the plateau's floor, with a faint line on top, that is not the edge.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from kneeoa.model.joint_band import (
    BAND_COLUMNS,
    BAND_ROWS,
    PLACE_PX,
    Floats,
    JointPlace,
    column_x,
    down_row,
    levelled,
    place_levelled,
    raw_band,
    row_down,
    sampled,
)
from kneeoa.model.radiograph import FloatImage
from kneeoa.training.joint_tracer import COLUMNS

LANDMARK_X = (1.0, 0.0, 0.80, 0.225)
_CONTACT_ROWS = 0.6
"""Edges nearer than this, a tenth of a millimetre, touch."""


@dataclass(frozen=True, slots=True, eq=False)
class TeachingKnee:
    """A knee that teaches.

    Attributes:
        pixels: (size, size) uint8, canonical.
        place: of its joint, levelled at the plateau's floor.
        femur: (COLUMNS,) band rows of the femur's border.
        tibia: likewise of the tibia's.
        weight: (COLUMNS,) how much each column teaches.
        exact: whether contact is known.
    """

    pixels: npt.NDArray[np.uint8]
    place: JointPlace
    femur: Floats
    tibia: Floats
    weight: Floats
    exact: bool


@dataclass(frozen=True, slots=True, eq=False)
class TraceSample:
    """A band and its truth: (BAND_ROWS, BAND_COLUMNS) float32, and four (COLUMNS,) float64."""

    band: FloatImage
    femur: Floats
    tibia: Floats
    weight: Floats
    contact_weight: Floats


def place_sample(knee: TeachingKnee, rng: np.random.Generator) -> tuple[FloatImage, Floats]:
    """A small crop as somebody else would have cut it, and the landmarks on it.

    Returns:
        (PLACE_PX, PLACE_PX) float32, and (4, 2) (row, column) in its pixels.
    """
    size = knee.pixels.shape[0]
    scale = float(np.exp(rng.normal(0, 0.07)))
    turn = np.radians(rng.normal(0, 9))
    shift = rng.uniform(-30, 30, 2) if rng.random() < 0.7 else rng.normal(0, 5, 2)
    cos, sin = np.cos(turn) * scale, np.sin(turn) * scale
    forth = np.array([[cos, -sin], [sin, cos]])
    middle = (size - 1) / 2
    axis = (np.arange(PLACE_PX) + 0.5) * size / PLACE_PX - 0.5 - middle
    grid = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1)
    soft = gaussian_filter(knee.pixels.astype(np.float32) / np.float32(255), 1.1 * scale)
    small = sampled(soft, grid @ forth.T + middle + shift)
    marks = knee.place.to_crop(np.array(LANDMARK_X), np.zeros(4))
    seen = (marks - middle - shift) @ np.linalg.inv(forth).T
    seen = (seen + middle + 0.5) * PLACE_PX / size - 0.5
    small = _exposed(small, rng)
    _lay_over(small, rng)
    if rng.random() < 0.12:
        # Whose side nobody knows: medial at image left. Landmarks keep their meaning on the picture.
        return place_levelled(np.ascontiguousarray(small[:, ::-1])), _mirrored(seen)
    return place_levelled(small), seen


def _mirrored(marks: Floats) -> Floats:
    """Landmarks after mirroring, named by the picture: the left end stays the first."""
    other = np.stack([marks[:, 0], PLACE_PX - 1 - marks[:, 1]], axis=1)
    left, right = other[1], other[0]
    return np.stack([left, right, left + 0.2 * (right - left), left + 0.775 * (right - left)])


def trace_sample(knee: TeachingKnee, rng: np.random.Generator) -> TraceSample:
    """A band cut a little off, in a third of the samples narrowed, some with a rim, and its truth."""
    jitter = rng.normal(0, 1, 4) * (3.0, 2.5, 0.02 * knee.place.width, 1.8) * rng.choice([0.5, 1.0, 1.8])
    seen = JointPlace(
        knee.place.row + jitter[0],
        knee.place.column + jitter[1],
        knee.place.width + jitter[2],
        knee.place.angle_degrees + jitter[3],
    )
    band = raw_band(knee.pixels.astype(np.float32) / np.float32(255), seen)
    femur, tibia = (_moved(edge, knee.place, seen) for edge in (knee.femur, knee.tibia))
    chosen = rng.random()
    known = np.full(COLUMNS, 1.0 if knee.exact else 0.0)
    if chosen < 0.4:
        band, femur, narrowed = narrowed_band(band, femur, tibia, rng)
        known = np.maximum(known, narrowed)
    if rng.random() < 0.3:
        band = with_rim(band, femur, tibia, rng)
    band = _exposed(band, rng)
    _lay_over(band, rng)
    inside = (femur > 0.5) & (tibia < BAND_ROWS - 1.5)
    weight = knee.weight * inside
    known = np.where(tibia - femur > 6, 1.0, known) * inside
    if rng.random() < 0.12:
        back = slice(None, None, -1)
        return TraceSample(levelled(band[:, ::-1].copy()), femur[back], tibia[back], weight[back], known[back])
    return TraceSample(levelled(band), femur, tibia, weight, known)


def touching(sample: TraceSample) -> npt.NDArray[np.bool_]:
    """(COLUMNS,) where the bones of a sample touch."""
    return np.asarray(sample.tibia - sample.femur < _CONTACT_ROWS)


def _moved(edge: Floats, place: JointPlace, seen: JointPlace) -> Floats:
    x, down = seen.from_crop(place.to_crop(column_x(COLUMNS), row_down(edge)))
    order = np.argsort(x)
    return np.interp(column_x(COLUMNS), x[order], down_row(down)[order])


def narrowed_band(
    band: FloatImage, femur: Floats, tibia: Floats, rng: np.random.Generator
) -> tuple[FloatImage, Floats, Floats]:
    """The femur let down, by another share on either side; to bone on bone in a third of the cases.

    Returns:
        The band, the femur's new border, and (COLUMNS,) 1 where contact is now known.
    """
    x = column_x(COLUMNS)
    factors = [float(rng.choice([0.03, rng.uniform(0.03, 0.4), rng.uniform(0.3, 0.9)])) for _ in range(2)]
    if rng.random() < 0.6:
        factors[int(rng.integers(2))] = 1.0
    share = 1 / (1 + np.exp(-(x - 0.5) / 0.05))
    factor = factors[0] + (factors[1] - factors[0]) * share
    # The femur moves as one on either side: by the least space that is there.
    gap = tibia - femur
    sides = ((x > 0.1) & (x < 0.4), (x > 0.62) & (x < 0.93))
    least = [float(gap[side].min()) for side in sides]
    lowered = (1 - factor) * (least[0] + (least[1] - least[0]) * share)
    if rng.random() < 0.5:
        lowered = (1 - factor) * gap
    new = np.minimum(femur + np.maximum(lowered, 0), tibia)
    wide = np.arange(BAND_COLUMNS) / (BAND_COLUMNS - 1) * (COLUMNS - 1)
    f, t, n = (np.interp(wide, np.arange(COLUMNS), curve) for curve in (femur, tibia, new))
    rows = np.arange(BAND_ROWS, dtype=np.float64)[:, None]
    squeezed = f + (rows - n) * (t - f) / np.maximum(t - n, 0.05)
    source = np.where(rows <= n, rows - (n - f), np.where(rows < t, squeezed, rows))
    columns = np.broadcast_to(np.arange(BAND_COLUMNS, dtype=np.float64), source.shape)
    changed = sampled(band, np.stack([source, columns], axis=-1))
    return changed, new, np.asarray(np.minimum(factor, 1) < 0.05, dtype=np.float64)


def with_rim(band: FloatImage, femur: Floats, tibia: Floats, rng: np.random.Generator) -> FloatImage:
    """A rim above the floor of one plateau: a shade of bone with a faint line on top; nothing without room."""
    x = column_x(BAND_COLUMNS)
    wide = np.arange(BAND_COLUMNS) / (BAND_COLUMNS - 1) * (COLUMNS - 1)
    f, t = (np.interp(wide, np.arange(COLUMNS), curve) for curve in (femur, tibia))
    middle, reach = (rng.uniform(0.15, 0.32), rng.uniform(0.08, 0.2))
    if rng.random() < 0.3:
        middle = 1 - middle
    high = rng.uniform(4, 13) * np.clip(1 - ((x - middle) / reach) ** 2, 0, 1) ** 0.5
    high = np.minimum(high, 0.8 * (t - f))
    rows = np.arange(BAND_ROWS)[:, None]
    top = t - high
    inside = np.clip(rows - top, 0, 1) * np.clip(t - rows + 1, 0, 1) * (high > 2)
    gap = float(np.median(band[(rows > f + 2) & (rows < t - 2)])) if ((t - f) > 5).any() else float(band.min())
    below = np.clip(np.rint(t + 6), 0, BAND_ROWS - 1).astype(np.intp)
    bone = band[below, np.arange(BAND_COLUMNS)]
    shade = inside * rng.uniform(0.2, 0.65) * np.maximum(bone - gap, 0)
    line = np.exp(-0.5 * ((rows - top - 1.5) / 1.3) ** 2) * (high > 2) * rng.uniform(0, 0.3) * np.maximum(bone - gap, 0)
    return np.asarray(band + gaussian_filter(shade + line, (0.8, 1.0)), dtype=np.float32)


def _exposed(picture: FloatImage, rng: np.random.Generator) -> FloatImage:
    """Another tube, another window: gamma, clipping, blur, noise, coarse steps."""
    low, high = float(picture.min()), float(picture.max())
    share = (picture - low) / max(high - low, 1e-3)
    share = share ** np.float32(np.exp(rng.normal(0, 0.35)))
    if rng.random() < 0.15:
        share = np.clip(share * rng.uniform(0.8, 1.3) + rng.uniform(-0.15, 0.15), 0, 1)
    if rng.random() < 0.35:
        share = gaussian_filter(share, (rng.uniform(0.3, 1.8), rng.uniform(0.2, 0.9)))
    share = share + rng.normal(0, 1, share.shape) * rng.choice([0.003, 0.01, 0.03])
    if rng.random() < 0.15:
        steps = rng.integers(20, 60)
        share = np.round(share * steps) / steps
    return np.asarray(share, dtype=np.float32)


def _lay_over(picture: FloatImage, rng: np.random.Generator) -> None:
    """Draws markers, rulers, metal and collimator edges into a picture."""
    rows, columns = picture.shape
    if rng.random() < 0.15:
        height, width = rng.integers(3, rows // 3), rng.integers(2, columns // 8)
        top, left = rng.integers(0, rows - height), rng.integers(0, columns - width)
        picture[top : top + height, left : left + width] = rng.choice([0.0, 1.0, 1.2])
    if rng.random() < 0.1:
        depth = rng.integers(1, columns // 9)
        edge = slice(0, depth) if rng.random() < 0.5 else slice(columns - depth, columns)
        picture[:, edge] = rng.uniform(0, 0.1)


def relevelled(knee: TeachingKnee) -> TeachingKnee:
    """The knee with its place moved so that the floor lies on the band's level at x = 0.80 and x = 0.225."""
    x = column_x(COLUMNS)
    levels = [float(np.median(knee.tibia[np.abs(x - at) < 0.05])) for at in LANDMARK_X[2:]]
    down = row_down(np.array(levels))
    points = knee.place.to_crop(np.array(LANDMARK_X[2:]), down)
    across = points[1] - points[0]
    angle = float(np.degrees(np.arctan2(-across[0], across[1])))
    slope = (down[1] - down[0]) / (LANDMARK_X[3] - LANDMARK_X[2])
    middle = knee.place.to_crop(np.array(0.5), np.array(down[0] + slope * (0.5 - LANDMARK_X[2])))
    place = JointPlace(float(middle[0]), float(middle[1]), knee.place.width, angle)
    femur, tibia = (_moved(edge, knee.place, place) for edge in (knee.femur, knee.tibia))
    return replace(knee, place=place, femur=femur, tibia=tibia)
