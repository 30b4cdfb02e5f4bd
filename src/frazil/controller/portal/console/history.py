"""The history of everything: a search whose address can be kept and sent, and what it finds as a file."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from urllib.parse import urlencode

from starlette.responses import RedirectResponse, Response, StreamingResponse

from frazil.controller.api.problems import status_of
from frazil.controller.identity import Right
from frazil.controller.portal.dispatch import Call, Entry, Portal
from frazil.controller.portal.reader import Reader
from frazil.controller.portal.views import EventsView, Form
from frazil.controller.services.event_search import EVERYTHING, EventSearch
from frazil.model.errors import InvalidInput
from frazil.wire import event_csv
from frazil.wire.rest import Event

EVENTS_A_PAGE = 50
LINES_A_PIECE = 100
PATH = "/console/events"
DAYS = ("since", "until")
"""As the reader's clock has them."""
FIELDS = ("text", "user", "kind", "outcome", "desktop", *DAYS)
"""Of the form, in its order."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What an address asks for: its filters as they are written there, and as a search."""

    filters: Mapping[str, str]
    search: EventSearch


class History:
    def __init__(self, portal: Portal) -> None:
        self._portal = portal
        self._services = portal.services

    def entries(self) -> list[Entry]:
        return [
            Entry("GET", PATH, Right.SEE_EVENTS, self.page),
            Entry("GET", f"{PATH}.csv", Right.SEE_EVENTS, self.file),
        ]

    async def page(self, call: Call) -> Response:
        query = call.request.query_params
        filters = _filters(query)
        cursor = query.get("cursor", "")
        if "" in query.values():
            # A browser sends every field of a form; the address that is kept says only what was filled in.
            said = {**filters, **({"cursor": cursor} if cursor else {})}
            address = f"{PATH}?{urlencode(said)}" if said else PATH
            return RedirectResponse(address, status_code=303, headers={"Cache-Control": "no-store"})
        try:
            asked = _asked(filters, call.reader)
        except InvalidInput as exc:
            # What is no day can't stand in a field for one.
            shown = {name: text for name, text in filters.items() if name not in DAYS or _day(text) is not None}
            form = Form(values=shown, wrong={exc.field or "text": _wrong(exc, call.reader)})
            view = EventsView(form=form, search=EVERYTHING, events=[], desktops={}, cursor="", next_cursor=None)
            return self._portal.page(call, "console/events", view, status=status_of(exc))
        found = await self._services.events.list_for(
            call.identity, asked.search, limit=EVENTS_A_PAGE, cursor=cursor or None
        )
        view = EventsView(
            form=Form(values=asked.filters),
            search=asked.search,
            events=found.items,
            desktops=await self._services.events.desktops_of(call.identity, found.items),
            cursor=cursor,
            next_cursor=found.next_cursor,
        )
        return self._portal.page(call, "console/events", view)

    async def file(self, call: Call) -> Response:
        asked = _asked(_filters(call.request.query_params), call.reader)
        pieces = _pieces(self._services.events.found(call.identity, asked.search))
        # The first piece is read before the answer begins: what can't be read at all is said on a page.
        first = await anext(pieces)

        async def body() -> AsyncIterator[str]:
            async with aclosing(pieces):
                yield first
                async for piece in pieces:
                    yield piece

        name = f"frazil-events-{call.reader.now.astimezone(call.reader.zone):%Y-%m-%d-%H%M}.csv"
        headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
        return StreamingResponse(body(), media_type="text/csv; charset=utf-8; header=present", headers=headers)


async def _pieces(events: AsyncGenerator[Event, None]) -> AsyncGenerator[str, None]:
    """The file bit by bit, however long it is; the first piece is not empty."""
    waiting: list[Event] = []
    before = event_csv.BYTE_ORDER_MARK + event_csv.header()
    async with aclosing(events):
        async for event in events:
            waiting.append(event)
            if len(waiting) == LINES_A_PIECE:
                yield before + event_csv.lines(waiting)
                waiting, before = [], ""
    if waiting or before:
        yield before + event_csv.lines(waiting)


def _filters(query: Mapping[str, str]) -> dict[str, str]:
    """What is filled in."""
    return {name: query[name].strip() for name in FIELDS if query.get(name, "").strip()}


def _asked(filters: Mapping[str, str], reader: Reader) -> Asked:
    """Raises InvalidInput."""
    since = _midnight(filters, "since", reader)
    until = _midnight(filters, "until", reader, days=1)
    if since is not None and until is not None and until <= since:
        raise InvalidInput("The last day is before the first one.", field="until")
    get = filters.get
    search = EventSearch(
        user=get("user"),
        kind=get("kind"),
        outcome=get("outcome"),
        desktop=get("desktop"),
        since=since,
        until=until,
        text=get("text"),
    )
    return Asked(filters, search)


def _midnight(filters: Mapping[str, str], field: str, reader: Reader, *, days: int = 0) -> datetime | None:
    """When that day, or so many days after it, begins where the reader is."""
    text = filters.get(field)
    if text is None:
        return None
    day = _day(text)
    try:
        if day is None:
            raise ValueError(text)
        day += timedelta(days=days)
        return datetime(day.year, day.month, day.day, tzinfo=reader.zone).astimezone(UTC)
    except (ValueError, OverflowError) as exc:
        raise InvalidInput(f"{text[:64]!r} is no day.", remedy="Write it like 2030-01-31.", field=field) from exc


def _day(text: str) -> date | None:
    """The day, written as a browser sends it."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if day.isoformat() == text else None


def _wrong(error: InvalidInput, reader: Reader) -> str:
    if error.field == "until" and error.what.startswith("The last day"):
        return reader.gettext("This is before the first day.")
    if error.field in DAYS:
        return reader.gettext("Write the day like 2030-01-31.")
    return reader.gettext("This can't be right.")
