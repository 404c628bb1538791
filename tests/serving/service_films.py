"""Films for the tests of the service, two of which kill or block whoever decodes them."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import numpy as np
import pydicom

from kneeoa.datasets.phantom import PhantomSpec, write_phantom
from kneeoa.datasets.transfer_syntax import encode
from kneeoa.model.radiograph import Side

ABORTS, SLEEPS, SLOW = 501, 503, 505
"""Columns of a JPEG 2000 film at which the decoder of `treacherous_decoder` goes wrong."""
SLOW_SECONDS = 3.0
ASKED_PROVIDERS = "KNEEOA_TEST_ASKED_PROVIDERS"
"""Environment variable of the file in which `pretended_cuda` notes what a session was asked to run on."""
JPEG_2000 = "1.2.840.10008.1.2.4.90"


def write_film(path: Path, seed: int, grade: int = 2) -> Path:
    """A framed phantom knee."""
    write_phantom(PhantomSpec(side=Side.RIGHT, grade=grade, seed=seed), path)
    return path


def write_treacherous(path: Path, columns: int, seed: int = 1) -> Path:
    """The same in JPEG 2000 and so many columns."""
    write_phantom(PhantomSpec(side=Side.RIGHT, grade=2, seed=seed), path)
    film = pydicom.dcmread(path)
    pixels = np.ascontiguousarray(film.pixel_array[:, :columns])
    if pixels.shape[1] != columns:
        raise AssertionError(f"the phantom is too small: {pixels.shape}")
    film.Columns = columns
    film.PixelData = pixels.tobytes()
    encode(film, JPEG_2000).save_as(path, enforce_file_format=True)
    return path


def treacherous_decoder() -> None:
    """Has OpenJPEG's Python plugin abort, hang or dawdle at films of certain widths; runs in a worker."""
    import openjpeg.utils

    decode = openjpeg.utils.decode

    def wrong(codestream: bytes) -> object:
        columns = int.from_bytes(codestream[8:12], "big")  # Xsiz of the SIZ segment, ITU-T T.800 A.5.1
        if columns == ABORTS:
            os.abort()
        if columns == SLEEPS:
            time.sleep(1e6)
        if columns == SLOW:
            time.sleep(SLOW_SECONDS)
        return decode(codestream)

    openjpeg.utils.decode = wrong  # type: ignore[assignment] # of its three arguments the reader passes one


def pretended_cuda() -> None:
    """Has ONNX Runtime claim a GPU and note what it is asked for; the processor does the work. Runs in a worker."""
    import onnxruntime

    session = onnxruntime.InferenceSession

    def asked(network: bytes, options: object, providers: list[str]) -> object:
        Path(os.environ[ASKED_PROVIDERS]).write_text(json.dumps(providers))
        return session(network, options, providers=["CPUExecutionProvider"])

    onnxruntime.get_available_providers = lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"]
    onnxruntime.InferenceSession = asked
