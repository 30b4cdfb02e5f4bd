"""What each page shows, as values: the one thing that a template reads besides its frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlencode

from frazil.controller.identity.rights import Right, covers, rights_of
from frazil.controller.planning.session_rules import WARNING
from frazil.controller.portal.capacity import Room
from frazil.controller.portal.reader import Language, Reader
from frazil.controller.portal.words import OUTCOMES, PHASES, Trouble, Words
from frazil.controller.services.event_search import EventSearch
from frazil.controller.services.events import DesktopName
from frazil.model.desktop import Phase
from frazil.wire.policy import PolicyField
from frazil.wire.rest import (
    ApiToken,
    Desktop,
    Entitlement,
    Event,
    Explanation,
    Group,
    GroupMember,
    Host,
    Image,
    NewApiToken,
    Pool,
    QuarantinedThing,
    Role,
    Session,
    User,
)

Option = tuple[str, str]
"""A choice in a form: its value and what people read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who is signed in, as the frame shows it."""

    user_id: str | None
    name: str
    role: Role

    @property
    def has_console(self) -> bool:
        return bool(rights_of(self.role))


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What is around every page. `here` is the page's own path and query, `origin` how people reach this
    installation; `did` tells what a form has just done."""

    reader: Reader
    words: Words
    languages: Sequence[Language]
    person: Person | None
    csrf: str
    here: str
    path: str
    origin: str
    did: str = ""
    trouble: Trouble | None = None

    def may(self, right: str) -> bool:
        """Whether the reader has this right, named as in `Right`."""
        return self.person is not None and Right[right] in rights_of(self.person.role)


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What was typed into a form and what is wrong with it, by field."""

    values: Mapping[str, str] = field(default_factory=dict)
    wrong: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetupView:
    token: str
    form: Form


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInView:
    next: str
    form: Form
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageView:
    """A page of words only: not found, refused, unavailable."""

    trouble: Trouble
    back: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One pool on the portal, with the reader's session in it where there is one."""

    pool: Pool
    session: Session | None

    @property
    def stays(self) -> bool:
        """Whether a desktop of it is the reader's between sessions too, so that spares tell nothing of it."""
        return self.pool.kind == "persistent"

    @property
    def ends_soon_s(self) -> float | None:
        """How soon the session ends under its person's hands; None when that is not soon."""
        session = self.session
        if session is None or session.ends_in_s is None or session.ends_by == "grace":
            return None
        return session.ends_in_s if session.ends_in_s <= WARNING.total_seconds() else None

    @property
    def kept_s(self) -> float | None:
        """For how long the session waits for its person; None while that is not limited."""
        return self.session.ends_in_s if self.session is not None and self.session.ends_by == "grace" else None

    @property
    def desktop(self) -> Desktop | None:
        return self.session.desktop if self.session else None

    @property
    def phase(self) -> Phase | None:
        return self.session.desktop.phase if self.session else None

    @property
    def has_picture(self) -> bool:
        return self.phase in (Phase.READY, Phase.PAUSED, Phase.STARTING)


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeView:
    """`direct` is whether a single desktop is opened right after sign-in; null when that does not apply."""

    cards: Sequence[Card]
    direct: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitView:
    """A session whose desktop is not ready. `waited_s` is the time since it was asked for."""

    session: Session
    waited_s: float

    @property
    def fraction(self) -> float | None:
        """How much of the usual time has passed, at most 0.95; null when no usual time is known."""
        left = self.session.expected_ready_s
        if left is None:
            return None
        return min(0.95, self.waited_s / max(1.0, self.waited_s + left))


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewerView:
    session: Session
    strings: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountView:
    tokens: Sequence[ApiToken]
    new_token: NewApiToken | None
    password: Form
    token: Form


@dataclass(frozen=True, slots=True, kw_only=True)
class Attention:
    """One thing that is not well, and where to look."""

    tone: Literal["bad", "busy"]
    text: str
    href: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OverviewView:
    """What the reader may not see is empty."""

    attention: Sequence[Attention]
    troubled: Sequence[Desktop]
    rooms: Sequence[Room]
    hosts: Sequence[Host]
    events: Sequence[Event]
    images: Sequence[Image]
    desktops: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HostsView:
    hosts: Sequence[Host]
    strays: Sequence[QuarantinedThing]


@dataclass(frozen=True, slots=True, kw_only=True)
class HostView:
    """`pools`: those that the caller sees, where there are strays."""

    host: Host
    desktops: Sequence[Desktop]
    strays: Sequence[QuarantinedThing]
    pools: Sequence[Pool] = ()
    form: Form = field(default_factory=Form)

    def pools_for(self, stray: QuarantinedThing) -> list[Pool]:
        """Those that would keep it."""
        fit = [pool for pool in self.pools if pool.kind == "persistent" and pool.at_sign_out == "keep"]
        return [pool for pool in fit if pool.image_id == stray.image_id and not pool.deleting]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagesView:
    images: Sequence[Image]
    build: Form
    upload: Form
    incoming_dir: str
    recipes: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageView:
    image: Image
    pools: Sequence[Pool]


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolsView:
    pools: Sequence[Pool]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPoolView:
    images: Sequence[Image]
    form: Form
    policy: PolicyField = field(default_factory=PolicyField)

    def image_options(self) -> list[Option]:
        return [(image.id, f"{image.name} · {image.version}") for image in self.images]


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolView:
    """`room` is None for who may not see hosts."""

    pool: Pool
    room: Room | None
    entitlements: Sequence[Entitlement]
    others: Sequence[User]
    other_groups: Sequence[Group]
    form: Form

    def other_options(self) -> list[Option]:
        return [(user.id, user.name) for user in self.others]

    def other_group_options(self) -> list[Option]:
        return [(group.id, group.name) for group in self.other_groups]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """How a list is narrowed and ordered, as its address says it."""

    sort: str
    descending: bool
    page: int
    pages: int
    total: int
    filters: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class DesktopsView:
    desktops: Sequence[Desktop]
    listing: Listing
    pools: Sequence[Pool]

    def phase_options(self, words: Words, anything: str) -> list[Option]:
        return [("", anything), *((phase.value, words.phase(phase).text) for phase in PHASES)]

    def pool_options(self, anything: str) -> list[Option]:
        return [("", anything), *((pool.id, pool.label) for pool in self.pools)]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletedView:
    """Those that can be restored, whose time is over first first."""

    desktops: Sequence[Desktop]

    def left_s(self, desktop: Desktop, reader: Reader) -> float:
        return left_s(desktop, reader)


def left_s(desktop: Desktop, reader: Reader) -> float:
    """How long a deleted desktop can be restored still."""
    return max(0.0, (desktop.kept_until - reader.now).total_seconds()) if desktop.kept_until is not None else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DesktopView:
    desktop: Desktop
    events: Sequence[Event]
    explanation: Explanation
    form: Form = field(default_factory=Form)

    def left_s(self, reader: Reader) -> float:
        return left_s(self.desktop, reader)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionsView:
    sessions: Sequence[Session]


@dataclass(frozen=True, slots=True, kw_only=True)
class UsersView:
    users: Sequence[User]
    form: Form


@dataclass(frozen=True, slots=True, kw_only=True)
class UserView:
    """`entitlements`: by themselves and by their groups."""

    user: User
    groups: Sequence[Group]
    entitlements: Sequence[Entitlement]
    form: Form

    def password_by(self, person: Person) -> bool:
        """Whether this reader may give them a new password."""
        return covers(person.role, self.user.role)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupsView:
    groups: Sequence[Group]
    form: Form


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupView:
    group: Group
    members: Sequence[GroupMember]
    others: Sequence[User]
    entitlements: Sequence[Entitlement]
    form: Form

    def other_options(self) -> list[Option]:
        return [(user.id, user.name) for user in self.others]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventsView:
    """form: the search as it was filled in, and the same as a search. desktops: what those of the events are called,
    by id. cursor: after which event the page begins; empty for the newest."""

    form: Form
    search: EventSearch
    events: Sequence[Event]
    desktops: Mapping[str, DesktopName]
    cursor: str
    next_cursor: str | None

    def outcome_options(self, words: Words) -> list[Option]:
        return [(outcome, words.outcome(outcome).text) for outcome in OUTCOMES]

    def kind_options(self, words: Words) -> list[Option]:
        """With the one that was asked for, where the form has no words for it."""
        known = words.event_kind_options()
        asked = self.form.values.get("kind", "")
        return known if not asked or asked in dict(known) else [*known, (asked, asked)]

    def address(self, path: str = "/console/events", **more: str) -> str:
        """This search, with something more, or something else."""
        said = {**self.form.values, **more}
        return f"{path}?{urlencode(said)}" if said else path

    @property
    def command(self) -> list[str]:
        """The words of the same search after `frazil`."""
        search = self.search
        said = {
            "user": search.user,
            "kind": search.kind,
            "outcome": search.outcome,
            "desktop": search.desktop,
            "since": search.since and f"{search.since:%Y-%m-%dT%H:%MZ}",
            "until": search.until and f"{search.until:%Y-%m-%dT%H:%MZ}",
            "text": search.text,
        }
        # Joined by =, so that what begins with a dash is no option.
        return ["events", *(f"--{name}={value}" for name, value in said.items() if value)]
