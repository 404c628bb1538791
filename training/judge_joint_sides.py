"""Asks why left and right knees differ in width: their crops' framing, the software, or the pictures themselves.

    python -m kneeoa.training.judge_joint_sides RELEASE DATA [--split val] --out FILE.json

Both KL 0 knees of a subject are composed into one film of both legs, found and cut anew, and measured; then once more
mirrored, each in the other leg's place. What comes from the framing of the given crops is gone from both films; what
comes from the software (finder, cutting, measuring) changes its sign with the place; what lies in the pictures stays
with the patient's side.
"""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import JsonValue

from kneeoa.datasets.film_composer import compose_film
from kneeoa.datasets.film_exposure import Exposure
from kneeoa.datasets.film_layout import Layout
from kneeoa.datasets.film_limb import KneePose
from kneeoa.datasets.film_patch import KneePatch
from kneeoa.datasets.film_truth import FilmKind
from kneeoa.datasets.grade_folders import KneeImage, read_grade_folders
from kneeoa.model.crop import cut_square
from kneeoa.model.grader import KneeGrader
from kneeoa.model.joint_space import JointSpaceMeter
from kneeoa.model.joint_widths import Floats
from kneeoa.model.picture import read_grey
from kneeoa.model.radiograph import FilmFacts, Radiograph, Side
from kneeoa.training.evaluate_joint_space import load_meter
from kneeoa.training.gate_places import nearest
from kneeoa.training.joint_association import MM, NAMES
from kneeoa.training.judge_joint import minima

FILM = (1040, 1300)
"""Rows and columns of a film on which a knee keeps about the pixels of its crop."""
_PLATEAU_PX = 245.0
SIDES = (Side.LEFT, Side.RIGHT)
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class SidedWidths:
    """Minimum widths in % of the plateau, each (pairs, 2, 2): patient's left and right knee; medial and lateral.

    Attributes:
        given: from the crops as they are.
        composed: found and cut from a film, each knee in its own place.
        swapped: likewise, each mirrored in the other's place.
    """

    given: Floats
    composed: Floats
    swapped: Floats


def healthy_pairs(knees: Sequence[KneeImage]) -> list[tuple[KneeImage, KneeImage]]:
    """Left and right knee of every subject whose knees are both of KL 0."""
    of = {(knee.subject, knee.side): knee for knee in knees if knee.kl == 0}
    subjects = sorted({subject for subject, _ in of})
    return [(of[s, Side.LEFT], of[s, Side.RIGHT]) for s in subjects if (s, Side.LEFT) in of and (s, Side.RIGHT) in of]


def measure_pairs(
    grader: KneeGrader, meter: JointSpaceMeter, pairs: Sequence[tuple[KneeImage, KneeImage]], seed: int = 0
) -> SidedWidths:
    """Measures every pair in the three ways; NaN where a knee was not found or not measured.

    Args:
        grader: whose finder finds the knees.
        meter: measures them.
        pairs: left and right knee.
        seed: of the films; both films of a pair have equal poses and anatomy.
    """
    rows = []
    for i, pair in enumerate(pairs):
        patches = [KneePatch.framed(read_grey(knee.path), knee.side) for knee in pair]
        given = [minima(meter.measure(read_grey(knee.path), knee.side)) for knee in pair]
        layout = _layout(np.random.default_rng([seed, i, 0]))
        own = _on_film(grader, meter, layout, patches, np.random.default_rng([seed, i, 1]))
        left_as_right, right_as_left = patches[0].as_side(Side.RIGHT), patches[1].as_side(Side.LEFT)
        other = _on_film(grader, meter, layout, [right_as_left, left_as_right], np.random.default_rng([seed, i, 1]))
        rows.append([given, own, other[::-1]])
        if i % 20 == 0:
            logger.info("%d of %d pairs", i, len(pairs))
    found = np.array(rows, dtype=np.float64)
    return SidedWidths(found[:, 0], found[:, 1], found[:, 2])


def _layout(rng: np.random.Generator) -> Layout:
    """A plain film of both legs: the right one at image left."""
    apart = float(rng.uniform(2.0, 2.5)) * _PLATEAU_PX / 2
    row, middle, lean = FILM[0] * float(rng.uniform(0.42, 0.56)), FILM[1] / 2, float(rng.normal(0, 1.5))
    poses = (
        (Side.LEFT, KneePose((row, middle + apart), _PLATEAU_PX, lean)),
        (Side.RIGHT, KneePose((row, middle - apart), _PLATEAU_PX, -lean)),
    )
    plain = Exposure(gamma=1.0, noise=0.0, blur_px=0.0)
    return Layout(FilmKind.BILATERAL, FILM, poses, exposure=plain, marks=0.0)


def _on_film(
    grader: KneeGrader, meter: JointSpaceMeter, layout: Layout, patches: list[KneePatch], rng: np.random.Generator
) -> list[list[float]]:
    """Minima of the left and of the right knee of a film composed of such patches."""
    film = compose_film(layout, patches, rng)
    regions = grader.find(Radiograph(film.pixels, FilmFacts("composed")))
    found = []
    for knee, side in zip(film.knees, SIDES, strict=True):
        region = nearest(knee, regions)
        if region is None:
            found.append([float("nan")] * len(NAMES))
            continue
        found.append(minima(meter.measure(cut_square(film.pixels, region.square), side)))
    return found


def sides_report(widths: SidedWidths, draws: int = 2000) -> dict[str, JsonValue]:
    """Mean differences in mm at a 75 mm plateau with their 95 % intervals by subject.

    Args:
        widths: pairs that lack a width anywhere are left out.
        draws: of subjects, for the intervals.

    Returns:
        By compartment: left minus right from given crops, from films, and from films with the knees swapped; what the
        left place adds (half of left-place minus right-place, a knee against itself); and what a film adds.
    """
    every = np.isfinite(np.stack([widths.given, widths.composed, widths.swapped]))
    whole = np.asarray(every.all(axis=(0, 2, 3)))
    given, composed, swapped = (w[whole] * MM for w in (widths.given, widths.composed, widths.swapped))
    said: dict[str, JsonValue] = {"pairs": len(whole), "measured_in_all_ways": int(whole.sum())}
    drawn = np.random.default_rng(0).integers(0, len(given), (draws, len(given)))

    def told(values: Floats) -> list[JsonValue]:
        low, high = np.percentile(values[drawn].mean(axis=1), (2.5, 97.5))
        return [round(float(v), 3) for v in (values.mean(), low, high)]

    for k, name in enumerate(NAMES):
        of = {
            key: table[:, 0, k] - table[:, 1, k]
            for key, table in (("given", given), ("composed", composed), ("swapped", swapped))
        }
        # The place's part changes its sign when the knees are swapped, the patient's does not.
        said[name] = {
            **{f"left_minus_right_{key}_mm": told(off) for key, off in of.items()},
            "of_the_patient_mm": told((of["composed"] + of["swapped"]) / 2),
            "of_the_place_mm": told((of["composed"] - of["swapped"]) / 2),
            "film_minus_crop_mm": told(((composed + swapped) / 2 - given)[:, :, k].mean(axis=1)),
            "film_to_film_sd_mm": round(float((composed - swapped)[:, :, k].std() / np.sqrt(2)), 3),
        }
    return said


def main() -> None:
    """Judges from the command line."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("release")
    parser.add_argument("data", type=Path)
    parser.add_argument("--split", default="val")
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    meter, _ = load_meter(asked.release)
    pairs = healthy_pairs(read_grade_folders(asked.data, (asked.split,)))
    report = sides_report(measure_pairs(KneeGrader.load(asked.release, threads=1), meter, pairs))
    asked.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    logger.info("%s", json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
