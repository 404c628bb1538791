"""What all routes share, made once a service."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request

from kneeoa.serving.api.metrics import Metrics
from kneeoa.serving.audit import AuditTrail
from kneeoa.serving.security.authenticate import Authenticator
from kneeoa.serving.security.rate import RateLimit
from kneeoa.serving.security.sessions import Sessions
from kneeoa.serving.service import KneeService
from kneeoa.serving.settings import Settings
from kneeoa.serving.workers.grading import PooledGrading
from kneeoa.serving.workers.pool import WorkerPool


@dataclass(frozen=True, slots=True)
class Shared:
    """What all routes share.

    Attributes:
        settings: of the service.
        service: studies, results and durable work.
        pool: the workers.
        grading: by the workers, for somebody who waits.
        authenticator, sessions, rate, audit, metrics: see their classes.
    """

    settings: Settings
    service: KneeService
    pool: WorkerPool
    grading: PooledGrading
    authenticator: Authenticator
    sessions: Sessions
    rate: RateLimit
    audit: AuditTrail
    metrics: Metrics


def shared(request: Request) -> Shared:
    """What the request's application shares."""
    return cast("Shared", request.app.state.shared)


SharedState = Annotated[Shared, Depends(shared)]
