"""Events, as pages and as a stream; health."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Header
from starlette.responses import StreamingResponse

from frazil import __version__
from frazil.controller.api.callers import Caller, Svc
from frazil.controller.api.endpoints import Endpoint, Permission
from frazil.controller.api.params import Cursor, Limit
from frazil.controller.identity import Right
from frazil.wire.rest import Event, Health, Page

__all__ = ["ENDPOINTS"]


async def list_events(caller: Caller, services: Svc, limit: Limit = 100, cursor: Cursor = None) -> Page[Event]:
    return await services.events.list_for(caller, limit=limit, cursor=cursor)


async def stream_events(
    caller: Caller, services: Svc, last_event_id: Annotated[str | None, Header(alias="Last-Event-ID")] = None
) -> StreamingResponse:
    async def lines() -> AsyncIterator[str]:
        yield ": Frazil's events\n\n"
        async for event in services.events.stream(caller, after=last_event_id):
            if event is None:
                yield ": nothing new\n\n"
            else:
                yield f"id: {event.id}\nevent: {event.kind}\ndata: {event.model_dump_json()}\n\n"

    return StreamingResponse(lines(), media_type="text/event-stream", headers={"Cache-Control": "no-store"})


async def health() -> Health:
    return Health(status="ok", version=__version__)


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        method="GET",
        path="/events",
        permission=Right.SEE_EVENTS,
        handler=list_events,
        response=Page[Event],
        summary="What happened, newest first",
    ),
    Endpoint(
        method="GET",
        path="/events/stream",
        permission=Right.SEE_EVENTS,
        handler=stream_events,
        media_type="text/event-stream",
        summary="What happens, as it happens",
    ),
    Endpoint(
        method="GET",
        path="/health",
        permission=Permission.ANYONE,
        handler=health,
        response=Health,
        summary="Whether the controller answers",
    ),
)
