"""A set's columns become tables of figures by part, in the numbers as on the page."""

from __future__ import annotations

from dataclasses import replace

from tests.training.test_compare import graded

from kneeoa.datasets.readings import Group, KneeFacts
from kneeoa.training.evaluate_bootstrap import subject_weights
from kneeoa.training.evaluate_judgement import MOST_PARTS, NOT_TOLD, subgroups
from kneeoa.training.evaluate_predictions import Predictions
from kneeoa.training.report_text import subgroup_tables


def with_groups(found: Predictions, *columns: tuple[str, list[str]]) -> Predictions:
    """Gives knee i the i-th value of each column, an empty one being none."""
    knees = tuple(
        replace(knee, facts=KneeFacts(groups=tuple(Group(kind, names[i]) for kind, names in columns if names[i])))
        for i, knee in enumerate(found.knees)
    )
    return replace(found, knees=knees)


def test_every_column_has_its_parts_and_the_knees_of_which_it_says_nothing_are_one() -> None:
    sexes = ["F", "F", "M", "M", "F", "F", "M", "M", "", ""]
    found = with_groups(graded(10, 0.7, 1), ("sex", sexes))
    parts = {p.name: p for p in subgroups(found, subject_weights(found.subjects, 50)) if p.kind == "sex"}
    assert {name: part.knees for name, part in parts.items()} == {"F": 4, "M": 4, NOT_TOLD: 2}
    men = [i for i, sex in enumerate(sexes) if sex == "M"]
    assert parts["M"].metrics["accuracy"]["value"] == found.correct[men].mean()


def test_a_set_without_columns_has_tables_by_side_and_grade_alone() -> None:
    found = graded(10, 0.7, 1)
    assert {part.kind for part in subgroups(found, subject_weights(found.subjects, 50))} == {"side", "grade"}


def test_of_hundreds_of_sites_the_largest_are_shown() -> None:
    names = [f"site {max(0, i - 20)}" for i in range(60)]
    found = with_groups(graded(60, 0.7, 1), ("site", names))
    parts = [p for p in subgroups(found, subject_weights(found.subjects, 20)) if p.kind == "site"]
    assert len(parts) == MOST_PARTS
    assert max(parts, key=lambda part: part.knees).name == "site 0"


def test_the_page_has_a_table_for_each_column_and_escapes_what_stands_in_it() -> None:
    found = with_groups(graded(10, 0.7, 1), ("site", ["<b>"] * 10), ("sex", ["F", "M"] * 5))
    text = subgroup_tables(subgroups(found, subject_weights(found.subjects, 20)))
    assert text.count("<caption>") == 4
    assert "By site" in text
    assert "By sex" in text
    assert "&lt;b&gt;" in text
    assert "<b>" not in text
