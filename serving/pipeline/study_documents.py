"""A study's own Structured Report: when it is made, of which films, and what comes before it.

References:
    DICOM PS3.3 C.17.2.2 (Predecessor Documents Sequence): instances never change, a later one names the earlier.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from kneeoa.model.grades import ReleaseFacts
from kneeoa.serving.pipeline.identity import made_id, made_uid, site_uid
from kneeoa.serving.store.database import Database
from kneeoa.serving.store.deliveries import Ordered, add_delivery, destinations_of, new_delivery
from kneeoa.serving.store.tables import Film, FilmState, Result, Study, StudyDocument

KIND = "study_sr"
_CHUNK = 20


class StudyDocuments:
    """Plans documents of studies whose films have been quiet for long enough. The table of studies says when.

    Args:
        database: the store.
        release: which networks grade.
        site: digest of the site's codes, or "".
        quiet_seconds: after the last film of a study; None makes no documents.
    """

    def __init__(self, database: Database, release: ReleaseFacts, site: str, quiet_seconds: float | None) -> None:
        self._database = database
        self._release = release
        self._site = site
        self._quiet_seconds = quiet_seconds

    def plan_due(self, now: float) -> int:
        """Writes down the documents that are due, and where they go; each is planned once.

        Returns:
            How many were planned.
        """
        if self._quiet_seconds is None:
            return 0
        planned = 0
        with self._database.read() as session:
            if session.scalar(select(Study.study_uid).where(Study.document_due <= now).limit(1)) is None:
                return 0
        with self._database.write() as session:
            due = select(Study).where(Study.document_due <= now).order_by(Study.document_due).limit(_CHUNK)
            for study in session.scalars(due.with_for_update()).all():
                if _is_any_waiting(session, study.study_uid):
                    study.document_due = now + self._quiet_seconds
                    continue
                study.document_due = None
                planned += self._planned(session, study.study_uid, now)
        return planned

    def _planned(self, session: Session, study_uid: str, now: float) -> bool:
        graded = _graded(session, study_uid)
        names = destinations_of(session, study_uid)
        if not graded or not names:
            return False
        document = self._document(session, graded, now)
        if session.get(StudyDocument, document.document_id) is not None:
            return False
        session.add(document)
        session.flush()
        ordered = Ordered(document.document_id, KIND, document.document_uid)
        for name in names:
            add_delivery(session, new_delivery(graded[-1][0], ordered, name, now, queued=False))
        return True

    def _document(self, session: Session, graded: Sequence[tuple[Film, Result]], now: float) -> StudyDocument:
        study_uid = graded[-1][0].study_uid
        before = session.scalars(
            select(StudyDocument)
            .where(StudyDocument.study_uid == study_uid)
            .order_by(StudyDocument.created.desc())
            .limit(1)
        ).first()
        sources = sorted(f"{film.sop_uid} {film.film_id} {result.release_sha256}" for film, result in graded)
        document_id = made_id("study document", self._release.sha256, *sources)
        return StudyDocument(
            document_id=document_id,
            document_uid=site_uid(made_uid("study document", document_id), self._site),
            study_uid=study_uid,
            film_id=graded[-1][0].film_id,
            results=[result.result_id for _, result in graded],
            predecessor_uid=before.document_uid if before else None,
            predecessor_sha256=before.release_sha256 if before else None,
            release_name=self._release.name,
            release_sha256=self._release.sha256,
            software=self._release.software,
            created=now,
        )


def expect_document(session: Session, study_uid: str, quiet_seconds: float) -> None:
    """Says that a study has a new result: its document is made when nothing more has come for so long."""
    study = session.get_one(Study, study_uid)
    study.document_due = time.time() + quiet_seconds


def _is_any_waiting(session: Session, study_uid: str) -> bool:
    query = select(Film.film_id).where(Film.study_uid == study_uid, Film.state == FilmState.WAITING).limit(1)
    return session.scalar(query) is not None


def _graded(session: Session, study_uid: str) -> list[tuple[Film, Result]]:
    """Films that a document can tell of, in the order in which they came."""
    query = (
        select(Film, Result)
        .join(Result, Result.result_id == Film.result_id)
        .where(Film.study_uid == study_uid, Film.state != FilmState.DROPPED, Film.sop_uid.is_not(None))
    )
    return [(film, result) for film, result in session.execute(query.order_by(Film.received, Film.film_id))]
