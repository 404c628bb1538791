"""The whole loop against a real archive, in a network of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.serving.server import ROOT


def test_films_reach_us_through_an_archive_and_results_go_back_by_both_ways(tmp_path: Path) -> None:
    """Orthanc routes films, and everything else, to KneeOA; C-STORE and STOW-RS bring results; QIDO-RS finds them."""
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    loop = [sys.executable, "-m", "tests.serving.pacs.orthanc_loop", str(tmp_path)]
    done = subprocess.run(
        ["unshare", "-n", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", *loop],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("in one study") == 2, done.stdout
