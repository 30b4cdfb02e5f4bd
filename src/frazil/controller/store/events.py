"""Queries of events: what happened, written once, never changed, and forgotten after a time (`store.history`)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from frazil.controller.store import anycase
from frazil.controller.store.rows import EventRow
from frazil.controller.store.tables import TENANT, events


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which events are looked for: those that fit all that is said here.

    user: who did it, by name or id. kind: exactly this one; with a dot at its end, also all that begin with it.
    since, until: at that moment or after it; before it. text: is, whatever its case, in what is told or in who did it
    or from where.
    """

    user: str | None = None
    kind: str | None = None
    outcome: str | None = None
    desktop_ids: Collection[str] | None = None
    since: datetime | None = None
    until: datetime | None = None
    text: str | None = None


ALL = Wanted()
_INSERT = events.insert()


def _fits(tx: sa.Connection, wanted: Wanted) -> list[sa.ColumnElement[bool]]:
    c = events.c
    rules: list[sa.ColumnElement[bool]] = []
    if wanted.user is not None:
        rules.append(sa.or_(c.user_id == wanted.user, c.user_name == wanted.user))
    if wanted.kind is not None and wanted.kind.endswith("."):
        rules.append(sa.or_(c.kind == wanted.kind[:-1], c.kind.startswith(wanted.kind, autoescape=True)))
    elif wanted.kind is not None:
        rules.append(c.kind == wanted.kind)
    if wanted.outcome is not None:
        rules.append(c.outcome == wanted.outcome)
    if wanted.desktop_ids is not None:
        rules.append(c.desktop_id.in_(wanted.desktop_ids))
    if wanted.since is not None:
        rules.append(c.at >= wanted.since)
    if wanted.until is not None:
        rules.append(c.at < wanted.until)
    if wanted.text is not None:
        told = (c.text, c.user_name, c.remote_address)
        rules.append(sa.or_(*(anycase.contains(tx, column, wanted.text) for column in told)))
    return rules


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
    what = {"id": id, "tenant_id": TENANT, "at": at, "kind": kind, "text": text, "outcome": outcome}
    whose = {"user_id": user_id, "user_name": user_name, "desktop_id": desktop_id, "remote_address": remote_address}
    tx.execute(_INSERT, {**what, **whose})


def insert_of_desktops(
    tx: sa.Connection, told: Sequence[tuple[str, str, str]], *, at: datetime, kind: str, outcome: str
) -> None:
    """Events of one kind that Frazil tells of desktops, at least one: (id, desktop's id, text) of each."""
    same = {"tenant_id": TENANT, "at": at, "kind": kind, "outcome": outcome}
    tx.execute(_INSERT, [{**same, "id": id, "desktop_id": of, "text": text} for id, of, text in told])


def newest_first(
    tx: sa.Connection,
    wanted: Wanted = ALL,
    *,
    since: int | None = None,
    before: int | None = None,
    limit: int,
) -> list[EventRow]:
    """since, before: sequence numbers."""
    query = sa.select(events).where(*_fits(tx, wanted)).order_by(events.c.seq.desc()).limit(limit)
    if since is not None:
        query = query.where(events.c.seq >= since)
    if before is not None:
        query = query.where(events.c.seq < before)
    return [_row(found) for found in tx.execute(query).mappings().all()]


def desktops_told_of(tx: sa.Connection, *, kind: str, text: str) -> list[str]:
    """The ids of desktops of which an event of this kind told just this."""
    query = sa.select(events.c.desktop_id).where(events.c.kind == kind, events.c.text == text)
    return [desktop_id for desktop_id in tx.execute(query.distinct()).scalars() if desktop_id is not None]


def told_of_desktops(tx: sa.Connection, ids: Collection[str], *, kind: str) -> dict[str, str]:
    """What an event of this kind told of each of these desktops, by their ids."""
    query = sa.select(events.c.desktop_id, events.c.text).where(events.c.desktop_id.in_(ids), events.c.kind == kind)
    return {found["desktop_id"]: found["text"] for found in tx.execute(query).mappings().all()}


def newest_of(tx: sa.Connection, *, desktop_id: str, kinds: Collection[str]) -> int:
    """The sequence number of a desktop's newest event of these kinds; 0 when there is none."""
    query = sa.select(sa.func.coalesce(sa.func.max(events.c.seq), 0))
    found = tx.execute(query.where(events.c.desktop_id == desktop_id, events.c.kind.in_(kinds)))
    return int(found.scalar_one())


def after(tx: sa.Connection, seq: int, *, limit: int) -> list[EventRow]:
    """What happened after `seq`, oldest first."""
    query = sa.select(events).where(events.c.seq > seq).order_by(events.c.seq).limit(limit)
    return [_row(found) for found in tx.execute(query).mappings().all()]


def seq_of(tx: sa.Connection, event_id: str) -> int | None:
    found = tx.execute(sa.select(events.c.seq).where(events.c.id == event_id)).scalar()
    return None if found is None else int(found)


def counted(tx: sa.Connection, *, after: int) -> tuple[dict[tuple[str, str], int], int]:
    """How many events there were after that sequence number, by kind and outcome; and the newest one's number."""
    query = sa.select(events.c.kind, events.c.outcome, sa.func.count(), sa.func.max(events.c.seq))
    found = tx.execute(query.where(events.c.seq > after).group_by(events.c.kind, events.c.outcome)).all()
    counts = {(str(kind), str(outcome)): int(count) for kind, outcome, count, _ in found}
    return counts, max((int(newest) for *_, newest in found), default=after)


def last_seq(tx: sa.Connection) -> int:
    return int(tx.execute(sa.select(sa.func.coalesce(sa.func.max(events.c.seq), 0))).scalar_one())
