"""Several viewers at once on desktops of our own: what they do, what they measure, and how it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any

import pytest

from frazil.model.errors import Unavailable
from frazil.spice.channels import ChannelType
from frazil.spice.display_channel import DisplayServer
from frazil.spice.inputs_channel import Key, MouseMotion, MousePosition, MousePress
from frazil.spice.records import encode
from frazil.viewer import Box
from frazil.viewer.connecting import Where
from frazil.viewer.load import Load, Measured, Plan
from tests.fakes.spice_desktop import SpiceDesktop
from tests.harness.drawings import Artist
from tests.harness.drawn_twice import put
from tests.harness.watched import DEADLINE_S, reached, said

ANSWER = [(int(DisplayServer.DRAW_COPY), encode(put(Artist(5, 96, 64).picture(32, 20), left=3, top=5)))]
BACKSPACE = 0x0E


def at(where: Where) -> Callable[[], Awaitable[Where]]:
    async def given() -> Where:
        return where

    return given


async def loaded(
    fakes: Sequence[SpiceDesktop],
    enough: Callable[[], bool],
    *,
    told: Callable[[int, int], None] = lambda *_: None,
    **plan: Any,
) -> Measured:
    """What was measured until it is `enough`; at twenty keys a second."""
    async with AsyncExitStack() as stack:
        for fake in fakes:
            await stack.enter_async_context(fake.there())
        load = Load([at(fake.give) for fake in fakes], Plan(seconds=600, keys_per_s=20, **plan), told=told)
        running = asyncio.create_task(load.run())
        await reached(lambda: running.done() or enough(), timeout_s=60)
        load.stop()
        return await running


def typed(*fakes: SpiceDesktop, keys: int) -> Callable[[], bool]:
    """Whether each has heard so many keys."""
    return lambda: all(len(said(fake, Key)) >= 2 * keys for fake in fakes)


@pytest.mark.parametrize("absolute", [True, False])
async def test_keys_are_typed_answered_and_erased(absolute: bool) -> None:
    fakes = [SpiceDesktop(echo=ANSWER, mouse_modes=3 if absolute else 1) for _ in range(3)]
    told: list[tuple[int, int]] = []
    found = await loaded(
        fakes, typed(*fakes, keys=8), first=("ctrl+alt+t",), told=lambda *now: told.append(now)
    )  # fmt: skip
    assert told == [(1, 1), (2, 2), (3, 3)]
    assert found.viewers == len(found.opening_ms) == 3
    assert (found.unanswered, found.failures) == (0, [])
    assert found.cpu_s > 0
    assert 9 <= len(found.took_ms) <= found.keys
    assert found.keys - len(found.took_ms) <= 3, "only one of each may be under way at the end"
    assert all(0 < ms < 1000 * DEADLINE_S for ms in found.took_ms)
    assert found.drawings >= len(found.took_ms)
    assert found.received_bytes > len(found.took_ms) * len(ANSWER[0][1])
    assert found.sent_bytes > 0
    for fake in fakes:
        downs = [key.code for key in said(fake, Key) if key.code < 0x80]
        assert downs[:3] == [0x1D, 0x38, 0x14]
        assert downs[3:].count(BACKSPACE) * 2 == len(downs[3:]) > 0, "nothing is left behind"
        assert said(fake, MousePosition if absolute else MouseMotion)


async def test_it_ends_by_itself() -> None:
    fake = SpiceDesktop(echo=ANSWER)
    async with fake.there():
        found = await Load([at(fake.give)], Plan(seconds=0.2)).run()
    assert found.viewers == 1
    assert found.seconds >= 0.2


async def test_only_what_is_drawn_at_its_place_is_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = SpiceDesktop(echo=ANSWER)
    found = await loaded([fake], typed(fake, keys=3), answers_in=Box(3, 5, 4, 6))
    assert found.took_ms
    assert {(at.x, at.y) for at in said(fake, MousePosition)} == {(3, 5)}, "the pointer stays there"
    assert len(said(fake, MousePress)) == 2, "it was clicked on"
    monkeypatch.setattr("frazil.viewer.load.LATE_S", 0.1)
    fake = SpiceDesktop(echo=ANSWER)
    found = await loaded([fake], typed(fake, keys=3), answers_in=Box(50, 50, 60, 60))
    assert not found.took_ms
    assert 2 <= found.unanswered <= found.keys <= found.unanswered + 1
    assert found.restless == 0


async def test_a_restless_desktop_is_told_by_it() -> None:
    fake = SpiceDesktop(echo=ANSWER)

    async def film() -> None:
        while True:
            await asyncio.sleep(0.005)
            if ChannelType.DISPLAY in fake.clients:
                fake.draw(ANSWER)

    moving = asyncio.create_task(film())
    found = await loaded([fake], typed(fake, keys=6))
    moving.cancel()
    assert found.restless > 0.5


async def test_failures_are_told_by_their_reason() -> None:
    async def nowhere() -> Where:
        raise Unavailable("The desktop is not there.")

    closed, good = SpiceDesktop(password=b"right"), SpiceDesktop(echo=ANSWER)
    async with closed.there(), good.there():
        load = Load([nowhere, at(good.give), nowhere, at(closed.give)], Plan(seconds=600, keys_per_s=20))
        running = asyncio.create_task(load.run())
        await reached(typed(good, keys=3), timeout_s=60)
        load.stop()
        found = await running
    assert found.viewers == 1
    assert found.took_ms
    told = {failure.code: (failure.viewers, failure.words) for failure in found.failures}
    assert told["unavailable"] == (2, "The desktop is not there.")
    assert told["refused"][0] == 1


async def test_who_is_put_out_meanwhile_is_counted_and_the_others_go_on() -> None:
    fakes = [SpiceDesktop(echo=ANSWER) for _ in range(2)]
    running = asyncio.create_task(loaded(fakes, typed(fakes[1], keys=12)))
    await reached(lambda: bool(said(fakes[0], Key)), timeout_s=60)
    fakes[0].clients[ChannelType.MAIN].writer.close()
    found = await running
    assert [(failure.code, failure.viewers) for failure in found.failures] == [("unavailable", 1)]
    assert found.viewers == 2
    assert len(said(fakes[1], Key)) > len(said(fakes[0], Key))


async def test_when_nobody_is_left_it_ends() -> None:
    fake = SpiceDesktop()
    running = asyncio.create_task(loaded([fake], lambda: False))
    await reached(lambda: bool(said(fake, Key)), timeout_s=60)
    for client in fake.clients.values():
        client.writer.close()
    assert (await running).failures


@pytest.mark.parametrize("opened", [True, False])
async def test_it_can_be_stopped_with_what_was_measured(opened: bool) -> None:
    fakes = [SpiceDesktop(echo=ANSWER), SpiceDesktop(echo=ANSWER) if opened else SpiceDesktop(channels=())]
    async with fakes[0].there(), fakes[1].there():
        load = Load([at(fake.give) for fake in fakes], Plan(seconds=600, keys_per_s=20))
        running = asyncio.create_task(load.run())
        await reached(
            lambda: len(said(fakes[0], Key)) > 4 if opened else ChannelType.DISPLAY in fakes[0].clients, timeout_s=60
        )
        load.stop()
        found = await asyncio.wait_for(running, DEADLINE_S)
    assert bool(found.took_ms) is opened
    assert not found.failures
