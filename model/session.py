"""ONNX Runtime, set up so that it neither starves its neighbours nor silently leaves the GPU."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from kneeoa.model.errors import KneeOAError

if TYPE_CHECKING:
    import onnxruntime

_WHEELS = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino")
_LOG = logging.getLogger(__name__)


class RuntimeSetupError(KneeOAError):
    """ONNX Runtime is missing or installed more than once; the message names the command that mends it."""


@dataclass(frozen=True, slots=True, eq=False)
class KneeScores:
    """What the network says about a batch of knees.

    Attributes:
        logits: (knees, 5) float32, before temperature.
        activation_maps: (knees, 5, map rows, map columns) float32.
        embedding: (knees, features) float32 pooled features.
    """

    logits: npt.NDArray[np.float32]
    activation_maps: npt.NDArray[np.float32]
    embedding: npt.NDArray[np.float32]


def check_single_onnxruntime() -> str:
    """The one ONNX Runtime wheel that is installed.

    Returns:
        Its distribution name.

    Raises:
        RuntimeSetupError: none is installed, or several: they share one module, and with two of them the GPU
            disappears without a word.
    """
    present = []
    for name in _WHEELS:
        try:
            metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        present.append(name)
    if not present:
        msg = "ONNX Runtime is not installed. Run: pip install 'kneeoa[cpu]' (or kneeoa[gpu], kneeoa[openvino])."
        raise RuntimeSetupError(msg)
    if len(present) > 1:
        msg = (
            f"{' and '.join(present)} are both installed and overwrite each other. "
            f"Run: pip uninstall -y {' '.join(present)}; then install the one you want."
        )
        raise RuntimeSetupError(msg)
    return present[0]


class NetworkSession:
    """One ONNX network, ready to run; safe to call from several threads.

    Args:
        network: the ONNX file's bytes, as verified by `release.load_release`.
        device: "auto", "cpu" or "cuda". CUDA asked for and absent is a warning, and the processor runs.
        threads: processor threads for one call; 0 is all cores. Worker processes pass 1.

    Raises:
        RuntimeSetupError: see `check_single_onnxruntime`.
    """

    def __init__(self, network: bytes, device: str = "auto", threads: int = 0) -> None:
        self._session, self.device = open_session(network, device, threads)

    def run(self, crops: npt.NDArray[np.float32]) -> KneeScores:
        """Scores a batch.

        Args:
            crops: (knees, 1, 208, 288) float32 from `crop.network_input`.
        """
        logits, maps, embedding = self._session.run(["logits", "activation_maps", "embedding"], {"crops": crops})
        return KneeScores(np.asarray(logits), np.asarray(maps), np.asarray(embedding))


def open_session(network: bytes, device: str = "auto", threads: int = 0) -> tuple[onnxruntime.InferenceSession, str]:
    """An ONNX Runtime session and the device that it runs on.

    Args:
        network: the ONNX file's bytes.
        device: "auto", "cpu" or "cuda".
        threads: see `NetworkSession`.

    Raises:
        RuntimeSetupError: see `check_single_onnxruntime`.
    """
    check_single_onnxruntime()
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # A spinning thread takes the core that the next worker needs, or, in one process, what comes between two networks.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    chosen = _choose(device, onnxruntime.get_available_providers())
    providers = ["CUDAExecutionProvider", "CPUExecutionProvider"] if chosen == "cuda" else ["CPUExecutionProvider"]
    return onnxruntime.InferenceSession(network, options, providers=providers), chosen


def _choose(device: str, providers: list[str]) -> str:
    if device not in ("auto", "cpu", "cuda"):
        msg = f"There is no device {device!r}. Use auto, cpu or cuda."
        raise RuntimeSetupError(msg)
    has_cuda = "CUDAExecutionProvider" in providers
    if device == "cuda" and not has_cuda:
        _LOG.warning("CUDA was asked for and is not there: running on the processor. Install kneeoa[gpu].")
    return "cuda" if has_cuda and device != "cpu" else "cpu"
