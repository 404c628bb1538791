"""How long a film takes, by transfer syntax and size, against a floor measured in the same rounds: `make bench`.

The floor is what no implementation of ours can avoid: reading the file and decoding its pixels by pydicom or GDCM
alone, and the network by ONNX Runtime alone. Ours and the floor take turns, so that whatever else the machine does
falls upon both. Milliseconds are those of the clock on the wall; multiples of the floor are of processor time, which a
busy neighbour hardly changes. Films that are not graded end the run: a refusal is quick.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

import gdcm
import numpy as np
import pydicom

from kneeoa.datasets.phantom import PhantomSpec
from kneeoa.datasets.phantom_dicom import FilmHeader, film_dataset
from kneeoa.datasets.phantom_encoding import FilmEncoding
from kneeoa.datasets.phantom_films import two_knee_phantom
from kneeoa.datasets.transfer_syntax import NAMES
from kneeoa.model.crop import BAND_ROWS, SQUARE
from kneeoa.model.dicom import read_radiograph
from kneeoa.model.film_views import SMALL_PX, WHOLE_PX, View, close_view, whole_view
from kneeoa.model.grader import KneeGrader
from kneeoa.model.radiograph import FloatImage, Side

SIZES = ((1200, 1200), (3000, 2500), (4300, 3500))
PLAIN = "explicit"
MOST_ROUNDS, FEWEST_ROUNDS = 15, 3
SECONDS_A_FILM = 1.5
"""A figure gets more rounds until this is spent, or `MOST_ROUNDS` are reached."""
PAUSE_SECONDS = 0.005
"""Before each job: ONNX Runtime's threads go on spinning after their answer, on cores that the next one needs."""
LIBRARIES = ("numpy", "onnxruntime", "pydicom", "python-gdcm", "pylibjpeg-rle", "pylibjpeg-openjpeg", "pyjpegls")
_PYDICOM_REFUSES = "jpeg-extended"
"""With 12 bits; its floor is GDCM's own reader."""
_IMPORTS = "import numpy, pydicom, onnxruntime"


@dataclass(frozen=True, slots=True)
class Cost:
    """Milliseconds that one round took, on the wall and of the processor."""

    wall: float
    processor: float


@dataclass(frozen=True, slots=True)
class Spread:
    """Median and quartiles of repeated figures."""

    median: float
    q1: float
    q3: float
    rounds: int


@dataclass(frozen=True, slots=True)
class Figure:
    """One job of ours and its floor.

    Attributes:
        job: "decode" (file to picture), "find" (picture to knees), "grade" (picture to report), "whole" (file to
            report) or "cold start" (the command).
        syntax: the film's transfer syntax, by its name; empty where it does not matter.
        size: the film's rows and columns.
        ours: milliseconds on the wall.
        floor: milliseconds on the wall.
        over_floor: processor time of ours divided by the floor's, round by round.
    """

    job: str
    syntax: str
    size: tuple[int, int]
    ours: Spread
    floor: Spread
    over_floor: Spread


def spread(figures: list[float]) -> Spread:
    """Median and quartiles."""
    q1, median, q3 = (float(f"{value:.5g}") for value in np.quantile(figures, (0.25, 0.5, 0.75)))
    return Spread(median, q1, q3, len(figures))


def processor_seconds() -> float:
    """What this process, with all its threads, and its children that have ended have used."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + ended.ru_utime + ended.ru_stime


def in_turns(jobs: Mapping[str, Callable[[], object]]) -> dict[str, list[Cost]]:
    """What each job costs, round by round, after one round that counts only where it was no short one."""
    costs: dict[str, list[Cost]] = {name: [] for name in jobs}
    started = time.perf_counter()
    for done in range(1 + MOST_ROUNDS):
        spent = time.perf_counter() - started
        if done == 1 and spent < SECONDS_A_FILM / 3:
            costs = {name: [] for name in jobs}
        if len(next(iter(costs.values()))) >= FEWEST_ROUNDS and spent > SECONDS_A_FILM:
            break
        for name, job in jobs.items():
            time.sleep(PAUSE_SECONDS)
            begun, used = time.perf_counter(), processor_seconds()
            job()
            costs[name].append(Cost((time.perf_counter() - begun) * 1000, (processor_seconds() - used) * 1000))
    return costs


def both(first: list[Cost], second: list[Cost]) -> list[Cost]:
    """One job after the other, round by round."""
    return [Cost(a.wall + b.wall, a.processor + b.processor) for a, b in zip(first, second, strict=True)]


def figure(job: str, syntax: str, size: tuple[int, int], ours: list[Cost], floor: list[Cost]) -> Figure:
    """A job against its floor, round by round."""
    over = [a.processor / b.processor for a, b in zip(ours, floor, strict=True)]
    return Figure(job, syntax, size, spread([c.wall for c in ours]), spread([c.wall for c in floor]), spread(over))


def picture(rows: int, columns: int) -> FloatImage:
    """Both knees of a standing phantom, (rows, columns) float32 in [0, 1]."""
    return two_knee_phantom(PhantomSpec(side=Side.RIGHT, grade=2, seed=7), (rows, columns))


def find_floor(grader: KneeGrader, pixels: FloatImage) -> Callable[[], object]:
    """The finder's networks alone, as often as a film of two knees needs them at least."""
    views = [whole_view(pixels, long_side) for long_side in (WHOLE_PX, SMALL_PX)]
    near = [close_view(pixels, (pixels.shape[0] / 2, pixels.shape[1] / 2), pixels.shape[1] / 4, 0.0)] * 2
    return partial(_run_finder, grader, [[view] for view in views] + [near])


def _run_finder(grader: KneeGrader, batches: Sequence[Sequence[View]]) -> None:
    for views in batches:
        grader.finder.run(views)


def film(pixels: FloatImage, syntax: str, folder: Path) -> Path:
    """A film as a DX object of 12 bits, of 8 where the syntax holds no more."""
    bits = 8 if syntax == "jpeg-baseline" else 12
    encoding = FilmEncoding(transfer_syntax=NAMES[syntax], bits_stored=bits, bits_allocated=8 if bits == 8 else 16)
    header = FilmHeader("PHANTOM-7", Side.RIGHT, 0.15, "bench", f"{pixels.shape} {syntax}")
    path = folder / f"{syntax}.dcm"
    film_dataset(pixels, header, encoding).save_as(path, enforce_file_format=True)
    return path


def decode_alone(path: Path) -> object:
    """The floor of reading: pydicom's own, without window, facts or refusals."""
    return pydicom.dcmread(path).pixel_array


def decode_by_gdcm(path: Path) -> object:
    """The floor of reading what pydicom does not."""
    reader = gdcm.ImageReader()
    reader.SetFileName(str(path))
    with without_stderr():
        if not reader.Read():
            raise SystemExit(f"bench: GDCM cannot read {path.name}")
        return reader.GetImage().GetBuffer()


@contextmanager
def without_stderr() -> Iterator[None]:
    """Keeps native code off the terminal: GDCM's libjpeg complains of 12 bits before it takes the right one."""
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)


def figures_of(pixels: FloatImage, syntaxes: tuple[str, ...], grader: KneeGrader, folder: Path) -> Iterator[Figure]:
    """Decode and whole file by transfer syntax, and grading, of films of one size."""
    size = (int(pixels.shape[0]), int(pixels.shape[1]))
    crops = np.zeros((2, BAND_ROWS, SQUARE), np.float32)
    finder = find_floor(grader, pixels)
    for syntax in syntaxes:
        path = film(pixels, syntax, folder)
        report = grader.grade_file(path)
        if len(report.knees) != 2 or any(knee.kl is None for knee in report.knees):
            raise SystemExit(f"bench: of the {syntax} film of {size[0]} x {size[1]} not both knees are graded")
        floor = decode_by_gdcm if syntax == _PYDICOM_REFUSES else decode_alone
        radiograph = read_radiograph(path)
        jobs: dict[str, Callable[[], object]] = {
            "decode floor": partial(floor, path),
            "decode": partial(read_radiograph, path),
            "network floor": lambda: (finder(), grader.score(crops)),
            "grade": partial(grader.grade, radiograph),
        }
        if syntax == PLAIN:
            jobs |= {"find floor": finder, "find": partial(grader.find, radiograph)}
        times = in_turns(jobs)
        yield figure("decode", syntax, size, times["decode"], times["decode floor"])
        whole, least = both(times["decode"], times["grade"]), both(times["decode floor"], times["network floor"])
        yield figure("whole", syntax, size, whole, least)
        if syntax == PLAIN:
            yield figure("find", "", size, times["find"], times["find floor"])
            yield figure("grade", "", size, times["grade"], times["network floor"])
        path.unlink()


def cold_start(path: Path, size: tuple[int, int]) -> Figure:
    """`kneeoa grade FILE` from nothing, against importing the libraries that it cannot do without."""

    def run(*arguments: str) -> None:
        subprocess.run([sys.executable, *arguments], capture_output=True, check=True)

    jobs = {"ours": partial(run, "-m", "kneeoa", "grade", str(path), "--json"), "floor": partial(run, "-c", _IMPORTS)}
    times = in_turns(jobs)
    return figure("cold start", "", size, times["ours"], times["floor"])


UNHURRIED = {"KNEEOA_LIMITS__REQUESTS_A_MINUTE": "1000000", "KNEEOA_QUEUE__FREE_BYTES": "0"}
"""Settings of a service that is measured: neither a rate nor a small disk disturbs."""


def report(out: Path, found: Mapping[str, object], lines: Sequence[str]) -> None:
    """Writes what was found as JSON; the figures and their bars on stdout.

    Args:
        out: the file; its folder is made.
        found: with the machine that it was found on.
        lines: of the figures.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    sys.stdout.writelines(f"{line}\n" for line in lines)


def machine() -> dict[str, str | int | float]:
    """What the figures were taken on; the machine's name is nobody's business."""
    cpuinfo = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*:\s*(.+)", cpuinfo.read_text(encoding="utf-8")) if cpuinfo.is_file() else None
    return {
        "cpu": found[1] if found else platform.processor() or platform.machine(),
        "cores": os.cpu_count() or 1,
        "usable_cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        "load_average": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else -1,
        "omp_num_threads": os.environ.get("OMP_NUM_THREADS", "not set"),
        "system": platform.system(),
        "python": platform.python_version(),
    }


def sizes(text: str) -> tuple[tuple[int, int], ...]:
    """`ROWSxCOLUMNS,...` as pairs."""
    return tuple((int(rows), int(columns)) for rows, columns in (size.split("x") for size in text.split(",")))


def main() -> None:
    """Measures, with progress on stderr, and writes JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="the JSON file to write")
    parser.add_argument("--sizes", type=sizes, default=SIZES, help="ROWSxCOLUMNS,...")
    parser.add_argument("--syntaxes", default=",".join(NAMES), help="names of transfer syntaxes; explicit is needed")
    chosen = parser.parse_args()
    grader = KneeGrader.load(device="cpu")
    started, facts = time.perf_counter(), machine()  # the load that was there before us
    found: list[Figure] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for rows, columns in chosen.sizes:
            pixels = picture(rows, columns)
            for one in figures_of(pixels, tuple(chosen.syntaxes.split(",")), grader, folder):
                found.append(one)
                what = f"{one.job} {one.syntax} {rows} x {columns}"
                sys.stderr.write(f"{what:44} {one.ours.median:9.1f} ms {one.over_floor.median:6.2f} of its floor\n")
        found.append(cold_start(film(picture(*chosen.sizes[0]), PLAIN, folder), chosen.sizes[0]))
    result = {
        "machine": facts,
        "libraries": {library: version(library) for library in LIBRARIES},
        "release": grader.facts.name,
        "seconds": round(time.perf_counter() - started, 1),
        "figures": [asdict(one) for one in found],
    }
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
