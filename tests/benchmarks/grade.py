"""How long a film takes, step by step, against a floor measured in the same run: `make bench`.

Medians of repeated runs on one 3000 x 2500 object (uncompressed and RLE) in one process. The floor is what no
implementation of ours can avoid: reading and decoding by pydicom alone, plus the network by ONNX Runtime alone.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pydicom
from matplotlib.figure import Figure
from PIL import Image

from kneeoa.datasets.phantom import PhantomSpec, make_phantom, phantom_dataset
from kneeoa.datasets.transfer_syntax import encode
from kneeoa.model.crop import BAND_ROWS, SQUARE
from kneeoa.model.dicom import read_radiograph
from kneeoa.model.grader import KneeGrader
from kneeoa.model.radiograph import Side

REPEATS = 15
ROWS, COLUMNS = 3000, 2500
SYNTAXES = {
    "uncompressed": "1.2.840.10008.1.2.1",
    "RLE": "1.2.840.10008.1.2.5",
    "JPEG lossless": "1.2.840.10008.1.2.4.70",
}


def median_ms(job: Callable[[], object], repeats: int = REPEATS) -> float:
    """Median wall-clock milliseconds of a job, after one unmeasured run."""
    job()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        job()
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)


def large_film(folder: Path) -> dict[str, Path]:
    """One phantom knee as a 3000 x 2500, 12-bit object in several transfer syntaxes."""
    spec = PhantomSpec(side=Side.RIGHT, grade=2, seed=3)
    square = Image.fromarray(make_phantom(spec).pixels).resize((COLUMNS, ROWS), Image.Resampling.BICUBIC)
    dataset = phantom_dataset(spec)
    dataset.Rows, dataset.Columns = ROWS, COLUMNS
    dataset.PixelData = (np.clip(np.asarray(square), 0, 1) * 4095).astype(np.uint16).tobytes()
    paths = {}
    for name, uid in SYNTAXES.items():
        paths[name] = folder / f"{name.replace(' ', '-')}.dcm"
        encode(dataset, uid).save_as(paths[name], enforce_file_format=True)
    return paths


def decode_alone(path: Path) -> object:
    """The floor of reading: pydicom's own, without window, facts or refusals."""
    return pydicom.dcmread(path).pixel_array


def measure(folder: Path) -> dict[str, dict[str, float]]:
    """Milliseconds by transfer syntax: decode floor, network floor, whole file, and what is ours between them."""
    grader = KneeGrader.load(device="cpu")
    crop = np.zeros((1, BAND_ROWS, SQUARE), np.float32)
    network = median_ms(lambda: grader.score(crop))
    found: dict[str, dict[str, float]] = {}
    for name, path in large_film(folder).items():
        decode = median_ms(partial(decode_alone, path))
        read = median_ms(partial(read_radiograph, path))
        whole = median_ms(partial(grader.grade_file, path))
        ours = whole - decode - network
        found[name] = {"decode": decode, "network": network, "read": read, "whole": whole, "ours": ours}
    return found


def cold_start(path: Path) -> float:
    """Median seconds of `kneeoa grade FILE` from nothing."""
    command = [sys.executable, "-m", "kneeoa", "grade", str(path), "--json"]
    return median_ms(lambda: subprocess.run(command, capture_output=True, check=False), repeats=5) / 1000


def plot(found: dict[str, dict[str, float]], path: Path) -> None:
    """Stacked bars: decode, ours, network."""
    figure = Figure(figsize=(7.5, 2.8), layout="constrained")
    axes = figure.subplots()
    names = list(found)
    left = np.zeros(len(names))
    for part, colour in (("decode", "#9fb4c0"), ("ours", "#d1495b"), ("network", "#1f6f8b")):
        values = np.array([found[name][part] for name in names])
        axes.barh(names, values, left=left, color=colour, label=part)
        left += values
    axes.set(xlabel="milliseconds, median", title=f"One {ROWS} x {COLUMNS} film, loaded grader")
    axes.legend(frameon=False)
    figure.savefig(path, dpi=130)


def main() -> None:
    """Measures, prints, and writes `bench.json` and `bench.png`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder))
        result = {
            "machine": f"{platform.machine()}, Python {platform.python_version()}",
            "milliseconds": found,
            "whole_over_floor": {n: f["whole"] / (f["decode"] + f["network"]) for n, f in found.items()},
            "cold_start_seconds": cold_start(next(iter(large_film(Path(folder)).values()))),
        }
    (out / "bench.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    plot(found, out / "bench.png")
    sys.stdout.write(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
