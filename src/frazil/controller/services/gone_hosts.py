"""Taking a host out of the database that is gone for good, and what was there with it.

What the host has is not touched, wherever it is: if it comes back it is a new host, and all its desktops are strays.
"""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa

from frazil.controller.identity import Identity
from frazil.controller.presence import LOST_AFTER_S, PresenceView
from frazil.controller.services import finding, journal
from frazil.controller.services.context import Context
from frazil.controller.store import desktops, host_keys, hosts, people, pools, sessions
from frazil.controller.store.rows import DesktopRow, HostRow, PoolRow
from frazil.model.desktop import Power
from frazil.model.errors import Conflict, Stale
from frazil.wire.rest import ForgottenHost

NAMED = 20
"""So many desktops are named in a refusal."""
_WAY_OUT = (
    "To empty it without loss, put it into maintenance. If it is gone for good, stop its server first, and forget it "
    "two minutes later."
)


def forget(
    ctx: Context,
    tx: sa.Connection,
    ref: str,
    *,
    if_match: int,
    with_desktops: bool,
    presence: PresenceView,
    by: Identity,
) -> ForgottenHost:
    """Forget the host and its placements. Raises Stale, or Conflict when it is there, or has what somebody saved."""
    host = finding.host(tx, ref)
    hosts.hold(tx, host.id)
    host = finding.host(tx, host.id)  # as it is now that it is held
    _refuse_if_there(ctx, host, presence)
    if hosts.holdings(tx, [host.id])[host.id] != if_match:
        raise Stale(
            f"The desktops of the host {host.name} are others than when you looked at it.",
            remedy="Look at it again and repeat it.",
        )
    rows = desktops.on_hosts(tx, [host.id])
    of_pool = {pool.id: pool for pool in pools.listed(tx)}
    own = [row for row in rows if _is_kept(row, of_pool[row.pool_id])]
    if own and not with_desktops:
        raise _has_own(tx, host, own)
    given_up, lost, ended = {row.id for row in own}, [], 0
    for row in rows:
        ended += _end_sessions(ctx, tx, row, host, by=by)
        kind, text = "desktop.forgotten", f"The desktop {row.name} went with its host {host.name}."
        if row.id in given_up:
            text = f"The desktop {row.name} was given up with its host {host.name}, and with what was saved on it."
        if _is_made_again(row, of_pool[row.pool_id]):
            kind, text = "desktop.replaced", f"The desktop {row.name} is made anew, since its host {host.name} is gone."
            desktops.place_anew(tx, row.id, now=ctx.clock.now())
        else:
            lost.append(row.id)
        journal.note(ctx, tx, kind, text, by=by, desktop_id=row.id)
    desktops.forget(tx, lost)
    hosts.forget(tx, host.id)
    host_keys.revoke(tx, host.id, now=ctx.clock.now())  # on another machine it has to join anew
    text = f"The host {host.name} was forgotten. Desktops that were there: {len(rows)}; given up of them: {len(own)}."
    journal.note(ctx, tx, "host.forgotten", text, by=by)
    return ForgottenHost(
        id=host.id,
        name=host.name,
        replaced=sum(row.id not in given_up and row.power is not Power.ABSENT for row in rows),
        given_up=[row.name for row in own],
        sessions_ended=ended,
    )


def _refuse_if_there(ctx: Context, host: HostRow, presence: PresenceView) -> None:
    """Its own signs of life count, and what another controller wrote down of them, which it does now and then only."""
    if host.id in presence.up:
        raise Conflict(f"The host {host.name} is connected, so it is not forgotten.", remedy=_WAY_OUT)
    if not presence.is_lost(host.id):
        raise Conflict(
            f"The host {host.name} may be about to come back: as far as this controller knows, it has not been silent "
            f"for {LOST_AFTER_S:.0f} s.",
            remedy=f"Try again in {LOST_AFTER_S:.0f} s.",
        )
    since = ctx.clock.now() - host.last_seen_at if host.last_seen_at is not None else None
    if since is not None and timedelta(0) <= since < timedelta(seconds=LOST_AFTER_S):
        raise Conflict(
            f"The host {host.name} was heard {since.total_seconds():.0f} s ago, so it is not forgotten yet.",
            remedy=_WAY_OUT,
        )


def _is_kept(row: DesktopRow, pool: PoolRow) -> bool:
    """Whether somebody may have saved something on its disk."""
    theirs = row.assigned_user_id is not None and pool.keeps_disks
    return row.power is not Power.ABSENT and (theirs or row.kept_until is not None)


def _is_made_again(row: DesktopRow, pool: PoolRow) -> bool:
    """Whether it stays somebody's, as new: it is theirs between sessions, but nothing on it is."""
    mine = row.assigned_user_id is not None and pool.kind == "persistent" and not pool.keeps_disks
    return mine and row.power is not Power.ABSENT and row.kept_until is None and not pool.deleting


def _has_own(tx: sa.Connection, host: HostRow, own: list[DesktopRow]) -> Conflict:
    users = people.names(tx, {row.assigned_user_id for row in own if row.assigned_user_id is not None})
    named = [f"{row.name} ({_whose(row, users)})" for row in own[:NAMED]]
    more = f" and {len(own) - NAMED} more" if len(own) > NAMED else ""
    what = "1 desktop has its" if len(own) == 1 else f"{len(own)} desktops have their"
    return Conflict(
        f"{what} only disk on the host {host.name}, with what was saved there: {', '.join(named)}{more}.",
        remedy="Bring the host back, or save those disks first. To give them up, say so: frazil host forget "
        f"{host.name} --with-desktops",
    )


def _whose(row: DesktopRow, names: dict[str, str]) -> str:
    name = row.kept_for or names.get(row.assigned_user_id or "", "nobody")
    return f"{name}, deleted" if row.kept_until is not None else name


def _end_sessions(ctx: Context, tx: sa.Connection, row: DesktopRow, host: HostRow, *, by: Identity) -> int:
    """How many were open."""
    ended = 0
    for session in sessions.open_ones(tx, desktop_id=row.id):
        reason = f"Its desktop was on the host {host.name}, which is gone."
        if sessions.end(tx, session.id, reason=reason, now=ctx.clock.now()):
            journal.note(ctx, tx, "session.ended", f"The session ended. {reason}", by=by, desktop_id=row.id)
            ended += 1
    return ended
