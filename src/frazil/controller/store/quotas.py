"""Quotas, and what is used of them. A quota's columns are in the row of the user or the group that it is of."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa

from frazil.controller.store.rows import QuotaRow
from frazil.controller.store.tables import desktops, group_members, groups, sessions, users
from frazil.model.desktop import Power
from frazil.model.quota import ORDER, Amounts

_PREFIX = "quota_"


def to_columns(quota: Amounts) -> dict[str, int]:
    return {_PREFIX + what: quota.of(what) for what in ORDER}


def from_columns(found: sa.RowMapping) -> Amounts:
    return Amounts(**{what: found[_PREFIX + what] for what in ORDER})


def _limits(table: sa.Table) -> sa.ColumnElement[bool]:
    return sa.or_(*(table.c[_PREFIX + what] > 0 for what in ORDER))


_HOLD_USER = sa.select(users).where(users.c.id == sa.bindparam("held")).with_for_update(key_share=True)
_HOLD_GROUPS = (
    sa.select(groups)
    .join(group_members, group_members.c.group_id == groups.c.id)
    .where(group_members.c.user_id == sa.bindparam("held"), _limits(groups))
    .order_by(groups.c.id)  # in one order, so that no two wait for each other
    .with_for_update(key_share=True, of=groups)
)


def hold(tx: sa.Connection, user_id: str) -> list[QuotaRow]:
    """The quotas that hold for a user: their own, then those of their groups.

    Until the end of this transaction nobody else gives the user anything, nor anybody else of such a group: whoever is
    about to waits here. Ask for this before anything else of the transaction is read or locked.
    """
    held = [
        QuotaRow(kind="user", id=found["id"], name=found["subject"], quota=from_columns(found))
        for found in tx.execute(_HOLD_USER, {"held": user_id}).mappings()
    ]
    held += [
        QuotaRow(kind="group", id=found["id"], name=found["name"], quota=from_columns(found))
        for found in tx.execute(_HOLD_GROUPS, {"held": user_id}).mappings()
    ]
    return [row for row in held if row.quota.limits]


def used_by_users(tx: sa.Connection, ids: Collection[str]) -> dict[str, Amounts]:
    """What each user uses now; one that uses nothing is named too."""
    return _used(tx, sa.select(users.c.id.label("owner"), users.c.id.label("user_id")).where(users.c.id.in_(ids)), ids)


def used_by_groups(tx: sa.Connection, ids: Collection[str]) -> dict[str, Amounts]:
    """What all who are in a group use together, of each."""
    members = sa.select(group_members.c.group_id.label("owner"), group_members.c.user_id)
    return _used(tx, members.where(group_members.c.group_id.in_(ids)), ids)


def _used(tx: sa.Connection, owners: sa.Select[tuple[str, str]], ids: Collection[str]) -> dict[str, Amounts]:
    """`owners`: who (`user_id`) is counted for whom (`owner`)."""
    whose = owners.subquery()
    in_session = sa.select(sessions.c.id).where(sessions.c.desktop_id == desktops.c.id, sessions.c.ended_at.is_(None))
    takes = sa.or_(
        desktops.c.power.in_([Power.RUNNING.value, Power.PAUSED.value]), desktops.c.restart, in_session.exists()
    )
    of_desktops = (
        sa.select(
            whose.c.owner,
            sa.func.count().label("desktops"),
            _sum_where(takes, desktops.c.profile["vcpus"].as_integer()).label("vcpus"),
            _sum_where(takes, desktops.c.profile["memory_mib"].as_integer()).label("memory_mib"),
        )
        .join(desktops, desktops.c.assigned_user_id == whose.c.user_id)
        .where(desktops.c.power != Power.ABSENT.value)
        .group_by(whose.c.owner)
    )
    of_sessions = (
        sa.select(whose.c.owner, sa.func.count().label("sessions"))
        .join(sessions, sessions.c.user_id == whose.c.user_id)
        .where(sessions.c.ended_at.is_(None))
        .group_by(whose.c.owner)
    )
    found: dict[str, dict[str, int]] = {id: {} for id in ids}
    for query in (of_desktops, of_sessions):
        for row in tx.execute(query).mappings():
            found[row["owner"]] |= {what: int(row[what]) for what in ORDER if what in row}
    return {id: Amounts(**amounts) for id, amounts in found.items()}


def _sum_where(condition: sa.ColumnElement[bool], amount: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
    return sa.func.coalesce(sa.func.sum(sa.case((condition, amount), else_=0)), 0)
