"""Keeps a reader's grade beside the network's; neither is ever changed."""

from __future__ import annotations

import time
from dataclasses import dataclass

from sqlalchemy.orm import Session

from kneeoa.model.grades import JSON, KL_GRADES
from kneeoa.serving.corrections import CorrectionRow
from kneeoa.serving.pipeline.rework import NotFoundError
from kneeoa.serving.store.films import happened, study_films
from kneeoa.serving.store.reading import correction_rows
from kneeoa.serving.store.tables import Correction, Event, Film, Result, Study
from kneeoa.serving.study import study_report


@dataclass(frozen=True, slots=True)
class CorrectionRequest:
    """A reader's grade.

    Attributes:
        side: "R", "L" or "unknown", as the report names the knee.
        reader: pseudonym of the reader; never a name.
        grade: KL 0-4, or None for "cannot be graded".
        reason: why.
        film_id: which film; None is the side's headline film.
    """

    side: str
    reader: str
    grade: int | None
    reason: str
    film_id: str | None = None


def keep_correction(session: Session, study_uid: str, request: CorrectionRequest) -> CorrectionRow:
    """Writes a reader's grade down.

    Args:
        session: that writes.
        study_uid: of the study that was read.
        request: the grade.

    Raises:
        NotFoundError: the study has no such film or knee with a report.
        ValueError: the grade is no KL grade.
    """
    if request.grade is not None and request.grade not in KL_GRADES:
        raise ValueError("A KL grade is 0, 1, 2, 3 or 4.")
    film, result = _read_film(session, study_uid, request)
    row = Correction(
        study_uid=study_uid,
        film_id=film.film_id,
        side=request.side,
        reader=request.reader,
        grade=request.grade,
        reason=request.reason,
        network_grade=_network_grade(result.report, request.side),
        result_id=result.result_id,
        created=time.time(),
    )
    session.add(row)
    session.flush()
    facts: dict[str, JSON] = {"side": row.side, "grade": row.grade, "network_grade": row.network_grade}
    happened(
        session,
        Event(
            kind="correction",
            key=str(row.correction_id),
            study_uid=study_uid,
            film_id=film.film_id,
            facts=facts,
            created=row.created,
        ),
    )
    return next(kept for kept in correction_rows(session, study_uid) if kept.correction_id == row.correction_id)


def _read_film(session: Session, study_uid: str, request: CorrectionRequest) -> tuple[Film, Result]:
    """The film that was read, and the result that the reader saw."""
    if session.get(Study, study_uid) is None:
        raise NotFoundError("There is no such study.")
    film_id = request.film_id
    if film_id is None:
        knees = study_report(study_uid, study_films(session, study_uid))["knees"]
        listed = [knee for knee in knees if isinstance(knee, dict)] if isinstance(knees, list) else []
        film_id = next((str(knee["film_id"]) for knee in listed if knee["side"] == request.side), None)
    film = session.get(Film, film_id) if film_id is not None else None
    if film is None or film.study_uid != study_uid or film.result_id is None:
        raise NotFoundError("The study has no such film with a result, or no graded knee of this side: name the film.")
    return film, session.get_one(Result, film.result_id)


def _network_grade(report: dict[str, JSON], side: str) -> int | None:
    knees = report["knees"]
    for knee in knees if isinstance(knees, list) else ():
        if isinstance(knee, dict) and knee["side"] == side and isinstance(kl := knee["kl"], dict):
            grade = kl["grade"]
            return grade if isinstance(grade, int) else None
    return None
