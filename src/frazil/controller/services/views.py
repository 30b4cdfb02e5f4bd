"""From rows to the bodies that people and programs see."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from statistics import median

import sqlalchemy as sa

from frazil.controller.planning.session_rules import End, end_of
from frazil.controller.presence import PresenceView
from frazil.controller.services import recycling, session_limits, words
from frazil.controller.services.context import Context
from frazil.controller.starts import start_of
from frazil.controller.store import desktops, hosts, images, people, policies, pools, sessions
from frazil.controller.store.rows import DesktopRow, PoolRow, SessionRow
from frazil.model.desktop import Failure, Phase, phase
from frazil.wire.hostlink import FailureField
from frazil.wire.policy import PolicyField
from frazil.wire.rest import Desktop, Pool, PoolCounts, Session, SessionLine

_ON_ITS_WAY = (Phase.WAITING, Phase.STARTING)


def failure_field(failure: Failure | None) -> FailureField | None:
    return None if failure is None else FailureField(code=failure.code, text=failure.text, remedy=failure.remedy)


def phase_of(row: DesktopRow, presence: PresenceView) -> Phase:
    silent = row.host_id is not None and presence.is_silent(row.host_id)
    return phase(row.wanted, row.seen, host_silent=silent)


@dataclass(frozen=True, slots=True)
class Names:
    """What some desktops are shown with: names by id, pools, and which of the desktops somebody looks at."""

    pools: dict[str, PoolRow]
    hosts: dict[str, str]
    users: dict[str, str]
    connected: set[str]
    closed: frozenset[str]
    """Those of their hosts that are in maintenance."""

    @classmethod
    def of(cls, tx: sa.Connection, rows: Collection[DesktopRow], *, users: Collection[str] = ()) -> Names:
        """Of these desktops, and of these users beside those whom they are assigned to."""
        on = hosts.named(tx, {row.host_id for row in rows if row.host_id is not None})
        return cls(
            pools.by_ids(tx, {row.pool_id for row in rows}),
            {id: host.name for id, host in on.items()},
            people.names(tx, {row.assigned_user_id for row in rows if row.assigned_user_id is not None} | set(users)),
            sessions.connected_desktops(tx, [row.id for row in rows]),
            frozenset(id for id, host in on.items() if host.maintenance),
        )

    @classmethod
    def own(cls, tx: sa.Connection, row: DesktopRow, session: SessionRow, *, pool: PoolRow, user_name: str) -> Names:
        """Of one desktop, for whose open session on it this is: most of it is known already."""
        on = hosts.named(tx, [row.host_id]) if row.host_id is not None else {}
        return cls(
            {pool.id: pool},
            {id: host.name for id, host in on.items()},
            {session.user_id: user_name},
            {row.id} if session.connected else set(),
            frozenset(id for id, host in on.items() if host.maintenance),
        )

    def pool(self, pool_id: str) -> str:
        found = self.pools.get(pool_id)
        return found.name if found is not None else ""


def desktop(row: DesktopRow, *, ctx: Context, presence: PresenceView, names: Names) -> Desktop:
    now_phase = phase_of(row, presence)
    fresh = row.fresh_seen is not None
    user_id = row.assigned_user_id
    return Desktop(
        id=row.id,
        name=row.name,
        pool_id=row.pool_id,
        pool_name=names.pool(row.pool_id),
        host_id=row.host_id,
        host_name=names.hosts.get(row.host_id) if row.host_id is not None else None,
        phase=now_phase,
        phase_text=words.PHASE_TEXT[now_phase] if row.kept_until is None else words.DELETED,
        power=row.power,
        step=row.step if fresh else "",
        failure=failure_field(row.failure or words.held_up(row, now_phase)),
        user_id=user_id,
        user_name=names.users.get(user_id) if user_id is not None else None,
        connected=row.id in names.connected,
        created_at=row.created_at,
        started_at=row.started_at if fresh else None,
        why=words.why(
            row, now_phase, waiting=ctx.words.waiting.get(row.id, ""), maintenance=row.host_id in names.closed
        ),
        kept_if_deleted_s=recycling.kept_s(row, names.pools[row.pool_id]),
        kept_until=row.kept_until,
        kept_for=row.kept_for,
    )


def counts(rows: Iterable[DesktopRow], presence: PresenceView, closed: Collection[str]) -> PoolCounts:
    """`ready` are the spares that can be given away at once; failed and assigned ones are counted as such.

    closed: hosts whose spares are given to nobody: in maintenance, or without the pool's labels.
    """
    total = ready = assigned = starting = failed = kept = 0
    for row in rows:
        total += 1
        now_phase = phase_of(row, presence)
        if row.kept_until is not None:
            kept += 1
        elif now_phase is Phase.FAILED:
            failed += 1
        elif row.assigned_user_id is not None:
            assigned += 1
        elif row.host_id in closed:
            continue
        elif now_phase is Phase.READY:
            ready += 1
        elif now_phase in (Phase.WAITING, Phase.STARTING):
            starting += 1
    return PoolCounts(total=total, ready=ready, assigned=assigned, starting=starting, failed=failed, kept=kept)


def pool_models(tx: sa.Connection, rows: list[PoolRow], *, ctx: Context, presence: PresenceView) -> list[Pool]:
    of_images = {image.id: image for image in images.listed(tx)}
    starts = pools.start_seconds(tx, [row.id for row in rows])
    of_pool = {
        row.id: counts(desktops.listed(tx, pool_id=row.id), presence, hosts.closed(tx, row.host_labels)) for row in rows
    }
    return [
        Pool(
            id=row.id,
            name=row.name,
            label=row.label,
            image_id=row.image_id,
            image_name=of_images[row.image_id].name,
            profile=row.profile,
            spares=row.spares,
            max_desktops=row.max_desktops,
            start_deadline_s=row.start_deadline_s,
            start=row.start,
            comes_up=start_of(row, of_images[row.image_id].ready_when),
            pause_after_s=row.pause_after_s,
            share_memory=row.share_memory,
            kind=row.kind,
            assignment=row.assignment,
            at_sign_out=row.at_sign_out,
            grace_s=row.grace_s,
            longest_s=row.longest_s,
            idle_s=row.idle_s,
            max_sessions=row.max_sessions,
            keep_deleted_s=row.keep_deleted_s,
            host_labels=row.host_labels,
            placement=row.placement,
            apart_by=row.apart_by,
            policy=PolicyField.of(row.policy),
            version=row.version,
            deleting=row.deleting,
            counts=of_pool[row.id],
            typical_start_s=round(median(starts[row.id]), 3) if starts[row.id] else None,
            note=words.deleting(of_pool[row.id]) if row.deleting else ctx.words.notes.get(row.id, ""),
            created_at=row.created_at,
        )
        for row in rows
    ]


def expected_ready_s(row: DesktopRow, now_phase: Phase, starts: list[float], *, now: datetime) -> float | None:
    """How long it usually takes from now; never less than 0, None when there is nothing to go by."""
    if now_phase is Phase.READY:
        return 0.0
    if now_phase not in _ON_ITS_WAY or not starts:
        return None
    return round(max(0.0, median(starts) - (now - row.wanted_since).total_seconds()), 1)


def session(
    tx: sa.Connection, row: SessionRow, found: DesktopRow, *, ctx: Context, presence: PresenceView, names: Names
) -> Session:
    now_phase = phase_of(found, presence)
    starts = pools.start_seconds(tx, [row.pool_id])[row.pool_id] if now_phase in _ON_ITS_WAY else []
    rules = session_limits.rules_of(names.pools[row.pool_id])
    end = end_of(rules, session_limits.use_of(row, found, ctx.lines, ctx.clock), now=ctx.clock.now())
    allowed = policies.of_session(tx, row.id)
    assert allowed is not None, "only open sessions are shown, and a deleted user's are ended with them"
    return Session(
        id=row.id,
        pool_id=row.pool_id,
        pool_name=names.pool(row.pool_id),
        desktop=desktop(found, ctx=ctx, presence=presence, names=names),
        user_id=row.user_id,
        user_name=names.users.get(row.user_id, ""),
        connected=row.connected,
        connected_at=row.connected_at,
        remote_address=row.remote_address,
        line=_line(row, ctx) if row.connected else None,
        created_at=row.opened_at,
        expected_ready_s=expected_ready_s(found, now_phase, starts, now=ctx.clock.now()),
        policy=PolicyField.of(allowed.policy),
        at_sign_out=names.pools[row.pool_id].at_sign_out,
        ends_in_s=_seconds_until(end, ctx),
        ends_by=end.limit.value if end is not None else None,
    )


def _seconds_until(end: End | None, ctx: Context) -> float | None:
    return None if end is None else round(max(0.0, (end.at - ctx.clock.now()).total_seconds()), 1)


def _line(row: SessionRow, ctx: Context) -> SessionLine | None:
    known = ctx.lines.of(row.id, now_s=ctx.clock.monotonic_s())
    return None if known is None else SessionLine.model_validate(known.model_dump(exclude={"session_id"}))
