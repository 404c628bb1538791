"""Kellgren-Lawrence as an ordinal target: a neighbour is a smaller mistake than a stranger."""

from __future__ import annotations

import torch
from torch import nn

from kneeoa.model.grades import KL_GRADES


def ordinal_targets(neighbour: float) -> torch.Tensor:
    """Soft targets by true grade.

    Args:
        neighbour: weight of a grade one step away, before normalisation; two steps away get its fourth power, as a
            Gaussian would give.

    Returns:
        (5, 5) float32; row k is the target for true grade k and sums to 1.
    """
    grades = torch.arange(len(KL_GRADES), dtype=torch.float32)
    steps = (grades[:, None] - grades[None, :]).abs()
    weights = torch.where(steps == 0, torch.ones(()), torch.tensor(float(neighbour)) ** (steps**2))
    return weights / weights.sum(dim=1, keepdim=True)


class SoftOrdinalLoss(nn.Module):
    """Cross-entropy against soft ordinal targets, plus the squared error of the expected grade.

    Args:
        neighbour: see `ordinal_targets`.
        expected_weight: weight of the squared error of the expected grade, in grades squared.
    """

    def __init__(self, neighbour: float, expected_weight: float) -> None:
        super().__init__()
        self.expected_weight = expected_weight
        self.register_buffer("targets", ordinal_targets(neighbour), persistent=False)
        self.register_buffer("grades", torch.arange(len(KL_GRADES), dtype=torch.float32), persistent=False)

    def forward(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """The loss of a batch.

        Args:
            logits: (knees, 5).
            labels: (knees,) integers 0-4, or (knees, 5) shares of the readers, rows of which sum to 1.

        Returns:
            () mean over the knees.
        """
        log_p = torch.log_softmax(logits.float(), dim=1)
        table, grades = self.get_buffer("targets"), self.get_buffer("grades")
        shared = labels.ndim > 1
        target = labels.float() @ table if shared else table[labels]
        truth = labels.float() @ grades if shared else labels.float()
        cross = -(target * log_p).sum(dim=1)
        expected = (log_p.exp() * grades).sum(dim=1)
        return (cross + self.expected_weight * (expected - truth) ** 2).mean()
