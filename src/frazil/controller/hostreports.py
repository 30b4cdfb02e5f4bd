"""What goes to a host and what comes from it, between messages and rows. Runs in transactions."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa

from frazil.controller.services import signing_on
from frazil.controller.services.context import Context
from frazil.controller.starts import start_of
from frazil.controller.store import desktops, events, host_keys, hosts, images, meta, observations, pools
from frazil.controller.store.rows import ImageSeenRow, PoolRow, SeenRow
from frazil.model import labels
from frazil.model.desktop import Epoch, Failure, Guest, State
from frazil.wire.hostlink import (
    Desired,
    DesktopObservation,
    DesktopSeen,
    DesktopSpec,
    EpochField,
    FailureField,
    HostEvent,
    ImageObservation,
    ImageSeen,
    ImageSpec,
    Observed,
    TemplateSpec,
)


def desired(tx: sa.Connection, host_ids: Sequence[str], *, leader_epoch: int) -> list[Desired]:
    """All that is wanted of each of these hosts, in an order that does not change by itself; the generations are not
    set yet.

    Desktops that are wanted absent are named until they are seen absent: only then does their row go.
    """
    listed = images.listed(tx)
    sources = images.sources(tx)
    ready_when = {row.id: row.ready_when for row in listed}
    of_pools = pools.listed(tx)
    start = {pool.id: start_of(pool, ready_when[pool.image_id]) for pool in of_pools}
    of_pool = {pool.id: pool for pool in of_pools}
    rows = desktops.on_hosts(tx, host_ids)
    persons = signing_on.persons(tx, rows)
    on: dict[str | None, list[DesktopSpec]] = {}
    for row in rows:
        spec = DesktopSpec(
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
        on.setdefault(row.host_id, []).append(spec)
    for_all = Desired(
        generation=0,
        term=(meta.restore_generation(tx) << 32) + leader_epoch,
        revoked=sorted(host_keys.revoked(tx)),
        desktops=[],
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
                    "sources": sources.get(row.id, []),
                }
            )
            for row in listed
        ],
    )
    forked = [
        (pool, TemplateSpec(image_id=pool.image_id, profile=pool.profile))
        for pool in of_pools
        if not pool.deleting and start[pool.id] == "fork"
    ]
    of_host = hosts.labels(tx, host_ids)
    wanted = []
    for host_id in host_ids:
        there = on.get(host_id, [])
        templates = _templates(forked, of_host.get(host_id, {}), {spec.pool_id for spec in there})
        wanted.append(for_all.model_copy(update={"desktops": there, "templates": templates}))
    return wanted


def _templates(
    forked: Sequence[tuple[PoolRow, TemplateSpec]], of_host: dict[str, str], there: Collection[str]
) -> list[TemplateSpec]:
    """One for each image and hardware that a pool forks its desktops from on a host with these labels, or has there.

    there: ids of pools.
    """
    wanted = (spec for pool, spec in forked if pool.id in there or labels.has(of_host, pool.host_labels))
    return list(dict.fromkeys(wanted))


@dataclass(frozen=True, slots=True)
class Report:
    """What a host said. `sent`: the newest Desired that had gone out to it."""

    host_id: str
    message: Observed | DesktopSeen | ImageSeen | HostEvent
    sent: Desired | None


@dataclass(frozen=True, slots=True)
class Taken:
    """changed: whether anything is otherwise now. strangers: hosts that were forgotten, of which nothing was taken."""

    changed: bool
    strangers: frozenset[str]


def take_in(ctx: Context, tx: sa.Connection, reports: Sequence[Report]) -> Taken:
    """Write down what hosts report, all of it together.

    What a host does not name is absent only if its report is complete and made after the newest Desired was taken in;
    an earlier report may just not know of a thing yet.
    """
    now = ctx.clock.now()
    strangers = hosts.unknown(tx, {report.host_id for report in reports})
    reports = [report for report in reports if report.host_id not in strangers]
    seen = [(report.host_id, one) for report in reports for one in _desktops(report, now)]
    changed = bool(observations.saw_all(tx, [(host_id, _seen(host_id, one)) for host_id, one in seen], now=now))
    for _, one in seen:
        changed |= signing_on.person_left(ctx, tx, one)
    changed |= images.saw_all(tx, [row for report in reports for row in _images(report, now)])
    for report in reports:
        match report.message:
            case Observed(strays=strays):
                changed |= hosts.set_strays(tx, report.host_id, strays)
            case HostEvent():
                _event(ctx, tx, report.message)
                changed = True
    return Taken(changed, strangers)


def _tells_absence(report: Report) -> Desired | None:
    """What was asked for and is not there, unless it is named; None when the report tells of no absence."""
    message, sent = report.message, report.sent
    if sent is None or not isinstance(message, Observed) or not message.complete:
        return None
    return sent if message.generation == sent.generation else None


def _desktops(report: Report, now: datetime) -> Iterator[DesktopObservation]:
    match report.message:
        case DesktopSeen(desktop=desktop):
            yield desktop
        case Observed(desktops=named):
            yield from named
            sent = _tells_absence(report)
            ids = {desktop.desktop_id for desktop in named}
            for spec in sent.desktops if sent is not None else ():
                if spec.desktop_id not in ids:
                    yield DesktopObservation(
                        desktop_id=spec.desktop_id,
                        epoch=spec.epoch,
                        attempt=spec.attempt,
                        state=State.ABSENT,
                        guest=Guest.SILENT,
                        observed_at=now,
                    )


def _images(report: Report, now: datetime) -> Iterator[ImageSeenRow]:
    match report.message:
        case ImageSeen(image=image):
            yield _image(report.host_id, image, now)
        case Observed(images=named):
            for image in named:
                yield _image(report.host_id, image, now)
            sent = _tells_absence(report)
            ids = {image.image_id for image in named}
            for spec in sent.images if sent is not None else ():
                if spec.image_id not in ids:
                    absent = ImageObservation(image_id=spec.image_id, attempt=spec.attempt, state="absent")
                    yield _image(report.host_id, absent, now)


def _seen(host_id: str, seen: DesktopObservation) -> SeenRow:
    return SeenRow(
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


def _image(host_id: str, seen: ImageObservation, now: datetime) -> ImageSeenRow:
    return ImageSeenRow(
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
        observed_at=now,
    )


def _event(ctx: Context, tx: sa.Connection, seen: HostEvent) -> None:
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
