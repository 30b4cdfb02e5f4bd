"""Bodies of the REST API under ``/api/v1``.

===================================  ======================================================================
``POST   /setup/link``               local socket only → 201 `SetupLink`; 409 once an administrator exists
``POST   /setup``                    `SetupRequest` → 201 `User`; the link's token makes the first administrator
``POST   /logins``                   `LoginRequest` → 201 `Login`, sets the login cookie; throttled
``DELETE /logins/current``           204
``GET    /me``                       `User`
``GET    /tokens``, ``POST``         `Page[ApiToken]`; `TokenRequest` → 201 `NewApiToken` (the secret is shown once)
``DELETE /tokens/{id}``              204
``GET    /users``, ``POST``          `Page[User]`; `UserRequest` → 201 `User`
``GET    /users/{user}``             `User` with ETag
``PATCH  /users/{user}``             `UserChange` with `If-Match` → `User`: role, quota, what may pass
``PUT    /users/{user}/password``    `PasswordRequest` → 204; one's own needs `current`, another's ends their tokens
``DELETE /users/{user}``             204
``GET    /groups``, ``POST``         `Page[Group]`, filter `user`; `GroupRequest` → 201 `Group`
``GET    /groups/{group}``           `Group` with ETag
``PATCH  /groups/{group}``           `GroupChange` with `If-Match` → `Group`: label, quota
``DELETE /groups/{group}``           204: its entitlements go with it
``GET    /groups/{group}/members``   `Page[GroupMember]`
``PUT    /groups/{group}/members/{user}``     204: is in the group
``DELETE /groups/{group}/members/{user}``     204: is no longer
``GET    /pools``, ``POST``          `Page[Pool]`, filter `mine`; `PoolRequest` → 201 `Pool`
``GET    /pools/{pool}``             `Pool` with ETag
``PATCH  /pools/{pool}``             `PoolChange` with `If-Match` → `Pool`
``DELETE /pools/{pool}``             202 `Operation`: its desktops go first, or are kept for its time unless `for_good`
``POST   /pools/{pool}/desktops``    `AssignmentRequest` → 201 `Desktop`: one of a persistent pool is a user's
``GET    /entitlements``             `Page[Entitlement]`, filters `pool`, `user` (with what comes by groups), `group`
``PUT    /pools/{pool}/users/{user}``     204: may use the pool
``DELETE /pools/{pool}/users/{user}``     204: may no longer
``PUT    /pools/{pool}/groups/{group}``   204: all in the group may use the pool
``DELETE /pools/{pool}/groups/{group}``   204: may no longer
``GET    /hosts``, ``/hosts/{host}`` `Page[Host]`, `Host` with ETag
``DELETE /hosts/{host}``             with `If-Match` → `ForgottenHost`: it is gone for good; 409 while it is connected,
                                     or has persons' own desktops on its disk, unless `with_desktops`
``PATCH  /hosts/{host}``             `HostChange` with `If-Match` → `Host`: its labels
``PUT    /hosts/{host}/maintenance`` `Host`: takes no new desktops, and is left by those that nobody uses
``DELETE /hosts/{host}/maintenance`` `Host`: takes desktops again
``GET    /strays``                   `Page[QuarantinedThing]`
``POST   /strays/{stray}/adopt``     `AdoptRequest` → 202 `Desktop`: a desktop by its id, or as the list names it
``GET    /images``, ``POST``         `Page[Image]`; `ImageRequest` → 202 `Operation`
``GET    /images/{image}``           `Image`
``POST   /images/{image}/retry``     202 `Operation`
``DELETE /images/{image}``           202 `Operation`; 409 while a pool uses it
``GET    /desktops``                 `Page[Desktop]`, filters `pool`, `phase`, `mine`, `deleted` (in the recycle bin)
``GET    /desktops/{desktop}``       `Desktop`
``GET    /desktops/{desktop}/explanation`` `Explanation`: why it is on its host, or why no host takes it
``POST   /desktops/{desktop}/{act}`` act: start, restart, stop, shutdown, pause, retry → 202 `Desktop`
``POST   /desktops/{desktop}/restore``     `RestoreRequest` → 202 `Desktop`: from the recycle bin
``DELETE /desktops/{desktop}``       202 `Desktop`: kept for its pool's time where it holds what somebody saved, unless
                                     `for_good`
``GET    /desktops/{desktop}/screenshot``  image/png; at most `SCREENSHOT_AGE_S` old
``GET    /desktops/{desktop}/events``      `Page[Event]`
``POST   /sessions``                 `SessionRequest` → 201 `NewSession`; 409 ``over-quota`` with the numbers
``GET    /sessions``, ``/{id}``      `Page[Session]`, `Session`; filter `mine`
``POST   /sessions/{id}/tickets``    → 201 `Ticket` once the desktop is ready; 409 with its state in words before
``DELETE /sessions/{id}``            204: links are cut; the desktop is given back
``GET    /operations/{id}``          `Operation`
``GET    /events``                   `Page[Event]`, newest first; filters `user`, `kind` (one, or all that begin with it
                                     when it ends in a dot), `outcome`, `desktop`, `since`, `until` (RFC 3339), `text`
``GET    /events/stream``            SSE of `Event`, resumed by `Last-Event-ID`
``GET    /health``                   `Health`, open to all
===================================  ======================================================================

A thing is named by id or by name wherever ``{user}``, ``{group}``, ``{pool}``, ``{image}``, ``{desktop}`` or
``{host}`` stands.
Lists take `limit` (1–500, default 100) and `cursor`. Errors are RFC 9457 problem documents (`Problem`).
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Generic, Literal, TypeVar

from pydantic import Field, SecretStr, StringConstraints

from frazil.model.desktop import Phase, Power
from frazil.model.room import Bound
from frazil.wire.base import Message, Request
from frazil.wire.hostlink import Capabilities, FailureField, HostLoad, Profile, ReadyWhen, Start
from frazil.wire.labels import LabelKey, LabelsField
from frazil.wire.policy import PolicyChange, PolicyField
from frazil.wire.quota import COUNT_MAX, AmountsField, QuotaChange

SCREENSHOT_AGE_S = 5.0
BODY_MAX_BYTES = 1 << 20

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?$")]
"""Lower-case letters, digits, dot, dash, underscore; begins and ends with a letter or digit; at most 64."""
Label = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)]
Password = Annotated[SecretStr, Field(min_length=10, max_length=256)]
Role = Literal["user", "helpdesk", "pool-admin", "auditor", "administrator"]
"""What somebody may do besides using desktops; see docs/reference/roles.md."""

PoolKind = Literal["floating", "persistent"]
"""Whether a desktop is somebody's for one session, or theirs from then on."""
Assignment = Literal["first-use", "administrator"]
"""How a persistent pool's desktop becomes somebody's."""
PoolPlacement = Literal["spread", "pack"]
"""Whether a pool's desktops are spread over hosts, or one host is filled before the next."""
AtSignOut = Literal["destroy", "keep", "reset"]
"""What becomes of a desktop when its session ends: it goes, it is shut down and kept, or its image replaces it."""

Outcome = Literal["done", "refused", "failed", "seen"]
"""How an event ended; seen is what nobody did."""

RuleS = Annotated[int, Field(ge=0, le=30 * 86400)]
KeepS = Annotated[int, Field(ge=0, le=365 * 86400)]

T = TypeVar("T")


class Page(Message, Generic[T]):
    items: list[T]
    next_cursor: str | None = None


class Problem(Message):
    """RFC 9457. `type` is ``urn:frazil:problem:CODE`` with the error's stable code; `remedy` is the way out;
    `reference` is what an administrator can search the log for."""

    type: str
    title: str
    status: int
    detail: str
    remedy: str = ""
    field: str | None = None
    reference: str


class Health(Message):
    status: Literal["ok"]
    version: str


class SetupLink(Message):
    """The page for making the first administrator, once. `path` begins with a slash and carries the token."""

    path: str


class SetupRequest(Request):
    token: str
    name: Name
    password: Password
    display_name: Label | None = None


class LoginRequest(Request):
    name: str = Field(max_length=200)
    password: SecretStr = Field(max_length=256)


class Login(Message):
    user: User
    csrf_token: str
    expires_at: datetime


class UserRequest(Request):
    name: Name
    password: Password
    display_name: Label | None = None
    role: Role = "user"
    policy: PolicyChange | None = None
    quota: QuotaChange | None = None


class UserChange(Request):
    role: Role | None = None
    policy: PolicyChange | None = None
    quota: QuotaChange | None = None


class PasswordRequest(Request):
    password: Password
    current: SecretStr | None = None


class User(Message):
    id: str
    name: str
    display_name: str
    role: Role
    policy: PolicyField = Field(PolicyField(), description="What may pass at most, whichever pool they use")
    quota: AmountsField = Field(AmountsField(), description="How much they may use; 0: no limit")
    used: AmountsField = Field(AmountsField(), description="How much they use now")
    version: int = 1
    created_at: datetime


class GroupRequest(Request):
    name: Name
    label: Label | None = None
    quota: QuotaChange | None = None


class GroupChange(Request):
    label: Label | None = None
    quota: QuotaChange | None = None


class Group(Message):
    """`members`: how many users are in it."""

    id: str
    name: str
    label: str
    members: int
    quota: AmountsField = Field(AmountsField(), description="How much all who are in it may use together; 0: no limit")
    used: AmountsField = Field(AmountsField(), description="How much they use together now")
    version: int
    created_at: datetime


class GroupMember(Message):
    """A user in a group. `source`: who says so, "local" or a directory's name."""

    user_id: str
    user_name: str
    display_name: str
    source: str
    created_at: datetime


class TokenRequest(Request):
    name: Label
    expires_in_s: int = Field(90 * 86400, ge=60, le=400 * 86400)


class ApiToken(Message):
    id: str
    name: str
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None


class NewApiToken(ApiToken):
    token: str


class PoolRequest(Request):
    """`spares` desktops are kept ready; never more than `max_desktops` exist."""

    name: Name
    label: Label | None = None
    image: str
    profile: Profile = Profile()
    spares: int = Field(1, ge=0, le=1000)
    max_desktops: int = Field(20, ge=1, le=20000)
    start_deadline_s: int = Field(300, ge=10, le=3600)
    start: Start = Field(
        "fork", description="Fork desktops from a frozen template where that is possible, or boot each"
    )
    pause_after_s: int = Field(300, ge=0, le=86400, description="Pause a desktop that nobody looks at; 0: never")
    share_memory: bool = Field(
        True, description="Let the host keep equal pages of its desktops' memory once; false ends that for this pool"
    )
    kind: PoolKind = "floating"
    assignment: Assignment = Field("first-use", description="Of a persistent pool: who says whose a desktop is")
    at_sign_out: AtSignOut | None = Field(
        None, description="`destroy` in a floating pool; `keep` (the default) or `reset` in a persistent one"
    )
    grace_s: RuleS = Field(0, description="A session that nobody is connected to ends after this; 0: never")
    longest_s: RuleS = Field(0, description="A session ends so long after it was opened, with a warning; 0: never")
    idle_s: RuleS = Field(0, description="A session ends when nobody used keyboard or mouse so long; 0: never")
    max_sessions: int = Field(0, ge=0, le=COUNT_MAX, description="Never more sessions are open than this; 0: no limit")
    keep_deleted_s: KeepS = Field(
        7 * 86400,
        description="How long somebody's deleted desktop can be restored, where a pool keeps desktops; 0: not",
    )
    host_labels: LabelsField = Field({}, description="Its desktops go to hosts that have all of these labels")
    placement: PoolPlacement = Field("spread", description="Over hosts, or one host filled before the next")
    apart_by: LabelKey = Field(
        "", description="A label of hosts, each value of which is to have equally many of its desktops; empty: none"
    )
    policy: PolicyChange | None = None


class PoolChange(Request):
    label: Label | None = None
    spares: int | None = Field(None, ge=0, le=1000)
    max_desktops: int | None = Field(None, ge=1, le=20000)
    start_deadline_s: int | None = Field(None, ge=10, le=3600)
    start: Start | None = None
    pause_after_s: int | None = Field(None, ge=0, le=86400)
    share_memory: bool | None = None
    assignment: Assignment | None = None
    at_sign_out: AtSignOut | None = None
    grace_s: RuleS | None = None
    longest_s: RuleS | None = None
    idle_s: RuleS | None = None
    max_sessions: int | None = Field(None, ge=0, le=COUNT_MAX)
    keep_deleted_s: KeepS | None = None
    host_labels: LabelsField | None = Field(
        None, description="In place of all; spares elsewhere are replaced, and what is somebody's stays where it is"
    )
    placement: PoolPlacement | None = Field(None, description="For desktops that are placed from now on")
    apart_by: LabelKey | None = Field(None, description="For desktops that are placed from now on; empty: none")
    policy: PolicyChange | None = None


class AssignmentRequest(Request):
    """The user by name or id; they must be entitled to the pool."""

    user: str


class RestoreRequest(Request):
    """`user`: by name or id, whose it is to be; whose it was, when null."""

    user: str | None = None


class PoolCounts(Message):
    """`kept`: in the recycle bin; they are none of the others, but of the total."""

    total: int
    ready: int
    assigned: int
    starting: int
    failed: int
    kept: int = 0


class Pool(Message):
    id: str
    name: str
    label: str
    image_id: str
    image_name: str
    profile: Profile
    spares: int
    max_desktops: int
    start_deadline_s: int
    start: Start
    comes_up: Start = Field(
        "fork", description="How its desktops come up: booted (`cold`) also where its image lacks what a fork needs"
    )
    pause_after_s: int
    share_memory: bool
    kind: PoolKind = "floating"
    assignment: Assignment = "first-use"
    at_sign_out: AtSignOut = "destroy"
    grace_s: int = 0
    longest_s: int = 0
    idle_s: int = 0
    max_sessions: int = 0
    keep_deleted_s: int = 7 * 86400
    host_labels: dict[str, str] = Field({}, description="Its desktops go to hosts that have all of these labels")
    placement: PoolPlacement = "spread"
    apart_by: str = ""
    policy: PolicyField = Field(PolicyField(), description="What may pass at most, whoever uses it")
    version: int
    deleting: bool
    counts: PoolCounts
    typical_start_s: float | None = Field(description="Median of the last starts measured; null before the first")
    note: str = Field("", description="Why it makes no more desktops now, in words; empty when all is well")
    created_at: datetime


class Entitlement(Message):
    """A user, or all who are in a group, may use a pool: either the user's fields are null or the group's."""

    pool_id: str
    pool_name: str
    user_id: str | None
    user_name: str | None
    group_id: str | None = None
    group_name: str | None = None
    created_at: datetime


class HostTemplate(Message):
    """A frozen template on a host. `ram_mib`: the memory its forks share; `step`: what is being done, or why not."""

    image_id: str
    image_name: str
    profile: Profile
    state: Literal["making", "ready", "failed"]
    step: str
    ram_mib: int


class HostRoom(Message):
    """How many more desktops of a pool fit on a host, each pool reckoned as if it grew alone; `text` says it in words.

    `memory_mib`, `disk_mib`: what one is reckoned to take for itself; `bound`: what ends first (see `KindFits`).
    """

    pool_id: str
    pool_name: str
    pool_label: str
    more: int
    bound: Bound
    memory_mib: int
    disk_mib: int
    text: str


class HostMaintenance(Message):
    """How many desktops are still on a host in maintenance. `in_use`: a session on them is open. `leaving`: nobody's,
    which are replaced elsewhere and ended. `stopping`, `kept`: a person's own that nobody uses, on their way down and
    stopped.

    `done`: no desktop runs there any more. `waits_for`: what is waited for, in sentences. `stays`: what will still be
    there in the end, in words.
    """

    in_use: int
    leaving: int
    stopping: int
    kept: int
    done: bool
    waits_for: list[str] = []
    stays: str = ""


class HostChange(Request):
    labels: LabelsField | None = Field(None, description="By name; in place of all that it has")


class Host(Message):
    """`version` is its software's, `revision` that of what people say of it."""

    id: str
    name: str
    state: Literal["up", "silent"]
    last_seen_at: datetime | None
    version: str
    capabilities: Capabilities | None
    load: HostLoad | None
    desktops: int
    warning: str = Field("", description="Such as: no usable KVM, everything is emulated")
    templates: list[HostTemplate] = []
    room: list[HostRoom] = []
    maintenance: HostMaintenance | None = Field(None, description="Null while it takes desktops")
    labels: dict[str, str] = Field({}, description="By which pools ask for it, such as room: 3")
    revision: int = Field(1, description="Raised when its labels are changed; its ETag")
    address: str = Field("", description="Where other machines reach it; empty for the controller's machine")
    holding: int = Field(
        0, description="Another one once other desktops are there, or are other persons'; If-Match to forget it"
    )


class ForgottenHost(Message):
    """What became of the desktops of a host that was forgotten.

    replaced: how many are made anew elsewhere, where they are needed. given_up: names of persons' own, with what was on
    their disks. sessions_ended: how many were open there.
    """

    id: str
    name: str
    replaced: int
    given_up: list[str]
    sessions_ended: int


class HostInvitation(Message):
    """`token` makes one machine a host, once, until `expires_at`; it dials `url`."""

    token: str = Field(repr=False)
    url: str
    expires_at: datetime


class QuarantinedThing(Message):
    """`image_id`: of a desktop that can be taken back, into a pool of that image; null of anything else, or while its
    host is not connected."""

    host_id: str
    kind: str
    name: str
    desktop_id: str | None
    detail: str
    image_id: str | None = None


class AdoptRequest(Request):
    """Take a stray desktop back as it lies, into a persistent pool whose desktops are kept.

    `user`: whose it is to be; when null, the one person who ever had a session on it. `host`: where it is, if it is on
    several. Each by name or id.
    """

    pool: str
    user: str | None = None
    host: str | None = None


class ImageRequest(Request):
    """`recipe` builds on the host; `upload` is a file already in its incoming directory, with `format` said.

    `ready_when`: what a desktop of it must do to count as ready; "service" for a recipe's, "agent" for a file's when
    null, since only Frazil's own recipes surely have Frazil's guest service in them. `options`: what the recipe
    offers besides; `debian-xfce+browser` as the recipe says the same.
    """

    name: Name
    recipe: str | None = None
    options: list[str] = Field([], max_length=8, description="What the recipe offers besides, such as browser")
    upload: str | None = None
    format: Literal["qcow2", "raw"] | None = None
    os: str = Field("", max_length=100)
    ready_when: ReadyWhen | None = None


class Image(Message):
    id: str
    name: str
    version: int
    state: Literal["waiting", "making", "ready", "failed", "deleting"]
    step: str
    fraction: float
    eta_s: float | None
    failure: FailureField | None
    sha256: str | None
    size_bytes: int | None
    virtual_size_bytes: int | None
    os: str
    source: str
    ready_when: ReadyWhen = "service"
    created_at: datetime


class Desktop(Message):
    id: str
    name: str
    pool_id: str
    pool_name: str
    host_id: str | None
    host_name: str | None
    phase: Phase
    phase_text: str = Field(description="The phase in words, in the reader's language")
    power: Power
    step: str
    failure: FailureField | None
    user_id: str | None
    user_name: str | None
    connected: bool
    created_at: datetime
    started_at: datetime | None
    why: str = Field("", description="Why it is not ready, in words; empty when it is")
    kept_if_deleted_s: int = Field(0, description="How long it could be restored if it were deleted; 0: not at all")
    kept_until: datetime | None = Field(None, description="It was deleted, and can be restored until then")
    kept_for: str | None = Field(None, description="The name of whose it was when it was deleted")


class HostRefusal(Message):
    """Hosts (names) that can't take a desktop, all for one reason.

    `text`: how many, and why; `detail`: with figures, where there are any; `remedy`: the way out. `code` is stable.
    """

    code: str
    text: str
    hosts: list[str]
    detail: str = ""
    remedy: str


class Points(Message):
    """What a host got points for when it was chosen, and for what, in words."""

    name: Literal["template", "room", "processors", "apart"]
    points: int
    most: int
    text: str


class Placement(Message):
    """How a host was chosen: `able` of `of_hosts` hosts could take the desktop, and it had most of 100 points."""

    at: datetime
    able: int
    of_hosts: int
    points: int
    parts: list[Points]


class Explanation(Message):
    """Why a desktop is on its host, or on none: `text` says it in a sentence.

    `refusals`: of one that waits, as the controller's last plan found it. `placement`: of one that is placed, as it was
    when its host was chosen; null where that was not kept.
    """

    desktop_id: str
    desktop_name: str
    phase: Phase
    phase_text: str
    text: str
    host_id: str | None
    host_name: str | None
    refusals: list[HostRefusal] = []
    placement: Placement | None = None


class SessionRequest(Request):
    """One of `pool` and `desktop`. A person's open session in that pool is given again instead of a second one."""

    pool: str | None = None
    desktop: str | None = None


class SessionLine(Message):
    """How the line between viewer and desktop is, as its gateway measured it in the last seconds.

    Bytes and stalls count from `Session.connected_at`; in a stall the viewer's side took no more for a tenth of a
    second or longer. `latency_ms`: to the viewer and back; null when it was not measured.
    """

    links: int
    to_viewer_bytes: int
    to_desktop_bytes: int
    stalls: int
    latency_ms: float | None


class Session(Message):
    """`connected_at` and `remote_address` are of the viewer that is connected, or was last."""

    id: str
    pool_id: str
    pool_name: str
    desktop: Desktop
    user_id: str
    user_name: str
    connected: bool
    created_at: datetime
    connected_at: datetime | None = None
    remote_address: str | None = None
    line: SessionLine | None = Field(None, description="Null while no viewer is connected, and before it was measured")
    expected_ready_s: float | None = Field(description="How long it usually takes from now; null when unknown")
    policy: PolicyField = Field(PolicyField(), description="What may pass: what the pool and the person both allow")
    at_sign_out: AtSignOut = Field("destroy", description="What becomes of the desktop when the session ends")
    ends_in_s: float | None = Field(None, description="By its pool's rules, as things are now; null: it does not end")
    ends_by: Literal["grace", "longest", "idle"] | None = Field(None, description="Which rule that is")


class Ticket(Message):
    """`ticket` is good once, until `expires_at`; it is the SPICE password on `spice_path` (a WebSocket)."""

    ticket: str
    expires_at: datetime
    spice_path: str


class NewSession(Message):
    session: Session
    view_url: str
    ticket: Ticket | None = Field(description="Null while the desktop is still on its way")


class Operation(Message):
    id: str
    kind: str
    state: Literal["running", "done", "failed"]
    target_id: str
    step: str
    fraction: float | None
    eta_s: float | None
    failure: FailureField | None
    created_at: datetime
    ended_at: datetime | None


class Event(Message):
    id: str
    at: datetime
    kind: str
    text: str
    user_id: str | None
    user_name: str | None
    desktop_id: str | None
    remote_address: str | None
    outcome: Outcome


Login.model_rebuild()
