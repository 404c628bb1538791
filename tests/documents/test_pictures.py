"""The documents' pictures: every pictured film still gets its code, and the demo's film its grades."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.documents.draw import REFUSALS, ROOT, demo_commands
from tests.documents.joint_pictures import PHANTOMS, joint_montage
from tests.documents.refusal_films import FILMS, PicturedFilm, codes_of, graded
from tests.documents.road import road_picture

from kneeoa.model.dicom import read_radiograph
from kneeoa.model.errors import READ_ERRORS, ReasonCode
from kneeoa.model.grader import KneeGrader
from kneeoa.model.release import DEFAULT_RELEASE
from kneeoa.training.evaluate_joint_space import load_meter

PAGE = (ROOT / "docs" / "refusals.md").read_text(encoding="utf-8")
MOST_BYTES = 1_500_000
BY_HEADER = {"wrong_modality", "encapsulated_document", "multi_frame", "palette", "child"}
"""What only the header tells: films like any other to look at."""


@pytest.fixture(scope="module")
def grader() -> KneeGrader:
    return KneeGrader.load(device="cpu", threads=1)


@pytest.mark.parametrize("film", FILMS, ids=lambda film: film.code)
def test_pictured_film_gets_its_code(film: PicturedFilm, grader: KneeGrader, tmp_path: Path) -> None:
    assert film.code in codes_of(graded(film, grader, tmp_path))


def test_an_implant_and_a_good_knee_are_one_grade_and_one_refusal(grader: KneeGrader, tmp_path: Path) -> None:
    (film,) = [film for film in FILMS if film.code == "implant"]
    grades = graded(film, grader, tmp_path)
    assert grades.refusal is None
    refusals = [knee.refusal and knee.refusal.code for knee in grades.knees]
    assert refusals == [None, ReasonCode.IMPLANT]
    assert [knee.kl is None for knee in grades.knees] == [False, True]


def test_every_refusal_that_a_picture_can_show_has_one() -> None:
    pictured = {film.code for film in FILMS}
    assert {code.value for code in ReasonCode} - {code.value for code in READ_ERRORS} - BY_HEADER <= pictured
    assert {path.stem for path in REFUSALS.glob("*.png")} == pictured
    assert set(re.findall(r"\]\(images/refusals/(\w+)\.png\)", PAGE)) == pictured


def test_pictures_of_refusals_are_small() -> None:
    pictures = list(REFUSALS.glob("*.png"))
    assert sum(path.stat().st_size for path in pictures) < MOST_BYTES
    for path in pictures:
        with Image.open(path) as picture:
            assert max(picture.size) < 500


@pytest.mark.parametrize(
    "flag",
    [
        *("side_conflict", "side_unknown", "side_by_convention", "unusual_film", "unknown_spacing"),
        *("bilateral", "no_window", "window_ignored", "for_processing", "reduced"),
    ],
)
def test_every_flag_is_a_name_of_the_code_and_has_its_row(flag: str) -> None:
    assert len([line for line in PAGE.splitlines() if line.startswith(f"| `{flag}` |")]) == 1
    assert any(f'"{flag}"' in path.read_text(encoding="utf-8") for path in (ROOT / "model").glob("*.py"))


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the commands of `make demo` have run."""
    folder = tmp_path_factory.mktemp("demo")
    for arguments in demo_commands():
        subprocess.run([sys.executable, "-m", "kneeoa", *arguments], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return folder


def test_the_demo_grades_both_knees_by_their_markers(demo: Path) -> None:
    report = json.loads((demo / "demo" / "report.json").read_text(encoding="utf-8"))
    assert report["refusal"] is None
    sides = [(knee["side"], knee["side_source"], knee["flags"]) for knee in report["knees"]]
    assert sides == [("R", "marker", []), ("L", "marker", [])]
    asked = demo_commands()[0]
    nominal = [int(asked[asked.index(option) + 1]) for option in ("--grade", "--left-grade")]
    assert [knee["kl"]["grade"] for knee in report["knees"]] == nominal


def test_committed_pictures_of_the_demo_are_those_of_today(demo: Path, grader: KneeGrader) -> None:
    (overlay,) = (demo / "demo").glob("*-overlay.png")
    film = read_radiograph(demo / demo_commands()[0][1])
    today = {"demo-overlay.png": Image.open(overlay).convert("RGB"), "road.png": road_picture(film, grader)}
    for name, picture in today.items():
        with Image.open(ROOT / "docs" / "images" / name) as committed:
            assert committed.size == picture.size, "run: python tests/documents/draw.py"
            difference = np.abs(np.asarray(committed.convert("RGB"), dtype=float) - np.asarray(picture))
        # Other machines round differently; another release frames the knees elsewhere.
        assert difference.mean() < 1, "run: python tests/documents/draw.py"


def test_captions_of_joint_spaces_stand_above_the_pictures_and_fit() -> None:
    montage = np.asarray(joint_montage(load_meter(DEFAULT_RELEASE)[0]))
    grey = (montage == montage[..., :1]).all(axis=2)
    # The edges' blue and green begin below every caption, whose letters are black on white.
    coloured = np.flatnonzero(~grey.all(axis=1))
    gaps = np.flatnonzero(np.diff(coloured) > 40)
    assert len(gaps) == len(PHANTOMS) // 2 - 1
    strip = montage[:50]
    assert grey[:50].all()
    written = np.flatnonzero((strip < 128).any(axis=(0, 2)))
    assert (np.diff(written) > 100).sum() == 1
    assert written.max() < montage.shape[1] - 4
    with Image.open(ROOT / "docs" / "images" / "joint-space-phantoms.png") as drawn:
        assert drawn.size == montage.shape[1::-1]
