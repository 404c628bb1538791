"""How pictures look, on light paper and on dark screens, and how they become bytes."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours of a picture.

    Attributes:
        paper: background.
        ink: text.
        faint: axes, grids, reference lines.
        first: the main series; told apart from `second` by readers who are colour blind, too.
        second: the other series.
        deep: the colour of a share of one in a matrix; a share of none is `paper`.
        on_deep: text on `deep`.
    """

    paper: str
    ink: str
    faint: str
    first: str
    second: str
    deep: str
    on_deep: str

    def shades(self) -> LinearSegmentedColormap:
        """From `paper` to `deep`."""
        return LinearSegmentedColormap.from_list("shares", [self.paper, self.deep])


LIGHT = Theme("#ffffff", "#1c2530", "#9aa5b1", "#1f6f8b", "#c2473a", "#14506a", "#ffffff")
DARK = Theme("#171c23", "#e3e8ee", "#66717e", "#62b6d6", "#f0907f", "#79c4e0", "#10151b")

Drawing = Callable[[Theme], Figure]
"""A picture that can be drawn in any theme."""


@contextmanager
def _styled(theme: Theme) -> Iterator[None]:
    with mpl.rc_context():
        mpl.rc("figure", facecolor=theme.paper)
        mpl.rc("savefig", facecolor=theme.paper)
        mpl.rc("axes", facecolor=theme.paper, labelcolor=theme.ink, edgecolor=theme.faint)
        mpl.rc("axes", titlecolor=theme.ink, titlesize=11, titleweight="bold")
        mpl.rc("axes.spines", top=False, right=False)
        mpl.rc("text", color=theme.ink)
        mpl.rc("xtick", color=theme.ink)
        mpl.rc("ytick", color=theme.ink)
        mpl.rc("grid", color=theme.faint, alpha=0.3)
        mpl.rc("legend", frameon=False, fontsize=9)
        mpl.rc("font", size=10)
        # The same picture gives the same bytes.
        mpl.rc("svg", hashsalt="kneeoa")
        yield


def save_png(drawing: Drawing, path: Path, dpi: int = 160) -> None:
    """Writes a picture on light paper.

    Args:
        drawing: the picture.
        path: the PNG to write.
        dpi: dots an inch.
    """
    with _styled(LIGHT):
        drawing(LIGHT).savefig(path, dpi=dpi, metadata={"Software": None})


def svg_uri(drawing: Drawing, theme: Theme) -> str:
    """A picture as a data URI, sharp at any size and the same bytes every time.

    Args:
        drawing: the picture.
        theme: its colours.
    """
    buffer = io.BytesIO()
    with _styled(theme):
        drawing(theme).savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return data_uri(buffer.getvalue(), "image/svg+xml")


def data_uri(content: bytes, media_type: str) -> str:
    """Bytes as a `data:` address."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode('ascii')}"
