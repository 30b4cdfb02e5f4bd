"""A page that is not heard of any more is let go, and one that only looks is not."""

from __future__ import annotations

import asyncio

import pytest

from frazil.gateway import websocket
from frazil.spice.channels import ChannelType
from frazil.spice.link_errors import LinkError
from tests.integration.gateway.spoiling import Rope, roped
from tests.integration.gateway.stage import Stage
from tests.integration.gateway.test_links import enter, told


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "PING_EVERY_S", 0.1)
    monkeypatch.setattr(websocket, "SILENCE_MAX_S", 2.0)


async def test_a_page_that_answers_no_ping_is_let_go_and_another_one_stays(played_stage: Stage) -> None:
    stage = played_stage
    silent, looking = stage.controller.open_session(), stage.controller.open_session()
    async with stage.websocket(looking) as page, roped("websocket", Rope()) as other:
        await enter(stage, page, looking)
        await other.enter(stage, silent)
        await other.link(ChannelType.MAIN)
        assert await other.give(stage.controller.mint(silent)) == LinkError.OK
        await told(stage, silent, connected=True)
        await told(stage, silent, connected=False)  # it reads nothing, and so it answers nothing
        await asyncio.wait_for(page.connection.ping(), 20)
        states = [state.connected for session, state in stage.controller.states if session == looking]
        assert states == [True]
