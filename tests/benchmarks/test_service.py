"""The service's benchmarks measure what they say, and what they write is drawn."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def run(script: str, *arguments: str | Path) -> str:
    command = [sys.executable, str(HERE / script), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_load_is_measured_told_and_drawn(tmp_path: Path) -> None:
    few = ["--size", "320x320", "--each", "2", "--clients", "1,2", "--slow", "5", "--films", "20"]
    told = run("service_load.py", tmp_path / "service.json", *few)
    found = json.loads((tmp_path / "service.json").read_text())
    assert [one["kind"] for one in found["in_turns"]] == ["uncompressed", "JPEG 2000", "uncompressed, stored"]
    for one in found["in_turns"]:
        assert one["ratio"] == one["service_processor"] / one["alone_processor"]
        assert one["alone_processor"] > 0
    assert 0 <= found["idle"] < 1
    assert [one["clients"] for one in found["loads"]] == [1, 2]
    for load in [*found["loads"], found["beside_slow_clients"]]:
        assert load["failed"] == 0
        assert 0 < load["p50"] <= load["p99"]
    assert found["slow_connections"] >= 5
    assert found["films"] == 20
    assert found["memory"][-1]["resident"] > 100e6, "several processes hold networks"
    assert told.count("\n") == 8
    run("service_plot.py", tmp_path / "service.json", tmp_path / "service.png")
    assert (tmp_path / "service.png").read_bytes().startswith(b"\x89PNG")


def test_the_page_is_measured_and_told(tmp_path: Path) -> None:
    few = ["--size", "480x400", "--rounds", "2", "--studies", "1000"]
    told = run("page.py", tmp_path / "page.json", *few)
    found = json.loads((tmp_path / "page.json").read_text())
    assert set(found["milliseconds"]) == {"view", "search", "scroll"}
    for name, figures in found["milliseconds"].items():
        assert 0 < figures["median"] <= found["most"][name]
    assert 20_000 < found["bytes"] < 500_000
    assert set(found["layout_shift"]) == {"worklist", "study", "status", "letters"}
    assert told.count("(bar ") == 5


def test_starts_are_measured_on_an_empty_and_on_a_used_folder(tmp_path: Path) -> None:
    told = run("service_start.py", tmp_path / "start.json", "--rounds", "1")
    found = json.loads((tmp_path / "start.json").read_text())["start"]
    assert set(found) == {"first", "again"}
    for figures in found.values():
        assert 0 < figures["alive"]["median"] <= figures["ready"]["median"]
        assert figures["processor"]["median"] > 0.1
    assert told.count("ready after") == 2
