"""Whether the service lives, whether it takes films, what it is, and how it does."""

from __future__ import annotations

from fastapi import APIRouter, Response
from pydantic import BaseModel

from kneeoa.serving.api.access import problems
from kneeoa.serving.api.problems import Problem
from kneeoa.serving.api.state import SharedState

router = APIRouter()
PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"


class Version(BaseModel):
    """What runs here."""

    software: str
    release: str
    release_sha256: str


@router.get("/healthz", summary="Does it live?")
async def healthz() -> dict[str, str]:
    """Whether the process answers."""
    return {"status": "ok"}


@router.get("/readyz", summary="Does it take films?", responses={503: problems()[503]})
def readyz(of: SharedState) -> dict[str, str]:
    """Whether the store answers and at least one worker is up."""
    if not of.service.ready():
        raise Problem(503, "starting", "The service is starting or stopping.", {"Retry-After": "2"})
    if of.pool.state.alive == 0:
        raise Problem(503, "no_worker", "No worker is up yet.", {"Retry-After": "2"})
    return {"status": "ready"}


@router.get("/version", summary="What runs here?")
def version(of: SharedState) -> Version:
    """Software and release."""
    facts = of.grading.release
    return Version(software=facts.software, release=facts.name, release_sha256=facts.sha256)


@router.get(
    "/metrics",
    summary="How does it do? (Prometheus)",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}}, 503: problems()[503]},
)
def metrics(of: SharedState) -> Response:
    """Counts, times, queue and release in Prometheus' text format; of no patient."""
    return Response(of.metrics.page(of.service.queue(), of.pool.state, of.service.deliveries()), media_type=PROMETHEUS)
