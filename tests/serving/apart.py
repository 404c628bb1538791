"""Commands in a namespace of their own: a disk that is small or read-only, a network with nothing but loopback."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.serving.server import ROOT


def on_own_disk(disk: Path, options: str, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Runs a command that sees a tmpfs at a place.

    Args:
        disk: the place; it is made.
        options: of the mount, such as "size=40m" or "ro".
        command: and its arguments.
    """
    disk.mkdir()
    return _run("-m", f'mount -t tmpfs -o {options} none "$1" && shift && exec "$@"', [str(disk), *command])


def in_own_network(command: Sequence[str], seconds: float = 600.0) -> subprocess.CompletedProcess[str]:
    """Runs a command that sees loopback and nothing else, for at most so long."""
    return _run("-n", 'ip link set lo up && exec "$@"', command, seconds)


def _run(
    namespace: str, script: str, arguments: Sequence[str], seconds: float = 600.0
) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    return subprocess.run(
        ["unshare", namespace, "sh", "-c", script, "sh", *arguments],
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path},
    )
