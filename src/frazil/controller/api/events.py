"""Events, as pages and as a stream; health."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Header, Query
from starlette.responses import StreamingResponse

from frazil import __version__
from frazil.controller.api.callers import Caller, Svc
from frazil.controller.api.endpoints import Endpoint, Permission
from frazil.controller.api.params import Cursor, Limit, moment
from frazil.controller.identity import Right
from frazil.controller.services.event_search import KIND_LONGEST, LONGEST, EventSearch
from frazil.wire.rest import Event, Health, Outcome, Page

__all__ = ["ENDPOINTS"]


Moment = {"format": "date-time"}
User = Annotated[str | None, Query(max_length=LONGEST, description="Who did it: a name or an id")]
Kind = Annotated[
    str | None,
    Query(max_length=KIND_LONGEST, description="This kind; one that ends in a dot (`session.`) is all that begin so"),
]
OfDesktop = Annotated[str | None, Query(max_length=LONGEST, description="The desktop, by name or id; gone ones too")]
Since = Annotated[str | None, Query(description="From this time on, in RFC 3339", json_schema_extra=Moment)]
Until = Annotated[str | None, Query(description="Before this time, in RFC 3339", json_schema_extra=Moment)]
Text = Annotated[
    str | None,
    Query(max_length=LONGEST, description="Is in what is told, who did it or from where; case does not matter"),
]


async def list_events(
    caller: Caller,
    services: Svc,
    user: User = None,
    kind: Kind = None,
    outcome: Outcome | None = None,
    desktop: OfDesktop = None,
    since: Since = None,
    until: Until = None,
    text: Text = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[Event]:
    search = EventSearch(
        user=user,
        kind=kind,
        outcome=outcome,
        desktop=desktop,
        since=moment(since, "since"),
        until=moment(until, "until"),
        text=text,
    )
    return await services.events.list_for(caller, search, limit=limit, cursor=cursor)


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
        summary="Search what happened, newest first",
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
