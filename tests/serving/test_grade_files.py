"""Files and folders in, one report each out, and pictures that a person can read."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from kneeoa.datasets.phantom import PhantomSpec, write_phantom
from kneeoa.model.errors import ReasonCode, Refusal
from kneeoa.model.grader import KneeGrader
from kneeoa.model.grades import FilmGrades
from kneeoa.model.radiograph import Side, SideSource
from kneeoa.serving.grade_files import Outputs, Statements, find_files, grade_files
from kneeoa.serving.results.overlay import FILM_HEIGHT
from kneeoa.serving.results.table import refusal_notes, results_table
from kneeoa.serving.results.words import percent


@pytest.fixture(scope="module")
def grader() -> KneeGrader:
    return KneeGrader.load(device="cpu", threads=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film, a picture of noise and a text file, one of them deeper down."""
    root = tmp_path_factory.mktemp("films")
    (root / "deeper").mkdir()
    write_phantom(PhantomSpec(side=Side.RIGHT, grade=3, seed=7), root / "film.dcm")
    noise = np.random.default_rng(0).integers(0, 255, (300, 300)).astype(np.uint8)
    Image.fromarray(noise).save(root / "deeper" / "film.png")
    (root / "notes.txt").write_text("not a film")
    (root / ".hidden").write_text("not asked for")
    return root


@pytest.fixture(scope="module")
def reports(grader: KneeGrader, folder: Path) -> list[FilmGrades]:
    results = folder.parent / "results"
    outputs = Outputs(folder / "overlays", results, results, results)
    found = list(grade_files(grader, find_files([folder]), Statements(), outputs))
    assert [why.partition(" ")[0] for why in outputs.missed] == ["notes.txt", "film.png"]
    return found


def test_a_dicom_film_has_its_results_beside_it_and_other_files_have_none(
    reports: list[FilmGrades], folder: Path
) -> None:
    assert len(reports) == 3
    names = sorted(path.name for path in (folder.parent / "results").iterdir())
    assert names == ["film-fhir.json", "film-sc.dcm", "film-sr.dcm"]


def test_a_folder_gives_every_visible_file_once_even_with_a_loop_in_it(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "films").symlink_to(folder)
    loop = folder / "deeper" / "loop"
    loop.symlink_to(folder, target_is_directory=True)
    try:
        found = [p for p in find_files([tmp_path / "films"]) if "overlays" not in p.parts]
    finally:
        loop.unlink()
    assert sorted(p.name for p in found) == ["film.dcm", "film.png", "notes.txt"]


def test_a_named_file_is_kept_even_where_it_does_not_exist(tmp_path: Path) -> None:
    assert find_files([tmp_path / "none.dcm"]) == [tmp_path / "none.dcm"]


def test_every_file_gets_one_report_in_order(reports: list[FilmGrades]) -> None:
    assert [Path(r.film.source).name for r in reports] == ["film.dcm", "notes.txt", "film.png"]
    assert reports[0].refusal is None
    assert [r.refusal.code for r in reports[1:] if r.refusal] == [
        ReasonCode.NOT_DICOM,
        ReasonCode.NOT_A_KNEE,
    ]


def test_readable_films_get_an_overlay_each_even_with_the_same_name(reports: list[FilmGrades], folder: Path) -> None:
    assert reports
    names = sorted(p.name for p in (folder / "overlays").iterdir())
    assert names == ["film-2-overlay.png", "film-overlay.png"]
    warm = {}
    for name in names:
        with Image.open(folder / "overlays" / name) as picture:
            assert picture.height > FILM_HEIGHT
            pixels = np.asarray(picture.convert("RGB")).astype(int)
        film = pixels[30:FILM_HEIGHT, 30:FILM_HEIGHT]
        warm[name] = ((film[..., 0] - film[..., 2]) > 40).mean()
    # Only the knee has a frame and heat; the refused noise is as grey as it came.
    assert warm["film-overlay.png"] > 0.01
    assert warm["film-2-overlay.png"] == 0


def printed(reports: list[FilmGrades]) -> str:
    console = Console(width=200, record=True, file=Path(os.devnull).open("w"))  # noqa: SIM115 - closed below
    with console.file:
        console.print(results_table(reports))
        for note in refusal_notes(reports):
            console.print(note)
        return console.export_text()


def test_the_table_shows_grades_and_reasons(reports: list[FilmGrades]) -> None:
    text = printed(reports)
    kl = reports[0].knees[0].kl
    assert kl is not None
    assert "100%" not in text
    assert f" {kl.grade} " in text
    assert percent(kl.probabilities[kl.grade]) in text
    assert "Not for sole diagnosis" in text
    for report in reports[1:]:
        assert report.refusal is not None
        assert f"{report.refusal.code}: {report.refusal.message} {report.refusal.remedy}" in " ".join(text.split())


def test_a_film_of_two_knees_is_two_rows_under_one_name(reports: list[FilmGrades]) -> None:
    refused = replace(
        reports[0].knees[0],
        side=Side.UNKNOWN,
        side_source=SideSource.NONE,
        kl=None,
        refusal=Refusal.because(ReasonCode.IMPLANT, "The knee bears metal."),
        flags=("side_unknown",),
    )
    flags = ("bilateral", "no_window")
    two = replace(reports[0], knees=(reports[0].knees[0], refused), flags=flags)
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in printed([two]).splitlines() if "│" in line]
    assert [row[0].endswith("film.dcm") for row in rows] == [True, False]
    assert [row[1:3] for row in rows] == [["R", "tag"], ["unknown", ""]]
    assert rows[1][3] == "-"
    # The film's flags stand once; that the object names both sides is no news where both are there.
    assert [row[-1] for row in rows] == ["no_window", "implant, side_unknown"]
    one = replace(reports[0], flags=flags)
    assert "bilateral, no_window" in printed([one])


def test_a_reason_that_several_knees_share_is_said_once(reports: list[FilmGrades]) -> None:
    assert len(refusal_notes([reports[1], reports[1], reports[2]])) == 2


def test_the_user_s_side_is_used_where_the_file_says_none(grader: KneeGrader, folder: Path) -> None:
    from kneeoa.model.dicom import read_radiograph

    pixels = read_radiograph(folder / "film.dcm").pixels
    Image.fromarray((pixels * 255).astype(np.uint8)).save(folder / "knee.png")
    try:
        (report,) = grade_files(grader, [folder / "knee.png"], Statements(Side.RIGHT, 0.2))
    finally:
        (folder / "knee.png").unlink()
    assert report.knees[0].side is Side.RIGHT
    assert report.knees[0].side_source.value == "user"
    assert report.film.pixel_spacing_mm == (0.2, 0.2)
