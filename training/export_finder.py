"""From the trained finder to the ONNX file that serving runs, and the proof that both say the same."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from kneeoa.model.errors import ReleaseError
from kneeoa.training.finder_network import FinderNetwork

OPSET = 18
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
    network = network.cpu().eval().to(memory_format=torch.contiguous_format)
    buffer = io.BytesIO()
    sides = {2: 16 * torch.export.Dim("down", min=2, max=64), 3: 16 * torch.export.Dim("across", min=2, max=64)}
    with warnings.catch_warnings():
        # The exporter warns about its own internals on every call.
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            network,
            (torch.zeros(2, 1, 160, 192),),
            dynamo=True,
            opset_version=OPSET,
            input_names=["views"],
            output_names=_NAMES,
            dynamic_shapes={"views": {0: torch.export.Dim("views", min=1, max=64), **sides}},
            verbose=False,
        )
    if program is None:
        raise ReleaseError("torch.onnx.export gave no program. Install the versions named in constraints.txt.")
    # The exporter notes for each node from which file of this machine it came: no business of a release's.
    for node in program.model.graph.all_nodes():
        node.metadata_props.clear()
    program.save(buffer, external_data=False)  # type: ignore[arg-type]  # a buffer works; torch annotates paths
    content = buffer.getvalue()
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
