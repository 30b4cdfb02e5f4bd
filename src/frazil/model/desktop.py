"""A desktop: what is wanted of it, what was seen of it, and what that means.

*Wanted* (`Power`) is written by the controller only. *Seen* (`State`, `Guest`) is written by hosts only and has
"unknown" as a value of its own, never read as absent. `phase()` derives the one word that people see; it is
never stored.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum


class Power(Enum):
    """What is wanted of a desktop."""

    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    ABSENT = "absent"


class State(Enum):
    """What a host saw of a desktop's domain."""

    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    ABSENT = "absent"
    UNKNOWN = "unknown"


class Guest(Enum):
    """How far the guest inside has come."""

    SILENT = "silent"
    AGENT = "agent"
    READY = "ready"


class Phase(Enum):
    """The word for a desktop that people see."""

    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"
    PAUSED = "paused"
    STOPPING = "stopping"
    STOPPED = "stopped"
    DELETING = "deleting"
    GONE = "gone"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, order=True)
class Epoch:
    """Which placement of a desktop is the newest: (restore generation of the database, counter)."""

    generation: int
    counter: int


@dataclass(frozen=True, slots=True)
class Failure:
    """Why something failed: a stable code, a sentence for a person, the way out."""

    code: str
    text: str
    remedy: str = ""

    @property
    def passes(self) -> bool:
        """Whether the desktop goes on by itself once the cause is gone: nothing is lost, so it is never final."""
        return self.code == "disk-full"


@dataclass(frozen=True, slots=True)
class Seen:
    """The newest observation of one desktop by its host."""

    state: State
    guest: Guest
    epoch: Epoch
    attempt: int
    failure: Failure | None
    observed_at: datetime


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the controller wants of one desktop. `since` is when `power` or `attempt` last changed."""

    power: Power
    epoch: Epoch
    attempt: int
    since: datetime
    deadline: timedelta
    failure: Failure | None
    placed: bool


def phase(wanted: Wanted, seen: Seen | None, *, host_silent: bool) -> Phase:
    """The one word for this desktop now.

    A recorded failure stands until a person or the pool retries (a new attempt clears it). An observation of
    an older epoch or attempt says nothing about this one.
    """
    if wanted.failure is not None and wanted.power is not Power.ABSENT:
        return Phase.FAILED
    if not wanted.placed:
        return Phase.GONE if wanted.power is Power.ABSENT else Phase.WAITING
    fresh = seen is not None and seen.epoch == wanted.epoch and seen.attempt == wanted.attempt
    if host_silent or (seen is not None and fresh and seen.state is State.UNKNOWN):
        return Phase.UNKNOWN
    if wanted.power is Power.ABSENT:
        gone = seen is not None and fresh and seen.state is State.ABSENT
        return Phase.GONE if gone else Phase.DELETING
    if seen is None or not fresh:
        return Phase.STARTING if wanted.power in (Power.RUNNING, Power.PAUSED) else Phase.STOPPING
    match wanted.power, seen.state:
        case Power.RUNNING | Power.PAUSED, State.RUNNING:
            # One that is to be paused can be used until it is.
            return Phase.READY if seen.guest is Guest.READY else Phase.STARTING
        case Power.PAUSED, State.PAUSED:
            return Phase.PAUSED
        case Power.STOPPED, State.STOPPED | State.ABSENT:
            return Phase.STOPPED
        case Power.STOPPED, _:
            return Phase.STOPPING
        case _:
            return Phase.STARTING


def overdue(wanted: Wanted, seen: Seen | None, *, now: datetime, host_silent: bool) -> bool:
    """Whether a desktop has been on its way for longer than its deadline allows.

    A silent host stops no clock for starting; but what is unknown is never failed for that reason alone.
    """
    on_its_way = phase(wanted, seen, host_silent=host_silent) in (Phase.WAITING, Phase.STARTING)
    return on_its_way and now - wanted.since > wanted.deadline
