"""Trains the finder on composed films: `python -m kneeoa.training.train_finder PATCHES --out RUN`.

Each step sees a batch of whole views and one of close views. `last.pt` lets a killed run go on; `best.pt` does not
exist, as nothing is chosen: the moving average at the end of the cosine is the network.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from ignite.engine import Engine
from torch.utils.data import DataLoader

from kneeoa.datasets.film_patch import KneePatch
from kneeoa.model.film_views import View
from kneeoa.training.averaged_run import AveragedRun, finish_run
from kneeoa.training.fast_arithmetic import fast_autocast
from kneeoa.training.finder_losses import finder_losses
from kneeoa.training.finder_network import FinderNetwork
from kneeoa.training.finder_samples import Batch, ComposedFilms, ViewTruth, stacked
from kneeoa.training.patches import read_patches
from kneeoa.training.released_weights import begin_with

WHOLE_BATCH, CLOSE_BATCH = 10, 20
PEAK_RATE = 1.2e-3
FURTHER_RATE = 4e-4
"""Likewise of a network that was trained before."""
FROZEN_FROM = 0.3
"""Share of the steps after which batch statistics stand still. Whole and close views differ so much in theirs that a
network trained on each batch's own is off by a twentieth in every width when it runs on their running mixture."""
_SAVE_EVERY = 100
logger = logging.getLogger(__name__)
Views = list[tuple[View, ViewTruth]]


def batches(
    patches: Sequence[KneePatch], seed: int, workers: int, scout: bytes | None = None
) -> Iterator[tuple[Batch, Batch]]:
    """Pairs of a batch of whole views and a batch of close views, without end."""
    composed = ComposedFilms(patches, seed, scout)
    films = DataLoader(composed, batch_size=None, num_workers=workers, prefetch_factor=16 if workers else None)
    rng = np.random.default_rng([seed, 99])
    whole: Views = []
    close: Views = []
    for some_whole, some_close in films:
        whole += some_whole
        close += some_close
        if len(whole) >= WHOLE_BATCH and len(close) >= CLOSE_BATCH:
            yield stacked(whole[:WHOLE_BATCH], rng), stacked(close[:CLOSE_BATCH], rng)
            whole, close = whole[WHOLE_BATCH:], close[CLOSE_BATCH:][-4 * CLOSE_BATCH :]


class FinderRun(AveragedRun):
    """The network, its moving average, its optimiser and what was done so far.

    Args:
        steps: in all.
        seed: of initial weights beyond ImageNet's.
        begin: a `finder.pt` or `finder.onnx` to begin with; ImageNet's weights where None.
    """

    def __init__(self, steps: int, seed: int = 0, begin: Path | None = None) -> None:
        torch.manual_seed(seed)
        network = FinderNetwork(imagenet=begin is None)
        still = begin is not None and begin_with(network, begin)
        self.frozen_from = 0.0 if still else FROZEN_FROM * steps
        # Channels last: a third less time on processors.
        network = network.to(memory_format=torch.channels_last)
        decayed = [p for p in network.parameters() if p.ndim > 1]
        free = [p for p in network.parameters() if p.ndim <= 1]
        groups = [{"params": decayed, "weight_decay": 0.02}, {"params": free, "weight_decay": 0.0}]
        optimiser = torch.optim.AdamW(groups, lr=PEAK_RATE if begin is None else FURTHER_RATE)
        super().__init__(network, optimiser, steps, warm=150)

    def step(self, _engine: Engine, pair: tuple[Batch, Batch]) -> dict[str, float]:
        """One optimiser step on a batch of whole views and one of close views; the parts of the loss."""
        self.network.train()
        if self.done >= self.frozen_from:
            self.hold_statistics()
        self.optimiser.zero_grad()
        said: dict[str, float] = {}
        for name, batch in zip(("whole", "close"), pair, strict=True):
            with fast_autocast():
                outputs = self.network(batch.views.to(memory_format=torch.channels_last))
            losses = finder_losses(outputs, batch)
            torch.autograd.backward(torch.stack(list(losses.values())).sum())
            said |= {f"{name}_{part}": float(loss.detach()) for part, loss in losses.items()}
        self.advance()
        return said


@dataclass(frozen=True, slots=True)
class Further:
    """What a run goes on from.

    Attributes:
        begin: a `finder.pt` or `finder.onnx` to begin with.
        scout: ONNX bytes of a finder whose false knees are shown as close views of none.
    """

    begin: Path | None = None
    scout: bytes | None = None


def train_finder(
    patches: Sequence[KneePatch], out: Path, steps: int, seed: int = 0, workers: int = 1, further: Further | None = None
) -> Path:
    """Trains, and goes on where a killed run stopped.

    Args:
        patches: framed training knees.
        out: folder of the run.
        steps: in all, each of `WHOLE_BATCH` films.
        seed: of the films.
        workers: processes that compose.
        further: what it goes on from; None begins with ImageNet's weights.

    Returns:
        The file with the moving average, `finder.pt`.
    """
    further = further or Further()
    run = FinderRun(steps, seed, further.begin)
    return finish_run(
        run,
        run.step,
        lambda done: batches(patches, seed + 1000 * done, workers, further.scout),
        out / "finder.pt",
        _SAVE_EVERY,
    )


def main() -> None:
    """Trains from the command line."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("patches", type=Path, help="from `python -m kneeoa.training.patches`")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=1600)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--begin", type=Path, help="a finder.pt or finder.onnx to begin with")
    parser.add_argument("--scout", type=Path, help="a finder.onnx whose false knees are shown as such")
    asked = parser.parse_args()
    patches = read_patches(asked.patches)
    further = Further(asked.begin, None if asked.scout is None else asked.scout.read_bytes())
    done = train_finder(patches, asked.out, asked.steps, asked.seed, asked.workers, further)
    logger.info("%s", done)


if __name__ == "__main__":
    main()
