"""Queries of hosts and of the strays on them."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa

from frazil.controller.store.rows import HostBrief, HostRow, StrayRow
from frazil.controller.store.tables import TENANT, desktops, hosts, placements, strays
from frazil.controller.store.upsert import insert_new, upsert_all
from frazil.model.errors import NotFound
from frazil.wire.hostlink import Capabilities, HostLoad, Stray


def _row(found: sa.RowMapping) -> HostRow:
    return HostRow(
        id=found["id"],
        name=found["name"],
        version=found["version"],
        capabilities=Capabilities.model_validate(found["capabilities"]),
        load=None if found["load"] is None else HostLoad.model_validate(found["load"]),
        last_seen_at=found["last_seen_at"],
        desired_generation=found["desired_generation"],
        announced=found["announced"],
        maintenance=found["maintenance"],
        labels=found["labels"],
        revision=found["revision"],
        address=found["address"],
        displays_port=found["displays_port"],
        created_at=found["created_at"],
    )


GENERATIONS = 1000
_IN_MAINTENANCE = sa.select(hosts.c.id).where(hosts.c.maintenance)
_BRIEF = sa.select(
    hosts.c.id,
    hosts.c.name,
    hosts.c.announced,
    hosts.c.maintenance,
    hosts.c.labels,
    hosts.c.capabilities["vcpus"].as_integer(),
)


def hello(
    tx: sa.Connection,
    *,
    id: str,
    name: str,
    version: str,
    capabilities: Capabilities,
    now: datetime,
    address: str = "",
    displays_port: int = 0,
) -> range:
    """A host said who it is: one row a host, made or brought up to date. Its first block of generations.

    address: where other machines reach it; empty for the machine that gateway and controller are on. displays_port:
    where its server hands out displays and images there; 0: nowhere.
    """
    said: dict[str, object] = {"name": name, "version": version, "capabilities": capabilities.model_dump(mode="json")}
    said |= {"last_seen_at": now, "address": address, "displays_port": displays_port}
    updated = tx.execute(hosts.update().where(hosts.c.id == id).values(said)).rowcount
    if updated == 0:
        # It dials every controller at once: another one may have just written the same.
        insert_new(tx, hosts, {"id": id, "tenant_id": TENANT, "created_at": now, **said}, keys=["id"])
    return take_generations(tx, id)


def find(tx: sa.Connection, ref: str) -> HostRow | None:
    """By id or name."""
    found = tx.execute(sa.select(hosts).where(hosts.c.id == ref)).mappings().first()
    if found is None:
        by_name = sa.select(hosts).where(hosts.c.name == ref).order_by(hosts.c.id).limit(1)
        found = tx.execute(by_name).mappings().first()
    return _row(found) if found else None


def listed(tx: sa.Connection, *, after: str | None = None, limit: int | None = None) -> list[HostRow]:
    query = sa.select(hosts).order_by(hosts.c.id)
    if after is not None:
        query = query.where(hosts.c.id > after)
    if limit is not None:
        query = query.limit(limit)
    return [_row(found) for found in tx.execute(query).mappings().all()]


def brief(tx: sa.Connection) -> list[HostBrief]:
    """All hosts without what is long, in the order of their ids."""
    return [HostBrief(*found) for found in tx.execute(_BRIEF.order_by(hosts.c.id))]


def loads(tx: sa.Connection, ids: Collection[str]) -> dict[str, HostLoad]:
    """What these hosts said last of their load, where they said anything."""
    query = sa.select(hosts.c.id, hosts.c.load).where(hosts.c.id.in_(ids), hosts.c.load.is_not(None))
    return {id: HostLoad.model_validate(load) for id, load in tx.execute(query)} if ids else {}


def address_of(tx: sa.Connection, host_id: str) -> str:
    """Where a gateway asks for the host's displays, HOST:PORT; empty for this machine."""
    found = tx.execute(sa.select(hosts.c.address, hosts.c.displays_port).where(hosts.c.id == host_id)).first()
    if found is None or not found.address:
        return ""
    host = f"[{found.address}]" if ":" in found.address else found.address
    return f"{host}:{found.displays_port}"


def named(tx: sa.Connection, ids: Collection[str]) -> dict[str, HostBrief]:
    """These hosts by id, without what is long."""
    return {found.id: HostBrief(*found) for found in tx.execute(_BRIEF.where(hosts.c.id.in_(ids)))}


def take_generations(tx: sa.Connection, host_id: str) -> range:
    """Numbers for what this host is told. They only ever grow, restarts included.

    They are taken in blocks of `GENERATIONS`, so that telling a host something needs no write. Raises NotFound.
    """
    query = hosts.update().where(hosts.c.id == host_id)
    tx.execute(query.values(desired_generation=hosts.c.desired_generation + GENERATIONS))
    last = tx.execute(sa.select(hosts.c.desired_generation).where(hosts.c.id == host_id)).scalar()
    if last is None:
        raise NotFound("The host was forgotten.", remedy="Let its server say hello anew.")
    return range(last - GENERATIONS + 1, last + 1)


def heard(tx: sa.Connection, loads: Mapping[str, HostLoad | None], *, at: datetime) -> None:
    """These hosts were heard, and said so of their load, where they said anything."""
    query = hosts.update().where(hosts.c.id == sa.bindparam("host")).values(last_seen_at=at)
    silent = [{"host": host_id} for host_id, load in loads.items() if load is None]
    told = [
        {"host": host_id, "load": load.model_dump(mode="json")} for host_id, load in loads.items() if load is not None
    ]
    if silent:
        tx.execute(query, silent)
    if told:
        tx.execute(query.values(load=sa.bindparam("load")), told)


def announce(tx: sa.Connection, host_id: str, *, state: str) -> None:
    tx.execute(hosts.update().where(hosts.c.id == host_id).values(announced=state))


def maintain(tx: sa.Connection, host_id: str, *, maintenance: bool) -> bool:
    """Want a host in maintenance, or no longer; whether that was wanted otherwise before."""
    query = hosts.update().where(hosts.c.id == host_id, hosts.c.maintenance != maintenance)
    return tx.execute(query.values(maintenance=maintenance)).rowcount == 1


def in_maintenance(tx: sa.Connection) -> frozenset[str]:
    return frozenset(tx.execute(_IN_MAINTENANCE).scalars())


def still_there(tx: sa.Connection, ids: Collection[str]) -> dict[str, str]:
    """Names by id of those of these hosts that are in the database; they stay there until this transaction ends."""
    query = sa.select(hosts.c.id, hosts.c.name).where(hosts.c.id.in_(ids)).order_by(hosts.c.id)
    return dict(tx.execute(query.with_for_update(read=True, key_share=True)).all())


def hold(tx: sa.Connection, host_id: str) -> bool:
    """Whether it is there. Until the end of this transaction nothing is placed on it, and it says no hello."""
    return tx.execute(sa.select(hosts.c.id).where(hosts.c.id == host_id).with_for_update()).first() is not None


def unknown(tx: sa.Connection, ids: Collection[str]) -> frozenset[str]:
    """Those of these ids that are no host's."""
    return frozenset(ids) - frozenset(tx.execute(sa.select(hosts.c.id).where(hosts.c.id.in_(ids))).scalars())


def holdings(tx: sa.Connection, ids: Collection[str]) -> dict[str, int]:
    """Of each of these hosts a number that is another one once other desktops are there, or are other persons'."""
    began = tx.execute(sa.select(hosts.c.id, hosts.c.created_at).where(hosts.c.id.in_(ids)))
    found = {str(id): zlib.crc32(created_at.isoformat().encode()) for id, created_at in began}
    there = (
        sa.select(desktops.c.host_id, desktops.c.id, desktops.c.assigned_user_id, desktops.c.kept_until.is_(None))
        .where(desktops.c.host_id.in_(ids))
        .order_by(desktops.c.id)
    )
    for host_id, *desktop in tx.execute(there):
        found[host_id] = zlib.crc32(repr(desktop).encode(), found[host_id])
    return found


def forget(tx: sa.Connection, host_id: str) -> None:
    """Without what was seen there of images, and its strays. No desktop may be placed on it any more."""
    tx.execute(placements.delete().where(placements.c.host_id == host_id))
    tx.execute(hosts.delete().where(hosts.c.id == host_id))


def label(tx: sa.Connection, host_id: str, labels: Mapping[str, str], *, if_revision: int) -> bool:
    """Set all of a host's labels and raise its revision, if that is still `if_revision`; whether it was."""
    query = hosts.update().where(hosts.c.id == host_id, hosts.c.revision == if_revision)
    return tx.execute(query.values(labels=dict(labels), revision=if_revision + 1)).rowcount == 1


def closed(tx: sa.Connection, labels: Mapping[str, str]) -> frozenset[str]:
    """Those where nobody is given a desktop of a pool that asks for these labels: in maintenance, or without them."""
    if not labels:
        return in_maintenance(tx)
    others = [sa.func.coalesce(hosts.c.labels[key].as_string(), "") != value for key, value in sorted(labels.items())]
    return frozenset(tx.execute(sa.select(hosts.c.id).where(sa.or_(hosts.c.maintenance, *others))).scalars())


def labels(tx: sa.Connection, ids: Collection[str]) -> dict[str, dict[str, str]]:
    """These hosts' labels by id."""
    return dict(tx.execute(sa.select(hosts.c.id, hosts.c.labels).where(hosts.c.id.in_(ids))).all())


def set_strays(tx: sa.Connection, host_id: str, found: Sequence[Stray]) -> bool:
    """What a host reports as of unknown origin, whole; whether that is anything else than before."""
    rows = {
        (stray.kind, stray.name[:300]): {
            "host_id": host_id,
            "kind": stray.kind,
            "name": stray.name[:300],
            "tenant_id": TENANT,
            "desktop_id": stray.desktop_id,
            "detail": stray.detail,
        }
        for stray in found
    }
    kept = tx.execute(sa.select(strays).where(strays.c.host_id == host_id)).mappings()
    if {(one["kind"], one["name"]): dict(one) for one in kept} == rows:
        return False
    tx.execute(strays.delete().where(strays.c.host_id == host_id))
    upsert_all(tx, strays, list(rows.values()), keys=["host_id", "kind", "name"])
    return True


def no_stray(tx: sa.Connection, host_id: str, *, desktop_id: str) -> None:
    """What the host has of this desktop is a stray no more; its next report says whether that is so."""
    tx.execute(strays.delete().where(strays.c.host_id == host_id, strays.c.desktop_id == desktop_id))


def strays_listed(tx: sa.Connection) -> list[StrayRow]:
    query = sa.select(strays).order_by(strays.c.host_id, strays.c.kind, strays.c.name)
    return [
        StrayRow(
            host_id=found["host_id"],
            kind=found["kind"],
            name=found["name"],
            desktop_id=found["desktop_id"],
            detail=found["detail"],
        )
        for found in tx.execute(query).mappings()
    ]
