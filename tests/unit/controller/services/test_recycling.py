"""The recycle bin: what somebody saved on a desktop that is theirs is kept for a time when it is deleted."""

from __future__ import annotations

from datetime import timedelta

import pytest

from frazil.controller.identity import Identity
from frazil.controller.planning import EndKept
from frazil.controller.reconcile.carry_out import carry_out
from frazil.controller.services.event_search import EventSearch
from frazil.model.desktop import Phase, Power
from frazil.model.errors import Conflict, NameTaken, NotFound, OverQuota, Refused
from frazil.model.quota import Amounts
from frazil.wire.hostlink import FailureField
from frazil.wire.quota import QuotaChange
from frazil.wire.rest import (
    AssignmentRequest,
    Desktop,
    NewSession,
    PoolChange,
    PoolRequest,
    RestoreRequest,
    SessionRequest,
    UserChange,
)
from tests.unit.controller.services.given import entitled
from tests.unit.controller.services.test_persistent import opened, persistent, spec
from tests.unit.controller.world import World

WEEK_S = 7 * 86400
SAME = RestoreRequest()


async def owned(world: World, *, max_desktops: int = 5) -> tuple[Identity, NewSession]:
    """Ann, with a session on a desktop of hers."""
    pool = await persistent(world, spares=0, max_desktops=max_desktops)
    ann = await entitled(world, pool, "ann")
    session = await opened(world, ann)
    await world.settle()
    return ann, session


async def listed(world: World, *, deleted: bool = False) -> list[Desktop]:
    return (await world.services.desktops.list_for(world.root, deleted=deleted)).items


async def act(world: World, desktop_id: str, action: str) -> Desktop:
    return await world.services.desktops.act(world.root, desktop_id, action)  # type: ignore[arg-type]


async def restore(world: World, desktop_id: str, request: RestoreRequest = SAME) -> Desktop:
    return await world.services.desktops.restore(world.root, desktop_id, request)


async def change(world: World, **changes: object) -> None:
    pool = await world.services.pools.show(world.root, "own")
    asked = PoolChange.model_validate(changes)
    await world.services.pools.change(world.root, "own", asked, if_match=pool.version)


async def pass_time(world: World, seconds: float) -> None:
    world.clock.advance(seconds)
    for host in world.hosts:
        host.beat()
    await world.settle()


async def told(world: World, kind: str) -> list[str]:
    found = await world.services.events.list_for(world.root, EventSearch(kind=kind))
    return [event.text for event in found.items]


async def test_a_deleted_desktop_is_shut_down_and_its_host_keeps_the_disk_until_its_time_is_over(world: World) -> None:
    ann, session = await owned(world)
    desktop_id = session.session.desktop.id
    before = await spec(world, desktop_id)
    shown = await act(world, desktop_id, "delete")
    until = world.clock.now() + timedelta(seconds=WEEK_S)
    assert (shown.kept_until, shown.kept_for, shown.power) == (until, "ann", Power.STOPPED)
    with pytest.raises(NotFound, match="The desktop was deleted"):
        await world.services.sessions.show(ann, session.session.id)
    await world.settle()
    sent = await spec(world, desktop_id)
    assert (sent.power, sent.graceful, sent.keep_disk, sent.attempt) == (Power.STOPPED, True, True, before.attempt)
    assert await listed(world) == []
    [kept] = await listed(world, deleted=True)
    assert (kept.id, kept.phase) == (desktop_id, Phase.STOPPED)
    await pass_time(world, WEEK_S - 60)
    assert [one.id for one in await listed(world, deleted=True)] == [desktop_id]
    await pass_time(world, 61)
    assert await listed(world, deleted=True) == []
    assert await listed(world) == [], "its host had it removed"
    assert await told(world, "desktop.delete") == [
        "The desktop own-1 was deleted, and is kept until 2030-01-08 00:00 UTC."
    ]
    assert await told(world, "desktop.unwanted") == ["It is being deleted. Its time in the recycle bin is over."]


async def test_a_pool_that_is_said_to_reset_later_does_not_touch_what_is_kept(world: World) -> None:
    _, session = await owned(world)
    await act(world, session.session.desktop.id, "delete")
    await change(world, at_sign_out="reset")
    sent = await spec(world, session.session.desktop.id)
    assert (sent.power, sent.keep_disk) == (Power.STOPPED, True)


async def test_it_is_restored_to_the_same_person_with_the_same_disk(world: World) -> None:
    ann, session = await owned(world)
    desktop_id = session.session.desktop.id
    before = await spec(world, desktop_id)
    await act(world, desktop_id, "delete")
    await world.settle()
    back = await restore(world, desktop_id)
    assert (back.user_name, back.kept_until, back.kept_for, back.power) == ("ann", None, None, Power.STOPPED)
    again = await opened(world, ann)
    assert again.session.desktop.id == desktop_id
    await world.settle()
    after = await spec(world, desktop_id)
    assert (after.power, after.keep_disk, after.attempt) == (Power.RUNNING, True, before.attempt)
    assert await told(world, "desktop.restored") == ["The desktop own-1 was restored. It is ann's."]
    with pytest.raises(Conflict, match="own-1 is not in the recycle bin"):
        await restore(world, desktop_id)
    await pass_time(world, 2 * WEEK_S)
    assert [one.id for one in await listed(world)] == [desktop_id], "its time is not over any more"


async def test_one_that_has_failed_is_kept_too_and_starts_when_it_was_restored(world: World) -> None:
    ann, session = await owned(world)
    desktop_id = session.session.desktop.id
    [host] = world.hosts
    host.fail[desktop_id] = FailureField(code="host-error", text="It broke.", remedy="")
    await world.settle()
    assert (await world.services.desktops.show(world.root, desktop_id)).phase is Phase.FAILED
    assert (await act(world, desktop_id, "delete")).kept_until is not None
    await world.settle()
    [kept] = await listed(world, deleted=True)
    assert kept.failure is None
    host.fail.clear()
    await world.settle()
    await restore(world, desktop_id)
    await opened(world, ann)
    await world.settle()
    assert (await world.services.desktops.show(world.root, desktop_id)).phase is Phase.READY


async def test_to_delete_it_again_keeps_it_and_to_delete_it_for_good_ends_it(world: World) -> None:
    _, session = await owned(world)
    desktop_id = session.session.desktop.id
    first = await act(world, desktop_id, "delete")
    world.clock.advance(60)
    assert (await act(world, desktop_id, "delete")).kept_until == first.kept_until
    await act(world, desktop_id, "erase")
    [going] = await listed(world)
    assert (going.power, going.kept_until) == (Power.ABSENT, None)
    with pytest.raises(Conflict, match="not in the recycle bin"):
        await restore(world, desktop_id)
    await world.settle()
    assert await listed(world) == []


@pytest.mark.parametrize("changes", [{"keep_deleted_s": 0}, {"at_sign_out": "reset"}])
async def test_a_pool_that_keeps_nothing_has_it_go_at_once(world: World, changes: dict[str, object]) -> None:
    _, session = await owned(world)
    await change(world, **changes)
    assert (await act(world, session.session.desktop.id, "delete")).power is Power.ABSENT


async def test_what_holds_nothing_of_anybodys_goes_at_once(world: World) -> None:
    await persistent(world, spares=1)
    [spare] = await listed(world)
    assert (await act(world, spare.id, "delete")).power is Power.ABSENT
    pool = await world.ready_pool("desk")
    ann = await entitled(world, pool, "ann")
    floating = await world.services.sessions.open(ann, SessionRequest(pool="desk"))
    assert (await act(world, floating.session.desktop.id, "delete")).power is Power.ABSENT
    await change(world, spares=0)
    await world.settle()
    world.hosts[0].images_ready = False
    await world.settle()
    await world.services.entitlements.grant(world.root, "own", "ann")
    placed_nowhere = await world.services.pools.assign(world.root, "own", AssignmentRequest(user="ann"))
    assert placed_nowhere.host_id is None
    assert (await act(world, placed_nowhere.id, "delete")).power is Power.ABSENT


async def test_it_is_nobodys_to_use_while_it_is_kept(world: World) -> None:
    ann, session = await owned(world)
    desktop = session.session.desktop
    await act(world, desktop.id, "delete")
    for call in (
        world.services.desktops.show(ann, desktop.id),
        world.services.desktops.act(ann, desktop.id, "start"),
        world.services.sessions.open(ann, SessionRequest(desktop=desktop.name)),
    ):
        with pytest.raises(NotFound):
            await call
    assert (await world.services.desktops.list_for(ann)).items == []
    with pytest.raises(Refused):
        await world.services.desktops.list_for(ann, deleted=True)
    for action in ("start", "restart", "shutdown", "stop", "pause", "retry"):
        with pytest.raises(Conflict, match="was deleted, so it can't be told to"):
            await act(world, desktop.id, action)
    with pytest.raises(Refused):
        await world.services.desktops.restore(ann, desktop.id, SAME)


async def test_who_has_another_by_then_gives_that_up_first(world: World) -> None:
    ann, session = await owned(world)
    first = session.session.desktop
    await act(world, first.id, "delete")
    second = (await opened(world, ann)).session.desktop
    await world.settle()
    assert second.id != first.id
    with pytest.raises(Conflict, match="ann has the desktop own-2 of the pool own already"):
        await restore(world, first.id)
    await act(world, second.id, "delete")
    await restore(world, first.id)
    assert [one.id for one in await listed(world)] == [first.id]
    assert [one.id for one in await listed(world, deleted=True)] == [second.id]


async def test_its_disk_counts_and_it_does_not_run(world: World) -> None:
    ann, session = await owned(world, max_desktops=1)
    await act(world, session.session.desktop.id, "delete")
    user = await world.services.people.show(world.root, "ann")
    assert user.used.value() == Amounts(desktops=1)
    pool = await world.services.pools.show(world.root, "own")
    assert (pool.counts.total, pool.counts.kept, pool.counts.assigned) == (1, 1, 0)
    with pytest.raises(Conflict, match="All 1 desktops of the pool own are taken: 0 in use, 1 deleted and kept"):
        await opened(world, ann)
    await act(world, session.session.desktop.id, "erase")
    await world.settle()
    await opened(world, ann)


async def test_with_its_user_it_is_kept_for_whom_it_is_given_to_then(world: World) -> None:
    _, session = await owned(world)
    desktop_id = session.session.desktop.id
    bob = await world.user("bob")
    await world.services.people.delete(world.root, "ann")
    await world.settle()
    [kept] = await listed(world, deleted=True)
    assert (kept.id, kept.user_id, kept.kept_for) == (desktop_id, None, "ann")
    await world.user("ann")
    with pytest.raises(Conflict, match="There is no user ann any more, whose the desktop own-1 was"):
        await restore(world, desktop_id)  # another Ann, maybe
    limited = UserChange(quota=QuotaChange(desktops=1))
    await world.services.people.change(world.root, "bob", limited, if_match=1)
    await world.services.entitlements.grant(world.root, "own", "bob")
    other = await opened(world, bob)
    await world.settle()
    await act(world, other.session.desktop.id, "delete")
    with pytest.raises(OverQuota, match="bob uses 1 of 1 desktops"):
        await restore(world, desktop_id, RestoreRequest(user="bob"))
    await act(world, other.session.desktop.id, "erase")
    assert (await restore(world, desktop_id, RestoreRequest(user="bob"))).user_name == "bob"
    assert (await opened(world, bob)).session.desktop.id == desktop_id


async def test_with_its_pool_it_is_kept_and_the_pool_is_restored_with_it(world: World) -> None:
    ann, session = await owned(world)
    desktop_id = session.session.desktop.id
    operation = await world.services.pools.delete(world.root, "own")
    await world.settle()
    assert (await world.services.operations.show(world.root, operation.id)).state == "done"
    pool = await world.services.pools.show(world.root, "own")
    assert pool.deleting
    assert pool.note == "The pool was deleted. Desktops of it that can be restored: 1."
    with pytest.raises(NameTaken, match="a pool called own still, which was deleted"):
        await world.services.pools.create(world.root, PoolRequest(name="own", image="debian"))
    await restore(world, desktop_id)
    assert not (await world.services.pools.show(world.root, "own")).deleting
    assert (await opened(world, ann)).session.desktop.id == desktop_id
    assert await told(world, "pool.restored") == ["The pool own was restored with it."]


async def test_a_deleted_pool_goes_with_the_last_that_was_kept_of_it(world: World) -> None:
    await owned(world)
    await world.services.pools.delete(world.root, "own")
    await world.settle()
    await pass_time(world, WEEK_S + 1)
    with pytest.raises(NotFound):
        await world.services.pools.show(world.root, "own")


@pytest.mark.parametrize("before", [False, True], ids=["at once", "later"])
async def test_a_pool_is_deleted_for_good_with_all_that_was_kept(world: World, before: bool) -> None:
    _, session = await owned(world)
    if before:
        await world.services.pools.delete(world.root, "own")
        await world.settle()
        assert len(await listed(world, deleted=True)) == 1
    operation = await world.services.pools.delete(world.root, "own", for_good=True)
    await world.settle()
    assert (await world.services.operations.show(world.root, operation.id)).state == "done"
    with pytest.raises(NotFound):
        await world.services.pools.show(world.root, "own")
    with pytest.raises(NotFound):
        await world.services.desktops.show(world.root, session.session.desktop.id)


async def test_one_that_is_restored_while_its_time_runs_out_stays(world: World) -> None:
    _, session = await owned(world)
    desktop_id = session.session.desktop.id
    await act(world, desktop_id, "delete")
    world.clock.advance(WEEK_S + 1)
    presence = world.ctx.presence.view()
    planned = [EndKept(desktop_id)]
    await restore(world, desktop_id)
    await world.ctx.store.write(lambda tx: carry_out(world.ctx, planned, presence, tx))
    assert (await world.services.desktops.show(world.root, desktop_id)).power is Power.STOPPED


async def test_nothing_goes_for_a_clock_that_runs_ahead(world: World) -> None:
    """As that of a machine which was switched on and has not asked for the time yet."""
    _, session = await owned(world)
    desktop_id = session.session.desktop.id
    await act(world, desktop_id, "delete")
    await world.settle()
    world.clock.step(400 * 86400)
    world.restart()
    await pass_time(world, 1800)
    assert [one.id for one in await listed(world, deleted=True)] == [desktop_id]
    world.clock.step(-400 * 86400)
    await pass_time(world, 1800)
    assert [one.id for one in await listed(world, deleted=True)] == [desktop_id]
