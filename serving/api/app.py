"""The application: everything of the service behind one ASGI callable. Made anew by every call; no state is global."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

import structlog
from anyio import to_thread
from fastapi import FastAPI

from kneeoa import __version__
from kneeoa.model.errors import KneeOAError
from kneeoa.serving.api import dicomweb, events, grade, health, page, queue, session, studies, worklist
from kneeoa.serving.api.decided import told_to
from kneeoa.serving.api.guard import Guard
from kneeoa.serving.api.metrics import MeasuredGrading, Metrics
from kneeoa.serving.api.problems import add_problem_handlers
from kneeoa.serving.api.slow_clients import STOPPING
from kneeoa.serving.api.state import Shared
from kneeoa.serving.api.uploads import clear_uploads
from kneeoa.serving.audit import AuditTrail, Deed
from kneeoa.serving.pacs.node import PacsNode
from kneeoa.serving.results.codes import load_codes
from kneeoa.serving.security.authenticate import Authenticator, refuse_open_bind
from kneeoa.serving.security.rate import RateLimit
from kneeoa.serving.security.sessions import Sessions
from kneeoa.serving.service import KneeService
from kneeoa.serving.settings import Settings
from kneeoa.serving.workers.grading import PooledGrading
from kneeoa.serving.workers.pool import Urgency, WorkerPool

if TYPE_CHECKING:
    from kneeoa.serving.security.tokens import TokenVerifier

_LOG = structlog.get_logger("kneeoa.http")
_DESCRIPTION = (
    "Grades osteoarthritis on plain knee radiographs. Research and decision support for trained readers; not a cleared "
    "medical device, not for sole diagnosis. Errors are RFC 9457 problem details."
)


def create_app(
    settings: Settings,
    *,
    tokens: TokenVerifier | None = None,
    prepare: Callable[[], None] | None = None,
    pool: WorkerPool | None = None,
) -> FastAPI:
    """The application of one service; workers and durable work run between its lifespan's start and end.

    Args:
        settings: see `Settings`.
        tokens: verifies bearer tokens; by default those of the issuer that the settings name.
        prepare: called in each worker before it loads the networks; importable by name.
        pool: workers of these settings, which may be starting already; the application ends them. By default its own.

    Raises:
        ConfigError: the address is not loopback, and nobody could log in.
        ReleaseError: there is no such release.
    """
    refuse_open_bind(settings)
    load_codes(settings.codes)  # a fault in it is told now, not with the first film
    pool = pool or WorkerPool(settings.workers, settings.release, prepare, settings.device)
    stored = PooledGrading(pool, settings.release)
    metrics = Metrics(stored.release)
    audit = AuditTrail(settings.data)
    pacs = PacsNode(settings, stored, metrics)
    service = KneeService(settings, MeasuredGrading(stored, metrics), pacs.outgoing, told_to(metrics, audit))
    pacs.attach(service)
    authenticator = Authenticator(settings, tokens)
    of = Shared(
        settings=settings,
        service=service,
        pool=pool,
        grading=PooledGrading(pool, settings.release, Urgency.PERSON),
        authenticator=authenticator,
        sessions=Sessions(authenticator.keys),
        rate=RateLimit(settings.limits.requests_a_minute),
        audit=audit,
        metrics=metrics,
    )
    # None of FastAPI's own pages: they would load scripts from elsewhere. /openapi.json is the document.
    app = FastAPI(
        title="KneeOA", version=__version__, description=_DESCRIPTION, lifespan=_lifespan, docs_url=None, redoc_url=None
    )
    app.state.shared = of
    app.state.pacs = pacs
    for module in (grade, dicomweb, studies, worklist, queue, events, health, session, page):
        app.include_router(module.router)
    add_problem_handlers(app)
    app.add_middleware(Guard, settings=settings, metrics=metrics)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[dict[str, asyncio.Event]]:
    """Starts workers and work, and stops them; films that run are finished."""
    of: Shared = app.state.shared
    with _told():
        await to_thread.run_sync(of.service.start)
    try:
        clear_uploads(of.settings.data)
        of.pool.start()
        with _told():
            app.state.pacs.start()
        of.audit.write(Deed("service", "started"))
        yield {STOPPING: asyncio.Event()}
    finally:
        await to_thread.run_sync(app.state.pacs.stop)
        await to_thread.run_sync(of.service.stop)
        of.audit.write(Deed("service", "stopped"))


@contextmanager
def _told() -> Iterator[None]:
    """Says in the log why there is no start: uvicorn tells no more than that it ends."""
    try:
        yield
    except KneeOAError as error:
        _LOG.error("not_started", error=type(error).__name__, why=str(error))  # noqa: TRY400, RUF100 - no traceback: the message says what to do
        raise
