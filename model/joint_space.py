"""Measures the joint space of a knee crop: where the joint lies, its two edges, and the widths between them.

Two small networks look: one places the plateau on the crop, one scores the rows of a straightened band for either
edge; `joint_decode` finds the best pair of curves. Nothing here knows of films or grades.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from kneeoa.model.crop import canonical
from kneeoa.model.errors import KneeOAError
from kneeoa.model.joint_band import (
    Floats,
    JointPlace,
    column_x,
    cut_band,
    place_input,
    row_down,
)
from kneeoa.model.joint_decode import Stiffness, refined, two_curves
from kneeoa.model.joint_widths import LATERAL_ZONE, MEDIAL_ZONE, Curves, Widths, measure_zone
from kneeoa.model.radiograph import FloatImage, Side
from kneeoa.model.session import open_session

LEAST_PX = 64
_CELL_PX = 2.0
_LANDMARK_X = np.array((1.0, 0.0, 0.80, 0.225))
_STIFFNESS = Stiffness(4, 0.10, 0.10)
_LEAST_LOG = -7.0
"""No row is less likely than this, as a logarithm: an edge under a marker is bridged."""
_TOUCH = -0.3
"""Logit of contact in a column that counts."""
_NO_SPACE = 0.0022
"""Edges nearer than this in plateau widths, a sixth of a millimetre, touch."""
_LEAST_SHARE, _MOST_SHARE = 0.5, 1.08
"""Of the crop's width that a plateau takes; 0.82 in the training crops."""
_MOST_MISFIT = 6.0
_LEAST_SEEN = 0.2
"""Least share of a landmark's heat that must lie round its maximum."""
_TOUCH_COLUMNS = 1
_TOUCH_APART = 0.02
"""Distance of the edges in plateau widths, 1.5 mm, from which on no column touches, whatever its logit says."""
_FLAT = 0.004
"""Spread of grey values round the joint below which there is nothing to see; a step of 8 bits is 0.004."""


class JointSpaceError(KneeOAError):
    """What was given is not a crop; the message says what is."""


class Unmeasured(StrEnum):
    """Why a joint space has quality 0 and no widths."""

    NO_CONTRAST = "no_contrast"
    NO_JOINT = "no_joint"
    AT_THE_BORDER = "joint_at_the_border"


@dataclass(frozen=True, slots=True)
class QualityScale:
    """From how wide the networks' answers spread to the probability that a minimum is right within 0.5 mm.

    Attributes:
        offset: of the logit.
        spread: weight of the logarithm of the edges' spread in rows.
        place: weight of the logarithm of the landmarks' misfit in % of the plateau.
    """

    offset: float
    spread: float
    place: float


@dataclass(frozen=True, slots=True)
class Compartment:
    """One compartment; widths are None where it could not be measured.

    Attributes:
        zone: x where the minimum is taken; None where the side is unknown.
        widths: in plateau widths; all 0 where the bones touch.
        contact: whether there is no visible space.
        quality: probability in [0, 1] that the minimum is right within 0.5 mm at a 75 mm plateau.
        doubts: what the quality was made of: logarithms of the edges' spread and of the landmarks' misfit.
        minimum_px: in crop pixels; `minimum_percent` of the plateau; `minimum_mm` where the scale is known.
        mean_px: likewise the mean.
        femur_at: place of the minimum on the femur, (row, column) on the crop as displayed; `tibia_at` on the tibia.
    """

    zone: tuple[float, float]
    widths: Widths | None
    contact: bool
    quality: float
    doubts: tuple[float, float] | None = None
    minimum_px: float | None = None
    minimum_percent: float | None = None
    minimum_mm: float | None = None
    mean_px: float | None = None
    mean_mm: float | None = None
    femur_at: tuple[float, float] | None = None
    tibia_at: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class JointSpace:
    """What was measured on a crop. Points are (row, column) in its pixels, as displayed.

    Attributes:
        compartments: "medial" and "lateral", or "image_left" and "image_right" where the side is unknown.
        reason: why nothing was measured, or None.
        quality: the lower of the compartments'.
        plateau_width_px: width of the tibial plateau.
        plateau_ends: (2, 2) lateral and medial end; image left and right where the side is unknown.
        joint_row: row of the plateau's level in its middle.
        femur_edge: (points, 2) lower border of the femur, from the lateral to the medial end; empty if unmeasured.
        tibia_edge: (points, 2) upper border of the tibia, likewise.
    """

    compartments: Mapping[str, Compartment]
    reason: Unmeasured | None
    quality: float
    plateau_width_px: float | None
    plateau_ends: Floats
    joint_row: float | None
    femur_edge: Floats
    tibia_edge: Floats


@dataclass(frozen=True, slots=True, eq=False)
class _Edges:
    curves: Curves
    touching: npt.NDArray[np.bool_]
    spread: Floats


class JointSpaceMeter:
    """Measures crops; safe to share between threads.

    Args:
        place: ONNX bytes of the placing network.
        trace: ONNX bytes of the tracing network.
        scale: calibration of the quality.
        device: "auto", "cpu" or "cuda".
        threads: see `session.NetworkSession`.
    """

    def __init__(self, place: bytes, trace: bytes, scale: QualityScale, device: str = "auto", threads: int = 0) -> None:
        self._place, _ = open_session(place, device, threads)
        self._trace, _ = open_session(trace, device, threads)
        self._scale = scale

    def measure(self, crop: FloatImage, side: Side, scale: float | None = None) -> JointSpace:
        """Measures the joint space of a crop framed as the training crops are.

        Args:
            crop: (rows, columns) float32 in [0, 1], as displayed, nearly square, 64 pixels or more a side.
            side: the patient's side; unknown sides have compartments by image side.
            scale: millimetres per crop pixel; None where it is unknown.

        Returns:
            Widths in pixels, in % of the plateau, and in millimetres where `scale` is given; or quality 0 and a reason.

        Raises:
            JointSpaceError: not an array of two dimensions, too small, far from square, not finite, or no such scale.
        """
        checked = _checked(crop, scale)
        knee = canonical(checked, side)
        names = ("image_right", "image_left") if side is Side.UNKNOWN else ("medial", "lateral")
        if float(np.ptp(np.percentile(knee, (5, 95)))) < _FLAT:
            return _unmeasured(names, Unmeasured.NO_CONTRAST)
        place, misfit, reason = self._placed(knee)
        if reason is not None:
            return _unmeasured(names, reason)
        band = cut_band(knee, place)
        edges = self._edges(band)
        mirrored = checked.shape[1] - 1 if side is Side.LEFT else None

        def shown(x: Floats, down: Floats) -> Floats:
            points = place.to_crop(x, down)
            if mirrored is not None:
                points[..., 1] = mirrored - points[..., 1]
            return points

        made = {}
        for name, zone in zip(names, (MEDIAL_ZONE, LATERAL_ZONE), strict=True):
            made[name] = self._compartment(edges, zone, misfit, place.width, scale, shown)
        x = edges.curves.x[::-1]
        return JointSpace(
            compartments=MappingProxyType(made),
            reason=None,
            quality=min(part.quality for part in made.values()),
            plateau_width_px=place.width,
            plateau_ends=shown(np.array([1.0, 0.0]), np.zeros(2)),
            joint_row=place.row,
            femur_edge=shown(x, edges.curves.femur[::-1]),
            tibia_edge=shown(x, edges.curves.tibia[::-1]),
        )

    def edges(self, band: FloatImage) -> Curves:
        """Both edges in a band that was cut somewhere else; for teaching.

        Args:
            band: (BAND_ROWS, BAND_COLUMNS) float32 from `joint_band.cut_band`.
        """
        return self._edges(band).curves

    def _placed(self, knee: FloatImage) -> tuple[JointPlace, float, Unmeasured | None]:
        """Where the plateau lies, how badly the landmarks agree in % of it, and why that will not do."""
        (heat,) = self._place.run(["heat"], {"crops": place_input(knee)[None, None]})
        marks, seen = _landmarks(np.asarray(heat)[0])
        per_cell = np.array(knee.shape) * _CELL_PX / place_input(knee).shape[0]
        points = (marks + 0.5) * per_cell - 0.5
        # The line through all four; its ends are the outer two.
        middle = points.mean(axis=0)
        across = points[1] - points[0]
        slope = _slope(points - middle)
        unit = np.array([np.sin(slope), np.cos(slope)])
        along = (points - middle) @ unit
        width = float(along[1] - along[0])
        expected = along[0] + (1 - _LANDMARK_X) * width
        # Without a side the inner two may be named the other way round.
        other = along[0] + np.array([0.0, 1.0, 0.225, 0.80]) * width
        square = (points - middle) @ np.array([unit[1], -unit[0]])
        off = np.minimum(np.abs(along - expected), np.abs(along - other))
        misfit = 100 * float(np.hypot(off, square).mean()) / max(width, 1.0)
        centre = middle + unit * ((along[0] + along[1]) / 2)
        place = JointPlace(float(centre[0]), float(centre[1]), width, -float(np.degrees(slope)))
        share = width / knee.shape[1]
        if across[1] <= 0 or not _LEAST_SHARE < share < _MOST_SHARE or misfit > _MOST_MISFIT or seen < _LEAST_SEEN:
            return place, misfit, Unmeasured.NO_JOINT
        need = 0.12 * width
        if not need < centre[0] < knee.shape[0] - 1 - need:
            return place, misfit, Unmeasured.AT_THE_BORDER
        return place, misfit, None

    def _edges(self, band: FloatImage) -> _Edges:
        """The best pair of curves in a band."""
        scores, touch = self._trace.run(["rows", "contact"], {"bands": band[None, None]})
        femur, tibia = (_log_share(np.asarray(score)) for score in scores[0])
        floor = np.float32(_LEAST_LOG)
        found = two_curves(np.maximum(femur, floor), np.maximum(tibia, floor), (_STIFFNESS, _STIFFNESS))
        curves = [(refined(score, at, 2) + 0.5) * 2 - 0.5 for score, at in zip((femur, tibia), found, strict=True)]
        curves = [_smooth(curve) for curve in curves]
        x = column_x(femur.shape[1])[::-1]
        cells = np.arange(len(femur))[:, None]
        spread = np.zeros(femur.shape[1])
        for score, at in zip((femur, tibia), found, strict=True):
            spread += (np.exp(score) * (cells - at) ** 2).sum(axis=0)
        low = row_down(np.maximum(curves[0], curves[1]))[::-1]
        made = Curves(x, row_down(np.minimum(curves[0], curves[1]))[::-1], low)
        return _Edges(made, touching_columns(np.asarray(touch)[0][::-1], made), spread[::-1])

    def _compartment(
        self,
        edges: _Edges,
        zone: tuple[float, float],
        misfit: float,
        width: float,
        scale: float | None,
        shown: Callable[[Floats, Floats], Floats],
    ) -> Compartment:
        x = edges.curves.x
        inside = (x >= zone[0] - 0.01) & (x <= zone[1] + 0.01)
        spread, off = float(np.log(np.sqrt(edges.spread[inside].mean()) + 0.05)), float(np.log(misfit + 0.2))
        logit = self._scale.offset + self._scale.spread * spread + self._scale.place * off
        quality = float(1 / (1 + np.exp(-np.clip(logit, -30, 30))))
        widths = measure_zone(edges.curves, zone)
        contact = int(edges.touching[inside].sum()) >= _TOUCH_COLUMNS or widths.minimum < _NO_SPACE
        if contact:
            none = (0.0,) * len(widths.fixed_plateau)
            widths = Widths(widths.zone, 0.0, 0.0, widths.tibia_at, widths.tibia_at, none, none)
        femur_at, tibia_at = (shown(np.array(at[0]), np.array(at[1])) for at in (widths.femur_at, widths.tibia_at))
        minimum, mean = widths.minimum * width, widths.mean * width
        return Compartment(
            zone=widths.zone,
            widths=widths,
            contact=contact,
            quality=quality,
            doubts=(spread, off),
            minimum_px=minimum,
            minimum_percent=100 * widths.minimum,
            minimum_mm=None if scale is None else minimum * scale,
            mean_px=mean,
            mean_mm=None if scale is None else mean * scale,
            femur_at=(float(femur_at[0]), float(femur_at[1])),
            tibia_at=(float(tibia_at[0]), float(tibia_at[1])),
        )


def touching_columns(logits: FloatImage, curves: Curves) -> npt.NDArray[np.bool_]:
    """Where the bones touch: the network says so, and the edges that it drew do not contradict it.

    Args:
        logits: (points,) of contact.
        curves: both edges at the same points.
    """
    return (logits > _TOUCH) & (curves.tibia - curves.femur < _TOUCH_APART)


def _checked(crop: FloatImage, scale: float | None) -> FloatImage:
    if crop.ndim != 2 or min(crop.shape) < LEAST_PX or max(crop.shape) > 1.25 * min(crop.shape):
        msg = f"A crop of shape {crop.shape} is not one of a knee: give a square of {LEAST_PX} pixels a side or more."
        raise JointSpaceError(msg)
    if not np.isfinite(crop).all() or crop.min() < -1e-3 or crop.max() > 1.001:
        raise JointSpaceError("A crop's grey values are finite and lie in [0, 1]; divide 8 bits by 255 first.")
    if scale is not None and not 0 < scale < np.inf:
        raise JointSpaceError(f"A scale of {scale} mm a pixel is none: give a positive one, or None.")
    return np.asarray(crop, dtype=np.float32)


def _unmeasured(names: tuple[str, str], reason: Unmeasured) -> JointSpace:
    empty = {
        name: Compartment(zone, None, contact=False, quality=0.0)
        for name, zone in zip(names, (MEDIAL_ZONE, LATERAL_ZONE), strict=True)
    }
    nowhere = np.empty((0, 2))
    return JointSpace(MappingProxyType(empty), reason, 0.0, None, nowhere, None, nowhere, nowhere)


def _landmarks(heat: FloatImage) -> tuple[Floats, float]:
    """(landmarks, 2) mean (row, column) in cells round each map's maximum, and the least share that lies there."""
    marks, shares = [], []
    for logits in heat.astype(np.float64):
        share = np.exp(logits - logits.max())
        share /= share.sum()
        row, column = np.unravel_index(int(share.argmax()), share.shape)
        ends = [(max(at - 4, 0), min(at + 5, size)) for at, size in zip((row, column), share.shape, strict=True)]
        part = (slice(*ends[0]), slice(*ends[1]))
        near = share[part]
        rows, columns = np.mgrid[part]
        marks.append(((rows * near).sum() / near.sum(), (columns * near).sum() / near.sum()))
        shares.append(float(near.sum()))
    return np.array(marks), min(shares)


def _slope(centred: Floats) -> float:
    """Angle whose tangent is the least-squares slope of rows over columns."""
    return float(np.arctan((centred[:, 0] * centred[:, 1]).sum() / max((centred[:, 1] ** 2).sum(), 1e-9)))


def _log_share(scores: FloatImage) -> FloatImage:
    """Logarithms of a softmax over rows."""
    centred = scores - scores.max(axis=0)
    return np.asarray(centred - np.log(np.exp(centred).sum(axis=0)), dtype=np.float32)


def _smooth(curve: Floats) -> Floats:
    wide = np.pad(curve, 1, mode="edge")
    return np.asarray(0.25 * wide[:-2] + 0.5 * curve + 0.25 * wide[2:])


def measure(crop: FloatImage, side: Side, scale: float | None = None) -> JointSpace:
    """Measures a crop with the shipped release; see `JointSpaceMeter.measure`.

    Raises:
        JointSpaceError: see there, or the release has no joint-space networks.
    """
    return _shipped().measure(crop, side, scale)


@cache
def _shipped() -> JointSpaceMeter:
    from kneeoa.model.joint_release import meter_of
    from kneeoa.model.release import load_release

    release = load_release()
    settings = release.manifest.joint_space
    if settings is None:
        raise JointSpaceError(f"Release {release.manifest.name} measures no joint space. Install one that does.")
    return meter_of(release.contents, settings)
