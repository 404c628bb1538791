"""Dead letters: films whose work, or one of whose deliveries, failed for good, until a person decides."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from kneeoa.serving.api.access import Admin, problems
from kneeoa.serving.api.studies import FilmId

router = APIRouter(prefix="/v1/dead-letters")


class Letter(BaseModel):
    """A film whose work, or one of whose deliveries, failed for good; `destinations` are those of the latter."""

    film_id: str
    study_uid: str
    reason: str
    since: float
    received: float
    round: int
    destinations: list[str]


@router.get("", summary="List dead letters", responses=problems())
def letters(
    caller: Admin,
    offset: Annotated[int, Query(ge=0, le=10**9)] = 0,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> list[Letter]:
    """Dead letters, the newest failure first."""
    found = caller.service.service.dead_letters(offset, limit)
    caller.note("dead_letters_listed")
    return [Letter.model_validate(asdict(letter)) for letter in found]


@router.post("/{film_id}/replay", summary="Try a dead letter again", status_code=202, responses=problems(404, 409))
def replay(caller: Admin, film_id: FilmId) -> dict[str, str]:
    """Starts the work of a dead letter anew."""
    caller.service.service.replay(film_id)
    caller.note("dead_letter_replayed", film_id=film_id)
    return {"film_id": film_id, "state": "waiting"}


@router.post("/{film_id}/drop", summary="Give a dead letter up", responses=problems(404, 409))
def drop(caller: Admin, film_id: FilmId) -> dict[str, str]:
    """Gives a dead letter up; its original stays until retention."""
    caller.service.service.drop(film_id)
    caller.note("dead_letter_dropped", film_id=film_id)
    return {"film_id": film_id, "state": caller.service.service.film(film_id).state}
