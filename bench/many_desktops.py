"""Fake desktops for `bench/spice_load.py`: each answers keys with recorded drawings, and may show a film beside.

    many_desktops.py DIRECTORY COUNT FILM_PER_S

They listen in DIRECTORY, on sockets named by their numbers; the end of the standard input ends them.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from frazil.spice.channels import ChannelType
from frazil.spice.display_channel import DisplayServer
from tests.fakes.spice_desktop import SpiceDesktop
from tests.harness import captures

RECORDED = "quic"
ECHO_DRAWINGS = 2


def drawings() -> list[tuple[int, bytes]]:
    """Pictures as the real spice-server sent them."""
    return [one for one in captures.messages(RECORDED) if one[0] == DisplayServer.DRAW_COPY]


async def film(fakes: list[SpiceDesktop], per_s: float) -> None:
    """So many drawings a second on each desktop that is looked at."""
    shown = drawings()
    number = 0
    while True:
        await asyncio.sleep(1 / per_s)
        number += 1
        for fake in fakes:
            if ChannelType.DISPLAY in fake.clients:
                fake.draw([shown[number % len(shown)]])


async def main(place: Path, count: int, per_s: float) -> None:
    fakes = [SpiceDesktop(picture=RECORDED, echo=drawings()[:ECHO_DRAWINGS]) for _ in range(count)]
    for number, fake in enumerate(fakes):
        await asyncio.start_unix_server(fake.serve, place / f"{number}")
    print("ready", flush=True)
    running = asyncio.create_task(film(fakes, per_s)) if per_s else None
    await asyncio.to_thread(sys.stdin.read)
    if running is not None:
        running.cancel()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
