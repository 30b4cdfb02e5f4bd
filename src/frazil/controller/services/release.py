"""Ending sessions: links are cut, and a floating desktop is destroyed after use."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa

from frazil.controller.identity import Identity, Right
from frazil.controller.identity.rights import roles_with
from frazil.controller.services import finding, journal
from frazil.controller.services.context import Context
from frazil.controller.store import desktops, sessions
from frazil.controller.store.rows import SessionRow


def end_session(ctx: Context, tx: sa.Connection, session: SessionRow, *, reason: str, by: Identity | None) -> bool:
    """Whether it was open until now. The caller wakes the reconciler; the gateway learns of it by the stream."""
    now = ctx.clock.now()
    if not sessions.end(tx, session.id, reason=reason, now=now):
        return False
    desktops.want_absent(tx, session.desktop_id, now=now)
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
