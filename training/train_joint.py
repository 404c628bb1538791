"""Trains a joint-space network: `python -m kneeoa.training.train_joint place|trace DATA LABELS PHANTOMS --out RUN`.

With `--outlines FOLDER` the drawn curves stand in the place of the traced ones, and their knees come more often; with
`--from FILE` the run begins with the weights of a run or of a release.

A bare ignite Engine, as for the finder. `last.pt` lets a killed run go on; the moving average at its end is taken.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from ignite.engine import Engine
from torch.nn import functional

from kneeoa.datasets.grade_folders import read_grade_folders
from kneeoa.model.joint_band import Floats, JointPlace, column_x
from kneeoa.training.averaged_run import AveragedRun, finish_run
from kneeoa.training.joint_corrections import Correction, corrected, corrections
from kneeoa.training.joint_labels import STRONG, JointLabels, load_canonical, read_labels
from kneeoa.training.joint_networks import CELL_ROWS, PlaceNetwork, TraceNetwork, expected_places
from kneeoa.training.joint_outlines import read_outlines
from kneeoa.training.joint_phantoms import TeachingPhantoms, read_phantoms
from kneeoa.training.joint_samples import LANDMARK_X, TeachingKnee, place_sample, relevelled, touching, trace_sample
from kneeoa.training.joint_tracer import COLUMNS
from kneeoa.training.released_weights import begin_with

BATCH = 16
PEAK_RATE = 3e-3
FURTHER_RATE = 6e-4
"""Highest rate of a run that begins with trained weights."""
PHANTOM_SHARE = 0.3
DRAWN_SHARE = 0.3
"""Of a batch that knees with an outline have, where there are any."""
_BLUR_CELLS = 0.7
"""Truth is a Gaussian of this deviation, 0.2 mm: tracings are not surer than that."""
_CELLS = 2.0
"""Pixels of the small crop in a cell of a heat map."""
logger = logging.getLogger(__name__)
Batch: TypeAlias = tuple[torch.Tensor, ...]


def teaching_knees(
    data: Path, labels: JointLabels, drawn: Mapping[int, Correction] | None = None
) -> tuple[list[TeachingKnee], list[TeachingKnee]]:
    """The fitting knees of labels, each with its pixels: traced ones, and those with an outline.

    Compartments that were traced weakly teach nothing, nor do those of an outlined knee that nobody drew.
    """
    outlines = drawn or {}
    curves = corrected(labels, outlines)
    known = {knee.path.name: knee for knee in read_grade_folders(data, ("train",))}
    traced: list[TeachingKnee] = []
    outlined: list[TeachingKnee] = []
    for i in np.flatnonzero(~labels.held).tolist():
        strong = labels.strength[i] >= STRONG
        weight = _column_weight() * np.where(column_x(COLUMNS) < 0.5, strong[0], strong[1])
        if i in outlines:
            weight = _column_weight() * outlines[i].drawn
        if not weight.any():
            continue
        pixels = np.round(load_canonical(known[str(labels.names[i])]) * 255).astype(np.uint8)
        knee = TeachingKnee(pixels, labels.place(i), curves.femur[i], curves.tibia[i], weight, exact=False)
        (outlined if i in outlines else traced).append(relevelled(knee) if _both_known(weight) else knee)
    return traced, outlined


def _both_known(weight: Floats) -> bool:
    """Whether the floor is known on both halves of the plateau, where its level is told."""
    x = column_x(COLUMNS)
    return all(bool((weight[np.abs(x - at) < 0.05] > 0).all()) for at in LANDMARK_X[2:])


def teaching_phantoms(phantoms: TeachingPhantoms) -> list[TeachingKnee]:
    """Phantoms as knees that teach."""
    places = [JointPlace(*(float(value) for value in place)) for place in phantoms.places]
    return [
        TeachingKnee(phantoms.pixels[i], place, phantoms.femur[i], phantoms.tibia[i], _column_weight(), exact=True)
        for i, place in enumerate(places)
    ]


def _column_weight() -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    x = column_x(COLUMNS)
    return np.where(((x > 0.06) & (x < 0.42)) | ((x > 0.58) & (x < 0.96)), 1.0, 0.15)


def place_batch(knees: Sequence[TeachingKnee], rng: np.random.Generator) -> Batch:
    """Small crops (knees, 1, 96, 96) and landmarks (knees, 4, 2) in cells."""
    samples = [place_sample(knee, rng) for knee in knees]
    crops = torch.from_numpy(np.stack([crop for crop, _ in samples])[:, None])
    cells = (np.stack([marks for _, marks in samples]) + 0.5) / _CELLS - 0.5
    return crops, torch.from_numpy(cells).float()


def trace_batch(knees: Sequence[TeachingKnee], rng: np.random.Generator) -> Batch:
    """Bands, curves (knees, 2, columns), weights, contact (knees, columns), and where it is known."""
    samples = [trace_sample(knee, rng) for knee in knees]
    curves = torch.from_numpy(np.stack([(s.femur, s.tibia) for s in samples])).float()
    others = [
        torch.from_numpy(np.stack(rows)).float()
        for rows in (
            [s.weight for s in samples],
            [touching(s) for s in samples],
            [s.contact_weight * (s.weight > 0) for s in samples],
        )
    ]
    return (torch.from_numpy(np.stack([s.band for s in samples])[:, None]), curves, *others)


def place_loss(network: torch.nn.Module, batch: Batch) -> torch.Tensor:
    """Cross entropy with a Gaussian round each landmark, and the distance of the mean place."""
    crops, cells = batch
    heat = network(crops)
    rows = torch.arange(heat.shape[2])
    inside = ((cells > -0.5) & (cells < heat.shape[2] - 0.5)).all(2).float()
    down = torch.exp(-0.5 * ((rows - cells[..., :1]) / 1.2) ** 2)
    across = torch.exp(-0.5 * ((rows - cells[..., 1:]) / 1.2) ** 2)
    goal = (down[..., :, None] * across[..., None, :]).flatten(2)
    goal = goal / goal.sum(2, keepdim=True).clamp(min=1e-6)
    entropy = -(goal * functional.log_softmax(heat.flatten(2), dim=2)).sum(2)
    distance = (expected_places(heat) - cells).abs().sum(2)
    total: torch.Tensor = ((entropy + 0.5 * distance) * inside).sum()
    mean: torch.Tensor = total / inside.sum().clamp(min=1)
    return mean


def trace_loss(network: torch.nn.Module, batch: Batch) -> torch.Tensor:
    """Cross entropy over rows of each column with a Gaussian round the edge, the mean row's error, and contact."""
    bands, curves, weight, contact, known = batch
    rows, touch = network(bands)
    at = torch.arange(rows.shape[2])[None, None, :, None]
    cells = (curves + 0.5) / CELL_ROWS - 0.5
    goal = torch.exp(-0.5 * ((at - cells[:, :, None]) / _BLUR_CELLS) ** 2)
    goal = goal / goal.sum(2, keepdim=True).clamp(min=1e-6)
    logarithm = functional.log_softmax(rows, dim=2)
    entropy = -(goal * logarithm).sum(2)
    error = ((logarithm.exp() * at).sum(2) - cells).abs().clamp(max=6)
    edges = ((entropy + 0.2 * error) * weight[:, None]).sum() / weight.sum().clamp(min=1)
    contacts = functional.binary_cross_entropy_with_logits(touch, contact, reduction="none")
    return edges + (contacts * known).sum() / known.sum().clamp(min=1)


class JointRun(AveragedRun):
    """A network, its moving average, its optimiser and what was done so far.

    Args:
        kind: "place" or "trace".
        steps: in all.
        seed: of the initial weights.
        begin: weights to begin with instead, see `released_weights.begin_with`.
    """

    def __init__(self, kind: str, steps: int, seed: int = 0, begin: Path | None = None) -> None:
        torch.manual_seed(seed)
        network = PlaceNetwork() if kind == "place" else TraceNetwork()
        self.still = begin is not None and (begin_with(network, begin) or _multiplied_in(network))
        network.to(memory_format=torch.channels_last)
        self.loss: Callable[[torch.nn.Module, Batch], torch.Tensor] = place_loss if kind == "place" else trace_loss
        rate = PEAK_RATE if begin is None else FURTHER_RATE
        optimiser = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=0.01)
        super().__init__(network, optimiser, steps, warm=60)

    def step(self, _engine: Engine, batch: Batch) -> dict[str, float]:
        """One optimiser step; its loss."""
        self.network.train()
        if self.still:
            self.hold_statistics()
        self.optimiser.zero_grad()
        pictures = batch[0].to(memory_format=torch.channels_last)
        loss = self.loss(self.network, (pictures, *batch[1:]))
        torch.autograd.backward(loss)
        self.advance()
        return {"loss": float(loss.detach())}


def _multiplied_in(network: torch.nn.Module) -> bool:
    """Whether a run that began with a release's weights left these: its normalisations have no mean of their own."""
    means = [module.running_mean for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    return all(mean is not None and not bool(mean.any()) for mean in means)


@dataclass(frozen=True, slots=True)
class Teachers:
    """What a batch is drawn from.

    Attributes:
        knees: traced ones; of those that place both compartments are clear.
        phantoms: likewise.
        outlined: knees that somebody drew on; may be empty.
    """

    knees: Sequence[TeachingKnee]
    phantoms: Sequence[TeachingKnee]
    outlined: Sequence[TeachingKnee] = ()


def train_joint(kind: str, teachers: Teachers, out: Path, steps: int, begin: Path | None = None) -> Path:
    """Trains, and goes on where a killed run stopped.

    Args:
        kind: "place" or "trace".
        teachers: what it learns from.
        out: folder of the run.
        steps: in all, each of `BATCH` knees.
        begin: weights to begin with; None for random ones.

    Returns:
        The file with the moving average, `<kind>.pt`.
    """
    run = JointRun(kind, steps, begin=begin)
    return finish_run(
        run,
        run.step,
        lambda done: _batches(kind, teachers, np.random.default_rng([done, kind == "place"])),
        out / f"{kind}.pt",
    )


def _batches(kind: str, teachers: Teachers, rng: np.random.Generator) -> Iterator[Batch]:
    made = place_batch if kind == "place" else trace_batch
    drawn = DRAWN_SHARE if teachers.outlined else 0.0
    shares = (PHANTOM_SHARE, drawn, 1 - PHANTOM_SHARE - drawn)
    sources = (teachers.phantoms, teachers.outlined, teachers.knees)
    while True:
        pools = [sources[i] for i in rng.choice(len(sources), BATCH, p=shares)]
        yield made([pool[int(rng.integers(len(pool)))] for pool in pools], rng)


def main() -> None:
    """Trains from the command line."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=("place", "trace"))
    parser.add_argument("data", type=Path)
    parser.add_argument("labels", type=Path, help="from `python -m kneeoa.training.joint_labels`")
    parser.add_argument("phantoms", type=Path, help="from `python -m kneeoa.training.joint_phantoms`")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--outlines", type=Path, help="folder of outlines, such as datasets/outlines; tracing only")
    parser.add_argument("--from", dest="begin", type=Path, help="place.pt or trace.pt of a run, or the .onnx of a part")
    asked = parser.parse_args()
    if asked.kind == "place" and asked.outlines is not None:
        parser.error("outlines tell edges, not places: give --outlines with trace")
    labels = read_labels(asked.labels)
    drawn = corrections(labels, read_outlines(asked.outlines)) if asked.outlines is not None else {}
    knees, outlined = teaching_knees(asked.data, labels, drawn)
    if asked.kind == "place":
        knees = [knee for knee in knees if bool((knee.weight > 0).all())]
    teachers = Teachers(knees, teaching_phantoms(read_phantoms(asked.phantoms)), outlined)
    logger.info("%d knees, %d phantoms, %d outlined", len(knees), len(teachers.phantoms), len(outlined))
    logger.info("%s", train_joint(asked.kind, teachers, asked.out, asked.steps, asked.begin))


if __name__ == "__main__":
    main()
