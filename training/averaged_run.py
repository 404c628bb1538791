"""What the small networks' trainings share: steps on endless batches, a moving average, and files that outlive a kill.

MONAI's SupervisedTrainer is for batches that end and one loss. ignite's bare Engine does the same here.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

import torch
from ignite.engine import Engine, Events
from ignite.handlers import EMAHandler

from kneeoa.training.checkpoint import LAST, remove_torn, save_atomically
from kneeoa.training.train import learning_rate_factor

_MEMORY = 0.06
"""Of the moving average, as a share of all steps: it must have forgotten where the run began."""
_LARGEST_GRADIENT = 5.0
logger = logging.getLogger(__name__)
Batch = TypeVar("Batch")


class AveragedRun:
    """A network, its moving average, its optimiser and what was done so far.

    Args:
        network: to be trained.
        optimiser: of its parameters, with the highest rate.
        steps: in all.
        warm: steps over which the rate rises; then it falls along a cosine to a hundredth.
    """

    def __init__(self, network: torch.nn.Module, optimiser: torch.optim.Optimizer, steps: int, warm: int) -> None:
        self.network, self.optimiser = network, optimiser
        self.steps, self.done = steps, 0
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            optimiser, lambda step: learning_rate_factor(step, 1, steps, min(warm, steps // 5 + 1))
        )
        self.average = EMAHandler(network, momentum=min(0.5, 1 / (_MEMORY * steps)), handle_buffers="update")

    def hold_statistics(self) -> None:
        """Has batch normalisations use the statistics that they have; to be said after each `train()`."""
        for module in self.network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.eval()

    def advance(self) -> None:
        """One step along the gradients that the network's parameters hold."""
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), _LARGEST_GRADIENT)
        self.optimiser.step()
        self.schedule.step()
        self.done += 1

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


def finish_run(
    run: AveragedRun,
    step: Callable[[Engine, Batch], dict[str, float]],
    batches: Callable[[int], Iterable[Batch]],
    path: Path,
    save_every: int = 50,
) -> Path:
    """Trains to the last step, from where a killed run in the same folder stopped.

    Args:
        run: at its beginning.
        step: does one step on a batch, and gives the parts of the loss by name.
        batches: from the number of steps done to batches without end; a resumed run must see new ones.
        path: of the moving average, to be written at the end; `last.pt` lies beside it.
        save_every: steps between two writings of `last.pt`.

    Returns:
        `path`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_torn(path.parent)
    last = path.parent / LAST
    if last.exists():
        run.load(last)
    trainer = Engine(step)
    run.average.attach(trainer, name="momentum", event=Events.ITERATION_COMPLETED)
    started = time.monotonic()
    sums: dict[str, float] = {}

    @trainer.on(Events.ITERATION_COMPLETED)
    def _note(engine: Engine) -> None:
        said: dict[str, float] = engine.state.output  # type: ignore[assignment]  # what `step` returned
        for part, loss in said.items():
            sums[part] = sums.get(part, 0.0) + loss
        if run.done % save_every == 0 or run.done == run.steps:
            means = " ".join(f"{part}={value / save_every:.4f}" for part, value in sums.items())
            logger.info("step %d, %.0f s: %s", run.done, time.monotonic() - started, means)
            sums.clear()
            run.save(last)

    if run.done < run.steps:
        trainer.run(batches(run.done), max_epochs=1, epoch_length=run.steps - run.done)
    save_atomically(run.average.ema_model.state_dict(), path)
    return path
