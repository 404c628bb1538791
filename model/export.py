"""From a trained torch network to the ONNX file that serving runs, and the proof that both say the same."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from kneeoa.model.calibrate import probabilities
from kneeoa.model.crop import BAND_ROWS, SQUARE
from kneeoa.model.errors import ReleaseError
from kneeoa.model.network import KneeNetwork, KneeOutputs
from kneeoa.model.session import NetworkSession

OPSET = 18
AGREEMENT = 1e-4
"""Largest difference in probability that torch and ONNX Runtime may show on any crop."""


class _Explained(nn.Module):
    def __init__(self, network: KneeNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, crops: torch.Tensor) -> KneeOutputs:
        return self.network.explain(crops)


def export_onnx(network: KneeNetwork) -> bytes:
    """Writes the network as one self-contained ONNX file.

    Args:
        network: trained; it is put into evaluation mode, on the processor.

    Returns:
        The file: input `crops` (knees, 1, 208, 288) float32, outputs `logits` (knees, 5), `activation_maps`
        (knees, 5, 7, 9) and `embedding` (knees, features), any number of knees, weights inside.
    """
    dynamic = {0: torch.export.Dim("knees", min=1, max=1024)}
    names = ["logits", "activation_maps", "embedding"]
    return onnx_file(_Explained(network), Inputs("crops", (2, 1, BAND_ROWS, SQUARE), dynamic), names)


@dataclass(frozen=True, slots=True)
class Inputs:
    """What an exported network is given.

    Attributes:
        name: of the input.
        shape: of an example, float32.
        dynamic: its axes that may have other lengths.
    """

    name: str
    shape: tuple[int, ...]
    dynamic: Mapping[int, object] = field(default_factory=dict)


def onnx_file(network: nn.Module, inputs: Inputs, outputs: Sequence[str]) -> bytes:
    """Writes any network of one input as one self-contained ONNX file; every export ends here.

    Args:
        network: trained; it is put into evaluation mode, on the processor.
        inputs: what it is given.
        outputs: names of what it gives, in its order.

    Returns:
        The file, weights inside, with nothing of the machine that wrote it.

    Raises:
        ReleaseError: the exporter gave no program.
    """
    # Contiguous, not channels last: the exporter would write the layout of the training machine into the graph.
    network = network.cpu().eval().to(memory_format=torch.contiguous_format)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # The exporter warns about its own internals on every call.
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            network,
            (torch.zeros(inputs.shape),),
            dynamo=True,
            opset_version=OPSET,
            input_names=[inputs.name],
            output_names=list(outputs),
            dynamic_shapes=(dict(inputs.dynamic),) if inputs.dynamic else None,
            verbose=False,
        )
    if program is None:
        msg = "torch.onnx.export gave no program. Install the versions named in constraints.txt."
        raise ReleaseError(msg)
    # The exporter notes for each node from which file of this machine it came: no business of a release's.
    for node in program.model.graph.all_nodes():
        node.metadata_props.clear()
    program.save(buffer, external_data=False)  # type: ignore[arg-type]  # a buffer works; torch annotates paths
    return buffer.getvalue()


def largest_disagreement(network: KneeNetwork, onnx_file: bytes, crops: npt.NDArray[np.float32]) -> float:
    """Largest difference in any probability between torch and ONNX Runtime.

    Args:
        network: what was exported.
        onnx_file: what was written.
        crops: (knees, 208, 288) float32 from `crop.network_input`.
    """
    session = NetworkSession(onnx_file, device="cpu")
    worst = 0.0
    for first in range(0, len(crops), 32):
        batch = np.ascontiguousarray(crops[first : first + 32, None])
        with torch.inference_mode():
            ours = network.eval()(torch.from_numpy(batch)).numpy()
        theirs = session.run(batch).logits
        worst = max(worst, float(np.abs(probabilities(ours, 1.0) - probabilities(theirs, 1.0)).max()))
    return worst


def check_agreement(network: KneeNetwork, onnx_file: bytes, crops: npt.NDArray[np.float32]) -> float:
    """`largest_disagreement`, refused beyond `AGREEMENT`.

    Raises:
        ReleaseError: the exported network does not say what the trained one says.
    """
    worst = largest_disagreement(network, onnx_file, crops)
    if worst > AGREEMENT:
        msg = f"ONNX Runtime and torch differ by {worst:.2e} in probability (limit {AGREEMENT:.0e}): not released."
        raise ReleaseError(msg)
    return worst
