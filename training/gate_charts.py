"""The pictures of a gate: what it refuses, family by family, and what each threshold gives up and gains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from kneeoa.model.release import FinderThresholds
from kneeoa.training.fit_gate import FittedGate
from kneeoa.training.gate_films import FILMS, REFUSED
from kneeoa.training.gate_judgement import FamilyRow, Share
from kneeoa.training.gate_places import Places
from kneeoa.training.gate_sampling import COMPOSED, GIVEN
from kneeoa.training.report_style import Theme

_ROW_INCHES = 0.235
_STEPS = 400


def draw_families(rows: Sequence[FamilyRow], theme: Theme) -> Figure:
    """Shares refused with 95 % intervals: on the left by the whole road, on the right by the embedding alone.

    Families of crops, which the finder would not give, stand on the right only.

    Args:
        rows: one a family, families of one group in a row.
        theme: colours.
    """
    order = list(dict.fromkeys(row.group for row in rows))
    rows = sorted(rows, key=lambda row: order.index(row.group))
    places, heads, at = [], [], 0.0
    for i, row in enumerate(rows):
        if i == 0 or row.group != rows[i - 1].group:
            at += 0.5
            heads.append((at, row.group))
            at += 1.0
        places.append(at)
        at += 1
    figure = Figure(figsize=(10.5, 1.5 + _ROW_INCHES * at), layout="constrained")
    road, alone = figure.subplots(1, 2, sharey=True)
    height = np.array(places)
    films = [i for i, row in enumerate(rows) if row.asked == "film"]
    _dots(road, height[films], [rows[i].refused for i in films], (theme.first, "o", "as released", 0.16))
    _dots(
        road,
        height[films],
        [rows[i].refused_without for i in films],
        (theme.second, "D", "fitted without the family", -0.16),
    )
    _dots(alone, height, [row.embedding_alone for row in rows], (theme.first, "o", "as released", 0.16))
    _dots(
        alone,
        height,
        [row.embedding_alone_without for row in rows],
        (theme.second, "D", "fitted without the family", -0.16),
    )
    road.set_yticks(height, [f"{row.says} ({row.refused.n})" for row in rows])
    for place, group in heads:
        road.annotate(
            group,
            (0, place),
            xycoords=("axes fraction", "data"),
            xytext=(-6, 0),
            textcoords="offset points",
            ha="right",
            va="center",
            weight="bold",
            color=theme.ink,
            annotation_clip=False,
        )
    by_road = [share for i in films for share in (rows[i].refused, rows[i].refused_without)]
    by_embedding = [share for row in rows for share in (row.embedding_alone, row.embedding_alone_without)]
    panels = (
        (road, "Refused by finder and gate", by_road),
        (alone, "Refused by the embedding alone", by_embedding),
    )
    for axes, title, shown in panels:
        low = min(share.low for share in shown)
        axes.set(title=title, ylim=(at - 0.3, -0.8), xlim=(min(0.85, np.floor(20 * low) / 20), 1.004))
        axes.axvline(0.90, color=theme.second, linewidth=1, linestyle=":")
        axes.axvline(0.99, color=theme.first, linewidth=1, linestyle=":")
        axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x")
    figure.legend(*road.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def _dots(
    axes: Axes, height: npt.NDArray[np.float64], shares: Sequence[Share], look: tuple[str, str, str, float]
) -> None:
    colour, marker, label, shift = look
    share = np.array([s.share for s in shares])
    error = np.maximum([share - [s.low for s in shares], [s.high for s in shares] - share], 0)
    axes.errorbar(
        share, height - shift, xerr=error, fmt=marker, color=colour, markersize=4, linewidth=1, label=label, zorder=3
    )


@dataclass(frozen=True, slots=True, eq=False)
class ThresholdCurve:
    """What one threshold does, the others left aside.

    Attributes:
        name: what is compared with it.
        at: (steps,) the threshold.
        accepted: share of knees that satisfy it, (steps,), by the name of their set.
        refused: (steps,) mean over the families that it is there for, of the share that it refuses.
        whom: those families.
        chosen: the release's.
    """

    name: str
    at: npt.NDArray[np.float64]
    accepted: Mapping[str, npt.NDArray[np.float64]]
    refused: npt.NDArray[np.float64]
    whom: str
    chosen: float


def threshold_curves(
    gate: FittedGate, limits: FinderThresholds, sets: Mapping[str, Places]
) -> tuple[ThresholdCurve, ...]:
    """Curves of five thresholds; the last of the sets tells what is refused.

    Args:
        gate: of the release.
        limits: of its finder.
        sets: places with knees and families, by name.
    """
    surest = {name: of.where(of.surest) for name, of in sets.items()}
    knees = {name: of.of(GIVEN, COMPOSED) for name, of in surest.items()}
    others = surest[list(surest)[-1]].of(*REFUSED)
    films = others.of(*(name for name, family in FILMS.items() if family.group not in {"implant", "cut by the edge"}))
    found = others.where(~np.isnan(others.features[:, 0]))
    metal = others.of(*(name for name, family in FILMS.items() if family.group == "implant"))
    chosen = gate.thresholds
    return (
        _curve(
            ("Finder's confidence, at least", "films without a frontal knee", limits.confidence),
            {name: -of.confidence for name, of in knees.items()},
            (films, -films.confidence),
        ),
        _curve(
            ("Finder's probability of metal, below", "knees with metal", limits.implant),
            {name: of.implant for name, of in knees.items()},
            (metal, metal.implant),
        ),
        _curve(
            ("Distance of the embedding, at most", "all families", chosen.distance),
            {name: gate.gate.distance(of.embedding) for name, of in knees.items()},
            (others, gate.gate.distance(others.embedding)),
        ),
        _curve(
            ("Framing logit of the embedding, at most", "all families", chosen.framing),
            {name: gate.gate.framing_logit(of.embedding) for name, of in knees.items()},
            (others, gate.gate.framing_logit(others.embedding)),
        ),
        _curve(
            ("Looks logit of the finder's features, at most", "all films", chosen.looks),
            {name: gate.gate.looks_logit(of.features) for name, of in knees.items()},
            (found, gate.gate.looks_logit(found.features)),
        ),
    )


def _curve(
    what: tuple[str, str, float],
    knees: Mapping[str, npt.NDArray[np.float64]],
    refused: tuple[Places, npt.NDArray[np.float64]],
) -> ThresholdCurve:
    """Of scores that must lie below a threshold; the finder's confidence comes with its sign turned."""
    name, whom, chosen = what
    others, scores = refused
    every = np.concatenate([*knees.values(), scores])
    low, high = np.quantile(every, (0.0, 0.98))
    at = np.linspace(float(low), float(high), _STEPS)
    families = np.unique(others.family)
    shares = [(scores[others.family == family][:, None] > at).mean(axis=0) for family in families]
    turned = -1.0 if np.median(every) < 0 and name.endswith("at least") else 1.0
    return ThresholdCurve(
        name,
        turned * at,
        {of: (values[:, None] <= at).mean(axis=0) for of, values in knees.items()},
        np.mean(shares, axis=0),
        whom,
        chosen,
    )


def draw_thresholds(curves: Sequence[ThresholdCurve], theme: Theme) -> Figure:
    """What each threshold accepts and refuses, were it the only one; its value in the release is marked.

    Args:
        curves: of `threshold_curves`.
        theme: colours.
    """
    columns = -(-len(curves) // 2)
    figure = Figure(figsize=(4.6 * columns, 7.4), layout="constrained")
    panels = figure.subplots(2, columns, sharey=True).ravel()
    for axes, curve in zip(panels, curves, strict=False):
        for (name, share), style in zip(curve.accepted.items(), ("--", "-"), strict=False):
            axes.plot(curve.at, share, style, color=theme.first, label=f"knees of {name} accepted")
        axes.plot(curve.at, curve.refused, color=theme.second, label="refused, mean of the families named above")
        axes.axvline(curve.chosen, color=theme.ink, linewidth=1, linestyle=":", label="released")
        axes.set(xlabel=f"{curve.name}; released: {curve.chosen:.3g}", ylim=(0, 1.02))
        axes.set_title(f"against {curve.whom}", weight="normal", size=10)
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        axes.grid()
    for axes in panels[len(curves) :]:
        axes.set_visible(False)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure
