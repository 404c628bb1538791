"""From graded knees on disk to batches that are the same on every machine and after every restart."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence

import numpy as np
import torch
from monai.data import CacheDataset, DataLoader
from monai.transforms import Compose, MapTransform, RandomizableTransform
from torch.utils.data import Sampler

from kneeoa.configs.schema import DataConfig, TrainConfig
from kneeoa.datasets.grade_folders import KneeImage
from kneeoa.datasets.knee_pixels import read_knee
from kneeoa.datasets.splits import fold_of, split_held, subject_overlap
from kneeoa.model.crop import canonical, cut_square, whole_film_square
from kneeoa.model.errors import DatasetError
from kneeoa.model.radiograph import FloatImage, Side
from kneeoa.training.augment import IMAGE, judge_transform, train_transform
from kneeoa.training.graded_sets import read_configured

LABEL = "label"
Key = tuple[int, int]
"""(epoch, index of the knee); the epoch travels with the index, so that a worker needs to be told nothing else."""


def read_knees(data: DataConfig) -> list[KneeImage]:
    """The training knees that a configuration names; less those of the fold that judges, where there are folds.

    Raises:
        DatasetError: see `graded_sets.read_configured`.
    """
    return [knee for knee in _of_train_split(data) if not is_judging(data, knee)]


def read_fold(data: DataConfig) -> list[KneeImage]:
    """The knees of the fold that judges, none of which `read_knees` has.

    Raises:
        DatasetError: there are none, or see `read_knees`.
    """
    knees = [knee for knee in _of_train_split(data) if is_judging(data, knee)]
    if not knees:
        msg = f"Fold {data.fold} of {data.folds} has no knee: there are too few subjects. Take fewer folds."
        raise DatasetError(msg)
    return knees


def is_judging(data: DataConfig, knee: KneeImage) -> bool:
    """Whether a knee of the training split belongs to the fold that judges."""
    return data.folds > 0 and data.fold is not None and fold_of(knee.subject, data.folds) == data.fold


def _of_train_split(data: DataConfig) -> list[KneeImage]:
    split = data.train_split
    return [knee for knee in read_configured(data, split).knees if knee.split == split]


def fit_and_held(data: DataConfig) -> tuple[list[KneeImage], list[KneeImage]]:
    """(knees that are learnt from, knees that choose checkpoints and fit calibration); disjoint by subject.

    Raises:
        DatasetError: either part is empty.
    """
    fit, held = split_held(read_knees(data))
    if not fit or not held or subject_overlap(fit, held):
        msg = (
            f"{data.root} gives {len(fit)} knees to learn from and {len(held)} held out: both are needed. Add subjects."
        )
        raise DatasetError(msg)
    return fit, held


def load_square(knee: KneeImage) -> FloatImage:
    """A knee crop on disk as the canonical (288, 288) square, by the same functions that serving calls."""
    return square_of(read_knee(knee), knee.side)


def square_of(pixels: FloatImage, side: Side) -> FloatImage:
    """(rows, columns) float32 in [0, 1] of one framed knee -> canonical (288, 288) square."""
    return canonical(cut_square(pixels, whole_film_square(*pixels.shape)), side)


class LoadSquared(MapTransform):
    """Deterministic, hence cached: the knee's canonical square as (1, 288, 288) float32."""

    def __init__(self) -> None:
        super().__init__([IMAGE])

    def __call__(self, data: Mapping[Hashable, object]) -> dict[Hashable, object]:
        """Replaces the `KneeImage` under "image" by its pixels."""
        item = dict(data)
        knee = item[IMAGE]
        if not isinstance(knee, KneeImage):
            msg = f"expected a KneeImage, got {type(knee).__name__}"
            raise TypeError(msg)
        item[IMAGE] = load_square(knee)[None]
        return item


class SeededCacheDataset(CacheDataset):
    """MONAI's CacheDataset whose random transforms are seeded by (seed, epoch, index).

    Args:
        knees: graded knees.
        transform: applied to the cached squares.
        seed: the run's seed.
        readers: whether the label is the (5,) shares of the readers and not the one grade.
    """

    def __init__(self, knees: Sequence[KneeImage], transform: Compose, seed: int, *, readers: bool = False) -> None:
        self.seed = seed
        items = [
            {IMAGE: knee, LABEL: np.array(knee.kl_shares, dtype=np.float32) if readers else knee.kl} for knee in knees
        ]
        super().__init__(items, Compose([LoadSquared(), *transform.transforms]), num_workers=2, progress=False)

    def __getitem__(self, key: Key) -> Mapping[Hashable, object]:
        """The item of (epoch, index), the same whoever asks."""
        epoch, index = key
        seeds = np.random.SeedSequence([self.seed, epoch, index]).generate_state(len(self.transform.transforms))
        for transform, seed in zip(self.transform.transforms, seeds, strict=True):
            if isinstance(transform, RandomizableTransform):
                transform.set_random_state(seed=int(seed))
        item: Mapping[Hashable, object] = super().__getitem__(index)
        return item


class EndlessBatches(Sampler[list[Key]]):
    """Batches of (epoch, index) for iteration `start`, `start + 1`, ...: restarting is starting elsewhere.

    Args:
        knees: how many knees an epoch holds.
        batch_size: knees a batch; an incomplete last batch is dropped, as batch statistics want it.
        seed: the run's seed; epoch e is shuffled by (seed, e).
    """

    def __init__(self, knees: int, batch_size: int, seed: int) -> None:
        self.knees, self.seed = knees, seed
        self.batch_size = min(batch_size, knees)
        self.epoch_length = knees // self.batch_size
        self.start = 0

    def __iter__(self) -> Iterator[list[Key]]:
        """Yields without end; the engine counts."""
        iteration = self.start
        while True:
            epoch, batch = divmod(iteration, self.epoch_length)
            order = np.random.default_rng([self.seed, epoch]).permutation(self.knees)
            for first in range(batch * self.batch_size, self.epoch_length * self.batch_size, self.batch_size):
                yield [(epoch, int(index)) for index in order[first : first + self.batch_size]]
                iteration += 1

    def state_dict(self) -> dict[str, int]:
        """Nothing but what must match on resumption; the place is the engine's iteration."""
        return {"knees": self.knees, "batch_size": self.batch_size, "seed": self.seed}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Checks that the run goes on with the same data order.

        Raises:
            DatasetError: the data, batch size or seed have changed since the checkpoint.
        """
        if dict(state) != self.state_dict():
            msg = f"The checkpoint was made with {dict(state)}, this run has {self.state_dict()}: start a new `out`."
            raise DatasetError(msg)


def train_loader(knees: Sequence[KneeImage], config: TrainConfig) -> tuple[DataLoader, EndlessBatches]:
    """Endless shuffled, augmented batches {"image": (b, 1, 208, 288), "label": (b,) or (b, 5)} and their sampler."""
    readers = config.loss.target == "readers"
    dataset = SeededCacheDataset(knees, train_transform(config.augment), config.seed, readers=readers)
    batches = EndlessBatches(len(knees), config.batch_size, config.seed)
    # A generator of its own: the loader must not draw from the RNG whose state the checkpoint restores.
    loader = DataLoader(
        dataset, batch_sampler=batches, num_workers=config.data.workers, generator=torch.Generator().manual_seed(0)
    )
    return loader, batches


def judge_loader(knees: Sequence[KneeImage], batch_size: int) -> DataLoader:
    """Batches of knees in their order, as serving would see them."""
    dataset = SeededCacheDataset(knees, judge_transform(), seed=0)
    keys = [
        [(0, i) for i in range(first, min(first + batch_size, len(knees)))]
        for first in range(0, len(knees), batch_size)
    ]
    return DataLoader(dataset, batch_sampler=keys, num_workers=0, generator=torch.Generator().manual_seed(0))
