"""Giving a person a desktop of a pool, and another when that one fails before they have seen it."""

from __future__ import annotations

import sqlalchemy as sa

from frazil.controller.planning.spares import GIVE_UP_AFTER, failed_in_a_row
from frazil.controller.presence import PresenceView
from frazil.controller.services import finding, journal, maintaining, making, views
from frazil.controller.services.context import Context
from frazil.controller.store import desktops, hosts, pools, sessions
from frazil.controller.store.rows import DesktopRow, PoolRow
from frazil.model.desktop import Phase, Power, State

_THERE = ((Phase.READY, State.RUNNING), (Phase.PAUSED, State.PAUSED))
"""What a person is given first, and as what its host sees it."""
_COMING = (Phase.STARTING, Phase.WAITING)


def give(ctx: Context, tx: sa.Connection, user_id: str, pool: PoolRow, presence: PresenceView) -> DesktopRow | None:
    """A desktop that is the user's from now on: a ready one, else one on its way. None: the pool is full.

    Nobody is given one on a host in maintenance, or without the labels that the pool asks for.
    """
    closed = hosts.closed(tx, pool.host_labels)
    for wanted, state in _THERE:
        for row in desktops.free(tx, pool_id=pool.id, state=state):
            fits = row.host_id not in closed and views.phase_of(row, presence) is wanted
            if fits and (given := desktops.give(tx, row, user_id=user_id)) is not None:
                return given
    coming = [
        (row, views.phase_of(row, presence))
        for row in desktops.listed(tx, pool_id=pool.id, free=True)
        if row.host_id not in closed
    ]
    for wanted in _COMING:
        for row, phase in coming:
            if phase is wanted and (given := desktops.give(tx, row, user_id=user_id)) is not None:
                return given
    if not making.has_room(tx, pool.id):
        return None
    return finding.desktop(tx, making.make_desktop(ctx, tx, pool, assigned_user_id=user_id))


def wake_up(ctx: Context, tx: sa.Connection, row: DesktopRow, presence: PresenceView) -> None:
    """Have a person's own desktop run that was shut down after their last session; one on its way down comes back.

    Raises Conflict when its host is in maintenance.
    """
    maintaining.refuse_to_start(tx, row)
    if row.power is not Power.STOPPED or row.restart:
        return
    now = ctx.clock.now()
    if views.phase_of(row, presence) is Phase.STOPPED:
        desktops.want(tx, row.id, power=Power.RUNNING, graceful=False, now=now)
    else:
        desktops.want(tx, row.id, power=Power.STOPPED, graceful=row.graceful, restart=True, now=now)


def give_others(ctx: Context, tx: sa.Connection, failed_id: str, presence: PresenceView) -> None:
    """Whoever waits for a desktop that has failed, and has never seen it, gets another one of its pool.

    The failed one stays to be looked at, as a spare that failed does. When so many of the pool failed that it makes no
    more spares either, people keep what they have: they then see why. So they do when no host had a place for it.
    """
    row = desktops.find(tx, failed_id)
    pool = pools.find(tx, row.pool_id) if row is not None else None
    if row is None or row.host_id is None or pool is None or pool.deleting or pool.kind == "persistent":
        return  # a persistent one may hold what its person saved
    waiting = [one for one in sessions.open_ones(tx, desktop_id=failed_id) if one.connected_at is None]
    for session in waiting:
        if _failed_before(ctx, tx, pool, failed_id, presence) + 1 >= GIVE_UP_AFTER:
            return
        another = give(ctx, tx, session.user_id, pool, presence)
        if another is None:
            return
        desktops.set_aside(tx, failed_id)
        sessions.move(tx, session.id, desktop_id=another.id)
        who = finding.user(tx, session.user_id).name
        text = f"{who} was given the desktop {another.name} instead of {row.name}, which failed."
        journal.note(ctx, tx, "session.moved", text, desktop_id=another.id, outcome="done")


def _failed_before(ctx: Context, tx: sa.Connection, pool: PoolRow, failed_id: str, presence: PresenceView) -> int:
    """How many of the pool failed one after the other, as its spares are judged, without this one."""
    others = [(row, views.phase_of(row, presence)) for row in desktops.listed(tx, pool_id=pool.id)]
    last_start_at = pools.last_starts(tx).get(pool.id)
    now = ctx.clock.now()
    row = failed_in_a_row(others, changed_at=pool.changed_at, last_start_at=last_start_at, now=now)
    return len([one for one in row if one.id != failed_id])
