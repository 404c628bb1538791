"""The whole loop against a real archive, in a network of its own."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.serving.apart import in_own_network


def test_films_reach_us_through_an_archive_and_results_go_back_by_both_ways(tmp_path: Path) -> None:
    """Orthanc routes films, and everything else, to KneeOA; C-STORE and STOW-RS bring results; QIDO-RS finds them."""
    done = in_own_network([sys.executable, "-m", "tests.serving.pacs.orthanc_loop", str(tmp_path)])
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("in one study") == 2, done.stdout


def test_films_of_an_archive_are_asked_for_by_three_ways_and_come_once(tmp_path: Path) -> None:
    """QIDO-RS and WADO-RS, C-FIND with C-MOVE and with C-GET; across a restart of KneeOA and an outage of Orthanc."""
    done = in_own_network([sys.executable, "-m", "tests.serving.pacs.orthanc_pull", str(tmp_path)])
    assert done.returncode == 0, done.stderr[-3000:]
    assert "by each way" in done.stdout, done.stdout
