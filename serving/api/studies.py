"""Studies, their films as pictures, and readers' corrections."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict, fields
from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue

from kneeoa.model.grades import JSON
from kneeoa.serving.api.access import Admin, Caller, Reader, problems
from kneeoa.serving.api.examples import STUDY
from kneeoa.serving.api.problems import Problem
from kneeoa.serving.correcting import CorrectionRequest
from kneeoa.serving.corrections import CorrectionRow
from kneeoa.serving.pipeline.rework import NotFoundError
from kneeoa.serving.store.reading import StudyFilter, StudyOrder
from kneeoa.serving.store.tables import FilmState
from kneeoa.serving.workers.jobs import Wanted

router = APIRouter(prefix="/v1")
StudyUid = Annotated[str, Path(pattern=r"^[0-9.]{1,64}$", description="Study Instance UID.")]
FilmId = Annotated[str, Path(pattern=r"^[0-9a-f]{40}$", description="As the study names its films.")]
_PNG: dict[int | str, dict[str, object]] = {200: {"description": "A picture", "content": {"image/png": {}}}}
_FORMULAS = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet takes a cell that begins so for a formula."""


class StudyLine(BaseModel):
    """One line of the list of studies."""

    study_uid: str
    first_received: datetime
    last_received: datetime
    films: dict[str, int]
    report: dict[str, JsonValue] | None


class StudyList(BaseModel):
    """A page of studies, and how many there are in all."""

    studies: list[StudyLine]
    total: int
    offset: int


@router.get("/studies", summary="List studies", responses=problems())
def studies(  # noqa: PLR0913, PLR0917 - a query's parameters are its arguments
    caller: Reader,
    state: Annotated[FilmState | None, Query(description="At least one film stands there.")] = None,
    source: Annotated[str | None, Query(pattern=r"^[a-z_-]{1,32}$", description="Where a film came from.")] = None,
    received_from: Annotated[AwareDatetime | None, Query(description="Of the last film.")] = None,
    received_to: Annotated[AwareDatetime | None, Query(description="Likewise, not included.")] = None,
    order: StudyOrder = StudyOrder.NEWEST,
    offset: Annotated[int, Query(ge=0, le=10**9)] = 0,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> StudyList:
    """A page of the studies that are wanted, by the time of their last film."""
    wanted = StudyFilter(state, _seconds(received_from), _seconds(received_to), source)
    page = caller.service.service.studies(wanted, order, offset, limit)
    caller.note("studies_listed")
    lines = [
        StudyLine.model_validate(
            {**asdict(row), "first_received": _time(row.first_received), "last_received": _time(row.last_received)}
        )
        for row in page.rows
    ]
    return StudyList(studies=lines, total=page.total, offset=offset)


@router.get(
    "/studies/{study_uid}",
    summary="One study",
    responses={200: {"content": {"application/json": {"example": STUDY}}}, **problems(404)},
)
def study(caller: Reader, study_uid: StudyUid) -> dict[str, JsonValue]:
    """The StudyReport: all films, and one headline knee a side."""
    report = _plain(caller.service.service.study(study_uid))
    caller.note("study_seen", study_uid)
    return report


@router.get("/studies/{study_uid}/films/{film_id}/results", summary="All results of a film", responses=problems(404))
def results(caller: Reader, study_uid: StudyUid, film_id: FilmId) -> list[dict[str, JsonValue]]:
    """Every release's result of a film, the newest first."""
    _of_study(caller, study_uid, film_id)
    rows = caller.service.service.results(film_id)
    caller.note("results_seen", study_uid, film_id)
    return [_plain(asdict(row)) for row in rows]


@router.get(
    "/studies/{study_uid}/films/{film_id}/{picture}.png",
    summary="A film as a picture",
    response_class=Response,
    responses={**_PNG, **problems(404)},
)
def picture(
    caller: Reader, study_uid: StudyUid, film_id: FilmId, picture: Literal["film", "full", "heat", "overlay"]
) -> Response:
    """The film as displayed, on a monitor or in all its pixels; its heat maps alone; or all of its report on it.

    Heat and overlay are drawn, and the film graded for it, when they are asked for: by the release that runs.
    """
    _of_study(caller, study_uid, film_id)
    drawn = caller.service.grading.draw(caller.service.service.film_path(film_id), Wanted(picture))
    if drawn is None:
        raise Problem(404, "no_picture", "The film cannot be read, so that there is nothing to show.")
    caller.note(f"{picture}_seen", study_uid, film_id)
    return Response(drawn, media_type="image/png")


class NewCorrection(BaseModel):
    """A reader's grade of one knee."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"side": "R", "grade": 3, "reason": "Sclerosis.", "reader": "reader-1"}},
    )

    side: Literal["R", "L", "unknown"] = Field(description="As the report names the knee.")
    grade: Annotated[int, Field(ge=0, le=4)] | None = Field(description="KL grade; null: cannot be graded.")
    reason: str = Field(min_length=1, max_length=2000, pattern=r"^[^\x00]*$", description="Why; not who.")
    film_id: str | None = Field(default=None, pattern=r"^[0-9a-f]{40}$", description="Default: the headline film.")
    reader: str | None = Field(default=None, pattern=r"^[A-Za-z0-9._-]{1,48}$", description="Pseudonym, no name.")


@router.post(
    "/studies/{study_uid}/corrections", summary="Correct a grade", status_code=201, responses=problems(400, 404, 413)
)
def correct(caller: Reader, study_uid: StudyUid, correction: NewCorrection) -> dict[str, JsonValue]:
    """Keeps a reader's grade and reason beside the network's; neither is ever changed."""
    who = caller.principal.name
    reader = who if correction.reader is None else f"{who}/{correction.reader}"
    wanted = CorrectionRequest(correction.side, reader, correction.grade, correction.reason, correction.film_id)
    row = caller.service.service.add_correction(study_uid, wanted)
    caller.note("correction_made", study_uid, row.film_id)
    return _plain(asdict(row))


@router.get("/studies/{study_uid}/corrections", summary="Corrections of a study", responses=problems(404))
def corrections_of(caller: Reader, study_uid: StudyUid) -> list[dict[str, JsonValue]]:
    """Every correction of a study, the oldest first."""
    caller.service.service.study(study_uid)
    rows = caller.service.service.corrections(study_uid).rows
    caller.note("corrections_seen", study_uid)
    return [_plain(asdict(row)) for row in rows]


@router.get(
    "/corrections",
    summary="All corrections, as a training table",
    response_model=None,
    responses={200: {"content": {"text/csv": {}}}, **problems()},
)
def corrections(caller: Admin, format: Literal["json", "csv"] = "json") -> Response | dict[str, JsonValue]:  # noqa: A002 - the query's word
    """All corrections with the kappa of each reader; as CSV, the rows alone."""
    table = caller.service.service.corrections()
    caller.note("corrections_exported")
    if format == "csv":
        return Response(_csv(table.rows), media_type="text/csv; charset=utf-8")
    return _plain(asdict(table))


def _csv(rows: tuple[CorrectionRow, ...]) -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    names = [field.name for field in fields(CorrectionRow)]
    writer.writerow(names)
    for row in rows:
        cells = ["" if value is None else str(value) for value in asdict(row).values()]
        writer.writerow([f"'{cell}" if cell.startswith(_FORMULAS) else cell for cell in cells])
    return text.getvalue()


def _of_study(caller: Caller, study_uid: str, film_id: str) -> None:
    if caller.service.service.film(film_id).study_uid != study_uid:
        raise NotFoundError("The study has no such film.")


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _plain(row: dict[str, JSON]) -> dict[str, JsonValue]:
    """JSON values of ours as pydantic names them."""
    return dict(row)
