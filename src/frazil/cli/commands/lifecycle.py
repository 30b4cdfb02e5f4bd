"""`frazil up` and `frazil down`."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from frazil.cli import connection, output
from frazil.cli.connection import pause
from frazil.cli.options import Json
from frazil.cli.portal import portal_url
from frazil.cli.supervisor import accounts, domains, lock, places
from frazil.cli.supervisor.peers import ensure_peers
from frazil.cli.supervisor.up import Up, tell_setup_link
from frazil.client import Client, DeadlinePassed
from frazil.gateway.tls import ensure_certificates
from frazil.model.errors import HostError, Refused, Unavailable
from frazil.runtime import SystemClock, SystemIds
from frazil.settings import Settings

DETACH_TIMEOUT_S = 240.0
SYSTEMD = Path("/run/systemd/system")
TARGET = "frazil.target"


def up(
    detach: Annotated[bool, typer.Option("--detach", help="Return when Frazil is up; it goes on by itself.")] = False,
    first_desktop: Annotated[
        bool,
        typer.Option("--first-desktop/--no-first-desktop", help="Where there is no pool: build an image and make one."),
    ] = True,
    as_json: Json = False,
    ready_fd: Annotated[int | None, typer.Option("--ready-fd", hidden=True)] = None,
) -> None:
    """Start Frazil on this machine and keep it running.

    The machine is looked at first; what can safely be mended is. Ctrl-C stops Frazil and leaves the desktops running.

    \b
    Examples:
      sudo frazil up
      sudo frazil up --detach
    """
    settings = connection.settings()
    holder = lock.holder(settings)
    if holder is not None:
        _is_up(settings, f"Frazil is up already (process {holder})", as_json=as_json)
        return
    if os.geteuid() != 0:
        raise Refused("Frazil is started by root.", remedy="sudo frazil up")
    if detach:
        _detached(settings, first_desktop=first_desktop)
        with Client.local(settings.local_socket) as client:
            _is_up(settings, "Frazil is up", as_json=as_json)
            if not as_json:
                tell_setup_link(client, settings)
        return
    Up(
        settings=settings,
        clock=SystemClock(),
        ids=SystemIds(),
        first_desktop=first_desktop,
        ready_fd=ready_fd,
        show_link=ready_fd is None,  # in the background the words go to a log, which is no place for a secret
    ).run()


def prepare() -> None:
    """Make what the three processes need before they start, as the service manager has it done.

    \b
    Examples:
      sudo frazil prepare
    """
    if os.geteuid() != 0:
        raise Refused("Preparing needs root.", remedy="sudo frazil prepare")
    settings = connection.settings()
    users = accounts.ensure()
    places.prepare(settings, users)
    installation_id = places.ensure_installation(settings, ids=SystemIds())
    ensure_certificates(settings, clock=SystemClock(), owner_gid=users.gateway.gid)
    ensure_peers(settings, users, installation_id, clock=SystemClock())


def down(
    grace: Annotated[float, typer.Option("--grace", min=0, metavar="SECONDS", help="For desktops to shut down.")] = 20,
    keep_desktops: Annotated[bool, typer.Option("--keep-desktops", help="Let the desktops go on.")] = False,
    as_json: Json = False,
) -> None:
    """Stop Frazil on this machine, and its desktops too.

    Desktops are asked to shut down; those that have not after the grace time lose their power. The next "frazil up"
    starts them again. Domains that Frazil did not make are not touched.

    \b
    Examples:
      sudo frazil down
      sudo frazil down --grace 60
      sudo frazil down --keep-desktops
    """
    settings = connection.settings()
    if os.geteuid() != 0:
        raise Refused("Frazil is stopped by root.", remedy="sudo frazil down")
    stopped_processes = _stop_processes(settings)
    stopped: list[domains.Ours] = []
    if settings.installation_file.exists() and not keep_desktops:
        installation_id = str(json.loads(settings.installation_file.read_text(encoding="utf-8"))["installation_id"])
        with output.progress("Stopping the desktops", quiet=as_json):
            stopped = domains.stop_all(
                settings.libvirt_uri, installation_id, grace_s=grace, clock=SystemClock(), pause=pause
            )
    result: dict[str, object] = {
        "was_up": stopped_processes,
        "desktops_stopped": [{"domain": each.domain, "name": each.desktop} for each in stopped],
    }
    count = f"{len(stopped)} desktop{'' if len(stopped) == 1 else 's'}"
    words = f"Frazil is stopped, and {count}." if stopped_processes else f"Frazil was not up; {count} stopped."
    if keep_desktops:
        words = f"{'Frazil is stopped' if stopped_processes else 'Frazil was not up'}; its desktops go on."
    output.answer(result, as_json=as_json, people=lambda: output.say(words))


def _stop_processes(settings: Settings) -> bool:
    """Stop the three processes, so that nothing starts desktops again; whether they ran."""
    ran = False
    if SYSTEMD.is_dir():
        active = subprocess.run(["systemctl", "--quiet", "is-active", TARGET], timeout=30, check=False)
        if active.returncode == 0:
            ran = True
            subprocess.run(["systemctl", "stop", TARGET], timeout=120, check=False)
    holder = lock.holder(settings)
    if holder is not None:
        ran = True
        if not lock.end(holder, timeout_s=60):
            raise DeadlinePassed(
                f"`frazil up` (process {holder}) did not stop within a minute.", remedy=f"See what it does: ps {holder}"
            )
    return ran


def _is_up(settings: Settings, words: str, *, as_json: bool) -> None:
    url = portal_url(settings)
    output.answer({"up": True, "url": url}, as_json=as_json, people=lambda: output.say(f"{words}: {url}"))


def _detached(settings: Settings, *, first_desktop: bool) -> None:
    """Start `frazil up` in a session of its own and return when it is ready."""
    settings.log_dir.mkdir(parents=True, exist_ok=True)
    log = settings.log_dir / "up.log"
    reader, writer = os.pipe()
    argv = [sys.executable, "-m", "frazil.cli.main", "up", "--ready-fd", str(writer)]
    if not first_desktop:
        argv.append("--no-first-desktop")
    with log.open("ab") as out:
        start_of_ours = out.tell()
        child = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            pass_fds=(writer,),
            start_new_session=True,
            cwd="/",
        )
    os.close(writer)
    try:
        with output.progress("Starting"):
            readable, _, _ = select.select([reader], [], [], DETACH_TIMEOUT_S)
        if readable and os.read(reader, 1):
            return
    finally:
        os.close(reader)
    if not readable:
        child.terminate()
        raise Unavailable(f"Frazil was not up after {DETACH_TIMEOUT_S:.0f} s.", remedy=f"Its log is {log}.")
    child.wait(timeout=30)
    with log.open("rb") as said:
        said.seek(start_of_ours)
        words = said.read().decode(errors="replace").strip()
    raise HostError(f"Frazil did not come up. It said:\n{words}", remedy=f"Its log is {log}.")
