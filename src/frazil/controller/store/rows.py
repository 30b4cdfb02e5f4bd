"""What the store gives back: one frozen value a row."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from frazil.controller.planning.scores import Apart, Score
from frazil.model.desktop import Epoch, Failure, Guest, Phase, Power, Seen, State, Wanted
from frazil.model.policy import Policy
from frazil.model.quota import Amounts
from frazil.wire.hostlink import Capabilities, HostLoad, Profile, ReadyWhen, Start
from frazil.wire.rest import Assignment, AtSignOut, PoolKind, PoolPlacement, Role


@dataclass(frozen=True, slots=True, kw_only=True)
class UserRow:
    id: str
    name: str
    display_name: str
    role: Role
    password_hash: str | None
    policy: Policy
    quota: Amounts
    version: int
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginRow:
    id: str
    user: UserRow
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRow:
    id: str
    user_id: str
    name: str
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HostRow:
    """`maintenance`: it is to take no new desktops, and to be left by those that nobody uses.

    labels: as `model.labels`. revision: of these, raised with each change.
    address: where other machines reach it; empty for the machine that gateway and controller are on. displays_port:
    where its server hands out displays and images there; 0: nowhere.
    """

    id: str
    name: str
    version: str
    capabilities: Capabilities
    load: HostLoad | None
    last_seen_at: datetime | None
    desired_generation: int
    announced: str
    maintenance: bool
    labels: dict[str, str]
    revision: int
    address: str
    displays_port: int
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StrayRow:
    host_id: str
    kind: str
    name: str
    desktop_id: str | None
    detail: str


@dataclass(frozen=True, slots=True)
class HostBrief:
    """`announced`: "up" or "silent", as it was last written to the history."""

    id: str
    name: str
    announced: str
    maintenance: bool
    labels: dict[str, str]
    vcpus: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSeenRow:
    image_id: str
    host_id: str
    attempt: int
    state: str
    step: str
    fraction: float
    eta_s: float | None
    failure: Failure | None
    sha256: str | None
    virtual_size_bytes: int | None
    size_bytes: int | None
    os: str
    observed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRow:
    id: str
    name: str
    version: int
    recipe: str | None
    upload: str | None
    upload_format: str | None
    os: str
    ready_when: ReadyWhen = "service"
    wanted: str
    attempt: int
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolRow:
    id: str
    name: str
    label: str
    image_id: str
    profile: Profile
    spares: int
    max_desktops: int
    start_deadline_s: int
    start: Start = "fork"
    pause_after_s: int = 300
    share_memory: bool = True
    kind: PoolKind = "floating"
    assignment: Assignment = "first-use"
    at_sign_out: AtSignOut = "destroy"
    grace_s: int = 0
    longest_s: int = 0
    idle_s: int = 0
    max_sessions: int = 0
    keep_deleted_s: int = 7 * 86400
    host_labels: dict[str, str] = field(default_factory=dict)
    placement: PoolPlacement = "spread"
    apart_by: str = ""
    policy: Policy = field(default_factory=Policy)
    version: int
    deleting: bool
    created_at: datetime
    changed_at: datetime

    @property
    def keeps_disks(self) -> bool:
        """Whether a desktop's disk outlives whatever befalls the desktop, but its deletion."""
        return self.at_sign_out == "keep"


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRow:
    id: str
    name: str
    label: str
    members: int
    quota: Amounts
    version: int
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaRow:
    """Of a user (`kind` "user"), or of all who are in a group together ("group")."""

    kind: str
    id: str
    name: str
    quota: Amounts


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberRow:
    """A user in a group. `source`: who says so, "local" or a directory's name."""

    user_id: str
    user_name: str
    display_name: str
    source: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class EntitlementRow:
    """A user (`kind` "user") or all who are in a group ("group") may use a pool."""

    pool_id: str
    pool_name: str
    kind: str
    subject_id: str
    subject_name: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DesktopRow:
    """A desktop with what was last seen of it, if anything was. `restart`: it is wanted running once it is stopped.

    kept_until: it was deleted, and goes then. kept_for: the name of whose it was.
    """

    id: str
    name: str
    pool_id: str
    image_id: str
    profile: Profile
    power: Power
    graceful: bool
    restart: bool = False
    epoch: Epoch
    attempt: int
    host_id: str | None
    assigned_user_id: str | None
    wanted_since: datetime
    deadline_s: int
    failure: Failure | None
    failed_at: datetime | None
    kept_until: datetime | None = None
    kept_for: str | None = None
    announced: Phase
    measured_attempt: int
    created_at: datetime
    seen: Seen | None
    step: str
    started_at: datetime | None

    @property
    def wanted(self) -> Wanted:
        return Wanted(
            power=self.power,
            epoch=self.epoch,
            attempt=self.attempt,
            since=self.wanted_since,
            deadline=timedelta(seconds=self.deadline_s),
            failure=self.failure,
            placed=self.host_id is not None,
        )

    @property
    def assigned(self) -> bool:
        return self.assigned_user_id is not None

    @property
    def fresh_seen(self) -> Seen | None:
        """What was seen of this placement and attempt; None when only an older one was seen."""
        seen = self.seen
        return seen if seen is not None and (seen.epoch, seen.attempt) == (self.epoch, self.attempt) else None

    @property
    def held_up(self) -> Failure | None:
        """The failure that passes and that its host reports now."""
        failure = self.fresh_seen.failure if self.fresh_seen is not None else None
        return failure if failure is not None and failure.passes else None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDesktop:
    """A desktop to be made. host_id: where it is placed at once; None when it is placed nowhere yet."""

    id: str
    disk_id: str
    name: str
    pool: PoolRow
    assigned_user_id: str | None = None
    host_id: str | None = None


@dataclass(frozen=True, slots=True)
class PlacementRow:
    """Why a desktop was placed on a host: its score, and how many of `of_hosts` hosts could take the desktop."""

    host_id: str
    at: datetime
    able: int
    of_hosts: int
    score: Score
    apart: Apart | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenRow:
    """One observation to be kept."""

    desktop_id: str
    state: State
    guest: Guest
    epoch: Epoch
    attempt: int
    failure: Failure | None
    step: str
    started_at: datetime | None
    observed_at: datetime
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRow:
    id: str
    user_id: str
    pool_id: str
    desktop_id: str
    opened_at: datetime
    ended_at: datetime | None
    end_reason: str
    connected: bool
    connected_at: datetime | None
    disconnected_at: datetime | None
    warned_at: datetime | None = None
    remote_address: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionPolicyRow:
    """What the session's pool and its user both allow. `version` grows whenever either of them is changed."""

    session_id: str
    policy: Policy
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationRow:
    id: str
    kind: str
    state: str
    target_id: str
    attempt: int
    failure: Failure | None
    created_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    seq: int
    id: str
    at: datetime
    kind: str
    text: str
    user_id: str | None
    user_name: str | None
    desktop_id: str | None
    remote_address: str | None
    outcome: str
