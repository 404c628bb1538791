"""Judges a release on graded knees that it never saw, with intervals."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kneeoa.datasets.grade_folders import KneeImage, read_grade_folders
from kneeoa.datasets.table import read_table
from kneeoa.model.crop import network_input
from kneeoa.model.grader import KneeGrader
from kneeoa.training.loaders import load_square
from kneeoa.training.metrics import (
    Grades,
    Probabilities,
    calibration_floor,
    kl_metrics,
    top_label_calibration,
)
from kneeoa.training.report import plot_confusion, plot_reliability

DRAWS = 1000
BATCH = 32
Interval = dict[str, float]
"""{"value": ..., "low": ..., "high": ...}: the figure and its 95 % bootstrap interval."""


def read_judged(data: Path, split: str) -> list[KneeImage]:
    """Graded knees to judge on: a folder in the published layout, or a CSV or Parquet table.

    Raises:
        DatasetError: the data are missing or not in either layout, or hold no knee of this split.
    """
    if data.is_dir():
        return read_grade_folders(data, (split,))
    return [knee for knee in read_table(data) if knee.split == split] or read_table(data)


def predict(grader: KneeGrader, knees: Sequence[KneeImage]) -> tuple[Probabilities, Grades]:
    """((knees, 5) calibrated probabilities, (knees,) grades) of framed crops; the gate is not asked."""
    rows, grades = [], []
    for first in range(0, len(knees), BATCH):
        crops = np.stack([network_input(load_square(knee)) for knee in knees[first : first + BATCH]])
        some_rows, some_grades = grader.judge(crops)
        rows.append(some_rows)
        grades.append(some_grades)
    return np.concatenate(rows), np.concatenate(grades)


def metrics_with_intervals(
    rows: Probabilities, truth: Grades, grades: Grades, subjects: Sequence[str], draws: int = DRAWS
) -> dict[str, Interval]:
    """Every metric with its bootstrap interval; whole subjects are drawn, so that two knees of a person stay together.

    Args:
        rows: (knees, 5) probabilities.
        truth: (knees,) KL grades.
        grades: (knees,) predicted grades.
        subjects: (knees,) identifiers; knees with an empty one count as subjects of their own.
        draws: bootstrap draws.

    References:
        Efron B., Tibshirani R., An Introduction to the Bootstrap, 1993, ch. 13 (percentile intervals).
    """
    keys = [subject or f"\0{i}" for i, subject in enumerate(subjects)]
    members: dict[str, list[int]] = {}
    for i, key in enumerate(keys):
        members.setdefault(key, []).append(i)
    groups = [np.array(group) for group in members.values()]
    value = _all_metrics(rows, truth, grades)
    rng = np.random.default_rng(0)
    drawn: list[dict[str, float]] = []
    for _ in range(draws):
        picked = np.concatenate([groups[i] for i in rng.integers(0, len(groups), len(groups))])
        drawn.append(_all_metrics(rows[picked], truth[picked], grades[picked]))
    return {
        name: {
            "value": value[name],
            "low": float(np.nanpercentile([d[name] for d in drawn], 2.5)),
            "high": float(np.nanpercentile([d[name] for d in drawn], 97.5)),
        }
        for name in value
    }


def _all_metrics(rows: Probabilities, truth: Grades, grades: Grades) -> dict[str, float]:
    return kl_metrics(rows, truth, grades) | {"ece": top_label_calibration(rows, truth)}


def evaluate(release: str | Path, data: Path, out: Path, split: str = "val") -> dict[str, Interval | float]:
    """Judges a release and writes what it found.

    Args:
        release: a release's name or folder.
        data: see `read_judged`.
        out: receives `metrics.json`, `predictions.csv`, `confusion.png`, `reliability.png`.
        split: which part of the data judges.

    Returns:
        The content of `metrics.json`: the report contract's metrics, `knees` and `ece_floor`.
    """
    knees = read_judged(data, split)
    rows, grades = predict(KneeGrader.load(release), knees)
    truth = np.array([knee.kl for knee in knees], dtype=np.int64)
    confidence = rows.max(axis=1)
    found: dict[str, Interval | float] = {"knees": float(len(knees))}
    found |= metrics_with_intervals(rows, truth, grades, [knee.subject for knee in knees])
    found["ece_floor"] = calibration_floor(confidence)
    out.mkdir(parents=True, exist_ok=True)
    (out / "metrics.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    _write_predictions(knees, rows, out / "predictions.csv")
    plot_confusion(truth, grades, out / "confusion.png")
    plot_reliability(confidence, np.asarray(rows.argmax(axis=1) == truth), out / "reliability.png")
    return found


def _write_predictions(knees: Sequence[KneeImage], rows: npt.NDArray[np.float64], path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "subject", "side", "truth", "p0", "p1", "p2", "p3", "p4"])
        for knee, row in zip(knees, rows, strict=True):
            writer.writerow([knee.path.name, knee.subject, knee.side.value, knee.kl, *(f"{p:.6f}" for p in row)])
