"""A judgement: every figure about a release on one set, as `metrics.json` and the report print it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kneeoa.model.grades import JSON, KL_GRADES, ReleaseFacts
from kneeoa.model.radiograph import Side
from kneeoa.model.release import Decision
from kneeoa.training.evaluate_bootstrap import LEVEL, Interval, Weights, intervals
from kneeoa.training.evaluate_data import JudgedSet, TrainingOverlap, bootstrap_units, count_subjects
from kneeoa.training.evaluate_predictions import Predictions
from kneeoa.training.metrics import calibration_floor

Metrics = Mapping[str, Interval]
SIDE_METRICS = ("accuracy", "balanced_accuracy", "quadratic_weighted_kappa", "mae", "auc_oa")
GRADE_METRICS = ("accuracy", "within_one_grade", "mae", "bias")
"""Of knees of one grade; kappa, AUC and balanced accuracy need several."""
NOT_TOLD = "not told"
MOST_PARTS = 12
"""Of one column, the largest ones: a column of sites may have hundreds."""


@dataclass(frozen=True, slots=True, eq=False)
class Subgroup:
    """A part of the judged knees.

    Attributes:
        kind: "side", "grade", or a column of the table such as "sex".
        name: "R", "L", or "0" ... "4", or what the column says; "not told" for knees of which it says nothing.
        knees: how many.
        metrics: `GRADE_METRICS` by grade, else `SIDE_METRICS`.
    """

    kind: str
    name: str
    knees: int
    metrics: Metrics


@dataclass(frozen=True, slots=True, eq=False)
class GateOutcome:
    """What the gate, which serving asks first, says about the judged knees.

    Attributes:
        accepted: knees that would have been graded.
        refused: knees that would have been refused.
        metrics: every metric on the accepted knees; empty where none is.
    """

    accepted: int
    refused: int
    metrics: Metrics


@dataclass(frozen=True, slots=True, eq=False)
class Judgement:
    """Everything that an evaluation found.

    Attributes:
        judged: the set.
        predictions: the release's word on its readable knees.
        release: which release.
        decision: its rule and temperature.
        overlap: whether it learnt from the judged knees.
        draws: bootstrap draws behind every interval.
        metrics: every metric on all readable knees.
        ece_floor: the calibration error that chance alone would show.
        subgroups: by side, by grade, and by the columns that the set has; empty parts are left out.
        gate: what the gate would have done.
    """

    judged: JudgedSet
    predictions: Predictions
    release: ReleaseFacts
    decision: Decision
    overlap: TrainingOverlap
    draws: int
    metrics: Metrics
    ece_floor: float
    subgroups: tuple[Subgroup, ...]
    gate: GateOutcome

    @property
    def units(self) -> str:
        """What a bootstrap draw draws: see `evaluate_data.bootstrap_units`."""
        return bootstrap_units(self.predictions.knees)

    def to_json(self) -> dict[str, JSON]:
        """The content of `metrics.json`: strict JSON, what is not defined is null."""
        knees = self.predictions.knees
        found: dict[str, JSON] = {"knees": len(knees), **plain_metrics(self.metrics), "ece_floor": self.ece_floor}
        found |= {
            "subjects": count_subjects(knees),
            "knees_without_subject": sum(not knee.subject for knee in knees),
            "grades": {str(kl): sum(knee.kl == kl for knee in knees) for kl in KL_GRADES},
            "bootstrap": self.units,
            "draws": self.draws,
            "confidence_level": LEVEL,
            "release": {
                "name": self.release.name,
                "sha256": self.release.sha256,
                "software": self.release.software,
            },
            "decision": {"rule": self.decision.rule.value, "temperature": self.decision.temperature},
            "data": {
                "name": self.judged.name,
                "layout": self.judged.layout,
                "split": self.judged.split,
                "note": self.judged.note,
            },
            "training_overlap": {
                "verdict": self.overlap.verdict,
                "shared_subjects": self.overlap.shared_subjects,
                "explanation": self.overlap.explanation,
            },
            "unreadable": [{"image": u.image, "code": u.code} for u in self.predictions.unreadable],
            "gate": {
                "accepted": self.gate.accepted,
                "refused": self.gate.refused,
                "metrics_on_accepted": plain_metrics(self.gate.metrics),
            },
            "subgroups": {
                kind: {part.name: {"knees": part.knees, **plain_metrics(part.metrics)} for part in self._of(kind)}
                for kind in dict.fromkeys(("side", "grade", *(part.kind for part in self.subgroups)))
            },
        }
        return found

    def _of(self, kind: str) -> list[Subgroup]:
        return [part for part in self.subgroups if part.kind == kind]


def subgroups(found: Predictions, weights: Weights) -> tuple[Subgroup, ...]:
    """The judged knees by side, true grade, and column of the set, each part with the draws of the whole.

    Args:
        found: predictions.
        weights: (draws, knees) of `evaluate_bootstrap.subject_weights`.
    """
    parts: list[tuple[str, str, tuple[str, ...], list[bool]]]
    parts = [("side", side.value, SIDE_METRICS, [knee.side is side for knee in found.knees]) for side in Side]
    parts += [("grade", str(kl), GRADE_METRICS, [knee.kl == kl for knee in found.knees]) for kl in KL_GRADES]
    parts += _by_column(found)
    made = []
    for kind, name, wanted, members in parts:
        mask = np.array(members, dtype=bool)
        if mask.any():
            metrics = _metrics_of(found, weights, mask)
            made.append(Subgroup(kind, name, int(mask.sum()), {key: metrics[key] for key in wanted}))
    return tuple(made)


def _by_column(found: Predictions) -> list[tuple[str, str, tuple[str, ...], list[bool]]]:
    told = [{group.kind: group.name for group in knee.facts.groups} for knee in found.knees]
    kinds = dict.fromkeys(kind for groups in told for kind in groups)
    parts: list[tuple[str, str, tuple[str, ...], list[bool]]] = []
    for kind in kinds:
        names = [groups.get(kind, NOT_TOLD) for groups in told]
        largest = sorted(set(names), key=lambda name: (-names.count(name), name))[:MOST_PARTS]
        parts += [(kind, name, SIDE_METRICS, [name == one for one in names]) for name in sorted(largest)]
    return parts


def gate_outcome(found: Predictions, weights: Weights) -> GateOutcome:
    """Counts what the gate would refuse, and judges what it would accept with the draws of the whole."""
    kept = found.accepted
    metrics: Metrics = _metrics_of(found, weights, kept) if kept.any() else {}
    return GateOutcome(int(kept.sum()), int((~kept).sum()), metrics)


def chance_calibration(found: Predictions) -> float:
    """`metrics.calibration_floor` of these confidences."""
    return calibration_floor(found.probabilities.max(axis=1))


def worst_errors(found: Predictions, count: int) -> list[int]:
    """Indices of wrongly graded knees: most grades off first, then the least probability of the true grade.

    Args:
        found: predictions.
        count: at most so many.
    """
    off = np.abs(found.grades - found.truth)
    of_truth = found.probabilities[np.arange(len(off)), found.truth]
    order = np.lexsort((of_truth, -off))
    return [int(i) for i in order if off[i] > 0][:count]


def _metrics_of(found: Predictions, weights: Weights, mask: npt.NDArray[np.bool_]) -> Metrics:
    return intervals(found.probabilities[mask], found.truth[mask], found.grades[mask], weights[:, mask])


def plain_metrics(metrics: Metrics) -> dict[str, JSON]:
    """Figures with their bounds as strict JSON; what is not defined is null."""
    return {
        name: {"value": _finite(i["value"]), "low": _finite(i["low"]), "high": _finite(i["high"])}
        for name, i in metrics.items()
    }


def _finite(number: float) -> float | None:
    # NaN is not JSON.
    return number if math.isfinite(number) else None
