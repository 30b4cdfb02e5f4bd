"""Several displays of a fake desktop: each is seen, waits for the other's pictures, and gets its pointer and size."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import numpy as np
import pytest

from frazil import viewer
from frazil.model.errors import Conflict, InvalidInput, RemoteProtocolError
from frazil.spice.agent_messages import AgentCap, Monitor, MonitorsFlag
from frazil.spice.base_messages import BaseServer, ChannelWait, WaitForChannels
from frazil.spice.channels import ChannelType
from frazil.spice.display_channel import DisplayServer, Head, MonitorsConfigured, SurfaceCreate, SurfaceFormat
from frazil.spice.image_records import Image, ImageFlags, ImageType
from frazil.spice.inputs_channel import MousePosition
from frazil.spice.records import encode
from frazil.viewer import Box, Desktop, Outline, order
from tests.fakes.spice_desktop import ALL, SpiceDesktop
from tests.harness import captures
from tests.harness.drawings import Artist
from tests.harness.drawn_twice import put
from tests.harness.watched import DEADLINE_S, opened, reached, said

TWO = (*ALL, (ChannelType.DISPLAY, 1), (ChannelType.CURSOR, 1))
ARTIST = Artist(5, 96, 64)
CREATE = SurfaceCreate(surface_id=0, width=40, height=30, format=SurfaceFormat.XRGB32, flags=1)
CAPS = (AgentCap.MONITORS_CONFIG,)


def two(**options: object) -> SpiceDesktop:
    return SpiceDesktop(channels=TWO, **options)  # type: ignore[arg-type]


def from_cache(image: Image) -> Image:
    """The same picture by its id only."""
    return replace(image, type=ImageType.FROM_CACHE, flags=0, content=None)


async def shown(fake: SpiceDesktop, desktop: Desktop) -> None:
    """Let the second display show something too."""
    await desktop.wait_for_picture()
    await reached(lambda: 1 in fake.displays)
    fake.draw([(DisplayServer.SURFACE_CREATE, encode(CREATE)), (DisplayServer.MARK, b"")], display=1)
    await desktop.displays[1].wait_for_picture()


async def test_each_display_is_seen() -> None:
    fake = two()
    async with opened(fake, all_displays=True) as desktop:
        await shown(fake, desktop)
        first, second = desktop.displays
        assert first is desktop
        assert (second.number, second.size) == (1, (40, 30))
        assert np.array_equal(first.screenshot().rgb, captures.screen("lz"))
        before = first.drawings
        fake.draw([(DisplayServer.DRAW_COPY, encode(put(ARTIST.picture(32, 20), left=3, top=5)))], display=1)
        await second.wait_for_drawing()
        assert second.screenshot().rgb.any()
        assert first.drawings == before


async def test_only_one_is_followed_unless_all_are_asked_for() -> None:
    fake = two()
    async with opened(fake) as desktop:
        assert desktop.displays == (desktop,)
        assert list(fake.displays) == [0]
    with pytest.raises(InvalidInput, match="An outline is of one display"):
        async with viewer.connect(two().give, all_displays=True, outline=Outline()):
            pass


async def test_a_display_waits_for_a_picture_that_the_other_one_brings() -> None:
    fake = two()
    async with opened(fake, all_displays=True) as desktop:
        await shown(fake, desktop)
        first, second = desktop.displays
        cached = ARTIST.picture(20, 10, flags=ImageFlags.CACHE_ME)
        again = from_cache(cached)
        before = second.drawings
        fake.draw([(DisplayServer.DRAW_COPY, encode(put(again)))], display=1)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await second.wait_for_drawing(after=before)
        fake.draw([(DisplayServer.DRAW_COPY, encode(put(cached)))], display=0)
        await second.wait_for_drawing(after=before)
        assert second.screenshot().cut(Box(0, 0, 20, 10)).same(first.screenshot().cut(Box(0, 0, 20, 10)))


async def test_a_display_waits_until_the_other_one_has_come_so_far() -> None:
    fake = two()
    async with opened(fake, all_displays=True) as desktop:
        await shown(fake, desktop)
        first, second = desktop.displays
        handled = desktop._links.order._lines[ChannelType.DISPLAY, 0].handled
        waits = (
            ChannelWait(channel_type=ChannelType.DISPLAY, channel_id=0, message_serial=handled + 2),
            ChannelWait(channel_type=ChannelType.DISPLAY, channel_id=7, message_serial=99),
        )
        before = second.drawings
        picture = [(DisplayServer.DRAW_COPY, encode(put(ARTIST.picture(8, 8))))]
        fake.draw([(BaseServer.WAIT_FOR_CHANNELS, encode(WaitForChannels(waits=waits))), *picture], display=1)
        drawn = first.drawings
        fake.draw(picture, display=0)
        await first.wait_for_drawing(after=drawn)
        assert second.drawings == before
        fake.draw(picture, display=0)
        await second.wait_for_drawing(after=before)


async def test_what_never_comes_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order, "LATE_S", 0.1)
    fake = two()
    async with opened(fake, all_displays=True) as desktop:
        await shown(fake, desktop)
        lost = from_cache(ARTIST.picture(20, 10))
        fake.draw([(DisplayServer.DRAW_COPY, encode(put(lost)))], display=1)
        with pytest.raises(RemoteProtocolError, match="a picture for display 1, which does not come"):
            await desktop.wait_for_drawing()


async def test_the_pointer_goes_to_the_display_that_is_meant() -> None:
    fake = two(agent=True)
    async with opened(fake, all_displays=True) as desktop:
        await shown(fake, desktop)
        await reached(lambda: desktop.info.absolute_mouse)
        await desktop.displays[1].click(7, 8)
        await desktop.move(5, 6)
        await reached(lambda: len(said(fake, MousePosition)) == 2)
        assert [(at.x, at.y, at.display_id) for at in said(fake, MousePosition)] == [(7, 8, 1), (5, 6, 0)]


def heads(*boxes: Box) -> MonitorsConfigured:
    told = tuple(
        Head(
            monitor_id=number,
            surface_id=0,
            width=box.right - box.left,
            height=box.bottom - box.top,
            x=box.left,
            y=box.top,
            flags=0,
        )
        for number, box in enumerate(boxes)
    )
    return MonitorsConfigured(count=len(told), max_allowed=4, heads=told)


@pytest.mark.parametrize("agent", [True, False], ids=["by the agent", "by a tablet"])
async def test_monitors_are_parts_of_a_display(agent: bool) -> None:
    fake = SpiceDesktop(agent=agent)
    left, right = Box(0, 0, 50, 64), Box(50, 0, 96, 64)
    async with opened(fake) as desktop:
        await desktop.wait_for_picture()
        assert desktop.monitors == (Box(0, 0, 96, 64),)
        fake.draw([(DisplayServer.MONITORS_CONFIG, encode(heads(left, Box(0, 0, 0, 0), right)))])
        await reached(lambda: desktop.monitors == (left, right))
        await reached(lambda: desktop.info.absolute_mouse)
        await desktop.move(60, 5)
        await reached(lambda: bool(said(fake, MousePosition)))
        (at,) = said(fake, MousePosition)
        assert (at.x, at.y, at.display_id) == ((10, 5, 2) if agent else (60, 5, 0))


async def test_a_display_gets_another_size() -> None:
    fake = two(agent=True, agent_caps=CAPS)
    async with opened(fake, all_displays=True) as desktop:
        await shown(fake, desktop)
        await desktop.wait_for_agent()
        await desktop.resize(1024, 768, display=1)
        await reached(lambda: bool(fake.guest.monitors))
        (wanted,) = fake.guest.monitors
        assert wanted.flags == MonitorsFlag.USE_POSITIONS
        assert wanted.monitors == (
            Monitor(height=64, width=96, depth=32, x=0, y=0),
            Monitor(height=768, width=1024, depth=32, x=96, y=0),
        )
        await desktop.resize(800, 600, monitor=1)
        await reached(lambda: len(fake.guest.monitors) == 2)
        assert [(one.width, one.x) for one in fake.guest.monitors[1].monitors] == [(96, 0), (800, 96), (40, 896)]
        for display, monitor in ((2, 0), (0, 2)):
            with pytest.raises(InvalidInput, match=f"no monitor {monitor} on display {display}; displays are: 0, 1"):
                await desktop.resize(800, 600, display=display, monitor=monitor)
        with pytest.raises(InvalidInput, match="0 x 600"):
            await desktop.resize(0, 600)


async def test_sizes_need_an_agent_and_all_displays() -> None:
    fake = SpiceDesktop(agent=True, agent_caps=())
    async with opened(fake) as desktop:
        await desktop.wait_for_picture()
        await desktop.wait_for_agent()
        with pytest.raises(Conflict, match="can't change the size"):
            await desktop.resize(800, 600)
    fake = SpiceDesktop(agent=True, agent_caps=CAPS)
    async with opened(fake) as desktop:
        await desktop.wait_for_picture()
        await desktop.wait_for_agent()
        await desktop.resize(800, 600)
        await reached(lambda: bool(fake.guest.monitors))
        (wanted,) = fake.guest.monitors
        assert (wanted.flags, wanted.monitors) == (0, (Monitor(height=600, width=800, depth=32, x=0, y=0),))
    fake = two(agent=True, agent_caps=CAPS)
    async with opened(fake) as desktop:
        await desktop.wait_for_agent(timeout_s=DEADLINE_S)
        with pytest.raises(Conflict, match="Display 1 is not followed"):
            await desktop.resize(800, 600)
