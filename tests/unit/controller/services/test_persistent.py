"""Persistent pools: a desktop is its person's between sessions, with what they saved on it."""

from __future__ import annotations

import pytest

from frazil.controller.identity import Identity
from frazil.controller.internal import changes
from frazil.model.desktop import Guest, Phase, Power
from frazil.model.errors import Conflict, InvalidInput, NotFound, Refused
from frazil.wire.hostlink import DesktopSpec
from frazil.wire.rest import (
    Assignment,
    AssignmentRequest,
    AtSignOut,
    NewSession,
    Pool,
    PoolChange,
    PoolKind,
    PoolRequest,
    SessionRequest,
)
from frazil.wire.sessions import Revocation
from tests.unit.controller.services.given import entitled
from tests.unit.controller.world import World


async def persistent(
    world: World,
    *,
    assignment: Assignment = "first-use",
    at_sign_out: AtSignOut | None = None,
    spares: int = 1,
    max_desktops: int = 5,
) -> Pool:
    await world.host()
    await world.image()
    request = PoolRequest(
        name="own",
        image="debian",
        kind="persistent",
        assignment=assignment,
        at_sign_out=at_sign_out,
        spares=spares,
        max_desktops=max_desktops,
        start_deadline_s=60,
    )
    pool = await world.services.pools.create(world.root, request)
    await world.settle()
    return pool


async def opened(world: World, who: Identity) -> NewSession:
    return await world.services.sessions.open(who, SessionRequest(pool="own"))


async def spec(world: World, desktop_id: str) -> DesktopSpec:
    [host] = world.hosts
    return next(one for one in (await host.take()).desktops if one.desktop_id == desktop_id)


async def phase(world: World, desktop_id: str) -> Phase:
    return (await world.services.desktops.show(world.root, desktop_id)).phase


async def test_what_is_persistent_boots_from_a_disk_that_is_kept(world: World) -> None:
    pool = await persistent(world)
    assert (pool.kind, pool.assignment, pool.at_sign_out) == ("persistent", "first-use", "keep")
    assert (pool.start, pool.comes_up) == ("fork", "cold")
    [spare] = (await world.services.desktops.list_for(world.root)).items
    sent = await spec(world, spare.id)
    assert (sent.start, sent.keep_disk) == ("cold", True)
    assert (await world.hosts[0].take()).templates == []
    floating = await world.ready_pool("desk")
    assert (floating.kind, floating.at_sign_out, floating.comes_up) == ("floating", "destroy", "fork")
    assert [one.keep_disk for one in (await world.hosts[0].take()).desktops] == [True, False]


async def test_the_first_use_makes_it_theirs_and_a_spare_follows(world: World) -> None:
    pool = await persistent(world)
    ann, bob = await entitled(world, pool, "ann"), await entitled(world, pool, "bob")
    [spare] = (await world.services.desktops.list_for(world.root)).items
    first = await opened(world, ann)
    assert first.session.desktop.id == spare.id
    assert first.session.at_sign_out == "keep"
    assert first.ticket is not None
    await world.settle()
    second = await opened(world, bob)
    assert second.session.desktop.id != spare.id
    await world.settle()
    assert (await world.services.pools.show(world.root, pool.id)).counts.ready == 1


async def test_it_is_shut_down_after_the_session_and_the_same_one_comes_back_with_its_disk(world: World) -> None:
    pool = await persistent(world)
    ann = await entitled(world, pool, "ann")
    first = await opened(world, ann)
    desktop_id = first.session.desktop.id
    told = changes(world.ctx)
    await anext(told)
    await world.services.sessions.end(ann, first.session.id)
    assert isinstance(await anext(told), Revocation)
    await told.aclose()
    sent = await spec(world, desktop_id)
    assert (sent.power, sent.graceful, sent.attempt, sent.person) == (Power.STOPPED, True, 1, None)
    await world.settle()
    assert await phase(world, desktop_id) is Phase.STOPPED
    [own] = (await world.services.desktops.list_for(ann)).items
    assert (own.id, own.user_name) == (desktop_id, "ann")
    again = await opened(world, ann)
    assert again.session.desktop.id == desktop_id
    assert again.session.id != first.session.id
    await world.settle()
    sent = await spec(world, desktop_id)
    assert (sent.power, sent.attempt, sent.keep_disk) == (Power.RUNNING, 1, True)
    assert sent.person is not None
    assert sent.person.name == "ann"
    assert await phase(world, desktop_id) is Phase.READY
    by_name = await world.services.sessions.open(ann, SessionRequest(desktop=again.session.desktop.name))
    assert by_name.session.id == again.session.id


async def test_who_comes_back_while_it_shuts_down_waits_for_it_to_start_again(world: World) -> None:
    pool = await persistent(world)
    ann = await entitled(world, pool, "ann")
    first = await opened(world, ann)
    desktop_id = first.session.desktop.id
    await world.services.sessions.end(ann, first.session.id)
    again = await opened(world, ann)
    assert again.session.desktop.id == desktop_id
    assert again.session.desktop.phase is Phase.STOPPING
    assert again.ticket is None
    assert (await spec(world, desktop_id)).power is Power.STOPPED, "it is not held back on its way down"
    await world.settle()
    assert await phase(world, desktop_id) is Phase.READY
    assert (await world.services.tickets.mint(ann, again.session.id)).ticket


async def test_a_reset_one_stays_theirs_and_is_made_anew(world: World) -> None:
    pool = await persistent(world, at_sign_out="reset")
    ann = await entitled(world, pool, "ann")
    first = await opened(world, ann)
    desktop_id = first.session.desktop.id
    assert not (await spec(world, desktop_id)).keep_disk
    await world.services.sessions.end(ann, first.session.id)
    sent = await spec(world, desktop_id)
    assert (sent.power, sent.attempt, sent.keep_disk) == (Power.RUNNING, 2, False)
    assert await phase(world, desktop_id) is Phase.STARTING
    await world.settle()
    assert await phase(world, desktop_id) is Phase.READY
    assert (await opened(world, ann)).session.desktop.id == desktop_id


async def test_an_administrators_pool_gives_nobody_a_desktop_until_they_are_assigned_one(world: World) -> None:
    pool = await persistent(world, assignment="administrator")
    ann, bob = await entitled(world, pool, "ann"), await world.user("bob")
    with pytest.raises(Conflict, match="No desktop of the pool own was assigned to you yet"):
        await opened(world, ann)
    assign = world.services.pools.assign
    given = await assign(world.root, "own", AssignmentRequest(user="ann"))
    assert (given.user_name, given.phase) == ("ann", Phase.READY)
    with pytest.raises(Conflict, match=f"ann has the desktop {given.name} of the pool own already"):
        await assign(world.root, "own", AssignmentRequest(user="ann"))
    with pytest.raises(Conflict, match="bob may not use the pool own"):
        await assign(world.root, "own", AssignmentRequest(user="bob"))
    with pytest.raises(NotFound):
        await assign(world.root, "own", AssignmentRequest(user="nobody"))
    with pytest.raises(Refused):
        await assign(bob, "own", AssignmentRequest(user="bob"))
    assert (await opened(world, ann)).session.desktop.id == given.id
    boss = await world.user("boss", role="administrator")
    assert (await assign(boss, "own", AssignmentRequest(user="boss"))).user_name == "boss"
    kinds = [event.kind for event in (await world.services.events.list_for(world.root)).items]
    assert kinds.count("desktop.assigned") == 2


async def test_only_persistent_pools_with_room_assign(world: World) -> None:
    await persistent(world, spares=0, max_desktops=1)
    await world.ready_pool("desk")
    for name in ("ann", "bob"):
        await world.user(name)
        await world.services.entitlements.grant(world.root, "own", name)
    assign = world.services.pools.assign
    with pytest.raises(Conflict, match="desk is floating"):
        await assign(world.root, "desk", AssignmentRequest(user="ann"))
    assert (await assign(world.root, "own", AssignmentRequest(user="ann"))).phase is Phase.WAITING
    with pytest.raises(Conflict, match="has all of its 1 desktops"):
        await assign(world.root, "own", AssignmentRequest(user="bob"))
    await world.services.pools.delete(world.root, "own")
    with pytest.raises(Conflict, match="own is being deleted"):
        await assign(world.root, "own", AssignmentRequest(user="bob"))


async def test_a_deleted_desktop_is_nobodys_and_the_next_use_gives_another(world: World) -> None:
    pool = await persistent(world)
    ann = await entitled(world, pool, "ann")
    first = await opened(world, ann)
    await world.services.desktops.act(world.root, first.session.desktop.id, "delete")
    again = await opened(world, ann)
    assert again.session.desktop.id != first.session.desktop.id
    await world.settle()
    assert await phase(world, again.session.desktop.id) is Phase.READY


async def test_who_may_use_the_pool_no_more_keeps_the_desktop_but_can_not_open_it(world: World) -> None:
    pool = await persistent(world)
    ann = await entitled(world, pool, "ann")
    first = await opened(world, ann)
    desktop = first.session.desktop
    await world.services.entitlements.revoke(world.root, "own", "ann")
    await world.settle()
    assert await phase(world, desktop.id) is Phase.STOPPED
    for request in (SessionRequest(pool="own"), SessionRequest(desktop=desktop.name)):
        with pytest.raises(NotFound):
            await world.services.sessions.open(ann, request)
    await world.services.entitlements.grant(world.root, "own", "ann")
    assert (await opened(world, ann)).session.desktop.id == desktop.id


async def test_a_desktop_that_fails_is_not_taken_from_its_person_and_a_retry_keeps_its_disk(world: World) -> None:
    pool = await persistent(world, spares=2)
    ann = await entitled(world, pool, "ann")
    first = await opened(world, ann)
    desktop_id = first.session.desktop.id
    await world.services.sessions.end(ann, first.session.id)
    await world.settle()
    [host] = world.hosts
    host.guests[desktop_id] = Guest.SILENT
    again = await opened(world, ann)
    await world.settle()
    world.clock.advance(61)
    host.beat()
    await world.look()
    shown = await world.services.sessions.show(ann, again.session.id)
    assert (shown.desktop.id, shown.desktop.phase) == (desktop_id, Phase.FAILED)
    del host.guests[desktop_id]
    await world.services.desktops.act(ann, desktop_id, "retry")
    sent = await spec(world, desktop_id)
    assert (sent.attempt, sent.keep_disk) == (2, True)
    await world.settle()
    assert await phase(world, desktop_id) is Phase.READY


async def test_a_deleted_user_takes_their_desktop_along(world: World) -> None:
    pool = await persistent(world, spares=0)
    ann = await entitled(world, pool, "ann")
    await opened(world, ann)
    await world.settle()
    pool = await world.services.pools.show(world.root, pool.id)
    await world.services.pools.change(world.root, pool.id, PoolChange(keep_deleted_s=0), if_match=pool.version)
    await world.services.people.delete(world.root, "ann")
    await world.settle()
    for deleted in (False, True):
        assert (await world.services.desktops.list_for(world.root, deleted=deleted)).items == []


@pytest.mark.parametrize(
    ("kind", "at_sign_out"), [("floating", "keep"), ("floating", "reset"), ("persistent", "destroy")]
)
async def test_what_a_kind_of_pool_can_not_do_at_sign_out_is_told(
    world: World, kind: PoolKind, at_sign_out: AtSignOut
) -> None:
    await world.image()
    request = PoolRequest(name="own", image="debian", kind=kind, at_sign_out=at_sign_out)
    with pytest.raises(InvalidInput, match=f"A {kind} pool can't {at_sign_out}"):
        await world.services.pools.create(world.root, request)
    made = await world.services.pools.create(world.root, PoolRequest(name="own", image="debian", kind=kind))
    with pytest.raises(InvalidInput, match=f"A {kind} pool can't {at_sign_out}"):
        await world.services.pools.change(world.root, "own", PoolChange(at_sign_out=at_sign_out), if_match=made.version)


async def test_what_happens_at_sign_out_is_changed_for_sessions_that_are_open(world: World) -> None:
    pool = await persistent(world)
    ann = await entitled(world, pool, "ann")
    first = await opened(world, ann)
    change = PoolChange(at_sign_out="reset", assignment="administrator")
    changed = await world.services.pools.change(world.root, "own", change, if_match=pool.version)
    assert (changed.at_sign_out, changed.assignment) == ("reset", "administrator")
    await world.services.sessions.end(ann, first.session.id)
    assert (await spec(world, first.session.desktop.id)).attempt == 2
