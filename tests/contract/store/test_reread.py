"""What is read again is what reading all of it would give."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from frazil.controller.store import Store, desktops, observations, pools, sessions
from frazil.controller.store.reread import ALL_EVERY_S, AT_ONCE
from frazil.controller.store.rows import NewDesktop, SeenRow
from frazil.model.desktop import Epoch, Failure, Guest, Phase, Power, State
from tests.contract.store.filled import NOW, fill_older

SEED = int(os.environ.get("FRAZIL_SEED", "0")) or random.SystemRandom().randrange(1 << 32)
STEPS = 80


class _Undone(Exception):
    pass


def _new(tx: sa.Connection, id: str) -> NewDesktop:
    pool = pools.find(tx, "p1")
    assert pool is not None
    return NewDesktop(id=id, disk_id=f"disk-{id}", name=f"desk-{id}", pool=pool)


class Writer:
    """Changes something, a few things at a time, and now and then takes all of it back."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._numbers: Iterator[int] = iter(range(10, 1000))

    def write(self, tx: sa.Connection) -> None:
        for _ in range(self._chance.randint(1, 3)):
            self._one(tx)
        if self._chance.random() < 0.2:
            raise _Undone

    def _one(self, tx: sa.Connection) -> None:
        chance, number = self._chance, next(self._numbers)
        now = NOW + timedelta(seconds=number)
        ids = [row.id for row in desktops.listed(tx)]
        open_ones = [row.id for row in sessions.open_ones(tx)]
        id = chance.choice(ids) if ids else "nobody"
        match chance.choice(["make", "want", "fail", "retry", "see", "say", "go", "open", "end", "connect"]):
            case "make":
                desktops.insert(tx, [_new(tx, f"d{number}")], generation=1, now=now)
                desktops.place(tx, f"d{number}", host_id="h1")
            case "want":
                desktops.want(tx, id, power=chance.choice([Power.RUNNING, Power.STOPPED]), graceful=True, now=now)
            case "fail":
                desktops.fail(tx, id, attempt=1, failure=Failure("a", "b", "c"), now=now)
            case "retry":
                desktops.retry(tx, id, now=now)
            case "see":
                seen = SeenRow(
                    desktop_id=id, state=chance.choice(list(State)), guest=Guest.READY, epoch=Epoch(1, 9), attempt=9,
                    failure=None, step="", started_at=now, observed_at=now, source="host h1",
                )  # fmt: skip
                observations.saw_all(tx, [("h1", seen)], now=now)
            case "say":
                desktops.announce(tx, ids, phase=chance.choice(list(Phase)), measured=False, clock_from=None)
            case "go":
                desktops.want_absent(tx, id, now=now)
                if not any(row.desktop_id == id for row in sessions.open_ones(tx)):
                    desktops.delete(tx, id)
            case "open" if not any(row.user_id == "u3" for row in sessions.open_ones(tx)) and ids:
                free = set(ids) - {row.desktop_id for row in sessions.open_ones(tx)}
                for desktop_id in sorted(free)[:1]:
                    whose = {"user_id": "u3", "pool_id": "p1", "desktop_id": desktop_id}
                    sessions.insert(tx, id=f"s{number}", **whose, now=now, remote_address=None)
            case "end" if open_ones:
                sessions.end(tx, chance.choice(open_ones), reason="over", now=now)
            case "connect" if open_ones:
                sessions.set_connected(tx, chance.choice(open_ones), connected=True, remote_address="", now=now)


def test_it_is_all_that_there_is_whatever_is_written_in_between(store: Store) -> None:
    print(f"FRAZIL_SEED={SEED}")
    chance = random.Random(SEED)
    store.write_now(fill_older)
    again, of_sessions, writer = desktops.reread(), sessions.reread(), Writer(chance)
    for _ in range(STEPS):
        with suppress(_Undone):
            store.write_now(writer.write)

        def look(tx: sa.Connection) -> None:
            assert list(again.read(tx, now_s=0).values()) == desktops.listed(tx)
            assert list(of_sessions.read(tx, now_s=0).values()) == sessions.open_ones(tx)

        store.read_now(look)


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_what_has_not_changed_is_not_read_but_now_and_then(store: Store) -> None:
    store.write_now(fill_older)
    again = desktops.reread()
    before = store.read_now(lambda tx: dict(again.read(tx, now_s=5)))
    store.write_now(lambda tx: desktops.fail(tx, "d2", attempt=1, failure=Failure("a", "b", "c"), now=NOW))
    after = store.read_now(lambda tx: dict(again.read(tx, now_s=4 + ALL_EVERY_S)))
    assert after["d1"] is before["d1"]
    assert after["d2"] == replace(before["d2"], failure=Failure("a", "b", "c"), failed_at=NOW)
    at_last = store.read_now(lambda tx: dict(again.read(tx, now_s=5 + ALL_EVERY_S)))
    assert at_last == after
    assert at_last["d1"] is not after["d1"]


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_many_that_have_changed_are_read_in_parts(store: Store) -> None:
    store.write_now(fill_older)
    again = desktops.reread()
    store.read_now(lambda tx: again.read(tx, now_s=0))
    many = range(AT_ONCE + 1)
    store.write_now(
        lambda tx: desktops.insert(tx, [_new(tx, f"e{number:04}") for number in many], generation=1, now=NOW)
    )
    assert store.read_now(lambda tx: list(again.read(tx, now_s=0).values()) == desktops.listed(tx))
