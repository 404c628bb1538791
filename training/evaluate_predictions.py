"""What a release says about graded knees: probabilities, named grades, and whether the gate would have let them in."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kneeoa.datasets.grade_folders import KneeImage
from kneeoa.datasets.knee_pixels import read_knee
from kneeoa.model.calibrate import decide, probabilities
from kneeoa.model.crop import network_input
from kneeoa.model.errors import DatasetError, FilmError, ReasonCode
from kneeoa.model.grader import KneeGrader
from kneeoa.model.radiograph import FloatImage
from kneeoa.training.loaders import square_of
from kneeoa.training.metrics import Correct, Grades, Probabilities, named_confidence

BATCH = 32
"""Batches are cut by order: their size changes last bits."""
_MAX_FILES_NAMED = 5


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A picture of the set that could not be judged.

    Attributes:
        image: its file name.
        code: the reason code, one of the read errors.
    """

    image: str
    code: str


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """A release's word on the readable knees of a set, in the set's order.

    Attributes:
        knees: the knees.
        probabilities: (knees, 5) calibrated.
        grades: (knees,) KL grades by the release's decision rule.
        accepted: (knees,) whether the gate takes the picture for one framed, upright frontal knee.
        unreadable: the pictures that could not be read, which stand in no array.
    """

    knees: tuple[KneeImage, ...]
    probabilities: Probabilities
    grades: Grades
    accepted: npt.NDArray[np.bool_]
    unreadable: tuple[Unreadable, ...] = ()

    @property
    def truth(self) -> Grades:
        """(knees,) KL grades by the readers."""
        return np.array([knee.kl for knee in self.knees], dtype=np.int64)

    @property
    def correct(self) -> Correct:
        """(knees,) whether the named grade is the true one."""
        return np.asarray(self.grades == self.truth)

    @property
    def subjects(self) -> tuple[str, ...]:
        """(knees,) cohort identifiers; empty where the set tells none."""
        return tuple(knee.subject for knee in self.knees)


Change = Callable[[FloatImage, KneeImage], FloatImage]
"""What is done to a knee's picture before it is cropped: (rows, columns) float32 in [0, 1] to the same."""


def predict(grader: KneeGrader, knees: Sequence[KneeImage], change: Change | None = None) -> Predictions:
    """Judges framed crops as serving would, but grades those that the gate refuses, too.

    Args:
        grader: the release.
        knees: graded knees; pictures that cannot be read are left out and listed.
        change: done to every picture first; nothing where None.

    Raises:
        DatasetError: not one picture could be read.
    """
    decision = grader.release.manifest.decision
    read: list[KneeImage] = []
    unreadable: list[Unreadable] = []
    logits, accepted = [], []
    for first in range(0, len(knees), BATCH):
        crops = []
        for knee in knees[first : first + BATCH]:
            crop = _crop_or_reason(knee, change)
            if isinstance(crop, Unreadable):
                unreadable.append(crop)
            else:
                crops.append(crop)
                read.append(knee)
        if crops:
            scores = grader.score(np.stack(crops))
            logits.append(scores.logits)
            accepted.append(grader.accepts(scores.embedding))
    if not read:
        named = ", ".join(f"{u.image} ({u.code})" for u in unreadable[:_MAX_FILES_NAMED])
        raise DatasetError(f"None of the {len(knees)} pictures can be read: {named} ... Look at the files.")
    rows = probabilities(np.concatenate(logits), decision.temperature)
    grades = decide(rows, decision.rule)
    return Predictions(tuple(read), rows, grades, np.concatenate(accepted), tuple(unreadable))


def _crop_or_reason(knee: KneeImage, change: Change | None) -> FloatImage | Unreadable:
    try:
        pixels = read_knee(knee)
        return network_input(square_of(pixels if change is None else change(pixels, knee), knee.side))
    except FilmError as error:
        return Unreadable(knee.path.name, error.refusal.code.value)
    except ValueError:
        # `cut_square`: a picture of one pixel holds no square.
        return Unreadable(knee.path.name, ReasonCode.BAD_GEOMETRY.value)


def write_predictions(found: Predictions, path: Path) -> None:
    """One row a knee: the report contract's columns, then the named grade, its probability and the gate's verdict."""
    confidence = named_confidence(found.probabilities, found.grades)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(
            ["image", "subject", "side", "truth", *(f"p{kl}" for kl in range(5)), "grade", "confidence", "gate"]
        )
        for i, knee in enumerate(found.knees):
            gate = "accepted" if found.accepted[i] else "refused"
            row = [f"{p:.6f}" for p in (*found.probabilities[i], confidence[i])]
            facts = (knee.path.name, knee.subject, knee.side.value, knee.kl)
            writer.writerow([*facts, *row[:5], int(found.grades[i]), row[5], gate])
