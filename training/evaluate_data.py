"""Which knees judge a release, what is known about them, and whether the release may have learnt from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kneeoa.datasets.grade_folders import KneeImage
from kneeoa.datasets.splits import subject_overlap
from kneeoa.model.errors import DatasetError
from kneeoa.model.release import Manifest
from kneeoa.training.graded_sets import read_set


@dataclass(frozen=True, slots=True)
class JudgedSet:
    """The graded knees that judge.

    Attributes:
        name: name of the folder or table; not its path.
        layout: "folders", "table", "oai" or "most".
        split: the part that judges.
        knees: its knees, at least one.
        note: what a reader should know of how the part was chosen, or empty.
    """

    name: str
    layout: str
    split: str
    knees: tuple[KneeImage, ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class TrainingOverlap:
    """Whether a release learnt from the knees that judge it, as far as can be told.

    Attributes:
        verdict: "none", "yes" or "unknown".
        shared_subjects: judged subjects that stand in the training split too; None where that was not counted.
        explanation: one or two sentences for the reader.
    """

    verdict: str
    shared_subjects: int | None
    explanation: str


def read_judged(data: Path, split: str) -> JudgedSet:
    """Graded knees to judge on: a folder in the published layout, a CSV or Parquet table, or a YAML file of a cohort.

    A table whose rows all are in one part, as one without a column `split` is, is judged whole.

    Raises:
        DatasetError: the data are missing or not in either layout, or hold no knee of this split.
    """
    every = read_set(data, split)
    knees = tuple(knee for knee in every.knees if knee.split == split)
    if knees:
        return JudgedSet(every.name, every.layout, split, knees, every.note)
    parts = sorted({knee.split for knee in every.knees})
    if len(parts) > 1:
        raise DatasetError(
            f"{every.name} has no row in the split {split!r} (found: {', '.join(parts)}). Name one: --split."
        )
    note = f"The table has no row in the split {split!r}: all of its rows, which are {parts[0]!r}, were judged."
    return JudgedSet(every.name, every.layout, parts[0], every.knees, f"{note} {every.note}".strip())


def bootstrap_units(knees: Sequence[KneeImage]) -> str:
    """What a bootstrap draw draws: "by subject", "by image", or by subject where there is one and else by image."""
    without = sum(not knee.subject for knee in knees)
    if not without:
        return "by subject"
    return "by image" if without == len(knees) else "by subject, by image where there is none"


def count_subjects(knees: Sequence[KneeImage]) -> int:
    """Distinct subjects; knees without one are not counted."""
    return len({knee.subject for knee in knees} - {""})


def training_overlap(manifest: Manifest, data: Path, judged: JudgedSet) -> TrainingOverlap:
    """Compares the judged knees with what `release.json` says about its training data.

    The release names its training set and split, not every subject. Where the judged set has the same name, its own
    training split is read and subjects are compared; nothing can be told of a set with another name.
    """
    settings = manifest.training.get("data")
    trained = settings if isinstance(settings, dict) else {}
    root, split = str(trained.get("root", "")), str(trained.get("train_split", ""))
    named = " and ".join(source.name for source in manifest.data) or "an unnamed set"
    learnt = f"The release says that it learnt from {named}"
    if not root or root != judged.name:
        doubt = f"{learnt}; whether {judged.name} shares films with it cannot be told from here."
        return TrainingOverlap("unknown", None, f"{doubt} `kneeoa datasets check` finds duplicates across splits.")
    if judged.split == split:
        warning = f"{learnt}, split {split} of {root}: these very knees. The figures say nothing about other films."
        return TrainingOverlap("yes", count_subjects(judged.knees), warning)
    shared = _shared_with(data, split, judged)
    if shared is None:
        doubt = f"{learnt}, split {split} of {root}, which is not there to compare subjects with, or tells none."
        return TrainingOverlap("unknown", None, doubt)
    where = f"the split {split} of {root}, as it lies beside the judged knees"
    if shared:
        warning = f"{learnt}. {shared} judged subjects stand in {where}: the figures flatter."
        return TrainingOverlap("yes", shared, warning)
    return TrainingOverlap("none", 0, f"{learnt}. No judged subject stands in {where}.")


def _shared_with(data: Path, split: str, judged: JudgedSet) -> int | None:
    try:
        learnt = [knee for knee in read_set(data, split).knees if knee.split == split]
    except DatasetError:
        if judged.layout != "folders":
            raise
        # A training split that is not there, or not whole, is no reason not to judge.
        return None
    if not count_subjects(learnt) or not all(knee.subject for knee in judged.knees):
        return None
    return len(subject_overlap(learnt, judged.knees))
