"""The one rule that keeps judging apart from learning.

`held` is cut out of the training subjects by a hash, so that it is the same on every machine, needs no file, and keeps
both knees of a person together. No network ever trains on it: it chooses checkpoints and settings, and fits
calibration, decision rule and gate. `val` judges and does nothing else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Protocol, TypeVar

from kneeoa.model.errors import DatasetError


class HasSubject(Protocol):
    """Anything that belongs to a subject."""

    @property
    def subject(self) -> str:
        """Cohort identifier."""


K = TypeVar("K", bound=HasSubject)


def is_held(subject: str) -> bool:
    """Whether a training subject belongs to `held`: about one in ten, by `sha256(subject)[0] % 10 == 0`.

    Args:
        subject: cohort identifier, non-empty.

    Raises:
        DatasetError: the subject is empty; without subjects no split can be kept free of leaks.
    """
    if not subject:
        msg = "A training knee has no subject: without subjects `held` would leak. Add a subject column."
        raise DatasetError(msg)
    return hashlib.sha256(subject.encode()).digest()[0] % 10 == 0


def fold_of(subject: str, folds: int) -> int:
    """The fold of a cross-validation that a subject judges in, by `sha256("fold " + subject)`.

    Another hash than that of `held`, so that every fold has its share of both.

    Args:
        subject: cohort identifier, non-empty.
        folds: at least 2.

    Returns:
        0 ... folds - 1, the same on every machine.

    Raises:
        DatasetError: the subject is empty.
    """
    if not subject:
        msg = "A training knee has no subject: without subjects folds would leak. Add a subject column."
        raise DatasetError(msg)
    return int.from_bytes(hashlib.sha256(f"fold {subject}".encode()).digest()[:8]) % folds


def split_held(knees: Iterable[K]) -> tuple[list[K], list[K]]:
    """Cuts training knees into (fit, held), keeping their order; subjects are disjoint by construction."""
    fit: list[K] = []
    held: list[K] = []
    for knee in knees:
        (held if is_held(knee.subject) else fit).append(knee)
    return fit, held


def subject_overlap(a: Iterable[HasSubject], b: Iterable[HasSubject]) -> set[str]:
    """Subjects that stand in both; empty where there is no leak."""
    return {knee.subject for knee in a} & {knee.subject for knee in b} - {""}
