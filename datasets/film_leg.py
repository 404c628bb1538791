"""The limb round a knee patch: thigh, calf, shafts and skin, drawn so that they meet the patch's own.

A leg is drawn upright, as a right leg displayed (fibula at image left), on a raster of its own; x goes to image right
and y down, in plateau widths from the joint's centre. Values are absorption: 0 is air, about 0.3 a knee's soft
tissue, 0.65 its bone, 1 and more lead and metal.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from kneeoa.datasets.film_patch import KneePatch, PatchBorder, ShaftEnd
from kneeoa.datasets.film_texture import clouds, flat_chord, smoothstep
from kneeoa.model.radiograph import FloatImage

BONE = 0.66
"""Absorption of condyles with the flesh round them."""
FLESH = 0.28
"""Absorption of the flesh beside them."""
HIP_Y, ANKLE_Y = -5.9, 4.95
"""Height of the femoral head's centre and of the ankle joint, in plateau widths."""
NECK_Y = HIP_Y + 0.85
"""Where the femoral shaft begins."""
_MEDULLA = 0.29
"""Absorption of a bone's middle, flesh not counted."""
_THIN = np.float32(0.985)
"""Canal's width over the bone's where the bone meets the patch: cortex is a film there."""
_WALL = 0.65
"""Plateau widths from the patch's border over which a bone's wall grows to the shaft's."""
_SHARE = 0.80
"""By how much a canal absorbs less than cortex of the same length."""


@dataclass(frozen=True, slots=True)
class LegRaster:
    """Where a leg lies on its raster.

    Attributes:
        rows: of the raster.
        columns: of the raster.
        joint: (row, column) of the joint's centre.
        width_px: pixels in a plateau width, along columns.
        height_px: likewise along rows; other than `width_px` where pixels are not square.
    """

    rows: int
    columns: int
    joint: tuple[float, float]
    width_px: float
    height_px: float

    def reaches(self, y: float) -> bool:
        """Whether a height in plateau widths lies on the raster."""
        return -self.joint[0] <= y * self.height_px <= self.rows - self.joint[0]

    def axes(self) -> tuple[FloatImage, FloatImage]:
        """X (1, columns) and y (rows, 1) in plateau widths."""
        x = (np.arange(self.columns, dtype=np.float32) - np.float32(self.joint[1])) / np.float32(self.width_px)
        y = (np.arange(self.rows, dtype=np.float32) - np.float32(self.joint[0])) / np.float32(self.height_px)
        return x[None, :], y[:, None]


@dataclass(frozen=True, slots=True)
class Build:
    """A person's leg, in plateau widths.

    Attributes:
        girth: of the soft tissue, 1 average.
        fat: thickness of the fat under the skin.
        femur_half: half the femoral shaft's width; likewise `tibia_half`.
        valgus: lean of the femoral shaft, outwards going up.
        canal: width of the canal over the shaft's.
        density: brightness of the shafts, 1 average.
    """

    girth: float
    fat: float
    femur_half: float
    tibia_half: float
    valgus: float
    canal: float
    density: float

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> Build:
        """A random adult."""
        return cls(
            girth=float(np.clip(rng.normal(1.0, 0.10), 0.82, 1.3)),
            fat=float(rng.uniform(0.05, 0.2)),
            femur_half=float(rng.uniform(0.175, 0.215)),
            tibia_half=float(rng.uniform(0.155, 0.185)),
            valgus=float(rng.uniform(0.03, 0.14)),
            canal=float(rng.uniform(0.48, 0.68)),
            density=float(rng.uniform(0.85, 1.15)),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Tube:
    """A long bone by rows: (rows, 1) float32 each, in plateau widths.

    Attributes:
        middle: column of its axis.
        half: half its width.
        canal: width of its canal over its own, below 1.
    """

    middle: FloatImage
    half: FloatImage
    canal: FloatImage

    def edges(self) -> tuple[FloatImage, FloatImage]:
        """Left and right border."""
        return self.middle - self.half, self.middle + self.half

    def absorption(self, x: FloatImage) -> FloatImage:
        """(rows, columns) float32: a ray's path in cortex and canal."""
        squared = ((x - self.middle) / self.half) ** 2
        strength = np.float32(_MEDULLA) / (1 - np.float32(_SHARE) * self.canal)
        wall = np.sqrt(np.maximum(1 - squared, 0))
        wall -= np.float32(_SHARE) * np.sqrt(np.maximum(self.canal**2 - squared, 0))
        return np.asarray(strength * wall, dtype=np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Leg:
    """A leg's lines on its raster; see `Tube` for the shapes.

    Attributes:
        femur: shaft above the patch; also `tibia` and `fibula`, below it.
        skin_left: column of the skin by rows; also `skin_right`.
        build: whose leg it is.
    """

    femur: Tube
    tibia: Tube
    fibula: Tube
    skin_left: FloatImage
    skin_right: FloatImage
    build: Build


# Half widths of the skin, (height, lateral, medial), of an average leg: groin, mid-thigh, knee, calf, ankle.
_SKIN = np.array(
    [
        *((-7.0, 1.75, 1.10), (-6.0, 1.62, 1.05), (-5.0, 1.42, 1.08), (-3.8, 1.24, 1.10), (-2.5, 1.08, 1.02)),
        *((-1.4, 0.91, 0.90), (-0.7, 0.79, 0.80), (0.0, 0.745, 0.75), (0.6, 0.71, 0.72), (1.3, 0.76, 0.80)),
        *((2.0, 0.74, 0.80), (3.0, 0.60, 0.62), (4.0, 0.47, 0.46), (4.7, 0.45, 0.43), (5.2, 0.52, 0.50)),
        *((5.7, 0.55, 0.52), (5.95, 0.06, 0.06), (7.0, 0.05, 0.05)),
    ]
)


def girth_within(top: float, bottom: float) -> float:
    """The farthest that an average leg's skin is from its axis between two heights, in plateau widths."""
    heights = _SKIN[:, 0]
    ends = [float(np.interp(y, heights, _SKIN[:, side])) for y in (top, bottom) for side in (1, 2)]
    between = _SKIN[(heights > top) & (heights < bottom), 1:]
    return max(*ends, float(between.max(initial=0.0)))


def leg_lines(patch: KneePatch, border: PatchBorder, build: Build, raster: LegRaster) -> Leg:
    """Lines of a leg that meet a patch's shafts and skin.

    Args:
        patch: a right knee.
        border: what `fit_border` found on it.
        build: the person.
        raster: where to draw.
    """
    _, y = raster.axes()
    top, bottom = patch_box(patch)[:2]
    femur = _shaft(border.femur, patch, (top, build.femur_half, build.valgus), top - y)
    tibia = _shaft(border.tibia, patch, (bottom, build.tibia_half, 0.0), y - bottom)
    plafond = _bump(y, ANKLE_Y - 0.05, 0.42)
    femur = replace(femur, canal=_THIN - (_THIN - build.canal) * femur.canal)
    tibia = Tube(
        tibia.middle + np.float32(0.03) * plafond,
        tibia.half + np.float32(0.15) * plafond,
        (_THIN - (_THIN - build.canal) * tibia.canal * (1 - plafond)).astype(np.float32),
    )
    left, right = _skin_lines(patch, border, build, y)
    return Leg(femur, tibia, _fibula(tibia, y), left, right, build)


def patch_box(patch: KneePatch) -> tuple[float, float, float, float]:
    """Top, bottom, left and right border of a patch in plateau widths from its joint's centre."""
    n, (row, column), width = patch.pixels.shape[0], patch.centre, patch.plateau_width_px
    return (-0.5 - row) / width, (n - 0.5 - row) / width, (-0.5 - column) / width, (n - 0.5 - column) / width


def _shaft(end: ShaftEnd, patch: KneePatch, aim: tuple[float, float, float], away: FloatImage) -> Tube:
    """From the patch's border, `away` plateau widths off, a shaft narrows to its own width and leans outwards.

    Its `canal` is, for now, how much of the shaft's wall there is, 0 at the border to 1.
    """
    _, half, lean = aim
    left_border, size = patch_box(patch)[2], patch.pixels.shape[0] / patch.plateau_width_px
    start = max((end.right - end.left) / 2 * size, half + 0.02)
    middle = left_border + (end.left + end.right) / 2 * size
    reach = float(np.clip((start - half) / max(end.flare, 0.05), 0.28, 0.75))
    steps = np.clip(away, -0.15, None)
    narrowing = np.exp(-steps / np.float32(reach))
    # The bone's middle turns into the shaft's axis, which points at the notch.
    aside = -np.float32(lean) * np.maximum(away, 0) - np.float32(0.4 * middle) * (1 - np.clip(narrowing, 0, 1))
    return Tube(
        (np.float32(middle) + aside).astype(np.float32),
        (np.float32(half) + np.float32(start - half) * narrowing).astype(np.float32),
        (1 - np.exp(-((np.maximum(away, 0) / np.float32(_WALL)) ** np.float32(1.6)))).astype(np.float32),
    )


def _fibula(tibia: Tube, y: FloatImage) -> Tube:
    head, malleolus = _bump(y, 0.60, 0.24), _bump(y, ANKLE_Y + 0.12, 0.30)
    half = np.float32(0.052) + np.float32(0.050) * head + np.float32(0.055) * malleolus
    aside = np.float32(0.375) + np.float32(0.085) * head + np.float32(0.02) * malleolus
    bow = np.float32(0.03) * np.sin((y - 0.6) * np.float32(0.72))
    shaft = np.float32(0.56) + np.float32(0.38) * np.maximum(head, malleolus)
    middle = tibia.middle - aside + bow
    # Behind the patch the shaft's middle would run off with the flare of the tibia.
    return Tube(middle.astype(np.float32), half.astype(np.float32), shaft.astype(np.float32))


def _skin_lines(patch: KneePatch, border: PatchBorder, build: Build, y: FloatImage) -> tuple[FloatImage, FloatImage]:
    top, bottom, left, right = patch_box(patch)
    heights = np.array([top, (top + bottom) / 2, bottom])
    lines = []
    for end, (sign, edge) in enumerate(((-1.0, left), (1.0, right))):
        usual = np.interp(y.ravel(), _SKIN[:, 0], _SKIN[:, 1 + end]) * build.girth
        at = np.interp(heights, _SKIN[:, 0], _SKIN[:, 1 + end]) * build.girth
        seen = sign * (left + border.skin[end] * (right - left))
        goal = np.where(np.isnan(seen), np.maximum(at, abs(edge) + 0.03), np.maximum(seen, 0.5))
        # The seen skin's departure from the usual one dies away along the leg.
        off = np.interp(y.ravel(), heights, goal - at)
        away = np.maximum(np.maximum(top - y.ravel(), y.ravel() - bottom), 0)
        lines.append(sign * (usual + off * np.exp(-away / 1.2)))
    kernel = np.hanning(max(3, round(0.5 / max(float(y[1, 0] - y[0, 0]), 1e-3)) | 1))[:, None]
    smooth = [_smoothed(line, kernel.ravel() / kernel.sum()) for line in lines]
    return smooth[0], smooth[1]


def _smoothed(line: npt.NDArray[np.float64], kernel: npt.NDArray[np.float64]) -> FloatImage:
    pad = len(kernel) // 2
    wide = np.pad(line, pad, mode="reflect", reflect_type="odd") if len(line) > pad else np.pad(line, pad, mode="edge")
    return np.convolve(wide, kernel, mode="valid")[:, None].astype(np.float32)


def _bump(y: FloatImage, at: float, width: float) -> FloatImage:
    return np.asarray(np.exp(-(((y - np.float32(at)) / np.float32(width)) ** 2)), dtype=np.float32)


def draw_leg(leg: Leg, raster: LegRaster, rng: np.random.Generator) -> FloatImage:
    """Flesh and shafts without the knee.

    Args:
        leg: its lines.
        raster: where to draw.
        rng: of the flesh.

    Returns:
        (rows, columns) float32 absorption.
    """
    film = draw_flesh(leg, raster, rng)
    for tube, ends in ((leg.femur, (NECK_Y, -0.05)), (leg.tibia, (0.10, ANKLE_Y))):
        _add_tube(film, tube, (*ends, leg.build.density, 0.5 if tube is leg.femur else 0.1), raster)
    return film


def add_fibula(film: FloatImage, leg: Leg, start: float, raster: LegRaster) -> None:
    """Adds the fibula below `start` in plateau widths, in place; the patch shows its head, or not."""
    _add_tube(film, leg.fibula, (start, ANKLE_Y + 0.30, 0.6 * leg.build.density, 0.3), raster)


def _add_tube(film: FloatImage, tube: Tube, look: tuple[float, float, float, float], raster: LegRaster) -> None:
    start, stop, density, fading = look
    x, y = raster.axes()
    rows = slice(*np.searchsorted(y.ravel(), (start, stop)))
    if rows.start >= rows.stop:
        return
    part = Tube(tube.middle[rows], tube.half[rows], tube.canal[rows])
    left, right = part.edges()
    columns = slice(*np.searchsorted(x.ravel(), (float(left.min()) - 0.02, float(right.max()) + 0.02)))
    along = y[rows]
    fade = smoothstep(along, start, start + fading) * np.clip((stop - along) / 0.10, 0, 1)
    film[rows, columns] += np.float32(density) * fade * part.absorption(x[:, columns])


def draw_flesh(leg: Leg, raster: LegRaster, rng: np.random.Generator) -> FloatImage:
    """(rows, columns) float32: skin, fat and muscle; muscle bellies and the planes of fat between them as streaks."""
    x, y = raster.axes()
    middle, half = (leg.skin_left + leg.skin_right) / 2, (leg.skin_right - leg.skin_left) / 2
    t = (x - middle) / half
    # Thicker limbs absorb more, less than in proportion; and a film shows a limb's flank flatter than its thickness.
    depth = np.float32(0.20) + np.float32(0.20) * half
    skin = flat_chord(np.asarray(1 - t * t, dtype=np.float32))
    inner = np.maximum(1 - np.float32(leg.build.fat) / half, 0.3)
    muscle = np.sqrt(np.maximum(inner * inner - t * t, 0))
    flesh = depth * (np.float32(0.72) * skin + np.float32(0.30) * muscle)
    size = (max(raster.rows, 2), max(raster.columns, 2))
    bands = clouds(size, (raster.height_px * 1.4, raster.width_px * 0.16), rng)
    blots = clouds(size, (raster.height_px * 0.5, raster.width_px * 0.4), rng)
    above = np.clip(np.abs(y) - 0.4, 0, 1)
    flesh *= 1 + np.float32(0.035) * above * bands + np.float32(0.03) * blots
    return np.asarray(flesh, dtype=np.float32)
