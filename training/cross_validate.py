"""Cross-validation by subject: every training knee is judged once, by a network that never saw its person.

In each fold the other subjects are cut into fit and `held` as always; `held` chooses the checkpoint, and the fold,
which chose nothing, judges it. Figures are of the plain network: most probable grade, no temperature.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from kneeoa.configs.schema import TrainConfig
from kneeoa.datasets.grade_folders import KneeImage
from kneeoa.model.grades import JSON
from kneeoa.model.network import KneeNetwork
from kneeoa.training.checkpoint import load_best
from kneeoa.training.evaluate_bootstrap import metrics_with_intervals
from kneeoa.training.evaluate_judgement import Metrics, plain_metrics
from kneeoa.training.loaders import judge_loader, read_fold
from kneeoa.training.metrics import Probabilities, kl_metrics
from kneeoa.training.train import choose_device, train

RECORD, OUT_OF_FOLD = "cross-validation.json", "out-of-fold.csv"


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """One fold, judged.

    Attributes:
        number: 0 ...
        knees: that judged.
        probabilities: (knees, 5) of the network that saw none of their subjects.
    """

    number: int
    knees: tuple[KneeImage, ...]
    probabilities: Probabilities

    def metrics(self) -> dict[str, float]:
        """`metrics.kl_metrics` of the fold."""
        truth = np.array([knee.kl for knee in self.knees], dtype=np.int64)
        return kl_metrics(self.probabilities, truth, self.probabilities.argmax(axis=1))


@dataclass(frozen=True, slots=True, eq=False)
class CrossValidation:
    """All folds, judged.

    Attributes:
        folds: in order.
        pooled: every figure over all knees, each judged out of its fold, with intervals by subject.
    """

    folds: tuple[Fold, ...]
    pooled: Metrics

    def to_json(self) -> dict[str, JSON]:
        """The content of `cross-validation.json`: pooled figures, mean and standard deviation, and each fold."""
        rows = [fold.metrics() for fold in self.folds]
        spread: dict[str, JSON] = {}
        for name in rows[0]:
            values = np.array([row[name] for row in rows])
            told = values[np.isfinite(values)]
            mean = float(told.mean()) if len(told) else None
            deviation = float(told.std(ddof=1)) if len(told) > 1 else None
            spread[name] = {"mean": mean, "standard_deviation": deviation}
        return {
            "folds": len(self.folds),
            "knees": sum(len(fold.knees) for fold in self.folds),
            "pooled": plain_metrics(self.pooled),
            "over_folds": spread,
            "by_fold": [
                {
                    "fold": fold.number,
                    "knees": len(fold.knees),
                    "subjects": len({knee.subject for knee in fold.knees}),
                    **{name: value if np.isfinite(value) else None for name, value in row.items()},
                }
                for fold, row in zip(self.folds, rows, strict=True)
            ],
        }


def cross_validate(config: TrainConfig) -> CrossValidation:
    """Trains once a fold, or goes on where it was stopped, and judges each on its fold.

    Args:
        config: `data.folds` of at least 2; `config.out` receives a run a fold, `cross-validation.json` and
            `out-of-fold.csv`.

    Raises:
        DatasetError: a fold has no knee; see also `training.train.train`.
    """
    runs = [_of_fold(config, number) for number in range(config.data.folds)]
    # All are read before the first is trained: an empty one would be met after hours.
    judging = [tuple(read_fold(run.data)) for run in runs]
    folds = tuple(_one_fold(run, number, judging[number]) for number, run in enumerate(runs))
    knees = [knee for fold in folds for knee in fold.knees]
    rows = np.concatenate([fold.probabilities for fold in folds])
    truth = np.array([knee.kl for knee in knees], dtype=np.int64)
    pooled = metrics_with_intervals(rows, truth, rows.argmax(axis=1), [knee.subject for knee in knees])
    found = CrossValidation(folds, pooled)
    text = json.dumps(found.to_json(), indent=1, allow_nan=False)
    (config.out / RECORD).write_text(text + "\n", encoding="utf-8")
    _write_out_of_fold(folds, config.out / OUT_OF_FOLD)
    return found


def _of_fold(config: TrainConfig, number: int) -> TrainConfig:
    data = config.data.model_copy(update={"fold": number})
    return config.model_copy(update={"data": data, "out": config.out / f"fold-{number}"})


def _one_fold(config: TrainConfig, number: int, knees: tuple[KneeImage, ...]) -> Fold:
    train(config)
    return Fold(number, knees, network_probabilities(config, knees))


def network_probabilities(config: TrainConfig, knees: Sequence[KneeImage]) -> Probabilities:
    """What the best network of a run says.

    Args:
        config: of the run; `config.out` holds it.
        knees: graded knees.

    Returns:
        (knees, 5) float64; rows sum to 1.
    """
    device = choose_device(config.device)
    network = KneeNetwork(config.network.backbone, config.network.dropout, config.network.drop_path)
    network.load_state_dict(load_best(config.out).weights)
    network.to(device).eval()
    with torch.inference_mode():
        parts = [network(batch["image"].to(device)) for batch in judge_loader(knees, config.batch_size)]
    return np.asarray(torch.softmax(torch.cat(parts).double(), dim=1).cpu().numpy())


def _write_out_of_fold(folds: Sequence[Fold], path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "subject", "side", "truth", *(f"p{kl}" for kl in range(5)), "fold"])
        for fold in folds:
            for knee, row in zip(fold.knees, fold.probabilities, strict=True):
                facts = (knee.path.name, knee.subject, knee.side.value, knee.kl)
                writer.writerow([*facts, *(f"{p:.6f}" for p in row), fold.number])
