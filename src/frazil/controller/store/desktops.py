"""Queries of desktops: what is wanted of them, with what was seen of them; their disks."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache

import sqlalchemy as sa

from frazil.controller.store import failures, meta
from frazil.controller.store.reread import Reread
from frazil.controller.store.rows import DesktopRow, NewDesktop
from frazil.controller.store.tables import TENANT, desktop_seen, desktops, disks
from frazil.model.desktop import Epoch, Failure, Guest, Phase, Power, Seen, State
from frazil.wire.hostlink import Profile

AT_ONCE = 1000
"""So many rows are asked for in one statement; SQLite allows 32,766 parameters."""
LOOKED_AT = 20
"""So many free desktops are read at once: the first is as a rule as good as any of a thousand."""
KEPT_AT_LEAST = timedelta(hours=1)
"""So long nothing in the recycle bin goes after a controller has begun, or the time of day was set."""

_NEWEST = {"epoch_generation": meta.newest_generation(desktops.c.epoch_generation)}
"""Of every new attempt: after a restore it is newer than all that the backup did not know."""
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
_FREE = (
    desktops.c.assigned_user_id.is_(None),
    desktops.c.power.in_([Power.RUNNING.value, Power.PAUSED.value]),
)
"""Nobody's, and to be given away."""


@lru_cache(maxsize=1024)
def _profile(text: str) -> Profile:
    """One for all that have the same: there are few."""
    return Profile.model_validate(json.loads(text))


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
        profile=_profile(found["profile"]),
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


_WANTED = [sa.cast(one, sa.Text).label(one.name) if one.name == "profile" else one for one in desktops.c]
_SELECT = sa.select(*_WANTED, *_SEEN).select_from(
    desktops.outerjoin(desktop_seen, desktop_seen.c.desktop_id == desktops.c.id)
)
_BY_ID = _SELECT.where(desktops.c.id == sa.bindparam("ref"))
_BY_NAME = _SELECT.where(desktops.c.tenant_id == TENANT, desktops.c.name == sa.bindparam("ref"))
_FREE_ONES = (
    _SELECT.where(
        desktops.c.pool_id == sa.bindparam("pool_id"),
        *_FREE,
        desktop_seen.c.state == sa.bindparam("seen_state"),
        desktops.c.id > sa.bindparam("after"),
    )
    .order_by(desktops.c.id)
    .limit(sa.bindparam("most"))
)
_GIVE = (
    desktops.update()
    .where(
        desktops.c.id == sa.bindparam("desktop"),
        desktops.c.assigned_user_id.is_(None),
        desktops.c.kept_until.is_(None),
        desktops.c.failed_at.is_(None),
        desktops.c.power == sa.bindparam("as_power"),
        desktops.c.attempt == sa.bindparam("as_attempt"),
        desktops.c.host_id.is_not_distinct_from(sa.bindparam("as_host")),
    )
    .values(assigned_user_id=sa.bindparam("user"))
)
_INSERT = desktops.insert()
_INSERT_DISK = disks.insert()
"""Made once: to put such a statement together takes longer than to execute it."""


def insert(tx: sa.Connection, new: Sequence[NewDesktop], *, generation: int, now: datetime) -> None:
    """New desktops, at least one, wanted running, each with its overlay disk."""
    same = {"tenant_id": TENANT, "power": Power.RUNNING.value, "graceful": False, "attempt": 1, "measured_attempt": 0}
    same |= {"epoch_generation": generation, "announced": Phase.WAITING.value, "wanted_since": now, "created_at": now}
    rows = [
        {
            **same,
            "id": one.id,
            "name": one.name,
            "pool_id": one.pool.id,
            "image_id": one.pool.image_id,
            "profile": one.pool.profile.model_dump(mode="json"),
            "deadline_s": one.pool.start_deadline_s,
            "assigned_user_id": one.assigned_user_id,
            "host_id": one.host_id,
            "epoch_counter": 0 if one.host_id is None else 1,
        }
        for one in new
    ]
    tx.execute(_INSERT, rows)
    disk = {"tenant_id": TENANT, "position": 0, "role": "system", "writable": True, "exclusive": True}
    of_each = [
        {
            **disk,
            "id": one.disk_id,
            "desktop_id": one.id,
            "source": f"image:{one.pool.image_id}",
            "storage": "local",
            "host_id": one.host_id,
        }
        for one in new
    ]
    tx.execute(_INSERT_DISK, of_each)


def find(tx: sa.Connection, ref: str) -> DesktopRow | None:
    """By id or name. Each by its own index: together they would be a look at every row."""
    found = tx.execute(_BY_ID, {"ref": ref}).mappings().first()
    if found is None:
        found = tx.execute(_BY_NAME, {"ref": ref}).mappings().first()
    return _row(found) if found else None


def called(tx: sa.Connection, names: Collection[str]) -> set[str]:
    """Those of these names that a desktop has."""
    query = sa.select(desktops.c.name).where(desktops.c.tenant_id == TENANT, desktops.c.name.in_(names))
    return set(tx.execute(query).scalars())


def listed(
    tx: sa.Connection,
    *,
    pool_id: str | None = None,
    user_id: str | None = None,
    free: bool = False,
    deleted: bool | None = None,
    after: str | None = None,
    limit: int | None = None,
) -> list[DesktopRow]:
    """free: only those that are nobody's, and are wanted running or paused.

    deleted: only those in the recycle bin, or without them.
    """
    query = _SELECT.order_by(desktops.c.id)
    if free:
        query = query.where(*_FREE)
    if pool_id is not None:
        query = query.where(desktops.c.pool_id == pool_id)
    if user_id is not None:
        query = query.where(desktops.c.assigned_user_id == user_id)
    if deleted is not None:
        query = query.where(desktops.c.kept_until.is_not(None) if deleted else desktops.c.kept_until.is_(None))
    if after is not None:
        query = query.where(desktops.c.id > after)
    if limit is not None:
        query = query.limit(limit)
    return [_row(found) for found in tx.execute(query).mappings().all()]


def reread() -> Reread[DesktopRow]:
    """All of them, to be read again and again."""
    return Reread(_SELECT.order_by(desktops.c.id), _row, id=desktops.c.id, tables=[desktops, desktop_seen])


def free(tx: sa.Connection, *, pool_id: str, state: State) -> Iterator[DesktopRow]:
    """A pool's desktops that are nobody's, wanted running or paused, and were seen so, in the order of their ids.

    They are read as far as they are looked at, `LOOKED_AT` at once.
    """
    wanted, after = {"pool_id": pool_id, "seen_state": state.value, "most": LOOKED_AT}, ""
    while rows := tx.execute(_FREE_ONES, {**wanted, "after": after}).mappings().all():
        yield from map(_row, rows)
        after = rows[-1]["id"]


def on_hosts(tx: sa.Connection, host_ids: Collection[str]) -> list[DesktopRow]:
    """The desktops that are placed on these hosts, in the order of their ids."""
    query = _SELECT.where(desktops.c.host_id.in_(host_ids)).order_by(desktops.c.id)
    return [_row(found) for found in tx.execute(query).mappings().all()]


def by_ids(tx: sa.Connection, ids: Collection[str]) -> dict[str, DesktopRow]:
    query = _SELECT.where(desktops.c.id.in_(ids))
    return {found["id"]: _row(found) for found in tx.execute(query).mappings().all()}


def count(tx: sa.Connection, *, pool_id: str) -> int:
    query = sa.select(sa.func.count()).select_from(desktops).where(desktops.c.pool_id == pool_id)
    return int(tx.execute(query).scalar_one())


def count_by_host(tx: sa.Connection) -> dict[str, int]:
    query = sa.select(desktops.c.host_id, sa.func.count()).where(desktops.c.host_id.is_not(None))
    return {str(host): int(n) for host, n in tx.execute(query.group_by(desktops.c.host_id))}


def using_image(tx: sa.Connection, image_id: str) -> int:
    query = sa.select(sa.func.count()).select_from(desktops).where(desktops.c.image_id == image_id)
    return int(tx.execute(query).scalar_one())


def give(tx: sa.Connection, row: DesktopRow, *, user_id: str) -> DesktopRow | None:
    """The desktop as the user's; None when someone else was faster, or it is not any more as it was when `row` was
    read."""
    known = {"desktop": row.id, "as_power": row.power.value, "as_attempt": row.attempt, "as_host": row.host_id}
    if row.power is Power.ABSENT or tx.execute(_GIVE, known | {"user": user_id}).rowcount != 1:
        return None
    return replace(row, assigned_user_id=user_id)


def of_user(tx: sa.Connection, *, pool_id: str, user_id: str) -> DesktopRow | None:
    """The desktop of a pool that is a user's, and stays."""
    query = _SELECT.where(
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
    power = {"power": Power.ABSENT.value, "graceful": False, "restart": False, "attempt": attempt, **_NEWEST}
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
        **(_NEWEST if failed else {}),
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
        **_NEWEST,
        "failure": None,
        "failed_at": None,
    }
    tx.execute(query.values(values))


def place_anew(tx: sa.Connection, desktop_id: str, *, now: datetime) -> None:
    """Have it made again from its image, wherever there is room: its host, and what is on its disk, are given up."""
    retry(tx, desktop_id, now=now)
    tx.execute(desktops.update().where(desktops.c.id == desktop_id).values(host_id=None))
    tx.execute(disks.update().where(disks.c.desktop_id == desktop_id).values(host_id=None))


def adopt(tx: sa.Connection, desktop_id: str, *, epoch: Epoch, attempt: int, now: datetime) -> None:
    """Go on from a placement and an attempt that the database did not know; an earlier failure is forgotten."""
    values = {
        "epoch_generation": epoch.generation,
        "epoch_counter": epoch.counter,
        "attempt": attempt,
        "wanted_since": now,
        "failure": None,
        "failed_at": None,
    }
    tx.execute(desktops.update().where(desktops.c.id == desktop_id).values(values))


def take_back(tx: sa.Connection, desktop_id: str, *, host_id: str, epoch: Epoch, attempt: int, power: Power) -> None:
    """Of one that was just inserted: it is on this host already, and so. Its start is not to be timed."""
    values = {
        "host_id": host_id,
        "epoch_generation": epoch.generation,
        "epoch_counter": epoch.counter,
        "attempt": attempt,
        "measured_attempt": attempt,
        "power": power.value,
    }
    tx.execute(desktops.update().where(desktops.c.id == desktop_id).values(values))
    tx.execute(disks.update().where(disks.c.desktop_id == desktop_id).values(host_id=host_id))


def forget(tx: sa.Connection, ids: Sequence[str]) -> None:
    """Know nothing of these any more; what their hosts have of them stays there, as strays."""
    for begin in range(0, len(ids), AT_ONCE):
        tx.execute(desktops.delete().where(desktops.c.id.in_(ids[begin : begin + AT_ONCE])))


def fail(tx: sa.Connection, desktop_id: str, *, attempt: int, failure: Failure, now: datetime) -> bool:
    """Record why this attempt failed, if it is still the newest and has not failed yet."""
    query = desktops.update().where(
        desktops.c.id == desktop_id, desktops.c.attempt == attempt, desktops.c.failed_at.is_(None)
    )
    return tx.execute(query.values(failure=failures.to_json(failure), failed_at=now)).rowcount == 1


def announced(tx: sa.Connection, ids: Collection[str]) -> dict[str, tuple[Phase, str]]:
    """The phase that was written to the history of each of these desktops, and the id of its pool."""
    query = sa.select(desktops.c.id, desktops.c.announced, desktops.c.pool_id).where(desktops.c.id.in_(ids))
    return {id: (Phase(phase), pool_id) for id, phase, pool_id in tx.execute(query)}


def announce(
    tx: sa.Connection, ids: Collection[str], *, phase: Phase, measured: bool, clock_from: datetime | None
) -> None:
    """Keep the phase that was written to these desktops' histories. `clock_from`: their deadlines count from here."""
    values: dict[str, object] = {"announced": phase.value}
    if measured:
        values["measured_attempt"] = desktops.c.attempt
    if clock_from is not None:
        values["wanted_since"] = clock_from
    tx.execute(desktops.update().where(desktops.c.id.in_(ids)).values(values))


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


def unassign(tx: sa.Connection, desktop_id: str) -> None:
    """Its user is gone. Only for a desktop that is deleted: nobody else gets what they left in it."""
    deleted = sa.or_(desktops.c.power == Power.ABSENT.value, desktops.c.kept_until.is_not(None))
    query = desktops.update().where(desktops.c.id == desktop_id, deleted)
    tx.execute(query.values(assigned_user_id=None))
