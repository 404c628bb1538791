"""Trains a joint-space network: `python -m kneeoa.training.train_joint place|trace DATA LABELS PHANTOMS --out RUN`.

A bare ignite Engine, as for the finder. `last.pt` lets a killed run go on; the moving average at its end is taken.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from ignite.engine import Engine
from torch.nn import functional

from kneeoa.datasets.grade_folders import read_grade_folders
from kneeoa.model.joint_band import JointPlace, column_x
from kneeoa.training.averaged_run import AveragedRun, finish_run
from kneeoa.training.joint_labels import STRONG, JointLabels, load_canonical, read_labels
from kneeoa.training.joint_networks import CELL_ROWS, PlaceNetwork, TraceNetwork, expected_places
from kneeoa.training.joint_phantoms import TeachingPhantoms, read_phantoms
from kneeoa.training.joint_samples import TeachingKnee, place_sample, relevelled, touching, trace_sample
from kneeoa.training.joint_tracer import COLUMNS

BATCH = 16
PEAK_RATE = 3e-3
PHANTOM_SHARE = 0.3
_BLUR_CELLS = 0.7
"""Truth is a Gaussian of this deviation, 0.2 mm: tracings are not surer than that."""
_CELLS = 2.0
"""Pixels of the small crop in a cell of a heat map."""
logger = logging.getLogger(__name__)
Batch: TypeAlias = tuple[torch.Tensor, ...]


def teaching_knees(data: Path, labels: JointLabels) -> list[TeachingKnee]:
    """The fitting knees of labels, each with its pixels; compartments that were traced weakly teach nothing."""
    known = {knee.path.name: knee for knee in read_grade_folders(data, ("train",))}
    found = []
    for i in np.flatnonzero(~labels.held).tolist():
        strong = labels.strength[i] >= STRONG
        if not strong.any():
            continue
        pixels = np.round(load_canonical(known[str(labels.names[i])]) * 255).astype(np.uint8)
        weight = _column_weight() * np.where(column_x(COLUMNS) < 0.5, strong[0], strong[1])
        knee = TeachingKnee(pixels, labels.place(i), labels.femur[i], labels.tibia[i], weight, exact=False)
        found.append(relevelled(knee) if strong.all() else knee)
    return found


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
    """

    def __init__(self, kind: str, steps: int, seed: int = 0) -> None:
        torch.manual_seed(seed)
        network = (PlaceNetwork() if kind == "place" else TraceNetwork()).to(memory_format=torch.channels_last)
        self.loss: Callable[[torch.nn.Module, Batch], torch.Tensor] = place_loss if kind == "place" else trace_loss
        optimiser = torch.optim.AdamW(network.parameters(), lr=PEAK_RATE, weight_decay=0.01)
        super().__init__(network, optimiser, steps, warm=60)

    def step(self, _engine: Engine, batch: Batch) -> dict[str, float]:
        """One optimiser step; its loss."""
        self.network.train()
        self.optimiser.zero_grad()
        pictures = batch[0].to(memory_format=torch.channels_last)
        loss = self.loss(self.network, (pictures, *batch[1:]))
        torch.autograd.backward(loss)
        self.advance()
        return {"loss": float(loss.detach())}


def train_joint(
    kind: str, knees: Sequence[TeachingKnee], phantoms: Sequence[TeachingKnee], out: Path, steps: int
) -> Path:
    """Trains, and goes on where a killed run stopped.

    Args:
        kind: "place" or "trace".
        knees: traced knees; both compartments of those that place are clear.
        phantoms: likewise.
        out: folder of the run.
        steps: in all, each of `BATCH` knees.

    Returns:
        The file with the moving average, `<kind>.pt`.
    """
    run = JointRun(kind, steps)
    return finish_run(
        run,
        run.step,
        lambda done: _batches(kind, knees, phantoms, np.random.default_rng([done, kind == "place"])),
        out / f"{kind}.pt",
    )


def _batches(
    kind: str, knees: Sequence[TeachingKnee], phantoms: Sequence[TeachingKnee], rng: np.random.Generator
) -> Iterator[Batch]:
    made = place_batch if kind == "place" else trace_batch
    while True:
        pools = [phantoms if rng.random() < PHANTOM_SHARE else knees for _ in range(BATCH)]
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
    asked = parser.parse_args()
    knees = teaching_knees(asked.data, read_labels(asked.labels))
    if asked.kind == "place":
        knees = [knee for knee in knees if bool((knee.weight > 0).all())]
    phantoms = teaching_phantoms(read_phantoms(asked.phantoms))
    logger.info("%d knees, %d phantoms", len(knees), len(phantoms))
    logger.info("%s", train_joint(asked.kind, knees, phantoms, asked.out, asked.steps))


if __name__ == "__main__":
    main()
