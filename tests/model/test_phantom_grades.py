"""The shipped network takes phantoms for knees and grades them as they were meant: they are near enough to be tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from kneeoa.datasets.phantom import PhantomSpec, write_phantom
from kneeoa.model.grader import KneeGrader
from kneeoa.model.radiograph import Side


def graded(folder: Path, per_grade: int, size: int) -> tuple[list[int], list[int]]:
    """Nominal grades, and those given; -1 where the film was refused."""
    grader = KneeGrader.load(device="cpu")
    nominal, given = [], []
    for grade in range(5):
        for seed in range(per_grade):
            side = Side.RIGHT if seed % 2 else Side.LEFT
            spec = PhantomSpec(side=side, grade=grade, seed=seed, size=(size, size))
            report = grader.grade_file(write_phantom(spec, folder / "film.dcm"))
            nominal.append(grade)
            kl = report.knees[0].kl if report.refusal is None else None
            given.append(-1 if kl is None else kl.grade)
    return nominal, given


def check(nominal: list[int], given: list[int]) -> None:
    truth, found = np.array(nominal), np.array(given)
    near = (found >= 0) & (np.abs(found - truth) <= 1)
    # A refused phantom counts as a wrong one.
    assert near.mean() >= 0.9, list(zip(nominal, given, strict=True))
    assert cohen_kappa_score(truth[found >= 0], found[found >= 0], weights="quadratic") >= 0.6


def test_a_few_phantoms_of_each_grade_are_graded_as_meant(tmp_path: Path) -> None:
    check(*graded(tmp_path, 4, 1200))


@pytest.mark.soak
def test_two_hundred_phantoms_are_graded_as_meant(tmp_path: Path) -> None:
    check(*graded(tmp_path, 40, 1200))
