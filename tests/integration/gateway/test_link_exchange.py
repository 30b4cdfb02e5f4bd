"""Both sides of a link hear each other's own capabilities, and what they settle by them holds: also full headers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from frazil.spice.base_messages import BaseClient, BaseServer, SetAck
from frazil.spice.capabilities import CommonCap, without
from frazil.spice.channels import ChannelType
from frazil.spice.display_channel import DisplayClient
from frazil.spice.framing import HeaderKind
from frazil.spice.framing import encode as frame
from frazil.spice.link_errors import LinkError
from frazil.spice.main_channel import MainClient, MainServer
from frazil.spice.port_channel import CAP_COMPRESSION_LZ4
from frazil.spice.records import encode
from frazil.spice.sub_lists import fold
from tests.integration.gateway.played import CONNECTION_ID, PlayedBackEnd, PlayedLink
from tests.integration.gateway.stage import FIRST_ON_DISPLAY, SpiceClient, Stage
from tests.integration.gateway.test_links import enter

SELECTS, MINI = 1 << CommonCap.AUTH_SELECTION, 1 << CommonCap.MINI_HEADER
ODD = 1 << 21
"""A bit that nobody gives a meaning to."""
FULL_ONLY = (SELECTS,)


@pytest.mark.parametrize("way", ["websocket", "tunnel"])
@pytest.mark.parametrize(
    "common_caps",
    [(SELECTS | MINI | ODD,), (SELECTS | ODD, 5), (MINI,), (), (0xFFFFFFFF, 0xFFFFFFFF)],
    ids=["as usual", "full headers", "no mechanism is named", "nothing", "everything"],
)
async def test_each_side_hears_what_the_other_one_can(
    played_stage: Stage, played: PlayedBackEnd, way: str, common_caps: tuple[int, ...]
) -> None:
    played.reply = replace(played.reply, common_caps=(0b1111 | ODD, 77), channel_caps=(0x1234_5678, ODD, 3))
    session_id = played_stage.controller.open_session()
    async with played_stage.way(way, session_id) as client:
        await client.ask(ChannelType.MAIN, common_caps=common_caps, channel_caps=(0x8765_4321, ODD))
        told = await client.read_reply()
        assert await client.give(played_stage.controller.mint(session_id)) == LinkError.OK
        link = await played.link()
        assert link.message == client.asked
        assert link.kind == client.kind
        no_sasl = without(played.reply.common_caps, CommonCap.AUTH_SASL)
        assert told == replace(played.reply, common_caps=no_sasl, public_key=told.public_key)
        assert told.public_key != played.reply.public_key, "what is given to the gateway is not the back end's"
        assert await client.main_init() == CONNECTION_ID


@pytest.mark.parametrize("channel", [ChannelType.USBREDIR, ChannelType.WEBDAV])
async def test_only_of_usb_a_capability_is_kept_back(
    played_stage: Stage, played: PlayedBackEnd, channel: ChannelType
) -> None:
    played.reply = replace(played.reply, channel_caps=(0xFF,))
    session_id = played_stage.controller.open_session()
    async with played_stage.websocket(session_id) as main:
        ticket, number = await enter(played_stage, main, session_id)
        await played.link()
        async with played_stage.websocket(session_id) as client:
            await client.ask(channel, connection_id=number, channel_id=2, channel_caps=(0xF1,))
            told = await client.read_reply()
            assert await client.give(ticket) == LinkError.OK
            heard = (await played.link()).message
    assert (heard.channel_type, heard.channel_id, heard.connection_id) == (channel, 2, number)
    kept_back = channel is ChannelType.USBREDIR
    for heard_caps, said in ((heard.channel_caps, (0xF1,)), (told.channel_caps, (0xFF,))):
        assert heard_caps == (without(said, CAP_COMPRESSION_LZ4) if kept_back else said)


@asynccontextmanager
async def with_full_headers(
    stage: Stage, played: PlayedBackEnd, way: str
) -> AsyncIterator[tuple[str, str, SpiceClient, PlayedLink]]:
    session_id = stage.controller.open_session()
    async with stage.way(way, session_id) as client:
        assert (await client.link(ChannelType.MAIN, common_caps=FULL_ONLY)).error == LinkError.OK
        ticket = stage.controller.mint(session_id)
        assert await client.give(ticket) == LinkError.OK
        assert client.kind is HeaderKind.FULL
        link = await played.link()
        await client.main_init()
        yield session_id, ticket, client, link


@pytest.mark.parametrize("way", ["websocket", "tunnel"])
async def test_full_headers_pass_both_ways(played_stage: Stage, played: PlayedBackEnd, way: str) -> None:
    async with with_full_headers(played_stage, played, way) as (_, _, client, link):
        await link.say(BaseServer.SET_ACK, encode(SetAck(generation=1, window=20)))
        assert await client.message(BaseServer.SET_ACK) == encode(SetAck(generation=1, window=20))
        await client.say(BaseClient.ACK_SYNC, bytes(4))
        assert await link.hear() == (BaseClient.ACK_SYNC, bytes(4))
        bodies = [bytes([n]) * (n * n % 700) for n in range(200)]
        link.writer.write(b"".join(frame(HeaderKind.FULL, 300, body, serial=n) for n, body in enumerate(bodies)))
        assert [await client.message(300) for _ in bodies] == bodies
        for n, body in enumerate(bodies):
            await client.say(MainClient.MOUSE_MODE_REQUEST + 200, body)
            assert await link.hear() == (MainClient.MOUSE_MODE_REQUEST + 200, bodies[n])


async def test_a_list_comes_one_by_one(played_stage: Stage, played: PlayedBackEnd) -> None:
    """As `filtering` takes it apart; the message that it hung on comes last."""
    async with with_full_headers(played_stage, played, "tunnel") as (_, _, client, link):
        whole = bytes(4) + fold([(300, b"first"), (301, b"second")], at=4)
        link.writer.write(frame(HeaderKind.FULL, MainServer.MULTI_MEDIA_TIME, whole, serial=7, sub_list=4))
        seen: list[tuple[int, bytes]] = []
        while not seen or seen[-1][0] != MainServer.MULTI_MEDIA_TIME:
            seen.append(await client.next_message())
    assert seen[-3:] == [(300, b"first"), (301, b"second"), (MainServer.MULTI_MEDIA_TIME, whole)]


@pytest.mark.parametrize("way", ["websocket", "tunnel"])
async def test_a_display_begins_with_full_headers_too(played_stage: Stage, played: PlayedBackEnd, way: str) -> None:
    init = FIRST_ON_DISPLAY[HeaderKind.MINI.value :]
    async with (
        with_full_headers(played_stage, played, way) as (session_id, ticket, _, _),
        played_stage.way(way, session_id) as display,
    ):
        await display.link(ChannelType.DISPLAY, connection_id=CONNECTION_ID, common_caps=FULL_ONLY)
        assert await display.give(ticket) == LinkError.OK
        await display.say(DisplayClient.INIT, init)
        link = await played.link()
        assert await link.hear() == (DisplayClient.INIT, init)
        await link.say(BaseServer.SET_ACK, encode(SetAck(generation=1, window=20)))
        await link.say(314, b"a picture")
        assert await display.message(314) == b"a picture"
        await display.say(BaseClient.ACK_SYNC, bytes(4))
        assert await link.hear() == (BaseClient.ACK_SYNC, bytes(4))
