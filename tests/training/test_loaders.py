"""The same knee in the same epoch looks the same, on any machine and after any restart."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from kneeoa.configs.schema import load_config
from kneeoa.datasets.splits import is_held
from kneeoa.model.crop import BAND_ROWS, SQUARE
from kneeoa.model.errors import DatasetError
from kneeoa.training.augment import IMAGE, train_transform
from kneeoa.training.loaders import (
    EndlessBatches,
    SeededCacheDataset,
    fit_and_held,
    judge_loader,
    train_loader,
)


def test_held_subjects_are_never_learnt_from(tiny_config: Path) -> None:
    fit, held = fit_and_held(load_config(tiny_config).data)
    assert len(fit) == 16
    assert len(held) == 8
    assert all(is_held(knee.subject) for knee in held)
    assert not any(is_held(knee.subject) for knee in fit)


def test_augmentation_depends_on_seed_epoch_and_index_alone(tiny_config: Path) -> None:
    config = load_config(tiny_config)
    fit, _ = fit_and_held(config.data)
    one = SeededCacheDataset(fit, train_transform(config.augment), seed=5)
    two = SeededCacheDataset(fit, train_transform(config.augment), seed=5)
    other = SeededCacheDataset(fit, train_transform(config.augment), seed=6)
    for _ in range(3):
        two[(7, 0)]
    images = [np.asarray(d[k][IMAGE]) for d, k in ((one, (2, 3)), (two, (2, 3)), (one, (3, 3)), (other, (2, 3)))]
    assert images[0].shape == (1, BAND_ROWS, SQUARE)
    assert np.array_equal(images[0], images[1])
    assert not np.array_equal(images[0], images[2])
    assert not np.array_equal(images[0], images[3])


@pytest.mark.parametrize("start", [1, 4, 9])
def test_starting_in_the_middle_gives_what_would_have_come(start: int) -> None:
    whole, resumed = EndlessBatches(18, 4, seed=3), EndlessBatches(18, 4, seed=3)
    resumed.start = start
    assert list(islice(resumed, 10)) == list(islice(whole, start, start + 10))


def test_an_epoch_shows_no_knee_twice() -> None:
    batches = EndlessBatches(18, 4, seed=3)
    assert batches.epoch_length == 4
    keys = [key for batch in islice(batches, 8) for key in batch]
    assert len(set(keys)) == 32
    assert {epoch for epoch, _ in keys} == {0, 1}


def test_workers_change_nothing(tiny_config: Path) -> None:
    config = load_config(tiny_config)
    fit, _ = fit_and_held(config.data)
    with_workers = config.model_copy(update={"data": config.data.model_copy(update={"workers": 1})})
    here = next(iter(train_loader(fit, config)[0]))
    there = next(iter(train_loader(fit, with_workers)[0]))
    assert torch.equal(torch.as_tensor(here["image"]), torch.as_tensor(there["image"]))
    assert torch.equal(here["label"], there["label"])


def test_the_loader_leaves_the_random_state_alone(tiny_config: Path) -> None:
    config = load_config(tiny_config)
    fit, held = fit_and_held(config.data)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    next(iter(train_loader(fit, config)[0]))
    list(judge_loader(held, 3))
    assert torch.equal(before, torch.get_rng_state())


def test_a_checkpoint_of_other_data_is_refused() -> None:
    with pytest.raises(DatasetError, match="start a new"):
        EndlessBatches(18, 4, seed=3).load_state_dict(EndlessBatches(17, 4, seed=3).state_dict())
