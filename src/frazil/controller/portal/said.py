"""Sentences that other parts of Frazil say in English, known here so that they can be read in other languages.

A step, a reason or an event comes as one English sentence, with names and numbers in it. `Sayings` finds the pattern
that it was made from and fills in the translated one. What is not known is shown as it came, and marked as English.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from frazil.controller.portal.marking import N_
from frazil.controller.portal.reader import Reader

SAYINGS: tuple[str, ...] = (
    # frazil.server.desktops: what a host does with a desktop
    N_("Booting"),
    N_("Booting, which takes longer: it could not be forked"),
    N_("Ending what an earlier attempt left"),
    N_("Ending what crashed"),
    N_("Pausing"),
    N_("Removing its disk"),
    N_("Removing the disk of an earlier attempt"),
    N_("Resuming"),
    N_("Shutting down"),
    N_("Starting"),
    N_("Starting again: it had stopped by itself"),
    N_("Stopping"),
    N_("Stopping: the guest did not shut down by itself"),
    N_("Waiting for its desktop to appear"),
    N_("Waiting for its image to be on this host"),
    N_("Waiting for its turn to start"),
    N_("Giving it an identity of its own"),
    N_("Signing the person on"),
    N_("Opening the person's session"),
    N_("Preparing its template, once for all desktops of its kind: %(step)s"),
    N_("The desktop could not be forked and boots. %(why)s"),
    # frazil.server.templates: what a host does with a template
    N_("Booting it once"),
    N_("Warming it up"),
    N_("Letting it come to rest"),
    N_("Freezing it"),
    N_("Trying it"),
    N_("Its template is next"),
    N_("Waiting for its turn to boot"),
    N_("This host's disk is short of room, and this template was used least. Free disk space there."),
    N_("The template of %(image)s was removed: its %(mib)s MiB of disk are needed for %(reason)s."),
    # frazil.server.images: what a host does with an image
    N_("Checking"),
    N_("Converting"),
    N_("Copying"),
    N_("Copying it from another host"),
    N_("It waits until another host gives it"),
    N_("Fetching packages"),
    N_("Making the base system"),
    N_("Making the desktop"),
    N_("Preparing kernel and initial RAM disk"),
    N_("Reading the package lists"),
    N_("Setting up packages"),
    N_("Taking the checksum"),
    N_("Unpacking packages"),
    N_("Writing the disk image"),
    N_("Writing the file system"),
    # frazil.controller: why a desktop is not ready
    N_("It is about to be placed on a host."),
    N_("It was deleted, and can be restored until its time is over."),
    N_("It is paused: it keeps its memory and uses no processor time. Opening it wakes it."),
    N_("It is being restarted: it was asked to shut down first."),
    N_("It was asked to shut down."),
    N_("It is being stopped."),
    N_("It was stopped and is not wanted running. Start it to use it."),
    N_("Its host is deleting it."),
    N_("Its host is pausing it."),
    N_("Its host is starting it."),
    N_(
        "Its host has not been heard from, so nothing is known about it now; it may well be running. "
        "It is left alone until the host is back."
    ),
    N_("No host has ever connected to this controller."),
    N_("No host is connected now; its server may be starting or stopped."),
    N_("The connected hosts have not said yet how much memory they have left."),
    N_("The image %(image)s is not ready on any connected host yet."),
    N_("No host has enough memory left: %(needed)s MiB are needed, the roomiest has %(left)s MiB."),
    N_("No host has enough disk left: %(needed)s MiB are needed, the roomiest has %(left)s MiB."),
    N_("No host can take another desktop: each has as many as its processors are reckoned to bear."),
    N_("The memory set aside for desktops is used: %(needed)s MiB are needed, the roomiest has %(left)s MiB."),
    N_("The hosts are short of memory."),
    N_("The image %(image)s could not be made on any host."),
    N_("No host can take it now. %(things)s."),
    N_("%(number)s hosts: %(step)s"),
    N_("1 host: %(step)s"),
    N_("Every host is in maintenance."),
    N_("in maintenance"),
    N_("without the labels that its pool asks for"),
    N_("No host has the label %(name)s=%(value)s."),
    N_("No host has all of the labels %(labels)s."),
    N_("The pool asks for %(labels)s."),
    N_("not connected"),
    N_("its image could not be made there"),
    N_("its image is not there yet"),
    N_("has not said yet how much memory it has left"),
    N_("short of memory now"),
    N_("too little memory left"),
    N_("too little left of the memory set aside for desktops"),
    N_("too little disk left"),
    N_("as many desktops as its processors are reckoned to bear"),
    # frazil.controller: the way out, by what hosts lack
    N_("%(needed)s MiB are needed, the roomiest has %(left)s MiB."),
    N_(
        "Give a host the label on its page, or with frazil host label HOST KEY=VALUE, or let the pool ask for others: "
        "frazil pool change POOL --host-label KEY-."
    ),
    N_("End maintenance on the host's page, or with frazil host maintenance HOST off."),
    N_("See that its server runs and reaches the controller: frazil doctor on the host says more."),
    N_("The image's page, or frazil image show, says what went wrong; mend that, and retry the image."),
    N_("Wait until it is: the image's page, or frazil image show, tells how far it has come."),
    N_("Wait some seconds: a host tells it soon after it connected."),
    N_("It takes desktops again by itself once it has memory. End sessions there that nobody needs."),
    N_("End sessions or delete desktops that nobody needs, or add memory or a host."),
    N_("Raise memory_for_desktops_mib in the host's settings, or end sessions that nobody needs."),
    N_("Free some disk there: delete images, or desktops that nobody needs."),
    N_("End sessions that nobody needs, add a host, or raise desktops_per_cpu in the host's settings."),
    # frazil.controller: what is still on a host in maintenance
    N_("1 desktop is in use and stays until its session ends."),
    N_("%(number)s desktops are in use and stay until their sessions end."),
    N_("1 desktop that nobody uses goes once another is ready elsewhere."),
    N_("%(number)s desktops that nobody uses go once others are ready elsewhere."),
    N_("1 person's own desktop that nobody uses is being shut down."),
    N_("%(number)s persons' own desktops that nobody uses are being shut down."),
    N_("The pool %(pool)s can't replace its own now. %(step)s"),
    N_("The host is not answering, so it is not known what still runs there."),
    N_("1 person's own desktop stays on its disk: it can't move, and is not started until maintenance ends."),
    N_(
        "%(number)s persons' own desktops stay on its disk: they can't move, and are not started until maintenance "
        "ends."
    ),
    N_("It is stopped, and its host is in maintenance: it is not started until that ends."),
    N_("It is asked to shut down, since its host is in maintenance and nobody uses it."),
    N_("The host %(name)s is in maintenance: no new desktops go there."),
    N_("Maintenance of the host %(name)s ended: it takes desktops again."),
    N_("The host %(name)s is labelled %(labels)s."),
    N_("The host %(name)s has no labels any more."),
    N_("A token for a new host was made."),
    N_("The machine %(name)s joined as a host."),
    N_("The machine %(name)s tried to join with a token that is not good."),
    N_("The certificate of the host %(name)s was revoked: it is let in no more."),
    # frazil.controller: why a desktop is on its host
    N_("It is on the host %(host)s. It was taken back there, or an older version placed it."),
    N_("It was placed on the host %(host)s, the only one of %(hosts)s that could take it then."),
    N_(
        "It was placed on the host %(host)s: of %(hosts)s hosts %(able)s could take it then, and this one had the most "
        "points."
    ),
    N_(
        "It was placed on the host %(host)s: of %(hosts)s hosts %(able)s could take it then. Its pool is kept apart by "
        "%(label)s: %(place)s had the fewest of its desktops, %(number)s, and of the hosts there this one had the most "
        "points."
    ),
    N_("It boots, so it needs no frozen template."),
    N_("Its frozen template was there."),
    N_("Its frozen template was not there yet."),
    N_("%(mib)s MiB of its memory were left for others."),
    N_("%(mib)s MiB of its memory were left: the fewer, the better in a pool that is packed."),
    N_("Its processors were %(number)s percent busy."),
    N_("No other desktop of its pool was there."),
    N_("1 other desktop of its pool was there."),
    N_("%(number)s other desktops of its pool were there."),
    # frazil.server.density: why a host starts nothing now, and how equal memory is merged
    N_(
        "This host is short of memory: %(left)s MiB are left, and nothing is started below %(least)s MiB. "
        "The desktops that run go on."
    ),
    N_(
        "This host is short of memory: its programs waited for memory in %(share)s of 100 seconds. "
        "The desktops that run go on."
    ),
    N_("Equal memory of desktops is being looked for and merged."),
    N_("Equal memory of desktops is merged; it is looked for again when they have written more."),
    N_("Equal memory is not merged: it is switched off in the settings."),
    N_("Equal memory is not merged: this host's kernel does not offer it (KSM)."),
    N_("Equal memory is not merged: the kernel refuses it (%(why)s)."),
    N_("Equal memory is merged by another program of this host (%(program)s); Frazil leaves it alone."),
    N_("Equal memory is merged as this host's administrator set it; Frazil leaves it alone."),
    # frazil.controller: why a pool makes no more desktops
    N_("Spares are wanted, but none can be placed. %(step)s"),
    N_("The pool is being deleted."),
    N_("The pool was deleted. Desktops of it that can be restored: %(number)s."),
    N_("A spare desktop failed; the next one is made in %(seconds)s s."),
    N_("The pool has all of its %(number)s desktops: there is no room for spares."),
    N_(
        "The newest %(number)s spare desktops failed one after the other, so no more are made. The last one, %(name)s, "
        "said: %(reason)s Retry or delete a failed desktop, or change the pool, and it goes on."
    ),
    # frazil.controller: events
    N_("It is being deleted. %(reason)s"),
    N_("It was placed on the host %(host)s."),
    N_("The desktop %(name)s is gone, with its disk."),
    N_("The host %(name)s has fallen silent."),
    N_("The host %(name)s is connected."),
    N_("The desktop %(name)s was taken back from the strays of the host %(host)s. It is %(user)s's."),
    N_("The host %(name)s was forgotten. Desktops that were there: %(number)s; given up of them: %(lost)s."),
    N_("The desktop %(name)s went with its host %(host)s."),
    N_("The desktop %(name)s was given up with its host %(host)s, and with what was saved on it."),
    N_("The desktop %(name)s is made anew, since its host %(host)s is gone."),
    N_("The session ended. Its desktop was on the host %(host)s, which is gone."),
    N_("Being deleted"),
    N_("Paused"),
    N_("Ready"),
    N_("Stopped"),
    N_("Unknown"),
    N_("Waiting for a place on a host"),
    N_("The group %(name)s may no longer use the pool %(pool)s."),
    N_("The group %(name)s may use the pool %(pool)s."),
    N_("The group %(name)s is now called %(label)s."),
    N_("The group %(name)s was added."),
    N_("The group %(name)s was deleted."),
    N_("%(name)s was put into the group %(group)s."),
    N_("%(name)s was taken out of the group %(group)s."),
    N_("The session ended. %(name)s may no longer use the pool %(pool)s."),
    N_("%(name)s may no longer use the pool %(pool)s."),
    N_("%(name)s may use the pool %(pool)s."),
    N_("%(name)s signed in."),
    N_("%(name)s signed out."),
    N_("%(name)s was given the desktop %(desktop)s."),
    N_("%(name)s was given no desktop. %(step)s"),
    # frazil.model.quota: what there would be too much of
    N_("The group %(name)s uses %(used)s of %(limit)s desktops."),
    N_("The group %(name)s uses %(used)s of %(limit)s vCPU, and this desktop needs %(asked)s."),
    N_("The group %(name)s uses %(used)s of %(limit)s MiB of memory, and this desktop needs %(asked)s."),
    N_("The group %(name)s has %(used)s of %(limit)s sessions open."),
    N_("%(name)s uses %(used)s of %(limit)s desktops."),
    N_("%(name)s uses %(used)s of %(limit)s vCPU, and this desktop needs %(asked)s."),
    N_("%(name)s uses %(used)s of %(limit)s MiB of memory, and this desktop needs %(asked)s."),
    N_("%(name)s has %(used)s of %(limit)s sessions open."),
    N_("%(used)s of %(limit)s sessions of the pool %(name)s are open."),
    N_("A ticket was refused: it was wrong, used before, or too old."),
    N_("A link was refused. %(step)s"),
    N_("%(number)s links were refused. %(step)s"),
    # frazil.gateway: why it refused a link
    N_("There is no main link yet."),
    N_("The ticket is not the one that opened this session."),
    N_("The connection id is not that of this session's main link."),
    N_("The encrypted password was not made with this server's key."),
    N_("A viewer connected."),
    N_("A viewer disconnected."),
    N_("An API token was deleted."),
    N_("An API token was made: %(token)s."),
    N_("The administrator %(name)s was added."),
    N_("The desktop %(name)s is asked to shut down and start again."),
    N_("The desktop %(name)s is asked to shut down."),
    N_("The desktop %(name)s is being deleted."),
    N_("The desktop %(name)s is tried again."),
    N_("The desktop %(name)s is wanted paused."),
    N_("The desktop %(name)s is wanted running."),
    N_("The desktop %(name)s is wanted stopped at once."),
    N_("The desktop %(name)s was asked for."),
    N_("The desktop %(name)s was deleted, and is kept until %(time)s UTC."),
    N_("It was deleted, and is kept until %(time)s UTC. %(reason)s"),
    N_("The desktop %(name)s is being deleted for good."),
    N_("The desktop %(name)s was restored. It is %(user)s's."),
    N_("The pool %(name)s was restored with it."),
    N_("The desktop %(name)s was assigned to %(user)s."),
    N_("The image %(name)s is tried again."),
    N_("The name or the password was wrong."),
    N_("The password of %(name)s was changed."),
    N_("The pool %(name)s is being deleted."),
    N_("The pool %(name)s was created."),
    N_("The session ended. An administrator ended it."),
    N_("The session ended. The helpdesk ended it."),
    N_("The session ended. The desktop was deleted."),
    N_("The session ended. Nobody came back to it in time."),
    N_("The session ended. It had reached the longest time that a session may take."),
    N_("The session ended. Nobody had used its keyboard or mouse for too long."),
    N_("The session ends in %(minutes)s min, since it will have reached the longest time that one may take."),
    N_("The session ended. The person left."),
    N_("The session ended. The person signed out in the desktop."),
    N_("The session ended. The user was deleted."),
    N_("The user %(name)s was added."),
    N_("The %(role)s %(name)s was added."),
    N_("The role of %(name)s was changed from %(before)s to %(after)s."),
    N_("The user %(name)s was deleted."),
    N_("The quota of the group %(name)s was changed. At most: %(things)s."),
    N_("The quota of the group %(name)s was changed. Nothing is limited."),
    N_("The quota of %(name)s was changed. At most: %(things)s."),
    N_("The quota of %(name)s was changed. Nothing is limited."),
    N_("desktops: %(number)s"),
    N_("vCPU: %(number)s"),
    N_("memory: %(number)s MiB"),
    N_("sessions: %(number)s"),
    N_("What may pass for %(name)s was changed. Forbidden: %(things)s."),
    N_("What may pass for %(name)s was changed. Nothing is forbidden."),
    N_("What may pass in the pool %(name)s was changed. Forbidden: %(things)s."),
    N_("What may pass in the pool %(name)s was changed. Nothing is forbidden."),
    # frazil.model.policy: what a policy forbids
    N_("copying into the desktop"),
    N_("copying out of the desktop"),
    N_("copying text"),
    N_("copying images"),
    N_("copies over %(kib)s KiB"),
    N_("files into the desktop"),
    N_("shared folders"),
    N_("USB devices"),
    N_("some USB devices"),
    N_("sound"),
    N_("the microphone"),
    N_("Version %(version)s of the image %(name)s is being deleted."),
    N_("Version %(version)s of the image %(name)s was asked for."),
)
_NOW = " Now: "
_AFTER = " after "


@dataclass(frozen=True, slots=True)
class Said:
    """A sentence for the reader; `english` when it could not be translated."""

    text: str
    english: bool


def said(text: str, reader: Reader) -> Said:
    """`text` in the reader's language, where it is known."""
    if reader.language.code == "en":
        return Said(text, False)
    # "Its host is starting it. Now: Booting." is two sayings.
    first, now, step = text.partition(_NOW)
    if now:
        begin, rest = said(first, reader), said(step.removesuffix("."), reader)
        joined = f"{begin.text} {reader.gettext('Now:')} {rest.text}."
        return Said(joined, begin.english or rest.english)
    known = _known(text, reader)
    if known is None and text.endswith("."):
        # A change of phase is its word, and how long it took where that was measured: "Ready after 41.9 s."
        word, after, seconds = text[:-1].partition(_AFTER)
        known = _known(word, reader)
        if known is not None and after:
            known = reader.gettext("%(word)s after %(time)s.") % {"word": known, "time": seconds}
        elif known is not None:
            known += "."
    return Said(text, bool(text)) if known is None else Said(known, False)


def _known(text: str, reader: Reader) -> str | None:
    for pattern, message in _patterns():
        found = pattern.fullmatch(text)
        if found:
            gaps = found.groupdict()
            if "step" in gaps:  # a saying within a saying
                gaps["step"] = _known(gaps["step"], reader) or gaps["step"]
            if "things" in gaps:
                gaps["things"] = "; ".join(_known(thing, reader) or thing for thing in gaps["things"].split("; "))
            return reader.gettext(message) % gaps
    return None


@cache
def _patterns() -> Sequence[tuple[re.Pattern[str], str]]:
    """`SAYINGS` as patterns; those without gaps first, so that a gap never swallows a saying of its own."""
    ordered = sorted(SAYINGS, key=lambda message: message.count("%("))
    return [
        (re.compile(re.sub(r"%\\\((\w+)\\\)s", r"(?P<\1>.{1,600}?)", re.escape(message))), message)
        for message in ordered
    ]
