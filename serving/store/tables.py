"""The tables, as SQLAlchemy 2 classes. A change here needs a migration beside it (`migrations/versions`).

Times are UTC, seconds since 1970 as float: SQLite has no time type, and both databases must sort alike. Nothing of a
patient is stored but the UIDs that the result must name.
"""

from __future__ import annotations

from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from kneeoa.model.grades import JSON

SCHEMA = "0004"
"""The newest of `migrations/versions`; a database that says so is not migrated."""
ID_LENGTH = 64
UID_LENGTH = 64


class Table(DeclarativeBase):
    """What all tables share: one metadata, and JSON columns for JSON values."""

    type_annotation_map = {dict[str, JSON]: sa.JSON, list[str]: sa.JSON}  # noqa: RUF012 - as SQLAlchemy reads it


class FilmState(StrEnum):
    """Where a film stands."""

    WAITING = "waiting"
    """It is stored; its work is queued or running."""
    DONE = "done"
    """It has a result, which may be a refusal; how far that has come on its way is told by its deliveries."""
    DEAD = "dead"
    """Its work failed for good; a person must replay or drop it."""
    DROPPED = "dropped"
    """A person gave it up."""


class DeliveryState(StrEnum):
    """How far an object has come on its way to a destination; never more than is known."""

    WAITING = "waiting"
    """Not there yet: to be sent, or to be sent again."""
    SENT = "sent"
    """The destination has answered with success, or with a warning that means stored."""
    COMMITTED = "committed"
    """The destination has reported that it keeps the object (Storage Commitment)."""
    VERIFIED = "verified"
    """A query has found the object there."""
    FAILED = "failed"
    """Given up after so many attempts: a dead letter."""


class Study(Table):
    """A study that at least one film belongs to.

    Attributes:
        study_uid: Study Instance UID, or one made from the film's hash for pictures.
        first_received, last_received: of its films.
        report: the joined StudyReport as last built, or None before the first result.
        report_uid: UID of that report, hashed from its results.
        worst_grade: the highest headline grade of that report, or None.
        films_disagree: whether two films of one side lie two grades apart or more.
        document_due: when the study's own Structured Report is to be made, or None where none is.
    """

    __tablename__ = "studies"

    study_uid: Mapped[str] = mapped_column(String(UID_LENGTH), primary_key=True)
    first_received: Mapped[float]
    last_received: Mapped[float] = mapped_column(index=True)
    report: Mapped[dict[str, JSON] | None]
    report_uid: Mapped[str | None] = mapped_column(String(UID_LENGTH))
    worst_grade: Mapped[int | None] = mapped_column(index=True)
    films_disagree: Mapped[bool | None]
    document_due: Mapped[float | None] = mapped_column(index=True)


class Film(Table):
    """An original as it came.

    Attributes:
        film_id: see `pipeline.identity`.
        study_uid: its study.
        sop_uid: SOP Instance UID, None for a picture or an object without one.
        pixels_sha256: of the pixel data as encoded; what tells a resend from a reused UID.
        suffix: ".dcm", ".png" or ".jpg".
        size_bytes: of the file.
        acquired: acquisition date and time as the object states them ("20240131101500"), or "".
        source: who sent it: "stow", "upload", "store_scp", ... never a name of a person.
        priority: 1 is first, 10 last.
        rule: name of the routing rule that took it; None of films from before there were rules.
        destinations: full names of those that its results go to; None is all.
        uid_reused: whether another film has this SOP Instance UID with other pixels.
        received: when.
        state: see `FilmState`.
        result_id: its newest result, or None.
        round: number of its work, from 1; every replay and regrade starts the next one.
        queued: the last round that was put into the queue.
        dead_reason, dead_since: of a dead letter.
        removed: when the original was deleted by retention, or None.
    """

    __tablename__ = "films"
    __table_args__ = (
        Index("ix_films_state_received", "state", "received"),
        Index("ix_films_state_priority", "state", "priority", "received"),
    )

    film_id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    study_uid: Mapped[str] = mapped_column(ForeignKey("studies.study_uid"), index=True)
    sop_uid: Mapped[str | None] = mapped_column(String(UID_LENGTH), index=True)
    pixels_sha256: Mapped[str] = mapped_column(String(64))
    suffix: Mapped[str] = mapped_column(String(8))
    size_bytes: Mapped[int]
    acquired: Mapped[str] = mapped_column(String(32))
    source: Mapped[str] = mapped_column(String(32))
    priority: Mapped[int]
    rule: Mapped[str | None] = mapped_column(String(40))
    destinations: Mapped[list[str] | None] = mapped_column(sa.JSON(none_as_null=True))
    uid_reused: Mapped[bool]
    received: Mapped[float]
    state: Mapped[str] = mapped_column(String(16))
    result_id: Mapped[str | None] = mapped_column(String(ID_LENGTH))
    round: Mapped[int]
    queued: Mapped[int]
    dead_reason: Mapped[str | None] = mapped_column(String(64))
    dead_since: Mapped[float | None]
    removed: Mapped[float | None]


class Result(Table):
    """What one release said about one film. Never changed, never deleted.

    Attributes:
        result_id: see `pipeline.identity`.
        result_uid: the DICOM UID of the same.
        film_id: its film.
        work_id: the work that made it; a rerun of the same work finds it.
        release_name, release_sha256, software: who graded.
        report: the film's report.
        created: when.
    """

    __tablename__ = "results"

    result_id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    result_uid: Mapped[str] = mapped_column(String(UID_LENGTH), unique=True)
    film_id: Mapped[str] = mapped_column(ForeignKey("films.film_id"), index=True)
    work_id: Mapped[str] = mapped_column(String(200), index=True)
    release_name: Mapped[str] = mapped_column(String(100))
    release_sha256: Mapped[str] = mapped_column(String(64))
    software: Mapped[str] = mapped_column(String(50))
    report: Mapped[dict[str, JSON]]
    created: Mapped[float] = mapped_column(index=True)


class Correction(Table):
    """A reader's grade beside the network's. Never changed; a second thought is a second row.

    Attributes:
        correction_id: running number.
        study_uid, film_id: what was read.
        side: "R", "L" or "unknown", as the report names the knee.
        reader: a pseudonym of the reader: the id of the key or account, never a name.
        grade: KL 0-4, or None where the reader says that the film cannot be graded.
        reason: why, in the reader's words.
        network_grade: what the network had said, or None where it had refused.
        result_id: by which result.
        created: when.
    """

    __tablename__ = "corrections"

    correction_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    study_uid: Mapped[str] = mapped_column(ForeignKey("studies.study_uid"), index=True)
    film_id: Mapped[str] = mapped_column(ForeignKey("films.film_id"), index=True)
    side: Mapped[str] = mapped_column(String(8))
    reader: Mapped[str] = mapped_column(String(100), index=True)
    grade: Mapped[int | None]
    reason: Mapped[str] = mapped_column(String(2000))
    network_grade: Mapped[int | None]
    result_id: Mapped[str] = mapped_column(ForeignKey("results.result_id"))
    created: Mapped[float]


class Event(Table):
    """Something that listeners want to know, in the order in which it happened.

    Attributes:
        sequence: running number, the event's id for listeners.
        kind: "film_received", "result", "dead_letter", "correction".
        key: what it is about; (kind, key) happens once.
        study_uid, film_id: of what it is about.
        facts: further facts; no identifiers of patients.
        created: when.
    """

    __tablename__ = "events"
    __table_args__ = (UniqueConstraint("kind", "key", name="uq_events_kind_key"),)

    sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    kind: Mapped[str] = mapped_column(String(32))
    key: Mapped[str] = mapped_column(String(200))
    study_uid: Mapped[str | None] = mapped_column(String(UID_LENGTH))
    film_id: Mapped[str | None] = mapped_column(String(ID_LENGTH))
    facts: Mapped[dict[str, JSON]]
    created: Mapped[float]


class StudyDocument(Table):
    """A study's own Structured Report. Never changed: a late film makes another one, in the same series.

    Attributes:
        document_id: hashed from its films, their releases and the release that was running.
        document_uid: the DICOM UID of the same.
        study_uid: of which study.
        film_id: the last of its films to come.
        results: ids of the results that it tells.
        predecessor_uid, predecessor_sha256: of the document before, and the release that its series is of; or None.
        release_name, release_sha256, software: that was running.
        created: when.
    """

    __tablename__ = "study_documents"

    document_id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    document_uid: Mapped[str] = mapped_column(String(UID_LENGTH), unique=True)
    study_uid: Mapped[str] = mapped_column(ForeignKey("studies.study_uid"), index=True)
    film_id: Mapped[str] = mapped_column(ForeignKey("films.film_id"))
    results: Mapped[list[str]]
    predecessor_uid: Mapped[str | None] = mapped_column(String(UID_LENGTH))
    predecessor_sha256: Mapped[str | None] = mapped_column(String(64))
    release_name: Mapped[str] = mapped_column(String(100))
    release_sha256: Mapped[str] = mapped_column(String(64))
    software: Mapped[str] = mapped_column(String(50))
    created: Mapped[float]


class Delivery(Table):
    """How far one object has come on its way to one destination.

    Attributes:
        object_uid, destination: which.
        kind: "sc", "sr" or "study_sr".
        batch: objects that are made and sent together: id of a result, or of a study's document.
        study_uid, film_id: what it is about; of a study's document, the last of its films to come.
        state: see `DeliveryState`.
        attempts: made so far.
        failures: of these, those that failed since it last came further.
        reason: code of the last failure, or None.
        transaction_uid: of the newest request for commitment, or None.
        asked: when that was made.
        turn: number of the newest work on this batch for this destination.
        queued: the last turn that was put into the queue.
        due: when that turn may begin.
        created: when it was asked for.
        sent: when the destination first answered with success.
        updated: when anything of this changed.
        settled: when nothing more was to be done: it is where it should be, or a person has given it up.
    """

    __tablename__ = "deliveries"
    __table_args__ = (
        Index("ix_deliveries_batch", "batch", "destination"),
        Index("ix_deliveries_destination_state", "destination", "state", "settled"),
        Index("ix_deliveries_settled_state", "settled", "state"),
    )

    object_uid: Mapped[str] = mapped_column(String(UID_LENGTH), primary_key=True)
    destination: Mapped[str] = mapped_column(String(64), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    batch: Mapped[str] = mapped_column(String(ID_LENGTH))
    study_uid: Mapped[str] = mapped_column(ForeignKey("studies.study_uid"), index=True)
    film_id: Mapped[str] = mapped_column(ForeignKey("films.film_id"), index=True)
    state: Mapped[str] = mapped_column(String(16))
    attempts: Mapped[int]
    failures: Mapped[int]
    reason: Mapped[str | None] = mapped_column(String(64))
    transaction_uid: Mapped[str | None] = mapped_column(String(UID_LENGTH), index=True)
    asked: Mapped[float | None]
    turn: Mapped[int]
    queued: Mapped[int]
    due: Mapped[float]
    created: Mapped[float]
    sent: Mapped[float | None]
    updated: Mapped[float]
    settled: Mapped[float | None]


class PassedOver(Table):
    """An instance that a poll of an archive need not fetch again, though no film of it is here.

    Attributes:
        key: hash of its SOP Instance UID and of the rules.
        reason: name of the rule that ignored it, or a reason code.
        noted: when.
    """

    __tablename__ = "passed_over"

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    reason: Mapped[str] = mapped_column(String(64))
    noted: Mapped[float] = mapped_column(index=True)
