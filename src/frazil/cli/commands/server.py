"""`frazil server`: this machine's Virtual Desktop Server, and how the machine joins an installation elsewhere."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from typing import Annotated

import typer

from frazil.cli import connection, output, processes
from frazil.cli.supervisor import accounts, lock, places
from frazil.model.errors import Conflict, InvalidInput, Refused
from frazil.runtime import SystemClock
from frazil.server import joining
from frazil.settings import Settings


def server(
    join: Annotated[
        str, typer.Option("--join", metavar="URL", help="Become a host of the installation that is there first.")
    ] = "",
    token: Annotated[str, typer.Option("--token", help='From "frazil host invite", there; asked for if missing.')] = "",
    ready_fd: Annotated[int | None, typer.Option("--ready-fd", hidden=True, help="Written to when ready.")] = None,
) -> None:
    """Run the Virtual Desktop Server in the foreground, as the service manager does.

    With --join the machine becomes a host of another machine's installation, unless it is one already, and stays one:
    later starts need no --join. It logs JSON lines to the standard error. "frazil up" starts all three processes.

    \b
    Examples:
      frazil server
      sudo frazil server --join https://desktops.example.org:8444
      sudo frazil server --join https://desktops.example.org:8444 < token
    """
    settings = connection.settings()
    if join:
        _join(settings, join, token)
    raise typer.Exit(processes.run("server", settings, ready_fd=ready_fd))


def _join(settings: Settings, url: str, token: str) -> None:
    if os.geteuid() != 0:
        raise Refused("Joining needs root.", remedy=f"sudo frazil server --join {url}")
    if lock.holder(settings) is not None:
        raise Conflict(
            "Frazil with a controller of its own is up on this machine.",
            remedy="Join with another machine, or stop it first: sudo frazil down",
        )
    if not token and joining.is_at(settings, url):
        return
    if not token:
        token = typer.prompt("Token", hide_input=True) if sys.stdin.isatty() else sys.stdin.readline()
    if not token.strip():
        raise InvalidInput("There is no token.", remedy="Make one on the controller's machine: frazil host invite")
    places.prepare(settings, accounts.ensure())
    asyncio.run(joining.join(settings, url, token, host_name=socket.gethostname(), clock=SystemClock()))
    output.say(f"This machine is a host of the installation at {url}.")
