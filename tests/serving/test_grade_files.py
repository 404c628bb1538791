"""Files and folders in, one report each out, and pictures that a person can read."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from kneeoa.datasets.phantom import PhantomSpec, write_phantom
from kneeoa.model.errors import ReasonCode
from kneeoa.model.grader import KneeGrader
from kneeoa.model.grades import FilmGrades
from kneeoa.model.radiograph import Side
from kneeoa.serving.grade_files import Statements, find_files, grade_files
from kneeoa.serving.results.overlay import FILM_HEIGHT
from kneeoa.serving.results.table import results_table


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
    return list(grade_files(grader, find_files([folder]), Statements(), folder / "overlays"))


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
        ReasonCode.NEEDS_LOCALISATION,
    ]


def test_readable_films_get_an_overlay_each_even_with_the_same_name(reports: list[FilmGrades], folder: Path) -> None:
    assert reports
    names = sorted(p.name for p in (folder / "overlays").iterdir())
    assert names == ["film-2-overlay.png", "film-overlay.png"]
    with Image.open(folder / "overlays" / "film-overlay.png") as picture:
        assert picture.height > FILM_HEIGHT
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    # The heat map is the only warm colour over the second film.
    warm = (pixels[..., 0] - pixels[..., 2]) > 40
    assert warm[:, FILM_HEIGHT + 60 : 2 * FILM_HEIGHT].mean() > 0.01
    assert warm[30:FILM_HEIGHT, 30:FILM_HEIGHT].mean() == 0


def test_the_table_shows_grades_and_reasons(reports: list[FilmGrades]) -> None:
    console = Console(width=200, record=True, file=Path(os.devnull).open("w"))  # noqa: SIM115 - closed below
    with console.file:
        console.print(results_table(reports))
        text = console.export_text()
    kl = reports[0].knees[0].kl
    assert kl is not None
    assert "100%" not in text
    assert "needs_localisation" in text
    assert "not_dicom" in text
    assert f" {kl.grade} " in text
    assert "Not for sole diagnosis" in text


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
