"""The command line meets what a folder may hold besides films: it neither waits, nor loops, nor minds a name."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.hostile.bases import CANARY_WORDS, base

from kneeoa.model.grades import JSON

KNEE = "knee R 1.2.840.10008.1.2.1"
ODD_NAMES = (
    *("[red]bold[red].dcm", "[bold].dcm", "{0}%s.dcm", "two\nlines.dcm", "-rf.dcm", " .dcm", "näßé 膝.dcm", "x" * 250),
    *("\x1b[31mred.dcm", "a\tb.dcm", "\u202egnp.dcm", os.fsdecode(b"no\xfftext.dcm")),
)


def graded(
    arguments: list[str | Path], folder: Path
) -> tuple[subprocess.CompletedProcess[bytes], list[dict[str, JSON]]]:
    """`kneeoa grade --json` in a process of its own, stopped after a minute."""
    command = [sys.executable, "-m", "kneeoa", "grade", "--json", "--device", "cpu", *map(str, arguments)]
    environment = {**os.environ, "PYTHONSAFEPATH": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=folder, capture_output=True, timeout=60, env=environment, check=False)
    assert b"Traceback" not in done.stderr
    return done, [json.loads(line) for line in done.stdout.decode("utf-8").split("\n") if line]


def code(report: dict[str, JSON]) -> str | None:
    refusal = report["refusal"]
    return str(refusal["code"]) if isinstance(refusal, dict) else None


def test_pipes_devices_and_loops_do_not_stop_a_folder(tmp_path: Path) -> None:
    films = tmp_path / "films"
    (films / "deeper").mkdir(parents=True)
    os.mkfifo(films / "pipe")
    (films / "zero").symlink_to("/dev/zero")
    (films / "nowhere").symlink_to(films / "absent")
    (films / "itself").symlink_to(films / "itself")
    (films / "deeper" / "loop").symlink_to(films, target_is_directory=True)
    (films / "empty").write_bytes(b"")
    (films / "knee.dcm").write_bytes(base(KNEE).content)
    done, reports = graded([films], tmp_path)
    assert done.returncode == 1
    ends = {Path(str(film["source"])).name: code(r) for r in reports if isinstance(film := r["film"], dict)}
    unreadable = dict.fromkeys(("pipe", "zero", "nowhere", "itself"), "unreadable_file")
    assert ends == {**unreadable, "empty": "not_dicom", "knee.dcm": None}


def test_films_of_any_name_are_graded(tmp_path: Path) -> None:
    for name in ODD_NAMES:
        (tmp_path / name).write_bytes(base(KNEE).content)
    done, reports = graded([tmp_path], tmp_path)
    assert done.returncode == 0
    assert [code(report) for report in reports] == [None] * len(ODD_NAMES)


def test_a_file_whose_bytes_cannot_be_had_is_unreadable(tmp_path: Path) -> None:
    # Linux: it opens as a file and fails when read, for root too, who ignores permissions.
    done, reports = graded(["/proc/self/mem"], tmp_path)
    assert [code(report) for report in reports] == ["unreadable_file"]
    assert done.returncode == 1


def test_the_patient_stands_neither_in_the_table_nor_in_the_log(tmp_path: Path) -> None:
    (tmp_path / "knee.dcm").write_bytes(base(KNEE).content)
    (tmp_path / "cut.dcm").write_bytes(base(KNEE).content[:5000])
    command = [sys.executable, "-m", "kneeoa", "grade", "--device", "cpu", "."]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=60, check=False)
    said = done.stdout.decode() + done.stderr.decode()
    assert "truncated" in said
    assert not [word for word in CANARY_WORDS if word in said]
