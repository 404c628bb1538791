"""Whatever a file does, it ends in a report: with a reason and a remedy, or, where the harm was none, with a grade."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.hostile.bases import bundled, phantom_names
from tests.hostile.corpus import MUTATIONS, Recipe, base_names, recipes
from tests.hostile.grading_process import Pool, Request
from tests.hostile.verdict import Trial, complaints_of

RECIPES = st.builds(
    Recipe,
    base=st.sampled_from(base_names()),
    mutations=st.lists(st.sampled_from(MUTATIONS), min_size=1, max_size=3).map(
        lambda names: tuple(sorted(names, key=MUTATIONS.index))
    ),
    seed=st.integers(0, 1 << 16),
)
MOST_GROSS = {"flip_pixels": 0.08, "flip_many_pixels": 0.0, "overwrite_pixels": 0.06, "lose_pixels": 0.15}
"""Shares; measured over 40 films a syntax and kind: 0.01, 0, 0.01 and 0.06; of `flip_pixels` over 10 films a syntax,
since knees are found anywhere: 0.018, so that four of 56 come once in some fifty draws."""


def test_every_mutation_ends_in_a_report(pool: Pool, tmp_path: Path) -> None:
    trial = Trial(pool, tmp_path)
    assert not trial.run(recipes(150))
    # A trial of nothing but refusals, or of one reason, would prove nothing.
    codes = Counter(outcome.code for _, outcome in trial.outcomes)
    assert codes[None] >= 10
    assert len(codes) >= 8


def test_every_object_that_comes_with_pydicom_ends_in_a_report_and_none_is_a_knee(pool: Pool) -> None:
    assert len(bundled()) > 100
    outcomes = pool.grade_all([Request(path) for path in bundled().values()])
    ends = dict(zip(bundled(), outcomes, strict=True))
    assert not [(name, text) for name, outcome in ends.items() for text in complaints_of(outcome)]
    assert not [name for name, outcome in ends.items() if outcome.graded]


def test_unharmed_phantoms_are_graded_on_their_side(pool: Pool, tmp_path: Path) -> None:
    trial = Trial(pool, tmp_path)
    unharmed = [Recipe(name, (), 1) for name in phantom_names()]
    assert not trial.run(unharmed)
    assert all(outcome.graded for _, outcome in trial.outcomes)
    # The lossy films among them show the same, if not to the last bit.
    assert not trial.gross


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(recipe=RECIPES)
def test_mutations_of_any_kind_and_number_end_in_a_report(pool: Pool, tmp_path: Path, recipe: Recipe) -> None:
    assert not Trial(pool, tmp_path).run([recipe])


@pytest.mark.soak
def test_three_thousand_hostile_files(pool: Pool, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trial = Trial(pool, tmp_path)
    complaints = trial.run(recipes(3000, first=1000))
    outcomes = [outcome for _, outcome in trial.outcomes]
    with capsys.disabled():
        print(f"\n{len(outcomes)} files, {len(complaints)} complaints, graded {sum(o.graded for o in outcomes)}")
        print(f"peak {max(o.peak_mb for o in outcomes):.0f} MB, slowest {max(o.seconds for o in outcomes):.2f} s")
        print(dict(Counter(outcome.code or "graded" for outcome in outcomes).most_common()))
        print(f"graded although a twentieth of the pixels or more show something else: {len(trial.gross)}")
    assert not complaints


@pytest.mark.soak
@settings(max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(recipe=RECIPES)
def test_a_thousand_mutations_that_hypothesis_finds(pool: Pool, tmp_path: Path, recipe: Recipe) -> None:
    assert not Trial(pool, tmp_path).run([recipe])


@pytest.mark.parametrize("harm", MOST_GROSS)
def test_garbage_for_pixels_is_seldom_graded(pool: Pool, tmp_path: Path, harm: str) -> None:
    """No codec without a checksum tells all damage; what is graded with another picture must stay rare."""
    trial = Trial(pool, tmp_path)
    films = [Recipe(name, (harm,), seed) for name in phantom_names() if name.startswith("knee R") for seed in (1, 2)]
    assert not trial.run(films)
    assert len(trial.gross) <= MOST_GROSS[harm] * len(films)
