"""One moment of the whole installation, read in one transaction."""

from __future__ import annotations

from collections import Counter
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
)
from frazil.controller.planning.session_rules import SessionRules
from frazil.controller.presence import PresenceView
from frazil.controller.services import session_limits
from frazil.controller.starts import start_of
from frazil.controller.store import desktops, hosts, images, operations, pools, sessions
from frazil.controller.store.rows import DesktopRow, HostRow, ImageRow, ImageSeenRow, SessionRow
from frazil.model.clock import Clock

_NO_RULES = SessionRules()


def read(tx: sa.Connection, *, presence: PresenceView, lines: KnownLines, clock: Clock) -> Facts:
    now = clock.now()
    image_rows = images.listed(tx)
    seen = images.seen(tx)
    desktop_rows = desktops.listed(tx)
    desktop_by_id = {row.id: row for row in desktop_rows}
    open_sessions = {session.desktop_id: session for session in sessions.open_ones(tx)}
    used = Counter(row.image_id for row in desktop_rows)
    ready_when = {row.id: row.ready_when for row in image_rows}
    pool_rows = pools.listed(tx)
    rules = {row.id: session_limits.rules_of(row) for row in pool_rows}
    last_starts = pools.last_starts(tx)
    forked = {
        row.id: headrooms.fork_kind(row.image_id, row.profile)
        for row in pool_rows
        if start_of(row, ready_when[row.image_id]) == "fork"
    }
    return Facts(
        now=now,
        hosts={row.id: _host(row, presence, image_rows, seen) for row in hosts.listed(tx)},
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
            )
            for row in pool_rows
        ),
        desktops=tuple(
            _desktop(row, open_sessions.get(row.id), forks=row.pool_id in forked, now=now) for row in desktop_rows
        ),
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


def _host(
    row: HostRow, presence: PresenceView, image_rows: list[ImageRow], seen: dict[str, list[ImageSeenRow]]
) -> HostFacts:
    load = presence.loads.get(row.id, row.load)
    ready = frozenset(
        image.id
        for image in image_rows
        for one in seen.get(image.id, [])
        if one.host_id == row.id and one.state == "ready" and image.wanted == "present"
    )
    headroom = load.headroom if load is not None else None
    return HostFacts(
        id=row.id,
        name=row.name,
        up=row.id in presence.up,
        silent=presence.is_silent(row.id),
        memory_available_mib=load.memory_available_mib if load is not None else None,
        images_ready=ready,
        room=None if headroom is None else headrooms.room(headroom),
        counted=frozenset() if headroom is None else frozenset(headroom.counted),
        fork_costs={} if headroom is None else headrooms.fork_costs(headroom),
        pressure="" if headroom is None else headroom.pressure,
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


def _desktop(row: DesktopRow, session: SessionRow | None, *, forks: bool, now: datetime) -> DesktopFacts:
    started_at = _started_at(row, now)
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
