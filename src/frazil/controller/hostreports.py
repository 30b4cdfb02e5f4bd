"""What goes to a host and what comes from it, between messages and rows. Runs in transactions."""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa

from frazil.controller.services import signing_on
from frazil.controller.services.context import Context
from frazil.controller.starts import start_of
from frazil.controller.store import desktops, events, hosts, images, pools
from frazil.controller.store.rows import ImageSeenRow, PoolRow, SeenRow
from frazil.model.desktop import Epoch, Failure, Guest, State
from frazil.wire.hostlink import (
    Desired,
    DesktopObservation,
    DesktopSpec,
    EpochField,
    FailureField,
    HostEvent,
    ImageObservation,
    ImageSpec,
    Observed,
    TemplateSpec,
)


def desired(tx: sa.Connection, host_id: str) -> Desired:
    """All that is wanted of a host, in an order that does not change by itself; the generation is not set yet.

    Desktops that are wanted absent are named until they are seen absent: only then does their row go.
    """
    listed = images.listed(tx)
    ready_when = {row.id: row.ready_when for row in listed}
    of_pools = pools.listed(tx)
    start = {pool.id: start_of(pool, ready_when[pool.image_id]) for pool in of_pools}
    of_pool = {pool.id: pool for pool in of_pools}
    here = desktops.listed(tx, host_id=host_id)
    persons = signing_on.persons(tx, here)
    return Desired(
        generation=0,
        desktops=[
            DesktopSpec(
                desktop_id=row.id,
                epoch=EpochField(generation=row.epoch.generation, counter=row.epoch.counter),
                attempt=row.attempt,
                name=row.name,
                pool_id=row.pool_id,
                image_id=row.image_id,
                profile=row.profile,
                power=row.power,
                graceful=row.graceful,
                start_deadline_s=float(row.deadline_s),
                ready_when=ready_when[row.image_id],
                start=start[row.pool_id],
                person=persons.get(row.id),
                keep_disk=of_pool[row.pool_id].keeps_disks or row.kept_until is not None,
                share_memory=of_pool[row.pool_id].share_memory,
            )
            for row in here
        ],
        images=[
            ImageSpec.model_validate(
                {
                    "image_id": row.id,
                    "name": row.name,
                    "version": row.version,
                    "recipe": row.recipe,
                    "upload": row.upload,
                    "upload_format": row.upload_format,
                    "os": row.os,
                    "wanted": row.wanted,
                    "attempt": row.attempt,
                }
            )
            for row in listed
        ],
        templates=_templates([pool for pool in of_pools if not pool.deleting and start[pool.id] == "fork"]),
    )


def _templates(forked: list[PoolRow]) -> list[TemplateSpec]:
    """One for each image and hardware that a pool forks its desktops from."""
    specs: list[TemplateSpec] = []
    for pool in forked:
        spec = TemplateSpec(image_id=pool.image_id, profile=pool.profile)
        if spec not in specs:
            specs.append(spec)
    return specs


def observed(ctx: Context, tx: sa.Connection, host_id: str, report: Observed, *, sent: Desired | None) -> None:
    """Everything that a host sees.

    What it does not name is absent only if the report is complete and made after the newest Desired was taken in;
    an earlier report may just not know of a thing yet.
    """
    for desktop in report.desktops:
        desktop_seen(ctx, tx, host_id, desktop)
    for image in report.images:
        image_seen(ctx, tx, host_id, image)
    hosts.set_strays(tx, host_id, report.strays)
    if not report.complete or sent is None or report.generation != sent.generation:
        return
    now = ctx.clock.now()
    named = {desktop.desktop_id for desktop in report.desktops}
    for spec in sent.desktops:
        if spec.desktop_id not in named:
            absent = DesktopObservation(
                desktop_id=spec.desktop_id,
                epoch=spec.epoch,
                attempt=spec.attempt,
                state=State.ABSENT,
                guest=Guest.SILENT,
                observed_at=now,
            )
            desktop_seen(ctx, tx, host_id, absent)
    images.unsee_others(
        tx,
        host_id,
        named={image.image_id for image in report.images},
        attempts={spec.image_id: spec.attempt for spec in sent.images},
        now=now,
    )


def desktop_seen(ctx: Context, tx: sa.Connection, host_id: str, seen: DesktopObservation) -> None:
    row = SeenRow(
        desktop_id=seen.desktop_id,
        state=seen.state,
        guest=seen.guest,
        epoch=Epoch(seen.epoch.generation, seen.epoch.counter),
        attempt=seen.attempt,
        failure=_failure(seen.failure),
        step=seen.step,
        started_at=None if seen.started_at is None else _utc(seen.started_at),
        observed_at=_utc(seen.observed_at),
        source=f"host {host_id}"[:64],
    )
    desktops.saw(tx, row, host_id=host_id, now=ctx.clock.now())
    signing_on.person_left(ctx, tx, seen)


def image_seen(ctx: Context, tx: sa.Connection, host_id: str, seen: ImageObservation) -> None:
    row = ImageSeenRow(
        image_id=seen.image_id,
        host_id=host_id,
        attempt=seen.attempt,
        state=seen.state,
        step=seen.step,
        fraction=seen.fraction,
        eta_s=seen.eta_s,
        failure=_failure(seen.failure),
        sha256=seen.sha256,
        virtual_size_bytes=seen.virtual_size_bytes,
        size_bytes=seen.size_bytes,
        os=seen.os,
        observed_at=ctx.clock.now(),
    )
    images.saw(tx, row)


def event(ctx: Context, tx: sa.Connection, seen: HostEvent) -> None:
    """Something from a host that is worth keeping."""
    events.insert(
        tx,
        id=ctx.ids.new_id(),
        at=_utc(seen.at),
        kind=seen.kind[:64],
        text=seen.text[:2000],
        desktop_id=seen.desktop_id,
        outcome="seen",
    )


def _utc(at: datetime) -> datetime:
    """Times of hosts are UTC, said or not."""
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def _failure(field: FailureField | None) -> Failure | None:
    return None if field is None else Failure(field.code, field.text, field.remedy)
