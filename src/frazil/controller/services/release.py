"""Ending a session: links are cut, and a floating desktop is destroyed after use."""

from __future__ import annotations

import sqlalchemy as sa

from frazil.controller.identity import Identity
from frazil.controller.services import journal
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
