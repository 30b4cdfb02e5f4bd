"""One gateway, two controllers: what each is told, and who is asked when one of them is away."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, aclosing
from pathlib import Path

import pytest

from frazil.gateway import measuring
from frazil.gateway.controller_side import ControllerSide
from frazil.gateway.sessions import LiveSessions
from frazil.model.errors import Unavailable
from frazil.model.policy import Policy
from frazil.runtime import SystemClock
from frazil.wire.sessions import LINES_MAX, RedeemRequest
from tests.integration.gateway.controller import FakeController
from tests.unit.gateway.test_sessions import Recorder


async def test_who_is_away_is_passed_over(place: Path) -> None:
    first, second = place / "first", place / "second"
    asked = ControllerSide([first, second])
    away, there = FakeController(), FakeController()
    async with aclosing(asked), AsyncExitStack() as stack:
        await stack.enter_async_context(there.running(second, place / "public"))
        session_id = there.open_session()
        assert (await asked.route(session_id)).session_id == session_id
        request = RedeemRequest(session_id=session_id, ticket=there.mint(session_id), remote_address="192.0.2.1")
        assert (await asked.redeem(request)).route.session_id == session_id
        await stack.enter_async_context(away.running(first, place / "other-public"))
        await asked.route(session_id)  # the first one, which knows of no session, is asked last now
        await stack.aclose()
        with pytest.raises(Unavailable):
            await asked.route(session_id)


async def test_one_that_is_away_keeps_nothing_from_the_other(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More sessions than are told at once."""
    monkeypatch.setattr(measuring, "EVERY_S", 0.05)
    sessions = LiveSessions()
    for number in range(LINES_MAX + 1):
        sessions.open(str(number), b"t", Recorder(), policy=Policy(), policy_version=1, host_id="host-1")
    there = FakeController()
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(there.running(place / "there", place / "public"))
        telling = []
        for name in ("away", "there"):
            one = ControllerSide([place / name])
            stack.push_async_callback(one.aclose)
            telling.append(asyncio.create_task(measuring.tell(one, sessions, clock=SystemClock())))
        async with asyncio.timeout(30), there.said:
            await there.said.wait_for(lambda: sum(len(told.lines) for told in there.lines) > LINES_MAX)
        assert {line.session_id for told in there.lines for line in told.lines} == set(map(str, range(LINES_MAX + 1)))
        for task in telling:
            task.cancel()
        await asyncio.gather(*telling, return_exceptions=True)
