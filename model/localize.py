"""Finds the knees on any film: first on the whole, then each again from near.

Points are (row, column) in film pixels; the centre of the top-left pixel is (0, 0). Angles are degrees, anticlockwise
as displayed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from kneeoa.model.crop import JOINT_BELOW_MIDDLE, PLATEAU_FRACTION, Square, cut_square
from kneeoa.model.film_views import View, close_view, whole_views
from kneeoa.model.finder import CELL_PX, WIDTH_UNIT_PX, FinderScores, FinderSession
from kneeoa.model.radiograph import FloatImage

MOST_CANDIDATES = 6
"""Places looked at from near; no film of a person has more than two knees, but copies of films have."""
CANDIDATE_HEAT = 0.12
"""A peak of the whole view that is worth a second look."""
_SAME_KNEE = 0.55
"""Peaks nearer than this, in plateau widths, are one knee."""
_NEAR_MIDDLE = 0.5
"""How far from a close view's middle its knee may be, in plateau widths."""
_AGAIN = (0.16, 0.22, 12.0)
"""A close view that was off by more than this is taken anew: shift and log width in plateau widths, degrees of turn."""
_ROUNDS = 3
_LOST = 0.5
"""Confidence that is left of a knee which the close view does not see again."""


@dataclass(frozen=True, slots=True)
class KneeRegion:
    """A knee on a film.

    Attributes:
        centre: middle of the joint, (row, column).
        plateau_width_px: width of the tibial plateau.
        angle_degrees: turn of the leg from upright.
        confidence: in [0, 1], that a frontal knee is here, native or not.
        implant: probability in [0, 1] that it bears an implant.
        right: probability in [0, 1] that it looks like a right knee; a mirrored film's left knee does.
        expected_error: of the centre, in plateau widths.
        metal: probability in [0, 1] that its square shows metal (see `metal.with_metal`); 0 where nobody asked.
        features: (features,) float32: what the finder pooled from the place, for `gate.Gate.looks_logit`; empty where a
            region was not found but made.
        cut: (288, 288) float32 in [0, 1]: `square` cut from the film, bone bright; None where nobody needed it yet.
    """

    centre: tuple[float, float]
    plateau_width_px: float
    angle_degrees: float
    confidence: float
    implant: float
    right: float
    expected_error: float
    metal: float = 0.0
    features: npt.NDArray[np.float32] = field(
        default_factory=lambda: np.zeros(0, dtype=np.float32), compare=False, repr=False
    )
    cut: FloatImage | None = field(default=None, compare=False, repr=False)

    @property
    def square(self) -> Square:
        """What is cut out for the networks: framed as the training crops are."""
        size = self.plateau_width_px / PLATEAU_FRACTION
        turn = math.radians(self.angle_degrees)
        # The joint lies a little below the frame's middle, along the leg.
        up = JOINT_BELOW_MIDDLE * size
        row = self.centre[0] - up * math.cos(turn)
        column = self.centre[1] - up * math.sin(turn)
        return Square(row, column, size, self.angle_degrees)

    def cut_from(self, film: FloatImage) -> FloatImage:
        """(288, 288) float32 in [0, 1]: the knee's square on its film, not mirrored; `canonical` turns grey values."""
        return cut_square(film, self.square) if self.cut is None else self.cut

    def seen_share(self, shape: tuple[int, int]) -> float:
        """Share of the joint, margins included, that lies on a film of so many rows and columns.

        The joint is taken as 1.06 plateau widths across and 0.6 along the leg, on a grid of 32 x 16 places.
        """
        down = np.linspace(-0.3, 0.3, 16) * self.plateau_width_px
        across = np.linspace(-0.53, 0.53, 32) * self.plateau_width_px
        turn = math.radians(self.angle_degrees)
        rows = self.centre[0] + math.cos(turn) * down[:, None] - math.sin(turn) * across
        columns = self.centre[1] + math.sin(turn) * down[:, None] + math.cos(turn) * across
        on = (rows >= -0.5) & (rows <= shape[0] - 0.5) & (columns >= -0.5) & (columns <= shape[1] - 0.5)
        return float(on.mean())


@dataclass(frozen=True, slots=True)
class _Peak:
    centre: tuple[float, float]
    width: float
    angle: float
    heat: float
    implant: float
    error: float


def find_knees(film: FloatImage, finder: FinderSession) -> list[KneeRegion]:
    """Finds every frontal knee on a film, native or with an implant, in any orientation.

    The whole film is looked at in two sizes, for knees of a long leg and for one that fills its film.

    Args:
        film: (rows, columns) float32 in [0, 1], as displayed; bone bright or dark.
        finder: the network of a release.

    Returns:
        Regions by falling confidence; none where there is no frontal knee.
    """
    peaks: list[_Peak] = []
    for whole in whole_views(film):
        peaks += _peaks(whole, finder.run([whole]), 0)
    candidates: list[_Peak] = []
    for peak in sorted(peaks, key=lambda p: -p.heat):
        if all(_apart(peak, other) for other in candidates):
            candidates.append(peak)
    return _distinct(_seen_from_near(film, candidates[:MOST_CANDIDATES], finder)) if candidates else []


def _peaks(view: View, scores: FinderScores, i: int) -> list[_Peak]:
    """Local maxima of a view's heat, highest first, one a knee."""
    both = scores.heat[i].max(axis=0)
    wide = np.pad(both, 1, constant_values=-1.0)
    rows, columns = both.shape
    around = [wide[r : r + rows, c : c + columns] for r in range(3) for c in range(3)]
    highest = np.max(around, axis=0)
    at_rows, at_columns = np.nonzero((both >= highest) & (both >= CANDIDATE_HEAT))
    found: list[_Peak] = []
    for at in np.argsort(-both[at_rows, at_columns])[: 4 * MOST_CANDIDATES]:
        peak = _peak(view, scores, i, (int(at_rows[at]), int(at_columns[at])))
        if all(_apart(peak, other) for other in found):
            found.append(peak)
    return found


def _apart(peak: _Peak, other: _Peak) -> bool:
    return math.dist(peak.centre, other.centre) > _SAME_KNEE * max(peak.width, other.width)


def _peak(view: View, scores: FinderScores, i: int, cell: tuple[int, int]) -> _Peak:
    """A knee from the cells round a maximum, each weighing as much as its heat."""
    both = scores.heat[i].max(axis=0)
    top, left = max(cell[0] - 1, 0), max(cell[1] - 1, 0)
    part = (slice(top, min(cell[0] + 2, both.shape[0])), slice(left, min(cell[1] + 2, both.shape[1])))
    weight = both[part].astype(np.float64) ** 2
    weight /= weight.sum()
    down, across = np.mgrid[part]
    values = scores.values[i][(slice(None), *part)].astype(np.float64)
    width, cos, sin = (float((values[k] * weight).sum()) for k in range(3))
    row = float(((down + np.clip(values[3], -4, 4)) * weight).sum()) * CELL_PX + (CELL_PX - 1) / 2
    column = float(((across + np.clip(values[4], -4, 4)) * weight).sum()) * CELL_PX + (CELL_PX - 1) / 2
    centre = view.to_film(np.array([[row, column]]))[0]
    native, implant = (float(scores.heat[i][k][part].max()) for k in (0, 1))
    scale = math.sqrt(view.scale[0] * view.scale[1])
    return _Peak(
        centre=(float(centre[0]), float(centre[1])),
        width=WIDTH_UNIT_PX * math.exp(float(np.clip(width, -3.5, 2.5))) * scale,
        angle=_signed(math.degrees(math.atan2(sin, cos)) + view.angle_degrees),
        heat=float(both[cell]),
        implant=implant / max(native + implant, 1e-6),
        error=math.exp(float(np.clip((values[5] * weight).sum(), -6, 0))),
    )


def _seen_from_near(film: FloatImage, peaks: Sequence[_Peak], finder: FinderSession) -> list[KneeRegion]:
    """A second look at each candidate, and further ones where the last was far off."""
    now = list(peaks)
    regions: list[KneeRegion | None] = [None] * len(now)
    open_ones = list(range(len(now)))
    for _ in range(_ROUNDS):
        if not open_ones:
            break
        views = [close_view(film, now[k].centre, now[k].width, now[k].angle) for k in open_ones]
        scores = finder.run(views)
        still = []
        for i, k in enumerate(open_ones):
            regions[k], better = _second_look(now[k], peaks[k], views[i], scores, i)
            if better is not None:
                now[k] = better
                still.append(k)
        open_ones = still
    return [region for region in regions if region is not None]


def _second_look(
    before: _Peak, first: _Peak, view: View, scores: FinderScores, i: int
) -> tuple[KneeRegion, _Peak | None]:
    """What a close view tells of its knee, and the peak to look at again where the view was badly placed."""
    near = [p for p in _peaks(view, scores, i) if math.dist(p.centre, before.centre) < _NEAR_MIDDLE * before.width]
    peak = max(near, key=lambda p: p.heat, default=None)
    present = float(scores.kind[i, 1:].sum())
    implant = float(scores.kind[i, 2]) / max(present, 1e-6)
    kept = replace(before, heat=before.heat * _LOST) if peak is None else peak
    region = KneeRegion(
        centre=kept.centre,
        plateau_width_px=kept.width,
        angle_degrees=kept.angle,
        confidence=float((max(first.heat, 1e-6) * max(kept.heat, 1e-6) * max(present, 1e-6) ** 2) ** 0.25),
        implant=implant,
        right=float(scores.right[i]),
        expected_error=kept.error,
        features=scores.features[i],
    )
    if peak is None:
        return region, None
    shift = math.dist(peak.centre, before.centre) / before.width
    grown, turned = abs(math.log(peak.width / before.width)), abs(_signed(peak.angle - before.angle))
    badly = shift > _AGAIN[0] or grown > _AGAIN[1] or turned > _AGAIN[2]
    return region, peak if badly else None


def _distinct(regions: list[KneeRegion]) -> list[KneeRegion]:
    """One region a knee: of two that moved to the same place, the surer one."""
    found: list[KneeRegion] = []
    for region in sorted(regions, key=lambda r: -r.confidence):
        reach = _SAME_KNEE * region.plateau_width_px
        if all(math.dist(region.centre, other.centre) > reach for other in found):
            found.append(region)
    return found


def _signed(degrees: float) -> float:
    """The same turn in (-180, 180]."""
    turn = math.remainder(degrees, 360.0)
    return 180.0 if turn <= -180.0 else turn
