#!/usr/bin/env python3
"""How fast pictures are decoded and drawn, beside spice-gtk's own client. Prints one JSON object as its last line.

    .venv/bin/python bench/spice.py [--frames 8] [--rounds 3] [--skip-plain]

Needs libspice-server1, and for the other client python3-gi and gir1.2-spiceclientglib-2.0. No guest is started: the
real spice-server sends two kinds of pictures by each of its codecs, `desktop` (a screen with windows and text) and
`photo` (clouds with grain), and what it says is kept. Figures are megapixels in a second of processor time:

`decoded`: a canvas of ours gets those messages; the median of the rounds. `plain`: the same without the compiled twins,
for one frame. `viewer` and `spice_gtk`: whole clients get them over a connection from the same replay, counted in the
processor time of their processes until they answer a ping behind the last message. `bits_a_pixel` is how well the
codec did; `used` are the kinds of images in the messages. There is no goal to meet.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from figures import ROOT, Surroundings, report
from PIL import Image as Pillow

from frazil.spice.base_messages import BaseServer, Ping, Pong
from frazil.spice.canvas.canvas import Canvas
from frazil.spice.channels import ChannelType
from frazil.spice.display_channel import DisplayServer
from frazil.spice.framing import HeaderKind, MessageParser
from frazil.spice.image_records import Bitmap, BitmapFlags, BitmapFormat, Image, ImageCompression, ImageType
from frazil.spice.pictures import coders
from frazil.spice.pictures.decoder import SessionPictures
from tests.fakes.spice_desktop import SpiceDesktop
from tests.harness.busy_screen import film
from tests.harness.drawn_twice import drawn_twice, put
from tests.harness.qxl_card import ALWAYS, NEVER, CardSettings

WIDTH, HEIGHT = 1024, 512
STRIPS = 4
"""A frame is drawn in so many pieces, as no program draws a screen at once."""
CACHE_PIXELS = WINDOW_PIXELS = 1 << 22
CODECS = {
    "off": (ImageCompression.OFF, NEVER, NEVER),
    "lz": (ImageCompression.LZ, NEVER, NEVER),
    "glz": (ImageCompression.GLZ, NEVER, NEVER),
    "zlib-glz": (ImageCompression.GLZ, ALWAYS, NEVER),
    "quic": (ImageCompression.QUIC, NEVER, NEVER),
    "lz4": (ImageCompression.LZ4, NEVER, NEVER),
    "jpeg": (ImageCompression.QUIC, NEVER, ALWAYS),
}
"""How each is had from the server: compression, deflating, JPEG."""
DEADLINE_S = 120.0
SETTLING_S = 1.0
CLIENTS = {
    "viewer": [sys.executable, str(ROOT / "bench" / "own_viewer.py")],
    "spice_gtk": ["/usr/bin/python3", str(ROOT / "bench" / "gtk_viewer.py")],
}
Said = list[tuple[int, bytes]]


@dataclass(frozen=True)
class Stream:
    """What the server said: how the surface is made, then frames, of so many pixels in all."""

    first: Said
    frames: list[Said]

    @property
    def pixels(self) -> int:
        return WIDTH * HEIGHT * len(self.frames)

    @property
    def messages(self) -> Said:
        return [message for frame in self.frames for message in frame]

    @property
    def bits_a_pixel(self) -> float:
        return 8 * sum(len(body) for _, body in self.messages) / self.pixels


def sources(kind: str, count: int) -> Iterator[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]:
    """Height × width × 3; each of them is another part of a picture."""
    if kind == "desktop":
        with Pillow.open(ROOT / "docs" / "screenshots" / "desktop.png") as file:
            whole = np.asarray(file.convert("RGB"))
    else:
        whole = np.asarray(film())
    for number in range(count):
        yield np.roll(whole, (-37 * number, -61 * number), axis=(0, 1))[:HEIGHT, :WIDTH]


def strips(rgb: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], number: int) -> Iterator[object]:
    high = HEIGHT // STRIPS
    for strip in range(STRIPS):
        part = rgb[strip * high : (strip + 1) * high]
        pixels = np.zeros((high, WIDTH, 4), np.uint8)
        pixels[:, :, :3] = part[:, :, ::-1]
        bitmap = Bitmap(
            format=BitmapFormat.BIT32, flags=BitmapFlags.TOP_DOWN, width=WIDTH, height=high, stride=4 * WIDTH,
            palette=None, data=pixels.tobytes(),
        )  # fmt: skip
        ident = 1000 + number * STRIPS + strip
        image = Image(id=ident, type=ImageType.BITMAP, flags=0, width=WIDTH, height=high, content=bitmap)
        yield put(image, top=strip * high)


def capture(codec: str, kind: str, *, frames: int) -> Stream:
    compression, zlib, jpeg = CODECS[codec]
    settings = CardSettings(width=WIDTH, height=HEIGHT, compression=compression, zlib=zlib, jpeg=jpeg)
    with drawn_twice(settings, cache_pixels=CACHE_PIXELS, window_pixels=WINDOW_PIXELS) as twice:
        parts: list[Said] = []

        def cut() -> None:
            stream = bytes(twice.recorder.stream)
            parts.append([(one.type, bytes(one.body)) for one in MessageParser(HeaderKind.MINI).feed(stream)])
            twice.recorder.stream.clear()

        cut()
        for number, rgb in enumerate(sources(kind, frames)):
            for record in strips(rgb, number):
                twice.draw(record)
            cut()
    return Stream(parts[0], parts[1:])


def canvas_of(stream: Stream) -> Canvas:
    canvas = Canvas(SessionPictures.of_sizes(cache_pixels=CACHE_PIXELS, window_pixels=WINDOW_PIXELS))
    for number, body in stream.first:
        canvas.handle(number, body)
    return canvas


def decoded(stream: Stream, frames: int) -> tuple[float, dict[str, int]]:
    """Megapixels in a second of processor time, and which kinds of images there were."""
    canvas = canvas_of(stream)
    messages = [message for frame in stream.frames[:frames] for message in frame]
    began_s = time.thread_time()
    for number, body in messages:
        canvas.handle(number, body)
    rate = WIDTH * HEIGHT * frames / 1e6 / (time.thread_time() - began_s)
    return rate, {kind.name.lower().replace("_", "-"): count for kind, count in canvas.pictures.used.items()}


@contextmanager
def without_twins() -> Iterator[None]:
    before = coders.AVAILABLE
    coders.AVAILABLE = False
    try:
        yield
    finally:
        coders.AVAILABLE = before


def processor_s(pid: int) -> float:
    """Of all threads that are alive (`schedstat` of proc(5), nanoseconds)."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


async def client(name: str, stream: Stream) -> float:
    """Megapixels in a second of a client's processor time."""
    fake = SpiceDesktop(picture=stream.first)
    server = await asyncio.start_server(fake.serve, "127.0.0.1", 0)
    argv = [*CLIENTS[name], str(server.sockets[0].getsockname()[1])]
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=sys.stderr)  # noqa: ASYNC220 - it only starts
    try:
        async with asyncio.timeout(DEADLINE_S):
            await pong(fake, 1)
            await asyncio.sleep(SETTLING_S)  # the other channels come up
            before_s = processor_s(process.pid)
            fake.draw(stream.messages)
            await pong(fake, 2)
        return stream.pixels / 1e6 / (processor_s(process.pid) - before_s)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(DEADLINE_S)
        server.close()
        await server.wait_closed()


async def pong(fake: SpiceDesktop, number: int) -> None:
    """Until the display channel's client has dealt with all that it was sent."""
    while not any(kind is ChannelType.DISPLAY for kind, _ in fake.heard):  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    fake.clients[ChannelType.DISPLAY].say(BaseServer.PING, Ping(id=number, timestamp=number, data=b""))
    wanted = (ChannelType.DISPLAY, Pong(id=number, timestamp=number))
    while wanted not in fake.heard:  # noqa: ASYNC110 - what is measured is the client's time
        await asyncio.sleep(0.005)


def possible(name: str) -> bool:
    if name != "spice_gtk":
        return True
    asked = "import gi; gi.require_version('SpiceClientGLib', '2.0'); from gi.repository import SpiceClientGLib"
    done = subprocess.run(["/usr/bin/python3", "-c", asked], stderr=subprocess.DEVNULL, check=False)
    return done.returncode == 0


def measure(options: argparse.Namespace) -> dict[str, object]:
    surroundings = Surroundings()
    clients = [name for name in CLIENTS if possible(name)]
    result: dict[str, dict[str, dict[str, object]]] = {}
    slower = []
    for kind in ("desktop", "photo"):
        result[kind] = {}
        for codec in CODECS:
            stream = capture(codec, kind, frames=options.frames)
            assert DisplayServer.DRAW_COPY in {number for number, _ in stream.messages}
            rounds = [decoded(stream, options.frames) for _ in range(options.rounds)]
            row: dict[str, object] = {
                "decoded": round(median(rate for rate, _ in rounds), 1),
                "bits_a_pixel": round(stream.bits_a_pixel, 2),
                "used": rounds[0][1],
            }
            if not options.skip_plain:
                with without_twins():
                    row["plain"] = round(decoded(stream, 1)[0], 2)
            for name in clients:
                rates = [asyncio.run(client(name, stream)) for _ in range(options.rounds)]
                row[name] = round(median(rates), 1)
            result[kind][codec] = row
            if "spice_gtk" in row and float(str(row["viewer"])) < float(str(row["spice_gtk"])) / 2:
                slower.append(f"{kind} {codec}")
            print(kind, codec, row, file=sys.stderr)
    return {
        "benchmark": "spice",
        "unit": "megapixels in a second of processor time",
        "frame": [WIDTH, HEIGHT],
        "frames": options.frames,
        "rounds": options.rounds,
        "compiled": coders.AVAILABLE,
        "megapixels_per_s": result,
        "slower_than_half_of_spice_gtk": slower,
        "goals": {},
        "machine": surroundings.facts(),
    }


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--frames", type=int, default=8)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--skip-plain", action="store_true")
    return report(measure(options.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
