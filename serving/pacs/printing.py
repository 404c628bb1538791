"""Has the workers make the objects that are sent: of a film's result, or of a study as a whole."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import select

from kneeoa.model.grades import JSON
from kneeoa.serving.grading import GradingError
from kneeoa.serving.pipeline.rework import NotFoundError
from kneeoa.serving.pipeline.study_documents import KIND
from kneeoa.serving.results.objects import Form, Request
from kneeoa.serving.results.study_parts import StudyPart, StudyRequest, part_of
from kneeoa.serving.service import KneeService
from kneeoa.serving.store.films import study_film
from kneeoa.serving.store.tables import Film, Result, StudyDocument
from kneeoa.serving.study import study_report
from kneeoa.serving.workers.grading import PooledGrading

_FORMS = (Form.SECONDARY_CAPTURE, Form.STRUCTURED_REPORT)


class Printing:
    """Makes objects by the ids of what they tell.

    Args:
        service: that has the results.
        grading: by the workers.
        codes: a site's file of codes, or None.
    """

    def __init__(self, service: KneeService, grading: PooledGrading, codes: Path | None) -> None:
        self._service = service
        self._grading = grading
        self._codes = None if codes is None else str(codes)

    def objects(self, batch: str) -> dict[str, bytes]:
        """DICOM files by kind: "sc" and "sr" of a result, "study_sr" of a study's document.

        Args:
            batch: id of the result, or of the document.

        Raises:
            GradingError: `original_missing`: the film is gone; or its decoder died.
        """
        with self._service.database.read() as session:
            document = session.get(StudyDocument, batch)
        try:
            return self._of_result(batch) if document is None else {KIND: self._of_study(document)}
        except NotFoundError:
            raise GradingError("original_missing", "The film's file is gone. Restore it or send it again.") from None

    def _of_result(self, result_id: str) -> dict[str, bytes]:
        with self._service.database.read() as session:
            result = session.get_one(Result, result_id)
        request = Request(_FORMS, self._codes, result.result_uid, result.created)
        _, found = self._grading.print(self._service.film_path(result.film_id), request, result.report)
        return {form.value: content for form, content in found.items()}

    def _of_study(self, document: StudyDocument) -> bytes:
        """Of the results that the document was planned with, also where others have come since."""
        with self._service.database.read() as session:
            query = select(Film, Result).join(Result, Result.film_id == Film.film_id)
            rows = session.execute(query.where(Result.result_id.in_(document.results)).order_by(Film.received)).all()
        joined = study_report(document.study_uid, [study_film(film, result) for film, result in rows])
        parts = [self._part(film, result, joined) for film, result in rows]
        request = StudyRequest(
            uid=document.document_uid,
            made=document.created,
            codes=self._codes,
            release=(document.release_name, document.release_sha256, document.software),
            predecessor=None
            if document.predecessor_uid is None or document.predecessor_sha256 is None
            else (document.predecessor_uid, document.predecessor_sha256),
            parts=tuple(part for part in parts if part is not None),
        )
        if not request.parts:
            raise NotFoundError("All originals of the study were removed.")
        return self._grading.print_study(request)

    def _part(self, film: Film, result: Result, joined: dict[str, JSON]) -> StudyPart | None:
        """What the document tells of one film; nothing of one whose original is gone: nothing can refer to it."""
        try:
            path = self._service.film_path(film.film_id)
        except NotFoundError:
            return None
        return part_of(path, result.result_uid, result.created, result.report, joined)
