"""What is to be done about one desktop that is there."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from frazil.controller.planning.facts import DesktopFacts, HostFacts, Where
from frazil.model.desktop import Failure, Guest, Phase, Power, Seen, State, Wanted, overdue

QUEUE_PATIENCE = 6
"""A desktop that its host has not started yet may be on its way for so many times its deadline."""

_ON_ITS_WAY = (Phase.WAITING, Phase.STARTING)
_THERE = (Phase.READY, Phase.PAUSED, Phase.UNKNOWN)


def failure_of(
    desktop: DesktopFacts, phase: Phase, *, hosts: dict[str, HostFacts], now: datetime, waiting_because: str
) -> Failure | None:
    """Why this desktop's attempt has failed, if it has: its host said so, or its deadline is over.

    A failure that passes is none, and no deadline runs while its host reports it.
    """
    if desktop.wanted.failure is not None or desktop.wanted.power is Power.ABSENT:
        return None
    seen = desktop.fresh_seen
    if seen is not None and seen.failure is not None:
        return None if seen.failure.passes else seen.failure
    if phase not in _ON_ITS_WAY or on_its_way_again(desktop, phase):
        return None
    silent = desktop.host_silent(hosts)
    clock = _clock(desktop)
    if not overdue(clock, desktop.seen, now=now, host_silent=silent):
        return None
    deadline_s = round(clock.deadline.total_seconds())
    if not desktop.wanted.placed:
        return Failure(
            "no-host",
            f"No host could take this desktop within {deadline_s} s. {waiting_because}".rstrip(),
            "When a host has room again, try again.",
        )
    if seen is None or seen.state is not State.RUNNING:
        return Failure(
            "not-started",
            f"The host did not get this desktop started within {deadline_s} s.",
            "Try again; if it happens again, look at the desktop's events and at the host's log.",
        )
    heard = (
        "its guest agent answered, but the desktop inside never said that it is ready"
        if seen.guest is Guest.AGENT
        else "nothing inside it ever answered"
    )
    return Failure(
        "guest-silent",
        f"The desktop was started, but {heard} within {deadline_s} s.",
        "Try again, which starts it afresh; if it happens again, look at its picture: "
        "the guest may lack the guest agent, or need a longer deadline on this host.",
    )


def deadline(desktop: DesktopFacts, phase: Phase) -> datetime | None:
    """When this desktop is overdue, if it is on its way and not held up by a failure that passes."""
    if phase not in _ON_ITS_WAY:
        return None
    seen = desktop.fresh_seen
    if seen is not None and seen.failure is not None:
        return None
    clock = _clock(desktop)
    return clock.since + clock.deadline


def _clock(desktop: DesktopFacts) -> Wanted:
    """What is wanted, with the clock that this desktop's deadline runs on.

    It runs from when the host really started it. Before that, a desktop that a host has taken on may stand in that
    host's queue, or wait for its template: it gets `QUEUE_PATIENCE` times its deadline.
    """
    wanted, seen = desktop.wanted, desktop.fresh_seen
    if seen is None:
        return wanted
    if seen.state in (State.ABSENT, State.STOPPED):
        return replace(wanted, deadline=wanted.deadline * QUEUE_PATIENCE)
    return replace(wanted, since=max(wanted.since, desktop.started_at or wanted.since))


def pause_at(desktop: DesktopFacts, phase: Phase, after: timedelta | None) -> datetime | None:
    """When this desktop is to be paused, if nobody looks at it by then."""
    running = phase is Phase.READY and desktop.wanted.power is Power.RUNNING
    if after is None or desktop.idle_since is None or not running:
        return None
    return desktop.idle_since + after


def lost_while_paused(wanted: Wanted, fresh_seen: Seen | None, phase: Phase) -> bool:
    """Whether there is nothing to pause, as after its host's reboot: a host starts only what is wanted running."""
    if wanted.power is not Power.PAUSED or phase is not Phase.STARTING or fresh_seen is None:
        return False
    failed = fresh_seen.failure is not None and not fresh_seen.failure.passes
    return not failed and fresh_seen.state in (State.STOPPED, State.ABSENT)


def stopped_to_restart(wanted: Wanted, phase: Phase, *, restart: bool) -> bool:
    """Whether the first half of a restart is done."""
    return restart and wanted.power is Power.STOPPED and phase is Phase.STOPPED


def on_its_way_again(desktop: DesktopFacts, phase: Phase) -> bool:
    """Whether it was there (or unknown) and is on its way once more, as after a guest's reboot."""
    return phase is Phase.STARTING and desktop.announced in _THERE


def start_seconds(desktop: DesktopFacts, after: Phase) -> float | None:
    """How long the start took, when this change of phase is the end of one."""
    ended = after is Phase.READY and desktop.announced in _ON_ITS_WAY
    if not ended or desktop.seen is None or desktop.measured_attempt >= desktop.wanted.attempt:
        return None
    return max(0.0, (desktop.seen.observed_at - desktop.wanted.since).total_seconds())


def misplaced(desktop: DesktopFacts, where: Where, hosts: dict[str, HostFacts]) -> bool:
    """Whether it is nobody's, on a host without the labels that its pool asks for with `where`."""
    host = hosts.get(desktop.host_id) if desktop.host_id is not None else None
    return not desktop.assigned and host is not None and not where.takes(host)
