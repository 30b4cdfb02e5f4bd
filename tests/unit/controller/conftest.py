"""The controller under test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from frazil.controller.store.engine import sqlite_url
from frazil.controller.store.store import Store
from tests.unit.controller.world import DATABASE, World


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database that has seen every migration: to run them takes longer than most tests do."""
    path = tmp_path_factory.mktemp("empty") / DATABASE
    Store.open(sqlite_url(path)).close()
    return path


@pytest.fixture
def world(tmp_path: Path, empty_database: Path) -> Iterator[World]:
    shutil.copy(empty_database, tmp_path / DATABASE)
    made = World.open(tmp_path)
    yield made
    made.close()
