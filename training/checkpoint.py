"""Checkpoints that survive a power cut.

Written by hand because ignite's Checkpoint removes the previous file before the next one is complete: here a file is
written beside, synced and renamed, so that under the name there is always one whole checkpoint. Loading is MONAI's
CheckpointLoader, which reads tensors and plain values only.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from ignite.engine import Engine, Events

from kneeoa.configs.schema import TrainConfig
from kneeoa.model.errors import ConfigError

LAST, BEST = "last.pt", "best.pt"


class Stateful(Protocol):
    """Anything that can be saved and restored."""

    def state_dict(self) -> Mapping[str, object]:
        """Its state as tensors and plain values."""

    def load_state_dict(self, state: Mapping[str, object]) -> object:
        """Takes a state back."""


class RandomState:
    """Torch's own random state (dropout, drop path) as a tensor. Augmentation needs none: its seeds are in the keys."""

    def state_dict(self) -> dict[str, torch.Tensor]:
        """The state of the CPU generator, and of CUDA's where there is one."""
        state = {"cpu": torch.get_rng_state()}
        if torch.cuda.is_available():
            state["cuda"] = torch.cuda.get_rng_state()
        return state

    def load_state_dict(self, state: Mapping[str, torch.Tensor]) -> None:
        """Puts the generators back where they were."""
        torch.set_rng_state(state["cpu"])
        if "cuda" in state and torch.cuda.is_available():
            torch.cuda.set_rng_state(state["cuda"])


def save_atomically(state: Mapping[str, object], path: Path) -> None:
    """Writes `state` so that `path` holds either the old or the new checkpoint, whole, at every moment.

    Raises:
        OSError: the folder cannot be written.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            torch.save(dict(state), file)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@dataclass(frozen=True, slots=True)
class BestNetwork:
    """What `best.pt` of a run holds.

    Attributes:
        weights: the moving average that scored best on `held`, as a state dictionary.
        config: the run's resolved configuration.
    """

    weights: dict[str, torch.Tensor]
    config: TrainConfig


def load_best(run: Path) -> BestNetwork:
    """Reads the best network of a run.

    Raises:
        ConfigError: the run has no `best.pt` yet.
    """
    try:
        state = torch.load(run / BEST, map_location="cpu", weights_only=True)
    except OSError as error:
        msg = f"{run} holds no {BEST}: train for at least one epoch first."
        raise ConfigError(msg) from error
    return BestNetwork(state["network"], TrainConfig.model_validate_json(state["config"]))


def remove_torn(folder: Path) -> None:
    """Removes what a killed write left behind; it never bore a checkpoint's name."""
    for name in (LAST, BEST):
        for torn in folder.glob(f".{name}.*"):
            torn.unlink()


class LastCheckpoint:
    """Saves everything that a run needs to go on, every epoch and every so many seconds.

    Args:
        folder: where `last.pt` lies.
        objects: what to save, by name.
        seconds: how often within an epoch.
    """

    def __init__(self, folder: Path, objects: Mapping[str, Stateful], seconds: float) -> None:
        self.path = folder / LAST
        self.objects = objects
        self.seconds = seconds
        self._saved_at = time.monotonic()

    def attach(self, engine: Engine) -> None:
        """After all other handlers of an epoch, so that their results are in the checkpoint."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._if_due)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.save)

    def _if_due(self, engine: Engine) -> None:
        # Not at an epoch's last iteration: resuming there would skip its validation.
        inside = engine.state.iteration % (engine.state.epoch_length or 1) != 0
        if inside and time.monotonic() - self._saved_at >= self.seconds:
            self.save(engine)

    def save(self, _engine: Engine) -> None:
        """Writes `last.pt`."""
        save_atomically({name: dict(thing.state_dict()) for name, thing in self.objects.items()}, self.path)
        self._saved_at = time.monotonic()
