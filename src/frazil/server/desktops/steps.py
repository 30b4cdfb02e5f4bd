"""What to do next for one desktop on this host. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from frazil.model.desktop import Epoch, Failure, Guest, Power, State
from frazil.server.desktops.directory import Record
from frazil.server.guests.signing_on import token_sha256
from frazil.server.hypervisor.port import Domain, DomainState
from frazil.wire.hostlink import DesktopSpec, Person, ReadyWhen, SignOn

SHUTDOWN_PATIENCE = timedelta(seconds=90)
RESTARTS_MAX = 3
"""A desktop that stops by itself is started again this often in one attempt."""


class Do(Enum):
    """One idempotent step."""

    NOTHING = "nothing"
    START = "start"
    RESUME = "resume"
    PAUSE = "pause"
    ASK_SHUTDOWN = "ask-shutdown"
    DESTROY = "destroy"
    REMOVE_DISK = "remove-disk"
    IDENTIFY = "identify"
    SIGN_ON = "sign-on"
    SET_CLOCK = "set-clock"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Step:
    """What to do, why in words (shown to people while it happens), and when to look again at the latest.

    newer: the placement and attempt of what is there, where the spec tells of older ones, as a controller does whose
    database was restored from a backup: it is told what is here, and nothing is done.
    """

    do: Do
    words: str = ""
    failure: Failure | None = None
    look_again_at: datetime | None = None
    newer: tuple[Epoch, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """All that a decision depends on.

    `restarts` counts starts of this attempt after its first; `offers_identity`: the guest can be told who it is;
    `goes_since`: from when on the guest could have answered this process; `clock_is_due`: its clock is to be set;
    `waiting`: the guest's screen waits for a person that it can be told to sign on; `sign_on`: the last it took;
    `has_room`: the host's disk has room again for a desktop that stands still since it was full;
    `silent_since`: from when on the guest has left unanswered what it was asked to do.
    """

    domain: Domain | None
    record: Record | None
    guest: Guest
    offers_identity: bool = False
    goes_since: datetime | None = None
    clock_is_due: bool = False
    waiting: bool = False
    sign_on: SignOn | None = None
    has_room: bool = False
    silent_since: datetime | None = None
    restarts: int
    shutdown_asked_at: datetime | None
    failure: Failure | None
    installation_id: str


NOTHING = Step(Do.NOTHING)

FOREIGN = Failure(
    "foreign-domain",
    "A domain that Frazil did not make has this desktop's id; it is left alone.",
    "Look at it with virsh, and remove or rename it.",
)
DISK_FULL = Failure(
    "disk-full",
    "The desktop is paused since its disk can't grow: this host's disk is full.",
    "Free disk space on the host; the desktop then goes on where it was.",
)
KEEPS_STOPPING = Failure(
    "keeps-stopping",
    f"The desktop stopped by itself {RESTARTS_MAX + 1} times.",
    "See its screen and the log of its guest, then retry it.",
)

SIGN_ON_FAILED = Failure(
    "sign-on-failed",
    "The person's session ended before its desktop appeared.",
    "Retry the desktop. If that fails too, look at the image that it was made from.",
)


def guest_silent(deadline_s: float, guest: Guest) -> Failure:
    """Why a desktop that runs is no use."""
    heard = {
        Guest.SILENT: "its guest agent never answered",
        Guest.AGENT: "its guest agent answered, but its desktop never appeared",
        Guest.READY: "its guest service never took in who it is",
    }[guest]
    return Failure(
        "guest-silent",
        f"The desktop was started {deadline_s:.0f} s ago and {heard}.",
        "Retry it. If that fails too, look at its screen, and at the image that it was made from.",
    )


def fell_silent(deadline_s: float) -> Failure:
    """Why a desktop that was up is no use to the person who is to get it."""
    return Failure(
        "guest-silent",
        f"The desktop's guest service has not answered for {deadline_s:.0f} s.",
        "Retry it. If that fails too, look at its screen, and at the image that it was made from.",
    )


def _knows_itself(record: Record) -> bool:
    """False for a fork that was not told yet who it is."""
    return record.template is None or record.identified


def had_stopped(record: Record | None) -> bool:
    """Whether a desktop without a domain was there before. A fork that does not know itself was only half made."""
    return record is not None and record.started_at is not None and _knows_itself(record)


def is_ready(ready_when: ReadyWhen, guest: Guest, record: Record | None) -> bool:
    """Whether what was heard from the guest is enough. A fork is not ready before it knows who it is."""
    if record is not None and not _knows_itself(record):
        return False
    match ready_when:
        case "service":
            return guest is Guest.READY
        case "agent":
            return guest in (Guest.AGENT, Guest.READY)
        case "running":
            return True


def newest(domain: Domain | None, record: Record | None) -> tuple[Epoch, int] | None:
    """The newest placement and attempt that there is something of here, the domain being ours."""
    there = (record, domain.labels if domain is not None else None)
    return max(((one.epoch, one.attempt) for one in there if one is not None), default=None)


def state_of(domain: Domain | None, record: Record | None) -> State:
    """What there is of a desktop here."""
    if domain is None:
        return State.STOPPED if record is not None else State.ABSENT
    match domain.state:
        case DomainState.PAUSED:
            return State.PAUSED
        case DomainState.STOPPED | DomainState.CRASHED:
            return State.STOPPED
        case _:
            return State.RUNNING


def decide(spec: DesktopSpec, now: datetime, at: Situation) -> Step:
    """The next step towards `spec`. Called again after each step until it says NOTHING or FAIL."""
    wanted = (Epoch(spec.epoch.generation, spec.epoch.counter), spec.attempt)
    domain = at.domain
    if domain is not None and (domain.labels is None or domain.labels.installation_id != at.installation_id):
        return Step(Do.FAIL, failure=FOREIGN)
    known = newest(domain, at.record)
    if known is not None and known > wanted:
        return Step(Do.NOTHING, "Left alone: what is here is newer than what is wanted", newer=known)
    if domain is not None:
        assert domain.labels is not None
        if (domain.labels.epoch, domain.labels.attempt) != wanted:
            return Step(Do.DESTROY, "Ending what an earlier attempt left")
    if spec.power is Power.ABSENT:
        if domain is not None:
            return Step(Do.DESTROY, "Stopping")
        return Step(Do.REMOVE_DISK, "Removing its disk") if at.record is not None else NOTHING
    if at.record is not None and (at.record.epoch, at.record.attempt) != wanted and not spec.keep_disk:
        if domain is not None:
            return Step(Do.DESTROY, "Ending it, since its disk is an earlier attempt's")
        return Step(Do.REMOVE_DISK, "Removing the disk of an earlier attempt")
    match spec.power:
        case Power.STOPPED:
            return _towards_stopped(spec, now, at)
        case Power.PAUSED:
            return _towards_paused(domain)
        case _:
            return _towards_running(spec, now, at)


def _towards_stopped(spec: DesktopSpec, now: datetime, at: Situation) -> Step:
    if at.domain is None:
        return NOTHING
    if not spec.graceful or at.domain.state in (DomainState.PAUSED, DomainState.CRASHED):
        return Step(Do.DESTROY, "Stopping")
    if at.shutdown_asked_at is None:
        return Step(Do.ASK_SHUTDOWN, "Shutting down")
    until = at.shutdown_asked_at + SHUTDOWN_PATIENCE
    if now >= until:
        return Step(Do.DESTROY, "Stopping: the guest did not shut down by itself")
    return Step(Do.NOTHING, "Shutting down", look_again_at=until)


def _towards_paused(domain: Domain | None) -> Step:
    if domain is None or domain.state is not DomainState.RUNNING:
        return NOTHING
    return Step(Do.PAUSE, "Pausing")


def _settled(record: Record, guest: Guest) -> bool:
    """Whether a new host name harms nothing: a session that is just coming up under the old one would end."""
    return record.template is not None or guest is Guest.READY


def _towards_signed_on(person: Person, at: Situation) -> Step | None:
    """Sign the person on once; None when nothing of that kind is to be done now."""
    if at.sign_on is not None and at.sign_on.token_sha256 == token_sha256(person.token):
        # One who left is not signed on again: their session is over.
        return Step(Do.FAIL, failure=SIGN_ON_FAILED) if at.sign_on.state == "failed" else None
    identified = not at.offers_identity or (at.record is not None and at.record.identified)
    return Step(Do.SIGN_ON, "Signing the person on") if at.waiting and identified else None


def _towards_running(spec: DesktopSpec, now: datetime, at: Situation) -> Step:
    if at.failure is not None and at.failure.code not in (DISK_FULL.code,):
        return Step(Do.FAIL, failure=at.failure)
    started_at = at.record.started_at if at.record else None
    if at.domain is None:
        if started_at is not None and at.restarts >= RESTARTS_MAX:
            return Step(Do.FAIL, failure=KEEPS_STOPPING)
        return Step(Do.START, "Starting again: it had stopped by itself" if had_stopped(at.record) else "Starting")
    if at.domain.state is DomainState.CRASHED:
        return Step(Do.DESTROY, "Ending what crashed")
    if at.domain.state in (DomainState.STOPPING, DomainState.STOPPED):
        # Nobody is left who could answer, however long ago it was started: that is no silence.
        return Step(Do.DESTROY, "Stopping")
    if at.domain.io_error:  # said by the hypervisor until somebody resumes it
        return Step(Do.RESUME, "Going on: there is disk again") if at.has_room else Step(Do.FAIL, failure=DISK_FULL)
    if at.domain.state is DomainState.PAUSED:
        if at.record is not None and not _knows_itself(at.record):
            # Whoever made it ended before it ran: QEMU still waits for its state, and resuming changes nothing.
            return Step(Do.DESTROY, "Ending a fork that was only half made")
        return Step(Do.RESUME, "Resuming")
    ready = is_ready(spec.ready_when, at.guest, at.record) or started_at is None
    # One that was paused, or that an earlier life of this process knew, has not been silent since it was started.
    patience = timedelta(seconds=spec.start_deadline_s)
    until = max(started_at or now, at.goes_since or started_at or now) + patience
    if not ready and now >= until:
        return Step(Do.FAIL, failure=guest_silent(spec.start_deadline_s, at.guest))
    # Nobody's work is lost with one whose screen still waits for its person.
    if at.waiting and spec.person is not None and at.silent_since is not None and now >= at.silent_since + patience:
        return Step(Do.FAIL, failure=fell_silent(spec.start_deadline_s))
    if (asking := _to_be_asked(spec, at)) is not None:
        return asking
    if ready:
        if at.clock_is_due:
            return Step(Do.SET_CLOCK, "Setting its clock")
        coming = at.sign_on is not None and at.sign_on.state == "on" and not at.sign_on.panel
        return Step(Do.NOTHING, "Opening the person's session") if coming else NOTHING
    words = "Waiting for its desktop to appear" if at.guest is Guest.AGENT else _booting(spec, at.record)
    return Step(Do.NOTHING, words, look_again_at=until)


def _booting(spec: DesktopSpec, record: Record | None) -> str:
    forked = record is not None and record.template is not None
    return "Booting, which takes longer: it could not be forked" if spec.start == "fork" and not forked else "Booting"


def _to_be_asked(spec: DesktopSpec, at: Situation) -> Step | None:
    """What the guest is to be asked before its desktop can be used; None when nothing of that kind is left."""
    if at.offers_identity and at.record is not None and not at.record.identified and _settled(at.record, at.guest):
        return Step(Do.IDENTIFY, "Giving it an identity of its own")
    return _towards_signed_on(spec.person, at) if spec.person is not None else None
