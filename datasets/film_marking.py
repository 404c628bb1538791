"""Which marks a film bears, and where: technicians lay lead beside the limb, systems print at the edges."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kneeoa.datasets.film_layout import Layout
from kneeoa.datasets.film_marks import (
    LEAD,
    add_arrow,
    add_ball,
    add_fold,
    add_label,
    add_ruler,
    add_seam,
    add_text,
    lead_letter,
    stamp,
    text_mask,
)
from kneeoa.datasets.film_truth import FilmKind, PlacedKnee, View
from kneeoa.model.radiograph import FloatImage, Side

_CM = 0.133
"""Centimetres per plateau width, turned round: a plateau is 75 mm wide."""


def add_lead(film: FloatImage, layout: Layout, widths: Sequence[float], rng: np.random.Generator) -> None:
    """Lays letters, arrows, rulers, balls and seams, in place, as absorption.

    Args:
        film: (rows, columns) float32 absorption.
        layout: of the film.
        widths: plateau width of each knee, pixels.
        rng: of choice and place.
    """
    for (side, pose), width in zip(layout.knees, widths, strict=True):
        if rng.random() < layout.marks:
            outward = (-1.0 if side is Side.RIGHT else 1.0) * (1.0 if rng.random() < 0.8 else -1.0)
            _letter(film, side, _beside(film, pose.centre, width, outward, rng), width, layout.view, rng)
    if not widths:
        _lone_letters(film, layout, rng)
    width = widths[0] if widths else 0.2 * min(film.shape)
    middle = film.shape[1] / 2 if len(widths) == 2 else film.shape[1] * float(rng.choice([0.08, 0.92]))
    if rng.random() < 0.25 * layout.marks:
        add_arrow(
            film, (film.shape[0] * rng.uniform(0.1, 0.8), middle + 0.1 * width), 0.3 * width, float(rng.normal(0, 4))
        )
    if rng.random() < 0.15 * layout.marks:
        _fold(film, rng)
    long = layout.kind is FilmKind.LONG_LEG
    if rng.random() < (0.6 if long else 0.15) * layout.marks:
        ends = (0.0, float(film.shape[0])) if long else tuple(np.sort(rng.uniform(0.02, 0.98, 2)) * film.shape[0])
        add_ruler(film, (ends[0], ends[1]), middle + float(rng.normal(0, 0.1)) * width, _CM * width, rng)
    if rng.random() < (0.45 if long else 0.08) * layout.marks:
        column = middle if rng.random() < 0.5 else film.shape[1] * float(rng.choice([0.07, 0.93]))
        add_ball(film, (film.shape[0] * rng.uniform(0.15, 0.75), column), width * float(rng.uniform(0.165, 0.2)))
    if long and rng.random() < 0.4:
        for share in (0.5,) if rng.random() < 0.3 else (0.34, 0.67):
            add_seam(film, film.shape[0] * (share + rng.normal(0, 0.01)), float(rng.normal(0, 0.004)) * film.shape[0])


def _lone_letters(film: FloatImage, layout: Layout, rng: np.random.Generator) -> None:
    """Letters on films without a frontal knee, as large as those beside knees: they must not tell the two apart."""
    for _ in range(int(rng.integers(1, 3)) if rng.random() < layout.marks else 0):
        side = Side.RIGHT if rng.random() < 0.5 else Side.LEFT
        at = (film.shape[0] * float(rng.uniform(0.06, 0.94)), film.shape[1] * float(rng.choice([0.1, 0.9])))
        width = float(rng.uniform(0.15, 0.45)) * film.shape[1]
        _letter(film, side, at, width, View.AP if rng.random() < 0.5 else View.PA, rng)


def _fold(film: FloatImage, rng: np.random.Generator) -> None:
    """A fold of skin, a dressing or a sleeve across the film."""
    rows, columns = film.shape
    row, lean = rows * rng.uniform(-0.1, 0.9), rows * rng.normal(0, 0.06)
    bow, deep = rows * rng.normal(0, 0.03), rows * rng.uniform(0.05, 0.4)
    t = np.linspace(-0.02, 1.02, 24)
    upper = np.stack([row + lean * t + bow * np.sin(np.pi * t), t * columns], axis=1)
    band = np.concatenate([upper, upper[::-1] + np.array((deep, 0.0))])
    # It lies on the limb, and not in the air beside.
    before = film.copy()
    add_fold(film, band, max(rows / 400, 0.5), float(rng.uniform(0.02, 0.07)))
    film[before < 0.08] = before[before < 0.08]


def _beside(
    film: FloatImage, centre: tuple[float, float], width: float, outward: float, rng: np.random.Generator
) -> tuple[float, float]:
    """A place beside the knee, on the film."""
    row = centre[0] + rng.uniform(-1.2, 0.9) * width
    column = centre[1] + outward * rng.uniform(0.78, 1.15) * width
    edge = 0.18 * width
    return (
        float(np.clip(row, edge, max(film.shape[0] - edge, edge))),
        float(np.clip(column, edge, max(film.shape[1] - edge, edge))),
    )


def _letter(
    film: FloatImage, side: Side, at: tuple[float, float], width: float, view: View, rng: np.random.Generator
) -> None:
    height = width * float(rng.uniform(0.11, 0.24))
    reversed_ = rng.random() < (0.12 if view is View.PA else 0.03)
    turn = (float(rng.normal(0, 4) if rng.random() < 0.8 else rng.uniform(-180, 180)), bool(reversed_))
    stamp(film, lead_letter(side.value, height, ring=bool(rng.random() < 0.2)), at, LEAD, turn)
    if rng.random() < 0.3:
        word = str(rng.choice([view.value, "WB", "ERECT", "ST", "20", "10", "KT", "JM", "3", "7", "12"]))
        below = (at[0] + 1.4 * height, at[1])
        stamp(
            film,
            text_mask(word, max(round(0.5 * height), 3)),
            below,
            LEAD,
            (turn[0] if abs(turn[0]) < 20 else 0.0, turn[1]),
        )


def add_print(pixels: FloatImage, layout: Layout, knees: Sequence[PlacedKnee], rng: np.random.Generator) -> None:
    """Prints labels, text and redaction bars at the film's edges, in place, as grey values.

    Args:
        pixels: (rows, columns) float32 grey values.
        layout: of the film.
        knees: nothing is printed over their joints.
        rng: of choice and place.
    """
    rows, columns = pixels.shape
    boxes: list[tuple[int, int, int, int]] = []
    if rng.random() < 0.16 * layout.marks:
        high, wide = int(rows * rng.uniform(0.03, 0.09)), int(columns * rng.uniform(0.12, 0.35))
        boxes.append(_corner(rows, columns, (high, wide), rng))
        add_or_skip = _clear(boxes[-1], knees)
        if add_or_skip:
            lines = _made_up(rng)
            add_label(pixels, boxes[-1], lines, bool(rng.random() < 0.4))
    if rng.random() < 0.14 * layout.marks:
        for _ in range(int(rng.integers(1, 4))):
            high, wide = int(rows * rng.uniform(0.012, 0.05)), int(columns * rng.uniform(0.1, 0.4))
            box = _corner(rows, columns, (max(high, 1), max(wide, 1)), rng)
            if _clear(box, knees):
                pixels[box[0] : box[1], box[2] : box[3]] = 0.0 if rng.random() < 0.75 else 1.0
    if rng.random() < 0.25 * layout.marks:
        height = max(5, round(min(rows, columns) * float(rng.uniform(0.012, 0.03))))
        for number, line in enumerate(_made_up(rng)):
            add_text(pixels, line, (0.02 * rows + 1.7 * height * number, 0.02 * columns), height, 0.9)


def _clear(box: tuple[int, int, int, int], knees: Sequence[PlacedKnee]) -> bool:
    for knee in knees:
        (row, column), reach = knee.centre, 0.6 * knee.plateau_width_px
        if box[0] - reach < row < box[1] + reach and box[2] - reach < column < box[3] + reach:
            return False
    return True


def _corner(rows: int, columns: int, size: tuple[int, int], rng: np.random.Generator) -> tuple[int, int, int, int]:
    top = 0 if rng.random() < 0.6 else rows - size[0]
    left = 0 if rng.random() < 0.5 else columns - size[1]
    inset = int(0.01 * min(rows, columns)) if rng.random() < 0.5 else 0
    top, left = top + (inset if top == 0 else -inset), left + (inset if left == 0 else -inset)
    return top, top + size[0], left, left + size[1]


def _made_up(rng: np.random.Generator) -> tuple[str, ...]:
    """Lines as a workstation prints them, without a person."""
    pool = (
        "KNEE AP", "KNEES WB PA", "BEIDE KNIE", "STANDING", f"{rng.integers(50, 80)} kV {rng.integers(2, 16)} mAs",
        f"Z {rng.integers(20, 200)} %", f"S {rng.integers(100, 900)}", "AP", "PORTABLE", f"IM {rng.integers(1, 9)}/9",
    )  # fmt: skip
    picked = rng.choice(len(pool), size=int(rng.integers(1, 4)), replace=False)
    return tuple(pool[int(i)] for i in picked)
