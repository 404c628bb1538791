"""Weights to begin a small network with: the `.pt` of a run, or the `.onnx` of a release.

A release ships no torch checkpoint, but its ONNX file holds the same network with each batch normalisation multiplied
into the convolution before it. Read back, those normalisations do nothing; they have to stand still from then on.
"""

from __future__ import annotations

from pathlib import Path

import onnx
import torch
from onnx import numpy_helper
from torch import nn

from kneeoa.model.errors import ReleaseError

_WRAPPED = "network."
"""Before the names of a network that was exported within another module."""
_BIAS = ".weight_bias"
"""What the exporter calls the bias that it makes of a normalisation."""


def begin_with(network: nn.Module, path: Path) -> bool:
    """Loads weights into a finder or a metal network.

    Args:
        network: of any weights.
        path: `finder.pt` or `metal.pt` of a run, or a `finder.onnx` or `metal.onnx`.

    Returns:
        Whether batch statistics are multiplied into the convolutions and must stand still.

    Raises:
        ReleaseError: the file holds another network.
    """
    if path.suffix != ".onnx":
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        return False
    graph = onnx.load(path).graph
    stored = {
        array.name.removeprefix(_WRAPPED): torch.from_numpy(numpy_helper.to_array(array).copy())
        for array in graph.initializer
    }
    try:
        with torch.no_grad():
            _fill(network, stored)
    except (KeyError, RuntimeError) as error:
        raise ReleaseError(f"{path.name} is not the network that this version would train further: {error}.") from error
    return True


def _fill(network: nn.Module, stored: dict[str, torch.Tensor]) -> None:
    before = ""
    for name, module in network.named_modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            module.weight.copy_(stored[f"{name}.weight"])
            if module.bias is not None:
                module.bias.copy_(stored[f"{name}.bias"])
            before = name
        elif isinstance(module, nn.BatchNorm2d):
            _fill_normalisation(module, name, before, stored)


def _fill_normalisation(module: nn.BatchNorm2d, name: str, before: str, stored: dict[str, torch.Tensor]) -> None:
    """A normalisation as it was stored; or one that adds the bias which the convolution before it was given."""
    if module.running_mean is None or module.running_var is None:
        raise KeyError(name)
    if f"{name}.running_mean" in stored:
        for part, tensor in (("weight", module.weight), ("bias", module.bias)):
            tensor.copy_(stored[f"{name}.{part}"])
        module.running_mean.copy_(stored[f"{name}.running_mean"])
        module.running_var.copy_(stored[f"{name}.running_var"])
        return
    module.weight.fill_(1.0)
    module.bias.copy_(stored[before + _BIAS])
    module.running_mean.zero_()
    module.running_var.fill_(1.0 - module.eps)
