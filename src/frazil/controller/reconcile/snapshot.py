"""One moment of the whole installation, read in one transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from frazil.controller import headrooms
from frazil.controller.lines import KnownLines
from frazil.controller.planning import (
    DesktopFacts,
    Facts,
    HostFacts,
    ImageFacts,
    OperationFacts,
    PoolFacts,
    SessionFacts,
    Where,
)
from frazil.controller.planning.session_rules import SessionRules
from frazil.controller.presence import PresenceView
from frazil.controller.services import session_limits
from frazil.controller.starts import start_of
from frazil.controller.store import desktops, host_keys, hosts, images, operations, pools, sessions
from frazil.controller.store.rows import DesktopRow, HostBrief, ImageRow, ImageSeenRow, PoolRow, SessionRow
from frazil.model.clock import Clock
from frazil.wire.hostlink import HostLoad

_NO_RULES = SessionRules()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """marks: one number for each host with desktops, which is another one when anything else is wanted of the host.

    for_all: such a number for what is wanted of every host, or told of others.
    """

    facts: Facts
    marks: dict[str, int]
    for_all: int


@dataclass(frozen=True, slots=True)
class _Made:
    """What was made of a desktop, and of what. wish: of all in a `DesktopSpec` that can change, by its hash."""

    row: DesktopRow
    session: SessionRow | None
    forks: bool
    pool_version: int | None
    facts: DesktopFacts
    wish: int


class Memory:
    """What snapshots have in common: a desktop that has not changed is neither read nor made again."""

    def __init__(self) -> None:
        self.desktops = desktops.reread()
        self.open_sessions = sessions.reread()
        self.made: dict[str, _Made] = {}


def read(tx: sa.Connection, *, presence: PresenceView, lines: KnownLines, clock: Clock, memory: Memory) -> Snapshot:
    now, now_s = clock.now(), clock.monotonic_s()
    image_rows = images.listed(tx)
    seen = images.seen(tx)
    desktop_by_id = memory.desktops.read(tx, now_s=now_s)
    open_sessions = {session.desktop_id: session for session in memory.open_sessions.read(tx, now_s=now_s).values()}
    used = Counter(row.image_id for row in desktop_by_id.values())
    ready_when = {row.id: row.ready_when for row in image_rows}
    pool_rows = pools.listed(tx)
    rules = {row.id: session_limits.rules_of(row) for row in pool_rows}
    last_starts = pools.last_starts(tx)
    forked = {
        row.id: headrooms.fork_kind(row.image_id, row.profile)
        for row in pool_rows
        if start_of(row, ready_when[row.image_id]) == "fork"
    }
    versions = {row.id: row.version for row in pool_rows}
    made = memory.made = {
        id: _made(
            memory.made.get(id), row, open_sessions.get(id), forks=row.pool_id in forked,
            pool_version=versions.get(row.pool_id), now=now,
        )
        for id, row in desktop_by_id.items()
    }  # fmt: skip
    ready_on = _ready_on(image_rows, seen)
    host_rows = hosts.brief(tx)
    unsaid = hosts.loads(tx, [row.id for row in host_rows if row.id not in presence.loads])
    facts = Facts(
        now=now,
        hosts={row.id: _host(row, presence, unsaid, ready_on.get(row.id, set())) for row in host_rows},
        pools=tuple(
            PoolFacts(
                id=row.id,
                name=row.name,
                image_id=row.image_id,
                memory_mib=row.profile.memory_mib,
                spares=row.spares,
                max_desktops=row.max_desktops,
                deleting=row.deleting,
                changed_at=row.changed_at,
                last_start_at=last_starts.get(row.id),
                pause_after=timedelta(seconds=row.pause_after_s) if row.pause_after_s else None,
                fork_kind=forked.get(row.id),
                where=Where(
                    labels=frozenset(row.host_labels.items()), pack=row.placement == "pack", apart_by=row.apart_by
                ),
            )
            for row in pool_rows
        ),
        desktops=tuple(one.facts for one in made.values()),
        images=tuple(_image(row, seen.get(row.id, []), used[row.id]) for row in image_rows),
        sessions=tuple(
            SessionFacts(
                id=row.id,
                rules=rules[row.pool_id],
                use=session_limits.use_of(row, desktop_by_id[row.desktop_id], lines, clock),
            )
            for row in open_sessions.values()
            if rules.get(row.pool_id, _NO_RULES) != _NO_RULES and row.desktop_id in desktop_by_id
        ),
        operations=tuple(
            OperationFacts(id=row.id, kind=row.kind, target_id=row.target_id) for row in operations.running(tx)
        ),
    )
    marks = _marks(made.values())
    there = frozenset(id for id, rows in seen.items() if any(row.state == "ready" for row in rows))
    for_all = _for_all(image_rows, pool_rows, forked, host_rows)
    return Snapshot(facts, marks, hash((for_all, there, host_keys.revoked(tx))))


def _made(
    before: _Made | None,
    row: DesktopRow,
    session: SessionRow | None,
    *,
    forks: bool,
    pool_version: int | None,
    now: datetime,
) -> _Made:
    started_at = _started_at(row, now)
    if (
        before is not None
        and before.row is row
        and before.session is session
        and before.forks == forks
        and before.pool_version == pool_version
        and before.facts.started_at == started_at
    ):
        return before
    # What else is in its `DesktopSpec` is the desktop's for ever, or its pool's version tells of it.
    wish = (
        row.id, row.epoch.generation, row.epoch.counter, row.attempt, row.power.value, row.graceful,
        row.kept_until is not None, pool_version, session.id if session is not None else None,
    )  # fmt: skip
    facts = _desktop(row, session, started_at, forks=forks)
    return _Made(row, session, forks, pool_version, facts, hash(wish))


def _marks(made: Iterable[_Made]) -> dict[str, int]:
    marks: dict[str, int] = {}
    for one in made:
        host_id = one.row.host_id
        if host_id is not None:
            marks[host_id] = hash((marks.get(host_id), one.wish))
    return marks


def _for_all(
    image_rows: Sequence[ImageRow],
    pool_rows: Sequence[PoolRow],
    forked: Collection[str],
    host_rows: Sequence[HostBrief],
) -> int:
    """Of images, of the pools that templates are kept for, and of labels, which say on which hosts."""
    of_images = tuple((row.id, row.wanted, row.attempt, row.ready_when) for row in image_rows)
    of_pools = tuple(
        (row.id, row.id in forked, frozenset(row.host_labels.items())) for row in pool_rows if not row.deleting
    )
    asked = any(row.host_labels for row in pool_rows)
    of_hosts = tuple(frozenset(row.labels.items()) for row in host_rows) if asked else ()
    return hash((of_images, of_pools, of_hosts))


def _ready_on(image_rows: Sequence[ImageRow], seen: Mapping[str, Sequence[ImageSeenRow]]) -> dict[str, set[str]]:
    """Ids of the images that a host can start desktops from, by host."""
    ready: dict[str, set[str]] = {}
    for image in image_rows:
        for one in seen.get(image.id, ()) if image.wanted == "present" else ():
            if one.state == "ready":
                ready.setdefault(one.host_id, set()).add(image.id)
    return ready


def _host(row: HostBrief, presence: PresenceView, unsaid: Mapping[str, HostLoad], ready: set[str]) -> HostFacts:
    load = presence.loads.get(row.id) or unsaid.get(row.id)
    headroom = load.headroom if load is not None else None
    return HostFacts(
        id=row.id,
        name=row.name,
        up=row.id in presence.up,
        silent=presence.is_silent(row.id),
        lost=presence.is_lost(row.id),
        memory_available_mib=load.memory_available_mib if load is not None else None,
        images_ready=frozenset(ready),
        room=None if headroom is None else headrooms.room(headroom),
        counted=frozenset() if headroom is None else frozenset(headroom.counted),
        fork_costs={} if headroom is None else headrooms.fork_costs(headroom),
        pressure="" if headroom is None else headroom.pressure,
        maintenance=row.maintenance,
        labels=row.labels,
        busy=load.load1 / max(1, row.vcpus) if load is not None else 0.0,
    )


def _started_at(row: DesktopRow, now: datetime) -> datetime | None:
    """A start in the future was before the time of day was set back, on one of two machines: it tells nothing."""
    return row.started_at if row.started_at is not None and row.started_at <= now else None


def _idle_since(row: DesktopRow, session: SessionRow | None, started_at: datetime | None) -> datetime | None:
    """None while someone looks at it. Whoever was given it gets the pool's time to connect, from when it was there."""
    if session is not None and session.connected:
        return None
    left_at = (session.disconnected_at or session.opened_at) if session is not None else row.wanted_since
    return max(left_at, row.wanted_since, started_at or row.wanted_since)


def _desktop(row: DesktopRow, session: SessionRow | None, started_at: datetime | None, *, forks: bool) -> DesktopFacts:
    return DesktopFacts(
        id=row.id,
        name=row.name,
        pool_id=row.pool_id,
        image_id=row.image_id,
        memory_mib=row.profile.memory_mib,
        host_id=row.host_id,
        assigned=row.assigned_user_id is not None,
        wanted=row.wanted,
        seen=row.seen,
        failed_at=row.failed_at,
        announced=row.announced,
        measured_attempt=row.measured_attempt,
        created_at=row.created_at,
        started_at=started_at,
        restart=row.restart,
        idle_since=_idle_since(row, session, started_at),
        kept_until=row.kept_until,
        fork_kind=headrooms.fork_kind(row.image_id, row.profile) if forks else None,
        in_use=session is not None,
    )


def _image(row: ImageRow, seen: list[ImageSeenRow], used: int) -> ImageFacts:
    return ImageFacts(
        id=row.id,
        name=row.name,
        wanted_absent=row.wanted == "absent",
        on_hosts={one.host_id: (one.state, one.failure) for one in seen if one.attempt == row.attempt},
        ever_on=frozenset(one.host_id for one in seen),
        used_by_desktops=used,
    )
