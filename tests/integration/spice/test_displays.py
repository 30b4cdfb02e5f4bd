"""Several displays of the real spice-server: each is seen, and the pointer and sizes go to the one that is meant."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import numpy as np

from frazil import viewer
from frazil.spice.agent_messages import Monitor, MouseState
from frazil.spice.image_records import ImageCompression, ImageFlags, ImageType
from frazil.viewer import Box, Display
from tests.harness.drawings import Artist
from tests.harness.drawn_twice import put
from tests.harness.qxl_card import Card, CardSettings, qxl_card

DEADLINE_S = 60.0
WIDTH, HEIGHT = 256, 192
TIMES = 12


async def reached(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            await asyncio.sleep(0.02)


async def shows(display: Display, card: Card, number: int) -> None:
    """Wait until a display shows what that card does."""
    theirs = card.screen(card=number)
    wanted = np.stack([theirs >> shift & 0xFF for shift in (16, 8, 0)], axis=2)
    await display.wait_until(lambda seen: np.array_equal(seen.rgb, wanted), timeout_s=DEADLINE_S)


async def test_each_display_is_seen_and_shares_pictures_with_the_other() -> None:
    """What one was sent, the other has from the cache, or refers to: whichever of them is quicker."""
    artist = Artist(21, WIDTH, HEIGHT)
    settings = CardSettings(cards=2, compression=ImageCompression.GLZ)
    with qxl_card(settings) as card:
        async with viewer.connect(f"spice://127.0.0.1:{card.port}", all_displays=True) as desktop:
            first, second = desktop.displays
            assert first is desktop
            assert (first.number, second.number) == (0, 1)
            kept = [artist.picture(96, 60, flags=ImageFlags.CACHE_ME) for _ in range(TIMES)]
            for index, image in enumerate(kept):
                for number in (index % 2, 1 - index % 2):
                    card.draw(put(image, left=8 * index, top=5 * index), put(artist.picture(40, 40)), card=number)
            await shows(first, card, 0)
            await shows(second, card, 1)
            assert not first.screenshot().same(second.screenshot())
            used = [display._screen.used for display in (first, second)]
            assert any(used_by["from-cache"] for used_by in used), used
            assert all(ImageType.GLZ_RGB.name.lower().replace("_", "-") in used_by for used_by in used), used


async def test_pointer_and_sizes_go_to_the_display_that_is_meant() -> None:
    with qxl_card(CardSettings(cards=2, agent=True)) as card:
        async with viewer.connect(f"spice://127.0.0.1:{card.port}", all_displays=True) as desktop:
            for display in desktop.displays:
                await display.wait_for_picture(timeout_s=DEADLINE_S)
            await reached(lambda: desktop.info.absolute_mouse)
            await desktop.displays[1].move(30, 40)
            await reached(lambda: MouseState(x=30, y=40, buttons=0, display_id=1) in card.mouse())
            await desktop.displays[0].click(50, 60)
            await reached(lambda: MouseState(x=50, y=60, buttons=0, display_id=0) in card.mouse())
            await desktop.wait_for_agent(timeout_s=DEADLINE_S)
            await desktop.resize(1024, 768, display=1)
            await reached(lambda: bool(card.arranged()))
            assert card.arranged()[0].monitors == (
                Monitor(height=HEIGHT, width=WIDTH, depth=32, x=0, y=0),
                Monitor(height=768, width=1024, depth=32, x=WIDTH, y=0),
            )


async def test_one_display_alone_and_its_monitors() -> None:
    artist = Artist(22, WIDTH, HEIGHT)
    halves = Box(0, 0, 128, HEIGHT), Box(128, 0, WIDTH, HEIGHT)
    with qxl_card(CardSettings(cards=2, agent=True)) as card:
        async with viewer.connect(f"spice://127.0.0.1:{card.port}", display=1) as desktop:
            card.draw(put(artist.picture(WIDTH, HEIGHT)), card=1)
            await shows(desktop, card, 1)
            assert [display.number for display in desktop.displays] == [1]
        async with viewer.connect(f"spice://127.0.0.1:{card.port}") as desktop:
            await desktop.wait_for_picture(timeout_s=DEADLINE_S)
            assert desktop.monitors == (Box(0, 0, WIDTH, HEIGHT),)
            card.monitors(*halves)
            await reached(lambda: desktop.monitors == halves)
            await reached(lambda: desktop.info.absolute_mouse)
            await desktop.move(130, 7)
            await reached(lambda: MouseState(x=2, y=7, buttons=0, display_id=1) in card.mouse())
