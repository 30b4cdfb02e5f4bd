"""Taking a stray desktop back into the database, as it lies on its host.

A host tells of what it has and nobody wants there: that is all that is known of it. It becomes a desktop under the id
that its label carries, on that very host, and nothing is started, ended or copied for it.
"""

from __future__ import annotations

import re

import sqlalchemy as sa

from frazil.controller.identity import Identity
from frazil.controller.identity.rights import Right, rights_of
from frazil.controller.presence import PresenceView
from frazil.controller.services import finding, journal, making, quotas
from frazil.controller.services.context import Context
from frazil.controller.store import desktops, entitlements, hosts, images, meta, people, sessions
from frazil.controller.store import quotas as quota_rows
from frazil.controller.store.rows import HostRow, NewDesktop, PoolRow, UserRow
from frazil.model.desktop import Epoch, Power, State
from frazil.model.errors import Conflict, NotFound
from frazil.model.quota import Amounts
from frazil.wire.hostlink import Stray, StrayDesktop
from frazil.wire.rest import AdoptRequest

_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_NUMBER_MAX = 1 << 30
"""Placements and attempts are counted from 1, and the databases' numbers have 31 bits."""
_POWER = {State.RUNNING: Power.RUNNING, State.PAUSED: Power.PAUSED, State.STOPPED: Power.STOPPED}


def adoptable(presence: PresenceView) -> dict[tuple[str, str, str], str]:
    """By host, kind and name: the images of the strays that can be taken back, as far as their hosts tell."""
    return {
        (host_id, stray.kind, stray.name): stray.desktop.image_id
        for host_id in presence.up
        for stray in presence.strays.get(host_id, ())
        if stray.desktop is not None and stray.desktop.disk == "own"
    }


def adopt(
    ctx: Context, tx: sa.Connection, ref: str, request: AdoptRequest, *, presence: PresenceView, by: Identity
) -> str:
    """Take it back; its id. Raises NotFound, Conflict or OverQuota when that can't be."""
    host, desktop_id = _found(tx, ref, request.host, presence)
    desktop = _whole(desktop_id, presence.strays.get(host.id, ()))
    who = _whose(tx, desktop_id, request.user)
    held = quota_rows.hold(tx, who.id)
    pool = finding.pool(tx, request.pool)
    has_room = making.has_room(tx, pool.id)
    _refuse_known(tx, desktop_id)
    _refuse_pool(tx, pool, desktop)
    if not has_room:
        raise Conflict(
            f"The pool {pool.name} has all of its {pool.max_desktops} desktops.",
            remedy="Allow it more desktops, or delete one that nobody needs.",
        )
    _refuse_person(tx, pool, who)
    running = desktop.state in (State.RUNNING, State.PAUSED)
    takes = quotas.a_desktop(pool.profile, session=False) if running else Amounts(desktops=1)
    quotas.check(tx, held, who.id, takes, own=False)
    if not hosts.still_there(tx, [host.id]):
        raise NotFound(f"The host {host.name} was forgotten.")
    name = _name(tx, pool, desktop)
    epoch = _placement(tx, desktop)
    new = NewDesktop(id=desktop_id, disk_id=ctx.ids.new_id(), name=name, pool=pool, assigned_user_id=who.id)
    desktops.insert(tx, [new], generation=epoch.generation, now=ctx.clock.now())
    desktops.take_back(
        tx, desktop_id, host_id=host.id, epoch=epoch, attempt=desktop.attempt, power=_POWER[desktop.state]
    )
    hosts.no_stray(tx, host.id, desktop_id=desktop_id)
    text = f"The desktop {name} was taken back from the strays of the host {host.name}. It is {who.name}'s."
    journal.note(ctx, tx, "desktop.adopted", text, by=by, desktop_id=desktop_id)
    return desktop_id


def _found(tx: sa.Connection, ref: str, host_ref: str | None, presence: PresenceView) -> tuple[HostRow, str]:
    """The connected host that tells of it, and the desktop's id."""
    listed = [row for row in hosts.strays_listed(tx) if ref in (row.desktop_id, row.name)]
    if host_ref is not None:
        wanted = finding.host(tx, host_ref)
        listed = [row for row in listed if row.host_id == wanted.id]
    if not listed:
        where = " on that host" if host_ref is not None else ""
        raise NotFound(
            f"There is no stray called {ref[:100]!r}{where}.", remedy="See what hosts have: frazil host list"
        )
    if all(row.kind == "image" for row in listed):
        raise Conflict(
            f"{ref[:100]} is an image, no desktop.", remedy="Import its file: frazil image import NAME --file FILE"
        )
    on = {row.host_id: row.desktop_id for row in listed if row.desktop_id is not None}
    if len(on) > 1:
        named = ", ".join(sorted(host.name for host in hosts.named(tx, on.keys()).values()))
        raise Conflict(
            f"Several hosts have a stray called {ref[:100]}: {named}.",
            remedy="Look at each, and say with --host which of them is the one to go on with.",
        )
    [(host_id, desktop_id)] = on.items()
    host = finding.host(tx, host_id)
    if host_id not in presence.up:
        raise Conflict(
            f"The host {host.name} is not connected, so it is not known what it has now.",
            remedy="Try again when it is back.",
        )
    return host, desktop_id


def _whole(desktop_id: str, strays: tuple[Stray, ...]) -> StrayDesktop:
    """What its host tells of it; raises Conflict unless it is a desktop with a disk of its own."""
    told = [stray for stray in strays if stray.desktop_id == desktop_id]
    found = next((stray.desktop for stray in told if stray.desktop is not None), None)
    numbers = (found.epoch.generation, found.epoch.counter, found.attempt) if found is not None else ()
    sound = _ID.fullmatch(desktop_id) and all(0 < number < _NUMBER_MAX for number in numbers)
    if found is None or not sound or found.state not in _POWER:
        raise Conflict(
            "Its host does not tell enough of it to take it back: it lies where Frazil would not look for it, its "
            "record is missing, or the server there is of an older version.",
            remedy="See /var/lib/frazil/desktops on that host, and that its server is up to date.",
        )
    if found.disk == "missing":
        raise Conflict("Its disk is not there any more: there is nothing to take back.")
    if found.disk == "passing":
        raise Conflict(
            "It is of a kind that is made anew each time, and its disk was not made to be kept.",
            remedy="Copy what is needed out of it on its host, then remove it there.",
        )
    return found


def _whose(tx: sa.Connection, desktop_id: str, ref: str | None) -> UserRow:
    if ref is not None:
        return finding.user(tx, ref)
    known = [people.find(tx, id) for id in sessions.persons_of(tx, desktop_id)]
    if len(known) == 1 and known[0] is not None:
        return known[0]
    raise Conflict(
        "It is not known whose it is: what one person saved must not become another's.",
        remedy="Say whose it is to be: --user NAME",
    )


def _refuse_known(tx: sa.Connection, desktop_id: str) -> None:
    row = desktops.find(tx, desktop_id)
    if row is None:
        return
    host = hosts.find(tx, row.host_id) if row.host_id is not None else None
    where = f", on the host {host.name}" if host is not None else ""
    raise Conflict(f"Frazil has that desktop already: it is {row.name}{where}.")


def _refuse_pool(tx: sa.Connection, pool: PoolRow, desktop: StrayDesktop) -> None:
    if pool.deleting:
        raise Conflict(f"The pool {pool.name} is being deleted.")
    if pool.kind != "persistent" or not pool.keeps_disks:
        raise Conflict(
            f"The pool {pool.name} keeps nothing of its desktops, so what is on this one's disk would be lost.",
            remedy="Name a persistent pool whose desktops are kept when people sign out.",
        )
    if pool.image_id != desktop.image_id:
        image = images.find(tx, desktop.image_id)
        of = f"of {image.name}, version {image.version}" if image is not None else "of an image that Frazil has no more"
        raise Conflict(
            f"Its disk is on top {of}; the pool {pool.name} is of another image.",
            remedy="Name a pool of that image, or make one.",
        )


def _refuse_person(tx: sa.Connection, pool: PoolRow, who: UserRow) -> None:
    may = Right.USE_EVERY_POOL in rights_of(who.role)
    if not may and not entitlements.entitled(tx, pool_id=pool.id, user_id=who.id):
        raise Conflict(
            f"{who.name} may not use the pool {pool.name}.", remedy="Let them, or a group of theirs, use it first."
        )
    have = desktops.of_user(tx, pool_id=pool.id, user_id=who.id)
    if have is not None:
        raise Conflict(
            f"{who.name} has the desktop {have.name} of the pool {pool.name} already.",
            remedy="Delete that one first (it is kept for a while), or name another pool.",
        )


def _name(tx: sa.Connection, pool: PoolRow, desktop: StrayDesktop) -> str:
    """As it was called, unless another one is called so by now."""
    if _NAME.fullmatch(desktop.name) and not desktops.called(tx, [desktop.name]):
        return desktop.name
    return making.new_names(tx, pool, 1)[0]


def _placement(tx: sa.Connection, desktop: StrayDesktop) -> Epoch:
    """One that runs goes on under its own placement: under another one its host would end it first. Of one that is shut
    down only the disk is there, which any newer placement takes over."""
    there = Epoch(desktop.epoch.generation, desktop.epoch.counter)
    if desktop.state is not State.STOPPED:
        return there
    return Epoch(max(there.generation, meta.restore_generation(tx)), there.counter + 1)
