"""The recycle bin: a deleted desktop with somebody's disk is shut down and kept for its pool's time."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from frazil.controller.identity import Identity
from frazil.controller.services import finding, journal, quotas
from frazil.controller.services.context import Context
from frazil.controller.store import desktops, pools
from frazil.controller.store import quotas as quota_rows
from frazil.controller.store.rows import DesktopRow, PoolRow
from frazil.model.desktop import Power
from frazil.model.errors import Conflict
from frazil.model.quota import Amounts


def kept_s(row: DesktopRow, pool: PoolRow) -> int:
    """How long it is kept when it is deleted: its pool's time where its disk may hold what its person saved, else 0."""
    deleted = row.power is Power.ABSENT or row.kept_until is not None
    theirs = row.assigned_user_id is not None and row.host_id is not None
    return pool.keep_deleted_s if theirs and not deleted and pool.keeps_disks else 0


def delete(ctx: Context, tx: sa.Connection, row: DesktopRow, pool: PoolRow) -> datetime | None:
    """Delete a desktop that has no open session; until when it is kept, None when it goes at once.

    One that is kept already stays so.
    """
    now = ctx.clock.now()
    if row.kept_until is not None:
        return row.kept_until
    seconds = kept_s(row, pool)
    if row.assigned_user_id is None or not seconds:
        desktops.want_absent(tx, row.id, now=now)
        return None
    until = now + timedelta(seconds=seconds)
    whose = finding.user(tx, row.assigned_user_id).name
    desktops.keep(tx, row.id, until=until, whose=whose, failed=row.failure is not None, now=now)
    return until


def restore(ctx: Context, tx: sa.Connection, row: DesktopRow, *, to: str | None, by: Identity) -> None:
    """Take a desktop out of the bin, as whose it was or as the user's that is named. Raises Conflict, OverQuota.

    A pool that was deleted too is there again.
    """
    user_id = finding.user(tx, to).id if to is not None else row.assigned_user_id
    if row.kept_until is None:
        raise Conflict(f"The desktop {row.name} is not in the recycle bin.")
    if user_id is None:
        raise Conflict(
            f"There is no user {row.kept_for} any more, whose the desktop {row.name} was.",
            remedy="Say whose it is to be.",
        )
    held = quota_rows.hold(tx, user_id)
    who, pool = finding.user(tx, user_id), finding.pool(tx, row.pool_id)
    other = desktops.of_user(tx, pool_id=pool.id, user_id=user_id)
    if other is not None:
        raise Conflict(
            f"{who.name} has the desktop {other.name} of the pool {pool.name} already.",
            remedy="Delete that one first; it is kept in its turn.",
        )
    if user_id != row.assigned_user_id:  # it counts for whose it was while it is in the bin
        quotas.check(tx, held, user_id, Amounts(desktops=1), own=False)
    now = ctx.clock.now()
    if not desktops.restore(tx, row.id, user_id=user_id, now=now):
        raise Conflict(f"The desktop {row.name} is not in the recycle bin any more.")
    text = f"The desktop {row.name} was restored. It is {who.name}'s."
    journal.note(ctx, tx, "desktop.restored", text, by=by, desktop_id=row.id)
    if pool.deleting:
        pools.mark_restored(tx, pool.id, now=now)
        journal.note(ctx, tx, "pool.restored", f"The pool {pool.name} was restored with it.", by=by)


def told(until: datetime | None) -> str:
    """What became of it, for the history: "is being deleted"."""
    return "is being deleted" if until is None else f"was deleted, and is kept until {until:%Y-%m-%d %H:%M} UTC"
