"""Pictures of measured joint spaces: agreement with outlines, failures, and widths by grade."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image, ImageDraw

from kneeoa.model.joint_space import JointSpace
from kneeoa.model.joint_widths import Floats
from kneeoa.model.radiograph import FloatImage

_LARGER = 3
_FEMUR, _TIBIA, _DRAWN = (96, 200, 255), (120, 235, 140), (255, 120, 120)


def bland_altman(pairs: Mapping[str, Floats], path: Path) -> None:
    """Differences over means, a panel a compartment, with bias and 95 % limits.

    Args:
        pairs: (knees, 2) measured and drawn minimum in mm by compartment.
        path: the PNG to write.
    """
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    for axes, (name, rows) in zip(figure.subplots(1, len(pairs), sharey=True), pairs.items(), strict=True):
        known = rows[np.isfinite(rows).all(axis=1)]
        off = known[:, 0] - known[:, 1]
        axes.scatter(known.mean(axis=1), off, s=12)
        bias, spread = (float(off.mean()), float(off.std(ddof=1))) if len(off) > 1 else (0.0, 0.0)
        for level, style in ((bias, "-"), (bias - 1.96 * spread, "--"), (bias + 1.96 * spread, "--")):
            axes.axhline(level, linestyle=style, color="0.4", linewidth=1)
        axes.set(title=f"{name}: bias {bias:.2f} mm", xlabel="mean, mm", ylabel="measured - drawn, mm")
    figure.savefig(path, dpi=110)


def draw_joint(crop: FloatImage, found: JointSpace, words: str = "") -> Image.Image:
    """A crop around its joint, enlarged, plain above and with its edges below.

    Args:
        crop: (rows, columns) float32, as displayed.
        found: measured on it.
        words: to write into it.
    """
    rows, columns = crop.shape
    middle = found.joint_row if found.joint_row is not None else rows / 2
    high = round(0.34 * rows)
    top = int(np.clip(middle - 0.62 * high, 0, rows - high))
    low, bright = np.percentile(crop[top : top + high], (1, 99))
    shown = np.clip((crop[top : top + high] - low) / max(float(bright - low), 1e-3), 0, 1)
    plain = Image.fromarray((shown * 255).astype(np.uint8)).resize((columns * _LARGER, high * _LARGER)).convert("RGB")
    marked = plain.copy()
    draw = ImageDraw.Draw(marked)
    for edge, colour in ((found.femur_edge, _FEMUR), (found.tibia_edge, _TIBIA)):
        if len(edge) > 1:
            draw.line([_place(point, top) for point in edge], fill=colour)
    for part in found.compartments.values():
        if part.femur_at is not None and part.tibia_at is not None:
            draw.line([_place(part.femur_at, top), _place(part.tibia_at, top)], fill=(255, 236, 90), width=3)
    draw.text((6, 4), words, fill=(255, 236, 90), font_size=18)
    picture = Image.new("RGB", (plain.width, 2 * plain.height))
    picture.paste(plain, (0, 0))
    picture.paste(marked, (0, plain.height))
    return picture


def draw_failure(crop: FloatImage, found: JointSpace, drawn: tuple[Floats, Floats], path: Path) -> None:
    """A crop with what was measured and what was drawn, both enlarged."""
    picture = draw_joint(crop, found)
    rows = crop.shape[0]
    high = round(0.34 * rows)
    middle = found.joint_row if found.joint_row is not None else rows / 2
    top = int(np.clip(middle - 0.62 * high, 0, rows - high))
    draw = ImageDraw.Draw(picture)
    for edge in drawn:
        points = [_place((row, column), top) for column, row in enumerate(edge) if np.isfinite(row)]
        if len(points) > 1:
            draw.line([(x, y + picture.height // 2) for x, y in points], fill=_DRAWN)
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)


def _place(point: tuple[float, float] | Floats, top: int) -> tuple[float, float]:
    return (float(point[1]) + 0.5) * _LARGER, (float(point[0]) - top + 0.5) * _LARGER
