"""When a session ends by its pool's rules. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

WARNING = timedelta(minutes=5)
"""So long before a session reaches its longest time its person is warned; of a short one, half of it."""
TOLD_EVERY = timedelta(seconds=5)
"""Gateways say so often when a keyboard or mouse was last used."""


class Limit(Enum):
    """Which rule ends a session."""

    GRACE = "grace"
    LONGEST = "longest"
    IDLE = "idle"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRules:
    """A pool's; None where there is no limit.

    grace: how long nobody may be connected. longest: from when it was opened. idle: how long a connected viewer may
    use neither keyboard nor mouse.
    """

    grace: timedelta | None = None
    longest: timedelta | None = None
    idle: timedelta | None = None

    @property
    def warning(self) -> timedelta:
        """How long before the longest time the person is told."""
        return WARNING if self.longest is None else min(WARNING, self.longest / 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """How a session is used now.

    left_at: since when nobody is connected, though its desktop is there; None while somebody is or it is on its way.
    idle: for how long neither keyboard nor mouse were used when its gateway last told, and idle_told_at: when that was;
    None while nobody is connected, or it was not told. warned_at: when its person was warned of its longest time.
    """

    opened_at: datetime
    left_at: datetime | None = None
    warned_at: datetime | None = None
    idle: timedelta | None = None
    idle_told_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class End:
    """When a session ends if nothing else happens, and by which rule. `due`: whether it is to end now."""

    at: datetime
    limit: Limit
    due: bool


def end_of(rules: SessionRules, use: Use, *, now: datetime) -> End | None:
    """The first end that the rules bring; None when they bring none."""
    ends = [end for end in (_grace(rules, use, now), _longest(rules, use, now), _idle(rules, use)) if end is not None]
    # One that is due goes first, however the others stand.
    return min(ends, key=lambda end: (not end.due, end.at), default=None)


def warn_at(rules: SessionRules, use: Use) -> datetime | None:
    """When the person is to be warned that their session reaches its longest time; None when they were, or never."""
    if rules.longest is None or use.warned_at is not None:
        return None
    return use.opened_at + rules.longest - rules.warning


def look_at(rules: SessionRules, use: Use, *, now: datetime) -> datetime | None:
    """When a session is to be looked at again: to be warned, or to be ended."""
    end = end_of(rules, use, now=now)
    times = [warn_at(rules, use)]
    if end is not None:
        # Whether somebody was idle until then is known when the gateway has told once more.
        times.append(end.at if end.limit is not Limit.IDLE else max(end.at, now) + TOLD_EVERY)
    return min((at for at in times if at is not None), default=None)


def _grace(rules: SessionRules, use: Use, now: datetime) -> End | None:
    if rules.grace is None or use.left_at is None:
        return None
    at = use.left_at + rules.grace
    return End(at, Limit.GRACE, at <= now)


def _longest(rules: SessionRules, use: Use, now: datetime) -> End | None:
    """Nobody's session ends so without the whole time of the warning, whatever became of the clock or of the rule."""
    if rules.longest is None:
        return None
    at = use.opened_at + rules.longest
    if use.warned_at is None:
        return End(at, Limit.LONGEST, False)
    at = max(at, use.warned_at + rules.warning)
    return End(at, Limit.LONGEST, at <= now)


def _idle(rules: SessionRules, use: Use) -> End | None:
    """Only what the gateway really saw counts: not the time since it told."""
    if rules.idle is None or use.idle is None or use.idle_told_at is None:
        return None
    return End(use.idle_told_at - use.idle + rules.idle, Limit.IDLE, use.idle >= rules.idle)
