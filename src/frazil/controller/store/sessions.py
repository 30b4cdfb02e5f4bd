"""Queries of sessions and their tickets."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import sqlalchemy as sa

from frazil.controller.store import entitlements
from frazil.controller.store.reread import Reread
from frazil.controller.store.rows import SessionRow
from frazil.controller.store.tables import TENANT, sessions, tickets, users

_INSERT = sessions.insert()
_INSERT_TICKET = tickets.insert()
_OPEN = sa.select(sessions).where(sessions.c.ended_at.is_(None)).order_by(sessions.c.id)
_BY_ID = sa.select(sessions).where(sessions.c.id == sa.bindparam("session_id"))


def _row(found: sa.RowMapping) -> SessionRow:
    return SessionRow(
        id=found["id"],
        user_id=found["user_id"],
        pool_id=found["pool_id"],
        desktop_id=found["desktop_id"],
        opened_at=found["opened_at"],
        ended_at=found["ended_at"],
        end_reason=found["end_reason"],
        connected=found["connected"],
        connected_at=found["connected_at"],
        disconnected_at=found["disconnected_at"],
        warned_at=found["warned_at"],
        remote_address=found["remote_address"],
    )


def insert(
    tx: sa.Connection,
    *,
    id: str,
    user_id: str,
    pool_id: str,
    desktop_id: str,
    now: datetime,
    remote_address: str | None,
) -> SessionRow:
    """Raises sqlalchemy's IntegrityError when the user has an open session in the pool, or the desktop has one."""
    whose = {"id": id, "user_id": user_id, "pool_id": pool_id, "desktop_id": desktop_id}
    values = {**whose, "opened_at": now, "connected": False, "remote_address": remote_address}
    tx.execute(_INSERT, {"tenant_id": TENANT, **values})
    return SessionRow(
        id=id,
        user_id=user_id,
        pool_id=pool_id,
        desktop_id=desktop_id,
        opened_at=now,
        ended_at=None,
        end_reason="",
        connected=False,
        connected_at=None,
        disconnected_at=None,
        remote_address=remote_address,
    )


def find(tx: sa.Connection, session_id: str) -> SessionRow | None:
    """Open or ended."""
    found = tx.execute(_BY_ID, {"session_id": session_id}).mappings().first()
    return _row(found) if found else None


def open_ones(
    tx: sa.Connection,
    *,
    user_id: str | None = None,
    pool_id: str | None = None,
    desktop_id: str | None = None,
    after: str | None = None,
    limit: int | None = None,
) -> list[SessionRow]:
    query = _OPEN
    if user_id is not None:
        query = query.where(sessions.c.user_id == user_id)
    if pool_id is not None:
        query = query.where(sessions.c.pool_id == pool_id)
    if desktop_id is not None:
        query = query.where(sessions.c.desktop_id == desktop_id)
    if after is not None:
        query = query.where(sessions.c.id > after)
    if limit is not None:
        query = query.limit(limit)
    return [_row(found) for found in tx.execute(query).mappings().all()]


def reread() -> Reread[SessionRow]:
    """All open ones, to be read again and again."""
    return Reread(_OPEN, _row, id=sessions.c.id, tables=[sessions])


def of_desktops(tx: sa.Connection, ids: Collection[str]) -> list[SessionRow]:
    """The open sessions of these desktops."""
    query = sa.select(sessions).where(sessions.c.desktop_id.in_(ids), sessions.c.ended_at.is_(None))
    return [_row(found) for found in tx.execute(query).mappings().all()]


def persons_of(tx: sa.Connection, desktop_id: str) -> frozenset[str]:
    """Ids of all who ever had a session on it, as far back as sessions are kept."""
    query = sa.select(sessions.c.user_id).where(sessions.c.desktop_id == desktop_id).distinct()
    return frozenset(tx.execute(query).scalars())


def count_open(tx: sa.Connection, *, pool_id: str) -> int:
    query = sa.select(sa.func.count()).where(sessions.c.pool_id == pool_id, sessions.c.ended_at.is_(None))
    return int(tx.execute(query).scalar_one())


def not_entitled(
    tx: sa.Connection, *, user_id: str | None = None, pool_ids: Collection[str] | None = None, exempt: Collection[str]
) -> list[SessionRow]:
    """Open sessions whose user may not use their pool; of this user or in these pools, where said.

    exempt: the roles that may use every pool.
    """
    query = (
        sa.select(sessions)
        .join(users, users.c.id == sessions.c.user_id)
        .where(
            sessions.c.ended_at.is_(None),
            users.c.role.not_in(exempt),
            sa.not_(entitlements.some(sessions.c.pool_id, sessions.c.user_id)),
        )
        .order_by(sessions.c.id)
    )
    if user_id is not None:
        query = query.where(sessions.c.user_id == user_id)
    if pool_ids is not None:
        query = query.where(sessions.c.pool_id.in_(pool_ids))
    return [_row(found) for found in tx.execute(query).mappings().all()]


def connected_desktops(tx: sa.Connection, ids: Collection[str]) -> set[str]:
    """Those of these desktops that someone is looking at."""
    query = sa.select(sessions.c.desktop_id).where(
        sessions.c.desktop_id.in_(ids), sessions.c.ended_at.is_(None), sessions.c.connected.is_(True)
    )
    return set(tx.execute(query).scalars())


def ended_since(tx: sa.Connection, since: datetime) -> list[SessionRow]:
    """Sessions that ended at or after `since`, oldest first."""
    query = sa.select(sessions).where(sessions.c.ended_at >= since).order_by(sessions.c.ended_at, sessions.c.id)
    return [_row(found) for found in tx.execute(query).mappings().all()]


def end(tx: sa.Connection, session_id: str, *, reason: str, now: datetime) -> bool:
    """Whether it was open until now. Its tickets are worth nothing from now on."""
    query = sessions.update().where(sessions.c.id == session_id, sessions.c.ended_at.is_(None))
    ended = tx.execute(query.values(ended_at=now, end_reason=reason, connected=False)).rowcount == 1
    if ended:
        tx.execute(tickets.delete().where(tickets.c.session_id == session_id))
    return ended


def not_idle(tx: sa.Connection, session_id: str, *, now: datetime) -> None:
    """Somebody is about to connect: the time without anybody begins anew."""
    query = sessions.update().where(sessions.c.id == session_id, sessions.c.connected.is_(False))
    tx.execute(query.values(disconnected_at=now))


def warn(tx: sa.Connection, session_id: str, *, now: datetime) -> bool:
    """Keep that its person was told how soon it ends; whether it is open and this was not told yet."""
    query = sessions.update().where(
        sessions.c.id == session_id, sessions.c.ended_at.is_(None), sessions.c.warned_at.is_(None)
    )
    return tx.execute(query.values(warned_at=now)).rowcount == 1


def unwarn(tx: sa.Connection, pool_id: str) -> None:
    """The longest time of a pool's sessions has changed: who was warned is warned of the new one."""
    query = sessions.update().where(sessions.c.pool_id == pool_id, sessions.c.ended_at.is_(None))
    tx.execute(query.values(warned_at=None))


def restart_clocks(tx: sa.Connection, *, now: datetime) -> None:
    """The time without anybody counts from now, for sessions that nobody is connected to."""
    query = sessions.update().where(sessions.c.ended_at.is_(None), sessions.c.connected.is_(False))
    tx.execute(query.values(disconnected_at=now))


def move(tx: sa.Connection, session_id: str, *, desktop_id: str) -> None:
    """Have a session on another desktop. Its tickets were for the first, and are worth nothing from now on."""
    tx.execute(sessions.update().where(sessions.c.id == session_id).values(desktop_id=desktop_id))
    tx.execute(tickets.delete().where(tickets.c.session_id == session_id))


def set_connected(tx: sa.Connection, session_id: str, *, connected: bool, remote_address: str, now: datetime) -> bool:
    """Whether the session is open."""
    values: dict[str, object] = {"connected": connected}
    if connected:
        values |= {"connected_at": now, "remote_address": remote_address}
    else:
        values |= {"disconnected_at": now}
    query = sessions.update().where(sessions.c.id == session_id, sessions.c.ended_at.is_(None))
    return tx.execute(query.values(values)).rowcount == 1


def insert_ticket(tx: sa.Connection, *, secret_hash: str, session_id: str, now: datetime, expires_at: datetime) -> None:
    values = {"secret_hash": secret_hash, "session_id": session_id, "created_at": now, "expires_at": expires_at}
    tx.execute(_INSERT_TICKET, {"tenant_id": TENANT, **values})


def forget_tickets(tx: sa.Connection, *, now: datetime) -> None:
    """Those that are too old to be used."""
    tx.execute(tickets.delete().where(tickets.c.expires_at < now))


def redeem(tx: sa.Connection, *, secret_hash: str, session_id: str, now: datetime, remote_address: str) -> bool:
    """Use the ticket up. One statement, so that of any number of callers exactly one is told yes."""
    query = tickets.update().where(
        tickets.c.secret_hash == secret_hash,
        tickets.c.session_id == session_id,
        tickets.c.used_at.is_(None),
        tickets.c.expires_at > now,
    )
    return tx.execute(query.values(used_at=now, remote_address=remote_address)).rowcount == 1
