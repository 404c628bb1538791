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


class _Score(nn.Module):
    def __init__(self, network: MetalNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, views: torch.Tensor) -> torch.Tensor:
        score: torch.Tensor = self.network(views).score
        return score


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
        The file: input `views` (squares, 1, 288, 288) float32, output `score` (squares,) logits.

    Raises:
        ReleaseError: torch and ONNX Runtime do not agree.
    """
    dynamic = {0: torch.export.Dim("squares", min=1, max=64)}
    content = onnx_file(_Score(network), Inputs("views", (2, 1, SQUARE, SQUARE), dynamic), ["score"])
    views = np.random.default_rng(0).standard_normal((3, 1, SQUARE, SQUARE)).astype(np.float32)
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    with torch.inference_mode():
        ours = network(torch.from_numpy(views)).score.numpy()
    worst = float(np.abs(ours - np.asarray(session.run(["score"], {"views": views})[0])).max())
    if worst > AGREEMENT:
        raise ReleaseError(f"ONNX Runtime and torch differ by {worst:.2e} in the metal score: not released.")
    return content
