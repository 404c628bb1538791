"""One framed knee, to be set into a film: its pixels, its place, and where its shafts and skin meet its border."""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from kneeoa.datasets.film_geometry import resized
from kneeoa.datasets.film_texture import smoothed_line
from kneeoa.datasets.phantom import Phantom
from kneeoa.model.normalize import bone_bright
from kneeoa.model.radiograph import FloatImage, Side

PLATEAU_OF_PATCH = 0.82
"""The tibial plateau's width over the patch's, in the training crops and in phantoms framed like them."""
_JOINT_ROW = 0.53
_FIT_PX = 96
"""Side of the reduced patch on which borders are fitted: a pixel is a hundredth of the patch."""
_BAND = 14
"""Rows of the reduced patch that tell where a shaft leaves."""
_FRAY = 0.012
"""Share of a patch whose border is resampled badly."""
_GAP = 0.55
"""Grey of the joint space over the bone's on a film whose flesh is well seen."""
_AIR = 0.2
"""Darker than this share of the bone, next to the patch's side, is air."""


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class KneePatch:
    """A frontal knee, framed.

    Attributes:
        pixels: (n, n) float32 in [0, 1]; bone is bright; as displayed: a left knee has medial at image left.
        side: `Side.RIGHT` or `Side.LEFT`.
        centre: the joint's centre, (row, column) in pixels.
        plateau_width_px: width of the tibial plateau in pixels.
        kl: Kellgren-Lawrence grade, 0-4, or None.

    Raises:
        ValueError: the pixels are not square, or the side is unknown.
    """

    pixels: FloatImage
    side: Side
    centre: tuple[float, float]
    plateau_width_px: float
    kl: int | None = None

    def __post_init__(self) -> None:
        if self.pixels.ndim != 2 or self.pixels.shape[0] != self.pixels.shape[1]:
            raise ValueError(f"A knee patch is square, not {self.pixels.shape}.")
        if self.side is Side.UNKNOWN:
            raise ValueError("A knee patch has a side: give Side.RIGHT or Side.LEFT.")

    @classmethod
    def framed(cls, pixels: FloatImage, side: Side, kl: int | None = None) -> KneePatch:
        """A crop framed as the training crops are; its polarity is put right."""
        n = pixels.shape[0]
        centre = (_JOINT_ROW * n - 0.5, 0.5 * n - 0.5)
        return cls(bone_bright(pixels), side, centre, PLATEAU_OF_PATCH * n, kl)

    @classmethod
    def of_phantom(cls, phantom: Phantom) -> KneePatch:
        """A square phantom with its truth."""
        spec = phantom.spec
        return cls(phantom.pixels, spec.side, phantom.joint_centre, phantom.plateau_width_px, spec.grade)

    def as_side(self, side: Side) -> KneePatch:
        """The patch as a knee of that side would show it: itself, or mirrored."""
        if self.side is side:
            return self
        row, column = self.centre
        mirrored = np.ascontiguousarray(self.pixels[:, ::-1])
        centre = (row, self.pixels.shape[1] - 1 - column)
        return KneePatch(mirrored, side, centre, self.plateau_width_px, self.kl)


@dataclass(frozen=True, slots=True)
class ShaftEnd:
    """Where a shaft leaves the patch, in patch widths.

    Attributes:
        left: column of its left edge on the border, 0 to 1.
        right: column of its right edge.
        flare: how fast each edge moves away from the bone's middle, per unit of way towards the joint.
    """

    left: float
    right: float
    flare: float


@dataclass(frozen=True, slots=True, eq=False)
class PatchBorder:
    """What the patch tells of the limb around it, as a right knee.

    Attributes:
        femur: where the femur leaves at the top.
        tibia: where the tibia leaves at the bottom.
        skin: (2, 3) float64: column of the left and of the right skin at the top, middle and bottom, in patch widths;
            NaN where the skin lies outside the patch.
        bone: mean grey of the condyles and the upper tibia.
        flesh: mean grey beside the bones, near the sides.
        grain: standard deviation of the finest detail.
        trim: shares of the patch beyond a collimator's edge at its top, bottom, left and right.
    """

    femur: ShaftEnd
    tibia: ShaftEnd
    skin: npt.NDArray[np.float64]
    bone: float
    flesh: float
    grain: float
    trim: tuple[float, float, float, float]


def fit_border(patch: KneePatch) -> PatchBorder:
    """Reads a patch's border.

    Args:
        patch: a right knee; mirror left ones first (`KneePatch.as_side`).
    """
    pixels, n = patch.pixels, patch.pixels.shape[0]
    grain = patch.pixels[n // 4 : 3 * n // 4, n // 3 : 2 * n // 3]
    fine = np.diff(grain, axis=1)[1:] - np.diff(grain, axis=1)[:-1]
    small = np.asarray(resized(patch.pixels, (_FIT_PX, _FIT_PX), smooth=False))
    bone = float(np.median(small[20:80, 25:72]))
    sides = np.concatenate([small[35:75, :5].ravel(), small[35:75, -5:].ravel()])
    flesh = float(np.median(sides[sides > _AIR * bone])) if (sides > _AIR * bone).any() else 0.5 * bone
    return PatchBorder(
        femur=_refined(_shaft_end(small, (0.26, 0.76), 0.45), patch.pixels),
        tibia=_refined(_shaft_end(small[::-1], (0.25, 0.73), 0.35), patch.pixels[::-1]),
        skin=_skin(small, bone),
        bone=bone,
        flesh=min(flesh, 0.9 * bone),
        grain=float(fine.std()) / 2,
        trim=(
            _collimated(small.T, bone) or _frayed(pixels.T),
            _collimated(small[::-1].T, bone) or _frayed(pixels[::-1].T),
            _collimated(small, bone) or _frayed(pixels),
            _collimated(small[:, ::-1], bone) or _frayed(pixels[:, ::-1]),
        ),
    )


def _frayed(pixels: FloatImage) -> float:
    """Share to trim at the left where the outermost columns fall off: crops are resampled, and their borders suffer."""
    means = pixels[:, :9].mean(axis=0)
    steps = np.abs(np.diff(means))
    return _FRAY if len(steps) == 8 and float(steps[:2].max()) > 2.5 * float(np.median(steps[3:])) + 0.003 else 0.0


def _collimated(small: FloatImage, bone: float) -> float:
    """Share of the patch to the left of a straight upright step near its left side; 0 where there is none."""
    reach = _FIT_PX // 18
    steps = small[:, 1 : reach + 1] - small[:, :reach]
    rising, falling = (steps > 0.07 * bone).mean(axis=0), (steps < -0.07 * bone).mean(axis=0)
    found = np.flatnonzero(np.maximum(rising, falling) > 0.35)
    return float(found[-1] + 2) / _FIT_PX if found.size else 0.0


@dataclass(frozen=True, slots=True, eq=False)
class PreparedPatch:
    """A patch ready to be joined: as a right knee, with flesh that shows, and its border.

    Attributes:
        patch: a right knee.
        border: of it.
    """

    patch: KneePatch
    border: PatchBorder


@dataclass(frozen=True, slots=True)
class _Lift:
    """Power law that brings flesh out of the black, and the grey that it leaves alone."""

    power: float
    bone: float

    def on(self, patch: KneePatch) -> KneePatch:
        if self.power == 1.0:
            return patch
        share = np.maximum(patch.pixels, 0) / np.float32(self.bone)
        pixels = np.asarray(np.float32(self.bone) * share ** np.float32(self.power), dtype=np.float32)
        return KneePatch(pixels, patch.side, patch.centre, patch.plateau_width_px, patch.kl)


_FITTED: WeakKeyDictionary[KneePatch, tuple[_Lift, PatchBorder]] = WeakKeyDictionary()
"""What was read from patches that are still in use: training draws each many times."""


def prepared(patch: KneePatch) -> PreparedPatch:
    """A patch made ready for `film_limb`; what is read from it is kept for as long as the patch is.

    Args:
        patch: either side. Where a hard window has blackened its flesh, the grey values are lifted by a power law.
    """
    right = patch.as_side(Side.RIGHT)
    found = _FITTED.get(patch)
    if found is None:
        lift = _lift(right)
        found = _FITTED[patch] = (lift, fit_border(lift.on(right)))
    lift, border = found
    return PreparedPatch(lift.on(right), border)


def _lift(patch: KneePatch) -> _Lift:
    small = np.asarray(resized(patch.pixels, (_FIT_PX, _FIT_PX), smooth=False))
    bone = max(float(np.median(small[20:80, 25:72])), 1e-3)
    # The joint space is flesh alone, as thick as that round the bones.
    gap = float(np.median(small[44:64, [*range(16, 32), *range(64, 80)]].min(axis=0))) / bone
    if gap > _GAP:
        return _Lift(1.0, bone)
    return _Lift(float(np.clip(np.log(_GAP) / np.log(max(gap, 1e-3)), 0.4, 1.0)), bone)


def _shaft_end(small: FloatImage, usual: tuple[float, float], flare: float) -> ShaftEnd:
    """Straight edges through the first rows, by exhaustive search: steep on the whole, near where edges usually are."""
    steps = small[:_BAND, 2:] - small[:_BAND, :-2]
    steps = steps / (steps.std() + 1e-4)
    slopes = np.linspace(-0.05, 1.1, 14)
    rows = np.arange(_BAND)
    found = []
    for left in (True, False):
        field = steps if left else -steps[:, ::-1]
        expected = usual[0] if left else 1 - usual[1]
        starts = np.arange(round(0.06 * _FIT_PX), round(0.44 * _FIT_PX))
        columns = starts[:, None, None] - slopes[None, :, None] * rows[None, None, :] - 1
        inside = columns >= 0
        picked = field[rows[None, None, :], np.clip(np.rint(columns), 0, _FIT_PX - 3).astype(np.intp)]
        score = (picked * inside).sum(axis=2) / np.maximum(inside.sum(axis=2), 4)
        score = score - 0.5 * ((starts[:, None] / _FIT_PX - expected) / 0.10) ** 2
        score = score - 0.3 * ((slopes[None, :] - flare) / 0.3) ** 2
        start, slope = np.unravel_index(int(score.argmax()), score.shape)
        found.append(((starts[start] + 0.5) / _FIT_PX, float(slopes[slope])))
    return ShaftEnd(found[0][0], 1 - found[1][0], (found[0][1] + found[1][1]) / 2)


def _refined(end: ShaftEnd, pixels: FloatImage) -> ShaftEnd:
    """The edges to a fraction of a reduced pixel: steepest places of the first rows of the patch itself, nearby."""
    n = pixels.shape[1]
    rows, reach = max(1, n // 60), max(2, round(0.022 * n))
    profile = smoothed_line(pixels[:rows].mean(axis=0).astype(np.float32), 0.006 * n)
    steps = np.gradient(profile)
    # The rows lie half their number below the border, where the bone is wider.
    wider = end.flare * rows / 2 / n
    edges = []
    for at, rising in ((end.left, 1.0), (end.right, -1.0)):
        first = min(max(round(at * n) - reach, 0), n - 2 * reach - 1)
        best = first + int(np.argmax(rising * steps[first : first + 2 * reach + 1]))
        edges.append((best + 0.5) / n + rising * wider)
    return ShaftEnd(edges[0], edges[1], end.flare)


def _skin(small: FloatImage, bone: float) -> npt.NDArray[np.float64]:
    skin = np.full((2, 3), np.nan)
    for place, rows in enumerate((slice(0, 10), slice(43, 53), slice(86, 96))):
        profile = small[rows].mean(axis=0)
        for end, values in enumerate((profile, profile[::-1])):
            air = values < _AIR * bone
            inside = int(np.argmin(air))
            if 3 <= inside < _FIT_PX // 3:
                skin[end, place] = inside / _FIT_PX if end == 0 else 1 - inside / _FIT_PX
    return skin
