"""What hosts report is written down together, and only where it is new."""

from __future__ import annotations

import asyncio

from frazil.controller.hostreports import Report
from frazil.controller.reports import Reports
from frazil.model.desktop import Guest, State
from frazil.wire.hostlink import DesktopObservation, DesktopSeen
from tests.unit.controller.world import FakeHost, World

TOO_LARGE = 1 << 70
"""No database keeps such a number."""


async def seen(world: World, host: FakeHost, *, step: str = "", attempt: int | None = None) -> Report:
    """What a host says of its one desktop."""
    desired = await host.take()
    [spec] = desired.desktops
    observation = DesktopObservation(
        desktop_id=spec.desktop_id,
        epoch=spec.epoch,
        attempt=spec.attempt if attempt is None else attempt,
        state=State.RUNNING,
        guest=Guest.READY,
        step=step,
        observed_at=world.clock.now(),
    )
    return Report(host.id, DesktopSeen(desktop=observation), desired)


async def two_hosts(world: World) -> tuple[FakeHost, FakeHost]:
    """With a desktop each."""
    one, other = await world.host(number=1), await world.host(number=2)
    await world.image()
    await world.ready_pool(spares=2)
    return one, other


async def steps(world: World) -> list[str]:
    found = await world.services.desktops.list_for(world.root)
    return sorted(desktop.step for desktop in found.items)


async def test_what_says_nothing_new_wakes_nobody(world: World) -> None:
    one, _ = await two_hosts(world)
    reports = Reports(world.ctx, world.leadership)
    assert await reports.take_in(await seen(world, one, step="Upgrading"))
    world.clock.advance(60)
    again = await seen(world, one, step="Upgrading")
    version = world.ctx.store.changed.version
    assert not await reports.take_in(again)
    assert world.ctx.store.changed.version == version
    assert await reports.take_in(await seen(world, one))


async def test_what_comes_while_one_is_written_is_written_together(world: World) -> None:
    one, other = await two_hosts(world)
    reports = Reports(world.ctx, world.leadership)
    said = [await seen(world, one, step="a"), await seen(world, one, step="b"), await seen(world, other, step="c")]
    version = world.ctx.store.changed.version
    assert await asyncio.gather(*(reports.take_in(report) for report in said)) == [True] * 3
    assert world.ctx.store.changed.version == version + 2
    assert await steps(world) == ["b", "c"]


async def test_what_can_not_be_written_takes_nothing_else_with_it(world: World) -> None:
    one, other = await two_hosts(world)
    reports = Reports(world.ctx, world.leadership)
    said = [
        await seen(world, one, step="a"),
        await seen(world, one, attempt=TOO_LARGE),
        await seen(world, other, step="b"),
    ]
    first, bad, good = await asyncio.gather(*(reports.take_in(report) for report in said), return_exceptions=True)
    assert (first, good) == (True, True)
    assert isinstance(bad, OverflowError)
    assert await steps(world) == ["a", "b"]


async def test_one_who_leaves_while_they_wait_keeps_nobody_waiting(world: World) -> None:
    one, other = await two_hosts(world)
    reports = Reports(world.ctx, world.leadership)
    said = [await seen(world, one, step="a"), await seen(world, other, step="b")]
    first, second = (asyncio.ensure_future(reports.take_in(report)) for report in said)
    await asyncio.sleep(0)
    first.cancel()
    assert await second
    assert await steps(world) == ["a", "b"]
