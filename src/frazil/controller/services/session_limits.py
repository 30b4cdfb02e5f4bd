"""From rows and gateways' words to what the rules of sessions are about."""

from __future__ import annotations

from datetime import datetime, timedelta

from frazil.controller.lines import KnownLines
from frazil.controller.planning.session_rules import Limit, SessionRules, Use
from frazil.controller.store.rows import DesktopRow, PoolRow, SessionRow
from frazil.model.clock import Clock
from frazil.model.desktop import State

REASONS: dict[Limit, str] = {
    Limit.GRACE: "Nobody came back to it in time.",
    Limit.LONGEST: "It had reached the longest time that a session may take.",
    Limit.IDLE: "Nobody had used its keyboard or mouse for too long.",
}
"""Why a session ended, in words."""


def rules_of(pool: PoolRow) -> SessionRules:
    return SessionRules(grace=_or_none(pool.grace_s), longest=_or_none(pool.longest_s), idle=_or_none(pool.idle_s))


def _or_none(seconds: int) -> timedelta | None:
    return timedelta(seconds=seconds) if seconds else None


def use_of(row: SessionRow, desktop: DesktopRow, lines: KnownLines, clock: Clock) -> Use:
    """How an open session is used now. May be called from any thread."""
    now = clock.now()
    idle = lines.idle_s(row.id, now_s=clock.monotonic_s()) if row.connected else None
    return Use(
        opened_at=row.opened_at,
        left_at=None if row.connected else _left_at(row, desktop, now),
        warned_at=row.warned_at,
        idle=timedelta(seconds=idle[0]) if idle is not None else None,
        idle_told_at=now - timedelta(seconds=idle[1]) if idle is not None else None,
    )


def _left_at(row: SessionRow, desktop: DesktopRow, now: datetime) -> datetime | None:
    """Since when somebody could be connected and nobody is. Whoever waits for a desktop on its way has not left it."""
    left_at = row.disconnected_at or row.opened_at
    if row.connected_at is not None:
        return left_at
    seen = desktop.fresh_seen
    started_at = desktop.started_at if seen is not None and seen.state in (State.RUNNING, State.PAUSED) else None
    # A start in the future was before the time of day was set back: it tells nothing.
    return max(left_at, started_at) if started_at is not None and started_at <= now else None
