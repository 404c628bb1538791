"""Pictures of a training run and of a judgement."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from sklearn.metrics import confusion_matrix

from kneeoa.model.grades import KL_GRADES
from kneeoa.training.metrics import Grades


def plot_training_curves(history: Sequence[dict[str, float]], path: Path) -> None:
    """Draws loss, learning rate and the metrics on `held` by epoch.

    Args:
        history: rows of `training.train.Progress`.
        path: the PNG to write.
    """
    figure = Figure(figsize=(11, 3.6), layout="constrained")
    loss, score, rate = figure.subplots(1, 3)
    epochs = [row["epoch"] for row in history]
    loss.plot(epochs, [row["train_loss"] for row in history], "o-", color="#1f6f8b", label="training loss (augmented)")
    loss.plot(epochs, [row["log_loss"] for row in history], "s-", color="#d1495b", label="log loss on held")
    for name, label, colour in (
        ("quadratic_weighted_kappa", "quadratic weighted kappa", "#1f6f8b"),
        ("accuracy", "accuracy", "#d1495b"),
        ("auc_oa", "AUC, KL >= 2", "#66a182"),
    ):
        score.plot(epochs, [row[name] for row in history], "o-", color=colour, label=label)
    rate.plot(epochs, [row["learning_rate"] for row in history], "o-", color="#444444", label="learning rate")
    for axes, title in ((loss, "Loss"), (score, "Moving average on held"), (rate, "Learning rate")):
        axes.set(title=title, xlabel="epoch")
        axes.grid(alpha=0.3)
        axes.legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=130)


def plot_confusion(truth: Grades, grades: Grades, path: Path) -> None:
    """Draws the confusion matrix, counts over row percentages.

    Args:
        truth: (knees,) KL grades.
        grades: (knees,) predicted KL grades.
        path: the PNG to write.
    """
    counts = confusion_matrix(truth, grades, labels=KL_GRADES)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure = Figure(figsize=(5.6, 5.0), layout="constrained")
    axes = figure.subplots()
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for row in KL_GRADES:
        for column in KL_GRADES:
            text = f"{counts[row, column]}\n{share[row, column]:.0%}"
            colour = "white" if share[row, column] > 0.55 else "#222222"
            axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=10)
    axes.set(xlabel="KL grade by KneeOA", ylabel="KL grade by the readers", xticks=KL_GRADES, yticks=KL_GRADES)
    axes.set_title(f"{len(truth)} knees; rows sum to 100 %")
    figure.savefig(path, dpi=130)


def plot_reliability(confidence: npt.NDArray[np.float64], correct: npt.NDArray[np.bool_], path: Path) -> None:
    """Draws how often a grade is right against how sure the network was, in ten bins of equal mass.

    Args:
        confidence: (knees,) probability of the most probable grade.
        correct: (knees,) whether it is the true grade.
        path: the PNG to write.
    """
    figure = Figure(figsize=(5.2, 5.0), layout="constrained")
    axes = figure.subplots()
    bins = np.array_split(np.argsort(confidence, kind="stable"), min(10, len(confidence)))
    sure = [float(confidence[b].mean()) for b in bins]
    right = [float(correct[b].mean()) for b in bins]
    error = [1.96 * float(np.sqrt(max(r * (1 - r), 1e-4) / len(b))) for r, b in zip(right, bins, strict=True)]
    axes.plot([0, 1], [0, 1], "--", color="#999999", label="perfectly calibrated")
    axes.errorbar(sure, right, yerr=error, fmt="o-", color="#1f6f8b", capsize=3, label="KneeOA, 95 % interval")
    axes.set(xlabel="probability of the most probable grade", ylabel="share that is right", xlim=(0, 1), ylim=(0, 1))
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, loc="upper left")
    axes.set_title("Reliability")
    figure.savefig(path, dpi=130)
