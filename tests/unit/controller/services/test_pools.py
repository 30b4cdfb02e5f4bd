"""Pools keep their spares, and say why when they can't."""

from __future__ import annotations

import pytest

from frazil.model.desktop import Guest, Phase
from frazil.model.errors import Conflict, InvalidInput, NameTaken, NotFound, Refused, Stale
from frazil.wire.hostlink import FailureField
from frazil.wire.rest import PoolChange, PoolRequest, SessionRequest
from tests.unit.controller.world import World


async def test_spares_become_ready_and_are_timed(world: World) -> None:
    pool = await world.ready_pool(spares=3)
    assert (pool.counts.total, pool.counts.ready, pool.counts.starting) == (3, 3, 0)
    assert pool.note == ""
    assert pool.typical_start_s is not None


async def test_no_spare_is_made_while_the_image_is_not_ready(world: World) -> None:
    host = await world.host()
    host.images_ready = False
    await world.image()
    pool = await world.pool(spares=2)
    await world.settle()
    shown = await world.services.pools.show(world.root, pool.id)
    assert shown.counts.total == 0
    assert "The image debian is not ready" in shown.note
    host.images_ready = True
    await world.settle()
    assert (await world.services.pools.show(world.root, pool.id)).counts.ready == 2


async def test_more_spares_are_made_and_too_many_are_removed(world: World) -> None:
    pool = await world.ready_pool(spares=1)
    changed = await world.services.pools.change(world.root, pool.name, PoolChange(spares=4), if_match=pool.version)
    await world.settle()
    assert (await world.services.pools.show(world.root, pool.id)).counts.ready == 4
    await world.services.pools.change(world.root, pool.name, PoolChange(spares=2), if_match=changed.version)
    await world.settle()
    assert (await world.services.pools.show(world.root, pool.id)).counts.total == 2


async def test_a_stale_change_is_refused(world: World) -> None:
    pool = await world.ready_pool()
    await world.services.pools.change(world.root, pool.id, PoolChange(spares=2), if_match=pool.version)
    with pytest.raises(Stale, match="version 2, you looked at 1"):
        await world.services.pools.change(world.root, pool.id, PoolChange(spares=3), if_match=pool.version)


async def test_taken_name_unknown_image_and_impossible_bounds(world: World) -> None:
    await world.image()
    await world.pool("desk")
    with pytest.raises(NameTaken, match="called desk already"):
        await world.pool("desk")
    with pytest.raises(NotFound, match="no image called 'nothing'"):
        await world.pool("other", image="nothing")
    with pytest.raises(InvalidInput, match="6 spares can't be kept"):
        await world.services.pools.create(world.root, PoolRequest(name="x", image="debian", spares=6, max_desktops=5))


async def test_a_pool_gives_up_after_three_failures_and_says_so(world: World) -> None:
    host = await world.host()
    host.fail_all = FailureField(code="host-error", text="The disk is broken.", remedy="Mend it.")
    await world.image()
    pool = await world.pool(spares=1)
    for _ in range(10):
        await world.settle(2)
        world.clock.advance(120)
        host.beat()
    shown = await world.services.pools.show(world.root, pool.id)
    assert shown.counts.failed == shown.counts.total == 3
    assert "failed one after the other" in shown.note
    assert "The disk is broken." in shown.note
    # A person changes something: it goes on.
    host.fail_all = None
    await world.services.pools.change(world.root, pool.id, PoolChange(label="Mended"), if_match=shown.version)
    await world.settle()
    after = await world.services.pools.show(world.root, pool.id)
    assert (after.counts.ready, after.counts.failed, after.note) == (1, 3, "")


async def test_a_pool_that_keeps_its_memory_to_itself_is_said_to_its_host(world: World) -> None:
    pool = await world.ready_pool(spares=1)
    assert pool.share_memory
    [host] = world.hosts
    assert [spec.share_memory for spec in (await host.take()).desktops] == [True]
    change = PoolChange(share_memory=False)
    changed = await world.services.pools.change(world.root, pool.id, change, if_match=pool.version)
    assert not changed.share_memory
    assert [spec.share_memory for spec in (await host.take()).desktops] == [False]


async def test_a_silent_guest_fails_with_the_reason_and_can_be_retried(world: World) -> None:
    pool = await world.ready_pool(spares=1)
    ann = await world.user("ann")
    await world.services.entitlements.grant(world.root, pool.id, "ann")
    desktop = (await world.services.desktops.list_for(world.root)).items[0]
    [host] = world.hosts
    await world.services.pools.change(world.root, pool.id, PoolChange(pause_after_s=0), if_match=pool.version)
    world.clock.advance(5000)  # it has been there for long
    host.beat()
    host.guests[desktop.id] = Guest.SILENT
    await world.settle()
    shown = await world.services.desktops.show(world.root, desktop.id)
    assert shown.phase is Phase.STARTING  # it was ready; its clock began again
    world.clock.advance(61)
    host.beat()
    await world.look()
    shown = await world.services.desktops.show(world.root, desktop.id)
    assert shown.phase is Phase.FAILED
    assert shown.failure is not None
    assert shown.failure.code == "guest-silent"
    assert "nothing inside it ever answered within 60 s" in shown.why
    with pytest.raises(NotFound):
        await world.services.desktops.act(ann, desktop.id, "retry")
    del host.guests[desktop.id]
    await world.services.desktops.act(world.root, desktop.id, "retry")
    await world.settle()
    assert (await world.services.desktops.show(world.root, desktop.id)).phase is Phase.READY


async def test_a_deleted_pool_takes_its_desktops_and_sessions_with_it(world: World) -> None:
    pool = await world.ready_pool(spares=2)
    ann = await world.user("ann", role="administrator")
    opened = await world.services.sessions.open(ann, SessionRequest(pool=pool.name))
    operation = await world.services.pools.delete(world.root, pool.name)
    assert operation.state == "running"
    assert (await world.services.pools.delete(world.root, pool.name)).id == operation.id
    with pytest.raises(NotFound, match="The pool was deleted"):
        await world.services.sessions.show(ann, opened.session.id)
    with pytest.raises(Conflict, match="is being deleted"):
        await world.services.sessions.open(ann, SessionRequest(pool=pool.name))
    await world.settle()
    assert (await world.services.operations.show(world.root, operation.id)).state == "done"
    assert (await world.services.desktops.list_for(world.root)).items == []
    with pytest.raises(NotFound):
        await world.services.pools.show(world.root, pool.id)


async def test_users_see_only_their_pools_and_change_none(world: World) -> None:
    pool = await world.ready_pool("one")
    await world.pool("two")
    ann = await world.user("ann")
    assert (await world.services.pools.list_for(ann)).items == []
    await world.services.entitlements.grant(world.root, pool.id, "ann")
    assert [one.name for one in (await world.services.pools.list_for(ann)).items] == ["one"]
    with pytest.raises(NotFound):
        await world.services.pools.show(ann, "two")
    with pytest.raises(Refused):
        await world.services.pools.change(ann, "one", PoolChange(spares=0), if_match=1)
    with pytest.raises(Refused):
        await world.services.pools.delete(ann, "one")
    granted = await world.services.entitlements.list_for(world.root, pool="one")
    assert [(one.pool_name, one.user_name) for one in granted.items] == [("one", "ann")]
    await world.services.entitlements.revoke(world.root, "one", "ann")
    assert (await world.services.pools.list_for(ann)).items == []


async def test_a_spare_is_paused_after_its_time_and_given_out_awake(world: World) -> None:
    pool = await world.ready_pool(spares=1)
    world.clock.advance(pool.pause_after_s + 1)
    for host in world.hosts:
        host.beat()
    await world.settle()
    [spare] = (await world.services.desktops.list_for(world.root)).items
    assert spare.phase is Phase.PAUSED
    ann = await world.user("ann")
    await world.services.entitlements.grant(world.root, pool.id, "ann")
    opened = await world.services.sessions.open(ann, SessionRequest(pool=pool.id))
    assert opened.session.desktop.id == spare.id
    assert opened.ticket is not None
    await world.settle()
    assert (await world.services.desktops.show(world.root, spare.id)).phase is Phase.READY
