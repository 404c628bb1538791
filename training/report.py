"""Pictures of a training run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure


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
