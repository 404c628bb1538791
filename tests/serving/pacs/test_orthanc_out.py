"""Results into a real archive, in a network of its own: committed, verified, revised, and not doubled by kills."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from tests.serving.apart import in_own_network


def run(folder: Path, *words: str, seconds: float = 600.0) -> str:
    program = [sys.executable, "-m", "tests.serving.pacs.orthanc_out", words[0], str(folder), *words[1:]]
    done = in_own_network(program, seconds)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_results_are_committed_and_found_in_an_archive_which_tells_what_it_does_not_have(tmp_path: Path) -> None:
    said = run(tmp_path, "committed")
    assert "committed and verified" in said
    assert "commitment refused" in said


def test_a_late_film_makes_another_report_of_the_study_that_names_the_one_before(tmp_path: Path) -> None:
    assert "follow each other" in run(tmp_path, "study")


def test_thirty_films_reach_the_archive_once_under_two_kills(tmp_path: Path) -> None:
    assert "survive 2 kills" in run(tmp_path, "kills", "30", "2")


@pytest.mark.soak
def test_three_hundred_films_reach_the_archive_once_under_twenty_kills(tmp_path: Path) -> None:
    assert "survive 20 kills" in run(tmp_path, "kills", "300", "20", seconds=7200)
