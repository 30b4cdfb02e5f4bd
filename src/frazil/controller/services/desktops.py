"""Desktops: looking at them and saying what is wanted of them."""

from __future__ import annotations

from typing import Literal

import sqlalchemy as sa

from frazil.controller.identity import Identity, Right
from frazil.controller.presence import PresenceView
from frazil.controller.services import (
    adopting,
    explaining,
    finding,
    journal,
    maintaining,
    paging,
    quotas,
    recycling,
    release,
    views,
)
from frazil.controller.services.context import Context
from frazil.controller.services.events import before
from frazil.controller.services.screenshots import Screenshots
from frazil.controller.store import desktops, events, sessions
from frazil.controller.store.rows import DesktopRow, EventRow
from frazil.model.desktop import Phase, Power, State
from frazil.model.errors import Conflict, NotFound
from frazil.wire.rest import AdoptRequest, Desktop, Event, Explanation, Page, RestoreRequest

Action = Literal["start", "restart", "stop", "shutdown", "pause", "retry", "delete", "erase"]
OWNERS_MAY: frozenset[Action] = frozenset({"start", "retry"})
"""What a person may do with the desktop they were given; they give it back by ending the session."""

RIGHT_TO: dict[Action, Right] = {
    "start": Right.RUN_DESKTOPS,
    "restart": Right.RUN_DESKTOPS,
    "stop": Right.RUN_DESKTOPS,
    "shutdown": Right.RUN_DESKTOPS,
    "pause": Right.RUN_DESKTOPS,
    "retry": Right.RUN_DESKTOPS,
    "delete": Right.DELETE_DESKTOPS,
    "erase": Right.DELETE_DESKTOPS,
}
"""What others need for it."""

_GIVEN = ("session.opened", "session.moved")
"""The kinds of events that say to whom a desktop was given."""

_DONE: dict[Action, str] = {
    "start": "is wanted running",
    "restart": "is asked to shut down and start again",
    "stop": "is wanted stopped at once",
    "shutdown": "is asked to shut down",
    "pause": "is wanted paused",
    "retry": "is tried again",
    "erase": "is being deleted for good",
}


_WANTED: dict[Action, tuple[Power, bool]] = {
    "start": (Power.RUNNING, False),
    "restart": (Power.STOPPED, True),
    "stop": (Power.STOPPED, False),
    "shutdown": (Power.STOPPED, True),
    "pause": (Power.PAUSED, False),
}
"""Power, and whether the guest is asked for it."""


class Desktops:
    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._screenshots = Screenshots(ctx)

    async def list_for(
        self,
        identity: Identity,
        *,
        pool: str | None = None,
        phase: Phase | None = None,
        mine: bool = False,
        deleted: bool = False,
        limit: int = paging.LIMIT,
        cursor: str | None = None,
    ) -> Page[Desktop]:
        """All for who may see them, else, or with `mine`, the caller's own. Those in the recycle bin with `deleted`,
        which is for who may see all."""
        after = paging.decode(cursor)
        paging.check(limit)
        if deleted:
            identity.require(Right.SEE_DESKTOPS)
        own = mine or not identity.may(Right.SEE_DESKTOPS)
        user_id = identity.require_account() if own else None
        presence = self._ctx.presence.view()

        def work(tx: sa.Connection) -> list[Desktop]:
            pool_id = finding.pool(tx, pool).id if pool is not None and identity.may(Right.SEE_POOLS) else pool
            # A phase is derived, not stored: with that filter all rows are looked at.
            most = limit + 1 if phase is None else None
            rows = desktops.listed(tx, pool_id=pool_id, user_id=user_id, deleted=deleted, after=after, limit=most)
            if phase is not None:
                rows = [row for row in rows if views.phase_of(row, presence) is phase][: limit + 1]
            names = views.Names.of(tx, rows)
            return [views.desktop(row, ctx=self._ctx, presence=presence, names=names) for row in rows]

        models = await self._ctx.store.read(work)
        return paging.page(models, limit=limit, key=lambda desktop: desktop.id, model=lambda desktop: desktop)

    async def show(self, identity: Identity, ref: str) -> Desktop:
        presence = self._ctx.presence.view()

        def work(tx: sa.Connection) -> Desktop:
            row = visible(tx, identity, ref)
            return views.desktop(row, ctx=self._ctx, presence=presence, names=views.Names.of(tx, [row]))

        return await self._ctx.store.read(work)

    async def explain(self, identity: Identity, ref: str) -> Explanation:
        """Why it is on its host, or on none."""
        identity.require(Right.SEE_DESKTOPS)
        presence = self._ctx.presence.view()

        def work(tx: sa.Connection) -> Explanation:
            return explaining.explanation(tx, finding.desktop(tx, ref), ctx=self._ctx, presence=presence)

        return await self._ctx.store.read(work)

    async def act(self, identity: Identity, ref: str, action: Action) -> Desktop:
        """Say what is wanted; the answer shows the desktop as it is now, on its way there."""
        presence = self._ctx.presence.view()

        def work(tx: sa.Connection) -> tuple[Desktop, str | None]:
            row = visible(tx, identity, ref)
            if identity.user_id is None or row.assigned_user_id != identity.user_id or action not in OWNERS_MAY:
                identity.require(RIGHT_TO[action])
            if action in ("delete", "erase"):
                done = self._delete(tx, identity, row, for_good=action == "erase")
            else:
                self._want(tx, identity, row, action)
                done = _DONE[action]
            text = f"The desktop {row.name} {done}."
            journal.note(self._ctx, tx, f"desktop.{action}", text, by=identity, desktop_id=row.id)
            return self._shown(tx, row.id, presence), row.host_id

        shown, host_id = await self._ctx.store.write(work)
        if host_id is not None:
            self._ctx.tell_hosts([host_id])
        self._ctx.wake()
        return shown

    def _shown(self, tx: sa.Connection, desktop_id: str, presence: PresenceView) -> Desktop:
        row = finding.desktop(tx, desktop_id)
        return views.desktop(row, ctx=self._ctx, presence=presence, names=views.Names.of(tx, [row]))

    def _delete(self, tx: sa.Connection, identity: Identity, row: DesktopRow, *, for_good: bool) -> str:
        """What was done, in words."""
        for session in sessions.open_ones(tx, desktop_id=row.id):
            release.end_session(self._ctx, tx, session, reason="The desktop was deleted.", by=identity)
        if for_good:
            desktops.want_absent(tx, row.id, now=self._ctx.clock.now())
            return _DONE["erase"]
        return recycling.told(recycling.delete(self._ctx, tx, row, finding.pool(tx, row.pool_id)))

    async def restore(self, identity: Identity, ref: str, request: RestoreRequest) -> Desktop:
        """Take a desktop out of the recycle bin, shut down, with its pool where that was deleted too."""
        identity.require(Right.DELETE_DESKTOPS)
        presence = self._ctx.presence.view()

        def work(tx: sa.Connection) -> Desktop:
            recycling.restore(self._ctx, tx, finding.desktop(tx, ref), to=request.user, by=identity)
            return self._shown(tx, finding.desktop(tx, ref).id, presence)

        shown = await self._ctx.store.write(work)
        self._ctx.wake()
        return shown

    async def adopt(self, identity: Identity, stray: str, request: AdoptRequest) -> Desktop:
        """Take a stray desktop back as it lies on its host."""
        identity.require(Right.CHANGE_HOSTS)
        presence = self._ctx.presence.view()

        def work(tx: sa.Connection) -> Desktop:
            adopted = adopting.adopt(self._ctx, tx, stray, request, presence=presence, by=identity)
            return self._shown(tx, adopted, presence)

        shown = await self._ctx.store.write(work)
        self._ctx.wake()
        return shown

    def _want(self, tx: sa.Connection, identity: Identity, row: DesktopRow, action: Action) -> None:
        now = self._ctx.clock.now()
        if row.kept_until is not None:
            raise Conflict(
                f"The desktop {row.name} was deleted, so it can't be told to {action}.", remedy="Restore it first."
            )
        if row.power is Power.ABSENT:
            raise Conflict(f"The desktop {row.name} is being deleted, so it can't be told to {action}.")
        if action in ("start", "restart", "retry"):
            maintaining.refuse_to_start(tx, row)
        if action == "retry":
            if row.failure is None:
                raise Conflict(f"The desktop {row.name} has not failed, so there is nothing to try again.")
            quotas.check_run(tx, row, by=identity.user_id)
            desktops.retry(tx, row.id, now=now)
            return
        if row.failure is not None:
            raise Conflict(
                f"The desktop {row.name} has failed, so it can't be told to {action}.",
                remedy="Try it again, or delete it.",
            )
        state = row.fresh_seen.state if row.fresh_seen is not None else None
        if action == "pause" and (row.power, state) not in (
            (Power.RUNNING, State.RUNNING),
            (Power.PAUSED, State.RUNNING),
            (Power.PAUSED, State.PAUSED),
        ):
            raise Conflict(f"Only a running desktop can be paused; {row.name} is not seen running.")
        power, graceful = _WANTED[action]
        restart = action == "restart"
        if power is Power.RUNNING or restart:
            quotas.check_run(tx, row, by=identity.user_id)
        if (row.power, row.graceful, row.restart) != (power, graceful, restart):
            desktops.want(tx, row.id, power=power, graceful=graceful, restart=restart, now=now)

    async def screenshot(self, identity: Identity, ref: str) -> bytes:
        """PNG, at most `wire.rest.SCREENSHOT_AGE_S` old."""
        row = await self._ctx.store.read(lambda tx: visible(tx, identity, ref))
        return await self._screenshots.of(row)

    async def events(
        self, identity: Identity, ref: str, *, limit: int = paging.LIMIT, cursor: str | None = None
    ) -> Page[Event]:
        """Newest first. A user reads them from when the desktop was given to them, without who else did something."""
        older_than = before(cursor)
        paging.check(limit)

        def work(tx: sa.Connection) -> list[EventRow]:
            desktop_id = visible(tx, identity, ref).id
            given = (
                None if identity.may(Right.SEE_DESKTOPS) else events.newest_of(tx, desktop_id=desktop_id, kinds=_GIVEN)
            )
            its = events.Wanted(desktop_ids=[desktop_id])
            return events.newest_first(tx, its, since=given, before=older_than, limit=limit + 1)

        rows = await self._ctx.store.read(work)
        return paging.page(rows, limit=limit, key=lambda row: str(row.seq), model=lambda row: _told(identity, row))


def _told(identity: Identity, row: EventRow) -> Event:
    """The event as the caller may read it."""
    told = journal.model(row)
    if identity.may(Right.SEE_DESKTOPS) or row.user_id == identity.user_id:
        return told
    return told.model_copy(update={"user_id": None, "user_name": None, "remote_address": None})


def visible(tx: sa.Connection, identity: Identity, ref: str) -> DesktopRow:
    """The desktop, if the caller may know of it; NotFound otherwise."""
    if identity.may(Right.SEE_DESKTOPS):
        return finding.desktop(tx, ref)
    row = desktops.find(tx, ref)
    theirs = row is not None and identity.user_id is not None and row.assigned_user_id == identity.user_id
    if row is None or not theirs or row.kept_until is not None:
        raise NotFound(f"You have no desktop called {ref[:100]!r}.", remedy="See the list of your desktops.")
    return row
