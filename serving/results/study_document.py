"""A study's own Structured Report: for each side the knee that speaks for it, the other films listed, never averaged.

It refers to every film of the study. A film that comes later makes another instance in the same series, which names
this one as its predecessor: instances never change.

References:
    PS3.16 TID 1500; PS3.3 C.17.2 (SR Document General Module: Predecessor Documents Sequence (0040,A360)).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from pydicom import Dataset
from pydicom.uid import ComprehensiveSRStorage

from kneeoa.model.errors import READ_ERRORS
from kneeoa.model.grades import ReleaseFacts
from kneeoa.model.radiograph import Side
from kneeoa.serving.pipeline.identity import document_series_uid
from kneeoa.serving.results.codes import CodeTable, load_codes
from kneeoa.serving.results.image_library import image_library
from kneeoa.serving.results.read_report import film_grades
from kneeoa.serving.results.result_object import STUDY_SERIES, ResultSource, result_source
from kneeoa.serving.results.source_film import NoSourceError
from kneeoa.serving.results.structured_report import Frame, Group, evidence_of, film_group, knee_group, made_report
from kneeoa.serving.results.study_parts import StudyPart, StudyRequest

DESCRIPTION = "KneeOA study report (AI, not for sole diagnosis)"
_ORDER = (Side.RIGHT, Side.LEFT, Side.UNKNOWN)


@dataclass(frozen=True, slots=True)
class _Film:
    """A film with its report, whether there is a picture of it, and which of its knees speak for their side."""

    of: ResultSource
    capture: bool
    headline: tuple[int, ...]


def study_document(request: StudyRequest) -> bytes:
    """The Structured Report of a study.

    Args:
        request: its films and what is fixed of it already.

    Returns:
        A DICOM file; empty where none of the films states its UIDs.

    Raises:
        ConfigError: the site's file of codes is not valid.
    """
    codes = load_codes(None if request.codes is None else Path(request.codes))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom's warnings quote the values of headers
        films = [film for part in request.parts if (film := _film(part, codes)) is not None]
        if not films:
            return b""
        of = _whole(films[-1].of, request)
        study = of.film.study_instance_uid
        frame = Frame(
            series_uid=document_series_uid(study, of.grades.release.sha256),
            series_number=STUDY_SERIES,
            description=DESCRIPTION,
            library=image_library([film.of for film in _distinct(films)]),
            evidence=[one for film in _distinct(films) for one in evidence_of(film.of, capture=film.capture)],
            previous=_previous(request, study),
        )
        return made_report(of, list(_groups(films, codes)), frame)


def _film(part: StudyPart, codes: CodeTable) -> _Film | None:
    grades = film_grades(part.report)
    try:
        of = result_source(Path(part.path), grades, codes, datetime.fromtimestamp(part.made).astimezone(), part.uid)
    except NoSourceError:
        return None
    unreadable = grades.refusal is not None and grades.refusal.code in READ_ERRORS
    return _Film(of, not unreadable, part.headline)


def _whole(last: ResultSource, request: StudyRequest) -> ResultSource:
    """The patient and study of the newest film, under the document's own UID, made by what was running."""
    name, sha256, software = request.release
    grades = replace(last.grades, release=ReleaseFacts(name, sha256, software))
    return replace(last, uid=request.uid, grades=grades, made=datetime.fromtimestamp(request.made).astimezone())


def _distinct(films: Sequence[_Film]) -> list[_Film]:
    """Two films under one SOP Instance UID are one to whoever follows a reference."""
    return list({film.of.film.sop_instance_uid: film for film in films}.values())


def _groups(films: Sequence[_Film], codes: CodeTable) -> Iterator[Group]:
    """Knees that speak for their side, R before L; then all other knees; then films without any."""
    knees = [(film, place) for film in films for place in range(len(film.of.grades.knees))]
    leads = [(film, place) for film, place in knees if place in film.headline]
    for film, place in sorted(leads, key=lambda one: _ORDER.index(one[0].of.grades.knees[one[1]].side)):
        yield knee_group(film.of, place, capture=film.capture, role=codes["headline"])
    for film, place in knees:
        if place not in film.headline:
            graded = film.of.grades.knees[place].kl is not None
            yield knee_group(film.of, place, capture=film.capture, role=codes["other_film"] if graded else None)
    for film in films:
        if not film.of.grades.knees:
            yield film_group(film.of, capture=film.capture)


def _previous(request: StudyRequest, study_uid: str) -> list[Dataset]:
    if request.predecessor is None:
        return []
    uid, sha256 = request.predecessor
    previous = Dataset()
    previous.SOPClassUID = ComprehensiveSRStorage
    previous.SOPInstanceUID = uid
    previous.StudyInstanceUID = study_uid
    previous.SeriesInstanceUID = document_series_uid(study_uid, sha256)
    return [previous]
