"""Display channels whose messages are spoilt: what is drawn of them stays within bounds, or they are refused.

The messages are those of captures of the real server and films in each codec, with bytes overwritten, cut off, doubled
and put into another order; `scribble` repeats a case by its seed.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from functools import cache

from frazil.model.errors import RemoteProtocolError
from frazil.spice.canvas.canvas import Canvas
from frazil.spice.display_channel import (
    DisplayServer,
    StreamCreate,
    StreamData,
    StreamDataSized,
    StreamDestroy,
    VideoCodec,
)
from frazil.spice.draw_records import NO_CLIP
from frazil.spice.geometry_records import Rect
from frazil.spice.pictures.decoder import SessionPictures
from frazil.spice.records import encode
from tests.harness import captures
from tests.harness.films import ENCODERS, film, scene

SURFACES_MAX_PIXELS = 1 << 21
MESSAGES = 40
MESSAGE_MAX_S = 20.0
"""Far over what any message takes on a busy machine; what a hostile one could ask for without bounds is hours."""
EDGES = (0, 1, 0x7F, 0x80, 0xFF)


@cache
def recorded() -> tuple[tuple[int, bytes], ...]:
    """All captures' messages."""
    return tuple(message for name in captures.CAPTURES for message in captures.messages(name))


@cache
def films() -> tuple[tuple[int, bytes], ...]:
    """A film's messages in each codec."""
    return tuple(message for codec in ENCODERS for message in _film(codec))


def _film(codec: VideoCodec) -> Iterator[tuple[int, bytes]]:
    """A stream with frames of two sizes, over some of the screen."""
    dest = Rect(left=8, top=4, right=56, bottom=36)
    create = StreamCreate(
        surface_id=0,
        id=codec,
        flags=1,
        codec=codec,
        stamp=0,
        stream_width=48,
        stream_height=32,
        source_width=48,
        source_height=32,
        dest=dest,
        clip=NO_CLIP,
    )
    yield DisplayServer.STREAM_CREATE, encode(create)
    for frame in film(codec, [scene(48, 32, number) for number in range(6)]):
        yield DisplayServer.STREAM_DATA, encode(StreamData(id=codec, time_ms=0, data=frame))
    for frame in film(codec, [scene(64, 48, number) for number in range(3)]):
        sized = StreamDataSized(id=codec, time_ms=0, width=64, height=48, dest=dest, data=frame)
        yield DisplayServer.STREAM_DATA_SIZED, encode(sized)
    yield DisplayServer.STREAM_DESTROY, encode(StreamDestroy(id=codec))


def scribble(seed: int, *, video: bool = False) -> tuple[int, int]:
    """Draw some messages, or show some `video`, most of them spoilt. How many were drawn, and how many refused."""
    chance = random.Random(seed)
    canvas = Canvas(
        SessionPictures.of_sizes(cache_pixels=1 << 20, window_pixels=1 << 20), surfaces_max_pixels=SURFACES_MAX_PIXELS
    )
    messages = films() if video else recorded()
    create = next(message for message in recorded() if message[0] == DisplayServer.SURFACE_CREATE)
    canvas.handle(*create)
    drawn = refused = 0
    start = chance.randrange(len(messages))
    for index in range(MESSAGES):
        number, body = messages[(start + index) % len(messages)]
        if chance.random() < 0.2:
            number, body = chance.choice(messages)
        began = time.monotonic()
        try:
            drawn += canvas.handle(number, spoilt(body, chance) if chance.random() < 0.7 else body)
        except RemoteProtocolError:
            refused += 1
        assert time.monotonic() - began < MESSAGE_MAX_S, f"message {index} of seed {seed}"
        assert sum(surface.raw.size for surface in canvas.surfaces.values()) <= SURFACES_MAX_PIXELS
    return drawn, refused


def spoilt(body: bytes, chance: random.Random) -> bytes:
    """A few bytes are others, mostly at the front, where numbers and offsets are; perhaps the end is gone."""
    made = bytearray(body)
    for _ in range(chance.randint(1, 4) if made else 0):
        at = chance.randrange(min(len(made), 200) if chance.random() < 0.8 else len(made))
        made[at] = chance.choice(EDGES) if chance.random() < 0.6 else chance.randrange(256)
        if chance.random() < 0.1:
            made[at : at + 4] = chance.choice((b"\xff\xff\xff\x7f", b"\0\0\0\x80", b"\xff\xff\xff\xff"))
    if chance.random() < 0.1:
        del made[chance.randrange(len(made) + 1) :]
    return bytes(made)
