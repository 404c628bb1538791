"""Draws every picture of the documents that shows a film, and writes what commands print into the first grade's page.

    python tests/documents/draw.py

To be run after a change of the phantoms, of the overlay, of the page or of the release. All films are synthetic.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.documents.archive_picture import draw_archive_report
from tests.documents.joint_pictures import joint_montage
from tests.documents.page_pictures import draw_page
from tests.documents.refusal_films import FILMS, codes_of, graded
from tests.documents.road import road_picture

from kneeoa.model.dicom import read_radiograph
from kneeoa.model.grader import KneeGrader
from kneeoa.model.release import DEFAULT_RELEASE
from kneeoa.serving.results.film_picture import film_picture
from kneeoa.serving.results.overlay import save_overlay
from kneeoa.training.evaluate_joint_space import load_meter

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "docs" / "images"
REFUSALS = IMAGES / "refusals"
DRAWN, SHOWN = (600, 420), 0.64
"""Drawn larger than shown, for thinner frames and smaller letters."""


def demo_commands() -> list[list[str]]:
    """What `make demo` runs, as arguments of `kneeoa`."""
    lines = (ROOT / "Makefile").read_text(encoding="utf-8").splitlines()
    return [
        line.split("/kneeoa ")[1].split() for line in lines if line.startswith("\t$(DEMO)/kneeoa ") and "demo/" in line
    ]


def draw_demo(grader: KneeGrader, folder: Path) -> None:
    """The demo's overlay, and the road that its film takes."""
    phantom, _ = demo_commands()
    subprocess.run([sys.executable, "-m", "kneeoa", *phantom], cwd=folder, check=True)
    path = folder / phantom[1]
    film = read_radiograph(path)
    grades = grader.grade(film)
    save_overlay(film.pixels, grades, IMAGES / "demo-overlay.png")
    road_picture(film, grader).save(IMAGES / "road.png", optimize=True)


def draw_refusals(grader: KneeGrader, folder: Path) -> None:
    """One small picture for each code that a picture can show."""
    REFUSALS.mkdir(parents=True, exist_ok=True)
    for film in FILMS:
        grades = graded(film, grader, folder)
        if film.code not in codes_of(grades):
            raise SystemExit(f"The film of {film.code} has {sorted(codes_of(grades))}: choose another.")
        picture = film_picture(film.pixels(), grades, DRAWN)
        size = (round(picture.width * SHOWN), round(picture.height * SHOWN))
        picture.resize(size, Image.Resampling.LANCZOS).save(REFUSALS / f"{film.code}.png", optimize=True)


def main() -> None:
    """Draws everything."""
    grader = KneeGrader.load(device="cpu")
    with tempfile.TemporaryDirectory() as folder:
        draw_demo(grader, Path(folder))
        draw_refusals(grader, Path(folder))
    with tempfile.TemporaryDirectory() as folder:
        draw_page(Path(folder), IMAGES)
    draw_archive_report(IMAGES)
    joint_montage(load_meter(DEFAULT_RELEASE)[0]).save(IMAGES / "joint-space-phantoms.png", optimize=True)
    subprocess.run([sys.executable, str(ROOT / "tests" / "test_docs.py")], check=True)


if __name__ == "__main__":
    main()
