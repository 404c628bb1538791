"""Readers' grades beside the network's, as a table to train on and as agreement a reader."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kneeoa.model.grades import KL_GRADES


@dataclass(frozen=True, slots=True)
class CorrectionRow:
    """One reading of one knee.

    Attributes:
        correction_id: running number.
        study_uid, film_id, sop_uid: what was read.
        side: "R", "L" or "unknown".
        reader: the reader's pseudonym.
        grade: the reader's KL grade, None for "cannot be graded".
        reason: in the reader's words.
        network_grade: the network's, None where it refused.
        release_sha256: of the network.
        created: seconds since 1970.
    """

    correction_id: int
    study_uid: str
    film_id: str
    sop_uid: str | None
    side: str
    reader: str
    grade: int | None
    reason: str
    network_grade: int | None
    release_sha256: str
    created: float


@dataclass(frozen=True, slots=True)
class ReaderAgreement:
    """How a reader and the network agree over the knees that both graded.

    Attributes:
        reader: the reader's pseudonym.
        knees: how many; of a knee read twice the last reading counts.
        quadratic_weighted_kappa: in [-1, 1]; None where it is not defined: no knee, or both always the same one grade.
    """

    reader: str
    knees: int
    quadratic_weighted_kappa: float | None


@dataclass(frozen=True, slots=True)
class CorrectionsTable:
    """All corrections, oldest first, and the agreement of each reader."""

    rows: tuple[CorrectionRow, ...]
    readers: tuple[ReaderAgreement, ...]


def corrections_table(rows: Sequence[CorrectionRow]) -> CorrectionsTable:
    """The table of these corrections."""
    ordered = tuple(sorted(rows, key=lambda row: row.correction_id))
    last = {(row.reader, row.film_id, row.side): row for row in ordered}
    readers = sorted({row.reader for row in ordered})
    return CorrectionsTable(ordered, tuple(_agreement(reader, list(last.values())) for reader in readers))


def _agreement(reader: str, rows: Sequence[CorrectionRow]) -> ReaderAgreement:
    pairs = [
        (row.grade, row.network_grade)
        for row in rows
        if row.reader == reader and row.grade is not None and row.network_grade is not None
    ]
    return ReaderAgreement(reader, len(pairs), quadratic_weighted_kappa(pairs))


def quadratic_weighted_kappa(pairs: Sequence[tuple[int, int]]) -> float | None:
    """Cohen's kappa with quadratic weights.

    Args:
        pairs: grades by two readers, each 0-4.

    Returns:
        1 - observed / expected disagreement; None where nothing could be expected to disagree.

    References:
        Cohen, Psychol Bull 1968;70:213.
    """
    if not pairs:
        return None
    first, second = np.asarray(pairs, dtype=np.intp).T
    size = len(KL_GRADES)
    observed = np.zeros((size, size))
    np.add.at(observed, (first, second), 1.0)
    expected = np.outer(observed.sum(axis=1), observed.sum(axis=0)) / len(pairs)
    weights = np.subtract.outer(np.arange(size), np.arange(size)) ** 2
    disagreement = float((weights * expected).sum())
    return None if disagreement == 0 else 1.0 - float((weights * observed).sum()) / disagreement
