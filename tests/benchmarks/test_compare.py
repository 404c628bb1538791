"""The benchmark's own logic: what counts as slower, what a baseline keeps, and how the command ends."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
DECODE = "decode rle 60 x 40"


def figure(median: float, q1: float, q3: float, job: str = "decode", syntax: str = "rle") -> dict[str, object]:
    spread = {"median": median, "q1": q1, "q3": q3, "rounds": 5}
    return {"job": job, "syntax": syntax, "size": [60, 40], "ours": spread, "floor": spread, "over_floor": spread}


def result(folder: Path, *figures: dict[str, object]) -> Path:
    path = folder / "bench.json"
    said = {"machine": {"cpu": "an abacus"}, "libraries": {"numpy": "2"}, "release": "kneeoa-3", "seconds": 1.0}
    path.write_text(json.dumps(said | {"figures": figures}))
    return path


def run(script: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(HERE / script), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def baseline(tmp_path: Path) -> Path:
    path = tmp_path / "baseline.json"
    measured = result(tmp_path, figure(1.5, 1.4, 1.6), figure(2.0, 1.9, 2.1, "grade", ""))
    done = run("compare.py", measured, "--baseline", path, "--update-baseline")
    assert done.returncode == 0, done.stderr
    return path


def test_baseline_keeps_medians_and_what_they_were_taken_on(baseline: Path) -> None:
    kept = json.loads(baseline.read_text())
    assert kept["over_floor"] == {DECODE: 1.5, "grade 60 x 40": 2.0}
    assert kept["machine"] == {"cpu": "an abacus"}
    assert kept["libraries"] == {"numpy": "2"}


@pytest.mark.parametrize(
    ("now", "verdict", "status"),
    [
        ((1.5, 1.4, 1.6), "", 0),
        ((2.0, 1.7, 2.5), "", 0),  # the median is far off, but too many of its rounds are not
        ((2.1, 1.95, 2.5), "slower", 1),
        ((1.0, 0.9, 1.1), "faster", 0),
    ],
)
def test_slower_is_what_nearly_all_rounds_are(
    baseline: Path, tmp_path: Path, now: tuple[float, float, float], verdict: str, status: int
) -> None:
    measured = result(tmp_path, figure(*now), figure(2.0, 1.9, 2.1, "grade", ""))
    lines = run("compare.py", measured, "--baseline", baseline).stdout.splitlines()
    line = next(line for line in lines if line.startswith(DECODE))
    assert line.endswith(verdict or f"{now[1]:.2f}-{now[2]:.2f}")
    assert run("compare.py", measured, "--baseline", baseline).returncode == 0
    assert run("compare.py", measured, "--baseline", baseline, "--strict").returncode == status


def test_figure_that_is_gone_or_new_is_said(baseline: Path, tmp_path: Path) -> None:
    measured = result(tmp_path, figure(1.5, 1.4, 1.6), figure(1.0, 1.0, 1.0, "find", ""))
    done = run("compare.py", measured, "--baseline", baseline, "--strict")
    assert done.returncode == 1
    assert any(line.startswith("find 60 x 40") and line.endswith("new") for line in done.stdout.splitlines())
    assert any(line.startswith("grade 60 x 40") and line.endswith("gone") for line in done.stdout.splitlines())


def test_committed_baseline_is_of_all_syntaxes_and_small() -> None:
    from kneeoa.datasets.transfer_syntax import NAMES

    path = HERE / "baseline.json"
    names = set(json.loads(path.read_text())["over_floor"])
    assert {f"decode {syntax} 3000 x 2500" for syntax in NAMES} <= names
    assert "cold start 1200 x 1200" in names
    assert path.stat().st_size < 10_000


def test_measuring_gives_what_is_compared_and_drawn(tmp_path: Path) -> None:
    measured = run("measure.py", tmp_path / "new" / "bench.json", "--sizes", "320x320", "--syntaxes", "explicit,rle")
    assert measured.returncode == 0, measured.stderr
    found = json.loads((tmp_path / "new" / "bench.json").read_text())
    assert {(one["job"], one["syntax"]) for one in found["figures"]} == {
        ("decode", "explicit"),
        ("whole", "explicit"),
        ("find", ""),
        ("grade", ""),
        ("decode", "rle"),
        ("whole", "rle"),
        ("cold start", ""),
    }
    for one in found["figures"]:
        assert 0 < one["ours"]["q1"] <= one["ours"]["median"] <= one["ours"]["q3"]
    drawn = run("plot.py", tmp_path / "new" / "bench.json", tmp_path / "bench.png")
    assert drawn.returncode == 0, drawn.stderr
    assert (tmp_path / "bench.png").read_bytes().startswith(b"\x89PNG")
