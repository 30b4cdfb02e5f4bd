"""Queries of desktops: what is wanted of them, what was seen of them, their disks."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

import sqlalchemy as sa

from frazil.controller.store import failures
from frazil.controller.store.rows import DesktopRow, PoolRow, SeenRow
from frazil.controller.store.tables import TENANT, desktop_seen, desktops, disks
from frazil.controller.store.upsert import upsert
from frazil.model.desktop import Epoch, Failure, Guest, Phase, Power, Seen, State
from frazil.wire.hostlink import Profile

KEPT_AT_LEAST = timedelta(hours=1)
"""So long nothing in the recycle bin goes after a controller has begun, or the time of day was set."""

_SEEN = [
    desktop_seen.c.state,
    desktop_seen.c.guest,
    desktop_seen.c.epoch_generation.label("seen_generation"),
    desktop_seen.c.epoch_counter.label("seen_counter"),
    desktop_seen.c.attempt.label("seen_attempt"),
    desktop_seen.c.failure.label("seen_failure"),
    desktop_seen.c.step,
    desktop_seen.c.started_at,
    desktop_seen.c.observed_at,
]


def _row(found: sa.RowMapping) -> DesktopRow:
    seen = None
    if found["state"] is not None:
        seen = Seen(
            state=State(found["state"]),
            guest=Guest(found["guest"]),
            epoch=Epoch(found["seen_generation"], found["seen_counter"]),
            attempt=found["seen_attempt"],
            failure=failures.from_json(found["seen_failure"]),
            observed_at=found["observed_at"],
        )
    return DesktopRow(
        id=found["id"],
        name=found["name"],
        pool_id=found["pool_id"],
        image_id=found["image_id"],
        profile=Profile.model_validate(found["profile"]),
        power=Power(found["power"]),
        graceful=found["graceful"],
        restart=found["restart"],
        epoch=Epoch(found["epoch_generation"], found["epoch_counter"]),
        attempt=found["attempt"],
        host_id=found["host_id"],
        assigned_user_id=found["assigned_user_id"],
        wanted_since=found["wanted_since"],
        deadline_s=found["deadline_s"],
        failure=failures.from_json(found["failure"]),
        failed_at=found["failed_at"],
        kept_until=found["kept_until"],
        kept_for=found["kept_for"],
        announced=Phase(found["announced"]),
        measured_attempt=found["measured_attempt"],
        created_at=found["created_at"],
        seen=seen,
        step=found["step"] or "",
        started_at=found["started_at"],
    )


def _select() -> sa.Select[tuple[object, ...]]:
    joined = desktops.outerjoin(desktop_seen, desktop_seen.c.desktop_id == desktops.c.id)
    return sa.select(desktops, *_SEEN).select_from(joined)


def insert(
    tx: sa.Connection,
    *,
    id: str,
    disk_id: str,
    name: str,
    pool: PoolRow,
    generation: int,
    assigned_user_id: str | None,
    now: datetime,
) -> None:
    """A new desktop of `pool`, wanted running and placed nowhere yet, with its overlay disk."""
    tx.execute(
        desktops.insert().values(
            id=id,
            tenant_id=TENANT,
            name=name,
            pool_id=pool.id,
            image_id=pool.image_id,
            profile=pool.profile.model_dump(mode="json"),
            power=Power.RUNNING.value,
            graceful=False,
            epoch_generation=generation,
            epoch_counter=0,
            attempt=1,
            assigned_user_id=assigned_user_id,
            wanted_since=now,
            deadline_s=pool.start_deadline_s,
            announced=Phase.WAITING.value,
            measured_attempt=0,
            created_at=now,
        )
    )
    tx.execute(
        disks.insert().values(
            id=disk_id,
            tenant_id=TENANT,
            desktop_id=id,
            position=0,
            role="system",
            source=f"image:{pool.image_id}",
            writable=True,
            exclusive=True,
            storage="local",
        )
    )


def find(tx: sa.Connection, ref: str) -> DesktopRow | None:
    """By id or name."""
    query = _select().where(sa.or_(desktops.c.id == ref, desktops.c.name == ref)).limit(1)
    found = tx.execute(query).mappings().first()
    return _row(found) if found else None


def listed(
    tx: sa.Connection,
    *,
    pool_id: str | None = None,
    user_id: str | None = None,
    host_id: str | None = None,
    deleted: bool | None = None,
    after: str | None = None,
    limit: int | None = None,
) -> list[DesktopRow]:
    """deleted: only those in the recycle bin, or without them."""
    query = _select().order_by(desktops.c.id)
    if pool_id is not None:
        query = query.where(desktops.c.pool_id == pool_id)
    if user_id is not None:
        query = query.where(desktops.c.assigned_user_id == user_id)
    if host_id is not None:
        query = query.where(desktops.c.host_id == host_id)
    if deleted is not None:
        query = query.where(desktops.c.kept_until.is_not(None) if deleted else desktops.c.kept_until.is_(None))
    if after is not None:
        query = query.where(desktops.c.id > after)
    if limit is not None:
        query = query.limit(limit)
    return [_row(found) for found in tx.execute(query).mappings()]


def by_ids(tx: sa.Connection, ids: Collection[str]) -> dict[str, DesktopRow]:
    query = _select().where(desktops.c.id.in_(ids))
    return {found["id"]: _row(found) for found in tx.execute(query).mappings()}


def count(tx: sa.Connection, *, pool_id: str) -> int:
    query = sa.select(sa.func.count()).select_from(desktops).where(desktops.c.pool_id == pool_id)
    return int(tx.execute(query).scalar_one())


def count_by_host(tx: sa.Connection) -> dict[str, int]:
    query = sa.select(desktops.c.host_id, sa.func.count()).where(desktops.c.host_id.is_not(None))
    return {str(host): int(n) for host, n in tx.execute(query.group_by(desktops.c.host_id))}


def using_image(tx: sa.Connection, image_id: str) -> int:
    query = sa.select(sa.func.count()).select_from(desktops).where(desktops.c.image_id == image_id)
    return int(tx.execute(query).scalar_one())


def assign(tx: sa.Connection, desktop_id: str, *, user_id: str) -> bool:
    """Give an unassigned desktop to a user; False when someone else was faster or it is being removed."""
    query = desktops.update().where(
        desktops.c.id == desktop_id,
        desktops.c.assigned_user_id.is_(None),
        desktops.c.power != Power.ABSENT.value,
        desktops.c.kept_until.is_(None),
    )
    return tx.execute(query.values(assigned_user_id=user_id)).rowcount == 1


def of_user(tx: sa.Connection, *, pool_id: str, user_id: str) -> DesktopRow | None:
    """The desktop of a pool that is a user's, and stays."""
    query = _select().where(
        desktops.c.pool_id == pool_id,
        desktops.c.assigned_user_id == user_id,
        desktops.c.power != Power.ABSENT.value,
        desktops.c.kept_until.is_(None),
    )
    found = tx.execute(query.order_by(desktops.c.id).limit(1)).mappings().first()
    return _row(found) if found else None


def set_aside(tx: sa.Connection, desktop_id: str) -> None:
    """A failed desktop is its user's no more. A retry throws away what it was, so nobody gets what is in it."""
    query = desktops.update().where(desktops.c.id == desktop_id, desktops.c.failed_at.is_not(None))
    tx.execute(query.values(assigned_user_id=None))


def place(tx: sa.Connection, desktop_id: str, *, host_id: str) -> bool:
    """Place a desktop that is placed nowhere, under a new epoch."""
    query = desktops.update().where(desktops.c.id == desktop_id, desktops.c.host_id.is_(None))
    placed = tx.execute(query.values(host_id=host_id, epoch_counter=desktops.c.epoch_counter + 1)).rowcount == 1
    if placed:
        tx.execute(disks.update().where(disks.c.desktop_id == desktop_id).values(host_id=host_id))
    return placed


def want(
    tx: sa.Connection, desktop_id: str, *, power: Power, graceful: bool, restart: bool = False, now: datetime
) -> None:
    """Want another power; to `restart`, running again once it is stopped. One that is wanted absent stays so."""
    query = desktops.update().where(desktops.c.id == desktop_id, desktops.c.power != Power.ABSENT.value)
    tx.execute(query.values(power=power.value, graceful=graceful, restart=restart, wanted_since=now))


def want_absent(tx: sa.Connection, desktop_id: str, *, now: datetime) -> bool:
    """Want a desktop gone, as a new attempt: only an absence seen after the host knows of this wish counts."""
    query = desktops.update().where(desktops.c.id == desktop_id, desktops.c.power != Power.ABSENT.value)
    return tx.execute(query.values(_gone(now))).rowcount == 1


def _gone(now: datetime) -> dict[str, object]:
    attempt = desktops.c.attempt + 1
    power = {"power": Power.ABSENT.value, "graceful": False, "restart": False, "attempt": attempt}
    return {**power, "wanted_since": now, "kept_until": None, "kept_for": None}


def keep(tx: sa.Connection, desktop_id: str, *, until: datetime, whose: str, failed: bool, now: datetime) -> None:
    """Have it shut down and keep it until then. One that has failed does so in a new attempt, which forgets that."""
    query = desktops.update().where(
        desktops.c.id == desktop_id, desktops.c.power != Power.ABSENT.value, desktops.c.kept_until.is_(None)
    )
    values = {
        "power": Power.STOPPED.value,
        "graceful": True,
        "restart": False,
        "wanted_since": now,
        "attempt": desktops.c.attempt + int(failed),
        "failure": None,
        "failed_at": None,
        "kept_until": until,
        "kept_for": whose,
    }
    tx.execute(query.values(values))


def restore(tx: sa.Connection, desktop_id: str, *, user_id: str, now: datetime) -> bool:
    """Take it back as the user's, shut down; whether it was kept still."""
    query = desktops.update().where(desktops.c.id == desktop_id, desktops.c.kept_until.is_not(None))
    values = {"kept_until": None, "kept_for": None, "assigned_user_id": user_id, "wanted_since": now}
    return tx.execute(query.values(values)).rowcount == 1


def end_kept(tx: sa.Connection, desktop_id: str, *, now: datetime) -> bool:
    """Want one gone whose time is over; whether it was kept still, and its time was over."""
    query = desktops.update().where(desktops.c.id == desktop_id, desktops.c.kept_until <= now)
    return tx.execute(query.values(_gone(now))).rowcount == 1


def retry(tx: sa.Connection, desktop_id: str, *, now: datetime) -> None:
    """A new attempt at running; an earlier failure is forgotten."""
    query = desktops.update().where(desktops.c.id == desktop_id, desktops.c.power != Power.ABSENT.value)
    values = {
        "power": Power.RUNNING.value,
        "graceful": False,
        "restart": False,
        "wanted_since": now,
        "attempt": desktops.c.attempt + 1,
        "failure": None,
        "failed_at": None,
    }
    tx.execute(query.values(values))


def fail(tx: sa.Connection, desktop_id: str, *, attempt: int, failure: Failure, now: datetime) -> bool:
    """Record why this attempt failed, if it is still the newest and has not failed yet."""
    query = desktops.update().where(
        desktops.c.id == desktop_id, desktops.c.attempt == attempt, desktops.c.failed_at.is_(None)
    )
    return tx.execute(query.values(failure=failures.to_json(failure), failed_at=now)).rowcount == 1


def announce(tx: sa.Connection, desktop_id: str, *, phase: Phase, measured: bool, clock_from: datetime | None) -> None:
    """Keep the phase that was written to the history. `clock_from`: the deadline counts from here, where given."""
    values: dict[str, object] = {"announced": phase.value}
    if measured:
        values["measured_attempt"] = desktops.c.attempt
    if clock_from is not None:
        values["wanted_since"] = clock_from
    tx.execute(desktops.update().where(desktops.c.id == desktop_id).values(values))


def restart_clocks(tx: sa.Connection, *, now: datetime) -> None:
    """The deadlines of all that is on its way count from now. How long such a start took is not known any more.

    What is kept after it was deleted is kept for `KEPT_AT_LEAST` from now.
    """
    query = desktops.update().where(
        desktops.c.announced.in_([Phase.WAITING.value, Phase.STARTING.value]),
        desktops.c.power.in_([Power.RUNNING.value, Power.PAUSED.value]),
        desktops.c.failed_at.is_(None),
    )
    tx.execute(query.values(wanted_since=now, measured_attempt=desktops.c.attempt))
    # A clock that runs ahead, as before it is set, ends nothing that is kept.
    soonest = now + KEPT_AT_LEAST
    tx.execute(desktops.update().where(desktops.c.kept_until < soonest).values(kept_until=soonest))


def delete(tx: sa.Connection, desktop_id: str) -> bool:
    """Forget a desktop that is wanted absent, with its disks and what was seen of it."""
    query = desktops.delete().where(desktops.c.id == desktop_id, desktops.c.power == Power.ABSENT.value)
    return tx.execute(query).rowcount == 1


def saw(tx: sa.Connection, seen: SeenRow, *, host_id: str, now: datetime) -> bool:
    """Keep an observation by a host; whether it was kept.

    It is not when the desktop is unknown or placed elsewhere, or a newer placement or attempt was seen already.
    When a failure that passes is seen no more, the desktop's deadline counts from now.
    """
    placed_on = tx.execute(sa.select(desktops.c.host_id).where(desktops.c.id == seen.desktop_id)).scalar()
    if placed_on != host_id:
        return False
    kept = tx.execute(
        sa.select(
            desktop_seen.c.epoch_generation,
            desktop_seen.c.epoch_counter,
            desktop_seen.c.attempt,
            desktop_seen.c.failure,
        ).where(desktop_seen.c.desktop_id == seen.desktop_id)
    ).first()
    if kept is not None and tuple(kept)[:3] > (seen.epoch.generation, seen.epoch.counter, seen.attempt):
        return False
    values = {
        "desktop_id": seen.desktop_id,
        "tenant_id": TENANT,
        "state": seen.state.value,
        "guest": seen.guest.value,
        "epoch_generation": seen.epoch.generation,
        "epoch_counter": seen.epoch.counter,
        "attempt": seen.attempt,
        "failure": failures.to_json(seen.failure),
        "step": seen.step,
        "started_at": seen.started_at,
        "observed_at": seen.observed_at,
        "source": seen.source,
    }
    upsert(tx, desktop_seen, values, keys=["desktop_id"])
    before = failures.from_json(kept.failure) if kept is not None else None
    if before is not None and before.passes and before != seen.failure:
        tx.execute(desktops.update().where(desktops.c.id == seen.desktop_id).values(wanted_since=now))
    return True


def unassign(tx: sa.Connection, desktop_id: str) -> None:
    """Its user is gone. Only for a desktop that is deleted: nobody else gets what they left in it."""
    deleted = sa.or_(desktops.c.power == Power.ABSENT.value, desktops.c.kept_until.is_not(None))
    query = desktops.update().where(desktops.c.id == desktop_id, deleted)
    tx.execute(query.values(assigned_user_id=None))
