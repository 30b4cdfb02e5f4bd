"""What happened."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from frazil.controller.identity import Identity, Right
from frazil.controller.identity.rights import rights_of
from frazil.controller.services import journal, making, paging
from frazil.controller.services.context import Context
from frazil.controller.services.event_search import EVERYTHING, EventSearch
from frazil.controller.store import desktops, events, logins, people
from frazil.controller.store.rows import EventRow
from frazil.model.errors import InvalidInput, NotSignedIn
from frazil.wire.rest import Event, Page

BATCH = 200
KEEP_ALIVE_S = 15.0
SEQ_MAX = 2**63 - 1
"""The databases' largest number."""


def before(cursor: str | None) -> int | None:
    """The sequence number in a cursor of events."""
    decoded = paging.decode(cursor)
    if decoded is None:
        return None
    if not decoded.isdecimal() or int(decoded[:20]) > SEQ_MAX:
        raise InvalidInput("This cursor is not one that was given out.", field="cursor")
    return int(decoded)


@dataclass(frozen=True, slots=True)
class DesktopName:
    """What a desktop is called, or was while it was there."""

    name: str
    there: bool


class Events:
    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    async def list_for(
        self,
        identity: Identity,
        search: EventSearch = EVERYTHING,
        *,
        limit: int = paging.LIMIT,
        cursor: str | None = None,
    ) -> Page[Event]:
        """What fits the search, newest first."""
        identity.require(Right.SEE_EVENTS)
        older_than = before(cursor)
        paging.check(limit)
        rows = await self._ctx.store.read(
            lambda tx: events.newest_first(tx, search.wanted(tx), before=older_than, limit=limit + 1)
        )
        return paging.page(rows, limit=limit, key=lambda row: str(row.seq), model=journal.model)

    async def found(self, identity: Identity, search: EventSearch = EVERYTHING) -> AsyncGenerator[Event, None]:
        """All that fits the search, newest first, read bit by bit.

        Raises NotSignedIn on the way when the caller may not see events any more: what was given by then is not all.
        """
        identity.require(Right.SEE_EVENTS)

        def more(tx: sa.Connection) -> list[EventRow]:
            if not self._still_may(tx, identity):
                raise NotSignedIn("You may not see events any more.", remedy="Sign in again.")
            return events.newest_first(tx, search.wanted(tx), before=older_than, limit=BATCH)

        older_than: int | None = None
        while rows := await self._ctx.store.read(more):
            for row in rows:
                yield journal.model(row)
            older_than = rows[-1].seq

    async def desktops_of(self, identity: Identity, told: Sequence[Event]) -> dict[str, DesktopName]:
        """What the desktops of these events are called, by id; without those that nothing is known of any more."""
        identity.require(Right.SEE_EVENTS)
        ids = {event.desktop_id for event in told if event.desktop_id is not None}

        def work(tx: sa.Connection) -> dict[str, DesktopName]:
            there = {row.id: DesktopName(row.name, there=True) for row in desktops.by_ids(tx, ids).values()}
            made = events.told_of_desktops(tx, ids - set(there), kind=making.CREATED)
            names = {id: making.name_in(text) for id, text in made.items()}
            return there | {id: DesktopName(name, there=False) for id, name in names.items() if name is not None}

        return await self._ctx.store.read(work)

    async def stream(self, identity: Identity, *, after: str | None = None) -> AsyncIterator[Event | None]:
        """Events as they happen, from after the one with the id `after`; None now and then while nothing does.

        Ends when the process ends, or when the caller may not see them any more: seen with each reading by account,
        role, and the login or token that was shown.
        """
        identity.require(Right.SEE_EVENTS)
        store = self._ctx.store

        def begin(tx: sa.Connection) -> int:
            found = events.seq_of(tx, after) if after else None
            return found if found is not None else events.last_seq(tx)

        def more(tx: sa.Connection) -> list[EventRow] | None:
            return events.after(tx, seq, limit=BATCH) if self._still_may(tx, identity) else None

        seq = await store.read(begin)
        while True:
            version = store.changed.version
            rows = await store.read(more)
            if rows is None:
                return
            for row in rows:
                seq = row.seq
                yield journal.model(row)
            if rows:
                continue
            if store.changed.closed:
                return
            if not await store.changed.wait(version, timeout_s=KEEP_ALIVE_S) and not store.changed.closed:
                yield None

    def _still_may(self, tx: sa.Connection, identity: Identity) -> bool:
        """Whether what the caller showed when they came would still let them in."""
        if identity.user_id is None:
            return True  # this machine's root
        now = self._ctx.clock.now()
        user = people.find(tx, identity.user_id)
        return (
            user is not None
            and Right.SEE_EVENTS in rights_of(user.role)
            and (identity.login_id is None or logins.lives(tx, identity.login_id, now=now))
            and (identity.token_id is None or logins.token_lives(tx, identity.token_id, now=now))
        )
