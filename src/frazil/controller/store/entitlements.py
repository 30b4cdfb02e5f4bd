"""Queries of who may use which pool: a user by themselves, or all who are in a group."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from frazil.controller.store.rows import EntitlementRow
from frazil.controller.store.tables import TENANT, entitlements, group_entitlements, group_members, groups, pools, users
from frazil.controller.store.upsert import upsert

Text = sa.ColumnElement[str] | str


def some(pool_id: Text, user_id: Text) -> sa.ColumnElement[bool]:
    """The condition that a user may use a pool, in whichever way."""
    own = sa.select(entitlements.c.pool_id).where(entitlements.c.pool_id == pool_id, entitlements.c.user_id == user_id)
    through_a_group = (
        sa.select(group_entitlements.c.pool_id)
        .join(group_members, group_members.c.group_id == group_entitlements.c.group_id)
        .where(group_entitlements.c.pool_id == pool_id, group_members.c.user_id == user_id)
    )
    return sa.or_(own.exists(), through_a_group.exists())


_ENTITLED = sa.select(some(sa.bindparam("of_pool", type_=sa.String), sa.bindparam("of_user", type_=sa.String)))


def entitled(tx: sa.Connection, *, pool_id: str, user_id: str) -> bool:
    return bool(tx.execute(_ENTITLED, {"of_pool": pool_id, "of_user": user_id}).scalar_one())


def grant(tx: sa.Connection, *, pool_id: str, user_id: str, now: datetime) -> bool:
    """Whether it is new."""
    there = sa.select(entitlements.c.pool_id).where(
        entitlements.c.pool_id == pool_id, entitlements.c.user_id == user_id
    )
    if tx.execute(there).first() is not None:
        return False
    values = {"pool_id": pool_id, "user_id": user_id, "tenant_id": TENANT, "created_at": now}
    upsert(tx, entitlements, values, keys=["pool_id", "user_id"])
    return True


def revoke(tx: sa.Connection, *, pool_id: str, user_id: str) -> bool:
    """Whether it was there. They may still use the pool through a group."""
    query = entitlements.delete().where(entitlements.c.pool_id == pool_id, entitlements.c.user_id == user_id)
    return tx.execute(query).rowcount == 1


def grant_group(tx: sa.Connection, *, pool_id: str, group_id: str, now: datetime) -> bool:
    """Whether it is new."""
    there = sa.select(group_entitlements.c.pool_id).where(
        group_entitlements.c.pool_id == pool_id, group_entitlements.c.group_id == group_id
    )
    if tx.execute(there).first() is not None:
        return False
    values = {"pool_id": pool_id, "group_id": group_id, "tenant_id": TENANT, "created_at": now}
    upsert(tx, group_entitlements, values, keys=["pool_id", "group_id"])
    return True


def revoke_group(tx: sa.Connection, *, pool_id: str, group_id: str) -> bool:
    """Whether it was there."""
    query = group_entitlements.delete().where(
        group_entitlements.c.pool_id == pool_id, group_entitlements.c.group_id == group_id
    )
    return tx.execute(query).rowcount == 1


def listed(
    tx: sa.Connection,
    *,
    pool_id: str | None,
    user_id: str | None,
    group_id: str | None,
    after: Sequence[str] | None,
    limit: int,
) -> list[EntitlementRow]:
    """In the order of (pool, kind, subject); `after` is such a key. Of a user: through groups too."""
    of_users = sa.select(
        entitlements.c.pool_id,
        sa.literal("user").label("kind"),
        entitlements.c.user_id.label("subject_id"),
        users.c.subject.label("subject_name"),
        entitlements.c.created_at,
    ).join(users, users.c.id == entitlements.c.user_id)
    of_groups = sa.select(
        group_entitlements.c.pool_id,
        sa.literal("group").label("kind"),
        group_entitlements.c.group_id.label("subject_id"),
        groups.c.name.label("subject_name"),
        group_entitlements.c.created_at,
    ).join(groups, groups.c.id == group_entitlements.c.group_id)
    if user_id is not None:
        of_users = of_users.where(entitlements.c.user_id == user_id)
        theirs = sa.select(group_members.c.group_id).where(group_members.c.user_id == user_id)
        of_groups = of_groups.where(group_entitlements.c.group_id.in_(theirs))
    if group_id is not None:
        of_users = of_users.where(sa.false())
        of_groups = of_groups.where(group_entitlements.c.group_id == group_id)
    both = sa.union_all(of_users, of_groups).subquery()
    key = (both.c.pool_id, both.c.kind, both.c.subject_id)
    query = (
        sa.select(both, pools.c.name.label("pool_name"))
        .join(pools, pools.c.id == both.c.pool_id)
        .order_by(*key)
        .limit(limit)
    )
    if pool_id is not None:
        query = query.where(both.c.pool_id == pool_id)
    if after is not None:
        query = query.where(sa.tuple_(*key) > sa.tuple_(*after))
    return [
        EntitlementRow(
            pool_id=found["pool_id"],
            pool_name=found["pool_name"],
            kind=found["kind"],
            subject_id=found["subject_id"],
            subject_name=found["subject_name"],
            created_at=found["created_at"],
        )
        for found in tx.execute(query).mappings()
    ]


def pools_of_group(tx: sa.Connection, group_id: str) -> list[str]:
    """Ids of the pools that a group may use."""
    query = sa.select(group_entitlements.c.pool_id).where(group_entitlements.c.group_id == group_id)
    return list(tx.execute(query).scalars())
