"""A display link that begins or ends in a wrong way takes no desktop with it: a bug of spice-server is kept from it."""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from frazil.gateway import display_start
from frazil.gateway.close_codes import CloseCode
from frazil.gateway.display_start import SET_ACK_BYTES
from frazil.spice import link as spice_link
from frazil.spice.auth import ENCRYPTED_BYTES, TicketKey
from frazil.spice.base_messages import BaseServer
from frazil.spice.channels import ChannelType
from frazil.spice.display_channel import GLZ_WINDOW_MAX_PIXELS, DisplayClient, DisplayInit
from frazil.spice.framing import HeaderKind, encode
from frazil.spice.link import LinkReply
from frazil.spice.link_errors import LinkError
from frazil.spice.records import encode as encode_body
from tests.integration.gateway.back_end import BackEnd
from tests.integration.gateway.stage import DEADLINE_S, FIRST_ON_DISPLAY, SpiceClient, Stage, WebSocketClient
from tests.integration.gateway.test_links import enter

pytestmark = pytest.mark.real
SET_ACK = encode(HeaderKind.MINI, BaseServer.SET_ACK, bytes(SET_ACK_BYTES))
TRIES = 100
UNKNOWN = encode(HeaderKind.MINI, 0xFFFF, b"")


def first(**changed: int) -> bytes:
    given = {"pixmap_cache_id": 1, "pixmap_cache_pixels": 1 << 20, "glz_dictionary_id": 1, "glz_window_pixels": 1 << 20}
    return encode(HeaderKind.MINI, DisplayClient.INIT, encode_body(DisplayInit(**{**given, **changed})))


@asynccontextmanager
async def display(stage: Stage, session_id: str, ticket: str, number: int) -> AsyncIterator[WebSocketClient]:
    async with stage.websocket(session_id) as client:
        assert (await client.link(ChannelType.DISPLAY, connection_id=number)).error == LinkError.OK
        assert await client.give(ticket) == LinkError.OK
        yield client


async def draws(client: SpiceClient) -> None:
    """The back end has begun, and goes on after messages."""
    await client.send(FIRST_ON_DISPLAY)
    assert struct.unpack("<HI", await client.read(6)) == (BaseServer.SET_ACK, SET_ACK_BYTES)
    await client.read(SET_ACK_BYTES)
    assert await client.read(6)


@asynccontextmanager
async def drawing(stage: Stage, session_id: str, ticket: str, number: int) -> AsyncIterator[WebSocketClient]:
    """One that draws behind one that has just ended: spice-server closes it while it has not let go of that."""
    for _ in range(TRIES):
        async with display(stage, session_id, ticket, number) as client:
            try:
                await draws(client)
            except EOFError:
                continue
            yield client
            return
    raise AssertionError(f"None of {TRIES} display links drew.")


@pytest.mark.parametrize(
    ("said", "is_refused"),
    [
        pytest.param(b"", False, id="nothing"),
        pytest.param(FIRST_ON_DISPLAY, False, id="the first message"),
        pytest.param(FIRST_ON_DISPLAY[:9], False, id="half of it"),
        pytest.param(FIRST_ON_DISPLAY + UNKNOWN, False, id="an unknown message behind it"),
        pytest.param(FIRST_ON_DISPLAY + FIRST_ON_DISPLAY, True, id="the first message twice"),
        pytest.param(UNKNOWN + bytes(64), True, id="another message"),
        pytest.param(encode(HeaderKind.MINI, 103, FIRST_ON_DISPLAY[6:]), True, id="another of the same length"),
        pytest.param(b"\xff" * 64, True, id="garbage"),
        pytest.param(first(glz_window_pixels=-1), True, id="a negative window"),
        pytest.param(first(glz_window_pixels=GLZ_WINDOW_MAX_PIXELS + 1), True, id="too large a window"),
        pytest.param(first(glz_window_pixels=GLZ_WINDOW_MAX_PIXELS), False, id="the largest window"),
        pytest.param(first(pixmap_cache_pixels=-(1 << 63)), False, id="a negative cache"),
    ],
)
async def test_a_display_link_harms_no_desktop(stage: Stage, back_end: BackEnd, said: bytes, is_refused: bool) -> None:
    """Whoever says this and leaves at once; or waits to be refused, where that is due."""
    session_id = stage.controller.open_session()
    async with stage.websocket(session_id) as main:
        ticket, number = await enter(stage, main, session_id)
        for _ in range(5):
            async with display(stage, session_id, ticket, number) as leaving:
                await leaving.send(said)
            await main.lives()
        if is_refused:
            async with display(stage, session_id, ticket, number) as waiting:
                await waiting.send(said)
                assert await waiting.closed() == CloseCode.BAD_LINK
        async with drawing(stage, session_id, ticket, number):
            pass
    back_end.ask("query-status")


async def test_one_that_says_nothing_keeps_no_other_from_drawing(stage: Stage) -> None:
    session_id = stage.controller.open_session()
    async with stage.websocket(session_id) as main:
        ticket, number = await enter(stage, main, session_id)
        async with (
            display(stage, session_id, ticket, number),
            display(stage, session_id, ticket, number) as other,
            asyncio.timeout(DEADLINE_S),
        ):
            await draws(other)


async def test_what_comes_later_harms_no_desktop_either(stage: Stage, back_end: BackEnd) -> None:
    session_id = stage.controller.open_session()
    async with stage.websocket(session_id) as main:
        ticket, number = await enter(stage, main, session_id)
        for _ in range(3):
            async with drawing(stage, session_id, ticket, number) as client:
                await client.send(UNKNOWN)
                await client.ended()
        await main.lives()
    back_end.ask("query-status")


NUMBERS = (*range(12), *range(99, 118))
BODIES = (b"", bytes(14), b"\xff" * 8, b"\x01\0\0\0" * 20)


@pytest.mark.parametrize("channel", [ChannelType.MAIN, ChannelType.DISPLAY, ChannelType.INPUTS, ChannelType.CURSOR])
async def test_no_message_ends_a_desktop(stage: Stage, back_end: BackEnd, channel: ChannelType) -> None:
    """Each number that spice-server knows, and some beside, in bodies that fit and that do not."""
    session_id = stage.controller.open_session()
    for number in NUMBERS:
        async with stage.websocket(session_id) as main:
            ticket, connection_id = await enter(stage, main, session_id)
            for body in BODIES:
                message = encode(HeaderKind.MINI, number, body)
                if channel is ChannelType.MAIN:
                    await main.send(message)
                    continue
                if channel is ChannelType.DISPLAY:
                    async with drawing(stage, session_id, ticket, connection_id) as link:
                        await link.send(message)
                    continue
                async with stage.websocket(session_id) as link:
                    await link.link(channel, connection_id=connection_id)
                    assert await link.give(ticket) == LinkError.OK
                    await link.send(message)
        assert back_end.ask("query-status")
    async with stage.websocket(session_id) as main:
        await enter(stage, main, session_id)
        await main.lives()


class NoPicture:
    """A back end that has nothing to draw.

    After the first message it was told `heard`, and its socket stayed open for `lasted_s`.
    """

    def __init__(self) -> None:
        self.key = TicketKey()
        self.heard = b""
        self.lasted_s = 0.0
        self.ended = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(spice_link.decode_header(await reader.readexactly(spice_link.HEADER_BYTES)))
        writer.write(spice_link.encode_reply(LinkReply(error=0, public_key=self.key.public_der, common_caps=(0b1011,))))
        await reader.readexactly(4 + ENCRYPTED_BYTES)
        writer.write(bytes(4) + SET_ACK)
        await reader.readexactly(len(FIRST_ON_DISPLAY))
        began_s = time.monotonic()
        while part := await reader.read(1 << 10):
            self.heard += part
        self.lasted_s = time.monotonic() - began_s
        self.ended.set()
        writer.close()


async def test_a_desktop_without_a_picture_is_spoken_to_after_a_while(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(display_start, "BEGIN_DEADLINE_S", 0.3)
    session_id = stage.controller.open_session()
    async with stage.websocket(session_id) as main:
        ticket, number = await enter(stage, main, session_id)
        empty = NoPicture()
        stage.displays.back_end = tmp_path / "empty"
        async with await asyncio.start_unix_server(empty.serve, stage.displays.back_end):
            async with display(stage, session_id, ticket, number) as client:
                await client.send(FIRST_ON_DISPLAY + UNKNOWN)
                assert await client.read(len(SET_ACK)) == SET_ACK
                async with asyncio.timeout(DEADLINE_S):
                    while not empty.heard:
                        await asyncio.sleep(0.02)
            await asyncio.wait_for(empty.ended.wait(), DEADLINE_S)
    assert empty.heard == UNKNOWN


@pytest.mark.parametrize("ends", ["the viewer leaves", "the session is ended"])
async def test_until_a_back_end_has_begun_its_socket_stays_open(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ends: str
) -> None:
    monkeypatch.setattr(display_start, "BEGIN_DEADLINE_S", 2.0)
    session_id = stage.controller.open_session()
    async with stage.websocket(session_id) as main:
        ticket, number = await enter(stage, main, session_id)
        empty = NoPicture()
        stage.displays.back_end = tmp_path / "empty"
        async with await asyncio.start_unix_server(empty.serve, stage.displays.back_end):
            async with display(stage, session_id, ticket, number) as client:
                await client.send(FIRST_ON_DISPLAY)
                assert await client.read(len(SET_ACK)) == SET_ACK
                if ends == "the session is ended":
                    stage.controller.end_session(session_id)
                    assert await client.closed() == CloseCode.ENDED
            await asyncio.wait_for(empty.ended.wait(), DEADLINE_S)
    assert empty.lasted_s > 1, "one that is closed sooner ends the desktop"
