"""Grades the files it is told of, one JSON line in and one out; started anew when a file kills it.

It is what the command line runs, in one process, and measures of each file the seconds and the peak of memory. Run as a
script: it needs nothing of the tests.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from functools import lru_cache
from pathlib import Path

import numpy as np

from kneeoa.model.dicom import read_radiograph
from kneeoa.model.grader import KneeGrader
from kneeoa.model.grades import FilmGrades
from kneeoa.model.radiograph import FloatImage, Radiograph
from kneeoa.serving.results.overlay import draw_overlay
from kneeoa.serving.results.table import results_table

ADDRESS_SPACE = 6 << 30
"""A bomb ends this process, not the machine; what it may really use is asserted by the tests, from the peak."""
GROSS = 0.15
"""Of the grey range: a pixel that is farther off than this shows something else."""


@lru_cache(maxsize=64)
def _intact(path: str) -> FloatImage:
    return read_radiograph(path).pixels


def gross_share(pixels: FloatImage, intact: FloatImage) -> float:
    """The share of pixels that show something else than the unharmed film does, whatever contrast it has now."""
    if pixels.shape != intact.shape:
        return 1.0
    now, before = pixels.ravel().astype(np.float64), intact.ravel().astype(np.float64)
    slope = np.cov(now, before)[0, 1] / max(now.var(), 1e-12)
    expected = slope * (now - now.mean()) + before.mean()
    return float((np.abs(expected - before) > GROSS).mean())


def main() -> None:
    """Serves requests until stdin ends."""
    grader = KneeGrader.load(device="cpu", threads=1)
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    for line in sys.stdin:
        request = json.loads(line)
        seen: list[Radiograph] = []
        drawn = bool(request["draw"])

        def look(film: Radiograph, grades: FilmGrades, seen: list[Radiograph] = seen, drawn: bool = drawn) -> None:
            seen.append(film)
            if drawn:
                draw_overlay(film.pixels, grades)

        intact = _intact(request["intact"]) if request["intact"] else None
        _forget_peak()
        started, began = time.perf_counter(), time.process_time()
        report = grader.grade_file(os.fsdecode(request["path"]), seen=look)
        results_table([report])
        answer = {
            "report": report.to_json(),
            "seconds": time.perf_counter() - started,
            "cpu_seconds": time.process_time() - began,
            "peak_mb": _peak_mb(),
        }
        if seen and intact is not None:
            answer["gross"] = gross_share(seen[0].pixels, intact)
            answer["same"] = bool(np.array_equal(seen[0].pixels, intact))
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # proc(5): 5 resets the peak resident set size


def _peak_mb() -> float:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


if __name__ == "__main__":
    main()
