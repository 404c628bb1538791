"""A run that is killed ends as if it had never been."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from kneeoa.training.checkpoint import remove_torn, save_atomically


def command(config: Path, out: Path, *overrides: str) -> list[str]:
    return [sys.executable, "-m", "kneeoa", "train", str(config), f"out={out}", *overrides]


def start(config: Path, out: Path, *overrides: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command(config, out, *overrides), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def kill_when(process: subprocess.Popen[bytes], ready: object) -> None:
    """Kills as soon as `ready()` is true; fails where the process ends first."""
    assert callable(ready)
    deadline = time.monotonic() + 120
    while not ready():
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
    process.send_signal(signal.SIGKILL)
    process.wait()


def iteration_of(out: Path) -> int:
    state = torch.load(out / "last.pt", weights_only=True)
    return int(state["trainer"]["iteration"])


def test_three_kills_end_at_the_weights_of_the_uninterrupted_run(tiny_config: Path, tmp_path: Path) -> None:
    whole, torn = tmp_path / "whole", tmp_path / "torn"
    subprocess.run(command(tiny_config, whole), check=True, capture_output=True)
    often = "checkpoint_seconds=0.000001"

    kill_when(start(tiny_config, torn, often), (torn / "last.pt").exists)
    first = iteration_of(torn)
    kill_when(start(tiny_config, torn, often), lambda: iteration_of(torn) > first)
    # The third kill falls into the writing of a checkpoint: its draft lies there, unfinished or not yet renamed.
    kill_when(start(tiny_config, torn, often), lambda: any(torn.glob(".last.pt.*")))
    assert iteration_of(torn) >= first
    subprocess.run(command(tiny_config, torn), check=True, capture_output=True)

    a = torch.load(whole / "last.pt", weights_only=True)
    b = torch.load(torn / "last.pt", weights_only=True)
    assert a["trainer"]["iteration"] == b["trainer"]["iteration"] == 12
    for part in ("network", "ema"):
        for name, tensor in a[part].items():
            assert torch.allclose(tensor.double(), b[part][name].double(), atol=1e-6, rtol=0), (part, name)
    assert [row["epoch"] for row in b["progress"]["history"]] == [1.0, 2.0, 3.0]
    for name in ("score", "train_loss"):
        curves = [[row[name] for row in state["progress"]["history"]] for state in (a, b)]
        assert curves[0] == pytest.approx(curves[1], abs=1e-6)
    assert not list(torn.glob(".*.pt.*"))


def test_a_failed_write_leaves_the_old_checkpoint_whole(tmp_path: Path) -> None:
    path = tmp_path / "last.pt"
    save_atomically({"a": torch.ones(3)}, path)
    with pytest.raises(Exception, match=r"pickle|serial"):
        save_atomically({"a": lambda: None}, path)
    assert torch.equal(torch.load(path, weights_only=True)["a"], torch.ones(3))
    assert [path.name for path in tmp_path.iterdir()] == ["last.pt"]


def test_what_a_killed_write_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / ".last.pt.x1").write_bytes(b"half")
    (tmp_path / "last.pt").write_bytes(b"whole")
    remove_torn(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["last.pt"]
