"""Grades files and folders of files in one process: what `kneeoa grade` runs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from kneeoa.model.grader import KneeGrader
from kneeoa.model.grades import FilmGrades
from kneeoa.model.radiograph import Radiograph, Side
from kneeoa.serving.results.overlay import save_overlay


@dataclass(frozen=True, slots=True)
class Statements:
    """What the user says of films that do not say it themselves.

    Attributes:
        side: the patient's side, or None.
        spacing_mm: pixel spacing in millimetres, or None.
    """

    side: Side | None = None
    spacing_mm: float | None = None


def find_files(inputs: Iterable[Path]) -> list[Path]:
    """Every file that the inputs name.

    Args:
        inputs: files, which are taken as they are, even where they do not exist (they will be reported), and folders,
            which are walked in name order. Links to folders are not followed within a folder, so that a loop ends;
            hidden files are left out.
    """
    files: list[Path] = []
    for given in inputs:
        if not given.is_dir():
            files.append(given)
            continue
        for folder, names, found in os.walk(given):
            names.sort()
            files += [Path(folder) / name for name in sorted(found) if not name.startswith(".")]
    return files


def grade_files(
    grader: KneeGrader, files: Iterable[Path], statements: Statements, overlays: Path | None = None
) -> Iterator[FilmGrades]:
    """Grades file after file; yields exactly one report a file, in their order.

    Args:
        grader: a loaded grader.
        files: DICOM, PNG or JPEG files.
        statements: what the user says of all of them.
        overlays: a folder for one PNG a readable film, named after the file, or None.

    Raises:
        OSError: the folder of overlays cannot be written.
    """
    taken: set[str] = set()
    for file in files:
        name = _free_name(file, taken)

        def draw(film: Radiograph, grades: FilmGrades, name: str = name) -> None:
            if overlays is not None:
                save_overlay(film.pixels, grades, overlays / name)

        yield grader.grade_file(file, side=statements.side, spacing_mm=statements.spacing_mm, seen=draw)


def _free_name(file: Path, taken: set[str]) -> str:
    name, again = f"{file.stem}-overlay.png", 1
    while name in taken:
        again += 1
        name = f"{file.stem}-{again}-overlay.png"
    taken.add(name)
    return name
