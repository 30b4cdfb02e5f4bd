"""Simulated installations."""

from __future__ import annotations

import pytest

from tests.harness.simulation.database import Databases
from tests.unit.controller.crashes.machine import Begin, beginning


@pytest.fixture(scope="session")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Databases:
    return Databases(tmp_path_factory.mktemp("simulated"))


@pytest.fixture
def begin(databases: Databases) -> Begin:
    return beginning(databases)
