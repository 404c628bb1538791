"""A run over an archive comes to one table, whatever is killed, crashes, vanishes or fills up on the way."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.serving.archive.scorer import scored
from tests.serving.pipeline.many_films import write_films
from tests.serving.service_films import ABORTS, write_treacherous

from kneeoa.model.grader import KneeGrader
from kneeoa.serving.archive.layout import ArchiveLayout
from kneeoa.serving.archive.part_schema import PART_SCHEMA, TIMING_COLUMNS


def table(out: Path) -> pa.Table:
    """All parts but their timing."""
    parts = sorted(out.glob("release=*/part-*.parquet"))
    found = pa.concat_tables([pq.ParquetFile(part).read().cast(PART_SCHEMA) for part in parts])
    return found.drop_columns(list(TIMING_COLUMNS)).replace_schema_metadata(None)


def started(out: Path, films: Path, shard_films: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, str(Path(__file__).with_name("scorer.py")), str(out), "2", str(shard_films), str(films)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)


def children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


def film_processes(pid: int) -> list[int]:
    """The processes of the run that decode: not the one that multiprocessing keeps beside."""
    return [child for child in children(pid) if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]


def wait_for(true: Callable[[], object], seconds: float = 300.0) -> None:
    ends = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < ends, "it does not come"
        time.sleep(0.02)


def survives(folder: Path, count: int, kills: int, shard_films: int, seed: int) -> None:
    """Kills the run or one of its processes at random moments; in the end the table is as if nothing had been."""
    films = write_films(folder / "films", count)[0].parent
    (films / "pattern.dcm").unlink()
    chance = random.Random(seed)  # noqa: S311 - moments, not secrets
    share = max(1, count // shard_films // (kills + 1))
    for kill in range(kills):
        run = started(folder / "out", films, shard_films)
        had = len(list(folder.glob("out/release=*/part-*")))
        wanted = had + chance.randint(0, share)
        wait_for(lambda: film_processes(run.pid) and len(list(folder.glob("out/release=*/part-*"))) >= wanted)  # noqa: B023
        time.sleep(chance.uniform(0, 1.0))
        if kill % 2:
            for child in film_processes(run.pid)[:1]:
                os.kill(child, signal.SIGKILL)
            time.sleep(chance.uniform(0, 1.0))
        run.kill()
        run.wait()
    last = started(folder / "out", films, shard_films)
    assert last.wait() == 0
    assert scored(folder / "whole", [str(films)], shard_films=shard_films).status == 0
    assert table(folder / "out").column("row").to_pylist() == list(range(count))
    assert table(folder / "out").equals(table(folder / "whole"))
    assert not list((folder / "out").glob("release=*/.part*"))


def test_sixty_films_survive_two_kills(tmp_path: Path) -> None:
    survives(tmp_path, 60, 2, 6, seed=3)


@pytest.mark.soak
def test_five_thousand_films_survive_twenty_kills(tmp_path: Path) -> None:
    survives(tmp_path, 5000, 20, 25, seed=4)


@pytest.fixture(scope="module")
def troubled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two good films around one that kills its decoder, and one that vanishes; scored."""
    folder = tmp_path_factory.mktemp("troubled")
    films = write_films(folder / "films", 3)
    films[1].unlink()
    write_treacherous(films[1], ABORTS)
    out = folder / "out"
    from tests.serving.archive.test_first_pass import reader_of

    reader_of(out, folder / "films", shard_films=10)
    (folder / "films" / "pattern.dcm").unlink()
    assert scored(out, [str(folder / "films")]).status == 1
    return out, folder / "films"


def test_a_film_that_kills_its_decoder_and_one_that_vanishes_are_rows_and_the_rest_is_graded(
    troubled: tuple[Path, Path],
) -> None:
    found = table(troubled[0]).select(["refusal_code", "kl_grade"]).to_pylist()
    assert [row["refusal_code"] for row in found] == [None, "decoder_crashed", None, "unreadable_file"]
    assert [row["kl_grade"] is None for row in found] == [False, True, False, True]


def test_a_grade_of_the_archive_is_that_of_the_command(troubled: tuple[Path, Path]) -> None:
    out, films = troubled
    alone = KneeGrader.load(device="cpu", threads=1).grade_file(films / "0.dcm").knees[0]
    row = table(out).to_pylist()[0]
    assert alone.kl is not None
    assert row["kl_grade"] == alone.kl.grade
    assert row["kl_oa_probability"] == pytest.approx(alone.kl.oa_probability, abs=1e-5)
    assert alone.joint_space is not None
    assert row["medial_minimum_mm"] == pytest.approx(alone.joint_space["medial"].minimum_mm, abs=1e-5)


def test_a_finished_run_does_nothing_and_says_the_same(troubled: tuple[Path, Path]) -> None:
    out, films = troubled
    before = {path: path.stat().st_mtime_ns for path in out.glob("release=*/*")}
    outcome = scored(out, [str(films)])
    assert (outcome.status, outcome.failed, outcome.shards_left) == (1, 2, 0)
    assert {path: path.stat().st_mtime_ns for path in out.glob("release=*/*")} == before
    assert json.loads((out / "progress.json").read_text())["step"] == "done"


def test_a_stop_finishes_the_films_in_work_and_leaves_a_clean_state(tmp_path: Path) -> None:
    films = write_films(tmp_path / "films", 30)[0].parent
    run = started(tmp_path / "out", films, 100)
    progress = tmp_path / "out" / "progress.json"
    wait_for(lambda: progress.exists() and json.loads(progress.read_text())["scored"])
    run.send_signal(signal.SIGTERM)
    assert run.wait(120) == 1
    assert json.loads(progress.read_text())["step"] == "stopped"
    assert not list(tmp_path.glob("out/release=*/*"))
    assert not list(tmp_path.glob("out/release=*/.part*"))


def test_a_full_disk_is_a_clear_stop(tmp_path: Path) -> None:
    films = write_films(tmp_path / "films", 1)[0].parent
    (tmp_path / "out").mkdir()
    mount = f"mount -t tmpfs -o size=200k none {tmp_path}/out && head -c 150k /dev/zero > {tmp_path}/out/blocker"
    program = f"{sys.executable} {Path(__file__).with_name('scorer.py')} {tmp_path}/out 1 10 0 {films}"
    program = program.replace(" 10 0 ", " 10 ")
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", f"{mount} && {program}; echo status $?; ls -a {tmp_path}/out/release=*"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "status 1" in done.stdout, done
    assert "Make room and run the same command again" in done.stdout + done.stderr
    assert ".part" not in done.stdout


def test_another_part_of_the_run_is_another_process(tmp_path: Path) -> None:
    films = write_films(tmp_path / "films", 3)[0].parent
    command = [
        sys.executable,
        "-m",
        "kneeoa",
        "score",
        str(films),
        "--out",
        str(tmp_path / "out"),
        "--shard-films",
        "2",
    ]
    first = subprocess.run([*command, "--shards", "0-0"], capture_output=True, text=True, check=False)
    assert (first.returncode, first.stderr.count("Traceback")) == (0, 0), first.stderr
    layout = ArchiveLayout(tmp_path / "out")
    [partition] = layout.root.glob("release=*")
    assert [path.name for path in partition.iterdir()] == ["part-00000.parquet"]
    second = subprocess.run([*command, "--shards", "1"], capture_output=True, text=True, check=False)
    assert second.returncode == 0, second.stderr
    assert sorted(path.name for path in partition.iterdir()) == ["_SUCCESS", "part-00000.parquet", "part-00001.parquet"]
    assert "4 films scored" not in second.stdout
