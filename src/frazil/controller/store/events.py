"""Queries of events: what happened, written once, never changed, and forgotten after a time (`store.history`)."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import sqlalchemy as sa

from frazil.controller.store.rows import EventRow
from frazil.controller.store.tables import TENANT, events


def _row(found: sa.RowMapping) -> EventRow:
    return EventRow(
        seq=found["seq"],
        id=found["id"],
        at=found["at"],
        kind=found["kind"],
        text=found["text"],
        user_id=found["user_id"],
        user_name=found["user_name"],
        desktop_id=found["desktop_id"],
        remote_address=found["remote_address"],
        outcome=found["outcome"],
    )


def insert(
    tx: sa.Connection,
    *,
    id: str,
    at: datetime,
    kind: str,
    text: str,
    outcome: str,
    user_id: str | None = None,
    user_name: str | None = None,
    desktop_id: str | None = None,
    remote_address: str | None = None,
) -> None:
    tx.execute(
        events.insert().values(
            id=id,
            tenant_id=TENANT,
            at=at,
            kind=kind,
            text=text,
            outcome=outcome,
            user_id=user_id,
            user_name=user_name,
            desktop_id=desktop_id,
            remote_address=remote_address,
        )
    )


def newest_first(
    tx: sa.Connection,
    *,
    desktop_id: str | None = None,
    outcome: str | None = None,
    since: int | None = None,
    before: int | None = None,
    limit: int,
) -> list[EventRow]:
    query = sa.select(events).order_by(events.c.seq.desc()).limit(limit)
    if desktop_id is not None:
        query = query.where(events.c.desktop_id == desktop_id)
    if outcome is not None:
        query = query.where(events.c.outcome == outcome)
    if since is not None:
        query = query.where(events.c.seq >= since)
    if before is not None:
        query = query.where(events.c.seq < before)
    return [_row(found) for found in tx.execute(query).mappings()]


def newest_of(tx: sa.Connection, *, desktop_id: str, kinds: Collection[str]) -> int:
    """The sequence number of a desktop's newest event of these kinds; 0 when there is none."""
    query = sa.select(sa.func.coalesce(sa.func.max(events.c.seq), 0))
    found = tx.execute(query.where(events.c.desktop_id == desktop_id, events.c.kind.in_(kinds)))
    return int(found.scalar_one())


def after(tx: sa.Connection, seq: int, *, limit: int) -> list[EventRow]:
    """What happened after `seq`, oldest first."""
    query = sa.select(events).where(events.c.seq > seq).order_by(events.c.seq).limit(limit)
    return [_row(found) for found in tx.execute(query).mappings()]


def seq_of(tx: sa.Connection, event_id: str) -> int | None:
    found = tx.execute(sa.select(events.c.seq).where(events.c.id == event_id)).scalar()
    return None if found is None else int(found)


def last_seq(tx: sa.Connection) -> int:
    return int(tx.execute(sa.select(sa.func.coalesce(sa.func.max(events.c.seq), 0))).scalar_one())
