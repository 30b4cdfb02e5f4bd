"""`frazil host …`."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer

from frazil.cli import output
from frazil.cli.connection import connect
from frazil.cli.options import Json, group
from frazil.cli.validated import valid
from frazil.model import labels
from frazil.wire.rest import ForgottenHost, Host, HostChange

app = group("Hosts: the machines that run desktops.")

HostName = Annotated[str, typer.Argument(metavar="HOST", help="The host's name or id.")]


class Switch(Enum):
    ON = "on"
    OFF = "off"


@app.command("list")
def list_(as_json: Json = False) -> None:
    """All hosts, and what was quarantined on them.

    \b
    Examples:
      frazil host list
    """
    with connect() as client:
        hosts = client.hosts()
        strays = [] if as_json else client.strays()
    rows = [
        (
            host.name,
            f"{host.state}, in maintenance" if host.maintenance else host.state,
            labels.in_words(host.labels) or "–",
            str(host.desktops),
            f"{host.load.memory_available_mib} MiB" if host.load else "–",
            f"{host.load.disk_free_mib // 1024} GiB" if host.load else "–",
            ", ".join(f"{room.more} of {room.pool_name}" for room in host.room) or "–",
            host.warning,
        )
        for host in hosts
    ]

    def people() -> None:
        columns = ("NAME", "STATE", "LABELS", "DESKTOPS", "MEMORY FREE", "DISK FREE", "MORE FIT", "WARNING")
        output.table(columns, rows, empty="No hosts. Is the server up? frazil doctor")
        if strays:
            output.say("\nQuarantined: labelled as ours and unknown to the database; left alone.")
            on = {host.id: host.name for host in hosts}
            things = [(on.get(it.host_id, it.host_id), it.kind, it.name, it.detail) for it in strays]
            output.table(("HOST", "KIND", "NAME", "DETAIL"), things, empty="")
            back = next((it for it in strays if it.image_id is not None), None)
            if back is not None:
                output.say(f"Disks of persons' own are taken back by: frazil desktop adopt {back.name} --pool POOL")

    output.answer(hosts, as_json=as_json, people=people)


@app.command()
def show(host: HostName, as_json: Json = False) -> None:
    """One host: how many more desktops fit on it, and what bounds that.

    \b
    Examples:
      frazil host show host-a
    """
    with connect() as client:
        found = client.host(host)
    output.answer(found, as_json=as_json, people=lambda: _show(found))


@app.command()
def label(
    host: HostName,
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE|KEY-]...", help="Set a label, or take one away.", show_default=False),
    ] = None,
    as_json: Json = False,
) -> None:
    """Give a host labels, by which pools ask for hosts or are kept apart; without any, see those that it has.

    \b
    Examples:
      frazil host label host-a room=3 rack=b
      frazil host label host-a rack-
      frazil host label host-a
    """
    with connect() as client:
        found = client.host(host)
        if words:
            found = client.change_host(found, valid(HostChange, labels=labels.changed(found.labels, words)))
    said = f"{found.name}: {labels.in_words(found.labels) or 'no labels'}"
    output.answer(found, as_json=as_json, people=lambda: output.say(said))


@app.command()
def maintenance(
    host: HostName,
    state: Annotated[Switch, typer.Argument(metavar="on|off", help="Begin it, or end it.")],
    as_json: Json = False,
) -> None:
    """Let a host take no new desktops, so that it can be switched off; "off" ends that at any time.

    Spares there are replaced on other hosts, then ended. Desktops in use stay until their sessions end. A person's own
    desktop can't move: it is shut down once nobody uses it, and not started until maintenance ends. "frazil host show"
    tells what is still there.

    \b
    Examples:
      frazil host maintenance host-a on
      frazil host maintenance host-a off
    """
    with connect() as client:
        found = client.maintain(host, maintenance=state is Switch.ON)
    output.answer(found, as_json=as_json, people=lambda: _say_maintenance(found))


@app.command()
def forget(
    host: HostName,
    with_desktops: Annotated[
        bool,
        typer.Option("--with-desktops", help="Give up persons' own desktops that have their only disk there."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Take a host that is gone for good out of the database. It must not be connected.

    Desktops that nobody keeps anything on are made anew on other hosts, and sessions on them end. Where a person's own
    desktop has its disk there, nothing is done without --with-desktops. If the host comes back it is a new one: what it
    still has is left alone and listed as strays, of which "frazil desktop adopt" takes persons' own back.

    \b
    Examples:
      frazil host forget host-a
      frazil host forget host-a --with-desktops
    """
    with connect() as client:
        found = client.forget_host(client.host(host), with_desktops=with_desktops)
    output.answer(found, as_json=as_json, people=lambda: _say_forgotten(found))


def _say_forgotten(found: ForgottenHost) -> None:
    output.say(f"{found.name} is forgotten.")
    if found.replaced:
        output.say(f"Desktops that were there and are made anew where they are needed: {found.replaced}.")
    if found.sessions_ended:
        output.say(f"Sessions that ended: {found.sessions_ended}.")
    if found.given_up:
        output.say(f"Given up: {', '.join(found.given_up)}.")


@app.command()
def invite(as_json: Json = False) -> None:
    """Show the command that makes another machine a host. It is good once, and for an hour.

    \b
    Examples:
      frazil host invite
    """
    with connect() as client:
        invitation = client.invite_host()

    def people() -> None:
        output.say("On the new host, as root, within the hour:\n")
        output.say(f"  frazil server --join {invitation.url}\n")
        output.say("It asks for this token, which is good once:\n")
        output.say(f"  {invitation.token}\n")

    output.answer(invitation, as_json=as_json, people=people)


@app.command()
def revoke(host: HostName, as_json: Json = False) -> None:
    """Trust a host on another machine no more: it is let in only after it has joined again.

    Its desktops go on there, and nobody is shown them. To have it back: "frazil host invite".

    \b
    Examples:
      frazil host revoke host-b
    """
    with connect() as client:
        client.revoke_host(host)
    result: dict[str, object] = {"host": host, "revoked": True}
    output.answer(result, as_json=as_json, people=lambda: output.say(f"{host} is let in no more."))


def _say_maintenance(host: Host) -> None:
    if host.maintenance is None:
        output.say(f"{host.name} takes desktops.")
        return
    output.say(f"{host.name} is in maintenance: it takes no new desktops.")
    for line in _maintenance(host):
        output.say(line)


def _maintenance(host: Host) -> list[str]:
    """What is waited for, and what stays."""
    left = host.maintenance
    if left is None:
        return []
    done = ["No desktop runs there any more: it can be switched off."] if left.done else []
    return [*done, *left.waits_for, *([left.stays] if left.stays else [])]


def _show(host: Host) -> None:
    load = host.load
    headroom = load.headroom if load is not None else None
    pairs = [
        ("Name", host.name),
        ("Id", host.id),
        ("State", f"{host.state}, in maintenance" if host.maintenance else host.state),
        *(("Maintenance", line) for line in _maintenance(host)),
        ("Labels", labels.in_words(host.labels)),
        ("Warning", host.warning),
        ("Desktops", str(host.desktops)),
        ("Memory free", f"{load.memory_available_mib} MiB" if load is not None else ""),
        ("Disk free", f"{load.disk_free_mib // 1024} GiB" if load is not None else ""),
    ]
    if headroom is not None:
        pairs += [
            ("In use", f"{headroom.used_mib} MiB by desktops and templates"),
            ("Left", f"{headroom.memory_mib} MiB for more desktops"),
            ("Merged", f"{headroom.merged_mib} MiB saved. {headroom.merging}".strip()),
            ("Now", headroom.pressure),
        ]
    pairs += [("Room", room.text.removeprefix("room for ")) for room in host.room]
    output.pairs(pairs)
