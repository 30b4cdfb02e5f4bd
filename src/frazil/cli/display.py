"""How commands reach any SPICE desktop: by an address, by a viewer's file, or as one's own desktop of a pool."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from frazil.cli import connection, output, password
from frazil.cli.commands.connect import TICKET_WAIT_S, ready

if TYPE_CHECKING:  # numpy takes a while to come, which nobody else should wait for
    from frazil.viewer import Address, Desktop

T = TypeVar("T")

Where = Annotated[
    str,
    typer.Argument(
        metavar="WHERE",
        help="An address (spice://HOST:PORT, spice+tls://HOST:PORT, spice+unix:///PATH), a .vv file, or a pool's name.",
    ),
]
CONNECT_S = 30.0


def do(
    where: str,
    go: Callable[[Desktop], Awaitable[dict[str, object]]],
    *,
    display: int = 0,
    from_stdin: bool,
    timeout_s: float,
    as_json: bool,
) -> None:
    """Do something on a desktop of which people need not hear."""
    told = on(where, go, display=display, from_stdin=from_stdin, timeout_s=timeout_s, quiet=as_json)
    output.answer(told, as_json=as_json, people=lambda: None)


def on(
    where: str,
    go: Callable[[Desktop], Awaitable[T]],
    *,
    display: int = 0,
    from_stdin: bool,
    timeout_s: float,
    quiet: bool,
    sound: bool = False,
) -> T:
    """Do something on a desktop, whose password is read `from_stdin` if that is asked for; `sound` is what it needs."""
    found = address_of(where, timeout_s=timeout_s, quiet=quiet)
    if from_stdin:
        found = found.with_password(password.read(from_stdin=True, twice=False).get_secret_value())

    async def run() -> T:
        from frazil import viewer

        async with viewer.connect(found, display=display, sound=sound, timeout_s=timeout_s) as desktop:
            return await go(desktop)

    return asyncio.run(run())


def address_of(where: str, *, timeout_s: float, quiet: bool) -> Address:
    """Of a URI, a file, or your desktop of a pool, which is started if need be."""
    from frazil.viewer import address

    if "://" in where or where.endswith(".vv") or Path(where).is_file():
        return address.of(where)
    with connection.connect() as client:
        session = ready(client, where, timeout_s=timeout_s, quiet=quiet)
        return address.of_viewer_file(client.viewer_file(session.id, wait_s=TICKET_WAIT_S))
