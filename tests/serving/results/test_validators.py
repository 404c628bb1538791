"""What other people's validators say of results of every kind: no error, and no warning but those that are explained.

`docs/pacs.md` lists and explains the warnings.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.serving.results.made import (
    COLUMNS,
    RELEASE,
    ROWS,
    facts,
    graded_film,
    graded_knee,
    refused_film,
    write_small_film,
)
from tests.serving.results.validators import verdict

from kneeoa.model.grades import FilmGrades
from kneeoa.model.radiograph import Side
from kneeoa.serving.results.objects import Form, Request, result_objects

EXPLAINED = (
    # dciodvfy knows no private dictionary.
    r"Warning - <Coding Scheme Designator> - Unrecognized defined term = <99KNEEOA>",
    # PixelMed: our evaluations and remarks are additions to TID 1410 and 1501, which are extensible.
    r'Warning: (CODE|TEXT) \([A-Z0-9-]+,99KNEEOA,"[^"]+"\): Content Item not in template',
)
KINDS = {
    "both": ("--kind", "bilateral", "--grade", "0", "--left-grade", "3", "--seed", "26", "--long-side", "1500"),
    "one": ("--side", "R", "--grade", "2", "--seed", "3"),
    "without-millimetres": ("--side", "R", "--grade", "2", "--seed", "5", "--spacing-origin", "none"),
    "implant-and-good": ("--kind", "bilateral", "--seed", "2", "--implants", "0.5", "--long-side", "1000"),
    "refused": ("--body-part", "HAND"),
}
"""Phantom films, by what becomes of them; the release that grades them is the shipped one."""


def check(program: str, path: Path) -> None:
    said = verdict(program, path)
    assert said.errors == ()
    assert [line for line in said.warnings if not any(re.fullmatch(known, line) for known in EXPLAINED)] == []


@pytest.mark.parametrize("grades", [graded_film(), refused_film()], ids=["graded", "refused"])
@pytest.mark.parametrize(
    ("program", "form"),
    [
        ("dciodvfy", Form.STRUCTURED_REPORT),
        ("dciodvfy", Form.SECONDARY_CAPTURE),
        ("dsrdump", Form.STRUCTURED_REPORT),
        ("dcmdump", Form.SECONDARY_CAPTURE),
    ],
)
def test_modules_and_relationships_are_right(tmp_path: Path, grades: FilmGrades, program: str, form: Form) -> None:
    check(program, made(tmp_path, grades, form))


def test_the_report_holds_to_its_templates(tmp_path: Path) -> None:
    one = FilmGrades(facts(), RELEASE, None, ("no_window",), (graded_knee(Side.RIGHT),))
    path = made(tmp_path, one, Form.STRUCTURED_REPORT)
    check("pixelmed", path)


def made(folder: Path, grades: FilmGrades, form: Form) -> Path:
    """One form of a report, as a file."""
    film = write_small_film(folder / "film.dcm")
    pixels = np.tile(np.linspace(0, 1, COLUMNS, dtype=np.float32), (ROWS, 1))
    path = folder / "result.dcm"
    path.write_bytes(result_objects(film, grades, pixels, Request((form,)))[form])
    return path


@pytest.mark.soak
@pytest.mark.parametrize("kind", list(KINDS))
def test_results_of_every_kind_are_right(tmp_path: Path, kind: str) -> None:
    film = tmp_path / "film.dcm"
    kneeoa("phantom", film, *KINDS[kind])
    kneeoa("grade", film, "--sr", tmp_path / "sr", "--sc", tmp_path / "sc")
    (report,), (capture,) = (list((tmp_path / form).iterdir()) for form in ("sr", "sc"))
    for program in ("dciodvfy", "dsrdump", "pixelmed"):
        check(program, report)
    for program in ("dciodvfy", "dcmdump"):
        check(program, capture)


def kneeoa(*arguments: str | Path) -> None:
    subprocess.run([sys.executable, "-m", "kneeoa", *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)
