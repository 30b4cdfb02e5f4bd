"""The store as the rest of the controller sees it: transactions, run in threads, with errors in words."""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

import psycopg
import sqlalchemy as sa
import structlog
from sqlalchemy import exc as sa_exc

from frazil.controller.store import engine, migrate
from frazil.controller.store.signal import Signal
from frazil.model.errors import HostError, InvalidInput, OutOfSpace, Unavailable

T = TypeVar("T")
CHANNEL = "frazil_changed"
"""On PostgreSQL, each commit is told of here, so that all controllers on the database look at once."""
LISTEN_AGAIN_S = 1.0
log = structlog.get_logger(__name__)


class Store:
    """One database. Make it with `Store.open`; close it when done.

    A transaction is a plain function of a connection, run in a thread: all of it is committed, or none. Writers
    run one after the other on SQLite. `changed` is bumped after each commit.

    shared: other controllers may work on the same database. Their commits bump `changed` too, while `listen` runs.
    """

    def __init__(self, engines: engine.Engines) -> None:
        self._engines = engines
        self.shared = engines.write.dialect.name == "postgresql"
        self._name = secrets.token_hex(8)
        self._closing = threading.Event()
        writers = engine.WRITERS if self.shared else 1
        self._writers = ThreadPoolExecutor(writers, thread_name_prefix="store-write")
        self._ahead = (
            ThreadPoolExecutor(engine.AHEAD, thread_name_prefix="store-ahead") if self.shared else self._writers
        )
        self._readers = ThreadPoolExecutor(engine.READERS, thread_name_prefix="store-read")
        self.changed = Signal()

    @classmethod
    def open(cls, url: str) -> Store:
        """Bring the schema up to date (blocking; call it in a thread) and open the store."""
        engines = engine.make(url)
        try:
            with in_words():
                migrate.upgrade(engines.write)
        except BaseException:
            engines.dispose()
            raise
        return cls(engines)

    async def write(
        self, work: Callable[[sa.Connection], T], *, changes: Callable[[T], bool] = lambda _: True, ahead: bool = False
    ) -> T:
        """Run `work` in one writing transaction; commit it unless it raises.

        changes: tells of the result whether anything was changed; with nothing changed, nobody has to look.
        ahead: of all that waits here, where there may be several at a time.
        """
        loop = asyncio.get_running_loop()
        threads = self._ahead if ahead else self._writers
        result = await loop.run_in_executor(threads, partial(self.write_now, work, changes=changes))
        if changes(result):
            self.changed.bump()
        return result

    async def write_if_possible(self, work: Callable[[sa.Connection], object]) -> None:
        """Write what may be lost: a full disk or a busy database must not stop who only wants to read."""
        try:
            await self.write(work)
        except HostError as exc:
            log.warning("store.not-written", reason=exc.what)

    async def read(self, work: Callable[[sa.Connection], T]) -> T:
        """Run `work` in one reading transaction: everything it reads is of one moment."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self.read_now, work)

    def write_now(self, work: Callable[[sa.Connection], T], *, changes: Callable[[T], bool] = lambda _: True) -> T:
        """The blocking form of `write`; for threads only."""
        with in_words(), self._engines.write.begin() as connection:
            result = work(connection)
            if self.shared and changes(result):
                connection.execute(sa.select(sa.func.pg_notify(CHANNEL, self._name)))
            return result

    async def listen(self, heard: Callable[[], None]) -> None:
        """Bump `changed`, and call `heard`, whenever another controller has changed something. Until cancelled.

        What is told while the database is away is made up for by one bump as soon as it is back.
        """
        if not self.shared:
            return
        loop = asyncio.get_running_loop()

        def changed() -> None:
            self.changed.bump()
            heard()

        await asyncio.to_thread(self._listen, lambda: loop.call_soon_threadsafe(changed))

    def _listen(self, changed: Callable[[], object]) -> None:
        while not self._closing.is_set():
            try:
                with self._engines.read.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                    wire = connection.connection.driver_connection
                    assert isinstance(wire, psycopg.Connection)
                    connection.detach()  # it is nobody else's, and is closed with this block
                    connection.exec_driver_sql(f"LISTEN {CHANNEL}")
                    changed()
                    while not self._closing.is_set():
                        for word in wire.notifies(timeout=LISTEN_AGAIN_S):
                            if word.payload != self._name:
                                changed()
            except (sa_exc.DBAPIError, sa_exc.TimeoutError, psycopg.Error) as exc:
                log.warning("store.not-listening", reason=_plain(exc))
                self._closing.wait(LISTEN_AGAIN_S)

    def read_now(self, work: Callable[[sa.Connection], T]) -> T:
        """The blocking form of `read`; for threads only."""
        with in_words(), self._engines.read.begin() as connection:
            return work(connection)

    def close(self) -> None:
        """Wait for what is running and close all connections (blocking)."""
        self._closing.set()
        self._writers.shutdown(wait=True)
        self._ahead.shutdown(wait=True)
        self._readers.shutdown(wait=True)
        self._engines.dispose()


@contextmanager
def in_words() -> Iterator[None]:
    """Turn what the database can't do now into errors with words; our own errors and broken constraints pass."""
    try:
        yield
    except sa_exc.DataError as exc:
        if "NUL" in str(exc.orig):
            raise InvalidInput("A text has a NUL character in it, which no text may have.") from exc
        raise
    except (sa_exc.IntegrityError, sa_exc.ProgrammingError):
        raise
    except (sa_exc.DBAPIError, sa_exc.TimeoutError, sqlite3.Error) as exc:
        cause = exc.orig if isinstance(exc, sa_exc.DBAPIError) else exc
        log.error("store.failed", reason=_plain(cause))
        code = getattr(cause, "sqlite_errorcode", None)
        if code is not None and code & 0xFF == sqlite3.SQLITE_FULL:
            raise OutOfSpace(
                "The disk that holds Frazil's database is full, so nothing was changed.",
                remedy="Free some space on it; desktops go on running meanwhile.",
            ) from exc
        raise Unavailable(
            f"The database can't be used right now ({_plain(cause)}), so nothing was changed.",
            remedy="Try again in a moment; if it stays so, look at the disk under the state directory.",
        ) from exc


def _plain(cause: BaseException | None) -> str:
    text = str(cause or "no reason given").strip().splitlines()
    return text[0][:200] if text else "no reason given"
