"""One leads at a time, by the database's clock."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from frazil.controller.leadership import LEASE_S, Deposed, Leadership
from frazil.controller.store import Store, leader, meta
from frazil.controller.store.tables import leaders
from tests.harness.postgresql import PostgreSQL
from tests.unit.controller.world import HandClock

DEADLINE_S = 20.0
LONG_S = 3600.0
OVER_S = -1.0
"""A lease that has ended when it begins."""


def _take(store: Store, holder: str, for_s: float = LONG_S) -> int | None:
    return store.write_now(lambda tx: leader.take(tx, holder=holder, for_s=for_s))


def _leads(store: Store, holder: str, epoch: int) -> bool:
    return store.write_now(lambda tx: leader.leads(tx, holder=holder, epoch=epoch))


def test_the_first_leads_and_goes_on_with_its_epoch(store: Store) -> None:
    assert _take(store, "one") == 1
    assert _take(store, "two") is None
    assert _take(store, "one") == 1
    assert _leads(store, "one", 1)
    assert not _leads(store, "two", 1)


def test_after_the_leases_end_another_leads_with_a_new_epoch(store: Store) -> None:
    assert _take(store, "one", OVER_S) == 1
    assert not _leads(store, "one", 1), "its lease is over, though nobody has taken it"
    assert _take(store, "two") == 2
    assert _take(store, "one") is None
    assert not _leads(store, "one", 1)


def test_who_was_away_for_longer_than_its_lease_leads_anew(store: Store) -> None:
    """What it had planned before is of the epoch before."""
    assert _take(store, "one", OVER_S) == 1
    assert _take(store, "one") == 2
    assert not _leads(store, "one", 1)


def test_who_leaves_is_followed_at_once(store: Store) -> None:
    assert _take(store, "one") == 1
    store.write_now(lambda tx: leader.leave(tx, holder="two"))
    assert _take(store, "two") is None, "only who leads can leave"
    store.write_now(lambda tx: leader.leave(tx, holder="one"))
    assert not _leads(store, "one", 1)
    assert _take(store, "two") == 2


@pytest.mark.parametrize("round_", range(3))
def test_of_many_that_begin_at_once_one_leads(store: Store, round_: int) -> None:
    with ThreadPoolExecutor(8) as threads:
        epochs = list(threads.map(lambda nth: _take(store, f"{round_}-{nth}"), range(16)))
    assert [epoch for epoch in epochs if epoch is not None] == [1]


class Controller:
    """What one has of leadership. `heard`: each time it began (True) or ceased (False) to lead."""

    def __init__(self, store: Store, name: str) -> None:
        self.clock = HandClock()
        self.leadership = Leadership(store, clock=self.clock, holder=name)
        self.heard: list[bool] = []
        self.leadership.changed = self.heard.append


@pytest.fixture
def shared(postgresql: PostgreSQL) -> Iterator[Store]:
    made = Store.open(postgresql.database())
    yield made
    made.close()


def _ends(tx: sa.Connection) -> None:
    tx.execute(leaders.update().values(expires_s=0.0))


async def test_what_a_deposed_leader_writes_is_not_written(shared: Store) -> None:
    """Its own clock tells it that it leads; the database knows better."""
    one, two = Controller(shared, "one"), Controller(shared, "two")
    await one.leadership._renew()
    await two.leadership._renew()
    assert (one.leadership.leads, two.leadership.leads) == (True, False)
    shared.write_now(_ends)
    await two.leadership._renew()
    assert (one.leadership.leads, two.leadership.leads) == (True, True)
    with pytest.raises(Deposed):
        await one.leadership.write(meta.raise_restore_generation)
    assert shared.read_now(meta.restore_generation) == 1
    assert not one.leadership.leads
    assert one.heard == [True, False]
    assert await two.leadership.write(meta.raise_restore_generation) == 2


async def test_who_leads_goes_on_leading_however_much_waits_to_be_written(shared: Store) -> None:
    """Who loses the lead in a storm of calls tells every host everything again, which ends no storm."""
    one, written = Controller(shared, "one"), threading.Event()
    busy = [asyncio.create_task(shared.write(lambda _: written.wait(DEADLINE_S))) for _ in range(10)]
    try:
        async with asyncio.timeout(DEADLINE_S / 2):
            await one.leadership._renew()
        assert one.leadership.leads
    finally:
        written.set()
        assert all(await asyncio.gather(*busy))


async def test_who_led_for_nobody_for_a_while_begins_anew(shared: Store) -> None:
    """The database was slow: what was to be told to hosts in between was not."""
    one = Controller(shared, "one")
    await one.leadership._renew()
    one.clock.advance(LEASE_S + 1)
    assert not one.leadership.leads
    await one.leadership._renew()
    assert one.leadership.leads
    assert one.heard == [True, True]
