"""Queries of pools, and of how long their desktops took to start."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa

from frazil.controller.store import entitlements, policies
from frazil.controller.store.rows import PoolRow
from frazil.controller.store.tables import TENANT, pools, starts
from frazil.wire.hostlink import Profile

STARTS_KEPT = 20
_BY_REF = (
    sa.select(pools).where(sa.or_(pools.c.id == sa.bindparam("ref"), pools.c.name == sa.bindparam("ref"))).limit(1)
)


def _row(found: sa.RowMapping) -> PoolRow:
    return PoolRow(
        id=found["id"],
        name=found["name"],
        label=found["label"],
        image_id=found["image_id"],
        profile=Profile.model_validate(found["profile"]),
        spares=found["spares"],
        max_desktops=found["max_desktops"],
        start_deadline_s=found["start_deadline_s"],
        start=found["start"],
        pause_after_s=found["pause_after_s"],
        share_memory=found["share_memory"],
        kind=found["kind"],
        assignment=found["assignment"],
        at_sign_out=found["at_sign_out"],
        grace_s=found["grace_s"],
        longest_s=found["longest_s"],
        idle_s=found["idle_s"],
        max_sessions=found["max_sessions"],
        keep_deleted_s=found["keep_deleted_s"],
        host_labels=found["host_labels"],
        placement=found["placement"],
        apart_by=found["apart_by"],
        policy=policies.from_column(found["policy"]),
        version=found["version"],
        deleting=found["deleting"],
        created_at=found["created_at"],
        changed_at=found["changed_at"],
    )


def insert(tx: sa.Connection, pool: PoolRow) -> None:
    """Raises sqlalchemy's IntegrityError when the name is taken."""
    tx.execute(
        pools.insert().values(
            id=pool.id,
            tenant_id=TENANT,
            name=pool.name,
            label=pool.label,
            image_id=pool.image_id,
            profile=pool.profile.model_dump(mode="json"),
            spares=pool.spares,
            max_desktops=pool.max_desktops,
            start_deadline_s=pool.start_deadline_s,
            start=pool.start,
            pause_after_s=pool.pause_after_s,
            share_memory=pool.share_memory,
            kind=pool.kind,
            assignment=pool.assignment,
            at_sign_out=pool.at_sign_out,
            grace_s=pool.grace_s,
            longest_s=pool.longest_s,
            idle_s=pool.idle_s,
            max_sessions=pool.max_sessions,
            keep_deleted_s=pool.keep_deleted_s,
            host_labels=pool.host_labels,
            placement=pool.placement,
            apart_by=pool.apart_by,
            policy=policies.to_column(pool.policy),
            version=pool.version,
            deleting=pool.deleting,
            next_number=1,
            created_at=pool.created_at,
            changed_at=pool.changed_at,
        )
    )


def find(tx: sa.Connection, ref: str) -> PoolRow | None:
    """By id or name."""
    found = tx.execute(_BY_REF, {"ref": ref}).mappings().first()
    return _row(found) if found else None


def hold(tx: sa.Connection, pool_id: str) -> PoolRow | None:
    """As it is now. Until the end of this transaction no other one changes it, makes a desktop in it, or counts what
    is in use of it: whoever is about to waits here."""
    query = sa.select(pools).where(pools.c.id == pool_id).with_for_update(key_share=True)
    found = tx.execute(query).mappings().first()
    return _row(found) if found else None


def listed(
    tx: sa.Connection, *, for_user: str | None = None, after: str | None = None, limit: int | None = None
) -> list[PoolRow]:
    """All pools, or those that `for_user` may use."""
    query = sa.select(pools).order_by(pools.c.id)
    if for_user is not None:
        query = query.where(entitlements.some(pools.c.id, for_user), pools.c.deleting.is_(False))
    if after is not None:
        query = query.where(pools.c.id > after)
    if limit is not None:
        query = query.limit(limit)
    return [_row(found) for found in tx.execute(query).mappings().all()]


def by_ids(tx: sa.Connection, ids: Collection[str]) -> dict[str, PoolRow]:
    return {
        found["id"]: _row(found) for found in tx.execute(sa.select(pools).where(pools.c.id.in_(ids))).mappings().all()
    }


def change(tx: sa.Connection, pool_id: str, *, if_version: int, now: datetime, values: Mapping[str, object]) -> bool:
    """Set `values` and raise the version, if it is still `if_version`; whether it was."""
    query = pools.update().where(pools.c.id == pool_id, pools.c.version == if_version)
    return tx.execute(query.values(**values, version=if_version + 1, changed_at=now)).rowcount == 1


def mark_deleting(tx: sa.Connection, pool_id: str, *, now: datetime) -> None:
    query = pools.update().where(pools.c.id == pool_id)
    tx.execute(query.values(deleting=True, version=pools.c.version + 1, changed_at=now))


def keep_none(tx: sa.Connection, pool_id: str) -> None:
    """What is deleted of it from now on goes at once."""
    query = pools.update().where(pools.c.id == pool_id)
    tx.execute(query.values(keep_deleted_s=0, version=pools.c.version + 1))


def mark_restored(tx: sa.Connection, pool_id: str, *, now: datetime) -> None:
    """It is not being deleted any more."""
    query = pools.update().where(pools.c.id == pool_id)
    tx.execute(query.values(deleting=False, version=pools.c.version + 1, changed_at=now))


def delete(tx: sa.Connection, pool_id: str) -> bool:
    return tx.execute(pools.delete().where(pools.c.id == pool_id, pools.c.deleting.is_(True))).rowcount == 1


def take_numbers(tx: sa.Connection, pool_id: str, count: int) -> range:
    """The numbers of the pool's next desktops; none is ever given twice."""
    query = pools.update().where(pools.c.id == pool_id).values(next_number=pools.c.next_number + count)
    after = int(tx.execute(query.returning(pools.c.next_number)).scalar_one())
    return range(after - count, after)


def using_image(tx: sa.Connection, image_id: str) -> list[str]:
    """Names of the pools that use an image."""
    return list(tx.execute(sa.select(pools.c.name).where(pools.c.image_id == image_id)).scalars())


def add_starts(tx: sa.Connection, *, pool_id: str, seconds: Sequence[float], now: datetime) -> None:
    """Keep measured starts, at least one; a pool's newest `STARTS_KEPT` are kept."""
    same = {"tenant_id": TENANT, "pool_id": pool_id, "at": now}
    tx.execute(starts.insert(), [{**same, "seconds": one} for one in seconds[-STARTS_KEPT:]])
    newest = sa.select(starts.c.seq).where(starts.c.pool_id == pool_id).order_by(starts.c.seq.desc())
    kept = newest.limit(STARTS_KEPT).subquery()
    tx.execute(starts.delete().where(starts.c.pool_id == pool_id, starts.c.seq.not_in(sa.select(kept.c.seq))))


def last_starts(tx: sa.Connection) -> dict[str, datetime]:
    """When each pool's newest measured start ended; a pool without one is not named."""
    query = sa.select(starts.c.pool_id, sa.func.max(starts.c.at)).group_by(starts.c.pool_id)
    return {str(pool_id): at for pool_id, at in tx.execute(query)}


def start_seconds(tx: sa.Connection, pool_ids: Collection[str]) -> dict[str, list[float]]:
    """The last measured starts of each pool."""
    found: dict[str, list[float]] = {pool_id: [] for pool_id in pool_ids}
    query = sa.select(starts.c.pool_id, starts.c.seconds).where(starts.c.pool_id.in_(pool_ids))
    for pool_id, seconds in tx.execute(query):
        found[pool_id].append(seconds)
    return found
