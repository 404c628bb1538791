"""From the trained metal network to the ONNX file that serving runs, and the proof that both say the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import nn

from kneeoa.model.crop import SQUARE
from kneeoa.model.errors import ReleaseError
from kneeoa.model.export import Inputs, onnx_file
from kneeoa.training.export_finder import AGREEMENT
from kneeoa.training.metal_network import MetalNetwork

_OUTPUTS = ("score", "middle")


class _Scores(nn.Module):
    def __init__(self, network: MetalNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, views: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        outputs = self.network(views)
        return outputs.score, outputs.middle


def load_metal(path: Path) -> MetalNetwork:
    """The network of a run's `metal.pt`, or the moving average in its `last.pt`, in evaluation mode."""
    state = torch.load(path, map_location="cpu", weights_only=True)
    network = MetalNetwork()
    network.load_state_dict(state.get("average", state))
    return network.eval()


def export_metal(network: MetalNetwork) -> bytes:
    """Writes the metal network as one self-contained ONNX file.

    Args:
        network: trained; it is put into evaluation mode.

    Returns:
        The file: input `views` (squares, 1, 288, 288) float32, outputs `score` and `middle`, each (squares,) logits.

    Raises:
        ReleaseError: torch and ONNX Runtime do not agree.
    """
    dynamic = {0: torch.export.Dim("squares", min=1, max=64)}
    content = onnx_file(_Scores(network), Inputs("views", (2, 1, SQUARE, SQUARE), dynamic), list(_OUTPUTS))
    views = np.random.default_rng(0).standard_normal((3, 1, SQUARE, SQUARE)).astype(np.float32)
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    with torch.inference_mode():
        outputs = network(torch.from_numpy(views))
    ours = [getattr(outputs, name).numpy() for name in _OUTPUTS]
    theirs = session.run(list(_OUTPUTS), {"views": views})
    worst = float(np.abs(np.stack(ours) - np.stack(theirs)).max())
    if worst > AGREEMENT:
        raise ReleaseError(f"ONNX Runtime and torch differ by {worst:.2e} in the metal score: not released.")
    return content
