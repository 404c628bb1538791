"""From the trained finder to the ONNX file that serving runs, and the proof that both say the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import torch

from kneeoa.model.errors import ReleaseError
from kneeoa.model.export import Inputs, onnx_file
from kneeoa.training.finder_network import FinderNetwork

AGREEMENT = 1e-3
"""Largest difference in any output that torch and ONNX Runtime may show."""
_NAMES = ["maps", "kind", "side", "features"]


def load_finder(path: Path) -> FinderNetwork:
    """The network of a run's `finder.pt`, or the moving average in its `last.pt`, in evaluation mode."""
    state = torch.load(path, map_location="cpu", weights_only=True)
    network = FinderNetwork()
    network.load_state_dict(state.get("average", state))
    return network.eval()


def export_finder(network: FinderNetwork) -> bytes:
    """Writes the finder as one self-contained ONNX file.

    Args:
        network: trained; it is put into evaluation mode.

    Returns:
        The file: input `views` (views, 1, rows, columns) float32 with sides that are multiples of 16; outputs as
        `finder_network.FinderOutputs` names them.

    Raises:
        ReleaseError: torch and ONNX Runtime do not agree.
    """
    sides = {2: 16 * torch.export.Dim("down", min=2, max=64), 3: 16 * torch.export.Dim("across", min=2, max=64)}
    dynamic = {0: torch.export.Dim("views", min=1, max=64), **sides}
    content = onnx_file(network, Inputs("views", (2, 1, 160, 192), dynamic), _NAMES)
    _check(network, content)
    return content


def _check(network: FinderNetwork, content: bytes) -> None:
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(0)
    for shape in ((1, 1, 384, 128), (3, 1, 160, 160), (1, 1, 48, 384)):
        views = rng.standard_normal(shape).astype(np.float32)
        with torch.inference_mode():
            ours = network(torch.from_numpy(views))
        for mine, theirs in zip(ours, session.run(_NAMES, {"views": views}), strict=True):
            worst = float(np.abs(mine.numpy() - theirs).max())
            if worst > AGREEMENT:
                raise ReleaseError(f"ONNX Runtime and torch differ by {worst:.2e} on {shape}: not released.")
