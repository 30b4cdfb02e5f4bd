"""Ending sessions: links are cut, and with the desktop is done what its pool says."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa

from frazil.controller.identity import Identity, Right
from frazil.controller.identity.rights import roles_with
from frazil.controller.services import finding, journal
from frazil.controller.services.context import Context
from frazil.controller.store import desktops, pools, sessions
from frazil.controller.store.rows import SessionRow
from frazil.model.desktop import Power


def end_session(ctx: Context, tx: sa.Connection, session: SessionRow, *, reason: str, by: Identity | None) -> bool:
    """Whether it was open until now. The caller wakes the reconciler; the gateway learns of it by the stream."""
    now = ctx.clock.now()
    if not sessions.end(tx, session.id, reason=reason, now=now):
        return False
    pool = pools.find(tx, session.pool_id)
    match pool.at_sign_out if pool is not None else "destroy":
        case "destroy":
            desktops.want_absent(tx, session.desktop_id, now=now)
        case "keep":
            # What the person left open ends too: the next session signs them on anew.
            desktops.want(tx, session.desktop_id, power=Power.STOPPED, graceful=True, now=now)
        case "reset":
            desktops.retry(tx, session.desktop_id, now=now)
    journal.note(ctx, tx, "session.ended", f"The session ended. {reason}", by=by, desktop_id=session.desktop_id)
    return True


def unentitled(
    tx: sa.Connection, *, user_id: str | None = None, pool_ids: Collection[str] | None = None
) -> list[SessionRow]:
    """Open sessions, of this user or in these pools, of those who may use the pool in no way any more."""
    return sessions.not_entitled(tx, user_id=user_id, pool_ids=pool_ids, exempt=roles_with(Right.USE_EVERY_POOL))


def end_unentitled(
    ctx: Context,
    tx: sa.Connection,
    *,
    user_id: str | None = None,
    pool_ids: Collection[str] | None = None,
    by: Identity | None,
) -> None:
    """End them. `by` is whose change it was; None when Frazil found them."""
    for session in unentitled(tx, user_id=user_id, pool_ids=pool_ids):
        who, pool = finding.user(tx, session.user_id), finding.pool(tx, session.pool_id)
        reason = f"{who.name} may no longer use the pool {pool.name}."
        end_session(ctx, tx, session, reason=reason, by=by)
