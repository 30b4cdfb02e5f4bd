"""What is deleted and kept, on each database: it is restored or it goes, never both and never half."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
import sqlalchemy as sa

from frazil.controller.store import Store, desktops, images, people, pools
from frazil.controller.store.rows import DesktopRow, ImageRow, NewDesktop, PoolRow
from frazil.model.desktop import Failure, Power
from frazil.wire.hostlink import Profile

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(days=7)
IDS = [f"d{n}" for n in range(24)]


def _fill(tx: sa.Connection) -> None:
    """Ann, and desktops that are all hers."""
    people.insert(tx, id="u1", name="ann", display_name="Ann", role="user", password_hash="x", now=NOW)
    image = {"id": "i1", "name": "debian", "version": 1, "recipe": "r", "upload": None, "upload_format": None}
    images.insert(tx, ImageRow(**image, os="", wanted="present", attempt=1, created_at=NOW))  # type: ignore[arg-type]
    pool = PoolRow(
        id="p1",
        name="own",
        label="Own",
        image_id="i1",
        profile=Profile(),
        spares=0,
        max_desktops=50,
        start_deadline_s=60,
        kind="persistent",
        at_sign_out="keep",
        version=1,
        deleting=False,
        created_at=NOW,
        changed_at=NOW,
    )
    pools.insert(tx, pool)
    for id in IDS:
        own = NewDesktop(id=id, disk_id=f"disk-{id}", name=f"own-{id}", pool=pool, assigned_user_id="u1")
        desktops.insert(tx, [own], generation=1, now=NOW)


def _row(store: Store, id: str = "d0") -> DesktopRow:
    row = store.read_now(lambda tx: desktops.find(tx, id))
    assert row is not None
    return row


def _keep(tx: sa.Connection, id: str = "d0", *, failed: bool = False) -> None:
    desktops.keep(tx, id, until=LATER, whose="ann", failed=failed, now=NOW)


@pytest.fixture
def filled(store: Store) -> Store:
    store.write_now(_fill)
    return store


def test_what_is_kept_is_told_apart_and_nobodys_to_be_given(filled: Store) -> None:
    filled.write_now(_keep)
    kept = _row(filled)
    assert (kept.power, kept.graceful, kept.attempt) == (Power.STOPPED, True, 1)
    assert (kept.kept_until, kept.kept_for, kept.assigned_user_id) == (LATER, "ann", "u1")

    def names(deleted: bool | None) -> set[str]:
        return {row.id for row in filled.read_now(lambda tx: desktops.listed(tx, deleted=deleted))}

    assert (names(None), names(True), names(False)) == (set(IDS), {"d0"}, set(IDS) - {"d0"})
    of_user = filled.read_now(lambda tx: desktops.of_user(tx, pool_id="p1", user_id="u1"))
    assert of_user is not None
    assert of_user.id == "d1"
    filled.write_now(lambda tx: desktops.unassign(tx, "d0"))
    filled.write_now(lambda tx: desktops.unassign(tx, "d1"))
    assert _row(filled).assigned_user_id is None
    assert _row(filled, "d1").assigned_user_id == "u1", "only of what is deleted"
    kept = _row(filled)
    assert filled.write_now(lambda tx: desktops.give(tx, kept, user_id="u1")) is None
    filled.write_now(lambda tx: desktops.keep(tx, "d0", until=NOW, whose="eve", failed=False, now=NOW))
    assert _row(filled).kept_until == LATER, "once"


def test_a_failure_is_forgotten_in_a_new_attempt(filled: Store) -> None:
    filled.write_now(lambda tx: desktops.fail(tx, "d0", attempt=1, failure=Failure("host-error", "x"), now=NOW))
    filled.write_now(lambda tx: _keep(tx, failed=True))
    kept = _row(filled)
    assert (kept.failure, kept.failed_at, kept.attempt) == (None, None, 2)


def test_it_goes_when_its_time_is_over_and_not_before(filled: Store) -> None:
    filled.write_now(_keep)
    assert not filled.write_now(lambda tx: desktops.end_kept(tx, "d0", now=LATER - timedelta(seconds=1)))
    assert not filled.write_now(lambda tx: desktops.end_kept(tx, "d1", now=LATER))
    assert filled.write_now(lambda tx: desktops.end_kept(tx, "d0", now=LATER))
    gone = _row(filled)
    assert (gone.power, gone.kept_until, gone.kept_for, gone.attempt) == (Power.ABSENT, None, None, 2)
    assert not filled.write_now(lambda tx: desktops.restore(tx, "d0", user_id="u1", now=LATER))


def test_after_a_start_or_a_set_clock_it_is_kept_an_hour_at_least(filled: Store) -> None:
    filled.write_now(_keep)
    filled.write_now(lambda tx: desktops.restart_clocks(tx, now=NOW))
    assert _row(filled).kept_until == LATER
    late = LATER + timedelta(days=300)
    filled.write_now(lambda tx: desktops.restart_clocks(tx, now=late))
    assert _row(filled).kept_until == late + timedelta(hours=1)
    assert _row(filled, "d1").kept_until is None


async def test_of_restoring_and_ending_at_once_just_one_is_done(filled: Store) -> None:
    for id in IDS:
        filled.write_now(partial(_keep, id=id))
    calls = [
        call
        for n, id in enumerate(IDS)
        for call in (
            partial(desktops.restore, desktop_id=id, user_id="u1", now=LATER),
            partial(desktops.end_kept, desktop_id=id, now=LATER),
        )[:: 1 if n % 2 else -1]
    ]
    await asyncio.gather(*(filled.write(lambda tx, call=call: call(tx)) for call in calls))  # type: ignore[misc]
    for id in IDS:
        row = _row(filled, id)
        assert row.kept_until is None
        assert (row.power, row.attempt) in ((Power.STOPPED, 1), (Power.ABSENT, 2))
