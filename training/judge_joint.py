"""Judges joint-space measurement: on phantoms of known width, and on graded knees by what must hold for them.

python -m kneeoa.training.judge_joint RELEASE --phantoms 500 --out FILE.json
python -m kneeoa.training.judge_joint RELEASE --data DATA --split val --out FILE.json
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from pydantic import JsonValue
from scipy.ndimage import rotate, shift
from sklearn.metrics import roc_auc_score

from kneeoa.datasets.grade_folders import KneeImage, read_grade_folders
from kneeoa.datasets.phantom import make_phantom
from kneeoa.model.joint_release import JointSpaceSettings, meter_of
from kneeoa.model.joint_space import JointSpace, JointSpaceMeter
from kneeoa.model.picture import read_grey
from kneeoa.model.radiograph import FloatImage, Side
from kneeoa.model.release import load_release
from kneeoa.training.joint_association import MM, NAMES, narrowings, worst_of
from kneeoa.training.joint_phantoms import random_spec, true_minima_mm

SHIFT_PX, TURN_DEGREES = 25.0, 15.0
MOVED_MM = 1.0
Floats: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class JudgedKnees:
    """Minimum widths in % of the plateau, (knees, 2) medial and lateral, NaN where unmeasured.

    Attributes:
        plain: of the pictures as they are.
        shifted: moved by 25 pixels at 299, in a random direction.
        turned: by 15 degrees, to a random side.
        inverted: with grey values inverted.
        mirrored: mirrored, measured as the other side.
        quality: of `plain`.
    """

    plain: Floats
    shifted: Floats
    turned: Floats
    inverted: Floats
    mirrored: Floats
    quality: Floats


def minima(found: JointSpace) -> list[float]:
    """Medial and lateral minimum in % of the plateau; NaN where there is none."""
    widths = [found.compartments[name].minimum_percent for name in NAMES]
    return [float("nan") if width is None else width for width in widths]


def phantom_crop(seed: int) -> tuple[FloatImage, Side, list[float], list[bool]]:
    """A judging phantom under some exposure: pixels, side, true minima in mm, and whether the bones touch."""
    rng = np.random.default_rng([seed, 77])
    spec = random_spec(seed, rng)
    phantom = make_phantom(spec)
    pixels = np.clip(phantom.pixels, 0, 1) ** np.float32(np.exp(rng.normal(0, 0.4)))
    pixels = np.clip(pixels * rng.uniform(0.5, 1.2) + rng.uniform(0, 0.3), 0, 1)
    pixels = np.clip(pixels + rng.normal(0, rng.choice([0.0, 0.01, 0.02]), pixels.shape), 0, 1)
    truth = list(true_minima_mm(phantom))
    shown = np.float32(1) - pixels if seed % 10 == 0 else pixels
    return (
        np.asarray(shown, dtype=np.float32),
        Side.RIGHT,
        truth,
        [width <= 0 for width in (phantom.medial_jsw_mm, phantom.lateral_jsw_mm)],
    )


def judge_phantoms(meter: JointSpaceMeter, count: int) -> dict[str, JsonValue]:
    """Bias, error and contact on phantoms with seeds 0 to `count` - 1."""
    errors, touching, called = [], [], []
    unmeasured = 0
    for seed in range(count):
        crop, side, truth, touch = phantom_crop(seed)
        found = meter.measure(crop, side)
        unmeasured += found.reason is not None
        for name, width, closed in zip(NAMES, truth, touch, strict=True):
            part = found.compartments[name]
            if part.minimum_percent is not None:
                errors.append(part.minimum_percent * MM - width)
            touching.append(closed)
            called.append(part.contact)
    error, closed_ones, contact = np.array(errors), np.array(touching), np.array(called)
    return {
        "phantoms": count,
        "unmeasured": unmeasured,
        "bias_mm": round(float(error.mean()), 4),
        "mean_absolute_error_mm": round(float(np.abs(error).mean()), 4),
        "largest_error_mm": round(float(np.abs(error).max()), 3),
        "within_half_a_mm": round(float((np.abs(error) <= 0.5).mean()), 4),
        "contact_found": round(float(contact[closed_ones].mean()), 4) if closed_ones.any() else None,
        "zero_gap_compartments": int(closed_ones.sum()),
        "contact_false": round(float(contact[~closed_ones].mean()), 4),
    }


def measure_knees(meter: JointSpaceMeter, knees: list[KneeImage], seed: int = 0) -> JudgedKnees:
    """Measures knees as they are, and changed in ways that must not matter."""
    rng = np.random.default_rng(seed)
    rows: list[list[list[float]]] = []
    quality = []
    for knee in knees:
        crop = read_grey(knee.path)
        other = Side.LEFT if knee.side is Side.RIGHT else Side.RIGHT
        way, side = rng.uniform(0, 2 * np.pi), rng.choice([-1, 1])
        far = SHIFT_PX * crop.shape[0] / 299
        moved = shift(crop, (far * np.sin(way), far * np.cos(way)), order=1, mode="nearest")
        turned = rotate(crop, TURN_DEGREES * side, reshape=False, order=1, mode="nearest")
        plain = meter.measure(crop, knee.side)
        quality.append([plain.compartments[name].quality for name in NAMES])
        changed = (
            (np.clip(moved, 0, 1), knee.side),
            (np.clip(turned, 0, 1), knee.side),
            (np.float32(1) - crop, knee.side),
            (np.ascontiguousarray(crop[:, ::-1]), other),
        )
        rows.append([minima(plain), *(minima(meter.measure(np.asarray(c, np.float32), s)) for c, s in changed)])
    found = np.array(rows)
    as_it_is, shifted, moved_round, inverted, mirrored = (found[:, i] for i in range(5))
    return JudgedKnees(as_it_is, shifted, moved_round, inverted, mirrored, np.array(quality))


def judge_knees(
    knees: list[KneeImage], judged: JudgedKnees, settings: JointSpaceSettings, draws: int = 1000
) -> dict[str, JsonValue]:
    """Everything of the list above that graded knees can tell."""
    kl = np.array([knee.kl for knee in knees])
    narrowing = narrowings(judged.plain, settings)
    worst = worst_of(narrowing)
    said: dict[str, JsonValue] = {
        "knees": len(knees),
        "unmeasured": int(np.isnan(judged.plain).any(axis=1).sum()),
        **{f"auc_kl_{grade}_or_more": round(float(roc_auc_score(kl >= grade, worst)), 4) for grade in (2, 3, 4)},
        "narrowing_worst_median_by_kl": [round(float(np.median(worst[kl == grade])), 1) for grade in range(5)],
        "shifted_moved_share": _moved_share(judged.shifted, judged.plain),
        "turned_moved_share": _moved_share(judged.turned, judged.plain),
        "inverted_largest_percent": round(float(np.nanmax(np.abs(judged.inverted - judged.plain))), 4),
        "mirrored_largest_mm": round(float(np.nanmax(np.abs(judged.mirrored - judged.plain))) * MM, 6),
        "quality_median": round(float(np.median(judged.quality)), 3),
    }
    for k, name in enumerate(NAMES):
        said |= {
            f"{name}_{what}": value
            for what, value in _healthy(
                knees, judged.plain[:, k], narrowing[:, k], settings.reference(name).cuts[0], draws
            ).items()
        }
    return said


def _moved_share(changed: Floats, plain: Floats) -> float:
    far = np.abs(changed - plain) * MM
    return round(float((np.where(np.isnan(far), np.inf, far) > MOVED_MM).any(axis=1).mean()), 4)


def _healthy(knees: list[KneeImage], widths: Floats, narrowing: Floats, cut: float, draws: int) -> dict[str, JsonValue]:
    """What must hold for KL 0: left and right alike, and as many flagged as the cut says; intervals by subject."""
    rng = np.random.default_rng(0)
    at = {(knee.subject, knee.side): i for i, knee in enumerate(knees) if knee.kl == 0}
    subjects = sorted({subject for subject, _ in at})
    flagged = {s: [narrowing[i] >= cut for (o, _), i in at.items() if o == s] for s in subjects}
    pairs = [(at[s, Side.LEFT], at[s, Side.RIGHT]) for s in subjects if (s, Side.LEFT) in at and (s, Side.RIGHT) in at]
    left, right = (np.array([widths[pair[k]] for pair in pairs]) for k in (0, 1))
    both = np.isfinite(left) & np.isfinite(right)
    left, right = left[both], right[both]
    difference = left - right
    # Coefficient of variation of a pair, root mean square over pairs.
    mean = (left + right) / 2
    within = np.sqrt(np.mean(difference**2 / 2 / mean**2))
    variance = np.var(np.stack([left, right]), axis=None)
    draw = rng.integers(0, len(subjects), (draws, len(subjects)))
    hits, counts = (np.array([f(flagged[s]) for s in subjects], dtype=float) for f in (sum, len))
    rates = hits[draw].sum(axis=1) / counts[draw].sum(axis=1)
    redrawn = rng.integers(0, len(difference), (draws, len(difference)))
    means = difference[redrawn].mean(axis=1) * MM
    return {
        "kl0_pairs": len(difference),
        "kl0_left_right_cv": round(float(within), 4),
        "kl0_left_right_icc": round(float(1 - np.mean(difference**2) / 2 / variance), 3),
        "kl0_left_minus_right_mm": [
            round(float(v), 3) for v in (difference.mean() * MM, *np.percentile(means, (2.5, 97.5)))
        ],
        "kl0_flagged": [round(float(v), 4) for v in (hits.sum() / counts.sum(), *np.percentile(rates, (2.5, 97.5)))],
        "kl0_median_mm": round(float(np.nanmedian(widths[list(at.values())]) * MM), 2),
    }


def main() -> None:
    """Judges a release."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("release")
    parser.add_argument("--phantoms", type=int, default=0)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--split", default="val")
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    release = load_release(asked.release)
    settings = release.manifest.joint_space
    if settings is None:
        parser.error(f"release {asked.release} measures no joint space")
    meter = meter_of(release.contents, settings, threads=1)
    said: dict[str, JsonValue] = {"release": release.sha256}
    if asked.phantoms:
        said["phantoms"] = judge_phantoms(meter, asked.phantoms)
    if asked.data is not None:
        knees = read_grade_folders(asked.data, (asked.split,))
        judged = measure_knees(meter, knees)
        np.savez(asked.out.with_suffix(".npz"), plain=judged.plain, quality=judged.quality)
        said["knees"] = judge_knees(knees, judged, settings)
    asked.out.write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(said, indent=1))


if __name__ == "__main__":
    main()
