"""The words for states, failures and refusals, in the reader's language.

Other parts say *what* is the case by stable codes (`Phase`, `Failure.code`, `FrazilError.code`) and add a
sentence in English.
The pages say it by the code, so that it can be read in any language, and show the sentence as the detail.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from frazil.controller.portal.marking import N_
from frazil.controller.portal.reader import Reader
from frazil.controller.portal.said import Said, said
from frazil.model.desktop import Phase
from frazil.wire.hostlink import FailureField
from frazil.wire.rest import Assignment, AtSignOut, PoolKind, PoolPlacement, Role

Tone = Literal["ok", "busy", "bad", "idle"]


@dataclass(frozen=True, slots=True)
class Word:
    """A state in a word or two, and how it is coloured."""

    text: str
    tone: Tone


ROLES: dict[Role, tuple[str, str]] = {
    "user": (N_("Uses desktops"), N_("Their own desktops, and nothing of others.")),
    "helpdesk": (
        N_("Helpdesk"),
        N_("Sees people and desktops, ends sessions, restarts desktops, gives new passwords."),
    ),
    "pool-admin": (N_("Pool administrator"), N_("Looks after pools and images, and says who may use which pool.")),
    "auditor": (N_("Auditor"), N_("Sees everything and changes nothing.")),
    "administrator": (N_("Administrator"), N_("May do everything.")),
}
"""The role in a word or two, and what it is for."""


KINDS: dict[PoolKind, str] = {
    "floating": N_("Floating: any desktop for any person"),
    "persistent": N_("Persistent: each person's own"),
}
ASSIGNMENTS: dict[Assignment, str] = {
    "first-use": N_("when its person first opens one"),
    "administrator": N_("by an administrator only"),
}
SIGN_OUTS: dict[AtSignOut, str] = {
    "keep": N_("Shut down and kept"),
    "reset": N_("Reset to the image"),
}
"""What a persistent pool may do; a floating one destroys."""
PLACEMENTS: dict[PoolPlacement, str] = {
    "spread": N_("Spread over hosts: the loss of one takes few"),
    "pack": N_("Packed: one host is filled before the next"),
}


@dataclass(frozen=True, slots=True)
class Trouble:
    """What went wrong, as shown: what happened, what it means for the reader, what to do, and what to search for.

    `detail` is the sentence of the part that failed, in English; empty when it adds nothing.
    """

    what: str
    means: str = ""
    todo: str = ""
    detail: str = ""
    reference: str = ""


PHASES: dict[Phase, tuple[str, Tone]] = {
    Phase.WAITING: (N_("Waiting for a host"), "busy"),
    Phase.STARTING: (N_("Starting"), "busy"),
    Phase.READY: (N_("Ready"), "ok"),
    Phase.PAUSED: (N_("Paused"), "idle"),
    Phase.STOPPING: (N_("Stopping"), "busy"),
    Phase.STOPPED: (N_("Stopped"), "idle"),
    Phase.DELETING: (N_("Being deleted"), "busy"),
    Phase.GONE: (N_("Gone"), "idle"),
    Phase.FAILED: (N_("Failed"), "bad"),
    Phase.UNKNOWN: (N_("Host not answering"), "bad"),
}

IMAGE_STATES: dict[str, tuple[str, Tone]] = {
    "waiting": (N_("Waiting for a host"), "busy"),
    "making": (N_("Being made"), "busy"),
    "ready": (N_("Ready"), "ok"),
    "failed": (N_("Failed"), "bad"),
    "deleting": (N_("Being deleted"), "busy"),
}

HOST_STATES: dict[str, tuple[str, Tone]] = {"up": (N_("Up"), "ok"), "silent": (N_("Not answering"), "bad")}

MAINTENANCE: tuple[str, Tone] = (N_("In maintenance"), "busy")

TEMPLATE_STATES: dict[str, tuple[str, Tone]] = {
    "making": (N_("Being made"), "busy"),
    "ready": (N_("Ready"), "ok"),
    "failed": (N_("Failed"), "bad"),
}

OUTCOMES: dict[str, tuple[str, Tone]] = {
    "done": (N_("Done"), "ok"),
    "refused": (N_("Refused"), "busy"),
    "failed": (N_("Failed"), "bad"),
    "seen": (N_("Seen"), "idle"),
}

EVENT_KINDS: dict[str, str] = {
    "login.": N_("Sign-ins"),
    "logout": N_("Sign-outs"),
    "session.": N_("Sessions"),
    "ticket.": N_("Tickets for viewers"),
    "link.": N_("Viewers' connections"),
    "desktop.": N_("Desktops"),
    "pool.": N_("Pools"),
    "entitlement.": N_("Who may use pools"),
    "image.": N_("Images"),
    "host.": N_("Hosts"),
    "user.": N_("Users"),
    "group.": N_("Groups"),
    "token.": N_("API tokens"),
}
"""What the history is searched for, by the beginning of the event's kind."""

# What happened and what to do, by code: first for the person at the desktop, then for
# administrators.
_FAILURES: dict[str, tuple[str, str, str]] = {
    "guest-silent": (
        N_("The desktop was switched on, but the system inside it did not answer in time."),
        N_("Try again. If it happens twice, tell your administrator the reference below."),
        N_("Retry it. If it happens again, look at its picture, and check that the image has a working guest agent."),
    ),
    "out-of-space": (
        N_("The host has too little disk space or memory left for this desktop."),
        N_("Try again later, or tell your administrator the reference below."),
        N_("Free some space or memory on the host, or delete desktops that nobody uses; then retry."),
    ),
    "unavailable": (
        N_("A part of the system could not be reached."),
        N_("Try again in a minute. If it lasts, tell your administrator the reference below."),
        N_("See on the hosts' page which host is not answering; then retry."),
    ),
    "host-error": (
        N_("The host could not start this desktop."),
        N_("Try again. If it happens twice, tell your administrator the reference below."),
        N_("Read the detail, mend the cause on the host, and retry."),
    ),
    "no-host": (
        N_("No host can take this desktop now."),
        N_("Try again later, or tell your administrator the reference below."),
        N_("See on the hosts' page that a host is up, has the image, and has memory to spare."),
    ),
    "not-started": (
        N_("The desktop took longer to start than its pool allows."),
        N_("Try again. If it happens twice, tell your administrator the reference below."),
        N_("Retry it, or give the pool's desktops more time to start."),
    ),
    "disk-full": (
        N_("The desktop stands still, since its host's disk is full."),
        N_("It goes on where it was once there is room. Tell your administrator the reference below."),
        N_("Free disk space on the host; the desktop then goes on where it was."),
    ),
    "keeps-stopping": (
        N_("The desktop stopped by itself again and again."),
        N_("Try again. If it happens twice, tell your administrator the reference below."),
        N_("Look at its picture and at the guest's own log, then retry it."),
    ),
    "foreign-domain": (
        N_("A virtual machine that Frazil did not make stands in the desktop's place."),
        N_("Tell your administrator the reference below."),
        N_("Look at it with virsh on the host, and remove or rename it."),
    ),
}
_FAILURE_OTHERWISE = (
    N_("The desktop could not be started."),
    N_("Try again. If it happens twice, tell your administrator the reference below."),
    N_("Read the detail, mend the cause, and retry."),
)

# What a refused request means, by the error's code.
_REFUSALS: dict[str, str] = {
    "invalid-input": N_("This can't be done as it was asked for."),
    "not-found": N_("There is no such thing, or you may not see it."),
    "conflict": N_("Not possible right now."),
    "name-taken": N_("This name is taken already."),
    "over-quota": N_("This is more than may be used."),
    "refused": N_("You may not do this."),
    "throttled": N_("Too many tries."),
    "out-of-space": N_("There is too little disk space or memory left."),
    "unavailable": N_("A part of the system can't be reached right now."),
    "host-error": N_("The host could not do it."),
    "guest-silent": N_("The system inside the desktop did not answer in time."),
}
_REFUSAL_OTHERWISE = N_("This did not work, and nothing was changed.")


@dataclass(frozen=True, slots=True)
class Words:
    """The tables above, for one reader."""

    reader: Reader

    def said(self, text: str) -> Said:
        """What another part said in English."""
        return said(text, self.reader)

    def phase(self, phase: Phase) -> Word:
        return self._word(PHASES[phase])

    def image(self, state: str) -> Word:
        return self._word(IMAGE_STATES[state])

    def host(self, state: str) -> Word:
        return self._word(HOST_STATES[state])

    def maintenance(self) -> Word:
        return self._word(MAINTENANCE)

    def template(self, state: str) -> Word:
        return self._word(TEMPLATE_STATES[state])

    def assignment_options(self) -> list[tuple[str, str]]:
        return [(assignment, self.reader.gettext(text)) for assignment, text in ASSIGNMENTS.items()]

    def sign_out_options(self) -> list[tuple[str, str]]:
        return [(action, self.reader.gettext(text)) for action, text in SIGN_OUTS.items()]

    def placement_options(self) -> list[tuple[str, str]]:
        return [(placement, self.reader.gettext(text)) for placement, text in PLACEMENTS.items()]

    def kind_options(self) -> list[tuple[str, str]]:
        return [(kind, self.reader.gettext(text)) for kind, text in KINDS.items()]

    def role(self, role: Role) -> str:
        return self.reader.gettext(ROLES[role][0])

    def role_options(self) -> list[tuple[str, str]]:
        """Every role with its words."""
        return [(role, self.role(role)) for role in ROLES]

    def role_meanings(self) -> list[tuple[str, str]]:
        """Every role in words, and what it is for."""
        return [(self.role(role), self.reader.gettext(meaning)) for role, (_, meaning) in ROLES.items()]

    def event_kind_options(self) -> list[tuple[str, str]]:
        return [(kind, self.reader.gettext(text)) for kind, text in EVENT_KINDS.items()]

    def outcome(self, outcome: str) -> Word:
        return self._word(OUTCOMES[outcome])

    def failure(self, failure: FailureField, *, reference: str, administrator: bool) -> Trouble:
        """A desktop's failure. `reference` is the desktop's id, which logs and events carry."""
        _ = self.reader.gettext
        what, for_person, for_administrator = _FAILURES.get(failure.code, _FAILURE_OTHERWISE)
        if administrator:
            means = _("Whoever was waiting for this desktop sees this failure. Nothing else is affected.")
            todo = _(for_administrator)
        else:
            means = _("You can't use this desktop yet. Your other desktops are not affected.")
            todo = _(for_person)
        return Trouble(_(what), means, todo, " ".join(filter(None, (failure.text, failure.remedy))), reference)

    def image_failure(self, failure: FailureField, *, reference: str) -> Trouble:
        _ = self.reader.gettext
        return Trouble(
            _("The image could not be made."),
            _("Pools can't use it. Nothing half made was left behind."),
            _("Read the detail, mend the cause, and retry; or delete the image."),
            " ".join(filter(None, (failure.text, failure.remedy))),
            reference,
        )

    def refusal(self, code: str, text: str, *, reference: str) -> Trouble:
        """A request that was refused. `text` is the error's own sentences, in English."""
        return Trouble(self.reader.gettext(_REFUSALS.get(code, _REFUSAL_OTHERWISE)), detail=text, reference=reference)

    def _word(self, entry: tuple[str, Tone]) -> Word:
        text, tone = entry
        return Word(self.reader.gettext(text), tone)
