"""The worst errors as a page: what was seen, what the readers said, what the release said."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from kneeoa.datasets.grade_folders import KneeImage
from kneeoa.model.crop import network_input
from kneeoa.model.grades import KL_GRADES
from kneeoa.model.radiograph import FloatImage
from kneeoa.training.evaluate_judgement import worst_errors
from kneeoa.training.evaluate_predictions import Predictions
from kneeoa.training.loaders import load_square
from kneeoa.training.report_style import Theme, data_uri

WORST = 24
COLUMNS = 4
CELL = (3.0, 2.6)
"""Height and width of one error on the page, in inches."""
JPEG_QUALITY = 88


@dataclass(frozen=True, slots=True, eq=False)
class WorstError:
    """One wrongly graded knee.

    Attributes:
        image: its file name.
        side: "R" or "L".
        truth: KL grade by the readers.
        grade: KL grade by the release.
        probabilities: (5,) of the release.
        accepted: whether the gate would have let it in.
        picture: (208, 288) float32 in [0, 1], what the network sees but for a linear change: left knees are mirrored.
    """

    image: str
    side: str
    truth: int
    grade: int
    probabilities: tuple[float, ...]
    accepted: bool
    picture: FloatImage

    def picture_uri(self) -> str:
        """The picture as a data URI."""
        buffer = io.BytesIO()
        grey = Image.fromarray(np.round(self.picture * 255).astype(np.uint8))
        grey.save(buffer, format="JPEG", quality=JPEG_QUALITY)
        return data_uri(buffer.getvalue(), "image/jpeg")


def find_worst(found: Predictions, count: int = WORST) -> list[WorstError]:
    """The worst errors with their pictures, worst first: see `evaluate_judgement.worst_errors`."""
    return [
        WorstError(
            image=found.knees[i].path.name,
            side=found.knees[i].side.value,
            truth=found.knees[i].kl,
            grade=int(found.grades[i]),
            probabilities=tuple(float(p) for p in found.probabilities[i]),
            accepted=bool(found.accepted[i]),
            picture=_seen(found.knees[i]),
        )
        for i in worst_errors(found, count)
    ]


def _seen(knee: KneeImage) -> FloatImage:
    crop = network_input(load_square(knee))
    low, high = float(crop.min()), float(crop.max())
    return (crop - np.float32(low)) / np.float32(max(high - low, 1e-6))


def draw_worst(errors: Sequence[WorstError], theme: Theme) -> Figure:
    """The worst errors on one page, each with its five probabilities.

    Args:
        errors: worst first; none is a page that says so.
        theme: colours.
    """
    lines = max(1, -(-len(errors) // COLUMNS))
    # In inches: constrained layout would take seconds for so many axes, and each cell is the same anyway.
    width, height = CELL[1] * COLUMNS, CELL[0] * lines + 0.4
    figure = Figure(figsize=(width, height))
    if not errors:
        figure.text(0.5, 0.5, "No knee was graded wrongly.", ha="center")
        return figure
    for i, error in enumerate(errors):
        left = (CELL[1] * (i % COLUMNS) + 0.1) / width
        bottom = (height - 0.4 - CELL[0] * (i // COLUMNS + 1)) / height
        across = (CELL[1] - 0.2) / width
        above = figure.add_axes((left, bottom + 0.85 / height, across, 1.74 / height))
        below = figure.add_axes((left, bottom + 0.28 / height, across, 0.5 / height))
        _draw_one(error, above, below, theme)
    heading = "Worst errors, with probabilities in per cent. Blue: readers. Red: release. Left knees are mirrored."
    figure.text(0.5, 1 - 0.14 / height, heading, ha="center", va="top")
    return figure


def _draw_one(error: WorstError, above: Axes, below: Axes, theme: Theme) -> None:
    above.imshow(error.picture, cmap="gray", vmin=0, vmax=1)
    refused = "" if error.accepted else "; gate refuses"
    above.set_title(f"readers {error.truth}, release {error.grade}{refused}\n{error.image}", size=8, weight="normal")
    above.set_axis_off()
    heights = np.maximum(error.probabilities, 0.015)
    colours = [theme.first if kl == error.truth else theme.faint for kl in KL_GRADES]
    edges = [theme.second if kl == error.grade else "none" for kl in KL_GRADES]
    bars = below.bar(KL_GRADES, heights, color=colours, edgecolor=edges, linewidth=1.8)
    below.bar_label(bars, [f"{100 * p:.0f}" for p in error.probabilities], size=6.5, padding=1.5)
    below.set(ylim=(0, 1.25), yticks=[], xticks=KL_GRADES)
    below.tick_params(length=0, labelsize=7)
    below.spines["left"].set_visible(False)
    for kl, mark in enumerate(below.get_xticklabels()):
        mark.set_fontweight("bold" if kl in {error.truth, error.grade} else "normal")
        mark.set_color(theme.first if kl == error.truth else theme.second if kl == error.grade else theme.ink)
