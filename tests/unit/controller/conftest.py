"""The controller under test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from frazil.controller.store import engine
from frazil.controller.store.store import Store
from tests.unit.controller.world import World


@dataclass(frozen=True, slots=True)
class Database:
    """One file that every test begins with anew: to migrate one, and to compile its statements, takes longer than
    most tests do. SQLAlchemy keeps what it compiled with the engine.
    """

    path: Path
    migrated: Path
    engines: engine.Engines

    def store(self) -> Store:
        """On a database with nothing in it. The store that was made before is closed."""
        for rest in self.path.parent.glob(f"{self.path.name}*"):
            rest.unlink()
        shutil.copy(self.migrated, self.path)
        return Store(self.engines)


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Database:
    directory = tmp_path_factory.mktemp("database")
    migrated, path = directory / "migrated.sqlite3", directory / "world.sqlite3"
    Store.open(engine.sqlite_url(migrated)).close()
    return Database(path, migrated, engine.make(engine.sqlite_url(path)))


@pytest.fixture
def world(tmp_path: Path, database: Database) -> Iterator[World]:
    made = World(database.store(), tmp_path)
    yield made
    made.close()
