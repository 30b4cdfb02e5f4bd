"""How a session's line is, as the controller is told of it: from links that live, and of those that are silent too."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from frazil.gateway import measuring, relay
from frazil.spice.base_messages import BaseClient, BaseServer, Ping, Pong
from frazil.spice.records import decode, encode
from frazil.wire.sessions import Line
from tests.integration.gateway.played import PlayedBackEnd, flood
from tests.integration.gateway.stage import SpiceClient, Stage
from tests.integration.gateway.test_links import enter


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "EVERY_S", 0.05)
    monkeypatch.setattr(relay, "MEASURE_EVERY_S", 0.05)


async def told(stage: Stage, session_id: str, that: Callable[[Line], bool]) -> Line:
    """The first line of the session that is so."""
    found: list[Line] = []

    def seen() -> bool:
        lines = stage.controller.lines[-1].lines if stage.controller.lines else []
        found.extend(line for line in lines if line.session_id == session_id and that(line))
        return bool(found)

    async with asyncio.timeout(30), stage.controller.said:
        await stage.controller.said.wait_for(seen)
    return found[0]


class FarAway:
    """A client that answers each ping so late, as over a line of that length."""

    def __init__(self, client: SpiceClient) -> None:
        self._client = client
        self.latency_s = 0.0

    @asynccontextmanager
    async def answering(self) -> AsyncIterator[FarAway]:
        async with asyncio.TaskGroup() as tasks:
            answering = tasks.create_task(self._answer(tasks))
            yield self
            answering.cancel()

    async def _answer(self, tasks: asyncio.TaskGroup) -> None:
        while True:
            number, body = await self._client.next_message()
            if number == BaseServer.PING:
                tasks.create_task(self._pong(decode(Ping, body)))

    async def _pong(self, ping: Ping) -> None:
        await asyncio.sleep(self.latency_s)
        await self._client.say(BaseClient.PONG, encode(Pong(id=ping.id, timestamp=ping.timestamp)))


async def test_the_latency_is_that_of_now_also_where_nothing_passes(played_stage: Stage) -> None:
    session_id = played_stage.controller.open_session()
    async with played_stage.websocket(session_id) as main:
        await enter(played_stage, main, session_id)
        async with FarAway(main).answering() as client:
            near = await told(played_stage, session_id, lambda line: (line.latency_ms or 400) < 400)
            client.latency_s = 0.4
            far = await told(played_stage, session_id, lambda line: (line.latency_ms or 0) >= 400)
            client.latency_s = 0.0
            await told(played_stage, session_id, lambda line: (line.latency_ms or 400) < 400)
    assert far.to_viewer_bytes == near.to_viewer_bytes, "the desktop has said nothing meanwhile"


@pytest.mark.parametrize("way", ["websocket", "tunnel"])
async def test_a_viewer_that_does_not_read_for_a_while_is_seen(
    played_stage: Stage, played: PlayedBackEnd, way: str
) -> None:
    session_id = played_stage.controller.open_session()
    async with played_stage.way(way, session_id) as viewer:
        await enter(played_stage, viewer, session_id)
        back_end = await played.link()
        await told(played_stage, session_id, lambda line: line.links == 1 and line.stalls == 0)
        async with flood(lambda: back_end.say(300, bytes(64 << 10))) as going:
            await going.stopped(within=256)
            for _ in range(2 * going.times):
                await viewer.message(300)
            line = await told(played_stage, session_id, lambda line: line.stalls > 0)
    assert line.to_viewer_bytes > 64 << 10
