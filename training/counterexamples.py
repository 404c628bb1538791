"""Films that are not one framed, upright knee, composed from training knees, so that the gate learns what to refuse.

They stand in for what a file may show before knees are searched for: two knees, a knee far away or too near, off
centre, cut in half, turned by a quarter, squeezed like a lateral, and pictures without a knee.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

from kneeoa.model.radiograph import FloatImage

Draw = Callable[[FloatImage, FloatImage, np.random.Generator], FloatImage]
SIDE_PX = 299


def _resized(pixels: FloatImage, rows: int, columns: int) -> FloatImage:
    picture = Image.fromarray(np.ascontiguousarray(pixels)).resize((columns, rows), Image.Resampling.BILINEAR)
    return np.asarray(picture, dtype=np.float32)


def _on_background(knee: FloatImage, rows: int, columns: int, corner: tuple[int, int]) -> FloatImage:
    """The knee on a larger film whose rest continues its edges, as a limb and air would."""
    top, left = corner
    below, right = max(0, rows - top - knee.shape[0]), max(0, columns - left - knee.shape[1])
    wide = np.pad(knee, ((max(0, top), below), (max(0, left), right)), mode="edge")
    return np.asarray(wide[max(0, -top) :, max(0, -left) :][:rows, :columns])


def two_knees(knee: FloatImage, other: FloatImage, rng: np.random.Generator) -> FloatImage:
    """Both knees of a standing film, side by side, height / width 0.8-1.2."""
    size = int(rng.integers(120, 150))
    gap = int(rng.integers(0, 40))
    columns = 2 * size + gap
    rows = int(columns * rng.uniform(0.8, 1.2))
    top = int((rows - size) * rng.uniform(0.3, 0.7))
    left = _on_background(_resized(knee, size, size), rows, size + gap // 2, (top, 0))
    right = _on_background(_resized(other, size, size), rows, size + gap - gap // 2, (top, gap - gap // 2))
    return np.concatenate([left, right], axis=1)


def far_away(knee: FloatImage, _other: FloatImage, rng: np.random.Generator) -> FloatImage:
    """One knee that fills 30-65 % of the film, anywhere on it."""
    size = int(SIDE_PX * rng.uniform(0.3, 0.65))
    corner = (int(rng.integers(0, SIDE_PX - size)), int(rng.integers(0, SIDE_PX - size)))
    return _on_background(_resized(knee, size, size), SIDE_PX, SIDE_PX, corner)


def too_near(knee: FloatImage, _other: FloatImage, rng: np.random.Generator) -> FloatImage:
    """A part of the knee fills the film."""
    rows, columns = knee.shape
    size = int(min(rows, columns) * rng.uniform(0.25, 0.55))
    top, left = int(rng.integers(0, rows - size)), int(rng.integers(0, columns - size))
    return knee[top : top + size, left : left + size]


def off_centre(knee: FloatImage, _other: FloatImage, rng: np.random.Generator) -> FloatImage:
    """The knee is shifted by 30-60 % along one axis and cut by the film's edge."""
    shift = int(SIDE_PX * rng.uniform(0.3, 0.6)) * int(rng.choice([-1, 1]))
    corner = (shift, 0) if rng.random() < 0.5 else (0, shift)
    return _on_background(_resized(knee, SIDE_PX, SIDE_PX), SIDE_PX, SIDE_PX, corner)


def turned(knee: FloatImage, _other: FloatImage, rng: np.random.Generator) -> FloatImage:
    """Turned by 90, 180 or 270 degrees."""
    return np.ascontiguousarray(np.rot90(knee, int(rng.integers(1, 4))))


def squeezed(knee: FloatImage, _other: FloatImage, rng: np.random.Generator) -> FloatImage:
    """Half as wide as it should be, with air beside it: about what a lateral film shows."""
    columns = int(SIDE_PX * rng.uniform(0.35, 0.6))
    half = knee[:, : knee.shape[1] // 2] if rng.random() < 0.5 else knee
    return _on_background(_resized(half, SIDE_PX, columns), SIDE_PX, SIDE_PX, (0, (SIDE_PX - columns) // 2))


def not_a_knee(_knee: FloatImage, _other: FloatImage, rng: np.random.Generator) -> FloatImage:
    """Smooth noise, shafts, ellipses: no knee at all."""
    coarse = rng.random((int(rng.integers(2, 40)), int(rng.integers(2, 40)))).astype(np.float32)
    picture = Image.fromarray(_resized(coarse, SIDE_PX, SIDE_PX))
    draw = ImageDraw.Draw(picture)
    for _ in range(int(rng.integers(0, 6))):
        row, column = rng.uniform(-50, 250, 2)
        shape = [column, row, column + rng.uniform(20, 250), row + rng.uniform(20, 250)]
        (draw.ellipse if rng.random() < 0.5 else draw.rectangle)(shape, fill=float(rng.random()))
    noise = rng.normal(0, rng.uniform(0, 0.1), (SIDE_PX, SIDE_PX))
    return np.clip(np.asarray(picture) + noise, 0, 1).astype(np.float32)


KINDS: dict[str, Draw] = {
    kind.__name__: kind for kind in (two_knees, far_away, too_near, off_centre, turned, squeezed, not_a_knee)
}
