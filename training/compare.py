"""Two releases on the same knees: what differs, by how much, and whether the set can tell."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import binomtest

from kneeoa.model.errors import DatasetError
from kneeoa.model.grader import KneeGrader
from kneeoa.model.grades import JSON, ReleaseFacts
from kneeoa.training.evaluate_bootstrap import (
    DRAWS,
    LEVEL,
    Interval,
    Weights,
    blocks,
    drawn_metrics,
    interval,
    intervals,
    subject_weights,
)
from kneeoa.training.evaluate_data import JudgedSet, TrainingOverlap, bootstrap_units, read_judged, training_overlap
from kneeoa.training.evaluate_judgement import Metrics, plain_metrics
from kneeoa.training.evaluate_predictions import Predictions, predict
from kneeoa.training.metrics import judged_metrics


@dataclass(frozen=True, slots=True)
class McNemar:
    """Knees that only one of the two releases names rightly.

    Attributes:
        only_first: right by the first release alone.
        only_second: right by the second alone.
        p_value: exact and two-sided: how often so uneven a split comes by chance where both are equally good. It takes
            every knee for independent, which the two knees of a person are not: with pairs it is too small.

    References:
        McNemar Q., Note on the sampling error of the difference between correlated proportions or percentages.
        Psychometrika 1947;12:153. Exact by the binomial distribution.
    """

    only_first: int
    only_second: int
    p_value: float


@dataclass(frozen=True, slots=True, eq=False)
class Contestant:
    """One of the two releases.

    Attributes:
        facts: which release.
        predictions: its word on the readable knees.
        metrics: its figures.
        overlap: whether it learnt from the knees.
    """

    facts: ReleaseFacts
    predictions: Predictions
    metrics: Metrics
    overlap: TrainingOverlap


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Everything that a comparison found.

    Attributes:
        judged: the set.
        first: the release named first, which the second is held against.
        second: the other.
        differences: second less first, every metric, paired on the same draws of subjects.
        mcnemar: of the named grades.
        draws: bootstrap draws.
    """

    judged: JudgedSet
    first: Contestant
    second: Contestant
    differences: Metrics
    mcnemar: McNemar
    draws: int

    def to_json(self) -> dict[str, JSON]:
        """The content of `comparison.json`: strict JSON, what is not defined is null."""
        return {
            "data": {"name": self.judged.name, "layout": self.judged.layout, "split": self.judged.split},
            "knees": len(self.first.predictions.knees),
            "unreadable": len(self.first.predictions.unreadable),
            "bootstrap": bootstrap_units(self.first.predictions.knees),
            "draws": self.draws,
            "confidence_level": LEVEL,
            "first": _contestant(self.first),
            "second": _contestant(self.second),
            "second_less_first": plain_metrics(self.differences),
            "mcnemar": {
                "only_first_right": self.mcnemar.only_first,
                "only_second_right": self.mcnemar.only_second,
                "p_value": self.mcnemar.p_value,
                "note": "takes knees for independent; decide by the interval by subject",
            },
        }


def compare(first: KneeGrader, second: KneeGrader, data: Path, split: str, draws: int = DRAWS) -> Comparison:
    """Judges two releases on the same knees with the same draws.

    Args:
        first: the release that the other is held against.
        second: the other.
        data: see `evaluate_data.read_judged`.
        split: which part judges.
        draws: bootstrap draws.

    Raises:
        DatasetError: see `evaluate_data.read_judged` and `evaluate_predictions.predict`.
    """
    judged = read_judged(data, split)
    found = [predict(grader, judged.knees) for grader in (first, second)]
    if found[0].knees != found[1].knees:
        raise DatasetError("The two releases could read different pictures. Run it again on files at rest.")
    weights = subject_weights(found[0].subjects, draws)
    sides = [
        Contestant(
            grader.facts,
            one,
            intervals(one.probabilities, one.truth, one.grades, weights),
            training_overlap(grader.release.manifest, data, judged),
        )
        for grader, one in zip((first, second), found, strict=True)
    ]
    differences = paired_differences(found[0], found[1], weights)
    return Comparison(judged, sides[0], sides[1], differences, mcnemar(found[0], found[1]), draws)


def paired_differences(first: Predictions, second: Predictions, weights: Weights) -> dict[str, Interval]:
    """Every metric of the second less that of the first, with its interval over paired draws.

    Args:
        first: predictions.
        second: of the same knees in the same order.
        weights: (draws, knees) of `evaluate_bootstrap.subject_weights`.

    Returns:
        By name; bounds are NaN where all draws are the same, as with a single subject.
    """
    values = [judged_metrics(one.probabilities, one.truth, one.grades) for one in (first, second)]
    gaps = {name: values[1][name] - values[0][name] for name in values[0]}
    if not len(weights) or bool((weights == weights[0]).all()):
        return {name: Interval(value=gap, low=math.nan, high=math.nan) for name, gap in gaps.items()}
    parts = []
    for block in blocks(weights):
        a, b = (drawn_metrics(one.probabilities, one.truth, one.grades, block) for one in (first, second))
        parts.append({name: b[name] - a[name] for name in a})
    return {name: interval(gap, np.concatenate([part[name] for part in parts])) for name, gap in gaps.items()}


def mcnemar(first: Predictions, second: Predictions) -> McNemar:
    """Counts the knees that only one names rightly; p is 1 where there is none."""
    only_first = int((first.correct & ~second.correct).sum())
    only_second = int((second.correct & ~first.correct).sum())
    uneven = only_first + only_second
    p_value = float(binomtest(only_first, uneven).pvalue) if uneven else 1.0
    return McNemar(only_first, only_second, p_value)


def write_comparison(found: Comparison, out: Path) -> dict[str, JSON]:
    """Writes `comparison.json`, `comparison.html` and the pictures.

    Args:
        found: the comparison.
        out: made where it is not there. No film is in any of the files.

    Returns:
        The content of `comparison.json`.
    """
    from kneeoa.training.compare_html import write_comparison_page

    out.mkdir(parents=True, exist_ok=True)
    content = found.to_json()
    (out / "comparison.json").write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    write_comparison_page(found, out)
    return content


def _contestant(one: Contestant) -> dict[str, JSON]:
    return {
        "name": one.facts.name,
        "sha256": one.facts.sha256,
        "training_overlap": one.overlap.verdict,
        "metrics": plain_metrics(one.metrics),
    }
