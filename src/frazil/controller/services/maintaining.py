"""What is still on a host in maintenance, and why a desktop there is not started."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import sqlalchemy as sa

from frazil.controller.presence import PresenceView
from frazil.controller.services import views
from frazil.controller.services.context import Context
from frazil.controller.store import desktops, hosts, pools, sessions
from frazil.controller.store.rows import DesktopRow, HostRow
from frazil.model.desktop import Phase, Power, State
from frazil.model.errors import Conflict
from frazil.wire.rest import HostMaintenance


def left_on(tx: sa.Connection, host: HostRow, *, ctx: Context, presence: PresenceView) -> HostMaintenance | None:
    """What the host has, and what is waited for; None when it is not in maintenance."""
    if not host.maintenance:
        return None
    rows = desktops.on_hosts(tx, [host.id])
    used = {session.desktop_id for session in sessions.open_ones(tx)} if rows else set()
    names = {pool.id: pool.name for pool in pools.listed(tx)} if rows else {}
    return summed_up(rows, used=used, presence=presence, pools=names, notes=ctx.words.notes)


def summed_up(
    rows: Sequence[DesktopRow],
    *,
    used: Collection[str],
    presence: PresenceView,
    pools: Mapping[str, str],
    notes: Mapping[str, str],
) -> HostMaintenance:
    """rows: what was placed on the host. used: ids of desktops with an open session. pools: names by id.

    notes: why pools make no spares now, by id.
    """
    in_use = leaving = stopping = kept = 0
    unknown = False
    stuck: dict[str, str] = {}
    for row in rows:
        phase = views.phase_of(row, presence)
        unknown = unknown or phase is Phase.UNKNOWN
        if row.id in used:
            in_use += 1
        elif row.assigned_user_id is None or phase is Phase.DELETING:
            leaving += 1
            if row.pool_id in notes:
                stuck[pools.get(row.pool_id, row.pool_id)] = notes[row.pool_id]
        elif _is_down(row):
            kept += 1
        else:
            stopping += 1
    waits_for = [said(n) for said, n in ((_in_use, in_use), (_leaving, leaving), (_stopping, stopping)) if n]
    waits_for += [f"The pool {name} can't replace its own now. {note}" for name, note in sorted(stuck.items())]
    if unknown:
        waits_for.append("The host is not answering, so it is not known what still runs there.")
    return HostMaintenance(
        in_use=in_use,
        leaving=leaving,
        stopping=stopping,
        kept=kept,
        done=not (waits_for or unknown),
        waits_for=waits_for,
        stays=_kept(kept) if kept else "",
    )


def _is_down(row: DesktopRow) -> bool:
    seen = row.fresh_seen
    return row.power is Power.STOPPED and seen is not None and seen.state in (State.STOPPED, State.ABSENT)


def _in_use(n: int) -> str:
    if n == 1:
        return "1 desktop is in use and stays until its session ends."
    return f"{n} desktops are in use and stay until their sessions end."


def _leaving(n: int) -> str:
    if n == 1:
        return "1 desktop that nobody uses goes once another is ready elsewhere."
    return f"{n} desktops that nobody uses go once others are ready elsewhere."


def _stopping(n: int) -> str:
    if n == 1:
        return "1 person's own desktop that nobody uses is being shut down."
    return f"{n} persons' own desktops that nobody uses are being shut down."


def _kept(n: int) -> str:
    if n == 1:
        return "1 person's own desktop stays on its disk: it can't move, and is not started until maintenance ends."
    return f"{n} persons' own desktops stay on its disk: they can't move, and are not started until maintenance ends."


def refuse_to_start(tx: sa.Connection, row: DesktopRow) -> None:
    """Raise Conflict when the desktop's host is in maintenance and nobody's session on the desktop is open."""
    if row.host_id is None or row.host_id not in hosts.in_maintenance(tx) or sessions.open_ones(tx, desktop_id=row.id):
        return
    raise Conflict(
        f"The desktop {row.name} is on a host that is in maintenance, so it is not started now.",
        remedy="It is as you left it. Try again later; an administrator can say when maintenance ends.",
    )
