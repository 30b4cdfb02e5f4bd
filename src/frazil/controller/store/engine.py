"""Engines: SQLite (one writer with BEGIN IMMEDIATE, readers beside it, WAL) or PostgreSQL."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from frazil.controller.store import anycase
from frazil.settings import Settings

BUSY_TIMEOUT_S = 5.0
READERS = 4
WRITERS = 6
"""On PostgreSQL; SQLite has one. They mostly wait for the database: with two of them a third of the processors was idle
in a storm of calls (bench/fleet.py)."""
AHEAD = 1
"""Of those that write, one more, which waits for none of the others."""


@dataclass(frozen=True, slots=True)
class Engines:
    """`write` begins writing transactions, `read` reading ones, which see one moment throughout.

    On PostgreSQL they share their connections.
    """

    write: sa.Engine
    read: sa.Engine

    def dispose(self) -> None:
        self.write.dispose()
        self.read.dispose()


def sqlite_url(path: Path) -> str:
    return f"sqlite+pysqlite:///{path}"


def url_of(settings: Settings) -> str:
    """Where the installation's database is; SQLite's directory is made if need be."""
    if settings.database_url:
        return settings.database_url
    settings.controller_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    return sqlite_url(settings.controller_dir / "frazil.sqlite3")


def make(url: str) -> Engines:
    """Engines for the SQLAlchemy `url`; nothing is connected yet."""
    if sa.make_url(url).get_backend_name() == "sqlite":
        return Engines(
            _sqlite(url, begin="BEGIN IMMEDIATE", size=1),
            _sqlite(url, begin="BEGIN", size=READERS),
        )
    engine = sa.create_engine(
        url,
        pool_size=READERS + WRITERS + AHEAD,
        max_overflow=0,
        pool_pre_ping=True,
        pool_timeout=BUSY_TIMEOUT_S,
        connect_args={"connect_timeout": int(BUSY_TIMEOUT_S)},
    )
    return Engines(engine, engine.execution_options(isolation_level="REPEATABLE READ"))


def _sqlite(url: str, *, begin: str, size: int) -> sa.Engine:
    engine = sa.create_engine(
        url,
        poolclass=sa.QueuePool,
        pool_size=size,
        max_overflow=0,
        pool_timeout=BUSY_TIMEOUT_S,
        # The pool hands a connection to one thread at a time.
        connect_args={"check_same_thread": False, "timeout": BUSY_TIMEOUT_S, "isolation_level": None},
    )
    sa.event.listen(engine, "connect", _prepare)
    sa.event.listen(engine, "begin", _beginner(begin))
    return engine


def _prepare(connection: sqlite3.Connection, _record: Any) -> None:
    cursor = connection.cursor()
    try:
        # synchronous FULL: after a power cut, a ticket that was used must not come back as unused.
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "trusted_schema = OFF"):
            cursor.execute(f"PRAGMA {pragma}")
    finally:
        cursor.close()
    connection.create_function(anycase.FUNCTION, 1, anycase.casefold, deterministic=True)


def _beginner(statement: str) -> Callable[[sa.Connection], None]:
    def begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql(statement)

    return begin
