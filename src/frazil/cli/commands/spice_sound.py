"""`frazil spice record-sound`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from frazil.cli import output
from frazil.cli.display import CONNECT_S, Where, on
from frazil.cli.options import Json, PasswordStdin, Timeout

if TYPE_CHECKING:
    from frazil.viewer import Desktop


def record_sound(
    where: Where,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A WAV file.")],
    for_s: Annotated[float, typer.Option("--for", min=0.1, metavar="SECONDS", help="How long.")] = 10.0,
    password_stdin: PasswordStdin = False,
    timeout: Timeout = CONNECT_S,
    as_json: Json = False,
) -> None:
    """Write what a desktop plays into a WAV file, with silence where it plays nothing.

    How loud the desktop is set makes no difference. When nothing is played at all no file is written.

    \b
    Examples:
      frazil spice record-sound office meeting.wav --for 60
      frazil spice record-sound spice://127.0.0.1:5900 test.wav --json
    """

    async def record(desktop: Desktop) -> dict[str, object]:
        from frazil.viewer import record_sound

        made = await record_sound(desktop, file, for_s=for_s)
        return {
            "file": str(file),
            "seconds": round(made.duration_s, 3),
            "channels": made.format.channels,
            "rate_hz": made.format.rate_hz,
            "peak": round(made.peak, 4),
        }

    told = on(where, record, from_stdin=password_stdin, timeout_s=timeout, quiet=as_json, sound=True)
    words = f"{file}: {told['seconds']} s, {told['channels']} channels, {told['rate_hz']} samples a second."
    output.answer(told, as_json=as_json, people=lambda: output.say(words))
