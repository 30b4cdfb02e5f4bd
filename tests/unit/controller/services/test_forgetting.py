"""The history is forgotten after a time."""

from __future__ import annotations

import asyncio

import pytest
import sqlalchemy as sa

from frazil.controller.services import forgetting
from frazil.controller.store import events
from frazil.controller.store import tables as t
from tests.unit.controller.world import World


async def _note(world: World, count: int) -> None:
    def work(tx: sa.Connection) -> None:
        for _ in range(count):
            events.insert(tx, id=world.ctx.ids.new_id(), at=world.clock.now(), kind="k", text="", outcome="seen")

    await world.ctx.store.write(work)


async def _count(world: World) -> int:
    query = sa.select(sa.func.count()).select_from(t.events)
    return await world.ctx.store.read(lambda tx: int(tx.execute(query).scalar_one()))


async def test_all_that_is_old_goes_in_bounded_transactions(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forgetting, "BATCH", 2)
    await _note(world, 5)
    world.clock.advance(11 * 86400)
    await _note(world, 3)
    version = world.ctx.store.changed.version
    assert await forgetting.forget(world.ctx, days=10) == 5
    assert world.ctx.store.changed.version - version == 4  # 2, 2, 1, and none
    assert await _count(world) == 3
    assert await forgetting.forget(world.ctx, days=10) == 0


async def test_it_is_done_at_the_start_and_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forgetting, "EVERY_S", 0.01)
    task = asyncio.create_task(forgetting.run(world.ctx, days=10))
    for _ in range(2):
        await _note(world, 1)
        world.clock.advance(11 * 86400)
        async with asyncio.timeout(10):
            while await _count(world):
                await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
