"""Queries of images and of what the hosts have of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import sqlalchemy as sa

from frazil.controller.store import failures, host_keys
from frazil.controller.store.rows import ImageRow, ImageSeenRow
from frazil.controller.store.tables import TENANT, hosts, image_seen, images
from frazil.controller.store.upsert import upsert_all
from frazil.wire.hostlink import ImageSource


def _row(found: sa.RowMapping) -> ImageRow:
    return ImageRow(
        id=found["id"],
        name=found["name"],
        version=found["version"],
        recipe=found["recipe"],
        upload=found["upload"],
        upload_format=found["upload_format"],
        os=found["os"],
        ready_when=found["ready_when"],
        wanted=found["wanted"],
        attempt=found["attempt"],
        created_at=found["created_at"],
    )


def _seen(found: sa.RowMapping) -> ImageSeenRow:
    return ImageSeenRow(
        image_id=found["image_id"],
        host_id=found["host_id"],
        attempt=found["attempt"],
        state=found["state"],
        step=found["step"],
        fraction=found["fraction"],
        eta_s=found["eta_s"],
        failure=failures.from_json(found["failure"]),
        sha256=found["sha256"],
        virtual_size_bytes=found["virtual_size_bytes"],
        size_bytes=found["size_bytes"],
        os=found["os"],
        observed_at=found["observed_at"],
    )


def next_version(tx: sa.Connection, name: str) -> int:
    newest = tx.execute(sa.select(sa.func.max(images.c.version)).where(images.c.name == name)).scalar()
    return 1 if newest is None else int(newest) + 1


def insert(tx: sa.Connection, image: ImageRow) -> None:
    tx.execute(
        images.insert().values(
            id=image.id,
            tenant_id=TENANT,
            name=image.name,
            version=image.version,
            recipe=image.recipe,
            upload=image.upload,
            upload_format=image.upload_format,
            os=image.os,
            ready_when=image.ready_when,
            wanted=image.wanted,
            attempt=image.attempt,
            created_at=image.created_at,
        )
    )


def find(tx: sa.Connection, ref: str) -> ImageRow | None:
    """By id, or by name: then the newest version, one that is not being deleted first."""
    query = (
        sa.select(images)
        .where(sa.or_(images.c.id == ref, images.c.name == ref))
        .order_by((images.c.wanted == "absent"), images.c.version.desc())
        .limit(1)
    )
    found = tx.execute(query).mappings().first()
    return _row(found) if found else None


def listed(tx: sa.Connection, *, after: str | None = None, limit: int | None = None) -> list[ImageRow]:
    query = sa.select(images).order_by(images.c.id)
    if after is not None:
        query = query.where(images.c.id > after)
    if limit is not None:
        query = query.limit(limit)
    return [_row(found) for found in tx.execute(query).mappings().all()]


def seen(tx: sa.Connection, image_id: str | None = None) -> dict[str, list[ImageSeenRow]]:
    """What each host has, by image."""
    query = sa.select(image_seen)
    if image_id is not None:
        query = query.where(image_seen.c.image_id == image_id)
    found: dict[str, list[ImageSeenRow]] = {}
    for mapping in tx.execute(query).mappings():
        found.setdefault(mapping["image_id"], []).append(_seen(mapping))
    return found


def sources(tx: sa.Connection) -> dict[str, list[ImageSource]]:
    """Hosts that have an image and hand it to others, by image: two of each disk, which is enough to try another."""
    one = image_seen.c
    there = (
        sa.select(
            one.image_id, one.sha256, sa.func.min(one.host_id).label("first"), sa.func.max(one.host_id).label("last")
        )
        .join(hosts, hosts.c.id == one.host_id)
        .where(one.state == "ready", hosts.c.displays_port > 0, host_keys.trusted())
        .group_by(one.image_id, one.sha256)
        .order_by(one.image_id, one.sha256)
    )
    found = tx.execute(there).all()
    ids = {host_id for row in found for host_id in (row.first, row.last)}
    query = sa.select(hosts.c.id, hosts.c.address, hosts.c.displays_port).where(hosts.c.id.in_(ids))
    at = {row.id: row for row in tx.execute(query)} if ids else {}
    by_image: dict[str, list[ImageSource]] = {}
    for row in found:
        for host_id in dict.fromkeys((row.first, row.last)):
            host = at[host_id]
            source = ImageSource(host_id=host_id, address=host.address, port=host.displays_port, sha256=row.sha256)
            by_image.setdefault(row.image_id, []).append(source)
    return by_image


def retry(tx: sa.Connection, image_id: str) -> None:
    query = images.update().where(images.c.id == image_id, images.c.wanted == "present")
    tx.execute(query.values(attempt=images.c.attempt + 1))


def want_absent(tx: sa.Connection, image_id: str) -> None:
    """As a new attempt: only an absence seen after the host knows of this wish counts."""
    query = images.update().where(images.c.id == image_id, images.c.wanted == "present")
    tx.execute(query.values(wanted="absent", attempt=images.c.attempt + 1))


def delete(tx: sa.Connection, image_id: str) -> bool:
    return tx.execute(images.delete().where(images.c.id == image_id, images.c.wanted == "absent")).rowcount == 1


def saw_all(tx: sa.Connection, rows: Sequence[ImageSeenRow]) -> bool:
    """Keep observations, but for those of unknown images, of older attempts, or without news; whether any was kept."""
    if not rows:
        return False
    known = set(tx.execute(sa.select(images.c.id).where(images.c.id.in_({row.image_id for row in rows}))).scalars())
    query = sa.select(image_seen).where(image_seen.c.host_id.in_({row.host_id for row in rows}))
    kept = {(one.image_id, one.host_id): one for one in map(_seen, tx.execute(query).mappings())}
    fresh: dict[tuple[str, str], ImageSeenRow] = {}
    for row in rows:
        key = row.image_id, row.host_id
        before = kept.get(key)
        new = before is None or (before.attempt <= row.attempt and replace(before, observed_at=row.observed_at) != row)
        if new and row.image_id in known:
            fresh[key] = kept[key] = row
    upsert_all(tx, image_seen, [_values(fresh[key]) for key in sorted(fresh)], keys=["image_id", "host_id"])
    return bool(fresh)


def _values(row: ImageSeenRow) -> dict[str, object]:
    return {
        "image_id": row.image_id,
        "host_id": row.host_id,
        "tenant_id": TENANT,
        "attempt": row.attempt,
        "state": row.state,
        "step": row.step,
        "fraction": row.fraction,
        "eta_s": row.eta_s,
        "failure": failures.to_json(row.failure),
        "sha256": row.sha256,
        "virtual_size_bytes": row.virtual_size_bytes,
        "size_bytes": row.size_bytes,
        "os": row.os,
        "observed_at": row.observed_at,
    }
