"""Shards on a Ray cluster: the columns of one machine, though a node dies; and plain words where there is no Ray."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console
from tests.serving.apart import in_own_network
from tests.serving.archive.small_films import write_small_films

from kneeoa.serving.archive.layout import ArchiveLayout
from kneeoa.serving.archive.local_engine import LocalEngine
from kneeoa.serving.archive.part_schema import TIMING_COLUMNS
from kneeoa.serving.archive.progress import progress_to
from kneeoa.serving.archive.run import ScoreRequest, score


def columns_of(out: Path) -> dict[str, pa.Table]:
    """Every part by its name, timing aside."""
    parts = sorted(out.glob("release=*/part-*.parquet"))
    return {part.name: pq.read_table(part, partitioning=None).drop_columns(list(TIMING_COLUMNS)) for part in parts}


def scored_here(films: Path, out: Path, shard_films: int) -> None:
    with progress_to(ArchiveLayout(out).progress(), Console(stderr=True)) as progress:
        score(ScoreRequest((str(films),), out, shard_films=shard_films), LocalEngine(1), progress)


def compared(tmp_path: Path, films: int, shard_films: int) -> list[str]:
    """Scores the same films here and on a cluster that loses a node; returns what happened on the cluster."""
    folder, here, there = (tmp_path / name for name in ("films", "here", "there"))
    write_small_films(folder, films)
    for out in (here, there):
        out.mkdir()
    command = [sys.executable, "-m", "tests.serving.archive.ray_cluster", str(folder), str(there), str(shard_films)]
    # Its sockets need short paths.
    with tempfile.TemporaryDirectory(prefix="kneeoa-", ignore_cleanup_errors=True) as short:
        done = in_own_network(["env", "RAY_USAGE_STATS_ENABLED=0", f"RAY_TMPDIR={short}", *command])
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["messages"] == []
    assert told["status"] == 1  # a file of the folder is no film
    scored_here(folder, here, shard_films)
    assert columns_of(there) == columns_of(here)
    assert len(columns_of(there)) == -(-films // shard_films)
    assert list(there.glob("release=*/_SUCCESS"))
    events: list[str] = told["events"]
    return events


def test_columns_are_those_of_one_machine_though_a_node_is_killed_midway(tmp_path: Path) -> None:
    events = compared(tmp_path, films=8, shard_films=2)
    assert events.count("ShardDone") == 4
    assert events.index("node killed") < len(events) - 1


@pytest.mark.soak
def test_hundreds_of_films_survive_the_death_of_a_node(tmp_path: Path) -> None:
    events = compared(tmp_path, films=400, shard_films=20)
    assert events.count("ShardDone") == 20


def test_without_ray_the_extra_is_named(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['ray'] = None\n"
        "from kneeoa.serving.archive.ray_engine import RayEngine, RayMissingError\n"
        "try: RayEngine('127.0.0.1:6379')\n"
        "except RayMissingError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert "pip install 'kneeoa[ray]'" in done.stdout


def test_engine_is_imported_without_ray() -> None:
    program = "import sys, kneeoa.serving.archive.ray_engine; print('ray' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_ray_without_an_address_is_wrong_use(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "kneeoa",
        "score",
        str(tmp_path),
        "--out",
        str(tmp_path / "out"),
        "--engine",
        "ray",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "--address HOST:PORT" in done.stderr
