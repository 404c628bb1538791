"""Runs the service until it is told to stop: one process and one worker, as DBOS and the data folder's lock want it."""

from __future__ import annotations

from kneeoa.serving.settings import Settings


def run(settings: Settings) -> None:
    """Starts the HTTP server; returns after a graceful stop (SIGTERM, SIGINT).

    Args:
        settings: see `Settings`.

    Raises:
        KneeOAError: the service may not or cannot start; the message says what to do.
    """
    import uvicorn

    from kneeoa.serving.api.app import create_app
    from kneeoa.serving.api.slow_clients import PatientProtocol
    from kneeoa.serving.logs import configure_logs

    configure_logs(settings.log_level)

    uvicorn.run(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        workers=1,
        http=PatientProtocol,
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=int(settings.stop_seconds),
        limit_concurrency=settings.limits.connections,
    )
