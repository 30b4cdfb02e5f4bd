"""Queries of groups and of who is in them."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from frazil.controller.store import quotas
from frazil.controller.store.rows import GroupRow, MemberRow
from frazil.controller.store.tables import TENANT, group_members, groups, users
from frazil.controller.store.upsert import upsert
from frazil.model.quota import Amounts

LOCAL = "local"
"""The source of what was said here, and not by a directory."""

_MEMBERS = (
    sa.select(sa.func.count())
    .select_from(group_members)
    .where(group_members.c.group_id == groups.c.id)
    .scalar_subquery()
)


def _row(found: sa.RowMapping) -> GroupRow:
    return GroupRow(
        id=found["id"],
        name=found["name"],
        label=found["label"],
        members=found["members"],
        quota=quotas.from_columns(found),
        version=found["version"],
        created_at=found["created_at"],
    )


def _select() -> sa.Select[tuple[object, ...]]:
    return sa.select(groups, _MEMBERS.label("members"))


def insert(tx: sa.Connection, *, id: str, name: str, label: str, quota: Amounts | None = None, now: datetime) -> None:
    """Raises sqlalchemy's IntegrityError when the name is taken."""
    limits = quotas.to_columns(quota or Amounts())
    values = {"id": id, "tenant_id": TENANT, "name": name, "label": label, "version": 1, "created_at": now}
    tx.execute(groups.insert().values(**values, **limits))


def find(tx: sa.Connection, ref: str) -> GroupRow | None:
    """By id or name."""
    query = _select().where(sa.or_(groups.c.id == ref, groups.c.name == ref)).limit(1)
    found = tx.execute(query).mappings().first()
    return _row(found) if found else None


def listed(tx: sa.Connection, *, user_id: str | None, after: str | None, limit: int) -> list[GroupRow]:
    """All groups, or those that a user is in."""
    query = _select().order_by(groups.c.id).limit(limit)
    if user_id is not None:
        theirs = sa.select(group_members.c.group_id).where(group_members.c.user_id == user_id)
        query = query.where(groups.c.id.in_(theirs))
    if after is not None:
        query = query.where(groups.c.id > after)
    return [_row(found) for found in tx.execute(query).mappings().all()]


def change(tx: sa.Connection, group_id: str, *, label: str, quota: Amounts, if_version: int) -> bool:
    """Set both and raise the version, if that is still `if_version`; whether it was."""
    query = groups.update().where(groups.c.id == group_id, groups.c.version == if_version)
    values = {"label": label, "version": if_version + 1, **quotas.to_columns(quota)}
    return tx.execute(query.values(values)).rowcount == 1


def delete(tx: sa.Connection, group_id: str) -> None:
    """Who was in it, and what it was entitled to, goes with it."""
    tx.execute(groups.delete().where(groups.c.id == group_id))


def join(tx: sa.Connection, *, group_id: str, user_id: str, source: str = LOCAL, now: datetime) -> bool:
    """Whether they were not in it yet."""
    there = sa.select(group_members.c.user_id).where(
        group_members.c.group_id == group_id, group_members.c.user_id == user_id
    )
    if tx.execute(there).first() is not None:
        return False
    values = {"group_id": group_id, "user_id": user_id, "tenant_id": TENANT, "source": source, "created_at": now}
    upsert(tx, group_members, values, keys=["group_id", "user_id"])
    return True


def leave(tx: sa.Connection, *, group_id: str, user_id: str) -> bool:
    """Whether they were in it."""
    query = group_members.delete().where(group_members.c.group_id == group_id, group_members.c.user_id == user_id)
    return tx.execute(query).rowcount == 1


def members(tx: sa.Connection, group_id: str, *, after: str | None, limit: int) -> list[MemberRow]:
    """In the order of the users' ids."""
    query = (
        sa.select(group_members, users.c.subject, users.c.display_name)
        .join(users, users.c.id == group_members.c.user_id)
        .where(group_members.c.group_id == group_id)
        .order_by(group_members.c.user_id)
        .limit(limit)
    )
    if after is not None:
        query = query.where(group_members.c.user_id > after)
    return [
        MemberRow(
            user_id=found["user_id"],
            user_name=found["subject"],
            display_name=found["display_name"],
            source=found["source"],
            created_at=found["created_at"],
        )
        for found in tx.execute(query).mappings()
    ]
