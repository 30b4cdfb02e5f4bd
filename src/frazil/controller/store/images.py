"""Queries of images and of what the hosts have of them."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from frazil.controller.store import failures
from frazil.controller.store.rows import ImageRow, ImageSeenRow
from frazil.controller.store.tables import TENANT, image_seen, images
from frazil.controller.store.upsert import upsert


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
    return [_row(found) for found in tx.execute(query).mappings()]


def seen(tx: sa.Connection, image_id: str | None = None) -> dict[str, list[ImageSeenRow]]:
    """What each host has, by image."""
    query = sa.select(image_seen)
    if image_id is not None:
        query = query.where(image_seen.c.image_id == image_id)
    found: dict[str, list[ImageSeenRow]] = {}
    for mapping in tx.execute(query).mappings():
        found.setdefault(mapping["image_id"], []).append(_seen(mapping))
    return found


def retry(tx: sa.Connection, image_id: str) -> None:
    query = images.update().where(images.c.id == image_id, images.c.wanted == "present")
    tx.execute(query.values(attempt=images.c.attempt + 1))


def want_absent(tx: sa.Connection, image_id: str) -> None:
    """As a new attempt: only an absence seen after the host knows of this wish counts."""
    query = images.update().where(images.c.id == image_id, images.c.wanted == "present")
    tx.execute(query.values(wanted="absent", attempt=images.c.attempt + 1))


def delete(tx: sa.Connection, image_id: str) -> bool:
    return tx.execute(images.delete().where(images.c.id == image_id, images.c.wanted == "absent")).rowcount == 1


def saw(tx: sa.Connection, row: ImageSeenRow) -> bool:
    """Keep an observation, unless the image is unknown or a newer attempt was seen already."""
    if tx.execute(sa.select(images.c.id).where(images.c.id == row.image_id)).first() is None:
        return False
    kept = tx.execute(
        sa.select(image_seen.c.attempt).where(
            image_seen.c.image_id == row.image_id, image_seen.c.host_id == row.host_id
        )
    ).scalar()
    if kept is not None and kept > row.attempt:
        return False
    values: dict[str, object] = {
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
    upsert(tx, image_seen, values, keys=["image_id", "host_id"])
    return True


def unsee_others(tx: sa.Connection, host_id: str, *, named: set[str], attempts: dict[str, int], now: datetime) -> None:
    """A host's complete list does not name these: it does not have them. `attempts`: what it was asked for."""
    for image_id, attempt in attempts.items():
        if image_id not in named:
            absent = ImageSeenRow(
                image_id=image_id,
                host_id=host_id,
                attempt=attempt,
                state="absent",
                step="",
                fraction=0.0,
                eta_s=None,
                failure=None,
                sha256=None,
                virtual_size_bytes=None,
                size_bytes=None,
                os="",
                observed_at=now,
            )
            saw(tx, absent)
