"""What the finder is told about its mistakes."""

from __future__ import annotations

import torch
from torch.nn import functional

from kneeoa.training.finder_network import FinderOutputs
from kneeoa.training.finder_samples import Batch

_WEIGHTS = {"width": 1.0, "turn": 1.0, "offset": 1.0, "error": 0.3, "kind": 0.7, "side": 0.7}
Losses = dict[str, torch.Tensor]


def finder_losses(outputs: FinderOutputs, batch: Batch) -> Losses:
    """Weighted parts of the loss; their sum is minimised.

    References:
        Zhou X. et al., Objects as Points, arXiv 1904.07850, 2019: the penalty-reduced focal loss.
    """
    maps = outputs.maps.float()
    found = {"heat": _focal(maps[:, :2], batch.heat, batch.ignore)}
    known = batch.known
    if known.any():
        width, cos, sin, down, across, cells = batch.values.transpose(0, 1)[:, known]
        said = maps.transpose(0, 1)[:, known]
        found["width"] = functional.smooth_l1_loss(said[2], width, beta=0.05)
        found["turn"] = functional.smooth_l1_loss(said[3], cos, beta=0.1) + functional.smooth_l1_loss(
            said[4], sin, beta=0.1
        )
        # Offsets in hundredths of a plateau: a long leg's small knee counts as much as a large one.
        off = torch.stack([said[5] - down, said[6] - across]) / cells
        found["offset"] = 10 * functional.smooth_l1_loss(off, torch.zeros_like(off), beta=0.02)
        distance = off.detach().norm(dim=0).clamp(0.003, 1.0)
        found["error"] = functional.smooth_l1_loss(said[7], distance.log())
    asked = batch.kind >= 0
    if asked.any():
        found["kind"] = functional.cross_entropy(outputs.kind.float()[asked], batch.kind[asked], label_smoothing=0.02)
    sided = batch.side >= 0
    if sided.any():
        truth = batch.side[sided].float() * 0.98 + 0.01
        found["side"] = functional.binary_cross_entropy_with_logits(outputs.side.float()[sided], truth)
    return {name: loss * _WEIGHTS.get(name, 1.0) for name, loss in found.items()}


def _focal(logits: torch.Tensor, heat: torch.Tensor, ignore: torch.Tensor) -> torch.Tensor:
    p = torch.sigmoid(logits)
    centre = heat >= 1.0
    weight = torch.where(centre, (1 - p) ** 2, (1 - heat) ** 4 * p**2) * (~ignore[:, None])
    loss = functional.binary_cross_entropy_with_logits(logits, centre.float(), reduction="none")
    return (weight * loss).sum() / centre.sum().clamp(min=4)
