"""From a trained joint-space network to the ONNX file that serving runs, and the proof that both say the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import torch

from kneeoa.model.errors import ReleaseError
from kneeoa.model.export import Inputs, onnx_file
from kneeoa.model.joint_band import BAND_COLUMNS, BAND_ROWS, PLACE_PX
from kneeoa.training.joint_networks import PlaceNetwork, TraceNetwork

AGREEMENT = 2e-3
"""Largest difference in any logit that torch and ONNX Runtime may show."""


def load_joint_network(path: Path, kind: str) -> torch.nn.Module:
    """The network of a run's `place.pt` or `trace.pt`, or the moving average in its `last.pt`, in evaluation mode."""
    state = torch.load(path, map_location="cpu", weights_only=True)
    network = PlaceNetwork() if kind == "place" else TraceNetwork()
    network.load_state_dict(state.get("average", state))
    return network.eval()


def export_joint(network: torch.nn.Module) -> bytes:
    """Writes a joint-space network as one self-contained ONNX file.

    Args:
        network: a trained `PlaceNetwork` or `TraceNetwork`.

    Returns:
        The file: input `crops` and output `heat`, or input `bands` and outputs `rows` and `contact`.

    Raises:
        ReleaseError: torch and ONNX Runtime do not agree.
    """
    network = network.cpu().eval().to(memory_format=torch.contiguous_format)
    place = isinstance(network, PlaceNetwork)
    shape = (1, 1, PLACE_PX, PLACE_PX) if place else (1, 1, BAND_ROWS, BAND_COLUMNS)
    given, said = ("crops", ["heat"]) if place else ("bands", ["rows", "contact"])
    content = onnx_file(network, Inputs(given, shape), said)
    _check(network, content, given, shape)
    return content


def _check(network: torch.nn.Module, content: bytes, given: str, shape: tuple[int, ...]) -> None:
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    pictures = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    with torch.inference_mode():
        ours = network(torch.from_numpy(pictures))
    for mine, theirs in zip(
        ours if isinstance(ours, tuple) else (ours,), session.run(None, {given: pictures}), strict=True
    ):
        worst = float(np.abs(mine.numpy() - theirs).max())
        if worst > AGREEMENT:
            raise ReleaseError(f"ONNX Runtime and torch differ by {worst:.2e}: not released.")
