"""Queries of users."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import sqlalchemy as sa

from frazil.controller.store import policies, quotas
from frazil.controller.store.rows import UserRow
from frazil.controller.store.tables import TENANT, users
from frazil.model.policy import Policy
from frazil.model.quota import Amounts
from frazil.wire.rest import Role

LOCAL_ISSUER = "local"
_BY_ID = sa.select(users).where(users.c.id == sa.bindparam("ref"))


def row(found: sa.RowMapping) -> UserRow:
    return UserRow(
        id=found["id"],
        name=found["subject"],
        display_name=found["display_name"],
        role=found["role"],
        password_hash=found["password_hash"],
        policy=policies.from_column(found["policy"]),
        quota=quotas.from_columns(found),
        version=found["version"],
        created_at=found["created_at"],
    )


def insert(
    tx: sa.Connection,
    *,
    id: str,
    name: str,
    display_name: str,
    role: Role,
    password_hash: str,
    policy: Policy | None = None,
    quota: Amounts | None = None,
    now: datetime,
) -> None:
    """Raises sqlalchemy's IntegrityError when the name is taken."""
    tx.execute(
        users.insert().values(
            id=id,
            tenant_id=TENANT,
            issuer=LOCAL_ISSUER,
            subject=name,
            display_name=display_name,
            role=role,
            password_hash=password_hash,
            policy=None if policy is None else policies.to_column(policy),
            **quotas.to_columns(quota or Amounts()),
            created_at=now,
        )
    )


def find(tx: sa.Connection, ref: str) -> UserRow | None:
    """By id or name."""
    found = tx.execute(_BY_ID, {"ref": ref}).mappings().first()
    if found is None:
        found = tx.execute(sa.select(users).where(users.c.subject == ref).limit(1)).mappings().first()
    return row(found) if found else None


def by_name(tx: sa.Connection, name: str) -> UserRow | None:
    query = sa.select(users).where(users.c.tenant_id == TENANT, users.c.issuer == LOCAL_ISSUER, users.c.subject == name)
    found = tx.execute(query).mappings().first()
    return row(found) if found else None


def listed(tx: sa.Connection, *, after: str | None, limit: int) -> list[UserRow]:
    query = sa.select(users).order_by(users.c.id).limit(limit)
    if after is not None:
        query = query.where(users.c.id > after)
    return [row(found) for found in tx.execute(query).mappings().all()]


def names(tx: sa.Connection, ids: Collection[str]) -> dict[str, str]:
    """These users' names by id."""
    return dict(tx.execute(sa.select(users.c.id, users.c.subject).where(users.c.id.in_(ids))).all())


def by_ids(tx: sa.Connection, ids: Collection[str]) -> dict[str, UserRow]:
    return {
        found["id"]: row(found) for found in tx.execute(sa.select(users).where(users.c.id.in_(ids))).mappings().all()
    }


def administrators(tx: sa.Connection) -> int:
    query = sa.select(sa.func.count()).select_from(users).where(users.c.role == "administrator")
    return int(tx.execute(query).scalar_one())


def lock_administrators(tx: sa.Connection) -> set[str]:
    """Their ids. Until the end of this transaction no other one gives or takes that role from any of them."""
    query = sa.select(users.c.id).where(users.c.role == "administrator").order_by(users.c.id).with_for_update()
    return set(tx.execute(query).scalars())


def set_password(tx: sa.Connection, user_id: str, password_hash: str) -> None:
    tx.execute(users.update().where(users.c.id == user_id).values(password_hash=password_hash))


def change(
    tx: sa.Connection, user_id: str, *, policy: Policy, quota: Amounts, role: Role, if_version: int, now: datetime
) -> bool:
    """Set all three and raise the version, if that is still `if_version`; whether it was."""
    query = users.update().where(users.c.id == user_id, users.c.version == if_version)
    values = {"policy": policies.to_column(policy), "role": role, "version": if_version + 1, "changed_at": now}
    return tx.execute(query.values(**values, **quotas.to_columns(quota))).rowcount == 1


def delete(tx: sa.Connection, user_id: str) -> None:
    tx.execute(users.delete().where(users.c.id == user_id))
