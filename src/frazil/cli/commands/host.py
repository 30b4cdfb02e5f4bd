"""`frazil host …`."""

from __future__ import annotations

from typing import Annotated

import typer

from frazil.cli import output
from frazil.cli.connection import connect
from frazil.cli.options import Json, group
from frazil.wire.rest import Host

app = group("Hosts: the machines that run desktops.")


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
            host.state,
            str(host.desktops),
            f"{host.load.memory_available_mib} MiB" if host.load else "–",
            f"{host.load.disk_free_mib // 1024} GiB" if host.load else "–",
            ", ".join(f"{room.more} of {room.pool_name}" for room in host.room) or "–",
            host.warning,
        )
        for host in hosts
    ]

    def people() -> None:
        columns = ("NAME", "STATE", "DESKTOPS", "MEMORY FREE", "DISK FREE", "MORE FIT", "WARNING")
        output.table(columns, rows, empty="No hosts. Is the server up? frazil doctor")
        if strays:
            output.say("\nQuarantined: labelled as ours and unknown to the database; left alone.")
            output.table(("KIND", "NAME", "DETAIL"), [(it.kind, it.name, it.detail) for it in strays], empty="")

    output.answer(hosts, as_json=as_json, people=people)


@app.command()
def show(host: Annotated[str, typer.Argument(help="The host's name or id.")], as_json: Json = False) -> None:
    """One host: how many more desktops fit on it, and what bounds that.

    \b
    Examples:
      frazil host show host-a
    """
    with connect() as client:
        found = client.host(host)
    output.answer(found, as_json=as_json, people=lambda: _show(found))


def _show(host: Host) -> None:
    load = host.load
    headroom = load.headroom if load is not None else None
    pairs = [
        ("Name", host.name),
        ("Id", host.id),
        ("State", host.state),
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
