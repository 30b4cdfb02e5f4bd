"""`frazil pool …`, `frazil grant`, `frazil revoke`."""

from __future__ import annotations

from typing import Annotated

import typer

from frazil.cli import output, policy
from frazil.cli.connection import connect, pause
from frazil.cli.options import Json, Timeout, Wait, group
from frazil.cli.validated import valid
from frazil.client import Client
from frazil.model import labels
from frazil.model.errors import InvalidInput
from frazil.model.policy import Policy
from frazil.runtime import SystemClock
from frazil.wire.hostlink import Profile, Start
from frazil.wire.rest import (
    Assignment,
    AssignmentRequest,
    AtSignOut,
    Desktop,
    Pool,
    PoolChange,
    PoolKind,
    PoolPlacement,
    PoolRequest,
)

KIND = "floating: whoever opens one gets any; persistent: it stays theirs, with what they saved on it."
ASSIGNMENT = "Of a persistent pool: on first use by whoever is entitled, or by an administrator (frazil pool assign)."
AT_SIGN_OUT = (
    "Of a persistent pool: keep its desktops (the default) or reset them to the image. A floating one destroys."
)

GRACE = "End a session that nobody is connected to after this; 0: never."
LONGEST = "End a session so long after it was opened; its person is warned 5 min before. 0: never."
KEEP_DELETED = "How long somebody's deleted desktop can be restored, where desktops are kept; 0: not at all."
MAX_SESSIONS = "Never more open sessions than this, as a licence may ask; 0: as many as there are desktops."
IDLE = "End a session when its viewer used neither keyboard nor mouse for so long; 0: never."
HOST_LABEL = "Only hosts with this label take its desktops; again for more, all of which a host must have."
HOST_LABEL_CHANGE = (
    "Ask for hosts with this label, or, with a dash in place of a value, no longer. Spares elsewhere go."
)
PLACEMENT = "spread: over hosts, so that the loss of one takes few; pack: fill one host before the next."
APART_BY = "Keep its desktops apart by this label of hosts, such as rack: as many where it has each value."

DAY_S = 86400

app = group("Pools: desktops of one kind, with spares kept ready.")

PoolName = Annotated[str, typer.Argument(metavar="POOL", help="Its name or id.")]
UserName = Annotated[str, typer.Argument(metavar="USER", help="Their name or id.")]
MaybeUser = Annotated[str | None, typer.Argument(metavar="[USER]", help="Their name or id.", show_default=False)]
OfGroup = Annotated[str | None, typer.Option("--group", metavar="GROUP", help="A group's name or id, for all in it.")]


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Lower-case letters, digits, dots and dashes.")],
    image: Annotated[str, typer.Option("--image", help="The image's name or id.")],
    label: Annotated[str | None, typer.Option("--label", help="What people read; the name when not given.")] = None,
    spares: Annotated[int, typer.Option("--spares", min=0, help="Desktops kept ready.")] = 1,
    max_desktops: Annotated[int, typer.Option("--max", min=1, help="Never more desktops than this.")] = 20,
    memory: Annotated[int, typer.Option("--memory", metavar="MIB", help="Memory of each desktop.")] = 768,
    vcpus: Annotated[int, typer.Option("--vcpus", help="Virtual CPUs of each desktop.")] = 1,
    disk: Annotated[int, typer.Option("--disk", metavar="GIB", help="Virtual disk of each desktop.")] = 8,
    deadline: Annotated[
        int, typer.Option("--start-deadline", metavar="SECONDS", help="A desktop not ready by then has failed.")
    ] = 300,
    start: Annotated[
        Start,
        typer.Option("--start", help="Fork desktops from a frozen template where that is possible, or boot each."),
    ] = "fork",
    pause_after: Annotated[
        int, typer.Option("--pause-after", metavar="SECONDS", min=0, help="Pause what nobody looks at; 0: never.")
    ] = 300,
    share_memory: Annotated[
        bool, typer.Option(help="Let hosts keep equal pages of its desktops' memory once (KSM).")
    ] = True,
    kind: Annotated[PoolKind, typer.Option("--kind", help=KIND)] = "floating",
    assignment: Annotated[Assignment, typer.Option("--assignment", help=ASSIGNMENT)] = "first-use",
    at_sign_out: Annotated[AtSignOut | None, typer.Option("--at-sign-out", help=AT_SIGN_OUT)] = None,
    grace: Annotated[int, typer.Option("--grace", metavar="SECONDS", min=0, help=GRACE)] = 0,
    longest: Annotated[int, typer.Option("--longest", metavar="SECONDS", min=0, help=LONGEST)] = 0,
    idle: Annotated[int, typer.Option("--idle-limit", metavar="SECONDS", min=0, help=IDLE)] = 0,
    max_sessions: Annotated[int, typer.Option("--max-sessions", min=0, help=MAX_SESSIONS)] = 0,
    keep_deleted: Annotated[
        float, typer.Option("--keep-deleted", metavar="DAYS", min=0, max=365, help=KEEP_DELETED)
    ] = 7,
    host_label: Annotated[list[str] | None, typer.Option("--host-label", metavar="KEY=VALUE", help=HOST_LABEL)] = None,
    placement: Annotated[PoolPlacement, typer.Option("--placement", help=PLACEMENT)] = "spread",
    apart_by: Annotated[str, typer.Option("--apart-by", metavar="KEY", help=APART_BY, show_default=False)] = "",
    forbid: policy.Forbid = None,
    clipboard_max: policy.ClipboardMax = None,
    usb_filter: policy.UsbFilter = None,
    as_json: Json = False,
) -> None:
    """Make a pool; its spares are made at once.

    \b
    Examples:
      frazil pool create office --image debian-icewm
      frazil pool create lab --image debian-icewm --spares 5 --max 40 --memory 1024
      frazil pool create bank --image debian-icewm --forbid clipboard-out --forbid usb
      frazil pool create dev --image debian-icewm --kind persistent --spares 0
    """
    request = valid(
        PoolRequest,
        name=name,
        label=label,
        image=image,
        profile=valid(Profile, vcpus=vcpus, memory_mib=memory, disk_gib=disk),
        spares=spares,
        max_desktops=max_desktops,
        start_deadline_s=deadline,
        start=start,
        pause_after_s=pause_after,
        share_memory=share_memory,
        kind=kind,
        assignment=assignment,
        at_sign_out=at_sign_out,
        grace_s=grace,
        longest_s=longest,
        idle_s=idle,
        max_sessions=max_sessions,
        keep_deleted_s=round(keep_deleted * DAY_S),
        host_labels=labels.changed({}, host_label or []),
        placement=placement,
        apart_by=apart_by,
        policy=policy.change(Policy(), forbid=forbid, clipboard_max_kib=clipboard_max, usb_filters=usb_filter),
    )
    with connect() as client:
        pool = client.make_pool(request)
    output.answer(pool, as_json=as_json, people=lambda: _show(pool))


@app.command()
def change(
    pool: PoolName,
    label: Annotated[str | None, typer.Option("--label", help="What people read.")] = None,
    spares: Annotated[int | None, typer.Option("--spares", min=0, help="Desktops kept ready.")] = None,
    max_desktops: Annotated[int | None, typer.Option("--max", min=1, help="Never more desktops than this.")] = None,
    assignment: Annotated[Assignment | None, typer.Option("--assignment", help=ASSIGNMENT)] = None,
    at_sign_out: Annotated[AtSignOut | None, typer.Option("--at-sign-out", help=AT_SIGN_OUT)] = None,
    grace: Annotated[int | None, typer.Option("--grace", metavar="SECONDS", min=0, help=GRACE)] = None,
    longest: Annotated[int | None, typer.Option("--longest", metavar="SECONDS", min=0, help=LONGEST)] = None,
    idle: Annotated[int | None, typer.Option("--idle-limit", metavar="SECONDS", min=0, help=IDLE)] = None,
    max_sessions: Annotated[int | None, typer.Option("--max-sessions", min=0, help=MAX_SESSIONS)] = None,
    keep_deleted: Annotated[
        float | None, typer.Option("--keep-deleted", metavar="DAYS", min=0, max=365, help=KEEP_DELETED)
    ] = None,
    host_label: Annotated[
        list[str] | None, typer.Option("--host-label", metavar="KEY=VALUE|KEY-", help=HOST_LABEL_CHANGE)
    ] = None,
    placement: Annotated[PoolPlacement | None, typer.Option("--placement", help=PLACEMENT)] = None,
    apart_by: Annotated[str | None, typer.Option("--apart-by", metavar="KEY", help=f'{APART_BY} "" ends it.')] = None,
    forbid: policy.Forbid = None,
    allow: policy.Allow = None,
    clipboard_max: policy.ClipboardMax = None,
    usb_filter: policy.UsbFilter = None,
    as_json: Json = False,
) -> None:
    """Change a pool. What may pass changes at once for everybody who is connected.

    \b
    Examples:
      frazil pool change office --spares 5
      frazil pool change office --forbid clipboard-out --allow sound
      frazil pool change office --grace 900 --longest 36000
      frazil pool change office --host-label room=3 --apart-by rack
      frazil pool change office --usb-filter "0x08,-1,-1,-1,0|-1,-1,-1,-1,1"
    """
    with connect() as client:
        found = client.pool(pool)
        passes = policy.change(
            found.policy.value(), forbid=forbid, allow=allow, clipboard_max_kib=clipboard_max, usb_filters=usb_filter
        )
        asked = valid(
            PoolChange,
            label=label,
            spares=spares,
            max_desktops=max_desktops,
            assignment=assignment,
            at_sign_out=at_sign_out,
            grace_s=grace,
            longest_s=longest,
            idle_s=idle,
            max_sessions=max_sessions,
            keep_deleted_s=None if keep_deleted is None else round(keep_deleted * DAY_S),
            host_labels=labels.changed(found.host_labels, host_label) if host_label else None,
            placement=placement,
            apart_by=apart_by,
            policy=passes,
        )
        if not asked.model_fields_set:
            raise InvalidInput("Nothing to change was said.", remedy="See frazil pool change --help.")
        changed = client.change_pool(found, asked)
    output.answer(changed, as_json=as_json, people=lambda: _show(changed))


@app.command("list")
def list_(as_json: Json = False) -> None:
    """All pools.

    \b
    Examples:
      frazil pool list
      frazil pool list --json
    """
    with connect() as client:
        pools = client.pools()
    rows = [
        (pool.name, pool.image_name, f"{pool.counts.ready}/{pool.spares}", str(pool.counts.assigned), _state(pool))
        for pool in pools
    ]
    output.answer(
        pools,
        as_json=as_json,
        people=lambda: output.table(
            ("NAME", "IMAGE", "READY", "IN USE", "STATE"), rows, empty="No pools. Make one: frazil pool create"
        ),
    )


@app.command()
def show(pool: PoolName, as_json: Json = False) -> None:
    """One pool.

    \b
    Examples:
      frazil pool show office
    """
    with connect() as client:
        found = client.pool(pool)
    output.answer(found, as_json=as_json, people=lambda: _show(found))


@app.command()
def assign(pool: PoolName, user: UserName, as_json: Json = False) -> None:
    """Make a desktop of a persistent pool a user's. To take it away, delete the desktop.

    \b
    Examples:
      frazil pool assign dev anna
    """
    with connect() as client:
        desktop = client.assign(pool, AssignmentRequest(user=user))
    output.answer(
        desktop, as_json=as_json, people=lambda: output.say(f"The desktop {desktop.name} is {desktop.user_name}'s.")
    )


@app.command()
def delete(
    pool: PoolName,
    for_good: Annotated[bool, typer.Option("--for-good", help="Keep none of its desktops.")] = False,
    wait: Wait = True,
    timeout: Timeout = 300,
    as_json: Json = False,
) -> None:
    """Delete a pool and all its desktops.

    Where a pool keeps its desktops between sessions, those that are somebody's are kept for its time (--keep-deleted)
    and can be restored; the pool is then restored with them. All others go, with what is on their disks.

    \b
    Examples:
      frazil pool delete lab
      frazil pool delete lab --no-wait
      frazil pool delete dev --for-good
    """
    with connect() as client:
        operation = client.delete_pool(pool, for_good=for_good)
        if wait:
            with output.progress(f"Deleting {pool}", quiet=as_json) as bar:
                operation = client.wait_for_operation(
                    operation,
                    clock=SystemClock(),
                    pause=pause,
                    timeout_s=timeout,
                    tell=lambda now: bar.tell(step=now.step, fraction=now.fraction, left_s=now.eta_s),
                )
        kept = [] if as_json or for_good or operation.state != "done" else _kept_of(client, operation.target_id)
    done = "is deleted" if operation.state == "done" else "is being deleted"
    said = f"Pool {pool} {done}."
    if kept:
        said += f" Of its desktops, {len(kept)} can be restored: frazil desktop list --deleted"
    output.answer(operation, as_json=as_json, people=lambda: output.say(said))


def _kept_of(client: Client, pool_id: str) -> list[Desktop]:
    return [desktop for desktop in client.desktops(deleted=True) if desktop.pool_id == pool_id]


def grant(pool: PoolName, user: MaybeUser = None, group_name: OfGroup = None, as_json: Json = False) -> None:
    """Let a user, or all who are in a group, use a pool.

    \b
    Examples:
      frazil grant office anna
      frazil grant office --group class-7
    """
    who = _one_of(user, group_name)
    with connect() as client:
        (client.grant if user else client.grant_group)(pool, who)
    _granted(pool, user, group_name, as_json=as_json, yes=True)


def revoke(pool: PoolName, user: MaybeUser = None, group_name: OfGroup = None, as_json: Json = False) -> None:
    """Let a user, or a group, no longer use a pool. Sessions end of those who may use it in no other way.

    \b
    Examples:
      frazil revoke office anna
      frazil revoke office --group class-7
    """
    who = _one_of(user, group_name)
    with connect() as client:
        (client.revoke if user else client.revoke_group)(pool, who)
    _granted(pool, user, group_name, as_json=as_json, yes=False)


def _one_of(user: str | None, group_name: str | None) -> str:
    who = user or group_name
    if who is None or (user and group_name):
        raise InvalidInput("Say either a user or a group.", remedy="Give one name, or --group with one.")
    return who


def _granted(pool: str, user: str | None, group_name: str | None, *, as_json: bool, yes: bool) -> None:
    result: dict[str, object] = {"pool": pool, "user": user, "group": group_name, "granted": yes}
    who = user or f"The group {group_name}"
    said = f"{who} may {'use' if yes else 'no longer use'} {pool}."
    output.answer(result, as_json=as_json, people=lambda: output.say(said))


def _state(pool: Pool) -> str:
    if pool.deleting:
        return "being deleted"
    if pool.counts.failed:
        return f"{pool.counts.failed} failed"
    return f"{pool.counts.starting} starting" if pool.counts.starting else "well"


def _kind(pool: Pool) -> str:
    if pool.kind == "floating":
        return "floating: destroyed when their session ends"
    whose = "on first use" if pool.assignment == "first-use" else "by an administrator"
    kept = "kept" if pool.at_sign_out == "keep" else "reset to the image"
    return f"persistent: assigned {whose}, {kept} when their session ends"


def _ends(pool: Pool) -> str:
    rules = (
        (pool.grace_s, "after {} with nobody connected"),
        (pool.longest_s, "after {} at most"),
        (pool.idle_s, "after {} without keyboard and mouse"),
    )
    return "; ".join(words.format(output.duration(seconds)) for seconds, words in rules if seconds)


def _kept_deleted(pool: Pool) -> str:
    if pool.at_sign_out != "keep":
        return ""
    return f"kept for {pool.keep_deleted_s / DAY_S:.4g} days" if pool.keep_deleted_s else "gone at once"


def _gib(pool: Pool) -> str:
    return f"{pool.max_desktops * pool.profile.memory_mib / 1024:.4g} GiB"


def _comes_up(pool: Pool) -> str:
    if pool.kind == "persistent":
        return "booted: each has a disk of its own"
    if pool.comes_up == "fork":
        return "forked from a frozen desktop"
    return "booted: its image has no guest service, which a fork needs" if pool.start == "fork" else "booted"


def _show(pool: Pool) -> None:
    typical = pool.typical_start_s
    output.pairs(
        [
            ("Name", pool.name),
            ("Label", pool.label),
            ("Id", pool.id),
            ("Image", pool.image_name),
            ("Profile", f"{pool.profile.vcpus} vCPU, {pool.profile.memory_mib} MiB, {pool.profile.disk_gib} GiB disk"),
            ("Desktops", f"{pool.counts.total} of at most {pool.max_desktops}; {pool.spares} kept ready"),
            ("Together", f"at most {pool.max_desktops * pool.profile.vcpus} vCPU, {_gib(pool)} of memory"),
            ("Sessions", f"at most {pool.max_sessions} open" if pool.max_sessions else ""),
            ("Now", f"{pool.counts.ready} ready, {pool.counts.assigned} in use, {pool.counts.starting} starting"),
            (
                "Deleted",
                f"{pool.counts.kept} can be restored: frazil desktop list --deleted" if pool.counts.kept else "",
            ),
            ("Failed", str(pool.counts.failed) if pool.counts.failed else ""),
            ("Kind", _kind(pool)),
            ("Deleted are", _kept_deleted(pool)),
            ("Desktops are", _comes_up(pool)),
            ("Hosts", f"only those with {labels.in_words(pool.host_labels)}" if pool.host_labels else ""),
            ("Kept apart", f"by {pool.apart_by}" if pool.apart_by else ""),
            ("Placement", "packed: one host is filled before the next" if pool.placement == "pack" else ""),
            ("Sessions end", _ends(pool)),
            ("Memory", "" if pool.share_memory else "never shared with other desktops"),
            *policy.pairs(pool.policy),
            ("Note", pool.note),
            ("Usual start", output.duration(typical) if typical is not None else "not measured yet"),
            ("State", _state(pool)),
        ]
    )
