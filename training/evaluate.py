"""Judges a release on graded knees that it never saw, with intervals, pictures and one report."""

from __future__ import annotations

import json
from pathlib import Path

from kneeoa.model.grader import KneeGrader
from kneeoa.model.grades import JSON
from kneeoa.training.evaluate_bootstrap import DRAWS, intervals, metrics_with_intervals, subject_weights
from kneeoa.training.evaluate_data import read_judged, training_overlap
from kneeoa.training.evaluate_judgement import Judgement, chance_calibration, gate_outcome, subgroups
from kneeoa.training.evaluate_predictions import predict, write_predictions
from kneeoa.training.report_html import write_report

__all__ = ["evaluate", "judge", "metrics_with_intervals"]


def judge(grader: KneeGrader, data: Path, split: str, draws: int = DRAWS) -> Judgement:
    """Every figure about a release on one set.

    Args:
        grader: the release.
        data: a folder in the published layout, or a CSV or Parquet table.
        split: which part of the data judges.
        draws: bootstrap draws.

    Raises:
        DatasetError: see `evaluate_data.read_judged` and `evaluate_predictions.predict`.
    """
    judged = read_judged(data, split)
    found = predict(grader, judged.knees)
    weights = subject_weights(found.subjects, draws)
    return Judgement(
        judged=judged,
        predictions=found,
        release=grader.facts,
        decision=grader.release.manifest.decision,
        overlap=training_overlap(grader.release.manifest, data, judged),
        draws=draws,
        metrics=intervals(found.probabilities, found.truth, found.grades, weights),
        ece_floor=chance_calibration(found),
        subgroups=subgroups(found, weights),
        gate=gate_outcome(found, weights),
    )


def evaluate(release: str | Path, data: Path, out: Path, split: str = "val") -> dict[str, JSON]:
    """Judges a release and writes what it found: numbers, predictions, pictures, and a report that needs none of them.

    Args:
        release: a release's name or folder.
        data: see `judge`.
        out: receives `metrics.json`, `predictions.csv`, `report.html` and the pictures. `report.html` and
            `worst-errors.png` show films: keep the folder where the films may be kept.
        split: which part of the data judges.

    Returns:
        The content of `metrics.json`: the report contract's metrics and what was judged. `unreadable` lists pictures
        that could not be read; the figures are about the others.

    Raises:
        DatasetError: see `judge`.
        ReleaseError: see `model.release.load_release`.
    """
    judgement = judge(KneeGrader.load(release), data, split)
    found = judgement.to_json()
    out.mkdir(parents=True, exist_ok=True)
    (out / "metrics.json").write_text(json.dumps(found, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    write_predictions(judgement.predictions, out / "predictions.csv")
    write_report(judgement, out)
    return found
