"""A whole viewer against a server of our own: what it sees, what it sends, and how it ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from frazil import viewer
from frazil.client import DeadlinePassed
from frazil.model.errors import Conflict, FrazilError, InvalidInput, NotFound, Refused, RemoteProtocolError, Unavailable
from frazil.spice.base_messages import BaseServer, Disconnecting, Pong
from frazil.spice.channels import ChannelType
from frazil.spice.display_channel import DisplayServer, PreferredCompression, SurfaceDestroy
from frazil.spice.inputs_channel import Key, MouseButton, MouseMotion, MousePosition, MousePress
from frazil.spice.link_errors import LinkError
from frazil.spice.main_channel import MouseModeRequest
from frazil.spice.records import encode
from frazil.viewer import Box, Screenshot
from tests.fakes.spice_desktop import SpiceDesktop
from tests.harness import captures
from tests.harness.drawings import Artist
from tests.harness.drawn_twice import put
from tests.harness.watched import DEADLINE_S, opened, reached, said


def put_one(fake: SpiceDesktop, *, left: int = 3, top: int = 5) -> None:
    """A picture that the server draws now."""
    fake.draw([(DisplayServer.DRAW_COPY, encode(put(Artist(5, 96, 64).picture(32, 20), left=left, top=top)))])


@pytest.mark.parametrize("mini", [True, False], ids=["mini", "full"])
@pytest.mark.parametrize("picture", ["lz", "glz", "quic", "lz4", "off", "zlib-glz"])
async def test_what_the_server_shows_is_seen(picture: str, mini: bool) -> None:
    fake = SpiceDesktop(picture=picture, mini=mini, window=5)
    async with opened(fake) as desktop:
        seen = await desktop.wait_for_picture()
        assert np.array_equal(seen.rgb, captures.screen(picture))
        assert desktop.size == (seen.width, seen.height) == (captures.WIDTH, captures.HEIGHT)
        await reached(lambda: len(said(fake, Pong)) == 1 and fake.acks >= len(captures.messages(picture)) // 5)
        assert said(fake, Pong) == [Pong(id=9, timestamp=5)]
        info = desktop.info
        assert (info.name, info.uuid) == ("office-7", bytes(range(16)).hex())
        assert info.channels == ("display-0", "inputs-0", "cursor-0")
        assert info.received_bytes > 5000
        assert info.pictures
        assert info.drawings == desktop.drawings > 5


async def test_who_waits_for_a_drawing_sees_it() -> None:
    fake = SpiceDesktop()
    async with opened(fake) as desktop:
        before = await desktop.wait_for_picture()
        waiting = asyncio.create_task(desktop.wait_for_drawing())
        await asyncio.sleep(0)
        put_one(fake)
        assert await waiting == desktop.drawings
        after = desktop.screenshot()
        assert after.changed(before) == Box(3, 5, 35, 25)
        assert await desktop.wait_for_drawing(after=0) == desktop.drawings


async def test_a_picture_is_waited_for_and_found() -> None:
    fake = SpiceDesktop()
    async with opened(fake) as desktop:
        await desktop.wait_for_picture()
        put_one(fake)
        await desktop.wait_for_drawing()
        looked_for = desktop.screenshot().cut(Box(3, 5, 35, 25))
        waiting = asyncio.create_task(desktop.wait_until(lambda seen: seen.cut(Box(50, 40, 82, 60)).same(looked_for)))
        await asyncio.sleep(0.01)
        assert not waiting.done()
        put_one(fake, left=50, top=40)
        await waiting
        assert await desktop.wait_for(looked_for) == Box(3, 5, 35, 25)
        with pytest.raises(DeadlinePassed, match=r"has not come within 0\.1 s"):
            await desktop.wait_for(Screenshot(np.full((4, 4, 3), 1, np.uint8)), timeout_s=0.1)


async def test_a_still_desktop_is_waited_for() -> None:
    fake = SpiceDesktop()
    async with opened(fake) as desktop:
        assert (await desktop.wait_still(for_s=0.05)).width == captures.WIDTH

        async def move() -> None:
            while True:
                put_one(fake)
                await asyncio.sleep(0.01)

        moving = asyncio.create_task(move())
        with pytest.raises(DeadlinePassed, match=r"not still for 0\.2 s within 0\.5 s"):
            await desktop.wait_still(for_s=0.2, timeout_s=0.5)
        moving.cancel()


async def test_keys_go_as_they_are_pressed() -> None:
    fake = SpiceDesktop()
    async with opened(fake) as desktop:
        await desktop.type("aB\n", pause_s=0)
        await desktop.press("ctrl+alt+delete", pause_s=0)
        await reached(lambda: len(said(fake, Key)) == 14)
        codes = [key.code for key in said(fake, Key)]
        assert codes[:8] == [0x1E, 0x9E, 0x2A, 0x30, 0xB0, 0xAA, 0x1C, 0x9C]
        assert codes[8:] == [0x1D, 0x38, 0x53E0, 0xD3E0, 0xB8, 0x9D]
        with pytest.raises(InvalidInput, match="ő"):
            await desktop.type("aő", pause_s=0)
        assert len(said(fake, Key)) == 14


async def test_the_mouse_goes_where_it_is_told() -> None:
    fake = SpiceDesktop()
    async with opened(fake) as desktop:
        await reached(lambda: desktop.info.absolute_mouse)
        await desktop.click(10, 20, times=2)
        await desktop.drag((1, 2), (11, 22), steps=2)
        await desktop.scroll(-1)
        await desktop.click(button=MouseButton.RIGHT)
        await reached(lambda: len(said(fake, MousePress)) == 10)
        went = said(fake, MousePosition)
        assert [(at.x, at.y, at.buttons) for at in went] == [(10, 20, 0), (1, 2, 0), (6, 12, 1), (11, 22, 1)]
        pressed = [(press.button, press.buttons) for press in said(fake, MousePress)]
        assert pressed == [(1, 1), (1, 0)] * 3 + [(4, 8), (4, 0), (3, 4), (3, 0)]
        with pytest.raises(Conflict, match="takes positions"):
            await desktop.move_by(1, 1)
        with pytest.raises(InvalidInput, match="-1"):
            await desktop.move(-1, 5)
        with pytest.raises(InvalidInput, match="two coordinates"):
            await desktop.click(5)
        assert len(said(fake, MousePress)) == 10


async def test_a_mouse_without_positions_takes_motions() -> None:
    fake = SpiceDesktop(mouse_modes=1)
    async with opened(fake) as desktop:
        with pytest.raises(Conflict, match="relative"):
            await desktop.click(10, 20)
        await desktop.move_by(-3, 4)
        await reached(lambda: bool(said(fake, MouseMotion)))
        assert said(fake, MouseMotion) == [MouseMotion(dx=-3, dy=4, buttons=0)]
        assert not said(fake, MouseModeRequest)


async def test_a_compression_is_asked_for_first() -> None:
    fake = SpiceDesktop()
    async with opened(fake, compression=viewer.ImageCompression.LZ4) as desktop:
        await desktop.wait_for_picture()
    display = [record for kind, record in fake.heard if kind is ChannelType.DISPLAY]
    assert display[0] == PreferredCompression(compression=viewer.ImageCompression.LZ4)


async def test_a_screen_may_be_gone() -> None:
    fake = SpiceDesktop()
    async with opened(fake) as desktop:
        await desktop.wait_for_picture()
        fake.draw([(DisplayServer.SURFACE_DESTROY, encode(SurfaceDestroy(surface_id=0)))])
        await desktop.wait_for_drawing()
        with pytest.raises(Conflict, match="no picture"):
            desktop.screenshot()
        with pytest.raises(Conflict, match="no picture"):
            desktop.size  # noqa: B018
        assert desktop.info.width == 0


async def test_who_waits_is_told_of_the_end() -> None:
    fake = SpiceDesktop()
    async with opened(fake) as desktop:
        await desktop.wait_for_picture()
        waiting = asyncio.create_task(desktop.wait_for_drawing())
        await asyncio.sleep(0)
        fake.clients[ChannelType.DISPLAY].writer.close()
        with pytest.raises(Unavailable, match="closed the display link"):
            await waiting
        for call in (desktop.type("a"), desktop.click(1, 1), desktop.wait_still(), desktop.set_clipboard("x")):
            with pytest.raises(Unavailable):
                await call
        with pytest.raises(Unavailable):
            desktop.screenshot()


async def test_a_server_that_ends_it_is_believed() -> None:
    fake = SpiceDesktop()
    async with opened(fake) as desktop:
        await desktop.wait_for_picture()
        fake.clients[ChannelType.MAIN].say(BaseServer.DISCONNECTING, Disconnecting(timestamp=0, reason=0))
        with pytest.raises(Unavailable, match="ends this connection"):
            await desktop.wait_for_drawing()


@pytest.mark.parametrize(
    ("channel", "number"), [(ChannelType.DISPLAY, DisplayServer.DRAW_COPY), (ChannelType.MAIN, 999)]
)
async def test_what_is_no_spice_ends_it(channel: ChannelType, number: int) -> None:
    fake = SpiceDesktop()
    async with opened(fake) as desktop:
        await desktop.wait_for_picture()
        fake.clients[channel].say(number, b"\1\2\3")
        with pytest.raises(RemoteProtocolError):
            await desktop.wait_for_drawing()


@pytest.mark.parametrize(
    ("fake", "options", "error", "words"),
    [
        (lambda: SpiceDesktop(password=b"right"), {"password": "wrong"}, Refused, "does not take this password"),
        (lambda: SpiceDesktop(error=LinkError.NEED_SECURED), {}, Refused, "wants TLS"),
        (lambda: SpiceDesktop(error=LinkError.BAD_CONNECTION_ID), {}, Refused, "bad-connection-id"),
        (SpiceDesktop, {"display": 3}, NotFound, "no display 3; it has 0"),
    ],
    ids=["password", "tls", "other", "display"],
)
async def test_what_is_refused_is_said(
    fake: Callable[[], SpiceDesktop], options: dict[str, Any], error: type[FrazilError], words: str
) -> None:
    with pytest.raises(error, match=words):
        async with opened(fake(), **options):
            pass


async def test_a_password_is_taken() -> None:
    async with opened(SpiceDesktop(password=b"right"), password="right") as desktop:
        await desktop.wait_for_picture()


async def test_a_silent_server_is_not_waited_for_for_ever() -> None:
    began = time.monotonic()
    with pytest.raises(DeadlinePassed, match="not opened within"):
        async with viewer.connect(SpiceDesktop(channels=()).give, timeout_s=0.2):
            pass
    assert time.monotonic() - began < DEADLINE_S


async def test_what_the_block_raises_comes_out_as_it_is() -> None:
    with pytest.raises(KeyError, match="mine"):
        async with opened(SpiceDesktop()):
            raise KeyError("mine")
