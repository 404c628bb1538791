"""What the page asks for beyond studies: its list, and how the work goes over time."""

from __future__ import annotations

import time
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel

from kneeoa.serving.api.access import Reader, problems
from kneeoa.serving.api.studies import StudyUid
from kneeoa.serving.store.trends import Trends
from kneeoa.serving.worklist import Worklist, WorklistRow

router = APIRouter(prefix="/v1")
_HOUR = 3600.0
_SPANS = {"day": (24, _HOUR), "month": (30, 24 * _HOUR), "year": (52, 7 * 24 * _HOUR)}
"""Bins and their length."""


class Now(BaseModel):
    """What waits, and who works, at this moment."""

    queue_films: int
    queue_oldest_seconds: float
    dead_letters: int
    workers_alive: int
    workers_wanted: int
    workers_replaced: int


class Statistics(BaseModel):
    """The present, and the counts of some time back."""

    now: Now
    trends: Trends


@router.get("/worklist", summary="The list of the reading room", responses=problems())
def worklist(
    caller: Reader,
    offset: Annotated[int, Query(ge=0, le=10**9)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 500,
) -> Worklist:
    """A page of short rows, the newest film's study first."""
    page = caller.service.service.worklist(offset, limit)
    caller.note("studies_listed")
    return page


@router.get("/worklist/{study_uid}", summary="One row of the list", responses=problems(404))
def worklist_row(caller: Reader, study_uid: StudyUid) -> WorklistRow:
    """The row of one study, as of now."""
    row = caller.service.service.worklist_row(study_uid)
    caller.note("studies_listed", study_uid)
    return row


@router.get("/statistics", summary="How does the work go?", responses=problems())
def statistics(caller: Reader, span: Literal["day", "month", "year"] = "day") -> Statistics:
    """Queue and workers now; films, grades and refusals by hour of a day, day of a month or week of a year."""
    of = caller.service
    bins, seconds = _SPANS[span]
    waiting, workers = of.service.queue(), of.pool.state
    caller.note("statistics_seen")
    return Statistics(
        now=Now(
            queue_films=waiting.depth,
            queue_oldest_seconds=waiting.oldest_seconds,
            dead_letters=waiting.dead_letters,
            workers_alive=workers.alive,
            workers_wanted=workers.wanted,
            workers_replaced=workers.replaced,
        ),
        trends=of.service.trends(time.time(), bins, seconds),
    )
