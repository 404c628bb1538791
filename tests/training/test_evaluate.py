"""A judgement on disk: what it holds, what it survives, and that its report stands alone."""

from __future__ import annotations

import csv
import json
import math
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from kneeoa.datasets.grade_folders import KneeImage
from kneeoa.model.errors import DatasetError
from kneeoa.model.radiograph import Side
from kneeoa.model.release import load_release
from kneeoa.training.evaluate import evaluate
from kneeoa.training.evaluate_data import bootstrap_units, read_judged, training_overlap
from kneeoa.training.evaluate_judgement import worst_errors
from kneeoa.training.evaluate_predictions import Predictions

RELEASE = "kneeoa-6"
ODD_NAME = "a <b> & 'c'.png"
PICTURES = ("confusion", "roc", "reliability", "reliability-oa", "risk-coverage", "worst-errors")


def strict(text: str) -> dict[str, object]:
    """JSON as the standard has it: no NaN, no Infinity."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    loaded: dict[str, object] = json.loads(text, parse_constant=refuse)
    return loaded


@pytest.fixture(scope="module")
def table(tiny_set: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine readable knees in a table, and one that is no picture and has an odd name."""
    folder = tmp_path_factory.mktemp("set")
    lines = ["image,subject,side,kl,split"]
    for i, path in enumerate(sorted((tiny_set / "val").rglob("*.png"))):
        name = ODD_NAME if i == 9 else path.name
        content = b"\x89PNG\r\n\x1a\nno picture" if i == 9 else path.read_bytes()
        (folder / name).write_bytes(content)
        lines.append(f"{name},{path.stem[:-1]},{path.stem[-1]},{path.parent.name},test")
    (folder / "knees.csv").write_text("\n".join(lines))
    return folder / "knees.csv"


@pytest.fixture(scope="module")
def typed(table: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Path]:
    """`kneeoa evaluate` on the table, as a user types it."""
    out = tmp_path_factory.mktemp("judged") / "new"
    command = [sys.executable, "-m", "kneeoa", "evaluate", RELEASE, str(table), "--split", "test", "--out", str(out)]
    return subprocess.run(command, capture_output=True, text=True, timeout=500, check=False), out


def test_an_unreadable_picture_is_named_and_the_others_are_judged(
    typed: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    done, out = typed
    assert done.returncode == 1, done.stderr
    assert done.stderr == ""
    found = strict((out / "metrics.json").read_text())
    assert strict(done.stdout) == found
    assert found["knees"] == 9
    assert found["unreadable"] == [{"image": ODD_NAME, "code": "truncated"}]


def test_metrics_say_what_was_judged_and_by_what(typed: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    found = json.loads((typed[1] / "metrics.json").read_text())
    release = load_release(RELEASE)
    assert found["release"]["name"] == RELEASE
    assert found["release"]["sha256"] == release.sha256
    assert found["decision"]["rule"] == release.manifest.decision.rule.value
    assert found["data"] == {"name": "knees.csv", "layout": "table", "split": "test", "note": ""}
    assert (found["subjects"], found["knees_without_subject"], found["draws"]) == (5, 0, 1000)
    assert found["bootstrap"] == "by subject"
    assert sum(found["grades"].values()) == 9
    assert found["training_overlap"]["verdict"] == "unknown"
    assert found["gate"]["accepted"] + found["gate"]["refused"] == 9
    for parts in found["subgroups"].values():
        assert sum(part["knees"] for part in parts.values()) == 9


def test_predictions_hold_every_judged_knee(typed: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    with (typed[1] / "predictions.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [
        *("image", "subject", "side", "truth", "p0", "p1", "p2", "p3", "p4"),
        *("grade", "confidence", "gate"),
    ]
    assert len(rows) == 9
    for row in rows:
        assert sum(float(row[f"p{kl}"]) for kl in range(5)) == pytest.approx(1, abs=1e-5)
        assert row["confidence"] == row[f"p{row['grade']}"]
        assert row["gate"] in {"accepted", "refused"}


def test_every_picture_is_written(typed: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    for name in PICTURES:
        assert (typed[1] / f"{name}.png").stat().st_size > 5000, name


class Page(HTMLParser):
    """Collects what a page would fetch, its scripts, and whether its tags close."""

    VOID = frozenset({"meta", "link", "img", "source", "br", "line", "circle", "rect"})

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.tags: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.fetched += [value or "" for name, value in attrs if name in {"src", "srcset", "href", "data", "action"}]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag


def test_the_report_stands_alone(typed: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    text = (typed[1] / "report.html").read_text(encoding="utf-8")
    page = Page()
    page.feed(text)
    assert not page.open
    assert not {"script", "link", "iframe", "object"} & set(page.tags)
    assert page.fetched
    assert all(address.startswith("data:image/") for address in page.fetched)
    assert page.tags.count("picture") == len(PICTURES) - 1
    assert not re.search(r"url\(|@import|https?://", re.sub(r'"data:[^"]*"', "", text))


def test_the_report_says_what_a_reader_must_know(typed: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    text = (typed[1] / "report.html").read_text(encoding="utf-8")
    for phrase in (
        "not a cleared medical device",
        load_release(RELEASE).sha256,
        "1,000 draws by subject",
        "balanced accuracy",
        "cannot be told from here",
        "could not be read",
        "would have graded",
        "a &lt;b&gt; &amp; &#x27;c&#x27;.png</code>: truncated",
    ):
        assert phrase in text, phrase
    assert "a <b>" not in text
    assert str(typed[1]) not in text


def test_judging_twice_writes_the_same_bytes(table: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        evaluate(RELEASE, table, tmp_path / name, "test")
    for path in sorted((tmp_path / "a").iterdir()):
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes(), path.name


def test_one_grade_only_is_judged_in_strict_json(tiny_set: Path, tmp_path: Path) -> None:
    picture = next(iter(sorted((tiny_set / "val" / "2").iterdir())))
    (tmp_path / "knees.csv").write_text(f"image,subject,side,kl\n{picture},s1,{picture.stem[-1]},2\n")
    evaluate(RELEASE, tmp_path / "knees.csv", tmp_path / "out")
    found = strict((tmp_path / "out" / "metrics.json").read_text())
    assert found["auc_oa"] == {"value": None, "low": None, "high": None}
    accuracy = found["accuracy"]
    assert isinstance(accuracy, dict)
    assert accuracy["value"] in {0, 1}
    assert (accuracy["low"], accuracy["high"]) == (None, None)
    assert "\N{EM DASH}" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_a_set_without_one_readable_picture_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"nothing")
    (tmp_path / "knees.csv").write_text("image,subject,side,kl\na.png,s,R,1\n")
    with pytest.raises(DatasetError, match=r"None of the 1 pictures can be read: a\.png \(\w+\)"):
        evaluate(RELEASE, tmp_path / "knees.csv", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_empty_split_is_refused(tiny_set: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="holds no split test"):
        read_judged(tiny_set, "test")
    for grade in range(5):
        (tmp_path / "val" / str(grade)).mkdir(parents=True)
    with pytest.raises(DatasetError, match="holds no pictures"):
        read_judged(tmp_path, "val")


def test_a_table_of_one_part_is_judged_whole_and_says_so(table: Path) -> None:
    judged = read_judged(table, "val")
    assert (judged.split, len(judged.knees)) == ("test", 10)
    assert "no row in the split 'val'" in judged.note


def test_a_table_of_several_parts_without_the_wanted_one_is_refused(table: Path) -> None:
    mixed = table.with_name("mixed.csv")
    mixed.write_text(table.read_text().replace(",test", ",train", 1))
    with pytest.raises(DatasetError, match=r"no row in the split 'val' \(found: test, train\)"):
        read_judged(mixed, "val")


def published(root: Path, train: tuple[str, ...], val: tuple[str, ...]) -> Path:
    """Empty pictures in a folder that has the name of the release's training set."""
    for split, subjects in (("train", train), ("val", val)):
        (root / "knee-kl299" / split / "0").mkdir(parents=True)
        for subject in subjects:
            (root / "knee-kl299" / split / "0" / f"{subject}L.png").touch()
    return root / "knee-kl299"


@pytest.mark.parametrize(
    ("train", "split", "verdict", "shared"),
    [
        (("1", "2"), "val", "none", 0),
        (("1", "8"), "val", "yes", 1),
        ((), "val", "unknown", None),
        (("1", "2"), "train", "yes", 2),
    ],
)
def test_knees_that_the_release_learnt_from_are_noticed(
    tmp_path: Path, train: tuple[str, ...], split: str, verdict: str, shared: int | None
) -> None:
    root = published(tmp_path, train, ("8", "9"))
    overlap = training_overlap(load_release(RELEASE).manifest, root, read_judged(root, split))
    assert (overlap.verdict, overlap.shared_subjects) == (verdict, shared)
    assert "Chen P." in overlap.explanation


@pytest.mark.parametrize(
    ("subjects", "drawn", "without"),
    [(None, "by image", 9), (["s", ""] * 5, "by subject, by image where there is none", 4)],
)
def test_a_set_that_tells_no_subjects_is_judged_and_says_so(
    table: Path, tmp_path: Path, subjects: list[str] | None, drawn: str, without: int
) -> None:
    rows = [line.split(",") for line in table.read_text().splitlines()[1:]]
    names = ["image", "side", "kl", "split"] + (["subject"] if subjects else [])
    lines = [",".join([row[0], *row[2:], *([subjects[i]] if subjects else [])]) for i, row in enumerate(rows)]
    external = table.with_name("external.csv")
    external.write_text("\n".join([",".join(names), *lines]))
    found = evaluate(RELEASE, external, tmp_path, "test")
    assert (found["bootstrap"], found["knees_without_subject"]) == (drawn, without)
    assert found["subjects"] == (1 if subjects else 0)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert f"{without} of 9 knees tell no subject: intervals are {drawn}" in text


def a_knee(subject: str = "", kl: int = 0) -> KneeImage:
    return KneeImage(Path(f"{subject}R.png"), subject, Side.RIGHT, kl, "val")


def test_what_is_drawn_is_said() -> None:
    assert bootstrap_units([a_knee("a"), a_knee("b")]) == "by subject"
    assert bootstrap_units([a_knee(), a_knee()]) == "by image"
    assert bootstrap_units([a_knee("a"), a_knee()]) == "by subject, by image where there is none"


def test_the_worst_error_is_the_farthest_and_among_equals_the_surest() -> None:
    grades = np.array([0, 2, 4, 1, 1])
    rows = np.full((5, 5), 0.2)
    rows[3] = [0.1, 0.6, 0.1, 0.1, 0.1]
    knees = tuple(a_knee(str(i), kl) for i, kl in enumerate((0, 0, 1, 2, 2)))
    accepted = np.ones(5, dtype=bool)
    found = Predictions(knees, rows, grades, accepted)
    assert worst_errors(found, 10) == [2, 1, 3, 4]
    assert worst_errors(found, 2) == [2, 1]
    assert worst_errors(replace(found, grades=found.truth), 10) == []
    assert math.isclose(found.correct.mean(), 0.2)
