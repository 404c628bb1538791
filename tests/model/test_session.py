"""Running a network tells nobody: ONNX Runtime's own reporting is off before it is loaded."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import os
import kneeoa
grader = kneeoa.KneeGrader.load(device="cpu", threads=1)
opened = [os.readlink(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd") if name.isdecimal()
          and os.path.lexists(f"/proc/self/fd/{name}")]
print(*opened, sep="\\n")
"""


def test_loading_the_networks_leaves_no_trace_and_keeps_nothing_open(tmp_path: Path) -> None:
    for name in ("home", "tmp"):
        (tmp_path / name).mkdir()
    places = {"HOME": str(tmp_path / "home"), "TMPDIR": str(tmp_path / "tmp"), "XDG_CACHE_HOME": str(tmp_path / "home")}
    environment = {key: value for key, value in os.environ.items() if key != "ORT_DISABLE_TELEMETRY"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, env={**environment, **places}, check=True
    )
    assert list(tmp_path.rglob("*.*")) == []
    assert "onnxruntime.db" not in done.stdout
    assert "socket:" not in done.stdout
