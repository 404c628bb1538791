"""Two releases on the same knees: the better one is told from chance, and the page stands alone."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from kneeoa.cli import app
from kneeoa.datasets.grade_folders import KneeImage
from kneeoa.model.grades import ReleaseFacts
from kneeoa.model.radiograph import Side
from kneeoa.training.compare import Comparison, Contestant, mcnemar, paired_differences, write_comparison
from kneeoa.training.compare_html import verdict
from kneeoa.training.evaluate_bootstrap import intervals, subject_weights
from kneeoa.training.evaluate_data import JudgedSet, TrainingOverlap
from kneeoa.training.evaluate_predictions import Predictions

RELEASE = "kneeoa-6"


def graded(count: int, right: float, seed: int) -> Predictions:
    """A release that names this share of the knees rightly, two knees a subject; the others one grade off."""
    rng = np.random.default_rng(seed)
    knees = tuple(
        KneeImage(Path(f"s{i // 2}{'RL'[i % 2]}.png"), f"s{i // 2}", (Side.RIGHT, Side.LEFT)[i % 2], i % 5, "val")
        for i in range(count)
    )
    truth = np.array([knee.kl for knee in knees])
    grades = np.where(rng.random(count) < right, truth, np.where(truth == 4, 3, truth + 1)).astype(np.int64)
    rows = np.full((count, 5), 0.05)
    rows[np.arange(count), grades] = 0.8
    return Predictions(knees, rows, grades, np.ones(count, dtype=bool))


def compared(first: Predictions, second: Predictions, name: str = "b") -> Comparison:
    weights = subject_weights(first.subjects, 200)
    none = TrainingOverlap("yes", 3, "It learnt from <these> knees.")
    sides = [
        Contestant(ReleaseFacts(n, "0" * 64, "0"), p, intervals(p.probabilities, p.truth, p.grades, weights), none)
        for n, p in (("a", first), (name, second))
    ]
    judged = JudgedSet("set", "folders", "val", first.knees)
    gaps = paired_differences(first, second, weights)
    return Comparison(judged, sides[0], sides[1], gaps, mcnemar(first, second), 200)


def test_a_better_release_is_told_from_chance_and_an_equal_one_is_not() -> None:
    better = compared(graded(400, 0.6, 1), graded(400, 0.8, 2))
    gap = better.differences["accuracy"]
    assert 0 < gap["low"] < gap["value"] < gap["high"]
    assert better.mcnemar.p_value < 0.001
    assert verdict(better, "accuracy") == verdict(better, "mae") == "b is better"
    assert verdict(compared(graded(400, 0.8, 1), graded(400, 0.6, 2)), "mae") == "a is better"
    equal = compared(graded(400, 0.7, 1), graded(400, 0.7, 3))
    assert verdict(equal, "accuracy") == "cannot tell"
    assert equal.mcnemar.p_value > 0.01


def test_the_difference_of_a_release_to_itself_is_none_whatever_is_drawn() -> None:
    one = graded(60, 0.7, 1)
    found = compared(one, one)
    assert all(gap == {"value": 0, "low": 0, "high": 0} for gap in found.differences.values())
    assert found.mcnemar.p_value == 1


def test_pairing_makes_the_interval_narrower_than_two_sets_would() -> None:
    first = graded(400, 0.7, 1)
    # Both fail on the same knees, but for ten.
    second = replace(first, grades=np.where(np.arange(400) < 10, first.truth, first.grades))
    found = compared(first, second)
    alone = found.first.metrics["accuracy"]
    gap = found.differences["accuracy"]
    assert gap["high"] - gap["low"] < (alone["high"] - alone["low"]) / 2


def test_mcnemar_is_the_exact_binomial_test_of_the_knees_that_one_alone_names_rightly() -> None:
    first = graded(20, 1.0, 1)
    wrong = np.where(np.arange(20) < 5, (first.truth + 1) % 5, first.truth)
    found = mcnemar(first, replace(first, grades=wrong))
    assert (found.only_first, found.only_second) == (5, 0)
    assert found.p_value == pytest.approx(2 * 0.5**5)


def test_one_subject_has_differences_and_no_intervals() -> None:
    pair = graded(2, 0.0, 1)
    gaps = paired_differences(pair, pair, subject_weights(pair.subjects, 50))
    assert gaps["accuracy"]["value"] == 0
    assert math.isnan(gaps["accuracy"]["low"])


class Page(HTMLParser):
    """Collects what a page would fetch, and its tags."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.fetched += [value or "" for name, value in attrs if name in {"src", "srcset", "href", "data", "action"}]


def test_the_page_needs_no_other_file_and_escapes_what_it_is_given(tmp_path: Path) -> None:
    write_comparison(compared(graded(60, 0.6, 1), graded(60, 0.8, 2), name="<script>b"), tmp_path)
    text = (tmp_path / "comparison.html").read_text(encoding="utf-8")
    page = Page()
    page.feed(text)
    assert page.fetched
    assert all(address.startswith("data:image/") for address in page.fetched)
    assert not {"script", "link", "iframe"} & page.tags
    assert "&lt;script&gt;b is better" in text
    assert "It learnt from &lt;these&gt; knees." in text
    assert "$" not in text
    for name in ("differences", "grade-against-grade"):
        assert (tmp_path / f"{name}.png").stat().st_size > 5000


def test_the_command_compares_two_releases_pairwise(tiny_set: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = CliRunner().invoke(app, ["compare", RELEASE, RELEASE, str(tiny_set), "--out", str(out)])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found == json.loads((out / "comparison.json").read_text())
    assert (found["knees"], found["bootstrap"]) == (10, "by subject")
    assert found["second_less_first"]["accuracy"] == {"value": 0, "low": 0, "high": 0}
    assert found["mcnemar"]["p_value"] == 1
    shutil.rmtree(out)
