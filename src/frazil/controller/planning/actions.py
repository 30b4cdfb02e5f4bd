"""What planning decides. Each action is safe to carry out twice and checks its ground again when it is."""

from __future__ import annotations

from dataclasses import dataclass, field

from frazil.controller.planning.placement import Chosen
from frazil.controller.planning.refusals import Refusal
from frazil.model.desktop import Failure, Phase


@dataclass(frozen=True, slots=True)
class MakeSpare:
    """One more unassigned desktop of the pool, on this host. `chosen` says why on this one."""

    pool_id: str
    host_id: str
    chosen: Chosen | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Place:
    """Put a desktop on a host, under a new epoch. `chosen` says why on this one."""

    desktop_id: str
    host_id: str
    chosen: Chosen | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Fail:
    """Record why this attempt at a desktop failed."""

    desktop_id: str
    attempt: int
    failure: Failure


@dataclass(frozen=True, slots=True)
class Pause:
    """Nobody has looked at a desktop for its pool's time: give it no processor time until someone does."""

    desktop_id: str


@dataclass(frozen=True, slots=True)
class StartAgain:
    """A desktop that is wanted paused is not there any more, as after its host's reboot, or it was stopped in order to
    restart: it is wanted running."""

    desktop_id: str


@dataclass(frozen=True, slots=True)
class ShutDown:
    """Somebody's own desktop, which nobody uses, is on a host in maintenance: its guest is asked to shut down."""

    desktop_id: str


@dataclass(frozen=True, slots=True)
class WantAbsent:
    """Want a desktop gone. `reason` goes to its history; a `spare` that was given to someone since is kept."""

    desktop_id: str
    reason: str
    spare: bool = False


@dataclass(frozen=True, slots=True)
class EndKept:
    """A desktop in the recycle bin goes: its time is over."""

    desktop_id: str


@dataclass(frozen=True, slots=True)
class WarnSession:
    """Tell a person that their session will have reached its longest time."""

    session_id: str


@dataclass(frozen=True, slots=True)
class EndSession:
    """A rule of its pool ends a session."""

    session_id: str


@dataclass(frozen=True, slots=True)
class Announce:
    """The word for a desktop has changed; write it to its history.

    seconds: how long its start took, if this is the end of one.
    restart_clock: it was there and is on its way again, so its deadline counts from now.
    """

    desktop_id: str
    before: Phase
    after: Phase
    seconds: float | None = None
    restart_clock: bool = False


@dataclass(frozen=True, slots=True)
class CatchUp:
    """The desktop's host has a newer placement or attempt of it: the database was restored from a backup of before."""

    desktop_id: str


@dataclass(frozen=True, slots=True)
class RemoveDesktop:
    """Forget a desktop that its host was seen to have no more."""

    desktop_id: str


@dataclass(frozen=True, slots=True)
class RemovePool:
    """Forget a pool that is being deleted and has no desktop left."""

    pool_id: str


@dataclass(frozen=True, slots=True)
class RemoveImage:
    """Forget an image that no host has any more."""

    image_id: str


@dataclass(frozen=True, slots=True)
class EndOperation:
    """A slow call is over; `failure` is None when it worked."""

    operation_id: str
    failure: Failure | None


Action = (
    MakeSpare
    | Place
    | Fail
    | Pause
    | StartAgain
    | ShutDown
    | WantAbsent
    | EndKept
    | WarnSession
    | EndSession
    | Announce
    | CatchUp
    | RemoveDesktop
    | RemovePool
    | RemoveImage
    | EndOperation
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The actions, in the order in which to do them, and the words for what is *not* done.

    waiting: why a desktop is placed nowhere, by desktop; refusals: the same, by hosts.
    notes: why a pool makes no more desktops, by pool.
    short: whether something has no place on any host, so that each word of a host about its room counts.
    due_in_s: when to look again even if nothing changes; None when nothing is on its way.
    """

    actions: tuple[Action, ...]
    waiting: dict[str, str] = field(default_factory=dict)
    refusals: dict[str, tuple[Refusal, ...]] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    short: bool = False
    due_in_s: float | None = None
