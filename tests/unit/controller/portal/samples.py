"""Every page with something on it, as `name, view` pairs: what the page tests render in each language."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product
from types import SimpleNamespace
from typing import Any, get_args

from frazil.controller.portal import entries
from frazil.controller.portal.capacity import Room, room
from frazil.controller.portal.dispatch import Entry, Portal
from frazil.controller.portal.reader import Languages, Reader, load_languages, zone_of
from frazil.controller.portal.viewer_words import viewer_strings
from frazil.controller.portal.views import (
    AccountView,
    Attention,
    Card,
    DeletedView,
    DesktopsView,
    DesktopView,
    EventsView,
    Form,
    Frame,
    GroupsView,
    GroupView,
    HomeView,
    HostsView,
    HostView,
    ImagesView,
    ImageView,
    Listing,
    MessageView,
    NewPoolView,
    OverviewView,
    Person,
    PoolsView,
    PoolView,
    SessionsView,
    SetupView,
    SignInView,
    UsersView,
    UserView,
    ViewerView,
    WaitView,
)
from frazil.controller.portal.words import Trouble, Words
from frazil.controller.services.event_search import EVERYTHING, EventSearch
from frazil.controller.services.events import DesktopName
from frazil.model.desktop import Phase, Power
from frazil.model.room import Bound
from frazil.wire.hostlink import Capabilities, FailureField, Headroom, HostLoad, Profile
from frazil.wire.quota import AmountsField
from frazil.wire.rest import (
    ApiToken,
    Desktop,
    Entitlement,
    Event,
    Explanation,
    Group,
    GroupMember,
    Host,
    HostMaintenance,
    HostRefusal,
    HostRoom,
    Image,
    NewApiToken,
    Placement,
    Points,
    Pool,
    PoolCounts,
    QuarantinedThing,
    Role,
    Session,
    SessionLine,
    User,
)

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
ID = "0195a3c1-7c2e-7000-8000-0000000000{:02x}"
LANGUAGES: Languages = load_languages()


def frame(
    language: str = "en", *, role: Role = "administrator", path: str = "/", trouble: Trouble | None = None
) -> Frame:
    reader = Reader(LANGUAGES.by_code[language], zone_of("Europe/Budapest"), NOW)
    return Frame(
        reader=reader,
        words=Words(reader),
        languages=list(LANGUAGES.by_code.values()),
        person=Person(user_id=ID.format(1), name="anna", role=role),
        csrf="c" * 43,
        here=path,
        path=path,
        origin="https://desktops.example:8443",
        did=reader.gettext("The pool was made.") if trouble is None else "",
        trouble=trouble,
    )


def desktop(phase: Phase, n: int = 1, **changes: object) -> Desktop:
    values: dict[str, object] = {
        "id": ID.format(n),
        "name": f"office-{n:02d}",
        "pool_id": ID.format(40),
        "pool_name": "office",
        "host_id": None if phase is Phase.WAITING else ID.format(60),
        "host_name": None if phase is Phase.WAITING else "host-a",
        "phase": phase,
        "phase_text": phase.value,
        "power": Power.ABSENT if phase is Phase.DELETING else Power.RUNNING,
        "step": "The system inside is starting." if phase is Phase.STARTING else "",
        "failure": FailureField(
            code="guest-silent", text="The guest agent did not answer within 300 s.", remedy="Look at its picture."
        )
        if phase is Phase.FAILED
        else None,
        "user_id": ID.format(1) if n % 2 else None,
        "user_name": "anna" if n % 2 else None,
        "connected": phase is Phase.READY and n % 2 == 1,
        "created_at": NOW - timedelta(minutes=7 * n),
        "started_at": NOW - timedelta(minutes=7 * n - 1) if phase is Phase.READY else None,
        "why": "" if phase is Phase.READY else "No host that is up has its image yet.",
    }
    return Desktop.model_validate(values | changes)


def explanation(of: Desktop, *, kept: bool = True) -> Explanation:
    """Refused by eleven hosts while it waits; else with its points, where they were kept."""
    refusals = [
        HostRefusal(code="memory", text="10 hosts: too little memory left", hosts=[f"host-{n}" for n in range(10)],
                    detail="1280 MiB are needed, the roomiest has 512 MiB.", remedy="End sessions."),
        HostRefusal(code="not-connected", text="1 host: not connected", hosts=["host-z"], remedy="See to its server."),
    ]  # fmt: skip
    parts = [
        Points(name="template", points=40, most=40, text="Its frozen template was there."),
        Points(name="room", points=21, most=30, text="3900 MiB of its memory were left for others."),
    ]
    placed = Placement(at=NOW, able=3, of_hosts=12, points=61, parts=parts)
    return Explanation(
        desktop_id=of.id,
        desktop_name=of.name,
        phase=of.phase,
        phase_text=of.phase_text,
        text="It was placed on the host host-a, the only one of 1 that could take it then." if of.host_id else of.why,
        host_id=of.host_id,
        host_name=of.host_name,
        refusals=refusals if of.phase is Phase.WAITING else [],
        placement=placed if of.host_id and kept else None,
    )


def pool(n: int = 40, *, ready: int = 2, total: int = 12, note: str = "", name: str = "office") -> Pool:
    return Pool(
        id=ID.format(n),
        name=name,
        label=name.capitalize(),
        image_id=ID.format(30),
        image_name="debian-icewm",
        profile=Profile(vcpus=2, memory_mib=1024, disk_gib=8),
        spares=2,
        max_desktops=20,
        start_deadline_s=300,
        start="fork",
        pause_after_s=300,
        share_memory=True,
        version=3,
        deleting=False,
        counts=PoolCounts(total=total, ready=ready, assigned=6, starting=3, failed=1),
        typical_start_s=42.4,
        note=note,
        created_at=NOW - timedelta(days=3),
        host_labels={"room": "3"} if n == 41 else {},
        placement="pack" if n == 41 else "spread",
        apart_by="rack" if n == 41 else "",
    )


def stays(n: int, at_sign_out: str, assignment: str = "first-use") -> Pool:
    """A persistent pool."""
    kind = {"kind": "persistent", "assignment": assignment, "at_sign_out": at_sign_out, "comes_up": "cold"}
    return Pool.model_validate({**pool(n, name=f"own-{n}").model_dump(), **kind})


def session(phase: Phase, n: int = 1, **changes: object) -> Session:
    return Session(
        id=ID.format(80 + n),
        pool_id=ID.format(40),
        pool_name="office",
        desktop=desktop(phase, n, **changes),
        user_id=ID.format(1),
        user_name="anna",
        connected=False,
        created_at=NOW - timedelta(seconds=12),
        expected_ready_s=30.4 if phase in (Phase.STARTING, Phase.WAITING) else None,
    )


def ending(by: str, in_s: float) -> Session:
    """A session that its pool's rules will end."""
    return session(Phase.READY, 7).model_copy(update={"ends_by": by, "ends_in_s": in_s})


def host(n: int = 60, *, up: bool = True) -> Host:
    return Host(
        id=ID.format(n),
        name=f"host-{chr(37 + n)}",
        state="up" if up else "silent",
        last_seen_at=NOW - timedelta(seconds=2 if up else 95),
        version="0.1.0",
        capabilities=Capabilities(kvm=up, spice=True, vcpus=16, memory_mib=65536, qemu="7.2.17", libvirt="9.0.0"),
        load=HostLoad(memory_available_mib=21000, disk_free_mib=812_000, load1=3.4),
        desktops=11,
        warning="" if up else "No usable KVM: every desktop is emulated, which is slow.",
        labels={"room": "3", "rack": "b"} if up else {},
        revision=4,
    )


def maintained(*waits_for: str, stays: str = "") -> Host:
    """A host in maintenance."""
    left = HostMaintenance(
        in_use=1, leaving=2, stopping=0, kept=1, done=not waits_for, waits_for=list(waits_for), stays=stays
    )
    return host().model_copy(update={"maintenance": left})


def room_on(n: int, bound: Bound, pool_n: int = 40, name: str = "office") -> HostRoom:
    return HostRoom(
        pool_id=ID.format(pool_n), pool_name=name, pool_label=name.capitalize(), more=n, bound=bound,
        memory_mib=112, disk_mib=128, text=f"room for {n} more of {name}; bounded by {bound}",
    )  # fmt: skip


def measured_host(*rooms: HostRoom, pressure: str = "") -> Host:
    """A host that reckons its headroom."""
    headroom = Headroom(
        memory_mib=4900, disk_mib=300_000, desktops=80, used_mib=3100, merged_mib=420, pressure=pressure,
        merging="Equal memory of desktops is being looked for and merged.",
    )  # fmt: skip
    load = HostLoad(memory_available_mib=21000, disk_free_mib=812_000, load1=3.4, headroom=headroom)
    return host().model_copy(update={"load": load, "room": list(rooms)})


def image(n: int = 30, state: str = "ready") -> Image:
    failed = FailureField(code="image-failed", text="mmdebstrap ended with code 1.", remedy="Read its log.")
    return Image.model_validate(
        {
            "id": ID.format(n),
            "name": "debian-icewm",
            "version": n - 29,
            "state": state,
            "step": "Installing packages" if state == "making" else "",
            "fraction": 0.43 if state == "making" else 0.0,
            "eta_s": 95.0 if state == "making" else None,
            "failure": failed if state == "failed" else None,
            "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08" if state == "ready" else None,
            "size_bytes": 734_003_200 if state == "ready" else None,
            "virtual_size_bytes": 8 << 30 if state == "ready" else None,
            "os": "Debian GNU/Linux 12",
            "source": "recipe debian-icewm",
            "created_at": NOW - timedelta(hours=5),
        }
    )


def event(n: int, text: str, outcome: str = "done") -> Event:
    return Event.model_validate(
        {
            "id": ID.format(n),
            "at": NOW - timedelta(minutes=n * 3),
            "kind": "desktop.ready",
            "text": text,
            "user_id": ID.format(1),
            "user_name": "anna",
            "desktop_id": ID.format(2),
            "remote_address": "192.0.2.7",
            "outcome": outcome,
        }
    )


def user(n: int = 1, name: str = "anna") -> User:
    return User(
        id=ID.format(n),
        name=name,
        display_name=name.capitalize(),
        role="administrator" if n == 1 else "user",
        quota=AmountsField(desktops=2, memory_mib=4096) if n == 2 else AmountsField(),
        used=AmountsField(desktops=1, vcpus=2, memory_mib=1024, sessions=1),
        created_at=NOW - timedelta(days=9),
    )


def pages(language: str = "en") -> list[tuple[str, object]]:
    reader = frame(language).reader
    every_phase = [desktop(phase, n) for n, phase in enumerate(Phase, 1)]
    week = {"kept_until": NOW + timedelta(days=7), "kept_for": "anna", "why": ""}
    deleted = [desktop(Phase.STOPPED, 1, **week), desktop(Phase.STOPPING, 2, **week)]
    events = [
        event(1, "office-02 is ready."),
        event(2, "anna signed in."),
        event(3, "A ticket was refused: it was used before.", "refused"),
        event(4, "office-09 failed: the guest agent did not answer.", "failed"),
    ]
    stray = QuarantinedThing(
        host_id=ID.format(60),
        kind="domain",
        name="frazil-0195a3c1",
        desktop_id=ID.format(9),
        detail="Running, epoch 1.7",
    )
    entitlement = Entitlement(
        pool_id=ID.format(40), pool_name="office", user_id=ID.format(1), user_name="anna", created_at=NOW
    )
    group = Group(
        id=ID.format(50),
        name="class-7",
        label="Class 7",
        members=1,
        version=2,
        created_at=NOW,
        quota=AmountsField(sessions=30),
    )
    of_group = entitlement.model_copy(
        update={"user_id": None, "user_name": None, "group_id": group.id, "group_name": group.name}
    )
    member = GroupMember(user_id=ID.format(1), user_name="anna", display_name="Anna", source="local", created_at=NOW)
    token = ApiToken(
        id=ID.format(70), name="backup", created_at=NOW, expires_at=NOW + timedelta(days=90), last_used_at=None
    )
    new_token = NewApiToken(**token.model_dump(), token="frz_0123456789abcdef")
    listing = Listing(sort="name", descending=False, page=2, pages=3, total=210, filters={"phase": "ready"})
    images = [image(33, "making"), image(32, "failed"), image(31, "waiting"), image(30)]
    typed = Form(values={"name": "An Na"}, wrong={"name": reader.gettext("Use small letters and digits.")})
    cards = [
        Card(pool=pool(), session=session(Phase.READY)),
        Card(pool=pool(41, name="design"), session=session(Phase.STARTING, 2)),
        Card(pool=pool(42, name="accounting"), session=session(Phase.FAILED, 3)),
        Card(pool=pool(43, name="training"), session=None),
        Card(pool=pool(44, ready=0, name="laboratory"), session=None),
        *(
            Card(pool=pool(70 + n, name=f"limited-{n}"), session=ending(by, in_s))
            for n, (by, in_s) in enumerate((("grace", 40.0), ("longest", 200.0), ("longest", 4000.0), ("idle", 30.0)))
        ),
        *(
            Card(pool=stays(n, at_sign_out), session=opened)
            for n, (at_sign_out, opened) in enumerate(product(("keep", "reset"), (None, session(Phase.READY, 9))), 60)
        ),
        *(Card(pool=pool(45 + n), session=session(phase, 4 + n)) for n, phase in enumerate(Phase)),
    ]
    trouble = Trouble(reader.gettext("You may not do this."), reference=ID.format(99), detail="Not an administrator.")
    overview = OverviewView(
        attention=[
            Attention(tone="bad", text=reader.gettext("Failed"), href="/console/desktops?phase=failed"),
            Attention(tone="busy", text=reader.gettext("Paused"), href="/console/pools"),
        ],
        troubled=[d for d in every_phase if d.phase in (Phase.WAITING, Phase.STARTING, Phase.FAILED, Phase.UNKNOWN)],
        rooms=[
            room(pool(), [host()]),
            Room(pool(41, name="design"), 3, "memory"),
            Room(pool(42), 0, "hosts"),
            Room(pool(42), 0, "labels"),
        ],
        hosts=[host(), host(61, up=False)],
        events=events,
        images=images,
        desktops=210,
    )
    line = SessionLine(links=4, to_viewer_bytes=14 << 20, to_desktop_bytes=9000, stalls=0, latency_ms=23.4)
    seen = session(Phase.READY, 3).model_copy(
        update={
            "connected": True,
            "connected_at": NOW - timedelta(minutes=5),
            "remote_address": "192.0.2.7",
            "line": line,
        }
    )
    kept = session(Phase.READY, 5).model_copy(update={"at_sign_out": "keep"})
    slow = seen.model_copy(
        update={"id": ID.format(90), "line": line.model_copy(update={"stalls": 3, "latency_ms": None})}
    )
    return [
        ("sign-in", SignInView(next="/", form=Form(), retry_after_s=None)),
        ("sign-in", SignInView(next="/", form=typed, retry_after_s=7.2)),
        ("setup", SetupView(token="tok", form=typed)),
        ("message", MessageView(trouble=trouble, back="/")),
        ("message", MessageView(trouble=trouble, back="/sign-in")),
        ("home", HomeView(cards=cards, direct=True)),
        ("home", HomeView(cards=[], direct=None)),
        *(("wait", WaitView(session=session(phase), waited_s=12.0)) for phase in Phase),
        ("viewer", ViewerView(session=session(Phase.READY), strings=viewer_strings(reader))),
        ("account", AccountView(tokens=[token], new_token=new_token, password=Form(), token=typed)),
        ("console/overview", overview),
        (
            "console/overview",
            OverviewView(attention=[], troubled=[], rooms=[], hosts=[], events=[], images=[], desktops=0),
        ),
        ("console/hosts", HostsView(hosts=[host(), host(61, up=False)], strays=[stray])),
        ("console/hosts", HostsView(hosts=[], strays=[])),
        *(
            ("console/host", HostView(host=measured_host(room_on(43, bound)), desktops=[], strays=[]))
            for bound in get_args(Bound)
        ),
        ("console/hosts", HostsView(hosts=[measured_host(room_on(43, "memory"), room_on(2, "disk", 41))], strays=[])),
        *(
            ("console/host", HostView(host=one, desktops=[], strays=[]))
            for one in (
                maintained("1 desktop is in use and stays until its session ends."),
                maintained(stays="One stays."),
            )
        ),
        ("console/hosts", HostsView(hosts=[maintained()], strays=[])),
        ("console/host", HostView(host=host(61, up=False), desktops=every_phase, strays=[stray])),
        (
            "console/host",
            HostView(
                host=host(),
                desktops=[],
                strays=[],
                form=Form(values={"labels": "Room"}, wrong={"labels": reader.gettext("This can't be right.")}),
            ),
        ),
        (
            "console/images",
            ImagesView(images=images, build=Form(), upload=typed, incoming_dir="/srv/in", recipes=["debian-icewm"]),
        ),
        *(("console/image", ImageView(image=i, pools=[pool()] if i.state == "ready" else [])) for i in images),
        ("console/pools", PoolsView(pools=[pool(), pool(41, note="Its newest 3 spares failed.", name="design")])),
        ("console/pools", PoolsView(pools=[])),
        ("console/pool-new", NewPoolView(images=[image()], form=typed)),
        ("console/pool-new", NewPoolView(images=[], form=Form())),
        (
            "console/pool",
            PoolView(
                pool=pool(note="Its newest 3 spares failed."),
                room=room(pool(41), [host(61, up=False), host().model_copy(update={"labels": {}})]),
                entitlements=[of_group, entitlement],
                others=[user(2, "bela")],
                other_groups=[group],
                form=Form(),
            ),
        ),
        *(
            (
                "console/pool",
                PoolView(pool=stays(46, *kind), room=None, entitlements=[], others=[], other_groups=[], form=Form()),
            )
            for kind in product(("keep", "reset"), ("first-use", "administrator"))
        ),
        (
            "console/pool",
            PoolView(pool=pool(), room=None, entitlements=[], others=[], other_groups=[], form=Form()),
        ),
        ("console/sessions", SessionsView(sessions=[session(Phase.READY), seen, slow, kept])),
        ("console/sessions", SessionsView(sessions=[])),
        ("console/desktops", DesktopsView(desktops=every_phase, listing=listing, pools=[pool()])),
        *(
            ("console/desktop", DesktopView(desktop=d, events=events, explanation=explanation(d, kept=kept)))
            for d, kept in product(every_phase, (True, False))
        ),
        *(
            ("console/desktop", DesktopView(desktop=d, events=[], explanation=explanation(d, kept=True)))
            for d in (desktop(Phase.READY, 1, kept_if_deleted_s=7 * 86400), *deleted)
        ),
        ("console/deleted-desktops", DeletedView(desktops=deleted)),
        ("console/deleted-desktops", DeletedView(desktops=[])),
        ("console/users", UsersView(users=[user(), user(2, "bela")], form=typed)),
        ("console/user", UserView(user=user(2, "bela"), groups=[group], entitlements=[of_group], form=Form())),
        ("console/groups", GroupsView(groups=[group], form=typed)),
        ("console/groups", GroupsView(groups=[], form=Form())),
        (
            "console/group",
            GroupView(group=group, members=[member], others=[user(2, "bela")], entitlements=[of_group], form=typed),
        ),
        ("console/group", GroupView(group=group, members=[], others=[], entitlements=[], form=Form())),
        *(("console/events", view) for view in histories(events, reader)),
    ]


def histories(events: list[Event], reader: Reader) -> list[EventsView]:
    """All; the second page of a search, its desktop gone; one that nobody knows; nothing; what can't be."""
    filters = {
        "text": "100% <b>",
        "user": "anna",
        "kind": "template-removed",
        "outcome": "failed",
        "since": "2030-01-01",
    }
    search = EventSearch(text=filters["text"], user="anna", kind=filters["kind"], outcome="failed", since=NOW)
    wrong = Form(values={"until": "x"}, wrong={"until": reader.gettext("Write the day like 2030-01-31.")})
    gone = [event.model_copy(update={"user_name": None, "remote_address": None}) for event in events]
    known = {events[0].desktop_id or "": DesktopName("office-02", there=True)}
    left = {events[0].desktop_id or "": DesktopName("office-02", there=False)}
    none: dict[str, DesktopName] = {}
    return [
        EventsView(form=Form(), search=EVERYTHING, events=events, desktops=known, cursor="", next_cursor="abc"),
        EventsView(form=Form(values=filters), search=search, events=gone, desktops=left, cursor="a", next_cursor=None),
        EventsView(form=Form(values=filters), search=search, events=[], desktops=none, cursor="", next_cursor=None),
        EventsView(form=Form(), search=EVERYTHING, events=events, desktops=none, cursor="", next_cursor=None),
        EventsView(form=Form(), search=EVERYTHING, events=[], desktops=none, cursor="", next_cursor=None),
        EventsView(form=wrong, search=EVERYTHING, events=[], desktops=none, cursor="", next_cursor=None),
    ]


def page_entries() -> list[Entry]:
    """The table of all pages; none of them can be called."""
    nothing: Any = SimpleNamespace()
    portal = Portal(services=nothing, settings=nothing, languages=LANGUAGES, templates=nothing, clock=nothing)
    return entries(portal)
