"""GET /v1/events: what happens, as it happens (server-sent events)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import StreamingResponse

from kneeoa.serving.api.access import Reader, problems
from kneeoa.serving.service import KneeService
from kneeoa.serving.store.reading import EventRow

router = APIRouter()
HEARTBEAT_SECONDS = 15.0
"""Proxies close what is silent for longer."""


@router.get(
    "/v1/events",
    summary="Events as they happen",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}}, **problems()},
)
async def events(
    request: Request,
    caller: Reader,
    last_event_id: Annotated[int | None, Header(ge=0, le=10**15, description="Go on after this event.")] = None,
    most: Annotated[int | None, Query(ge=1, le=10_000, description="End after so many events.")] = None,
) -> StreamingResponse:
    """Films that come in, results, dead letters, corrections. Sent again after a break from `Last-Event-ID` on."""
    await to_thread.run_sync(caller.note, "events_listened")
    stopping: asyncio.Event | None = getattr(request.state, "stopping", None)
    stream = _stream(caller.service.service, last_event_id, most, stopping or asyncio.Event())
    return StreamingResponse(stream, media_type="text/event-stream")


async def _stream(
    service: KneeService, after: int | None, most: int | None, stopping: asyncio.Event
) -> AsyncIterator[bytes]:
    """Events, and a comment now and then, until the service stops."""
    rows = service.subscribe(after)
    end = asyncio.ensure_future(stopping.wait())
    pending = asyncio.ensure_future(anext(rows))
    sent = 0
    try:
        yield b": hello\n\n"
        while not stopping.is_set() and (most is None or sent < most):
            await asyncio.wait({pending, end}, timeout=HEARTBEAT_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if pending.done():
                sent += 1
                yield _event(pending.result())
                pending = asyncio.ensure_future(anext(rows))
            elif not end.done():
                yield b": still here\n\n"
    finally:
        pending.cancel()
        end.cancel()
        await asyncio.gather(pending, end, return_exceptions=True)


def _event(row: EventRow) -> bytes:
    data = json.dumps(asdict(row))
    return f"id: {row.sequence}\nevent: {row.kind}\ndata: {data}\n\n".encode()
