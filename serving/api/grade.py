"""POST /v1/grade: films in, reports out, and nothing kept."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Annotated

import anyio
from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Query
from fastapi import Request as HttpRequest
from fastapi.responses import JSONResponse, Response

from kneeoa.model.errors import Refusal
from kneeoa.model.grades import JSON, FilmGrades
from kneeoa.model.radiograph import FilmFacts, Side
from kneeoa.serving.api.access import Caller, Submitter, problems
from kneeoa.serving.api.examples import FILMS_BODY, REPORT, REPORTS
from kneeoa.serving.api.media import DICOM, FHIR, RELATED_DICOM, Answered, Media, answer_as, wanted_media
from kneeoa.serving.api.problems import Problem
from kneeoa.serving.api.uploads import FORM, Upload, received_films
from kneeoa.serving.results.objects import Form, Request
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
                },
                DICOM: {"schema": {"type": "string", "format": "binary"}},
                RELATED_DICOM: {"schema": {"type": "string", "format": "binary"}},
                FHIR: {"schema": {"type": "object"}},
            },
        },
        **problems(400, 406, 408, 413, 415, 422),
    },
    openapi_extra={"requestBody": FILMS_BODY},
)
async def grade(
    request: HttpRequest,
    caller: Submitter,
    side: Annotated[Side | None, Query(description="The patient's side, where a film does not say it.")] = None,
    spacing_mm: Annotated[float | None, Query(ge=0.001, le=5, description="Pixel spacing, likewise.")] = None,
) -> Response:
    """Grades DICOM, PNG or JPEG films; keeps neither film nor report.

    One film as the body is answered by one report; a multipart message, of however many films, by an array of reports
    in the parts' order. A film that cannot be graded has a report too, whose `refusal` says why.

    `Accept: application/dicom` has each report as a Structured Report instead: one by itself, several in a
    multipart/related message (PS3.18 section 8.6.1.2). `Accept: multipart/related; type="application/dicom"` has the
    Secondary Capture of each film too, `Accept: application/fhir+json` a FHIR Bundle. These need DICOM films.
    """
    of = caller.service
    media = wanted_media(request.headers.get("accept"))
    if of.pool.state.waiting >= WAITING_A_WORKER * of.pool.count:
        detail = "All workers are busy, and too many films wait for them."
        raise Problem(503, "workers_busy", detail, {"Retry-After": _RETRY_SECONDS})
    many = request.headers.get("content-type", "").lower().startswith("multipart/")
    if many and not request.headers["content-type"].lower().startswith(FORM):
        raise Problem(415, "unsupported_media_type", f"Send {FORM}, or one film as the body.")
    async with received_films(request, of.settings.data, of.settings.limits) as films:
        answers: list[Answered | None] = [None] * len(films)
        lines = CapacityLimiter(of.pool.count + 1)  # of this request: it does not take all workers' lines

        async def work(place: int, film: Upload) -> None:
            asked = _Asked(media, side, spacing_mm)
            answers[place] = await to_thread.run_sync(_graded, caller, film, asked, limiter=lines)

        async with anyio.create_task_group() as tasks:
            for place, film in enumerate(films):
                tasks.start_soon(work, place, film)
    done = [answer for answer in answers if answer is not None]
    if media is not Media.JSON:
        return answer_as(media, done)
    reports: list[JSON] = [answer.report for answer in done]
    return JSONResponse(reports if many else reports[0])


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the client says of its films, and wants of them."""

    media: Media
    side: Side | None
    spacing_mm: float | None


def _graded(caller: Caller, film: Upload, asked: _Asked) -> Answered:
    """One film's report, under the name that the client gave, and its other forms."""
    of = caller.service
    began = time.perf_counter()
    objects: dict[Form, bytes] = {}
    try:
        if asked.media is Media.JSON:
            report = of.grading.grade(film.path, asked.side, asked.spacing_mm)
        else:
            codes = None if of.settings.codes is None else str(of.settings.codes)
            wanted = Request(asked.media.forms, codes)
            report, objects = of.grading.print(film.path, wanted, None, asked.side, asked.spacing_mm)
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
    return Answered(report, objects)


def _refused(caller: Caller, refusal: Refusal) -> dict[str, JSON]:
    return FilmGrades(FilmFacts(""), caller.service.grading.release, refusal).to_json()
