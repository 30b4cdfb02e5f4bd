"""The database's disk is full, the database is locked: clear errors, and the process goes on."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from frazil.controller.store import Signal, Store, engine
from frazil.controller.store import tables as t
from frazil.controller.store.engine import sqlite_url
from frazil.model.errors import OutOfSpace, Unavailable


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.sqlite3"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    made = Store.open(sqlite_url(path))
    yield made
    made.close()


async def test_a_full_database_refuses_to_write_reads_on_and_recovers(store: Store) -> None:
    def fill(tx: sa.Connection) -> None:
        tx.execute(t.meta.insert().values(key="big", value="x" * 4_000_000))

    # SQLite's own bound on pages gives the very error that a full disk gives (SQLITE_FULL).
    with store._engines.write.connect() as connection:
        raw = connection.connection.dbapi_connection
        assert raw is not None
        pages = raw.execute("PRAGMA page_count").fetchone()[0]
        raw.execute(f"PRAGMA max_page_count = {pages + 10}")
    with pytest.raises(OutOfSpace, match="disk that holds Frazil's database is full"):
        await store.write(fill)
    assert await store.read(lambda tx: tx.execute(t.meta.select()).all()) == []
    await store.write_if_possible(fill)  # what may be lost is lost, with no error
    with store._engines.write.connect() as connection:
        raw = connection.connection.dbapi_connection
        assert raw is not None
        raw.execute("PRAGMA max_page_count = 1000000")
    await store.write(fill)


async def test_a_locked_database_is_waited_for_then_told(
    store: Store, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with store._engines.write.connect() as connection:
        raw = connection.connection.dbapi_connection
        assert raw is not None
        raw.execute("PRAGMA busy_timeout = 100")
    with pytest.raises(Unavailable, match="database is locked"):
        await store.write(lambda tx: tx.execute(t.meta.insert().values(key="a", value="b")))
    assert await store.read(lambda tx: tx.execute(t.meta.select()).all()) == []
    other.execute("ROLLBACK")
    other.close()
    await store.write(lambda tx: tx.execute(t.meta.insert().values(key="a", value="b")))


async def test_readers_do_not_wait_for_a_writer(store: Store) -> None:
    began, goes_on = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow(tx: sa.Connection) -> None:
        tx.execute(t.meta.insert().values(key="a", value="b"))
        loop.call_soon_threadsafe(began.set)
        asyncio.run_coroutine_threadsafe(goes_on.wait(), loop).result(10)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(store.write(slow))
        await began.wait()
        assert await store.read(lambda tx: tx.execute(t.meta.select()).all()) == []
        goes_on.set()
    assert len(await store.read(lambda tx: tx.execute(t.meta.select()).all())) == 1


def test_a_place_that_is_no_database_is_told(tmp_path: Path) -> None:
    broken = tmp_path / "broken.sqlite3"
    broken.write_bytes(b"this is not a database, but it is long enough to look at" * 100)
    with pytest.raises(Unavailable, match="can't be used"):
        Store.open(sqlite_url(broken))
    with pytest.raises(Unavailable, match="can't be used"):
        Store.open(sqlite_url(tmp_path / "no" / "such" / "place.sqlite3"))


def test_sqlite_is_set_up_as_promised(store: Store) -> None:
    for which in (store._engines.write, store._engines.read):
        with which.connect() as connection:
            raw = connection.connection.dbapi_connection
            assert raw is not None
            assert raw.execute("PRAGMA journal_mode").fetchone() == ("wal",)
            assert raw.execute("PRAGMA foreign_keys").fetchone() == (1,)
            assert raw.execute("PRAGMA busy_timeout").fetchone() == (int(engine.BUSY_TIMEOUT_S * 1000),)


async def test_a_signal_wakes_everyone_who_waits_and_misses_nothing() -> None:
    signal = Signal()
    seen = signal.version
    signal.bump()
    assert await signal.wait(seen, timeout_s=0)
    assert not await signal.wait(signal.version, timeout_s=0.01)
    async with asyncio.TaskGroup() as tasks:
        waiting = [tasks.create_task(signal.wait(signal.version, timeout_s=10)) for _ in range(3)]
        await asyncio.sleep(0)
        signal.bump()
    assert [task.result() for task in waiting] == [True, True, True]
    signal.close()
    assert not await signal.wait(signal.version, timeout_s=10)
    assert signal.closed
