"""A backup holds all of a database, is restored into each kind of database from each, and never by half."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from frazil.controller.store import Store, backup, desktops, engine, events, leader, meta, migrate, pools, restored
from frazil.controller.store import tables as t
from frazil.controller.store.engine import sqlite_url
from frazil.model.desktop import Power
from frazil.model.errors import Conflict, InvalidInput
from frazil.runtime import SystemIds
from frazil.wire.hostlink import Profile
from tests.contract.store.filled import BEFORE_GROUPS, NOW, fill_older
from tests.harness.postgresql import PostgreSQL

LATER = NOW + timedelta(days=3)
NewDatabase = Callable[[str], str]


@pytest.fixture
def new_database(request: pytest.FixtureRequest, tmp_path: Path) -> NewDatabase:
    """The URL of a new, empty database of that kind."""

    def make(kind: str) -> str:
        if kind == "sqlite":
            return sqlite_url(tmp_path / f"{SystemIds().new_id()}.sqlite3")
        server: PostgreSQL = request.getfixturevalue("postgresql")
        return server.database()

    return make


def _fill_more(tx: sa.Connection) -> None:
    """What the older version had no tables or columns for, and values of every kind."""
    told = {
        "issuer": "local",
        "subject": "zoé",
        "display_name": 'Zoé "Z" \u202e',
        "role": "user",
        "password_hash": None,
    }
    tx.execute(t.users.insert().values(id="u9", **told, quota_desktops=3, policy={"sound": False}, created_at=NOW))
    odd = datetime(2030, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)
    for n in range(1203):
        events.insert(tx, id=f"e{n}", at=odd + timedelta(seconds=n), kind="x", text=f"{n}\n", outcome="done")
    pools.add_starts(tx, pool_id="p1", seconds=[0.1 + 0.2], now=NOW)
    tx.execute(t.groups.insert().values(id="g1", name="class", label="Class", version=1, created_at=NOW))
    member = {"group_id": "g1", "user_id": "u9", "source": "local", "created_at": NOW}
    tx.execute(t.group_members.insert().values(**member))
    login = {"id": "l1", "secret_hash": "h1", "user_id": "u1", "created_at": NOW, "expires_at": LATER}
    tx.execute(t.logins.insert().values(**login))
    token = {"id": "a1", "secret_hash": "h2", "user_id": "u1", "name": "t", "created_at": NOW, "expires_at": LATER}
    tx.execute(t.api_tokens.insert().values(**token))
    ticket = {"secret_hash": "h3", "session_id": "s1", "created_at": NOW, "expires_at": LATER}
    tx.execute(t.tickets.insert().values(**ticket))
    tx.execute(t.setup_token.insert().values(secret_hash="h4", created_at=NOW))
    tx.execute(t.throttles.insert().values(key="k", failures=1, blocked_until=LATER, updated_at=NOW))
    tx.execute(t.hosts.update().values(capabilities={"kvm": False}, load=None, labels={"room": "3"}, revision=2))
    tx.execute(t.pools.update().values(host_labels={"rack": "B"}, placement="pack", apart_by="room"))


def _filled(url: str) -> str:
    """A database of today's schema with something in each way that matters."""
    store = Store.open(url)
    try:
        store.write_now(fill_older)
        store.write_now(_fill_more)
    finally:
        store.close()
    return url


@contextmanager
def _transaction(url: str) -> Iterator[sa.Connection]:
    engines = engine.make(url)
    try:
        with engines.write.begin() as tx:
            yield tx
    finally:
        engines.dispose()


def _load(url: str, lines: list[str]) -> int:
    with _transaction(url) as tx:
        return backup.load(tx, lines)


@pytest.mark.parametrize("to", ["sqlite", "postgresql"])
def test_all_that_was_there_is_there_again(store_url: str, new_database: NewDatabase, to: str) -> None:
    saved = list(backup.save(_filled(store_url)))
    other = new_database(to)
    assert _load(other, saved) == len(saved) - 2 > 1200
    assert list(backup.save(other)) == saved
    store = Store.open(other)
    try:
        assert store.read_now(lambda tx: compare_metadata(MigrationContext.configure(tx), t.metadata)) == []
        last = store.read_now(lambda tx: tx.execute(sa.select(sa.func.max(t.events.c.seq))).scalar_one())
        store.write_now(lambda tx: events.insert(tx, id="new", at=NOW, kind="x", text="", outcome="done"))
        store.write_now(lambda tx: pools.add_starts(tx, pool_id="p1", seconds=[1.0], now=NOW))
        seq = store.read_now(lambda tx: tx.execute(sa.select(sa.func.max(t.events.c.seq))).scalar_one())
        assert seq > last, "what the database numbers itself goes on"
    finally:
        store.close()


def test_restoring_replaces_what_is_there(store_url: str, new_database: NewDatabase) -> None:
    saved = list(backup.save(_filled(store_url)))
    with _transaction(store_url) as tx:
        tx.execute(t.events.delete())
        tx.execute(t.users.insert().values(id="u0", issuer="local", subject="new", display_name="", role="user",
                                           created_at=NOW))  # fmt: skip
    _load(store_url, saved)
    assert list(backup.save(store_url)) == saved


def test_a_backup_of_an_older_version_is_brought_up_to_date(store_url: str, new_database: NewDatabase) -> None:
    with _transaction(store_url) as tx:
        command.upgrade(migrate.config(tx), BEFORE_GROUPS)
    with _transaction(store_url) as tx:
        fill_older(tx)
    saved = list(backup.save(store_url))
    assert json.loads(saved[0])["revision"] == BEFORE_GROUPS
    for to in ("sqlite", "postgresql"):
        other = new_database(to)
        _load(other, saved)
        with _transaction(other) as tx:
            assert compare_metadata(MigrationContext.configure(tx), t.metadata) == []
            found = pools.find(tx, "desk")
            assert found is not None
            assert (found.kind, found.version) == ("floating", 3)


def _without_end(lines: list[str]) -> list[str]:
    return lines[:-1]


def _without_a_row(lines: list[str]) -> list[str]:
    return lines[:5] + lines[6:]


def _with_a_row_twice(lines: list[str]) -> list[str]:
    end = json.dumps({"rows": len(lines) - 1})
    return [*lines[:2], lines[1], *lines[2:-1], end]


def _with_more_behind(lines: list[str]) -> list[str]:
    return [*lines, lines[-2]]


def _with_half_a_line(lines: list[str]) -> list[str]:
    return [*lines[:7], lines[7][:-4], *lines[8:]]


def _with_a_strange_table(lines: list[str]) -> list[str]:
    return [*lines[:7], '["alembic_version", {"version_num": "x"}]', *lines[8:]]


def _with_a_strange_column(lines: list[str]) -> list[str]:
    return [*lines[:7], '["users", {"surname": "x"}]', *lines[8:]]


def _with_a_strange_time(lines: list[str]) -> list[str]:
    return [line.replace('"created_at": "2030', '"created_at": "the year 2030') for line in lines]


def _without_its_user(lines: list[str]) -> list[str]:
    kept = [line for line in lines[:-1] if not line.startswith('["users"')]
    return [*kept, json.dumps({"rows": len(kept) - 1})]


def _without_beginning(lines: list[str]) -> list[str]:
    return lines[1:]


def _of_a_later_version(lines: list[str]) -> list[str]:
    return [json.dumps({"frazil_database": 1, "revision": "9999"}), *lines[1:]]


def _of_a_later_format(lines: list[str]) -> list[str]:
    return [json.dumps({"frazil_database": 2, "revision": "0016"}), *lines[1:]]


@pytest.mark.parametrize(
    "spoil",
    [
        _without_end, _without_a_row, _with_a_row_twice, _with_more_behind, _with_half_a_line, _with_a_strange_table,
        _with_a_strange_column, _with_a_strange_time, _without_its_user, _without_beginning, _of_a_later_version,
        _of_a_later_format, lambda lines: [],
    ],
)  # fmt: skip
def test_a_backup_that_is_no_good_changes_nothing(
    store_url: str, new_database: NewDatabase, spoil: Callable[[list[str]], list[str]]
) -> None:
    saved = list(backup.save(_filled(new_database("sqlite"))))
    before = list(backup.save(_filled(store_url)))
    with pytest.raises(InvalidInput, match=r"damaged|newer version"):
        _load(store_url, spoil(saved))
    assert list(backup.save(store_url)) == before


def test_a_full_disk_is_not_taken_for_a_damaged_backup(new_database: NewDatabase) -> None:
    saved = list(backup.save(_filled(new_database("sqlite"))))
    other = new_database("sqlite")
    _load(other, saved)
    with _transaction(other) as tx:
        pages = int(tx.exec_driver_sql("PRAGMA page_count").scalar_one())
    with _transaction(new_database("sqlite")) as tx:
        tx.exec_driver_sql(f"PRAGMA max_page_count = {pages - 10}")
        with pytest.raises(sa.exc.OperationalError, match="full"):
            backup.load(tx, saved)


def test_nothing_is_restored_under_a_controller_that_leads(postgresql: PostgreSQL) -> None:
    url = _filled(postgresql.database())
    saved = list(backup.save(url))
    with _transaction(url) as tx:
        leader.take(tx, holder="c1", for_s=60)
    with pytest.raises(Conflict, match="A controller works"):
        _load(url, saved)
    with _transaction(url) as tx:
        leader.leave(tx, holder="c1")
    _load(url, saved)


def test_a_database_without_tables_has_nothing_to_save(store_url: str) -> None:
    assert list(backup.save(store_url)) == []


# --- what a restored database must forget -----------------------------------------------------------------------------


@pytest.fixture
def renewed(store_url: str) -> Iterator[Store]:
    """Restored at `LATER`. d1 is bob's, d2 is nobody's, d3 was deleted and is kept, d4 is on its way out."""
    store = Store.open(_filled(store_url))
    more = {
        "pool_id": "p1",
        "image_id": "i1",
        "host_id": "h1",
        "profile": Profile().model_dump(mode="json"),
        "graceful": False,
        "epoch_generation": 1,
        "epoch_counter": 1,
        "attempt": 4,
        "deadline_s": 60,
        "announced": "ready",
        "measured_attempt": 1,
        "wanted_since": NOW,
        "created_at": NOW,
    }
    kept = {"id": "d3", "name": "desk-3", "power": "stopped", "kept_until": NOW + timedelta(hours=1), "kept_for": "bob"}
    going = {"id": "d4", "name": "desk-4", "power": "absent"}

    def change(tx: sa.Connection) -> restored.Restored:
        for one in (kept, going):
            tx.execute(t.desktops.insert().values(**more, **one))
        return restored.renew(tx, made_at=NOW, now=LATER, new_id=SystemIds().new_id)

    try:
        assert store.write_now(change) == restored.Restored(2, ("desk-2",))
        yield store
    finally:
        store.close()


def test_nobody_is_signed_in_any_more(renewed: Store) -> None:
    for table in (t.logins, t.api_tokens, t.tickets, t.setup_token, t.throttles):
        assert renewed.read_now(lambda tx, table=table: tx.execute(sa.select(table)).all()) == []  # type: ignore[misc]


def test_what_was_nobodys_is_forgotten_and_what_was_deleted_is_kept(renewed: Store) -> None:
    rows = {row.id: row for row in renewed.read_now(desktops.listed)}
    assert rows.keys() == {"d1", "d3", "d4"}
    assert rows["d3"].kept_until == LATER + timedelta(days=7)
    assert (rows["d1"].assigned_user_id, rows["d1"].kept_until) == ("u2", None)
    kinds = renewed.read_now(lambda tx: tx.execute(sa.select(t.events.c.kind, t.events.c.desktop_id)).all())
    assert [tuple(one) for one in kinds[-2:]] == [("desktop.forgotten", "d2"), ("database.restored", None)]


def test_every_new_attempt_is_newer_than_all_that_the_backup_did_not_know(renewed: Store) -> None:
    def epoch(id: str) -> tuple[int, int, int]:
        row = renewed.read_now(lambda tx: desktops.find(tx, id))
        assert row is not None
        return row.epoch.generation, row.epoch.counter, row.attempt

    before = epoch("d1"), epoch("d3")
    assert before == ((1, 2, 1), (1, 1, 4)), "what is there goes on"
    renewed.write_now(lambda tx: desktops.retry(tx, "d1", now=LATER))
    renewed.write_now(lambda tx: desktops.end_kept(tx, "d3", now=LATER + timedelta(days=8)))
    assert (epoch("d1"), epoch("d3")) == ((2, 2, 2), (2, 1, 5))
    assert renewed.read_now(meta.restore_generation) == 2
    [number] = renewed.write_now(lambda tx: pools.take_numbers(tx, "p1", 1))
    assert number == 3 + restored.NUMBERS_SKIPPED
    row = renewed.read_now(lambda tx: desktops.find(tx, "d4"))
    assert row is not None
    assert row.power is Power.ABSENT
