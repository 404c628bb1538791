"""Trains the metal network: `python -m kneeoa.training.train_metal PATCHES --out RUN`.

`last.pt` lets a killed run go on; the moving average at the end of the cosine is the network, `metal.pt`.
"""

from __future__ import annotations

import argparse
import logging
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from ignite.engine import Engine, Events
from ignite.handlers import EMAHandler
from torch.nn import functional
from torch.utils.data import DataLoader

from kneeoa.datasets.film_patch import KneePatch
from kneeoa.training.checkpoint import LAST, remove_torn, save_atomically
from kneeoa.training.fast_arithmetic import fast_autocast
from kneeoa.training.metal_network import MetalNetwork
from kneeoa.training.metal_samples import MetalSample, MetalSamples
from kneeoa.training.patches import read_patches

BATCH = 16
PEAK_RATE = 1.5e-3
_MEMORY = 0.06
"""Of the moving average, as a share of all steps: it must have forgotten where the run began."""
_SAVE_EVERY = 50
_CELLS_WEIGHT = 2.0
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class MetalBatch:
    """Samples as tensors; see `MetalSample`."""

    views: torch.Tensor
    cells: torch.Tensor
    metal: torch.Tensor


def collate(samples: Sequence[MetalSample]) -> MetalBatch:
    """Samples as a batch."""
    return MetalBatch(
        views=torch.from_numpy(np.stack([sample.view for sample in samples])[:, None]),
        cells=torch.from_numpy(np.stack([sample.cells for sample in samples])),
        metal=torch.tensor([float(sample.metal) for sample in samples]),
    )


def metal_loss(network: MetalNetwork, batch: MetalBatch) -> dict[str, torch.Tensor]:
    """Parts of the loss: whether there is metal, and where, as far as that is known."""
    with fast_autocast():
        outputs = network(batch.views.to(memory_format=torch.channels_last))
    truth = batch.metal * 0.98 + 0.01
    found = {"score": functional.binary_cross_entropy_with_logits(outputs.score.float(), truth)}
    asked = batch.cells >= 0
    if asked.any():
        each = functional.binary_cross_entropy_with_logits(outputs.heat.float()[asked], batch.cells[asked])
        found["cells"] = _CELLS_WEIGHT * each
    return found


class MetalRun:
    """The network, its moving average, its optimiser and what was done so far.

    Args:
        steps: in all.
        seed: of initial weights beyond ImageNet's.
    """

    def __init__(self, steps: int, seed: int = 0) -> None:
        torch.manual_seed(seed)
        self.steps, self.done = steps, 0
        self.network = MetalNetwork(imagenet=True).to(memory_format=torch.channels_last)
        self.optimiser = torch.optim.AdamW(self.network.parameters(), lr=PEAK_RATE, weight_decay=0.02)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimiser, lambda step: _rate(step, steps))
        self.average = EMAHandler(self.network, momentum=min(0.5, 1 / (_MEMORY * steps)), handle_buffers="update")

    def step(self, _engine: Engine, batch: MetalBatch) -> dict[str, float]:
        """One optimiser step; the parts of the loss."""
        self.network.train()
        self.optimiser.zero_grad()
        losses = metal_loss(self.network, batch)
        torch.autograd.backward(torch.stack(list(losses.values())).sum())
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self.optimiser.step()
        self.schedule.step()
        self.done += 1
        return {name: float(loss.detach()) for name, loss in losses.items()}

    def save(self, path: Path) -> None:
        """Writes all that a resumed run needs."""
        state = {
            "network": self.network.state_dict(),
            "average": self.average.ema_model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "step": self.done,
        }
        save_atomically(state, path)

    def load(self, path: Path) -> None:
        """Takes it back."""
        state = torch.load(path, map_location="cpu", weights_only=True)
        self.network.load_state_dict(state["network"])
        self.average.ema_model.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        self.done = int(state["step"])


def train_metal(patches: Sequence[KneePatch], out: Path, steps: int, seed: int = 0, workers: int = 1) -> Path:
    """Trains, and goes on where a killed run stopped.

    Args:
        patches: framed training knees.
        out: folder of the run.
        steps: in all, each of `BATCH` squares.
        seed: of the squares.
        workers: processes that draw.

    Returns:
        The file with the moving average, `metal.pt`.
    """
    out.mkdir(parents=True, exist_ok=True)
    remove_torn(out)
    run = MetalRun(steps, seed)
    if (out / LAST).exists():
        run.load(out / LAST)
    trainer = Engine(run.step)
    run.average.attach(trainer, name="momentum", event=Events.ITERATION_COMPLETED)
    started = time.monotonic()
    sums: dict[str, float] = {}

    @trainer.on(Events.ITERATION_COMPLETED)
    def _note(engine: Engine) -> None:
        said: dict[str, float] = engine.state.output  # type: ignore[assignment]  # what `step` returned
        for part, loss in said.items():
            sums[part] = sums.get(part, 0.0) + loss
        if run.done % _SAVE_EVERY == 0 or run.done == steps:
            means = " ".join(f"{part}={value / _SAVE_EVERY:.4f}" for part, value in sums.items())
            logger.info("step %d, %.0f s: %s", run.done, time.monotonic() - started, means)
            sums.clear()
            run.save(out / LAST)

    if run.done < steps:
        # A resumed run sees new squares, not those of its beginning again.
        squares = MetalSamples(patches, seed + 1000 * run.done)
        loader = DataLoader(
            squares, BATCH, num_workers=workers, collate_fn=collate, prefetch_factor=3 if workers else None
        )
        trainer.run(loader, max_epochs=1, epoch_length=steps - run.done)
    save_atomically(run.average.ema_model.state_dict(), out / "metal.pt")
    return out / "metal.pt"


def _rate(step: int, steps: int) -> float:
    warm = min(60, steps // 5 + 1)
    if step < warm:
        return (step + 1) / warm
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warm) / max(1, steps - warm))))


def main() -> None:
    """Trains from the command line."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("patches", type=Path, help="from `python -m kneeoa.training.patches`")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=700)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    asked = parser.parse_args()
    done = train_metal(read_patches(asked.patches), asked.out, asked.steps, asked.seed, asked.workers)
    logger.info("%s", done)


if __name__ == "__main__":
    main()
