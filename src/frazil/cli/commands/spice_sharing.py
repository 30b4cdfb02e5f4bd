"""What `frazil spice` shares with a desktop by its agent: text, and files."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from frazil.cli import output
from frazil.cli.display import CONNECT_S, Where, on
from frazil.cli.options import Json, PasswordStdin, Timeout, group
from frazil.model.errors import Conflict, InvalidInput

if TYPE_CHECKING:
    from frazil.viewer import Desktop

COPY_S = 3.0
"""For a desktop to give what was copied on it; longer only if somebody is to copy first."""

clipboard = group("Text from a desktop's clipboard, and onto it.")


@clipboard.command()
def get(
    where: Where,
    wait: Annotated[
        float, typer.Option("--wait", min=0, metavar="SECONDS", help="Wait so long until text is copied there.")
    ] = COPY_S,
    password_stdin: PasswordStdin = False,
    timeout: Timeout = CONNECT_S,
    as_json: Json = False,
) -> None:
    """Write the text on a desktop's clipboard to the standard output, as it is.

    Most desktops tell only of what is copied while one is connected: --wait is for that.

    \b
    Examples:
      frazil spice clipboard get office > copied.txt
      frazil spice clipboard get office --wait 60
    """

    async def fetch(desktop: Desktop) -> str:
        await _agent(desktop, timeout_s=timeout)
        return await desktop.clipboard(timeout_s=wait)

    text = on(where, fetch, from_stdin=password_stdin, timeout_s=timeout, quiet=as_json)
    output.answer({"text": text}, as_json=as_json, people=lambda: output.raw(text))


@clipboard.command("set")
def set_(
    where: Where,
    press: Annotated[
        str | None, typer.Option("--press", metavar="KEYS", help="Then press these, to paste it: ctrl+v, shift+insert.")
    ] = None,
    wait: Annotated[
        float, typer.Option("--wait", min=0, metavar="SECONDS", help="Wait so long until it is pasted.")
    ] = CONNECT_S,
    timeout: Timeout = CONNECT_S,
    as_json: Json = False,
) -> None:
    """Put the standard input's text onto a desktop's clipboard, until it is pasted there once.

    A desktop has it only while we are connected, so that this command waits for the pasting.

    \b
    Examples:
      frazil spice clipboard set office --press ctrl+v < notes.txt
      date | frazil spice clipboard set spice://127.0.0.1:5900 --wait 300
    """
    try:
        text = sys.stdin.read()
    except UnicodeDecodeError as exc:
        raise InvalidInput("The standard input is no text.", field="text") from exc
    if not text:
        raise InvalidInput("The standard input has no text.", field="text")

    async def give(desktop: Desktop) -> dict[str, object]:
        await _agent(desktop, timeout_s=timeout)
        await desktop.set_clipboard(text)
        if press is not None:
            await desktop.press(press)
        await desktop.wait_for_paste(timeout_s=wait)
        return {"characters": len(text)}

    told = on(where, give, from_stdin=False, timeout_s=timeout, quiet=as_json)
    output.answer(told, as_json=as_json, people=lambda: None)


def send_file(
    where: Where,
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="One after the other.")],
    password_stdin: PasswordStdin = False,
    timeout: Timeout = CONNECT_S,
    as_json: Json = False,
) -> None:
    """Send files to a desktop, and wait until it has stored them: where its agent puts files, such as Downloads.

    Ctrl-C cancels the file that is on its way at the desktop too. --timeout is for each piece, not for a whole file.

    \b
    Examples:
      frazil spice send-file office report.pdf
      frazil spice send-file spice://127.0.0.1:5900 *.png
    """
    for file in files:
        if not file.is_file():
            raise InvalidInput(f"{file} is no file; nothing was sent.", field="files")

    async def send(desktop: Desktop) -> dict[str, object]:
        await _agent(desktop, timeout_s=timeout)
        sent = []
        for file in files:
            with output.progress(f"Sending {output.plain(file.name).plain}", quiet=as_json) as bar:
                await desktop.send_file(file, _telling(bar), timeout_s=timeout)
            sent.append({"name": file.name, "bytes": file.stat().st_size})
            if not as_json:
                output.say(f"{output.plain(file.name).plain} is on the desktop.")
        return {"files": sent}

    told = on(where, send, from_stdin=password_stdin, timeout_s=timeout, quiet=as_json)
    output.answer(told, as_json=as_json, people=lambda: None)


def _telling(bar: output.Bar) -> Callable[[int, int], None]:
    began_s = time.monotonic()

    def tell(sent: int, size: int) -> None:
        share = sent / size if size else 1.0
        left_s = (time.monotonic() - began_s) * (1 - share) / share if share else None
        bar.tell(step="", fraction=share, left_s=left_s)

    return tell


async def _agent(desktop: Desktop, *, timeout_s: float) -> None:
    """Wait for an agent that is there to say what it can do."""
    await desktop.wait_for_picture(timeout_s=timeout_s)  # by then the server has said whether it is there
    if not desktop.info.agent:
        raise Conflict(
            "The desktop's agent is not there, by which text and files go.",
            remedy="It comes up with the desktop's system; in a machine of your own, install spice-vdagent.",
        )
    await desktop.wait_for_agent(timeout_s=timeout_s)
