"""What augmentation may do to a knee, and what it may not."""

from __future__ import annotations

import numpy as np
import pytest

from kneeoa.configs.schema import AugmentConfig
from kneeoa.model.crop import BAND_ROWS, SQUARE, network_input
from kneeoa.model.radiograph import FloatImage
from kneeoa.training.augment import (
    RandCollimatord,
    RandJpegd,
    RandMarkerd,
    RandWashedOutd,
    augmentations,
    judge_transform,
    train_transform,
)
from kneeoa.training.counterexamples import KINDS


def square() -> FloatImage:
    rows, columns = np.mgrid[0:SQUARE, 0:SQUARE] / SQUARE
    return np.asarray(0.2 + 0.6 * np.sin(3 * rows) * np.exp(-((columns - 0.4) ** 2) * 8), dtype=np.float32)


@pytest.mark.parametrize("transform", [RandWashedOutd, RandJpegd, RandCollimatord, RandMarkerd])
def test_each_disturbance_changes_the_square_within_bounds_and_leaves_the_cache_alone(transform: type) -> None:
    change = transform(1.0)
    change.set_random_state(seed=3)
    original = square()[None]
    kept = original.copy()
    changed = np.asarray(change({"image": original})["image"])
    assert changed.shape == (1, SQUARE, SQUARE)
    assert changed.dtype == np.float32
    assert 0 <= changed.min() <= changed.max() <= 1
    assert not np.array_equal(changed, kept)
    assert np.array_equal(original, kept)


def test_markers_and_collimators_spare_the_middle_of_the_joint() -> None:
    for seed in range(20):
        for change in (RandCollimatord(1.0), RandMarkerd(1.0)):
            change.set_random_state(seed=seed)
            changed = np.asarray(change({"image": square()[None]})["image"])[0]
            assert np.array_equal(changed[100:190, 90:200], square()[100:190, 90:200])


def test_nothing_mirrors_a_knee() -> None:
    # Sides are canonical: a flip would teach the network that medial may be anywhere.
    bright_left = np.zeros((SQUARE, SQUARE), np.float32)
    bright_left[:, :120] = 0.9
    for seed in range(30):
        item: dict[object, object] = {"image": bright_left[None]}
        for i, transform in enumerate(augmentations(AugmentConfig(probability=0.0))):
            transform.set_random_state(seed=seed + i)
            item = transform(item)
        changed = np.asarray(item["image"])[0]
        assert changed[:, : SQUARE // 2].mean() > changed[:, SQUARE // 2 :].mean()


def test_judging_is_the_road_itself_and_training_ends_with_it() -> None:
    assert np.array_equal(np.asarray(judge_transform()({"image": square()[None]})["image"])[0], network_input(square()))
    assert np.asarray(train_transform(AugmentConfig())({"image": square()[None]})["image"]).shape == (
        1,
        BAND_ROWS,
        SQUARE,
    )


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_counterexamples_are_films_of_plausible_shape(kind: str) -> None:
    rng = np.random.default_rng(0)
    for _ in range(10):
        film = KINDS[kind](square(), square()[:, ::-1], rng)
        assert film.ndim == 2
        assert film.dtype == np.float32
        assert 0 <= film.min() <= film.max() <= 1
        assert 0.75 <= film.shape[0] / film.shape[1] <= 1.25
