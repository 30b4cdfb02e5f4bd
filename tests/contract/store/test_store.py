"""What the rest of the controller relies on, on each database."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.exc import IntegrityError

from frazil.controller.planning.placement import Chosen
from frazil.controller.planning.scores import Apart, score
from frazil.controller.store import (
    Store,
    desktops,
    entitlements,
    events,
    groups,
    history,
    hosts,
    images,
    logins,
    meta,
    migrate,
    observations,
    operations,
    people,
    placements,
    policies,
    pools,
    sessions,
)
from frazil.controller.store import tables as t
from frazil.controller.store.rows import (
    DesktopRow,
    GroupRow,
    ImageRow,
    ImageSeenRow,
    NewDesktop,
    PlacementRow,
    PoolRow,
    SeenRow,
    SessionRow,
)
from frazil.model.desktop import Epoch, Failure, Guest, Phase, Power, State
from frazil.model.errors import InvalidInput
from frazil.model.policy import ClipboardType, Policy
from frazil.model.quota import Amounts
from frazil.wire.hostlink import Capabilities, Headroom, HostLoad, Profile, Stray

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)


def _fill(tx: sa.Connection) -> None:
    """A user, a host, an image, a pool, a desktop."""
    people.insert(tx, id="u1", name="ann", display_name="Ann", role="user", password_hash="x", now=NOW)
    hosts.hello(
        tx,
        id="h1",
        name="here",
        version="1",
        capabilities=Capabilities(kvm=True, spice=True, vcpus=1, memory_mib=1, qemu="", libvirt=""),
        now=NOW,
    )
    images.insert(
        tx,
        ImageRow(
            id="i1",
            name="debian",
            version=1,
            recipe="r",
            upload=None,
            upload_format=None,
            os="",
            wanted="present",
            attempt=1,
            created_at=NOW,
        ),
    )
    pools.insert(tx, _pool())
    _desktop(tx, "d1")


def _pool() -> PoolRow:
    return PoolRow(
        id="p1",
        name="desk",
        label="Desk",
        image_id="i1",
        profile=Profile(),
        spares=1,
        max_desktops=5,
        start_deadline_s=60,
        version=1,
        deleting=False,
        created_at=NOW,
        changed_at=NOW,
    )


def _desktop(tx: sa.Connection, id: str) -> None:
    new = NewDesktop(id=id, disk_id=f"disk-{id}", name=f"desk-{id}", pool=_pool())
    desktops.insert(tx, [new], generation=1, now=NOW)


def _seen(**changes: object) -> SeenRow:
    values: dict[str, object] = {
        "desktop_id": "d1",
        "state": State.RUNNING,
        "guest": Guest.READY,
        "epoch": Epoch(1, 1),
        "attempt": 1,
        "failure": None,
        "step": "",
        "started_at": NOW,
        "observed_at": NOW,
        "source": "host h1",
    }
    return SeenRow(**{**values, **changes})  # type: ignore[arg-type]


def _row(store: Store, id: str = "d1") -> DesktopRow:
    row = store.read_now(lambda tx: desktops.find(tx, id))
    assert row is not None
    return row


def test_the_migrations_make_the_tables_and_opening_again_changes_nothing(store: Store, store_url: str) -> None:
    assert store.read_now(lambda tx: compare_metadata(MigrationContext.configure(tx), t.metadata)) == []
    again = Store.open(store_url)
    assert again.read_now(meta.restore_generation) == 1
    again.close()


def test_every_row_names_its_tenant() -> None:
    for table in t.metadata.sorted_tables:
        assert table.name == "meta" or "tenant_id" in table.c


def test_a_transaction_that_raises_leaves_nothing(store: Store) -> None:
    def broken(tx: sa.Connection) -> None:
        _fill(tx)
        raise InvalidInput("No.")

    with pytest.raises(InvalidInput):
        store.write_now(broken)
    assert store.read_now(lambda tx: people.by_name(tx, "ann")) is None


def test_all_that_a_reading_transaction_reads_is_of_one_moment(store: Store) -> None:
    """A pool whose image was made between two of a look's queries ended the controller, on PostgreSQL."""

    def counted(tx: sa.Connection) -> int:
        return int(tx.execute(sa.select(sa.func.count()).select_from(t.hosts)).scalar_one())

    def twice(tx: sa.Connection) -> tuple[int, int]:
        before = counted(tx)
        store.write_now(_fill)
        return before, counted(tx)

    assert store.read_now(twice) == (0, 0)
    assert store.read_now(counted) == 1


def test_times_come_back_aware_and_in_utc(store: Store) -> None:
    store.write_now(_fill)
    user = store.read_now(lambda tx: people.find(tx, "ann"))
    assert user is not None
    assert user.created_at == NOW
    assert user.created_at.tzinfo is UTC


def test_foreign_keys_hold(store: Store) -> None:
    store.write_now(_fill)
    with pytest.raises(IntegrityError):
        store.write_now(lambda tx: tx.execute(t.images.delete()))
    with pytest.raises(IntegrityError):
        store.write_now(lambda tx: tx.execute(t.pools.update().values(image_id="nothing")))


def test_a_desktop_is_given_once_and_placed_once(store: Store) -> None:
    store.write_now(_fill)
    free = _row(store)
    given = store.write_now(lambda tx: desktops.give(tx, free, user_id="u1"))
    assert given == _row(store)
    assert given.assigned_user_id == "u1"
    assert store.write_now(lambda tx: desktops.give(tx, free, user_id="u1")) is None
    assert store.write_now(lambda tx: desktops.place(tx, "d1", host_id="h1"))
    assert not store.write_now(lambda tx: desktops.place(tx, "d1", host_id="h1"))
    assert _row(store).epoch == Epoch(1, 1)


def test_a_desktop_is_given_as_it_was_looked_at_or_not_at_all(store: Store) -> None:
    store.write_now(_fill)
    looked_at = _row(store)
    store.write_now(lambda tx: desktops.fail(tx, "d1", attempt=1, failure=Failure("host-error", "x"), now=NOW))
    assert store.write_now(lambda tx: desktops.give(tx, looked_at, user_id="u1")) is None, "it has failed meanwhile"
    store.write_now(lambda tx: desktops.retry(tx, "d1", now=NOW))
    assert store.write_now(lambda tx: desktops.give(tx, looked_at, user_id="u1")) is None, "another attempt"
    looked_at = _row(store)
    store.write_now(lambda tx: desktops.want(tx, "d1", power=Power.PAUSED, graceful=False, now=NOW))
    assert store.write_now(lambda tx: desktops.give(tx, looked_at, user_id="u1")) is None, "wanted otherwise"
    looked_at = _row(store)
    assert store.write_now(lambda tx: desktops.place(tx, "d1", host_id="h1"))
    assert store.write_now(lambda tx: desktops.give(tx, looked_at, user_id="u1")) is None, "placed meanwhile"
    assert _row(store).assigned_user_id is None


def test_why_a_desktops_host_was_chosen_is_kept_until_another_is_or_the_desktop_goes(store: Store) -> None:
    store.write_now(_fill)
    assert store.read_now(lambda tx: placements.find(tx, "d1")) is None
    first, second = (
        Chosen("h1", score(has_template=has, left_mib=900, roomiest_mib=1000, busy=0.1, together=2), able=3, of_hosts=5)
        for has in (None, True)
    )
    store.write_now(lambda tx: placements.keep(tx, {"d1": first}, now=NOW))
    found = store.read_now(lambda tx: placements.find(tx, "d1"))
    assert found == PlacementRow("h1", NOW, 3, 5, first.score)
    later = NOW + timedelta(seconds=1)
    apart = Apart("rack", "b", 2)
    store.write_now(lambda tx: placements.keep(tx, {"d1": replace(second, apart=apart)}, now=later))
    assert store.read_now(lambda tx: placements.find(tx, "d1")) == PlacementRow("h1", later, 3, 5, second.score, apart)
    older = {name: value for name, value in asdict(second.score).items() if name != "pack"}
    store.write_now(lambda tx: tx.execute(t.placements.update().values(score=older)))
    assert store.read_now(lambda tx: placements.find(tx, "d1")) == PlacementRow("h1", later, 3, 5, second.score)
    store.write_now(lambda tx: desktops.want_absent(tx, "d1", now=NOW))
    assert store.write_now(lambda tx: desktops.delete(tx, "d1"))
    assert store.read_now(lambda tx: tx.execute(t.placements.select()).all()) == []


def test_a_host_is_in_maintenance_until_that_is_ended_whatever_it_says_of_itself(store: Store) -> None:
    store.write_now(_fill)
    assert store.read_now(hosts.in_maintenance) == frozenset()
    assert store.write_now(lambda tx: hosts.maintain(tx, "h1", maintenance=True))
    assert not store.write_now(lambda tx: hosts.maintain(tx, "h1", maintenance=True))
    capabilities = Capabilities(kvm=True, spice=True, vcpus=1, memory_mib=1, qemu="", libvirt="")
    store.write_now(lambda tx: hosts.hello(tx, id="h1", name="h", version="2", capabilities=capabilities, now=NOW))
    assert store.read_now(hosts.in_maintenance) == {"h1"}
    assert [row.maintenance for row in store.read_now(hosts.listed)] == [True]
    assert store.write_now(lambda tx: hosts.maintain(tx, "h1", maintenance=False))
    assert not store.write_now(lambda tx: hosts.maintain(tx, "nothing", maintenance=True))
    assert store.read_now(hosts.in_maintenance) == frozenset()


def test_a_hosts_labels_are_changed_by_who_looked_at_them_and_it_says_nothing_of_them_itself(store: Store) -> None:
    store.write_now(_fill)

    def label(labels: dict[str, str], if_revision: int) -> bool:
        return store.write_now(lambda tx: hosts.label(tx, "h1", labels, if_revision=if_revision))

    def found() -> tuple[dict[str, str], int]:
        row = store.read_now(lambda tx: hosts.find(tx, "h1"))
        assert row is not None
        return row.labels, row.revision

    assert found() == ({}, 1)
    assert label({"room": "3"}, 1)
    assert not label({"room": "4"}, 1)
    capabilities = Capabilities(kvm=True, spice=True, vcpus=1, memory_mib=1, qemu="", libvirt="")
    store.write_now(lambda tx: hosts.hello(tx, id="h1", name="h", version="2", capabilities=capabilities, now=NOW))
    assert found() == ({"room": "3"}, 2)
    assert [row.labels for row in store.read_now(hosts.brief)] == [{"room": "3"}]
    assert label({}, 2)
    assert found() == ({}, 3)


def test_a_pool_is_closed_by_maintenance_and_by_the_labels_that_a_host_has_not(store: Store) -> None:
    store.write_now(_fill)
    odd, quoted = "a.b-c_d", "1.5"
    store.write_now(lambda tx: hosts.label(tx, "h1", {odd: quoted, "room": "3"}, if_revision=1))

    def closed(**labels: str) -> bool:
        return "h1" in store.read_now(lambda tx: hosts.closed(tx, labels))

    assert not closed()
    assert not closed(room="3", **{odd: quoted})
    assert closed(room="4")
    assert closed(room="3", rack="a")
    assert closed(**{odd: "1"})
    assert store.read_now(lambda tx: hosts.labels(tx, ["h1", "h2"])) == {"h1": {odd: quoted, "room": "3"}}
    store.write_now(lambda tx: hosts.maintain(tx, "h1", maintenance=True))
    assert closed()
    assert closed(room="3")


def test_a_pools_wishes_for_hosts_are_kept(store: Store) -> None:
    store.write_now(_fill)
    found = store.read_now(lambda tx: pools.find(tx, "p1"))
    assert found is not None
    assert (found.host_labels, found.placement, found.apart_by) == ({}, "spread", "")
    wishes: dict[str, object] = {"host_labels": {"room": "3"}, "placement": "pack", "apart_by": "rack"}
    assert store.write_now(lambda tx: pools.change(tx, "p1", if_version=1, now=NOW, values=wishes))
    assert store.read_now(lambda tx: pools.find(tx, "p1")) == replace(found, **wishes, version=2)  # type: ignore[arg-type]
    other = replace(found, id="p2", name="other", host_labels={"room": "4"})
    store.write_now(lambda tx: pools.insert(tx, other))
    assert store.read_now(lambda tx: pools.find(tx, "p2")) == other


def test_newer_observations_replace_older_ones_only(store: Store) -> None:
    store.write_now(_fill)

    def saw(seen: SeenRow, host_id: str = "h1") -> bool:
        return store.write_now(lambda tx: observations.saw_all(tx, [(host_id, seen)], now=NOW)) == {seen.desktop_id}

    assert not saw(_seen())  # it is placed nowhere yet
    store.write_now(lambda tx: desktops.place(tx, "d1", host_id="h1"))
    assert saw(_seen(failure=Failure("a", "b", "c")))
    assert not saw(_seen(failure=Failure("a", "b", "c")))  # it says nothing new
    found = _row(store).fresh_seen
    assert found is not None
    assert found.failure == Failure("a", "b", "c")
    assert saw(_seen(attempt=2, state=State.STOPPED))
    for older in (_seen(), _seen(epoch=Epoch(1, 0), attempt=9), _seen(epoch=Epoch(0, 9))):
        assert not saw(older)
    assert not saw(_seen(attempt=3), "h2")
    assert not saw(_seen(desktop_id="nothing"))
    assert _row(store).fresh_seen is None  # attempt 2 was seen, attempt 1 is wanted


def test_absent_is_wanted_as_a_new_attempt_and_never_taken_back(store: Store) -> None:
    store.write_now(_fill)
    later = NOW + timedelta(seconds=5)
    assert not store.write_now(lambda tx: desktops.delete(tx, "d1"))
    assert store.write_now(lambda tx: desktops.want_absent(tx, "d1", now=later))
    assert not store.write_now(lambda tx: desktops.want_absent(tx, "d1", now=later))
    store.write_now(lambda tx: desktops.want(tx, "d1", power=Power.RUNNING, graceful=False, now=later))
    store.write_now(lambda tx: desktops.retry(tx, "d1", now=later))
    row = _row(store)
    assert (row.power, row.attempt, row.wanted_since) == (Power.ABSENT, 2, later)
    assert store.write_now(lambda tx: desktops.give(tx, row, user_id="u1")) is None
    assert store.write_now(lambda tx: desktops.delete(tx, "d1"))
    assert store.read_now(lambda tx: tx.execute(t.disks.select()).all()) == []


def test_a_failure_belongs_to_its_attempt_and_a_retry_forgets_it(store: Store) -> None:
    store.write_now(_fill)
    failure = Failure("x", "It failed.")
    assert not store.write_now(lambda tx: desktops.fail(tx, "d1", attempt=7, failure=failure, now=NOW))
    assert store.write_now(lambda tx: desktops.fail(tx, "d1", attempt=1, failure=failure, now=NOW))
    assert not store.write_now(lambda tx: desktops.fail(tx, "d1", attempt=1, failure=failure, now=NOW))
    assert _row(store).failure == failure
    store.write_now(lambda tx: desktops.retry(tx, "d1", now=NOW))
    row = _row(store)
    assert (row.failure, row.failed_at, row.attempt) == (None, None, 2)
    store.write_now(lambda tx: desktops.announce(tx, ["d1"], phase=Phase.READY, measured=True, clock_from=None))
    assert _row(store).measured_attempt == 2


def test_one_open_session_a_pool_and_a_desktop(store: Store) -> None:
    store.write_now(_fill)

    def insert(id: str) -> None:
        store.write_now(
            lambda tx: sessions.insert(
                tx, id=id, user_id="u1", pool_id="p1", desktop_id="d1", now=NOW, remote_address=None
            )
        )

    insert("s1")
    with pytest.raises(IntegrityError):
        insert("s2")
    assert store.write_now(lambda tx: sessions.end(tx, "s1", reason="Done.", now=NOW))
    assert not store.write_now(lambda tx: sessions.end(tx, "s1", reason="Done.", now=NOW))
    insert("s2")
    assert [row.id for row in store.read_now(lambda tx: sessions.open_ones(tx, user_id="u1"))] == ["s2"]
    assert [row.id for row in store.read_now(lambda tx: sessions.ended_since(tx, NOW))] == ["s1"]


def test_a_session_is_warned_once_until_its_pools_rule_changes(store: Store) -> None:
    later = NOW + timedelta(hours=1)

    def row() -> SessionRow:
        found = store.read_now(lambda tx: sessions.find(tx, "s1"))
        assert found is not None
        return found

    def open_one(tx: sa.Connection) -> None:
        _fill(tx)
        sessions.insert(tx, id="s1", user_id="u1", pool_id="p1", desktop_id="d1", now=NOW, remote_address=None)

    store.write_now(open_one)
    assert row().warned_at is None
    assert store.write_now(lambda tx: sessions.warn(tx, "s1", now=later))
    assert not store.write_now(lambda tx: sessions.warn(tx, "s1", now=later))
    assert row().warned_at == later
    store.write_now(lambda tx: sessions.unwarn(tx, "p2"))
    assert row().warned_at == later
    store.write_now(lambda tx: sessions.unwarn(tx, "p1"))
    assert row().warned_at is None
    store.write_now(lambda tx: sessions.restart_clocks(tx, now=later))
    assert row().disconnected_at == later
    store.write_now(lambda tx: sessions.set_connected(tx, "s1", connected=True, remote_address="", now=later))
    store.write_now(lambda tx: sessions.restart_clocks(tx, now=later + timedelta(hours=1)))
    assert row().disconnected_at == later
    assert store.write_now(lambda tx: sessions.end(tx, "s1", reason="", now=later))
    assert not store.write_now(lambda tx: sessions.warn(tx, "s1", now=later))


async def test_of_many_redeemers_one_wins(store: Store) -> None:
    def prepare(tx: sa.Connection) -> None:
        _fill(tx)
        sessions.insert(tx, id="s1", user_id="u1", pool_id="p1", desktop_id="d1", now=NOW, remote_address=None)
        sessions.insert_ticket(tx, secret_hash="h", session_id="s1", now=NOW, expires_at=NOW + timedelta(minutes=1))

    await store.write(prepare)

    def redeem(tx: sa.Connection) -> bool:
        return sessions.redeem(tx, secret_hash="h", session_id="s1", now=NOW, remote_address="a")

    won = await asyncio.gather(*(store.write(redeem) for _ in range(30)))
    assert won.count(True) == 1


def test_tickets_are_forgotten_when_they_are_too_old(store: Store) -> None:
    def prepare(tx: sa.Connection) -> None:
        _fill(tx)
        sessions.insert(tx, id="s1", user_id="u1", pool_id="p1", desktop_id="d1", now=NOW, remote_address=None)
        for minutes, secret_hash in ((1, "old"), (2, "new")):
            expires_at = NOW + timedelta(minutes=minutes)
            sessions.insert_ticket(tx, secret_hash=secret_hash, session_id="s1", now=NOW, expires_at=expires_at)

    store.write_now(prepare)
    store.write_now(lambda tx: sessions.forget_tickets(tx, now=NOW + timedelta(seconds=90)))
    assert list(store.read_now(lambda tx: tx.execute(sa.select(t.tickets.c.secret_hash)).scalars())) == ["new"]


def test_a_pool_keeps_its_memory_to_itself(store: Store) -> None:
    store.write_now(_fill)

    def shared() -> bool:
        found = store.read_now(lambda tx: pools.find(tx, "p1"))
        assert found is not None
        return found.share_memory

    assert shared()
    change: dict[str, object] = {"share_memory": False}
    store.write_now(lambda tx: pools.change(tx, "p1", if_version=1, now=NOW, values=change))
    assert not shared()


def test_pools_are_floating_until_they_are_said_to_be_otherwise(store: Store) -> None:
    def kind() -> tuple[str, str, str, bool]:
        found = store.read_now(lambda tx: pools.find(tx, "p1"))
        assert found is not None
        return found.kind, found.assignment, found.at_sign_out, found.keeps_disks

    def older_controller(tx: sa.Connection) -> None:
        tx.execute(t.pools.insert().values({column: row[column] for column in row if column not in added}))

    store.write_now(_fill)
    added = {"kind", "assignment", "at_sign_out", "grace_s", "longest_s", "idle_s"}
    row = store.read_now(lambda tx: dict(tx.execute(sa.select(t.pools)).mappings().one()))
    row |= {"id": "p2", "name": "old"}
    store.write_now(older_controller)
    old = store.read_now(lambda tx: pools.find(tx, "old"))
    assert old is not None
    assert (old.kind, old.assignment, old.at_sign_out) == ("floating", "first-use", "destroy")
    assert (old.grace_s, old.longest_s, old.idle_s) == (0, 0, 0)
    assert kind() == ("floating", "first-use", "destroy", False)
    values = {"kind": "persistent", "assignment": "administrator", "at_sign_out": "keep"}
    assert store.write_now(lambda tx: pools.change(tx, "p1", if_version=1, now=NOW, values=values))
    assert kind() == ("persistent", "administrator", "keep", True)


def test_the_desktop_that_stays_a_users_is_found(store: Store) -> None:
    def own() -> str | None:
        found = store.read_now(lambda tx: desktops.of_user(tx, pool_id="p1", user_id="u1"))
        return found.id if found is not None else None

    store.write_now(_fill)
    assert own() is None
    free = _row(store)
    assert store.write_now(lambda tx: desktops.give(tx, free, user_id="u1"))
    assert own() == "d1"
    store.write_now(lambda tx: desktops.want(tx, "d1", power=Power.STOPPED, graceful=True, restart=True, now=NOW))
    assert own() == "d1"
    assert _row(store).restart
    store.write_now(lambda tx: desktops.want(tx, "d1", power=Power.RUNNING, graceful=False, now=NOW))
    assert not _row(store).restart
    store.write_now(lambda tx: desktops.want_absent(tx, "d1", now=NOW))
    assert own() is None


def test_what_pool_and_user_both_allow_is_read_with_the_session(store: Store) -> None:
    picky = Policy(clipboard_types=frozenset({ClipboardType.TEXT}), usb_filters=("8,-1,-1,-1,0",), sound=False)

    def work(tx: sa.Connection) -> None:
        _fill(tx)
        sessions.insert(tx, id="s1", user_id="u1", pool_id="p1", desktop_id="d1", now=NOW, remote_address=None)

    store.write_now(work)
    hour = timedelta(hours=1)
    allowed = store.read_now(lambda tx: policies.of_session(tx, "s1"))
    assert allowed is not None
    assert (allowed.policy, allowed.version) == (Policy(), 2)
    # What a controller of before wrote has no policy: it forbids nothing.
    assert store.read_now(lambda tx: tx.execute(sa.select(t.pools.c.policy)).scalar_one()) is None
    assert store.read_now(lambda tx: tx.execute(sa.select(t.users.c.policy)).scalar_one()) is None
    assert store.read_now(lambda tx: policies.changed_since(tx, NOW + hour)) == []

    assert store.write_now(
        lambda tx: people.change(tx, "u1", policy=picky, quota=Amounts(), role="helpdesk", if_version=1, now=NOW + hour)
    )
    assert not store.write_now(
        lambda tx: people.change(tx, "u1", policy=Policy(), quota=Amounts(), role="user", if_version=1, now=NOW + hour)
    )
    user = store.read_now(lambda tx: people.find(tx, "ann"))
    assert user is not None
    assert (user.policy, user.role, user.version) == (picky, "helpdesk", 2)
    usb = {"policy": policies.to_column(Policy(usb=False))}
    assert store.write_now(lambda tx: pools.change(tx, "p1", if_version=1, now=NOW + hour, values=usb))
    pool = store.read_now(lambda tx: pools.find(tx, "p1"))
    assert pool is not None
    assert pool.policy == Policy(usb=False)
    [changed] = store.read_now(lambda tx: policies.changed_since(tx, NOW + hour))
    assert (changed.session_id, changed.version) == ("s1", 4)
    assert changed.policy == pool.policy.narrowed(picky)
    assert store.read_now(lambda tx: policies.changed_since(tx, NOW + 2 * hour)) == []

    assert store.write_now(lambda tx: sessions.end(tx, "s1", reason="", now=NOW + hour))
    assert store.read_now(lambda tx: policies.of_session(tx, "s1")) is None
    assert store.read_now(lambda tx: policies.changed_since(tx, NOW)) == []


def test_who_is_entitled_is_so_by_themselves_or_by_a_group(store: Store) -> None:
    def fill(tx: sa.Connection) -> None:
        _fill(tx)
        people.insert(tx, id="u2", name="bob", display_name="Bob", role="user", password_hash="x", now=NOW)
        groups.insert(tx, id="g1", name="class", label="Class", now=NOW)
        sessions.insert(tx, id="s1", user_id="u1", pool_id="p1", desktop_id="d1", now=NOW, remote_address=None)

    def may(user_id: str) -> bool:
        by_one = store.read_now(lambda tx: entitlements.entitled(tx, pool_id="p1", user_id=user_id))
        assert by_one == bool(store.read_now(lambda tx: pools.listed(tx, for_user=user_id)))
        return by_one

    def lost() -> list[str]:
        return [row.id for row in store.read_now(lambda tx: sessions.not_entitled(tx, exempt=("administrator",)))]

    def listed(**of: str) -> list[tuple[str, str]]:
        asked = {"pool_id": None, "user_id": None, "group_id": None, **of}
        rows = store.read_now(lambda tx: entitlements.listed(tx, **asked, after=None, limit=9))
        return [(row.kind, row.subject_name) for row in rows]

    store.write_now(fill)
    assert not may("u1")
    assert lost() == ["s1"]
    assert store.write_now(lambda tx: groups.join(tx, group_id="g1", user_id="u1", now=NOW))
    assert not store.write_now(lambda tx: groups.join(tx, group_id="g1", user_id="u1", now=NOW))
    assert not may("u1")
    assert store.write_now(lambda tx: entitlements.grant_group(tx, pool_id="p1", group_id="g1", now=NOW))
    assert not store.write_now(lambda tx: entitlements.grant_group(tx, pool_id="p1", group_id="g1", now=NOW))
    assert (may("u1"), may("u2")) == (True, False)
    assert lost() == []
    assert store.write_now(lambda tx: entitlements.grant(tx, pool_id="p1", user_id="u1", now=NOW))
    assert not store.write_now(lambda tx: entitlements.grant(tx, pool_id="p1", user_id="u1", now=NOW))
    assert store.write_now(lambda tx: entitlements.grant(tx, pool_id="p1", user_id="u2", now=NOW))
    assert listed() == listed(pool_id="p1") == [("group", "class"), ("user", "ann"), ("user", "bob")]
    assert listed(user_id="u1") == [("group", "class"), ("user", "ann")]
    assert listed(user_id="u2") == [("user", "bob")]
    assert listed(group_id="g1") == [("group", "class")]
    after = ("p1", "user", "u1")
    rest = store.read_now(
        lambda tx: entitlements.listed(tx, pool_id=None, user_id=None, group_id=None, after=after, limit=9)
    )
    assert [row.subject_name for row in rest] == ["bob"]

    assert store.write_now(lambda tx: entitlements.revoke(tx, pool_id="p1", user_id="u1"))
    assert may("u1"), "the group still may"
    assert [(row.name, row.members) for row in store.read_now(lambda tx: _groups_of(tx, "u1"))] == [("class", 1)]
    assert store.read_now(lambda tx: _groups_of(tx, "u2")) == []
    [member] = store.read_now(lambda tx: groups.members(tx, "g1", after=None, limit=9))
    assert (member.user_name, member.source) == ("ann", "local")
    assert store.write_now(lambda tx: groups.leave(tx, group_id="g1", user_id="u1"))
    assert not store.write_now(lambda tx: groups.leave(tx, group_id="g1", user_id="u1"))
    assert not may("u1")
    assert lost() == ["s1"]
    assert store.read_now(lambda tx: sessions.not_entitled(tx, user_id="u2", exempt=())) == []
    assert store.read_now(lambda tx: sessions.not_entitled(tx, pool_ids=["p2"], exempt=())) == []
    assert store.read_now(lambda tx: sessions.not_entitled(tx, exempt=("user",))) == []


def _groups_of(tx: sa.Connection, user_id: str) -> list[GroupRow]:
    return groups.listed(tx, user_id=user_id, after=None, limit=9)


def test_a_group_that_goes_takes_its_members_and_what_it_may_use_along(store: Store) -> None:
    def fill(tx: sa.Connection) -> None:
        _fill(tx)
        for id in ("g1", "g2"):
            groups.insert(tx, id=id, name=id, label=id, now=NOW)
            groups.join(tx, group_id=id, user_id="u1", now=NOW)
            entitlements.grant_group(tx, pool_id="p1", group_id=id, now=NOW)

    store.write_now(fill)
    with pytest.raises(IntegrityError):
        store.write_now(lambda tx: groups.insert(tx, id="g3", name="g1", label="", now=NOW))
    assert store.write_now(lambda tx: groups.change(tx, "g1", label="New", quota=Amounts(sessions=3), if_version=1))
    assert not store.write_now(lambda tx: groups.change(tx, "g1", label="Old", quota=Amounts(), if_version=1))
    assert store.read_now(lambda tx: entitlements.pools_of_group(tx, "g1")) == ["p1"]
    store.write_now(lambda tx: groups.delete(tx, "g1"))
    assert store.read_now(lambda tx: groups.find(tx, "g1")) is None
    assert [row.id for row in store.read_now(lambda tx: _groups_of(tx, "u1"))] == ["g2"]
    assert store.read_now(lambda tx: entitlements.pools_of_group(tx, "g1")) == []
    store.write_now(lambda tx: people.delete(tx, "u1"))
    assert store.read_now(lambda tx: groups.members(tx, "g2", after=None, limit=9)) == []


def test_names_and_numbers_are_given_once(store: Store) -> None:
    store.write_now(_fill)
    with pytest.raises(IntegrityError):
        store.write_now(lambda tx: _insert_again(tx))
    taken = [list(store.write_now(lambda tx, n=count: pools.take_numbers(tx, "p1", n))) for count in (1, 3, 1)]  # type: ignore[misc]
    assert taken == [[1], [2, 3, 4], [5]]
    blocks = [store.write_now(lambda tx: hosts.take_generations(tx, "h1")) for _ in range(3)]
    assert [n for block in blocks for n in block] == list(range(1001, 4001)), "the host's hello took the first block"
    assert store.write_now(meta.raise_restore_generation) == 2
    assert store.write_now(meta.raise_restore_generation) == 3
    assert store.read_now(lambda tx: images.next_version(tx, "debian")) == 2


def _insert_again(tx: sa.Connection) -> None:
    people.insert(tx, id="u2", name="ann", display_name="Ann", role="user", password_hash="x", now=NOW)


def test_what_is_kept_in_full_is_replaced_in_full(store: Store) -> None:
    store.write_now(_fill)
    for names in (["a", "b"], ["b", "b"], []):
        strays = [Stray(kind="disk", name=name) for name in names]
        store.write_now(lambda tx, strays=strays: hosts.set_strays(tx, "h1", strays))  # type: ignore[misc]
        kept = [row.name for row in store.read_now(hosts.strays_listed)]
        assert kept == sorted(set(names))
    headroom = Headroom(memory_mib=5, disk_mib=6, desktops=7, counted=["d1"])
    load = HostLoad(memory_available_mib=1, disk_free_mib=2, load1=0.5, headroom=headroom)
    store.write_now(lambda tx: hosts.heard(tx, {"h1": load}, at=NOW))
    store.write_now(lambda tx: hosts.heard(tx, {"h1": None}, at=NOW))
    [host] = store.read_now(hosts.listed)
    assert host.load == load
    for seconds in range(30):
        store.write_now(lambda tx, s=float(seconds): pools.add_starts(tx, pool_id="p1", seconds=[s], now=NOW))  # type: ignore[misc]
    assert sorted(store.read_now(lambda tx: pools.start_seconds(tx, ["p1"]))["p1"]) == [float(n) for n in range(10, 30)]


def test_images_are_seen_by_attempt(store: Store) -> None:
    store.write_now(_fill)

    def seen(attempt: int, state: str) -> bool:
        row = ImageSeenRow(
            image_id="i1",
            host_id="h1",
            attempt=attempt,
            state=state,
            step="",
            fraction=0.5,
            eta_s=None,
            failure=None,
            sha256=None,
            virtual_size_bytes=1 << 40,
            size_bytes=1 << 33,
            os="",
            observed_at=NOW,
        )
        return store.write_now(lambda tx: images.saw_all(tx, [row]))

    assert seen(2, "ready")
    assert not seen(1, "failed")
    assert not seen(2, "ready")
    [kept] = store.read_now(images.seen)["i1"]
    assert (kept.state, kept.size_bytes) == ("ready", 1 << 33)


def test_events_are_numbered_and_read_from_both_ends(store: Store) -> None:
    for n in range(5):
        store.write_now(lambda tx, n=n: events.insert(tx, id=f"e{n}", at=NOW, kind="k", text=str(n), outcome="seen"))  # type: ignore[misc]
    newest = store.read_now(lambda tx: events.newest_first(tx, limit=2))
    assert [row.id for row in newest] == ["e4", "e3"]
    older = store.read_now(lambda tx: events.newest_first(tx, before=newest[-1].seq, limit=2))
    assert [row.id for row in older] == ["e2", "e1"]
    seq = store.read_now(lambda tx: events.seq_of(tx, "e3"))
    assert seq is not None
    assert [row.id for row in store.read_now(lambda tx: events.after(tx, seq, limit=9))] == ["e4"]


def test_what_was_over_long_ago_is_forgotten_the_oldest_first(store: Store) -> None:
    long_ago, lately = NOW - timedelta(days=2), NOW - timedelta(hours=1)

    def fill(tx: sa.Connection) -> None:
        for n, at in enumerate((NOW, long_ago, long_ago - timedelta(days=1), lately)):
            events.insert(tx, id=f"e{n}", at=at, kind="k", text="", outcome="seen")
        for id, ended_at in (("ended", long_ago), ("lately", lately), ("open", None)):
            sessions.insert(
                tx, id=id, user_id=f"u-{id}", pool_id="p", desktop_id=f"d-{id}", now=long_ago, remote_address=None
            )
            operations.insert(tx, id=id, kind="k", target_id="i", attempt=1, now=long_ago)
            if ended_at is not None:
                sessions.end(tx, id, reason="", now=ended_at)
                operations.end(tx, id, failure=None, now=ended_at)

    def kept(tx: sa.Connection) -> list[set[str]]:
        return [set(tx.execute(sa.select(table.c.id)).scalars()) for table in (t.events, t.sessions, t.operations)]

    store.write_now(fill)
    before = NOW - timedelta(days=1)
    assert store.write_now(lambda tx: history.forget(tx, before=before, limit=1)) == 3
    assert store.read_now(kept) == [{"e0", "e1", "e3"}, {"lately", "open"}, {"lately", "open"}]
    assert store.write_now(lambda tx: history.forget(tx, before=before, limit=1)) == 1
    assert store.write_now(lambda tx: history.forget(tx, before=before, limit=1)) == 0
    assert store.read_now(kept) == [{"e0", "e3"}, {"lately", "open"}, {"lately", "open"}]


def test_throttles_and_set_up_tokens(store: Store) -> None:
    for failures in (1, 2):
        store.write_now(
            lambda tx, n=failures: logins.set_throttle(tx, "k", failures=n, blocked_until=NOW, last_failure=NOW)  # type: ignore[misc]
        )
    assert store.read_now(lambda tx: logins.throttle(tx, "k")) == (2, NOW, NOW)
    store.write_now(lambda tx: logins.replace_setup_token(tx, "a", now=NOW))
    store.write_now(lambda tx: logins.replace_setup_token(tx, "b", now=NOW))
    assert not store.write_now(lambda tx: logins.take_setup_token(tx, "a"))
    assert store.write_now(lambda tx: logins.take_setup_token(tx, "b"))
    assert not store.write_now(lambda tx: logins.take_setup_token(tx, "b"))


def test_the_migrations_are_one_chain() -> None:
    scripts = ScriptDirectory(str(migrate.MIGRATIONS))
    assert len(scripts.get_heads()) == 1
    assert [script.revision for script in scripts.walk_revisions()][-1] == "0001"


async def test_of_administrators_who_are_all_demoted_at_once_one_stays(store: Store) -> None:
    ids = [f"u{n}" for n in range(8)]

    def fill(tx: sa.Connection) -> None:
        for id in ids:
            people.insert(tx, id=id, name=id, display_name=id, role="administrator", password_hash="x", now=NOW)

    def demote(tx: sa.Connection, id: str) -> bool:
        if people.lock_administrators(tx) == {id}:
            return False
        return people.change(tx, id, policy=Policy(), quota=Amounts(), role="user", if_version=1, now=NOW)

    await store.write(fill)
    done = await asyncio.gather(*(store.write(partial(demote, id=id)) for id in ids))
    assert done.count(True) == len(ids) - 1
    assert store.read_now(people.administrators) == 1


def test_a_nul_is_found_nowhere_or_refused_in_words(store: Store) -> None:
    """SQLite keeps one in a text, PostgreSQL takes it for none; neither is an error that nobody knows."""
    if not store.shared:
        assert store.read_now(lambda tx: people.by_name(tx, "a\0b")) is None
        return
    with pytest.raises(InvalidInput, match="NUL"):
        store.read_now(lambda tx: people.by_name(tx, "a\0b"))
