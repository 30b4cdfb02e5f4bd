"""Whatever is tried with tickets, by either way in, the session that is open notices nothing."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from frazil.spice.channels import ChannelType
from frazil.spice.link_errors import LinkError
from tests.integration.gateway.stage import WAYS, SpiceClient, Stage
from tests.integration.gateway.test_links import enter

pytestmark = pytest.mark.real
RACERS = 100


async def _tried(stage: Stage, way: str, session_id: str, ticket: str) -> int:
    async with stage.way(way, session_id) as client:
        await client.link(ChannelType.MAIN)
        return await client.give(ticket)


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_what_is_no_fresh_ticket_of_this_session_is_refused(stage: Stage, way: str) -> None:
    """Replayed, another session's, used up by nobody but too old, truncated, lengthened: and the first one goes on."""
    session_id, another = stage.controller.open_session(), stage.controller.open_session()
    async with stage.way(way, session_id) as main:
        ticket, connection_id = await enter(stage, main, session_id)
        old = stage.controller.mint(session_id)
        stage.controller.tickets.clear()  # as the controller forgets those that are too old
        fresh = stage.controller.mint(session_id)
        for bad in (ticket, stage.controller.mint(another), old, fresh[:-1], fresh + "x", fresh[::-1]):
            assert await _tried(stage, way, session_id, bad) == LinkError.PERMISSION_DENIED
        assert len(stage.controller.redeemed) == 7, "each was put before the controller"
        await main.lives()
        async with stage.way(way, session_id) as inputs:
            await inputs.link(ChannelType.INPUTS, connection_id=connection_id)
            assert await inputs.give(ticket) == LinkError.OK, "the open session's further channels still come in"


@pytest.fixture
def room_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than one address and one session have places for, so that all give the ticket at once."""
    for share in ("SESSION_PLACES", "ADDRESS_PLACES"):
        monkeypatch.setattr(f"frazil.gateway.places.{share}", RACERS)


@pytest.mark.parametrize("way", ["websocket", "tunnel"])
async def test_of_a_hundred_at_once_one_is_let_in(room_for_all: None, stage: Stage, way: str) -> None:
    session_id = stage.controller.open_session()
    ticket = stage.controller.mint(session_id)
    ready = asyncio.Barrier(RACERS)
    winners: list[SpiceClient] = []
    over = asyncio.Barrier(RACERS)

    async def race() -> int:
        async with stage.way(way, session_id) as client:
            await client.link(ChannelType.MAIN)
            await ready.wait()
            result = await client.give(ticket)
            if result == LinkError.OK:
                winners.append(client)
                await client.main_init()
            await over.wait()
            if client in winners:
                await client.lives()
            return result

    async with asyncio.timeout(60):
        results = Counter(await asyncio.gather(*(race() for _ in range(RACERS))))
    assert results == {LinkError.OK: 1, LinkError.PERMISSION_DENIED: RACERS - 1}


async def test_further_channels_need_the_main_link_of_their_session(stage: Stage, way: str) -> None:
    session_id, another = stage.controller.open_session(), stage.controller.open_session()
    ticket = stage.controller.mint(session_id)
    async with stage.way(way, session_id) as client:
        reply = await client.link(ChannelType.DISPLAY, connection_id=1)
        assert reply.error == LinkError.PERMISSION_DENIED
    async with stage.way(way, another) as main, stage.way(way, session_id) as client:
        _, connection_id = await enter(stage, main, another)
        reply = await client.link(ChannelType.DISPLAY, connection_id=connection_id)
        assert reply.error == LinkError.PERMISSION_DENIED
        await main.lives()
    assert ticket in stage.controller.tickets, "nothing of this used it up"
