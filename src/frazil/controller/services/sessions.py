"""Sessions: a person's use of one desktop."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from frazil import failpoint
from frazil.controller.identity import Identity, Right
from frazil.controller.presence import PresenceView
from frazil.controller.services import finding, giving, journal, links, paging, quotas, release, views
from frazil.controller.services import pools as pools_service
from frazil.controller.services.context import Context
from frazil.controller.services.routing import route_of
from frazil.controller.services.tickets import TICKETED, Tickets, host_to_wake
from frazil.controller.store import desktops, hosts, meta, sessions
from frazil.controller.store import quotas as quota_rows
from frazil.controller.store.rows import DesktopRow, PoolRow, QuotaRow, SessionRow
from frazil.model.desktop import Power
from frazil.model.errors import Conflict, InvalidInput, NotFound, OverQuota
from frazil.wire.rest import NewSession, Page, Session, SessionRequest
from frazil.wire.sessions import LinkState, Refusal, Route


class Sessions:
    def __init__(self, ctx: Context, tickets: Tickets) -> None:
        self._ctx = ctx
        self._tickets = tickets
        self._key_is_kept = False
        """Whether this process knows that there is a key for sign-ons: there is one from the first session on."""

    async def open(self, identity: Identity, request: SessionRequest) -> NewSession:
        """The caller's open session in the pool, or a new one with a desktop: a ready one, else one on its way.

        Raises OverQuota, which is noted in the history.
        """
        if (request.pool is None) == (request.desktop is None):
            raise InvalidInput("Say which pool or which desktop: exactly one of `pool` and `desktop`.", field="pool")
        user_id = identity.require_account()
        presence = self._ctx.presence.view()

        def work(tx: sa.Connection) -> tuple[NewSession, str | None]:
            held, now = quota_rows.hold(tx, user_id), self._ctx.clock.now()
            if request.desktop is not None:
                row, desktop = self._open_desktop(tx, identity, user_id, request.desktop, presence, held, now)
                pool = finding.pool(tx, desktop.pool_id)
            else:
                assert request.pool is not None
                pool = pools_service.usable(tx, identity, request.pool)
                row, desktop = self._open_pool(tx, identity, user_id, pool, presence, held, now)
            names = views.Names.own(tx, desktop, row, pool=pool, user_name=identity.name)
            shown = views.session(tx, row, desktop, ctx=self._ctx, presence=presence, names=names)
            ticket = self._tickets.mint_for(tx, row, desktop, now=now) if shown.desktop.phase in TICKETED else None
            opened = NewSession(session=shown, view_url=f"/sessions/{row.id}", ticket=ticket)
            return opened, host_to_wake(desktop) if ticket is not None else None

        try:
            opened, woken_on = await self._ctx.store.write(work)
        except OverQuota as exc:
            text = f"{identity.name} was given no desktop. {exc.told}"
            await self._ctx.store.write_if_possible(
                lambda tx: journal.note(self._ctx, tx, "session.refused", text, by=identity, outcome="refused")
            )
            raise
        self._key_is_kept = True
        failpoint.reach("controller.assigned")
        if woken_on is not None:
            self._ctx.tell_hosts([woken_on])  # somebody waits for it
        self._ctx.wake()
        return opened

    def _open_pool(
        self,
        tx: sa.Connection,
        identity: Identity,
        user_id: str,
        pool: PoolRow,
        presence: PresenceView,
        held: list[QuotaRow],
        now: datetime,
    ) -> tuple[SessionRow, DesktopRow]:
        if pool.deleting:
            raise Conflict(f"The pool {pool.name} is being deleted.", remedy="Choose another pool.")
        for session in sessions.open_ones(tx, user_id=user_id, pool_id=pool.id):
            return session, finding.desktop(tx, session.desktop_id)
        own = desktops.of_user(tx, pool_id=pool.id, user_id=user_id) if pool.kind == "persistent" else None
        if own is not None:
            quotas.check(tx, held, user_id, quotas.own_again(own, session=True), own=True)
            quotas.check_pool(tx, pool)
            giving.wake_up(self._ctx, tx, own, presence)
            return self._insert(tx, identity, user_id, own, now), finding.desktop(tx, own.id)
        if pool.kind == "persistent" and pool.assignment == "administrator":
            raise Conflict(
                f"No desktop of the pool {pool.label} was assigned to you yet.", remedy="Ask an administrator for one."
            )
        quotas.check(tx, held, user_id, quotas.a_desktop(pool.profile, session=True), own=True)
        quotas.check_pool(tx, pool)
        given = giving.give(self._ctx, tx, user_id, pool, presence)
        if given is None:
            full = _full(pool, desktops.listed(tx, pool_id=pool.id), presence, hosts.closed(tx, pool.host_labels))
            raise Conflict(full, remedy="Try again when someone has left, or ask an administrator.")
        return self._insert(tx, identity, user_id, given, now), given

    def _open_desktop(
        self,
        tx: sa.Connection,
        identity: Identity,
        user_id: str,
        ref: str,
        presence: PresenceView,
        held: list[QuotaRow],
        now: datetime,
    ) -> tuple[SessionRow, DesktopRow]:
        row = desktops.find(tx, ref)
        if row is None or row.assigned_user_id != user_id or row.kept_until is not None:
            raise NotFound(f"You have no desktop called {ref[:100]!r}.", remedy="See the list of your desktops.")
        for session in sessions.open_ones(tx, user_id=user_id, desktop_id=row.id):
            return session, row
        pool = pools_service.usable(tx, identity, row.pool_id)
        if row.power is Power.ABSENT:
            raise Conflict(f"The desktop {row.name} is being deleted.", remedy="Open its pool for another one.")
        quotas.check(tx, held, user_id, quotas.own_again(row, session=True), own=True)
        quotas.check_pool(tx, pool)
        giving.wake_up(self._ctx, tx, row, presence)
        return self._insert(tx, identity, user_id, row, now), finding.desktop(tx, row.id)

    def _insert(
        self, tx: sa.Connection, identity: Identity, user_id: str, desktop: DesktopRow, now: datetime
    ) -> SessionRow:
        if not self._key_is_kept:
            meta.ensure_sign_on_key(tx, self._ctx.ids.new_secret())
        row = sessions.insert(
            tx,
            id=self._ctx.ids.new_id(),
            user_id=user_id,
            pool_id=desktop.pool_id,
            desktop_id=desktop.id,
            now=now,
            remote_address=identity.remote_address,
        )
        text = f"{identity.name} was given the desktop {desktop.name}."
        journal.note(self._ctx, tx, "session.opened", text, by=identity, desktop_id=desktop.id)
        return row

    async def list_for(
        self, identity: Identity, *, mine: bool = False, limit: int = paging.LIMIT, cursor: str | None = None
    ) -> Page[Session]:
        """The open ones: all for who may see them, else, or with `mine`, the caller's own."""
        after = paging.decode(cursor)
        paging.check(limit)
        every = identity.may(Right.SEE_SESSIONS) and not mine
        user_id = None if every else identity.require_account()
        presence = self._ctx.presence.view()

        def work(tx: sa.Connection) -> list[Session]:
            rows = sessions.open_ones(tx, user_id=user_id, after=after, limit=limit + 1)
            found = desktops.by_ids(tx, [row.desktop_id for row in rows])
            names = views.Names.of(tx, found.values(), users={row.user_id for row in rows})
            return [
                views.session(tx, row, found[row.desktop_id], ctx=self._ctx, presence=presence, names=names)
                for row in rows
                if row.desktop_id in found
            ]

        models = await self._ctx.store.read(work)
        return paging.page(models, limit=limit, key=lambda session: session.id, model=lambda session: session)

    async def show(self, identity: Identity, session_id: str) -> Session:
        """Raises NotFound for another's session and for one that has ended, then with the reason."""
        presence = self._ctx.presence.view()

        def work(tx: sa.Connection) -> Session:
            row = visible(tx, identity, session_id)
            desktop = finding.desktop(tx, row.desktop_id)
            names = views.Names.of(tx, [desktop], users=[row.user_id])
            return views.session(tx, row, desktop, ctx=self._ctx, presence=presence, names=names)

        return await self._ctx.store.read(work)

    async def end(self, identity: Identity, session_id: str) -> None:
        """Links are cut, the desktop is given back, a fresh spare follows."""

        def work(tx: sa.Connection) -> None:
            row = visible(tx, identity, session_id)
            own = row.user_id == identity.user_id
            if not own:
                identity.require(Right.END_SESSIONS)
            ended_by = "The helpdesk ended it." if identity.role == "helpdesk" else "An administrator ended it."
            reason = "The person left." if own else ended_by
            release.end_session(self._ctx, tx, row, reason=reason, by=identity)

        await self._ctx.store.write(work)
        self._ctx.wake()

    async def route(self, session_id: str) -> Route:
        """For the gateway: where an open session's desktop is."""
        return await self._ctx.store.read(lambda tx: route_of(tx, session_id))

    async def link_state(self, session_id: str, state: LinkState) -> None:
        """For the gateway: a session's main link came or went."""

        def work(tx: sa.Connection) -> None:
            row = sessions.find(tx, session_id)
            if row is None or row.ended_at is not None:
                raise NotFound("There is no such open session.")
            links.set_link(self._ctx, tx, row, state)

        await self._ctx.store.write(work)
        self._ctx.wake()

    async def links_refused(self, refusals: Sequence[Refusal]) -> None:
        """For the gateway: links that it refused without asking. Of sessions that never were, nothing is kept."""

        def work(tx: sa.Connection) -> None:
            for refusal in refusals:
                row = sessions.find(tx, refusal.session_id)
                if row is None:
                    continue
                text = f"A link was refused. {refusal.why}"
                if refusal.times > 1:
                    text = f"{refusal.times} links were refused. {refusal.why}"
                by = journal.owner(tx, row, remote_address=refusal.remote_address)
                journal.note(self._ctx, tx, "link.refused", text, by=by, desktop_id=row.desktop_id, outcome="refused")

        await self._ctx.store.write(work)


def visible(tx: sa.Connection, identity: Identity, session_id: str) -> SessionRow:
    row = sessions.find(tx, session_id)
    own = row is not None and identity.user_id is not None and row.user_id == identity.user_id
    if row is None or not (own or identity.may(Right.SEE_SESSIONS)):
        raise NotFound("There is no such session.", remedy="Open the desktop again from the portal.")
    if row.ended_at is not None:
        raise NotFound(
            f"This session has ended. {row.end_reason}".rstrip(), remedy="Open the desktop again from the portal."
        )
    return row


def _full(pool: PoolRow, rows: list[DesktopRow], presence: PresenceView, closed: frozenset[str]) -> str:
    counted = views.counts(rows, presence, closed)
    said = [f"All {pool.max_desktops} desktops of the pool {pool.label} are taken: {counted.assigned} in use"]
    if counted.failed:
        said.append(f"{counted.failed} failed")
    if counted.kept:
        said.append(f"{counted.kept} deleted and kept")
    rest = counted.total - counted.assigned - counted.failed - counted.kept
    if rest:
        said.append(f"{rest} being cleared away or not reachable")
    return ", ".join(said) + "."
