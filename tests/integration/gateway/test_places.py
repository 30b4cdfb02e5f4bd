"""Who names a session and gives no ticket keeps nobody out: on a real gateway, from several addresses."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import AsyncExitStack

import pytest

from frazil.gateway import places
from frazil.spice.channels import ChannelType
from tests.integration.gateway.stage import DEADLINE_S, Stage, WebSocketClient
from tests.integration.gateway.test_links import enter


async def crowd(stage: Stage, into: AsyncExitStack, session_id: str, addresses: Iterable[str], *, each: int) -> None:
    """Links that are answered and then say nothing, and from the last address some more that are not even answered."""

    async def silent(address: str) -> WebSocketClient:
        client = await into.enter_async_context(stage.websocket(session_id, come_from=address))
        into.callback(client.connection.transport.abort)
        await client.ask(ChannelType.MAIN)
        return client

    for address in addresses:
        for _ in range(each):
            await (await silent(address)).read_reply()
    for _ in range(places.PLACES):
        await silent(address)


async def comes_in(stage: Stage, session_id: str, address: str = "127.0.0.1") -> None:
    async with asyncio.timeout(DEADLINE_S / 2), stage.websocket(session_id, come_from=address) as client:
        await enter(stage, client, session_id)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "PLACES", 5)
    monkeypatch.setattr(places, "SESSION_PLACES", 4)
    monkeypatch.setattr(places, "ADDRESS_PLACES", 2)


async def test_an_address_keeps_neither_the_sessions_owner_out_nor_others(few: None, played_stage: Stage) -> None:
    seen, another = played_stage.controller.open_session(), played_stage.controller.open_session()
    async with AsyncExitStack() as silent:
        await crowd(played_stage, silent, seen, ["127.0.0.2"], each=2)
        await comes_in(played_stage, seen)
        await comes_in(played_stage, another)


async def test_a_session_keeps_no_other_out(few: None, played_stage: Stage) -> None:
    own, another = played_stage.controller.open_session(), played_stage.controller.open_session()
    async with AsyncExitStack() as silent:
        await crowd(played_stage, silent, own, ["127.0.0.2", "127.0.0.3"], each=2)
        await comes_in(played_stage, another)
        assert len(played_stage.displays.asked) == 5, "who waits holds no display"
