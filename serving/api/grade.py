"""POST /v1/grade: films in, reports out, and nothing kept."""

from __future__ import annotations

import time
from typing import Annotated

import anyio
from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse

from kneeoa.model.errors import Refusal
from kneeoa.model.grades import JSON, FilmGrades
from kneeoa.model.radiograph import FilmFacts, Side
from kneeoa.serving.api.access import Caller, Submitter, problems
from kneeoa.serving.api.examples import FILMS_BODY, REPORT, REPORTS
from kneeoa.serving.api.problems import Problem
from kneeoa.serving.api.uploads import FORM, Upload, received_films
from kneeoa.serving.workers.worker import DecoderCrashedError

router = APIRouter()
WAITING_A_WORKER = 32
"""With more films in line for each worker, an answer would take too long to be waited for."""
_RETRY_SECONDS = "5"


@router.post(
    "/v1/grade",
    summary="Grade films at once",
    response_model=None,
    responses={
        200: {
            "description": "Reports",
            "content": {
                "application/json": {
                    "examples": {"one film as the body": {"value": REPORT}, "multipart": {"value": REPORTS}}
                }
            },
        },
        **problems(400, 408, 413, 415),
    },
    openapi_extra={"requestBody": FILMS_BODY},
)
async def grade(
    request: Request,
    caller: Submitter,
    side: Annotated[Side | None, Query(description="The patient's side, where a film does not say it.")] = None,
    spacing_mm: Annotated[float | None, Query(ge=0.001, le=5, description="Pixel spacing, likewise.")] = None,
) -> JSONResponse:
    """Grades DICOM, PNG or JPEG films; keeps neither film nor report.

    One film as the body is answered by one report; a multipart message, of however many films, by an array of reports
    in the parts' order. A film that cannot be graded has a report too, whose `refusal` says why.
    """
    of = caller.service
    if of.pool.state.waiting >= WAITING_A_WORKER * of.pool.count:
        detail = "All workers are busy, and too many films wait for them."
        raise Problem(503, "workers_busy", detail, {"Retry-After": _RETRY_SECONDS})
    many = request.headers.get("content-type", "").lower().startswith("multipart/")
    if many and not request.headers["content-type"].lower().startswith(FORM):
        raise Problem(415, "unsupported_media_type", f"Send {FORM}, or one film as the body.")
    async with received_films(request, of.settings.data, of.settings.limits) as films:
        reports: list[JSON] = [None] * len(films)
        lines = CapacityLimiter(of.pool.count + 1)  # of this request: it does not take all workers' lines

        async def work(place: int, film: Upload) -> None:
            reports[place] = await to_thread.run_sync(_graded, caller, film, side, spacing_mm, limiter=lines)

        async with anyio.create_task_group() as tasks:
            for place, film in enumerate(films):
                tasks.start_soon(work, place, film)
    return JSONResponse(reports if many else reports[0])


def _graded(caller: Caller, film: Upload, side: Side | None, spacing_mm: float | None) -> dict[str, JSON]:
    """One film's report, under the name that the client gave."""
    of = caller.service
    began = time.perf_counter()
    try:
        report = of.grading.grade(film.path, side, spacing_mm)
    except DecoderCrashedError as error:
        report = _refused(caller, error.refusal)
    facts = report["film"]
    uid = None
    if isinstance(facts, dict):
        facts["source"] = film.name
        uid = facts["study_instance_uid"]
    of.metrics.graded(report, time.perf_counter() - began)
    refusal = report["refusal"]
    outcome = str(refusal["code"]) if isinstance(refusal, dict) else "success"
    caller.note("film_graded", None if uid is None else str(uid), ok=outcome)
    return report


def _refused(caller: Caller, refusal: Refusal) -> dict[str, JSON]:
    return FilmGrades(FilmFacts(""), caller.service.grading.release, refusal).to_json()
