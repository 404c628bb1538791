"""What judges never learns: the held subjects are the same everywhere, and no subject stands on both sides."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kneeoa.datasets.splits import is_held, split_held, subject_overlap
from kneeoa.model.errors import DatasetError


@dataclass(frozen=True)
class Knee:
    subject: str
    number: int = 0


SUBJECTS = st.text(min_size=1, max_size=8)
KNEES = st.lists(st.builds(Knee, SUBJECTS, st.integers(0, 9)), max_size=40)


@given(KNEES)
def test_no_subject_is_learnt_from_and_held(knees: list[Knee]) -> None:
    fit, held = split_held(knees)
    assert subject_overlap(fit, held) == set()


@given(KNEES)
def test_no_knee_is_lost_doubled_or_moved(knees: list[Knee]) -> None:
    fit, held = split_held(knees)
    assert fit == [knee for knee in knees if knee in set(fit)]
    assert held == [knee for knee in knees if knee in set(held)]
    assert len(fit) + len(held) == len(knees)


@given(KNEES, st.randoms())
def test_the_order_of_the_knees_decides_nothing(knees: list[Knee], random: Random) -> None:
    shuffled = sorted(knees, key=lambda _: random.random())
    assert {knee.subject for knee in split_held(shuffled)[1]} == {knee.subject for knee in split_held(knees)[1]}


def test_about_one_subject_in_ten_is_held() -> None:
    held = sum(is_held(str(9_000_000 + i)) for i in range(5000))
    # 26 of 256 first bytes leave the remainder 0: 10.2 %, with a standard deviation of 0.43 %.
    assert held / 5000 == pytest.approx(26 / 256, abs=0.015)


def test_the_held_subjects_are_those_of_every_other_machine() -> None:
    held = [9_000_000 + i for i in (1, 6, 17, 23, 26, 28, 32, 35, 39, 42)]
    # A release's calibration was fitted on them, and another rule would let them be learnt from.
    assert [i for i in range(9_000_000, 9_000_060) if is_held(str(i))] == held


def test_without_a_subject_nothing_can_be_held() -> None:
    with pytest.raises(DatasetError, match="Add a subject column"):
        split_held([Knee("a"), Knee("")])


def test_the_overlap_names_the_subjects_on_both_sides_but_not_the_unknown() -> None:
    left, right = [Knee("a"), Knee("b"), Knee("")], [Knee("b", 1), Knee("c"), Knee("")]
    assert subject_overlap(left, right) == {"b"}
