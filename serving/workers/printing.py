"""The forms of a film's result, as a worker makes them: what strangers send is decoded here and nowhere else."""

from __future__ import annotations

import json
from pathlib import Path

from kneeoa.model.dicom import read_radiograph
from kneeoa.model.errors import FilmError
from kneeoa.model.grader import KneeGrader
from kneeoa.model.grades import FilmGrades
from kneeoa.model.radiograph import FloatImage, Radiograph
from kneeoa.serving.results.objects import pack, result_objects
from kneeoa.serving.results.read_report import film_grades
from kneeoa.serving.results.source_film import NoSourceError
from kneeoa.serving.workers.jobs import Job


def printed(grader: KneeGrader, job: Job) -> tuple[bytes, bytes]:
    """The report as JSON, and the forms packed; no bytes where the file is no DICOM object with its UIDs.

    Args:
        grader: loaded; not asked where the job brings its report.
        job: with a request.

    Raises:
        ValueError: the job has no request.
    """
    if job.request is None:
        raise ValueError("A job for results says which forms.")
    shown: list[FloatImage] = []

    def keep(film: Radiograph, _grades: FilmGrades) -> None:
        shown.append(film.pixels)

    if job.report is None:
        grades = grader.grade_file(job.path, side=job.stated_side, spacing_mm=job.spacing_mm, seen=keep)
    else:
        grades = film_grades(job.report)
        try:
            shown.append(read_radiograph(job.path).pixels)
        except FilmError:
            shown.clear()
    report = json.dumps(grades.to_json(), ensure_ascii=False, allow_nan=False).encode()
    try:
        objects = result_objects(Path(job.path), grades, shown[0] if shown else None, job.request)
    except NoSourceError:
        return report, b""
    return report, pack(objects, job.request.forms)
