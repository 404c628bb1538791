"""The leak drill: what is planted between splits is caught, and nothing is learnt from the set until it is mended."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.datasets.test_checks import put, scene
from typer.testing import CliRunner

from kneeoa.cli import app
from kneeoa.configs.schema import DataConfig, TrainConfig, load_config
from kneeoa.datasets.checks import FindingKind
from kneeoa.datasets.splits import is_held
from kneeoa.model.errors import ConfigError
from kneeoa.training.data_gate import RECORD, LeakError, gate_data
from kneeoa.training.train import train

FIT = next(name for name in (f"s{i}" for i in range(99)) if not is_held(name))
HELD = next(name for name in (f"s{i}" for i in range(99)) if is_held(name))
Plant = Callable[[Path], None]


@pytest.fixture
def clean(tmp_path: Path) -> Path:
    """A subject to learn from, one that is held, and one that judges."""
    for i, name in enumerate((f"train/1/{FIT}L", f"train/2/{FIT}R", f"train/0/{HELD}L", "val/3/cL", "val/4/cR")):
        put(tmp_path / "set", f"{name}.png", scene(i))
    return tmp_path / "set"


def same_subject(root: Path) -> None:
    put(root, f"val/0/{FIT}L.png", scene(40))


def same_picture(root: Path) -> None:
    (root / "val/3/cL.png").unlink()
    put(root, "val/1/other_L.png", scene(0), deep=True)


def near_duplicate(root: Path) -> None:
    with Image.open(root / f"train/1/{FIT}L.png") as picture:
        picture.resize((80, 80)).save(root / "val/3/dL.jpg", quality=60)


def flipped_copy(root: Path) -> None:
    put(root, "val/3/dR.png", np.ascontiguousarray(scene(0)[:, ::-1]))


def copy_among_held(root: Path) -> None:
    put(root, f"train/0/{HELD}R.png", scene(0) * np.float32(0.8))


DRILL = [
    (same_subject, FindingKind.LEAK),
    (same_picture, FindingKind.EXACT_DUPLICATE),
    (near_duplicate, FindingKind.NEAR_DUPLICATE),
    (flipped_copy, FindingKind.NEAR_DUPLICATE),
]


def config(root: Path, out: Path, **data: object) -> TrainConfig:
    return TrainConfig.model_validate({"data": {"root": root, **data}, "out": out})


@pytest.mark.parametrize(("plant", "kind"), [*DRILL, (copy_among_held, FindingKind.NEAR_DUPLICATE)])
def test_a_planted_leak_blocks_training(plant: Plant, kind: FindingKind, clean: Path, tmp_path: Path) -> None:
    plant(clean)
    with pytest.raises(LeakError, match=rf"data\.accept=\[.*{kind}") as caught:
        train(config(clean, tmp_path / "run"))
    assert kind in {finding.kind for finding in caught.value.findings}
    assert not (tmp_path / "run" / "last.pt").exists()
    record = json.loads((tmp_path / "run" / RECORD).read_text())
    assert record["ok"] is False
    assert kind in {finding["kind"] for finding in record["findings"]}


@pytest.mark.parametrize(("plant", "kind"), DRILL)
def test_a_planted_leak_is_caught_by_datasets_check(plant: Plant, kind: FindingKind, clean: Path) -> None:
    assert CliRunner().invoke(app, ["datasets", "check", str(clean)]).exit_code == 0
    plant(clean)
    done = CliRunner().invoke(app, ["datasets", "check", str(clean), "--json"])
    assert done.exit_code == 1
    found = json.loads(done.stdout)["findings"]
    assert kind in {finding["kind"] for finding in found if finding["severity"] == "error"}


def test_a_clean_set_passes_and_its_digest_tells_it_from_another(clean: Path, tmp_path: Path) -> None:
    first = gate_data(DataConfig(root=clean), tmp_path / "a")
    moved = shutil.copytree(clean, tmp_path / "moved")
    assert gate_data(DataConfig(root=moved), tmp_path / "b").digest == first.digest
    put(moved, "val/0/zL.png", scene(50))
    assert gate_data(DataConfig(root=moved), tmp_path / "c").digest != first.digest
    assert set(first.report.knees) == {"fit", "held", "val"}


def test_what_is_known_and_meant_is_accepted_with_a_reason_that_is_recorded(clean: Path, tmp_path: Path) -> None:
    flipped_copy(clean)
    accepted = config(clean, tmp_path / "run", accept=["near_duplicate"], accept_reason="drawn twice on purpose")
    assert len(gate_data(accepted.data, accepted.out).accepted) == 1
    record = json.loads((accepted.out / RECORD).read_text())
    assert (record["accepted"], record["accept_reason"]) == (["near_duplicate"], "drawn twice on purpose")
    assert "drawn twice on purpose" in accepted.model_dump_json(), "checkpoints and releases hold the configuration"
    same_subject(clean)
    with pytest.raises(LeakError, match="leak"):
        gate_data(accepted.data, accepted.out)


def test_nothing_is_accepted_without_a_reason(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("data: {root: set, accept: [leak]}")
    with pytest.raises(ConfigError, match=r"needs data\.accept_reason"):
        load_config(path)
