"""The store on each database that it promises to run on. PostgreSQL is a private one, made for the test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from frazil.controller.store import Store
from frazil.controller.store.engine import sqlite_url
from tests.harness.postgresql import PostgreSQL


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database."""
    if request.param == "sqlite":
        return sqlite_url(tmp_path / "store.sqlite3")
    server: PostgreSQL = request.getfixturevalue("postgresql")
    return server.database()


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    made = Store.open(store_url)
    yield made
    made.close()
