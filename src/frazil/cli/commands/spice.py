"""`frazil spice …`: any SPICE desktop, without a screen."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from frazil.cli import output
from frazil.cli.commands import spice_load, spice_sharing, spice_sound
from frazil.cli.display import CONNECT_S, Where, do, on
from frazil.cli.options import Json, PasswordStdin, Timeout, group
from frazil.model.errors import InvalidInput

if TYPE_CHECKING:  # numpy takes a while to come, which nobody else should wait for
    from frazil.viewer import Box, Desktop

app = group("Look at any SPICE desktop, type and click on it, share text and files with it, hear it, without a screen.")
app.add_typer(spice_sharing.clipboard, name="clipboard")
app.command("send-file")(spice_sharing.send_file)
app.command("record-sound")(spice_sound.record_sound)
app.command("load")(spice_load.load)

Display = Annotated[int, typer.Option("--display", min=0, help="The number of the display channel.")]
Settle = Annotated[float, typer.Option("--settle", min=0, metavar="SECONDS", help="Wait for so long a stillness.")]


class Button(StrEnum):
    """As people name them."""

    LEFT = "left"
    MIDDLE = "middle"
    RIGHT = "right"


@app.command()
def info(
    where: Where,
    display: Display = 0,
    password_stdin: PasswordStdin = False,
    timeout: Timeout = CONNECT_S,
    as_json: Json = False,
) -> None:
    """What a desktop's SPICE server tells of it.

    Whoever looks at the desktop is put out, here and in the other commands: a server has one client at a time. A .vv
    file is good for one command only.

    \b
    Examples:
      frazil spice info spice://127.0.0.1:5900
      frazil spice info office --json
    """

    async def ask(desktop: Desktop) -> dict[str, object]:
        await desktop.wait_for_picture(timeout_s=timeout)
        found = desktop.info
        return {
            "name": found.name,
            "uuid": found.uuid,
            "width": found.width,
            "height": found.height,
            "channels": list(found.channels),
            "absolute_mouse": found.absolute_mouse,
            "agent": found.agent,
            "pictures": found.pictures,
        }

    told = on(where, ask, display=display, from_stdin=password_stdin, timeout_s=timeout, quiet=as_json)
    rows = [
        ("name", str(told["name"])),
        ("uuid", str(told["uuid"])),
        ("screen", f"{told['width']} x {told['height']}"),
        ("channels", ", ".join(_words(told["channels"]))),
        ("mouse", "positions" if told["absolute_mouse"] else "motions only"),
        ("agent", "there" if told["agent"] else "not there"),
        ("pictures", ", ".join(_words(told["pictures"]))),
    ]
    output.answer(told, as_json=as_json, people=lambda: output.pairs(rows))


@app.command()
def screenshot(
    where: Where,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Its ending says the format: .png, .jpg, .webp.")],
    pointer: Annotated[bool, typer.Option("--pointer", help="With the pointer on it.")] = False,
    settle: Settle = 0,
    display: Display = 0,
    password_stdin: PasswordStdin = False,
    timeout: Timeout = CONNECT_S,
    as_json: Json = False,
) -> None:
    """Write what a desktop shows into a file.

    \b
    Examples:
      frazil spice screenshot spice://127.0.0.1:5900 screen.png
      frazil spice screenshot office.vv screen.png --settle 1
      frazil spice screenshot spice://127.0.0.1:5900 second.png --display 1
    """

    async def take(desktop: Desktop) -> dict[str, object]:
        await desktop.wait_for_picture(timeout_s=timeout)
        if settle:
            await desktop.wait_still(for_s=settle, timeout_s=timeout)
        seen = desktop.screenshot(pointer=pointer)
        seen.save(file)
        return {"file": str(file), "width": seen.width, "height": seen.height}

    told = on(where, take, display=display, from_stdin=password_stdin, timeout_s=timeout, quiet=as_json)
    words = f"{file}: {told['width']} x {told['height']} pixels."
    output.answer(told, as_json=as_json, people=lambda: output.say(words))


@app.command("type")
def type_(
    where: Where,
    text: Annotated[
        str, typer.Argument(metavar="TEXT", help=r"\n in it is Enter, \t is Tab; - reads it from the standard input.")
    ],
    password_stdin: PasswordStdin = False,
    timeout: Timeout = CONNECT_S,
    as_json: Json = False,
) -> None:
    """Type a text on a desktop whose keyboard is that of the United States.

    \b
    Examples:
      frazil spice type spice://127.0.0.1:5900 'ls\\n'
      frazil spice type office - < notes.txt
    """
    if text == "-" and password_stdin:
        raise InvalidInput("The standard input can't be both the password and the text.", field="text")
    given = sys.stdin.read() if text == "-" else text.replace(r"\n", "\n").replace(r"\t", "\t")

    async def go(desktop: Desktop) -> dict[str, object]:
        await desktop.type(given)
        return {"keys": len(given)}

    do(where, go, from_stdin=password_stdin, timeout_s=timeout, as_json=as_json)


@app.command()
def press(
    where: Where,
    keys: Annotated[list[str], typer.Argument(metavar="KEYS…", help="Like a, enter, f5, ctrl+alt+delete.")],
    password_stdin: PasswordStdin = False,
    timeout: Timeout = CONNECT_S,
    as_json: Json = False,
) -> None:
    """Press keys on a desktop, one after the other; those with + between them together.

    \b
    Examples:
      frazil spice press spice://127.0.0.1:5900 ctrl+alt+f2
      frazil spice press office down down enter
    """

    async def go(desktop: Desktop) -> dict[str, object]:
        await desktop.press(*keys)
        return {"keys": len(keys)}

    do(where, go, from_stdin=password_stdin, timeout_s=timeout, as_json=as_json)


@app.command()
def click(
    where: Where,
    x: Annotated[int, typer.Argument(min=0, metavar="X", help="Pixels from the left.")],
    y: Annotated[int, typer.Argument(min=0, metavar="Y", help="Pixels from above.")],
    button: Annotated[Button, typer.Option("--button", help="Which one.")] = Button.LEFT,
    times: Annotated[int, typer.Option("--times", min=1, help="2 is a double click.")] = 1,
    display: Display = 0,
    password_stdin: PasswordStdin = False,
    timeout: Timeout = CONNECT_S,
    as_json: Json = False,
) -> None:
    """Click on a desktop.

    \b
    Examples:
      frazil spice click spice://127.0.0.1:5900 120 40
      frazil spice click office 120 40 --button right
    """

    async def go(desktop: Desktop) -> dict[str, object]:
        from frazil.viewer import MouseButton

        await desktop.wait_for_picture(timeout_s=timeout)  # by then the server has said how its mouse goes
        await desktop.click(x, y, button=MouseButton[button.name], times=times)
        return {"x": x, "y": y, "button": button.value, "times": times}

    do(where, go, display=display, from_stdin=password_stdin, timeout_s=timeout, as_json=as_json)


@app.command()
def watch(
    where: Where,
    every: Annotated[float, typer.Option("--every", min=0.05, metavar="SECONDS", help="Look so often at most.")] = 1.0,
    for_s: Annotated[
        float | None, typer.Option("--for", min=0, metavar="SECONDS", help="End then; without it with Ctrl-C.")
    ] = None,
    save: Annotated[
        Path | None,
        typer.Option("--save", metavar="DIRECTORY", help="Write the pictures there, from 00001.png on."),
    ] = None,
    display: Display = 0,
    password_stdin: PasswordStdin = False,
    timeout: Timeout = CONNECT_S,
    as_json: Json = False,
) -> None:
    """Say when and where what a desktop shows has changed, one line each time; with --json one JSON object a line.

    \b
    Examples:
      frazil spice watch spice://127.0.0.1:5900
      frazil spice watch office --every 0.2 --for 60 --save pictures --json
    """
    if save is not None:
        try:
            save.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise InvalidInput(f"{save} can't be made: {exc.strerror}.", field="save") from exc

    async def look(desktop: Desktop) -> dict[str, object]:
        await desktop.wait_for_picture(timeout_s=timeout)
        async for change in _changes(desktop, every_s=every, for_s=for_s, save=save):
            sys.stdout.write((json.dumps(change) if as_json else _in_words(change)) + "\n")
            sys.stdout.flush()
        return {}

    on(where, look, display=display, from_stdin=password_stdin, timeout_s=timeout, quiet=as_json)


async def _changes(
    desktop: Desktop, *, every_s: float, for_s: float | None, save: Path | None
) -> AsyncIterator[dict[str, object]]:
    """Each picture that differs from the one before it; the first one differs from nothing."""
    began_s = time.monotonic()
    last, drawings, received = None, 0, 0
    number = 0
    while True:
        now = desktop.info
        seen = desktop.screenshot()
        box = seen.changed(last) if last is not None else None
        if box is not None or last is None:
            number += 1
            file = None
            if save is not None:
                file = str(save / f"{number:05}.png")
                seen.save(file)
            yield {
                "at_s": round(time.monotonic() - began_s, 3),
                "changed": _corners(box),
                "drawings": now.drawings - drawings,
                "received_bytes": now.received_bytes - received,
                "file": file,
            }
            last, drawings, received = seen, now.drawings, now.received_bytes
        left_s = None if for_s is None else for_s - (time.monotonic() - began_s)
        if left_s is not None and left_s <= 0:
            return
        await asyncio.sleep(every_s if left_s is None else min(every_s, left_s))


def _corners(box: Box | None) -> list[int] | None:
    return [box.left, box.top, box.right, box.bottom] if box else None


def _in_words(change: dict[str, object]) -> str:
    box = change["changed"]
    where = "the whole screen" if not isinstance(box, list) else f"{box[0]},{box[1]} to {box[2]},{box[3]}"
    kib = int(str(change["received_bytes"])) / 1024
    file = f"  {change['file']}" if change["file"] else ""
    return f"{change['at_s']:>9} s  {where:<26} {change['drawings']:>6} drawings {kib:>9.1f} KiB{file}"


def _words(value: object) -> list[str]:
    """A list's words; of a mapping, names with numbers."""
    if isinstance(value, dict):
        return [f"{count} {name}" for name, count in value.items()]
    return [str(one) for one in value] if isinstance(value, list) else []
