"""Grades files and folders of files in one process: what `kneeoa grade` runs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from kneeoa.model.grader import KneeGrader
from kneeoa.model.grades import FilmGrades
from kneeoa.model.radiograph import FloatImage, Radiograph, Side
from kneeoa.serving.results.objects import Form, Request, result_objects
from kneeoa.serving.results.overlay import save_overlay
from kneeoa.serving.results.source_film import NoSourceError


@dataclass(frozen=True, slots=True)
class Statements:
    """What the user says of films that do not say it themselves.

    Attributes:
        side: the patient's side, or None.
        spacing_mm: pixel spacing in millimetres, or None.
    """

    side: Side | None = None
    spacing_mm: float | None = None


@dataclass(frozen=True, slots=True)
class Outputs:
    """Folders for what is written besides reports, each None for not at all; files are named after the films.

    Attributes:
        overlays: of one PNG a readable film.
        reports: of one DICOM Structured Report a film.
        captures: of one DICOM Secondary Capture a readable film.
        bundles: of one FHIR Bundle a film.
        codes: a site's file of codes for the last three.
        missed: sentences about what could not be written; filled while films are graded.
    """

    overlays: Path | None = None
    reports: Path | None = None
    captures: Path | None = None
    bundles: Path | None = None
    codes: Path | None = None
    missed: list[str] = field(default_factory=list)

    @property
    def places(self) -> dict[Form, tuple[Path, str]]:
        """Folder and ending of each form of a result that is wanted."""
        folders = (
            (Form.STRUCTURED_REPORT, self.reports, "-sr.dcm"),
            (Form.SECONDARY_CAPTURE, self.captures, "-sc.dcm"),
            (Form.FHIR, self.bundles, "-fhir.json"),
        )
        return {form: (folder, ending) for form, folder, ending in folders if folder is not None}


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
    grader: KneeGrader, files: Iterable[Path], statements: Statements, outputs: Outputs | None = None
) -> Iterator[FilmGrades]:
    """Grades file after file; yields exactly one report a file, in their order.

    Args:
        grader: a loaded grader.
        files: DICOM, PNG or JPEG files.
        statements: what the user says of all of them.
        outputs: what is written besides.

    Raises:
        OSError: a folder cannot be written.
        ConfigError: the file of codes is not valid.
    """
    to = outputs or Outputs()
    taken: set[str] = set()
    for file in files:
        name = _free_name(file, taken)
        shown: list[FloatImage] = []

        def see(film: Radiograph, grades: FilmGrades, name: str = name, shown: list[FloatImage] = shown) -> None:
            if to.overlays is not None:
                save_overlay(film.pixels, grades, to.overlays / f"{name}-overlay.png")
            if Form.SECONDARY_CAPTURE in to.places or Form.STRUCTURED_REPORT in to.places:
                shown.append(film.pixels)

        grades = grader.grade_file(file, side=statements.side, spacing_mm=statements.spacing_mm, seen=see)
        if to.places:
            _write(to, file, name, grades, shown[0] if shown else None)
        yield grades


def _write(to: Outputs, file: Path, name: str, grades: FilmGrades, pixels: FloatImage | None) -> None:
    """Writes the other forms of one film's result."""
    request = Request(tuple(to.places), None if to.codes is None else str(to.codes))
    try:
        objects = result_objects(file, grades, pixels, request)
    except (NoSourceError, OSError) as error:
        why = str(error) if isinstance(error, NoSourceError) else "It cannot be read."
        to.missed.append(f"{file.name} has no DICOM or FHIR result. {why}")
        return
    for form, content in objects.items():
        folder, ending = to.places[form]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}{ending}").write_bytes(content)


def _free_name(file: Path, taken: set[str]) -> str:
    name, again = file.stem, 1
    while name in taken:
        again += 1
        name = f"{file.stem}-{again}"
    taken.add(name)
    return name
