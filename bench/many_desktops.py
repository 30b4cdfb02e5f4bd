"""Fake desktops for `bench/spice_load.py`: each answers keys with recorded drawings, and may draw other things beside.

    many_desktops.py DIRECTORY COUNT DRAWINGS_PER_S

They listen in DIRECTORY, on sockets named by their numbers; the end of the standard input ends them.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from frazil.spice.channels import ChannelType
from frazil.spice.display_channel import DisplayServer
from frazil.spice.records import encode
from tests.fakes.spice_desktop import SpiceDesktop
from tests.harness import captures
from tests.harness.drawings import Artist
from tests.harness.drawn_twice import put

RECORDED = "quic"
ECHO_DRAWINGS = 2
SIDE = 64
"""Of what is drawn beside, in pixels: 16 KiB each."""


def recorded() -> list[tuple[int, bytes]]:
    """Pictures as the real spice-server sent them."""
    return [one for one in captures.messages(RECORDED) if one[0] == DisplayServer.DRAW_COPY]


async def draw_on(fakes: list[SpiceDesktop], per_s: float) -> None:
    """So many drawings a second on each desktop that is looked at."""
    drawing = (int(DisplayServer.DRAW_COPY), encode(put(Artist(1, SIDE, SIDE).picture(SIDE, SIDE))))
    while True:
        await asyncio.sleep(1 / per_s)
        for fake in fakes:
            client = fake.clients.get(ChannelType.DISPLAY)
            if client is not None and not client.writer.is_closing():
                fake.draw([drawing])


async def main(place: Path, count: int, per_s: float) -> None:
    fakes = [SpiceDesktop(picture=RECORDED, echo=recorded()[:ECHO_DRAWINGS]) for _ in range(count)]
    for number, fake in enumerate(fakes):
        await asyncio.start_unix_server(fake.serve, place / f"{number}")
    print("ready", flush=True)
    running = asyncio.create_task(draw_on(fakes, per_s)) if per_s else None
    await asyncio.to_thread(sys.stdin.read)
    if running is not None:
        running.cancel()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
