"""What is over is forgotten after a time: events, ended sessions, finished operations."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from frazil.controller.store.tables import events, operations, sessions

_OVER: tuple[tuple[sa.Table, sa.Column[object], sa.Column[object]], ...] = (
    (events, events.c.seq, events.c.at),
    (sessions, sessions.c.id, sessions.c.ended_at),
    (operations, operations.c.id, operations.c.ended_at),
)
"""Table, key, and when it was over; null while it is not."""


def forget(tx: sa.Connection, *, before: datetime, limit: int) -> int:
    """Delete what was over before `before`, the oldest first, at most `limit` rows a table; how many went."""
    gone = 0
    for table, key, over_at in _OVER:
        oldest = sa.select(key).where(over_at < before).order_by(over_at).limit(limit)
        gone += tx.execute(table.delete().where(key.in_(oldest))).rowcount
    return gone
