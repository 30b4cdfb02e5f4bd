"""`frazil connect`."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

import typer

from frazil.cli import connection, output
from frazil.cli.connection import pause
from frazil.cli.options import Json, Timeout
from frazil.client import Client
from frazil.model.desktop import Phase
from frazil.model.errors import InvalidInput
from frazil.runtime import SystemClock
from frazil.whole_file import write_whole
from frazil.wire.rest import Session, SessionRequest

VIEWER = "remote-viewer"
OPENABLE = frozenset({Phase.READY, Phase.PAUSED})
TICKET_WAIT_S = 20.0


def connect(
    pool: Annotated[str, typer.Argument(metavar="POOL", help="Its name or id.")],
    vv: Annotated[
        Path | None, typer.Option("--vv", metavar="FILE", help="Write the viewer's file instead of starting a viewer.")
    ] = None,
    timeout: Timeout = 300,
    as_json: Json = False,
) -> None:
    """Open your desktop of a pool in remote-viewer, or write the file that does so.

    The file is good once and for a minute. remote-viewer is in the package virt-viewer of most distributions, and at
    https://virt-manager.org for Windows.

    \b
    Examples:
      frazil connect office
      frazil connect office --vv office.vv
    """
    viewer = _viewer(os.environ) if vv is None else ""
    with connection.connect() as client:
        session = ready(client, pool, timeout_s=timeout, quiet=as_json)
        text = client.viewer_file(session.id, wait_s=TICKET_WAIT_S)
    if vv is not None:
        _write(vv, text)
        told: dict[str, object] = {"session": session.id, "desktop": session.desktop.name, "file": str(vv)}
        words = f"{vv} opens {session.desktop.name}, once and within a minute: {VIEWER} {vv}"
        output.answer(told, as_json=as_json, people=lambda: output.say(words))
        return
    file = _own_file(text)
    output.answer(
        {"session": session.id, "desktop": session.desktop.name, "viewer": viewer},
        as_json=as_json,
        people=lambda: output.say(f"{session.desktop.name} opens in {VIEWER}."),
    )
    os.execv(viewer, [viewer, str(file)])  # noqa: S606 - no shell is wanted; the viewer deletes the file it has read


def ready(
    client: Client, pool: str, *, timeout_s: float, quiet: bool, pause: Callable[[float], None] = pause
) -> Session:
    """Your session of that pool, on a desktop that can be looked at. Raises DeadlinePassed.

    `pause` lets time pass; what it raises ends the waiting.
    """
    session = client.open_session(SessionRequest(pool=pool)).session
    desktop = session.desktop
    if desktop.phase not in OPENABLE:
        with output.progress(f"Getting {desktop.name} ready", quiet=quiet) as bar:
            client.wait_for_desktop(
                desktop.id,
                OPENABLE,
                clock=SystemClock(),
                pause=pause,
                timeout_s=timeout_s,
                tell=lambda now: bar.tell(step=now.step or now.phase_text, fraction=None, left_s=None),
            )
    return session


def _viewer(environment: Mapping[str, str]) -> str:
    """The viewer's program. Raises InvalidInput in a place where it can't show anything."""
    found = shutil.which(VIEWER, path=environment.get("PATH"))
    if found is None:
        raise InvalidInput(
            f"{VIEWER} is not installed here.",
            remedy="Install the package virt-viewer, or write a file for another machine: --vv FILE",
        )
    if not environment.get("DISPLAY") and not environment.get("WAYLAND_DISPLAY"):
        raise InvalidInput("There is no display here.", remedy="Write a file for a machine that has one: --vv FILE")
    return found


def _own_file(text: str) -> Path:
    with tempfile.NamedTemporaryFile("w", prefix="frazil-", suffix=".vv", delete=False, encoding="utf-8") as made:
        made.write(text)
    return Path(made.name)


def _write(path: Path, text: str) -> None:
    """For its owner's eyes only, whole or not at all: a ticket is in it."""
    try:
        write_whole(path, text.encode())
    except OSError as exc:
        raise InvalidInput(f"{path} can't be written: {exc.strerror}.", field="vv") from exc
