"""Readers' grades become a table and an agreement a reader, as the books compute it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from kneeoa.serving.corrections import CorrectionRow, corrections_table, quadratic_weighted_kappa

PAIRS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=40)


def row(number: int, reader: str, grade: int | None, network: int | None, film: str = "") -> CorrectionRow:
    return CorrectionRow(number, "1.2", film or str(number), None, "R", reader, grade, "why", network, "a" * 64, 1.0)


@settings(deadline=None)
@given(PAIRS)
def test_kappa_is_that_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    ours = quadratic_weighted_kappa(pairs)
    first, second = zip(*pairs, strict=True)
    if len({*first, *second}) == 1:
        assert ours is None
    else:
        theirs = cohen_kappa_score(first, second, weights="quadratic", labels=range(5))
        assert ours == pytest.approx(theirs, abs=1e-9)


def test_kappa_of_nothing_is_not_defined() -> None:
    assert quadratic_weighted_kappa([]) is None
    assert quadratic_weighted_kappa([(2, 2)] * 5) is None
    assert quadratic_weighted_kappa([(0, 0), (4, 4)]) == 1
    assert quadratic_weighted_kappa([(0, 4), (4, 0)]) == -1


def test_each_reader_has_an_agreement_over_the_knees_that_both_graded() -> None:
    rows = [row(1, "a", 0, 0), row(2, "a", 4, 4), row(3, "b", 0, 4), row(4, "b", 4, 0)]
    rows += [row(5, "a", None, 3), row(6, "a", 3, None), row(7, "c", None, 1)]
    table = corrections_table(rows[::-1])
    assert [entry.correction_id for entry in table.rows] == list(range(1, 8))
    told = {reader.reader: (reader.knees, reader.quadratic_weighted_kappa) for reader in table.readers}
    assert told == {"a": (2, 1.0), "b": (2, -1.0), "c": (0, None)}


def test_of_a_knee_read_twice_the_last_reading_counts() -> None:
    rows = [row(1, "a", 0, 4, "x"), row(2, "a", 4, 4, "x"), row(3, "a", 0, 0, "y")]
    (reader,) = corrections_table(rows).readers
    assert (reader.knees, reader.quadratic_weighted_kappa) == (2, 1.0)
