"""Policies as they are kept with pools and users, and what they come to for a session."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from frazil.controller.store.rows import SessionPolicyRow
from frazil.controller.store.tables import pools, sessions, users
from frazil.model.policy import Policy
from frazil.wire.policy import PolicyField


def to_column(policy: Policy) -> dict[str, object] | None:
    """Null for the policy that forbids nothing: such a row also takes over what a later version allows besides."""
    return None if policy == Policy() else PolicyField.of(policy).model_dump(mode="json")


def from_column(found: object) -> Policy:
    return Policy() if found is None else PolicyField.model_validate(found).value()


_OPEN_SESSIONS = (
    sa.select(
        sessions.c.id,
        pools.c.policy.label("pool_policy"),
        pools.c.version.label("pool_version"),
        users.c.policy.label("user_policy"),
        users.c.version.label("user_version"),
    )
    .join(pools, pools.c.id == sessions.c.pool_id)
    .join(users, users.c.id == sessions.c.user_id)
    .where(sessions.c.ended_at.is_(None))
)

_OF_SESSION = _OPEN_SESSIONS.where(sessions.c.id == sa.bindparam("session"))


def _row(found: sa.RowMapping) -> SessionPolicyRow:
    return SessionPolicyRow(
        session_id=found["id"],
        policy=from_column(found["pool_policy"]).narrowed(from_column(found["user_policy"])),
        version=found["pool_version"] + found["user_version"],
    )


def of_session(tx: sa.Connection, session_id: str) -> SessionPolicyRow | None:
    """None when there is no such open session."""
    found = tx.execute(_OF_SESSION, {"session": session_id}).mappings().first()
    return None if found is None else _row(found)


def changed_since(tx: sa.Connection, since: datetime) -> list[SessionPolicyRow]:
    """Of each open session whose pool or user was changed in any way at or after `since`."""
    changed_pools = list(tx.execute(sa.select(pools.c.id).where(pools.c.changed_at >= since)).scalars())
    changed_users = list(tx.execute(sa.select(users.c.id).where(users.c.changed_at >= since)).scalars())
    if not changed_pools and not changed_users:
        return []  # Almost always: this is asked after every commit, and open sessions are many.
    query = _OPEN_SESSIONS.where(sa.or_(sessions.c.pool_id.in_(changed_pools), sessions.c.user_id.in_(changed_users)))
    return [_row(found) for found in tx.execute(query.order_by(sessions.c.id)).mappings().all()]
