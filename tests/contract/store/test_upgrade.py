"""A database that an older version filled is brought up to date when it is opened, and says what it said before."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations

from frazil.controller.store import (
    Store,
    desktops,
    engine,
    entitlements,
    groups,
    hosts,
    migrate,
    people,
    pools,
    sessions,
)
from frazil.controller.store import tables as t
from frazil.model.desktop import Power
from frazil.model.policy import Policy
from frazil.model.quota import Amounts
from frazil.wire.hostlink import Profile
from tests.contract.store.filled import BEFORE_GROUPS, NOW, fill_older


@pytest.fixture
def older(store_url: str) -> str:
    """The URL of a database of the older version, filled."""
    engines = engine.make(store_url)
    with engines.write.begin() as connection:
        command.upgrade(migrate.config(connection), BEFORE_GROUPS)
    with engines.write.begin() as connection:
        fill_older(connection)
    engines.dispose()
    return store_url


def test_an_older_database_is_opened_and_says_what_it_said(older: str) -> None:
    store = Store.open(older)
    try:
        assert store.read_now(lambda tx: compare_metadata(MigrationContext.configure(tx), t.metadata)) == []
        ann, bob, eve = store.read_now(lambda tx: [people.by_name(tx, name) for name in ("ann", "bob", "eve")])
        assert ann is not None
        assert bob is not None
        assert eve is not None
        assert [user.role for user in (ann, bob, eve)] == ["administrator", "user", "user"]
        assert (ann.quota, bob.quota) == (Amounts(), Amounts())
        pool = store.read_now(lambda tx: pools.find(tx, "desk"))
        assert pool is not None
        assert (pool.version, pool.policy, pool.profile) == (3, Policy(), Profile())
        assert (pool.kind, pool.assignment, pool.at_sign_out) == ("floating", "first-use", "destroy")
        assert (pool.grace_s, pool.longest_s, pool.idle_s, pool.max_sessions) == (0, 0, 0, 0)
        assert pool.keep_deleted_s == 7 * 86400
        first = store.read_now(lambda tx: desktops.find(tx, "desk-1"))
        assert first is not None
        assert (first.power, first.restart, first.assigned_user_id) == (Power.RUNNING, False, "u2")
        assert (first.kept_until, first.kept_for) == (None, None)
        [host] = store.read_now(hosts.brief)
        assert (host.id, host.maintenance, host.labels) == ("h1", False, {})
        assert (pool.host_labels, pool.placement, pool.apart_by) == ({}, "spread", "")
        (session,) = store.read_now(sessions.open_ones)
        assert (session.id, session.user_id, session.desktop_id, session.warned_at) == ("s1", "u2", "d1", None)
    finally:
        store.close()


def test_who_could_use_a_pool_still_can_and_a_group_may_be_added(older: str) -> None:
    def may(tx: sa.Connection) -> list[str]:
        return [id for id in ("u1", "u2", "u3") if entitlements.entitled(tx, pool_id="p1", user_id=id)]

    def add_a_group(tx: sa.Connection) -> None:
        groups.insert(tx, id="g1", name="class", label="Class", now=NOW)
        groups.join(tx, group_id="g1", user_id="u3", source="local", now=NOW)
        entitlements.grant_group(tx, pool_id="p1", group_id="g1", now=NOW)

    store = Store.open(older)
    try:
        assert store.read_now(may) == ["u2"]
        exempt = ["administrator"]
        assert store.read_now(lambda tx: sessions.not_entitled(tx, exempt=exempt)) == []
        store.write_now(add_a_group)
        assert store.read_now(may) == ["u2", "u3"]
    finally:
        store.close()


def test_an_older_version_goes_on_writing_beside_this_one(store: Store) -> None:
    """It names no column that it does not know, and takes no wish of this version away."""
    store.write_now(fill_older)
    [host] = store.read_now(hosts.brief)
    pool = store.read_now(lambda tx: pools.find(tx, "desk"))
    assert pool is not None
    assert (host.labels, pool.host_labels, pool.placement, pool.apart_by) == ({}, {}, "spread", "")
    wishes = {"host_labels": {"room": "3"}, "placement": "pack", "apart_by": "rack"}
    assert store.write_now(lambda tx: pools.change(tx, "p1", if_version=3, now=NOW, values=wishes))
    store.write_now(lambda tx: tx.execute(t.pools.update().values(spares=4, version=5)))
    changed = store.read_now(lambda tx: pools.find(tx, "desk"))
    assert changed is not None
    assert (changed.spares, changed.host_labels, changed.apart_by) == (4, {"room": "3"}, "rack")


def test_an_upgrade_that_fails_leaves_the_older_database_as_it_was(older: str) -> None:
    engines = engine.make(older)
    with engines.write.begin() as connection:
        # What the upgrade makes is there already, so that its last step fails.
        made = Operations(MigrationContext.configure(connection))
        made.add_column("desktops", sa.Column("kept_for", sa.Integer()))
    with pytest.raises(Exception, match="kept_for"):
        Store.open(older)
    with engines.write.begin() as connection:
        assert MigrationContext.configure(connection).get_current_revision() == BEFORE_GROUPS
        assert "groups" not in sa.inspect(connection).get_table_names()
        assert "kind" not in {column["name"] for column in sa.inspect(connection).get_columns("pools")}
    engines.dispose()
