"""Display channels whose messages are spoilt: what is drawn of them stays within bounds, or they are refused.

The messages are those of captures of the real server, with bytes overwritten, cut off, doubled and put into another
order; `scribble` repeats a case by its seed.
"""

from __future__ import annotations

import random
import time
from functools import cache

from frazil.model.errors import RemoteProtocolError
from frazil.spice.canvas.canvas import Canvas
from frazil.spice.display_channel import DisplayServer
from frazil.spice.pictures.decoder import SessionPictures
from tests.harness import captures

SURFACES_MAX_PIXELS = 1 << 21
MESSAGES = 40
MESSAGE_MAX_S = 20.0
"""Far over what any message takes on a busy machine; what a hostile one could ask for without bounds is hours."""
EDGES = (0, 1, 0x7F, 0x80, 0xFF)


@cache
def recorded() -> tuple[tuple[int, bytes], ...]:
    """All captures' messages."""
    return tuple(message for name in captures.CAPTURES for message in captures.messages(name))


def scribble(seed: int) -> tuple[int, int]:
    """Draw some messages, most of them spoilt. How many were drawn, and how many refused."""
    chance = random.Random(seed)
    canvas = Canvas(
        SessionPictures.of_sizes(cache_pixels=1 << 20, window_pixels=1 << 20), surfaces_max_pixels=SURFACES_MAX_PIXELS
    )
    messages = recorded()
    create = next(message for message in messages if message[0] == DisplayServer.SURFACE_CREATE)
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
