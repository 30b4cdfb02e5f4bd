"""On PostgreSQL, each controller hears of what another one has changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from frazil.controller.store import Store, meta
from tests.harness.postgresql import PostgreSQL

HEARD_S = 20.0


class Listener:
    """Counts what it is told."""

    def __init__(self) -> None:
        self.count = 0
        self._more = asyncio.Event()

    def __call__(self) -> None:
        self.count += 1
        self._more.set()

    async def reaches(self, count: int) -> None:
        async with asyncio.timeout(HEARD_S):
            while self.count < count:
                self._more.clear()
                await self._more.wait()


@asynccontextmanager
async def listening(store: Store) -> AsyncIterator[Listener]:
    """From when it listens, of which it is told once."""
    heard = Listener()
    task = asyncio.create_task(store.listen(heard))
    try:
        await heard.reaches(1)
        yield heard
    finally:
        store.close()
        await task


async def test_a_commit_is_heard_of_by_the_others_and_not_by_who_made_it(postgresql: PostgreSQL) -> None:
    url = postgresql.database()
    one, two = Store.open(url), Store.open(url)
    async with listening(one) as by_one, listening(two) as by_two:
        version = two.changed.version
        await one.write(meta.raise_restore_generation)
        await by_two.reaches(2)
        assert two.changed.version == version + 1, "whoever waits for a change there looks"
        await two.write(meta.raise_restore_generation)
        await by_one.reaches(2)
        await one.write(meta.restore_generation, changes=lambda _: False)
        await one.write(meta.raise_restore_generation)
        await by_two.reaches(3)
        assert (by_one.count, by_two.count) == (2, 3), "what changes nothing is not told, nor one's own"


async def test_who_could_not_listen_for_a_while_looks_once() -> None:
    """What was told meanwhile is lost."""
    with PostgreSQL() as server:
        store = Store.open(server.database())
        async with listening(store) as heard:
            await asyncio.to_thread(server.kill)
            await asyncio.to_thread(server.start)
            await heard.reaches(2)
