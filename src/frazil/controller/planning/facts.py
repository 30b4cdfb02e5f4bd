"""What planning looks at: one moment of the whole installation, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from frazil.controller.planning.session_rules import SessionRules, Use
from frazil.model.desktop import Failure, Phase, Seen, Wanted, phase
from frazil.model.room import Cost, Room


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFacts:
    """`up` is connected; `silent` means that what is on it is unknown; `lost`, that this has been so for a while.

    memory_available_mib: as the host last said; None when it has not said yet.
    images_ready: ids of the images that it can start desktops from.
    room: what it has left for desktops after all that are in `counted`; None when it has not reckoned that.
    fork_costs: what it reckons one more fork to cost, by kind (`fork_kind`). pressure: why it starts nothing now.
    maintenance: it takes no new desktops, and is left by those that nobody uses.
    busy: how much of its processors is; 1 is all of them, and more wait beyond that.
    labels: as `model.labels`.
    """

    id: str
    name: str
    up: bool
    silent: bool
    memory_available_mib: int | None
    images_ready: frozenset[str]
    room: Room | None = None
    counted: frozenset[str] = frozenset()
    fork_costs: Mapping[str, Cost] = field(default_factory=dict)
    pressure: str = ""
    busy: float = 0.0
    maintenance: bool = False
    lost: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """Where a pool's desktops are to be. labels: a host that takes one has all of these.

    pack: one host is filled before the next; else they are spread. apart_by: the label whose values are to have equally
    many of them, where there is room; empty for none.
    """

    labels: frozenset[tuple[str, str]] = frozenset()
    pack: bool = False
    apart_by: str = ""

    def takes(self, host: HostFacts) -> bool:
        """Whether the host has all of the labels."""
        return all(host.labels.get(key) == value for key, value in self.labels)

    def place(self, host: HostFacts) -> str:
        """The host's value of `apart_by`; empty without it: all such hosts are one place."""
        return host.labels.get(self.apart_by, "") if self.apart_by else ""


ANYWHERE = Where()


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolFacts:
    """fork_kind: image and hardware of the template that its desktops are forked from; None when they boot.

    last_start_at: when one of its desktops was last measured to have become ready.
    """

    id: str
    name: str
    image_id: str
    memory_mib: int
    spares: int
    max_desktops: int
    deleting: bool
    changed_at: datetime
    last_start_at: datetime | None = None
    pause_after: timedelta | None = None
    fork_kind: str | None = None
    where: Where = ANYWHERE


@dataclass(frozen=True, slots=True, kw_only=True)
class DesktopFacts:
    """`announced`: the phase last written to its history; `measured_attempt`: the last whose start was timed.

    started_at: when its host last started it. restart: it is to run again once it is stopped.
    idle_since: since when nobody looks at it; None while someone does. in_use: somebody's session on it is open.
    kept_until: it was deleted, and goes then.
    """

    id: str
    name: str
    pool_id: str
    image_id: str
    memory_mib: int
    host_id: str | None
    assigned: bool
    wanted: Wanted
    seen: Seen | None
    failed_at: datetime | None
    announced: Phase
    measured_attempt: int
    created_at: datetime
    started_at: datetime | None = None
    restart: bool = False
    idle_since: datetime | None = None
    kept_until: datetime | None = None
    fork_kind: str | None = None
    in_use: bool = False

    def phase(self, hosts: dict[str, HostFacts]) -> Phase:
        return phase(self.wanted, self.seen, host_silent=self.host_silent(hosts))

    def host_silent(self, hosts: dict[str, HostFacts]) -> bool:
        host = hosts.get(self.host_id) if self.host_id is not None else None
        return host is not None and host.silent

    def on_lost_host(self, hosts: dict[str, HostFacts]) -> bool:
        host = hosts.get(self.host_id) if self.host_id is not None else None
        return host is not None and host.lost

    @property
    def fresh_seen(self) -> Seen | None:
        seen = self.seen
        if seen is None or (seen.epoch, seen.attempt) != (self.wanted.epoch, self.wanted.attempt):
            return None
        return seen

    @property
    def outdated(self) -> bool:
        """Whether its host has a newer placement or attempt of it: the database was restored from an old backup."""
        return is_outdated(self.wanted, self.seen)


def is_outdated(wanted: Wanted, seen: Seen | None) -> bool:
    return seen is not None and (seen.epoch, seen.attempt) > (wanted.epoch, wanted.attempt)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionFacts:
    """An open session, and what its pool allows."""

    id: str
    rules: SessionRules
    use: Use


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFacts:
    """`on_hosts`: (state, failure) by host, of the newest attempt only; a host that is not named has said nothing.

    ever_on: hosts that have said anything about the image, in whichever attempt.
    """

    id: str
    name: str
    wanted_absent: bool
    on_hosts: dict[str, tuple[str, Failure | None]]
    ever_on: frozenset[str]
    used_by_desktops: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationFacts:
    """A running operation."""

    id: str
    kind: str
    target_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    now: datetime
    hosts: dict[str, HostFacts] = field(default_factory=dict)
    pools: tuple[PoolFacts, ...] = ()
    desktops: tuple[DesktopFacts, ...] = ()
    images: tuple[ImageFacts, ...] = ()
    operations: tuple[OperationFacts, ...] = ()
    sessions: tuple[SessionFacts, ...] = ()
