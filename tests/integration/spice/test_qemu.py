"""A screen that never stands still, of QEMU's own SPICE server, held against QEMU's screenshots of it.

At random moments the machine is stopped, and what is under way comes to its end: with each compression in turn, with a
film and with a text that scrolls; and with the film as video.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import random
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from frazil.spice.image_records import ImageCompression
from frazil.spice.pictures.video import decodable
from frazil.viewer import Desktop, Screenshot, VideoCodec, connect
from frazil.viewer.screenshot import Rgb
from tests.harness.busy_screen import (
    FILM_FRAMES,
    FILM_STEP,
    LIKE_OURS,
    PAPER,
    SHOWS,
    SIDE,
    WINDOW,
    BusyScreen,
)
from tests.harness.ports import free_port

pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.skipif(not all(map(shutil.which, ("qemu-system-x86_64", "as", "ld"))), reason="needs QEMU, binutils"),
]
MOMENTS = 3
"""With each compression: 21 in all."""
DEADLINE_S = 60.0
PART = np.s_[WINDOW.top : WINDOW.bottom, WINDOW.left : WINDOW.right]
KINDS = {
    ImageCompression.OFF: {"bitmap"},
    ImageCompression.QUIC: {"quic"},
    ImageCompression.LZ: {"lz-rgb"},
    ImageCompression.GLZ: {"glz-rgb"},
    ImageCompression.LZ4: {"lz4"},
    ImageCompression.AUTO_LZ: {"lz-rgb"},
    ImageCompression.AUTO_GLZ: {"glz-rgb"},
}
"""What comes for certain; beside it what a picture is too small or too noisy for."""
LOSSY = "image-compression=auto_glz,jpeg-wan-compression=always,zlib-glz-wan-compression=always"
LOSSY_DB = 30.0
FRAMES_LATE = 1
"""At most so much older is the frame that is seen: spice-server leaves one out that comes too soon after another."""


class Shown:
    """A guest, and how its screen is looked at."""

    def __init__(self, guest: BusyScreen, address: str, film: Path) -> None:
        self.guest = guest
        self.film = film
        self._address = address

    @asynccontextmanager
    async def seen(self, **options: Any) -> AsyncIterator[Desktop]:
        """Look at it while the block runs; nothing moves before and after."""
        async with connect(self._address, timeout_s=DEADLINE_S, **options) as seen:
            await seen.wait_for_picture(timeout_s=DEADLINE_S)
            yield seen
            await seen.type(SHOWS["nothing"])

    @asynccontextmanager
    async def stopped(self) -> AsyncIterator[Rgb]:
        """The machine stands still while the block runs, and this is what it shows."""
        await asyncio.to_thread(self.guest.ask, "stop")
        with tempfile.TemporaryDirectory() as place:
            file = Path(place) / "screen.png"
            await asyncio.to_thread(self.guest.screenshot, file)
            yield Screenshot.load(file).rgb
        await asyncio.to_thread(self.guest.ask, "cont")


@contextmanager
def showing(images: str = LIKE_OURS, *, streaming: str = "off") -> Iterator[Shown]:
    """A guest that listens on a port: what a UNIX socket takes is not compressed."""
    with tempfile.TemporaryDirectory() as place:
        port = free_port()
        with BusyScreen(Path(place), streaming=streaming, images=images, port=port) as guest:
            yield Shown(guest, f"spice://127.0.0.1:{port}", Path(place) / "film")


@pytest.fixture(scope="module")
def exact() -> Iterator[Shown]:
    with showing() as shown:
        yield shown


async def in_motion(seen: Desktop, what: str, chance: random.Random) -> None:
    """What is wanted is on the screen, and some more of it has come."""

    def there(now: Screenshot) -> bool:
        paper = float((np.abs(now.rgb[PART].astype(int) - PAPER).max(axis=2) < 8).mean())
        return paper > 0.5 if what == "text" else paper < 0.1

    await seen.type(SHOWS[what])
    await seen.wait_until(there, timeout_s=DEADLINE_S)
    await seen.wait_for_drawing(after=seen.drawings + chance.randint(1, 30), timeout_s=DEADLINE_S)


def likeness_db(one: Rgb, other: Rgb) -> float:
    """Peak signal to noise; infinite where they are the same."""
    error = float(np.mean((one.astype(np.float64) - other) ** 2))
    return 10 * math.log10(255**2 / error) if error else math.inf


@pytest.mark.parametrize("compression", KINDS, ids=lambda one: one.name)
async def test_at_any_moment_it_is_the_servers_own_picture(exact: Shown, compression: ImageCompression) -> None:
    chance = random.Random(int(compression))
    shows = itertools.cycle(("film", "text"))
    async with exact.seen(compression=compression) as seen:
        for _ in range(MOMENTS):
            await in_motion(seen, next(shows), chance)
            async with exact.stopped() as theirs:
                await seen.wait_until(lambda now: np.array_equal(now.rgb, theirs), timeout_s=DEADLINE_S)
        came = {kind for kind, count in seen.info.pictures.items() if count > 1}
        assert KINDS[compression] <= came, seen.info.pictures


async def test_lossy_pictures_are_near() -> None:
    """As spice-server codes them for a slow line: smooth ones by JPEG, others by GLZ and then by zlib."""
    chance = random.Random(8)
    with showing(LOSSY) as shown:
        async with shown.seen() as seen:
            for what in ("film", "text"):
                await in_motion(seen, what, chance)
                async with shown.stopped() as theirs:
                    await seen.wait_until(
                        lambda now: likeness_db(now.rgb[PART], theirs[PART]) > LOSSY_DB,
                        timeout_s=DEADLINE_S,
                    )
            pictures = seen.info.pictures
            assert {"jpeg", "zlib-glz-rgb"} <= {kind for kind, count in pictures.items() if count > 1}, pictures


def frames(film: Path) -> list[Rgb]:
    """What the guest shows of it, over and over: a part of one large picture, a step further each time."""
    whole = np.frombuffer(film.read_bytes(), np.uint8).reshape(SIDE, SIDE, 4)[:, :, 2::-1]
    height, width = WINDOW.bottom - WINDOW.top, WINDOW.right - WINDOW.left
    starts = range(0, FILM_FRAMES * FILM_STEP, FILM_STEP)
    return [whole[start : start + height, start : start + width] for start in starts]


def near_one_of(pictures: Sequence[Rgb]) -> Callable[[Screenshot], bool]:
    return lambda now: max(likeness_db(now.rgb[PART], one) for one in pictures) > LOSSY_DB


@pytest.mark.parametrize("codec", [one for one in decodable() if one is not VideoCodec.H265], ids=lambda one: one.name)
async def test_a_film_that_comes_as_video_is_near_one_of_its_newest_frames(codec: VideoCodec) -> None:
    """In all codecs that spice-server codes."""
    chance = random.Random(int(codec))
    with showing(streaming="all") as shown:
        of_film = frames(shown.film)
        async with shown.seen(video=[codec]) as seen:
            await in_motion(seen, "film", chance)
            await seen.wait_until(lambda _: seen.info.video_frames.get(codec.name.lower(), 0) > 5, timeout_s=DEADLINE_S)
            for _ in range(MOMENTS):
                await seen.wait_for_drawing(after=seen.drawings + chance.randint(1, 30), timeout_s=DEADLINE_S)
                async with shown.stopped() as theirs:
                    shows = next(at for at, frame in enumerate(of_film) if np.array_equal(frame, theirs[PART]))
                    newest = [of_film[shows - late] for late in range(FRAMES_LATE + 1)]
                    await seen.wait_until(near_one_of(newest), timeout_s=DEADLINE_S)
