"""Simulated installations."""

from __future__ import annotations

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.harness.simulation.database import Databases
from tests.harness.simulation.doings import Doings
from tests.integration.controller.crashes.machine import Begin, Finds, beginning, machine

EXAMPLES, STEPS = 60, 30
"""Of a check that is proved."""


@pytest.fixture(scope="session")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Databases:
    return Databases(tmp_path_factory.mktemp("simulated"))


@pytest.fixture
def begin(databases: Databases) -> Begin:
    return beginning(databases)


@pytest.fixture
def finds(begin: Begin) -> Finds:
    """Have the machine look, always in the same way, until it finds what is called so.

    The database's own last word on sessions is switched off too.
    """

    def unguarded(number: int) -> Doings:
        it = begin(number)
        with it.engines.write.begin() as tx:
            for name in ("uq_sessions_open_pool", "uq_sessions_open_desktop"):
                tx.exec_driver_sql(f"DROP INDEX {name}")
        return it

    def look(called: str, only: str) -> None:
        fixed = settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            report_multiple_bugs=False,
        )
        with pytest.raises(AssertionError, match=called):
            run_state_machine_as_test(machine(unguarded, only=only), settings=fixed)

    return look
