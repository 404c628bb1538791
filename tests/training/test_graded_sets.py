"""A cohort is learnt from and judged on like any other set, by the shares of its readers where that is wanted."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.datasets.cohort_files import films, oai_readings
from typer.testing import CliRunner

from kneeoa.cli import app
from kneeoa.configs.schema import load_config, load_data_config
from kneeoa.datasets.splits import is_held
from kneeoa.model.errors import ConfigError
from kneeoa.training.evaluate_data import read_judged
from kneeoa.training.graded_sets import read_set
from kneeoa.training.loaders import fit_and_held, train_loader
from kneeoa.training.losses import SoftOrdinalLoss
from kneeoa.training.release import recorded_settings

HELD = next(str(i) for i in range(9000000, 9001000) if is_held(str(i)))
FIT = next(str(i) for i in range(9000000, 9001000) if not is_held(str(i)))


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    """A configuration of four OAI pictures: a learnt, a held and a judged subject; one knee has two readers."""
    rows = [f"{subject}|1|15|.|{kl}|.|.|.|.|.|.|.|0.8" for subject, kl in ((FIT, 1), (HELD, 2), ("77", 3))]
    readings = oai_readings(tmp_path, *rows, f"{FIT}|1|37|.|3|.|.|.|.|.|.|.|0.8", f"{FIT}|2|15|.|0|.|.|.|.|.|.|.|0.8")
    table = films(
        tmp_path,
        f"a.png,{FIT},0,R,train",
        f"b.png,{FIT},0,L,train",
        f"c.png,{HELD},0,R,train",
        "d.png,77,0,R,val",
        "unread.png,78,0,R,val",
        headings="image,subject,visit,side,split",
    )
    path = tmp_path / "oai.yaml"
    path.write_text(
        f"data: {{format: oai, root: {table}, readings: [{readings}], workers: 0}}\n"
        "batch_size: 2\nloss: {target: readers}\n"
    )
    return path


def test_a_cohort_is_cut_into_fit_and_held_and_judged_by_its_splits(cohort: Path) -> None:
    fit, held = fit_and_held(load_config(cohort).data)
    assert {knee.subject for knee in fit} == {FIT}
    assert {knee.subject for knee in held} == {HELD}
    judged = read_judged(cohort, "val")
    assert [(knee.subject, knee.kl) for knee in judged.knees] == [("77", 3)]
    assert (judged.layout, judged.name) == ("oai", "films.csv")
    assert "1 have none and are left out" in judged.note


def test_the_shares_of_the_readers_are_what_is_learnt_where_wanted(cohort: Path) -> None:
    config = load_config(cohort)
    fit, _ = fit_and_held(config.data)
    labels = next(iter(train_loader(fit, config)[0]))["label"]
    assert labels.shape == (2, 5)
    assert sorted(labels.tolist()) == [[0, 0.5, 0, 0.5, 0], [1, 0, 0, 0, 0]]
    plain = load_config(cohort, ["loss.target=grade"])
    assert sorted(next(iter(train_loader(fit, plain)[0]))["label"].tolist()) == [0, 1]


def test_readers_who_agree_give_the_loss_of_their_grade_and_readers_who_differ_pull_apart() -> None:
    loss = SoftOrdinalLoss(0.15, 0.1)
    logits = torch.tensor(np.random.default_rng(3).normal(size=(5, 5)), dtype=torch.float32)
    torch.testing.assert_close(loss(logits, torch.eye(5)), loss(logits, torch.arange(5)))
    split = torch.tensor([[0, 0.5, 0, 0.5, 0]])
    between, one = torch.tensor([[0.0, 4, 0, 4, 0]]), torch.tensor([[0.0, 8, 0, 0, 0]])
    assert loss(between, split) < loss(one, split)


def test_a_release_records_the_names_of_a_cohorts_files_and_no_path_of_a_machine(cohort: Path, tmp_path: Path) -> None:
    text = json.dumps(recorded_settings(load_config(cohort, [f"out={tmp_path}/run"])))
    assert "kxr_sq_bu00.txt" in text
    assert str(tmp_path) not in text


def test_checking_a_cohort_says_what_was_left_out(cohort: Path) -> None:
    done = CliRunner().invoke(app, ["datasets", "check", str(cohort), "--json"])
    assert "1 have none and are left out" in done.stderr
    assert json.loads(done.stdout)["splits"]["val"]["knees"] == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("format: oai\nroot: films.csv", r"needs data\.readings"),
        ("root: x\nreadings: [kxr_sq_bu00.txt]", r"are for data\.format=oai or most"),
        ("format: aoi\nroot: x", "format"),
        ("data: [", "cannot be read as YAML"),
        ("- x", "must hold a mapping"),
    ],
)
def test_a_mistake_in_a_data_file_is_named(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "data.yaml"
    path.write_text(content)
    with pytest.raises(ConfigError, match=message):
        read_set(path)


def test_a_data_section_may_stand_alone(tmp_path: Path) -> None:
    path = tmp_path / "data.yaml"
    path.write_text("format: table\nroot: knees.csv")
    assert load_data_config(path).root == Path("knees.csv")
