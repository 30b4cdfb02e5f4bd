"""How much of the database a call looks at: what there are many of is found by an index, and never gone through."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from frazil.model.desktop import Phase
from frazil.wire.rest import LoginRequest, SessionRequest
from tests.unit.controller.conftest import Database
from tests.unit.controller.services.given import entitled
from tests.unit.controller.world import EASY, World

MANY = (
    "desktops",
    "desktop_seen",
    "disks",
    "hosts",
    "users",
    "logins",
    "sessions",
    "tickets",
    "events",
    "group_members",
)

SESSION_CALL = 14
"""Statements of one that is given a spare, with the beginning of its transaction; they are most of what it costs."""


class Statements:
    """All that are executed, but for the beginnings of transactions, with their first parameters."""

    def __init__(self) -> None:
        self.executed: dict[str, object] = {}
        self.times = 0
        """So many were executed, each time counted."""

    def __call__(
        self, connection: object, cursor: object, statement: str, parameters: object, context: object, many: bool
    ) -> None:
        self.times += 1
        if not many and statement.lstrip().split()[0] in ("SELECT", "UPDATE", "DELETE"):
            self.executed.setdefault(statement, parameters)

    def scans(self, engine: sa.Engine) -> list[str]:
        """Those that go through one of the large tables, as SQLite says."""
        found = []
        with engine.connect() as connection:
            for statement, parameters in dict(self.executed).items():
                plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)  # type: ignore[arg-type]
                steps = [row[3] for row in plan]
                found += [
                    f"{step}: {statement}" for step in steps if step.split()[:2] in [["SCAN", one] for one in MANY]
                ]
        return found


@pytest.fixture
def statements(database: Database) -> Iterator[Statements]:
    heard = Statements()
    for engine in (database.engines.read, database.engines.write):
        sa.event.listen(engine, "before_cursor_execute", heard)
    yield heard
    for engine in (database.engines.read, database.engines.write):
        sa.event.remove(engine, "before_cursor_execute", heard)


async def test_a_session_call_looks_at_its_own_only(world: World, database: Database, statements: Statements) -> None:
    pool = await world.ready_pool()
    user = await entitled(world, pool, "ann")
    statements.executed.clear()
    opened = await world.services.sessions.open(user, SessionRequest(pool="desk"))
    assert opened.ticket is not None
    assert len(statements.executed) > 10
    assert statements.scans(database.engines.read) == []


async def test_a_session_call_reads_nothing_twice(world: World, database: Database, statements: Statements) -> None:
    pool = await world.ready_pool(spares=2)
    for name in ("ann", "bob"):
        user = await entitled(world, pool, name)
        statements.times = 0
        opened = await world.services.sessions.open(user, SessionRequest(pool="desk"))
        assert opened.ticket is not None
    assert statements.times <= SESSION_CALL, "more than before: is anything read that was read already?"


async def test_a_sign_in_looks_at_its_own_only(world: World, database: Database, statements: Statements) -> None:
    await world.user("ann")
    statements.executed.clear()
    request = LoginRequest(name="ann", password=SecretStr(EASY))
    await world.services.logins.sign_in(request, remote_address="192.0.2.1")
    assert len(statements.executed) > 5
    assert statements.scans(database.engines.read) == []


async def test_what_hosts_report_is_looked_up(world: World, database: Database, statements: Statements) -> None:
    await world.ready_pool()
    statements.executed.clear()
    for host in world.hosts:
        await host.report()
    assert statements.executed
    assert statements.scans(database.engines.read) == []


async def test_many_spares_are_made_and_told_of_with_the_statements_of_one(
    world: World, database: Database, statements: Statements
) -> None:
    """But for the rows: those of one table are written together."""
    await world.ready_pool()
    executed = []
    for name, spares in (("one", 1), ("many", 8)):
        await world.pool(name, spares=spares, max_desktops=10)
        statements.times = 0
        await world.settle()
        executed.append(statements.times)
        made = await world.services.desktops.list_for(world.root, pool=name)
        assert [desktop.phase for desktop in made.items] == [Phase.READY] * spares
    one, many = executed
    assert many <= one + 2, "something is done for each of them"
