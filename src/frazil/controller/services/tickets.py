"""Tickets: good once, for one minute, for one session, for its owner only."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from frazil.controller.identity import Identity
from frazil.controller.identity.secrets import digest
from frazil.controller.services import finding, journal, links, views, words
from frazil.controller.services.context import Context
from frazil.controller.services.routing import route_of
from frazil.controller.store import desktops, host_keys, sessions
from frazil.controller.store.rows import DesktopRow, SessionRow
from frazil.model.desktop import Phase, Power
from frazil.model.errors import Conflict, NotFound, Refused
from frazil.wire.rest import Ticket
from frazil.wire.sessions import TICKET_MAX_BYTES, LinkState, Redeemed, RedeemRequest

TICKET_LASTS = timedelta(seconds=60)
TICKETED = (Phase.READY, Phase.PAUSED)


def host_to_wake(row: DesktopRow) -> str | None:
    """The host that is to let a desktop go on for which a ticket is made; None when it is not paused."""
    return row.host_id if row.power is Power.PAUSED else None


class Tickets:
    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    async def mint(self, identity: Identity, session_id: str, *, wait_s: float = 0.0) -> Ticket:
        """For the session's owner only. A paused desktop is woken; one that is not ready is a Conflict in words.

        wait_s: how long to wait for one that is not ready yet; the ticket comes in the moment that it is.
        """
        user_id = identity.require_account()
        until_s = self._ctx.clock.monotonic_s() + wait_s
        changed = self._ctx.store.changed
        while not changed.closed:
            version = changed.version
            left_s = until_s - self._ctx.clock.monotonic_s()
            if left_s <= 0 or await self._settled(user_id, session_id):
                break
            if not await changed.wait(version, timeout_s=left_s):
                break
        return await self._mint(identity, session_id)

    async def _settled(self, user_id: str, session_id: str) -> bool:
        """Whether waiting would change nothing: a ticket can be had, or never will be, as for another's session."""
        presence = self._ctx.presence.view()

        def work(tx: sa.Connection) -> bool:
            row = sessions.find(tx, session_id)
            if row is None or row.user_id != user_id or row.ended_at is not None:
                return True
            return views.phase_of(finding.desktop(tx, row.desktop_id), presence) in TICKETED

        return await self._ctx.store.read(work)

    async def _mint(self, identity: Identity, session_id: str) -> Ticket:
        user_id = identity.require_account()
        presence = self._ctx.presence.view()

        def work(tx: sa.Connection) -> tuple[Ticket, str | None]:
            row = sessions.find(tx, session_id)
            if row is None or row.user_id != user_id:
                raise NotFound("You have no such session.", remedy="Open the desktop again from the portal.")
            if row.ended_at is not None:
                raise NotFound(
                    f"This session has ended. {row.end_reason}".rstrip(),
                    remedy="Open the desktop again from the portal.",
                )
            desktop = finding.desktop(tx, row.desktop_id)
            _refuse_if_revoked(tx, desktop)
            phase = views.phase_of(desktop, presence)
            if phase not in TICKETED:
                reason = words.why(desktop, phase, waiting=self._ctx.words.waiting.get(desktop.id, ""))
                raise Conflict(
                    f"The desktop {desktop.name} is not ready: {words.PHASE_TEXT[phase].lower()}. {reason}".rstrip()
                )
            return self.mint_for(tx, row, desktop, now=self._ctx.clock.now()), host_to_wake(desktop)

        ticket, woken_on = await self._ctx.store.write(work)
        if woken_on is not None:
            self._ctx.tell_hosts([woken_on])  # somebody waits for it
            self._ctx.wake()
        return ticket

    def mint_for(self, tx: sa.Connection, row: SessionRow, desktop: DesktopRow, *, now: datetime) -> Ticket:
        """For an open session whose desktop is in one of the phases `TICKETED`; a paused one is woken."""
        ticket = self._ctx.ids.new_secret(32)
        assert len(ticket) <= TICKET_MAX_BYTES
        expires_at = now + TICKET_LASTS
        sessions.insert_ticket(tx, secret_hash=digest(ticket), session_id=row.id, now=now, expires_at=expires_at)
        if row.opened_at != now:  # else it was opened with this very call
            sessions.not_idle(tx, row.id, now=now)
        if desktop.power is Power.PAUSED:
            desktops.want(tx, desktop.id, power=Power.RUNNING, graceful=False, now=now)
        return Ticket(ticket=ticket, expires_at=expires_at, spice_path=f"/spice/{row.id}")

    async def redeem(self, request: RedeemRequest) -> Redeemed:
        """For the gateway: use the ticket up; a viewer is there from now on, until the gateway says that it left.

        Raises Refused; of many at once exactly one is told yes. Raises Conflict where the desktop's host was revoked.
        """
        answer = await self._ctx.store.write(lambda tx: self._redeem(tx, request))
        if isinstance(answer, Refused):
            raise answer
        self._ctx.wake()
        return answer

    def _redeem(self, tx: sa.Connection, request: RedeemRequest) -> Redeemed | Refused:
        now = self._ctx.clock.now()
        row = sessions.find(tx, request.session_id)
        good = row is not None and sessions.redeem(
            tx,
            secret_hash=digest(request.ticket),
            session_id=request.session_id,
            now=now,
            remote_address=request.remote_address,
        )
        if row is None or not good or row.ended_at is not None:
            by = Identity(user_id=None, name="", role="user", remote_address=request.remote_address)
            if row is not None:
                by = journal.owner(tx, row, remote_address=request.remote_address)
            journal.note(
                self._ctx,
                tx,
                "ticket.refused",
                "A ticket was refused: it was wrong, used before, or too old.",
                by=by,
                desktop_id=row.desktop_id if row is not None else None,
                outcome="refused",
            )
            return Refused(
                "This ticket is wrong, was used before, or is too old.",
                remedy="Ask for a new one; the portal does so by itself.",
            )
        _refuse_if_revoked(tx, finding.desktop(tx, row.desktop_id))
        # In one transaction: a desktop is never paused under a viewer that was let in and is not told of yet.
        links.set_link(self._ctx, tx, row, LinkState(connected=True, remote_address=request.remote_address))
        return Redeemed(route=route_of(tx, request.session_id), user_id=row.user_id)


def _refuse_if_revoked(tx: sa.Connection, desktop: DesktopRow) -> None:
    """Raise Conflict where the desktop's host is trusted no more, whether its desktop runs or not."""
    if desktop.host_id is None or host_keys.is_trusted(tx, desktop.host_id):
        return
    raise Conflict(
        f"The desktop {desktop.name} is not shown: its host is trusted no more, since an administrator revoked it.",
        remedy="The desktop goes on there. Ask an administrator, or end this session to have another desktop.",
    )
