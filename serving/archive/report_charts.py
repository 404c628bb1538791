"""Bars and columns as SVG that follows the page's colours, light or dark, and needs neither script nor library.

Every chart of the report is made of rectangles. matplotlib, which training has, would bring thirty megabytes for them,
would draw each twice for the two themes, and could neither be pointed at nor be read aloud.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_WIDTH = 720
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 8, 10, 26
_MOST_LABELS = 13
_WIDEST_COLUMN = 46.0
_TICKS = 4


@dataclass(frozen=True, slots=True)
class Piece:
    """One rectangle of a bar or column.

    Attributes:
        size: its length, in the unit of the chart; at least 0.
        style: CSS class that colours it, such as "kl-3".
        title: what is said of it when it is pointed at.
    """

    size: float
    style: str
    title: str


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a chart: its pieces from the ground up."""

    label: str
    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class ColumnChart:
    """Columns side by side.

    Attributes:
        columns: from left to right.
        said: what stands in its place for those who cannot see it.
        height: of the picture, to a width of 720.
        percent: whether sizes are shares, drawn from 0 to 100 %.
        between: whether the labels name the left borders of the columns, as in a histogram, and not the columns.
    """

    columns: tuple[Column, ...]
    said: str
    height: int = 190
    percent: bool = False
    between: bool = False


def bar(pieces: Sequence[Piece], whole: float) -> str:
    """A horizontal bar, as wide as its place is.

    Args:
        pieces: from left to right.
        whole: the length that fills the place; more than 0.
    """
    drawn, at = [], 0.0
    for piece in pieces:
        width = 100 * piece.size / whole
        if width > 0:
            # What is there is seen, however little it is.
            drawn.append(_rectangle(piece, (at, 0.0, max(width, 0.35), 10.0)))
        at += width
    box = 'viewBox="0 0 100 10" preserveAspectRatio="none"'
    return f'<svg class="bar" {box} aria-hidden="true">{"".join(drawn)}</svg>'


def column_chart(chart: ColumnChart) -> str:
    """Columns with a scale at their left and names below."""
    highest = max((sum(piece.size for piece in column.pieces) for column in chart.columns), default=0.0)
    ticks = [0.0, 0.25, 0.5, 0.75, 1.0] if chart.percent else nice_ticks(highest)
    top = ticks[-1]
    parts = [
        f'<svg class="columns" viewBox="0 0 {_WIDTH} {chart.height}" role="img" aria-label="{escape(chart.said)}">'
    ]
    for tick in ticks:
        y = _row(tick / top, chart.height)
        said = f"{tick:.0%}" if chart.percent else short(tick)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="tick" x="{_LEFT - 7}" y="{y + 3.5:.1f}" text-anchor="end">{said}</text>')
    pitch = (_WIDTH - _LEFT - _RIGHT) / max(1, len(chart.columns))
    width = pitch - 1 if chart.between else min(_WIDEST_COLUMN, 0.78 * pitch)
    every = math.ceil(len(chart.columns) / _MOST_LABELS)
    for place, column in enumerate(chart.columns):
        middle, at = _LEFT + (place + 0.5) * pitch, 0.0
        for piece in column.pieces:
            upper, lower = _row((at + piece.size) / top, chart.height), _row(at / top, chart.height)
            at += piece.size
            if piece.size > 0:
                box = (middle - width / 2, min(upper, lower - 0.8), width, max(lower - upper, 0.8))
                parts.append(_rectangle(piece, box))
        if place % every == 0 and column.label:
            x = middle - pitch / 2 if chart.between else middle
            label = escape(column.label)
            parts.append(f'<text class="tick" x="{x:.1f}" y="{chart.height - 8}" text-anchor="middle">{label}</text>')
    return "".join([*parts, "</svg>"])


def nice_ticks(highest: float) -> list[float]:
    """Round numbers from 0 to at least `highest`, about four steps; for counts and rates."""
    if not highest > 0:
        return [0.0, 1.0]
    step = 10.0 ** math.floor(math.log10(highest / _TICKS))
    step *= next(factor for factor in (1, 2, 2.5, 5, 10) if factor * step * _TICKS >= highest * 0.999)
    return [number * step for number in range(math.ceil(highest / step * 0.999) + 1)]


def short(number: float) -> str:
    """A number in few letters: 950, 1.2 k, 38 M."""
    for size, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if abs(number) >= size:
            return f"{number / size:.3g}{unit}"
    return f"{number:.3g}"


def _row(share: float, height: int) -> float:
    return height - _BOTTOM - share * (height - _TOP - _BOTTOM)


def _rectangle(piece: Piece, box: tuple[float, float, float, float]) -> str:
    x, y, width, height = box
    place = f'x="{x:.2f}" y="{y:.2f}" width="{width:.2f}" height="{height:.2f}"'
    return f'<rect class="{piece.style}" {place}><title>{escape(piece.title)}</title></rect>'
