"""From the trained metal network to the ONNX file that serving runs, and the proof that both say the same."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import nn

from kneeoa.model.crop import SQUARE
from kneeoa.model.errors import ReleaseError
from kneeoa.training.export_finder import AGREEMENT, OPSET
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
    network = network.cpu().eval().to(memory_format=torch.contiguous_format)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # The exporter warns about its own internals on every call.
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            _Score(network),
            (torch.zeros(2, 1, SQUARE, SQUARE),),
            dynamo=True,
            opset_version=OPSET,
            input_names=["views"],
            output_names=["score"],
            dynamic_shapes={"views": {0: torch.export.Dim("squares", min=1, max=64)}},
            verbose=False,
        )
    if program is None:
        raise ReleaseError("torch.onnx.export gave no program. Install the versions named in constraints.txt.")
    # The exporter notes for each node from which file of this machine it came: no business of a release's.
    for node in program.model.graph.all_nodes():
        node.metadata_props.clear()
    program.save(buffer, external_data=False)  # type: ignore[arg-type]  # a buffer works; torch annotates paths
    content = buffer.getvalue()
    views = np.random.default_rng(0).standard_normal((3, 1, SQUARE, SQUARE)).astype(np.float32)
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    with torch.inference_mode():
        ours = network(torch.from_numpy(views)).score.numpy()
    worst = float(np.abs(ours - np.asarray(session.run(["score"], {"views": views})[0])).max())
    if worst > AGREEMENT:
        raise ReleaseError(f"ONNX Runtime and torch differ by {worst:.2e} in the metal score: not released.")
    return content
