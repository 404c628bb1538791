"""Trains the metal network: `python -m kneeoa.training.train_metal PATCHES --out RUN [--begin metal.onnx]`.

`last.pt` lets a killed run go on; the moving average at the end of the cosine is the network, `metal.pt`.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from ignite.engine import Engine
from torch.nn import functional
from torch.utils.data import DataLoader

from kneeoa.datasets.film_patch import KneePatch
from kneeoa.training.averaged_run import AveragedRun, finish_run
from kneeoa.training.fast_arithmetic import fast_autocast
from kneeoa.training.metal_network import MetalNetwork
from kneeoa.training.metal_samples import MetalSample, MetalSamples
from kneeoa.training.patches import read_patches
from kneeoa.training.released_weights import begin_with

BATCH = 16
PEAK_RATE, FURTHER_RATE = 1.5e-3, 5e-4
_CELLS_WEIGHT = 2.0
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class MetalBatch:
    """Samples as tensors; see `MetalSample`."""

    views: torch.Tensor
    cells: torch.Tensor
    metal: torch.Tensor
    along: torch.Tensor


def collate(samples: Sequence[MetalSample]) -> MetalBatch:
    """Samples as a batch."""
    return MetalBatch(
        views=torch.from_numpy(np.stack([sample.view for sample in samples])[:, None]),
        cells=torch.from_numpy(np.stack([sample.cells for sample in samples])),
        metal=torch.tensor([float(sample.metal) for sample in samples]),
        along=torch.tensor([sample.along for sample in samples]),
    )


def metal_loss(network: MetalNetwork, batch: MetalBatch) -> dict[str, torch.Tensor]:
    """Parts of the loss: whether there is metal, and where, as far as that is known."""
    with fast_autocast():
        outputs = network(batch.views.to(memory_format=torch.channels_last))
    truth = batch.metal * 0.98 + 0.01
    score = torch.where(batch.along, outputs.middle, outputs.score).float()
    found = {"score": functional.binary_cross_entropy_with_logits(score, truth)}
    asked = batch.cells >= 0
    if asked.any():
        each = functional.binary_cross_entropy_with_logits(outputs.heat.float()[asked], batch.cells[asked])
        found["cells"] = _CELLS_WEIGHT * each
    return found


class MetalRun(AveragedRun):
    """The network, its moving average, its optimiser and what was done so far.

    Args:
        steps: in all.
        seed: of initial weights beyond ImageNet's.
        begin: a `metal.pt` or `metal.onnx` to begin with; ImageNet's weights where None.
    """

    def __init__(self, steps: int, seed: int = 0, begin: Path | None = None) -> None:
        torch.manual_seed(seed)
        network = MetalNetwork(imagenet=begin is None)
        self.still = begin is not None and begin_with(network, begin)
        network = network.to(memory_format=torch.channels_last)
        rate = PEAK_RATE if begin is None else FURTHER_RATE
        optimiser = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=0.02)
        super().__init__(network, optimiser, steps, warm=60)
        self.metal_network = network

    def step(self, _engine: Engine, batch: MetalBatch) -> dict[str, float]:
        """One optimiser step; the parts of the loss."""
        self.network.train()
        if self.still:
            self.hold_statistics()
        self.optimiser.zero_grad()
        losses = metal_loss(self.metal_network, batch)
        torch.autograd.backward(torch.stack(list(losses.values())).sum())
        self.advance()
        return {name: float(loss.detach()) for name, loss in losses.items()}


@dataclass(frozen=True, slots=True)
class Course:
    """How a run is trained.

    Attributes:
        steps: in all, each of `BATCH` squares.
        seed: of the squares.
        workers: processes that draw.
        begin: a `metal.pt` or `metal.onnx` to begin with, or None.
    """

    steps: int
    seed: int = 0
    workers: int = 1
    begin: Path | None = None


def train_metal(patches: Sequence[KneePatch], out: Path, course: Course) -> Path:
    """Trains, and goes on where a killed run stopped.

    Args:
        patches: framed training knees.
        out: folder of the run.
        course: how.

    Returns:
        The file with the moving average, `metal.pt`.
    """
    run = MetalRun(course.steps, course.seed, course.begin)

    def squares(done: int) -> DataLoader[MetalSample]:
        samples = MetalSamples(patches, course.seed + 1000 * done)
        ahead = 3 if course.workers else None
        return DataLoader(samples, BATCH, num_workers=course.workers, collate_fn=collate, prefetch_factor=ahead)

    return finish_run(run, run.step, squares, out / "metal.pt")


def main() -> None:
    """Trains from the command line."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("patches", type=Path, help="from `python -m kneeoa.training.patches`")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=700)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--begin", type=Path, help="a metal.pt, or the metal.onnx of a release, to begin with")
    asked = parser.parse_args()
    course = Course(asked.steps, asked.seed, asked.workers, asked.begin)
    done = train_metal(read_patches(asked.patches), asked.out, course)
    logger.info("%s", done)


if __name__ == "__main__":
    main()
