"""How fast an archive is scored, against decoding and grading alone: `python tests/benchmarks/archive.py OUT.json`.

The floor of a film is what decoding it and grading the decoded film take one after the other, in this process, with one
thread; that of two processes is half of it. Meant for an idle machine of two cores.
"""

from __future__ import annotations

import json
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2]))

import pydicom
from pydicom.uid import generate_uid
from tests.benchmarks.measure import film, picture

from kneeoa.model.dicom import read_radiograph
from kneeoa.model.grader import KneeGrader
from kneeoa.serving.archive.local_engine import LocalEngine
from kneeoa.serving.archive.progress import Progressing
from kneeoa.serving.archive.run import ScoreRequest, make_manifest, score

SYNTAXES = ("explicit", "jpeg-lossless", "jpeg-2000-lossless", "rle")
ROWS, COLUMNS = 3000, 2500
FILMS, SHARD, HEADERS, ROUNDS = 40, 10, 3000, 5


def copies(pattern: Path, folder: Path, count: int) -> Path:
    """So many films of their own UIDs."""
    folder.mkdir(parents=True)
    uid = str(pydicom.dcmread(pattern, stop_before_pixels=True).SOPInstanceUID).encode()
    content = pattern.read_bytes()
    for number in range(count):
        other = str(generate_uid()).encode()[: len(uid)].ljust(len(uid), b"1")
        (folder / f"{number:05d}.dcm").write_bytes(content.replace(uid, other))
    return folder


def seconds(job: Callable[[], object]) -> float:
    """The median of a few rounds, on the wall."""
    taken = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        job()
        taken.append(time.perf_counter() - began)
    return sorted(taken)[ROUNDS // 2]


def films_a_second(folder: Path, out: Path, processes: int) -> float:
    """Of a run, from the first film's result to the last: starting processes is left out."""
    seen: list[tuple[float, int]] = []
    out.mkdir()
    progress = Progressing(out / "progress.json", lambda state: seen.append((time.perf_counter(), state.scored)))
    request = ScoreRequest((str(folder),), out, shard_films=SHARD, processes=processes)
    outcome = score(request, LocalEngine(processes), progress)
    begun = [(moment, scored) for moment, scored in seen if scored]
    if outcome.tally.graded != FILMS or len(begun) < 2:
        raise SystemExit("bench: not every film was graded, or there are too few films")
    return (begun[-1][1] - begun[0][1]) / (begun[-1][0] - begun[0][0])


def headers_a_second(folder: Path, out: Path) -> float:
    """Of the first pass by two processes, their start included."""
    out.mkdir()
    began = time.perf_counter()
    make_manifest(ScoreRequest((str(folder),), out, processes=2), Progressing(out / "progress.json", lambda _: None))
    return HEADERS / (time.perf_counter() - began)


def main(target: Path) -> None:
    """Measures, and writes the figures as JSON."""
    figures: dict[str, dict[str, float]] = {}
    grader = KneeGrader.load(device="cpu", threads=1)
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        pixels = picture(ROWS, COLUMNS)
        for syntax in SYNTAXES:
            pattern = film(pixels, syntax, place)
            decoded = read_radiograph(pattern)
            floor = seconds(lambda: read_radiograph(pattern)) + seconds(lambda: grader.grade(decoded))  # noqa: B023
            folder = copies(pattern, place / syntax, FILMS)
            one, two = (films_a_second(folder, place / f"{syntax}-{count}", count) for count in (1, 2))
            figures[syntax] = {
                "floor_films_per_second": 2 / floor,
                "one": one,
                "two": two,
                "two_over_floor": two * floor / 2,
                "two_over_one": two / one,
            }
            shutil.rmtree(folder)
        plain = film(pixels, SYNTAXES[0], place)
        figures["headers"] = {"per_second": headers_a_second(copies(plain, place / "heads", HEADERS), place / "out")}
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    figures["memory"] = {"largest_process_mb": peak / 1024}
    target.write_text(json.dumps(figures, indent=1) + "\n", encoding="ascii")
    sys.stdout.write(target.read_text(encoding="ascii"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
