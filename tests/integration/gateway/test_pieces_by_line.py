"""Over a slow line what the desktop says comes in small pieces: a viewer has nothing of a frame before its end."""

from __future__ import annotations

import asyncio

import pytest

from frazil.gateway.sessions import PIECE_LEAST_BYTES, PIECE_S
from frazil.spice.base_messages import BaseClient, BaseServer, Ping, Pong
from frazil.spice.records import decode, encode
from tests.integration.gateway.played import PlayedBackEnd
from tests.integration.gateway.stage import Stage, WebSocketClient
from tests.integration.gateway.test_links import enter

BALLAST = bytes(250 << 10)
PICTURE = 300
PICTURE_BYTES = 48 << 10


async def frames(viewer: WebSocketClient, size: int) -> list[int]:
    """The sizes of the frames in which so many bytes come."""
    found: list[int] = []
    async with asyncio.timeout(20):
        while sum(found) < size:
            found.append(len(await viewer.receive()))
    return found


@pytest.mark.parametrize("seconds", [0.0, 0.5])
async def test_frames_are_as_large_as_the_line_is_fast(
    played_stage: Stage, played: PlayedBackEnd, seconds: float
) -> None:
    session_id = played_stage.controller.open_session()
    async with played_stage.websocket(session_id) as viewer:
        await enter(played_stage, viewer, session_id)
        back_end = await played.link()
        await back_end.say(BaseServer.PING, encode(Ping(id=1, timestamp=0, data=BALLAST)))
        for _ in range(3):
            ping = decode(Ping, await viewer.message(BaseServer.PING))
            if ping.data:
                await asyncio.sleep(seconds)  # so long the line was busy with it
            await viewer.say(BaseClient.PONG, encode(Pong(id=ping.id, timestamp=0)))
        assert (await back_end.hear())[0] == BaseClient.PONG, "the server measures by it as well"
        await back_end.say(PICTURE, bytes(PICTURE_BYTES))
        sizes = await frames(viewer, PICTURE_BYTES)
    if seconds:
        bytes_per_s = len(BALLAST) / seconds
        assert max(sizes) <= max(PIECE_LEAST_BYTES, bytes_per_s * PIECE_S * 1.05)
    else:
        assert max(sizes) > 1 << 13, "there is no reason to cut it"
