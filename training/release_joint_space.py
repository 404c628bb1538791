"""Adds joint-space measurement to a release.

    python -m kneeoa.training.release_joint_space BASE DATA --place place.pt --trace trace.pt --held-labels labels.npz \
        --exclude-subjects FILE --name NAME --out DIR
    python -m kneeoa.training.release_joint_space BASE --joint-space-of PART --name NAME --out DIR
    python -m kneeoa.training.release_joint_space BASE DATA --joint-space-of PART --refer-anew \
        --exclude-subjects FILE --name NAME --out DIR

What is fitted here: the calibration of the quality, on traced knees of `held` and on phantoms that did not teach; the
widths of KL 0 and the cuts of the grades, on training knees of KL 0 of subjects that taught neither network: on knees
that it learnt from, a network errs less, and their narrow tail is too short. The excluded subjects have no part.
"""

from __future__ import annotations

import argparse
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression

from kneeoa.datasets.grade_folders import KneeImage, read_grade_folders
from kneeoa.datasets.phantom import make_phantom
from kneeoa.model.errors import ReleaseError
from kneeoa.model.joint_band import Floats, column_x, row_down
from kneeoa.model.joint_narrowing import CompartmentReference, narrowing_percent
from kneeoa.model.joint_release import JointSpaceSettings
from kneeoa.model.joint_space import JointSpaceMeter, QualityScale
from kneeoa.model.joint_widths import LATERAL_ZONE, MEDIAL_ZONE, Curves, measure_zone
from kneeoa.model.picture import read_grey
from kneeoa.model.radiograph import FloatImage, Side
from kneeoa.training.export_joint import export_joint, load_joint_network
from kneeoa.training.fit_phantom import read_subjects
from kneeoa.training.joint_atlas import list_sha256, taught_subjects
from kneeoa.training.joint_labels import STRONG, JointLabels, read_labels
from kneeoa.training.joint_phantoms import random_spec, true_minima_mm
from kneeoa.training.joint_tracer import COLUMNS
from kneeoa.training.release_joint_writing import JointSpacePart, add_joint_space, read_part, take_over, write_part
from kneeoa.training.release_parts import release_target

NAMES = ("medial", "lateral")
HALF_A_MM = 100 * 0.5 / 75
"""Half a millimetre in % of a 75 mm plateau."""
CALIBRATION_SEED = 2_000_000
"""Phantoms that calibrate have seeds from here on: neither those that teach nor those that judge."""
_PHANTOMS = 80
_KL0_SHARE = 95
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """Compartments with a truth: what the meter's quality was made of, and how far it was off.

    Attributes:
        logits: (n, 2) logarithms of spread and of misfit, as the meter forms them.
        error: (n,) measured minus true minimum in % of the plateau.
    """

    logits: Floats
    error: Floats


def read_crop(knee: KneeImage) -> FloatImage:
    """(rows, columns) float32 in [0, 1], a knee's picture as displayed."""
    return read_grey(knee.path)


def kl0_reference(widths: Floats, error: float) -> CompartmentReference:
    """The reference of a compartment; the cuts are thirds of what lies above the 95th percentile of KL 0.

    Args:
        widths: (knees,) minimum widths of KL 0 in % of the plateau.
        error: standard deviation of a measurement.
    """
    quantiles = np.percentile(widths, np.arange(101))
    median = float(quantiles[50])
    first = narrowing_percent(float(np.percentile(widths, 100 - _KL0_SHARE)), median)
    cuts = (first, first + (100 - first) / 3, first + 2 * (100 - first) / 3)
    return CompartmentReference(
        quantiles=tuple(round(float(value), 4) for value in quantiles),
        cuts=(round(cuts[0], 3), round(cuts[1], 3), round(cuts[2], 3)),
        error=round(error, 4),
    )


def fit_quality(judged: Judged) -> QualityScale:
    """Logistic regression of "within half a millimetre"."""
    good = np.abs(judged.error) <= HALF_A_MM
    if good.all() or not good.any():
        raise ReleaseError("All compartments of the calibration agree, or none does: give more of them.")
    model = LogisticRegression(C=10.0).fit(judged.logits, good)
    return QualityScale(float(model.intercept_[0]), *(round(float(weight), 4) for weight in model.coef_[0]))


def traced_minimum(labels: JointLabels, i: int, compartment: int) -> float:
    """Minimum width of a tracing in % of the plateau, by the meter's own rule."""
    x = column_x(COLUMNS)[::-1]
    curves = Curves(x, row_down(labels.femur[i])[::-1], row_down(labels.tibia[i])[::-1])
    return 100 * measure_zone(curves, (MEDIAL_ZONE, LATERAL_ZONE)[compartment]).minimum


def judge_held(meter: JointSpaceMeter, data: Path, labels: JointLabels) -> Judged:
    """The strongly traced compartments of `held`."""
    known = {knee.path.name: knee for knee in read_grade_folders(data, ("train",))}
    logits, errors = [], []
    for i in np.flatnonzero(labels.held):
        knee = known[str(labels.names[i])]
        found = meter.measure(read_crop(knee), knee.side)
        for k, name in enumerate(NAMES):
            part = found.compartments[name]
            if labels.strength[i, k] >= STRONG and part.minimum_percent is not None:
                logits.append(part.doubts)
                errors.append(part.minimum_percent - traced_minimum(labels, int(i), k))
    return Judged(np.array(logits), np.array(errors))


def judge_phantoms(meter: JointSpaceMeter, count: int) -> Judged:
    """Both compartments of phantoms that neither teach nor judge."""
    rng = np.random.default_rng(1)
    logits, errors = [], []
    for i in range(count):
        phantom = make_phantom(random_spec(CALIBRATION_SEED + i, rng))
        found = meter.measure(phantom.pixels, Side.RIGHT)
        for name, truth in zip(NAMES, true_minima_mm(phantom), strict=True):
            part = found.compartments[name]
            if part.minimum_percent is not None:
                logits.append(part.doubts)
                errors.append(part.minimum_percent - 100 * truth / (phantom.plateau_width_px * phantom.spec.spacing_mm))
    return Judged(np.array(logits), np.array(errors))


def reference_knees(data: Path, excluded: frozenset[str]) -> list[KneeImage]:
    """Training knees of KL 0 of subjects that taught neither network, `held` among them, without the excluded ones."""
    barred = excluded | taught_subjects(data, excluded)
    return [knee for knee in read_grade_folders(data, ("train",)) if knee.kl == 0 and knee.subject not in barred]


def kl0_widths(meter: JointSpaceMeter, data: Path, excluded: frozenset[str]) -> tuple[Floats, int]:
    """(knees, 2) minimum widths of `reference_knees` in % of the plateau, and how many could not be measured."""
    rows, missing = [], 0
    for knee in reference_knees(data, excluded):
        parts = meter.measure(read_crop(knee), knee.side).compartments
        widths = [parts[name].minimum_percent for name in NAMES]
        missing += None in widths
        rows += [widths] if None not in widths else []
    return np.array(rows, dtype=np.float64), missing


def fit_settings(
    networks: tuple[bytes, bytes], data: Path, labels: JointLabels, excluded: frozenset[str]
) -> tuple[JointSpaceSettings, dict[str, float]]:
    """Everything that a release says of the joint space, and what was seen while fitting it.

    Raises:
        ReleaseError: the labels were made with another list of excluded subjects, or of other knees than now.
    """
    listed = list_sha256(excluded)
    if labels.excluded_sha256 != listed:
        raise ReleaseError("The labels left out other subjects than this list names: make them anew.")
    taught = {str(name) for name in labels.names[~labels.held]}
    if any(knee.path.name in taught for knee in reference_knees(data, excluded)):
        raise ReleaseError("The labels have knees that are the reference of KL 0: make atlas and labels anew.")
    meter = JointSpaceMeter(*networks, QualityScale(0.0, 0.0, 0.0), threads=1)
    held, drawn = judge_held(meter, data, labels), judge_phantoms(meter, _PHANTOMS)
    both = Judged(np.concatenate([held.logits, drawn.logits]), np.concatenate([held.error, drawn.error]))
    scale = fit_quality(both)
    logger.info("quality: %s", scale)
    widths, missing = kl0_widths(meter, data, excluded)
    # Robust: a gross failure is what the quality is for.
    error = 1.4826 * float(np.median(np.abs(held.error - np.median(held.error))))
    medial, lateral = (kl0_reference(widths[:, k], error) for k in (0, 1))
    settings = JointSpaceSettings(
        quality_offset=round(scale.offset, 4),
        quality_spread=scale.spread,
        quality_place=scale.place,
        medial=medial,
        lateral=lateral,
        excluded_subjects_sha256=listed,
    )
    seen = {
        "held_compartments": float(len(held.error)),
        "held_mean_error_percent": round(float(held.error.mean()), 4),
        "held_mean_absolute_error_percent": round(float(np.abs(held.error).mean()), 4),
        "held_within_half_a_mm": round(float((np.abs(held.error) <= HALF_A_MM).mean()), 4),
        "phantom_mean_absolute_error_percent": round(float(np.abs(drawn.error).mean()), 4),
        "kl0_knees": float(len(widths)),
        "kl0_unmeasured": float(missing),
    }
    return settings, seen


def refer_anew(source: str, data: Path, excluded: frozenset[str]) -> JointSpacePart:
    """An existing part with the widths of KL 0 and the cuts fitted anew: its networks and its quality stay.

    For a part whose rule of measuring changed, not its networks.

    Args:
        source: see `read_part`.
        data: the graded knees.
        excluded: subjects that have no part in it: the list that the part was fitted with.

    Raises:
        ReleaseError: `source` is no part, or was fitted with another list.
    """
    part, networks = read_part(source)
    settings = part.settings
    if settings.excluded_subjects_sha256 != list_sha256(excluded):
        raise ReleaseError(f"{source} left out other subjects than this list names: give the list it was fitted with.")
    widths, missing = kl0_widths(JointSpaceMeter(*networks, settings.quality_scale, threads=1), data, excluded)
    medial, lateral = (kl0_reference(widths[:, k], settings.reference(n).error) for k, n in enumerate(NAMES))
    fitted = settings.model_copy(update={"medial": medial, "lateral": lateral})
    seen = part.seen | {"kl0_knees": float(len(widths)), "kl0_unmeasured": float(missing)}
    return JointSpacePart(settings=fitted, seen=seen)


def main() -> None:
    """Adds the joint space to a release: fitted anew, or a part that was fitted before."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base", help="name or folder of the release to add to")
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--place", type=Path, help="place.pt or last.pt of a run, or the .onnx of a part")
    parser.add_argument("--trace", type=Path, help="likewise of the tracing network")
    parser.add_argument("--held-labels", type=Path, help="from `python -m kneeoa.training.joint_labels`")
    parser.add_argument("--exclude-subjects", type=Path, help="text file, one subject a line; no fit without it")
    parser.add_argument(
        "--joint-space-of", help="a joint-space part to add as it is, such as joint-space-4; nothing is fitted"
    )
    parser.add_argument("--refer-anew", action="store_true", help="with --joint-space-of: fit the widths of KL 0 again")
    parser.add_argument("--name", required=True)
    parser.add_argument("--out", type=Path, help="folder to write into; default: the shipped releases")
    asked = parser.parse_args()
    target = release_target(asked.name, asked.out)
    if asked.joint_space_of is not None and asked.refer_anew:
        if asked.data is None or asked.exclude_subjects is None:
            parser.error("--refer-anew needs DATA and --exclude-subjects")
        part = refer_anew(asked.joint_space_of, asked.data, read_subjects(asked.exclude_subjects))
        kept = read_part(asked.joint_space_of)[1]
        logger.info("%s", write_part(kept, part.settings, part.seen, target.with_name(f"{target.name}-joint-space")))
        logger.info("%s", add_joint_space(asked.base, kept, part.settings, part.seen, target))
        return
    if asked.joint_space_of is not None:
        logger.info("%s", take_over(asked.base, asked.joint_space_of, target))
        return
    needed = (asked.data, asked.place, asked.trace, asked.held_labels, asked.exclude_subjects)
    if None in needed:
        parser.error("a fit needs DATA, --place, --trace, --held-labels and --exclude-subjects")
    runs = (("place", asked.place), ("trace", asked.trace))
    # A network of an earlier part is taken as it is, byte for byte.
    networks = [
        path.read_bytes() if path.suffix == ".onnx" else export_joint(load_joint_network(path, kind))
        for kind, path in runs
    ]
    excluded = read_subjects(asked.exclude_subjects)
    pair = (networks[0], networks[1])
    settings, seen = fit_settings(pair, asked.data, read_labels(asked.held_labels), excluded)
    logger.info("%s", seen)
    logger.info("%s", add_joint_space(asked.base, pair, settings, seen, target))
    logger.info("%s", write_part(pair, settings, seen, target.with_name(f"{target.name}-joint-space")))


if __name__ == "__main__":
    main()
