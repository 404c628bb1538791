"""Runs the service until it is told to stop: one process and one worker, as DBOS and the data folder's lock want it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kneeoa.serving.security.authenticate import refuse_open_bind
from kneeoa.serving.settings import Settings
from kneeoa.serving.workers.pool import WorkerPool

if TYPE_CHECKING:
    from fastapi import FastAPI


def run(settings: Settings) -> None:
    """Starts the HTTP server; returns after a graceful stop (SIGTERM, SIGINT).

    Args:
        settings: see `Settings`.

    Raises:
        KneeOAError: the service may not or cannot start; the message says what to do.
    """
    refuse_open_bind(settings)
    pool = WorkerPool(settings.workers, settings.release, device=settings.device)
    # Before anything else is imported: processes come up on the other cores while this one loads its libraries.
    pool.start()
    try:
        from kneeoa.serving.api.app import create_app
        from kneeoa.serving.logs import configure_logs

        configure_logs(settings.log_level)
        _serve(create_app(settings, pool=pool), settings)
    finally:
        pool.close()


def _serve(app: FastAPI, settings: Settings) -> None:
    import uvicorn

    from kneeoa.serving.api.slow_clients import PatientProtocol

    uvicorn.run(
        app,
        host=settings.host,
        port=settings.port,
        workers=1,
        http=PatientProtocol,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=int(settings.stop_seconds),
    )
