"""Every training knee is judged once, by a network that never saw its person."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from kneeoa.configs.schema import load_config
from kneeoa.datasets.splits import fold_of, is_held
from kneeoa.model.errors import ConfigError, DatasetError
from kneeoa.training.checkpoint import load_best
from kneeoa.training.cross_validate import cross_validate
from kneeoa.training.loaders import fit_and_held, read_fold, read_knees


def test_folds_share_out_the_subjects_and_are_independent_of_held() -> None:
    names = [f"s{i}" for i in range(5000)]
    counts = np.bincount([fold_of(name, 5) for name in names])
    assert len(counts) == 5
    assert counts.min() > 900
    held = np.bincount([fold_of(name, 5) for name in names if is_held(name)])
    assert held.min() > 60
    with pytest.raises(DatasetError, match="no subject"):
        fold_of("", 5)


def test_no_subject_stands_in_two_parts_of_a_fold_and_every_knee_judges_once(tiny_config: Path) -> None:
    every = {knee.path for knee in read_knees(load_config(tiny_config).data)}
    judged: list[Path] = []
    for fold in range(2):
        data = load_config(tiny_config, ["data.folds=2", f"data.fold={fold}"]).data
        parts = [{knee.subject for knee in part} for part in (*fit_and_held(data), read_fold(data))]
        assert not parts[0] & parts[1]
        assert not (parts[0] | parts[1]) & parts[2]
        judged += [knee.path for knee in read_fold(data)]
    assert sorted(judged) == sorted(every)


def test_training_by_folds_judges_every_knee_and_goes_on_after_a_stop(tiny_config: Path, tmp_path: Path) -> None:
    config = load_config(tiny_config, ["data.folds=2", f"out={tmp_path}", "epochs=1"])
    found = cross_validate(config)
    record = json.loads((tmp_path / "cross-validation.json").read_text())
    assert record == found.to_json()
    assert record["knees"] == 24 == sum(fold["knees"] for fold in record["by_fold"])
    assert set(record["pooled"]["accuracy"]) == {"value", "low", "high"}
    with (tmp_path / "out-of-fold.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {(row["subject"], row["fold"]) for row in rows} == {
        (row["subject"], str(fold_of(row["subject"], 2))) for row in rows
    }
    likeliest = [int(np.argmax([float(row[f"p{kl}"]) for kl in range(5)])) for row in rows]
    right = np.mean([kl == int(row["truth"]) for kl, row in zip(likeliest, rows, strict=True)])
    assert record["pooled"]["accuracy"]["value"] == pytest.approx(right)
    weights = [load_best(tmp_path / f"fold-{i}").weights for i in range(2)]
    assert any(not torch.equal(a, b) for a, b in zip(*(w.values() for w in weights), strict=True))
    assert load_best(tmp_path / "fold-1").config.data.fold == 1
    (tmp_path / "cross-validation.json").unlink()
    (tmp_path / "fold-1" / "last.pt").unlink()
    assert cross_validate(config).to_json() == record, "a finished fold is not trained again, a lost one is"


@pytest.mark.parametrize("overrides", [["data.folds=1"], ["data.folds=3", "data.fold=3"], ["data.fold=0"]])
def test_folds_that_cannot_be_are_refused(tiny_config: Path, overrides: list[str]) -> None:
    with pytest.raises(ConfigError, match=r"data\.folds is 0 or at least 2"):
        load_config(tiny_config, overrides)


def test_an_empty_fold_is_refused_before_the_first_is_trained(tiny_config: Path, tmp_path: Path) -> None:
    subjects = {knee.subject for knee in read_knees(load_config(tiny_config).data)}
    there = {folds: {fold_of(subject, folds) for subject in subjects} for folds in range(2, 50)}
    folds = next(n for n, numbers in there.items() if 0 in numbers and len(numbers) < n)
    with pytest.raises(DatasetError, match="too few subjects"):
        cross_validate(load_config(tiny_config, [f"data.folds={folds}", f"out={tmp_path}"]))
    assert not list(tmp_path.iterdir())
