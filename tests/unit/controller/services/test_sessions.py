"""Sessions: which desktop a person is given, what becomes of it, and what is refused."""

from __future__ import annotations

import asyncio

import pytest

from frazil.controller.identity import LOCAL_ROOT
from frazil.controller.planning.spares import GIVE_UP_AFTER
from frazil.model.desktop import Guest, Phase
from frazil.model.errors import Conflict, FrazilError, NotFound, Refused
from frazil.server.desktops.steps import DISK_FULL
from frazil.wire.hostlink import FailureField
from frazil.wire.rest import PoolChange, SessionRequest
from frazil.wire.sessions import TICKET_MAX_BYTES, LinkState
from tests.unit.controller.services.given import entitled, opened_session, redeeming
from tests.unit.controller.world import World


async def test_a_ready_desktop_is_given_and_a_fresh_spare_follows(world: World) -> None:
    user, opened = await opened_session(world)
    assert opened.session.desktop.phase is Phase.READY
    assert opened.session.expected_ready_s == 0.0
    assert opened.session.desktop.user_id == user.user_id
    assert opened.ticket is not None
    assert len(opened.ticket.ticket.encode("ascii")) <= TICKET_MAX_BYTES
    await world.settle()
    pool = await world.services.pools.show(world.root, "desk")
    assert (pool.counts.total, pool.counts.assigned, pool.counts.ready) == (2, 1, 1)


async def test_asking_again_gives_the_same_session(world: World) -> None:
    user, opened = await opened_session(world)
    again = await world.services.sessions.open(user, SessionRequest(pool="desk"))
    assert again.session.id == opened.session.id
    by_desktop = await world.services.sessions.open(user, SessionRequest(desktop=opened.session.desktop.name))
    assert by_desktop.session.id == opened.session.id


async def test_one_on_its_way_is_given_when_none_is_ready(world: World) -> None:
    pool = await world.ready_pool()
    ann, bob = await entitled(world, pool, "ann"), await entitled(world, pool, "bob")
    await world.services.sessions.open(ann, SessionRequest(pool="desk"))
    await world.look()  # the spare is made, but not there yet
    opened = await world.services.sessions.open(bob, SessionRequest(pool="desk"))
    assert opened.session.desktop.phase is Phase.STARTING
    assert opened.ticket is None
    assert opened.session.expected_ready_s is not None
    with pytest.raises(Conflict, match="is not ready: starting"):
        await world.services.tickets.mint(bob, opened.session.id)
    await world.settle()
    assert (await world.services.tickets.mint(bob, opened.session.id)).spice_path == f"/spice/{opened.session.id}"


async def test_one_is_made_when_there_is_none_and_refused_when_the_pool_is_full(world: World) -> None:
    pool = await world.ready_pool(spares=0, max_desktops=1)
    ann, bob = await entitled(world, pool, "ann"), await entitled(world, pool, "bob")
    opened = await world.services.sessions.open(ann, SessionRequest(pool="desk"))
    assert opened.session.desktop.phase is Phase.WAITING
    with pytest.raises(Conflict, match="All 1 desktops of the pool desk are taken: 1 in use"):
        await world.services.sessions.open(bob, SessionRequest(pool="desk"))
    assert (await world.services.sessions.list_for(bob)).items == []


async def test_two_at_once_never_get_the_same_desktop(world: World) -> None:
    pool = await world.ready_pool(spares=3, max_desktops=30)
    users = [await entitled(world, pool, f"user{n}") for n in range(12)]
    async with asyncio.TaskGroup() as tasks:
        running = [
            tasks.create_task(world.services.sessions.open(user, SessionRequest(pool="desk"))) for user in users * 2
        ]
    given = {task.result().session.id: task.result().session.desktop.id for task in running}
    assert len(given) == 12  # each asked twice, each has one
    assert len(set(given.values())) == 12


async def test_an_ended_session_takes_its_desktop_with_it(world: World) -> None:
    user, opened = await opened_session(world)
    await world.services.sessions.end(user, opened.session.id)
    with pytest.raises(NotFound, match="has ended"):
        await world.services.sessions.show(user, opened.session.id)
    with pytest.raises(NotFound):
        await world.services.tickets.mint(user, opened.session.id)
    with pytest.raises(NotFound):
        await world.services.sessions.route(opened.session.id)
    with pytest.raises(Refused):
        await world.services.tickets.redeem(redeeming(opened))
    await world.settle()
    desktops = (await world.services.desktops.list_for(world.root)).items
    assert opened.session.desktop.id not in [desktop.id for desktop in desktops]
    assert [desktop.phase for desktop in desktops] == [Phase.READY]


async def test_others_can_not_see_nor_use_it(world: World) -> None:
    _, opened = await opened_session(world)
    bob = await world.user("bob")
    boss = await world.user("boss", role="administrator")
    desktop_id, session_id = opened.session.desktop.id, opened.session.id
    services = world.services
    for call in (
        services.desktops.show(bob, desktop_id),
        services.desktops.act(bob, desktop_id, "start"),
        services.desktops.screenshot(bob, desktop_id),
        services.desktops.events(bob, desktop_id),
        services.sessions.show(bob, session_id),
        services.sessions.end(bob, session_id),
        services.sessions.open(bob, SessionRequest(desktop=desktop_id)),
        services.sessions.open(bob, SessionRequest(pool="desk")),
        services.tickets.mint(bob, session_id),
        # An administrator sees it, and still gets no ticket for someone else's screen.
        services.tickets.mint(boss, session_id),
        services.sessions.open(boss, SessionRequest(desktop=desktop_id)),
    ):
        with pytest.raises(NotFound):
            await call
    assert (await services.sessions.show(boss, session_id)).user_name == "ann"
    assert (await services.desktops.list_for(bob)).items == []
    with pytest.raises(Conflict, match="no account"):
        await services.sessions.open(LOCAL_ROOT, SessionRequest(pool="desk"))


async def test_nobody_waits_for_a_desktop_that_failed(world: World) -> None:
    pool = await world.ready_pool(spares=0)
    ann = await entitled(world, pool, "ann")
    opened = await world.services.sessions.open(ann, SessionRequest(pool="desk"))
    first = opened.session.desktop.id
    broken = FailureField(code="no-disk", text="Its disk can't be made.")
    world.hosts[0].fail[first] = broken
    await world.settle()
    now = await world.services.sessions.show(ann, opened.session.id)
    assert now.desktop.id != first
    assert now.desktop.phase is Phase.READY
    left = await world.services.desktops.show(world.root, first)
    assert (left.phase, left.user_name) == (Phase.FAILED, None)  # kept to be looked at
    assert (await world.services.tickets.mint(ann, opened.session.id)).ticket
    world.hosts[0].fail[now.desktop.id] = broken  # what they have seen stays theirs, failed or not
    await world.services.sessions.link_state(opened.session.id, LinkState(connected=True, remote_address=""))
    await world.settle()
    assert (await world.services.sessions.show(ann, opened.session.id)).desktop.id == now.desktop.id


async def test_a_desktop_in_use_outlives_a_full_disk(world: World) -> None:
    user, opened = await opened_session(world)
    desktop_id = opened.session.desktop.id
    await world.services.sessions.link_state(opened.session.id, LinkState(connected=True, remote_address=""))
    await world.settle()
    [host] = world.hosts
    host.fail[desktop_id] = FailureField(code=DISK_FULL.code, text=DISK_FULL.text, remedy=DISK_FULL.remedy)
    for _ in range(3):
        world.clock.advance(3600)
        host.beat()
        await world.settle()
    shown = (await world.services.sessions.show(user, opened.session.id)).desktop
    assert (shown.phase, shown.why) == (Phase.STARTING, f"{DISK_FULL.text} {DISK_FULL.remedy}")
    assert shown.failure == host.fail[desktop_id]
    with pytest.raises(Conflict, match="this host's disk is full"):
        await world.services.tickets.mint(user, opened.session.id)
    del host.fail[desktop_id]
    host.guests[desktop_id] = Guest.SILENT  # it takes a moment to answer
    await world.settle()
    assert (await world.services.desktops.show(user, desktop_id)).phase is Phase.STARTING
    del host.guests[desktop_id]
    await world.settle()
    shown = await world.services.desktops.show(user, desktop_id)
    assert (shown.phase, shown.why, shown.failure) == (Phase.READY, "", None)
    assert (await world.services.tickets.mint(user, opened.session.id)).ticket


async def test_a_pool_where_all_fails_is_not_tried_for_ever(world: World) -> None:
    pool = await world.ready_pool(spares=0, max_desktops=20)
    ann = await entitled(world, pool, "ann")
    world.hosts[0].fail_all = FailureField(code="no-disk", text="Its disk can't be made.")
    opened = await world.services.sessions.open(ann, SessionRequest(pool="desk"))
    await world.settle(rounds=12)
    now = await world.services.sessions.show(ann, opened.session.id)
    assert (now.desktop.phase, now.desktop.why) == (Phase.FAILED, "Its disk can't be made.")
    assert len((await world.services.desktops.list_for(world.root)).items) == GIVE_UP_AFTER


async def test_failures_of_a_pool_that_worked_since_keep_nobody_from_another_desktop(world: World) -> None:
    pool = await world.ready_pool(spares=0, max_desktops=20)
    [host] = world.hosts
    broken = FailureField(code="no-disk", text="Its disk can't be made.")
    for name in ("ann", "bob", "cid", "dan"):
        user = await entitled(world, pool, name)
        opened = await world.services.sessions.open(user, SessionRequest(pool="desk"))
        host.fail[opened.session.desktop.id] = broken
        await world.settle()
        now = await world.services.sessions.show(user, opened.session.id)
        assert (now.desktop.phase, now.desktop.id != opened.session.desktop.id) == (Phase.READY, True), name
        await world.services.sessions.end(user, opened.session.id)
        world.clock.advance(1)
        host.beat()
        await world.settle()


async def test_the_owner_may_try_again_what_failed(world: World) -> None:
    user, opened = await opened_session(world)
    desktop_id = opened.session.desktop.id
    await world.services.sessions.link_state(opened.session.id, LinkState(connected=True, remote_address=""))
    [host] = world.hosts
    host.guests[desktop_id] = Guest.AGENT
    await world.settle()
    world.clock.advance(61)
    host.beat()
    await world.look()
    failed = (await world.services.sessions.show(user, opened.session.id)).desktop
    assert failed.phase is Phase.FAILED
    assert "guest agent answered" in failed.why
    with pytest.raises(Conflict, match="has failed"):
        await world.services.desktops.act(user, desktop_id, "start")
    with pytest.raises(Refused, match="Only the helpdesk, pool administrators and administrators may"):
        await world.services.desktops.act(user, desktop_id, "stop")
    del host.guests[desktop_id]
    await world.services.desktops.act(user, desktop_id, "retry")
    await world.settle()
    assert (await world.services.desktops.show(user, desktop_id)).phase is Phase.READY


async def test_a_pool_or_a_desktop_must_be_said(world: World) -> None:
    user, _ = await opened_session(world)
    for request in (SessionRequest(), SessionRequest(pool="desk", desktop="desk-1")):
        with pytest.raises(FrazilError, match="exactly one"):
            await world.services.sessions.open(user, request)


async def test_lowering_the_spares_never_takes_a_given_desktop(world: World) -> None:
    _, opened = await opened_session(world)
    pool = await world.services.pools.show(world.root, "desk")
    await world.services.pools.change(world.root, "desk", PoolChange(spares=0), if_match=pool.version)
    await world.settle()
    assert [one.id for one in (await world.services.desktops.list_for(world.root)).items] == [opened.session.desktop.id]


async def test_a_storm_is_served_in_the_order_of_asking_and_before_any_new_spare(world: World) -> None:
    pool = await world.ready_pool(spares=3, max_desktops=40)
    people = [await entitled(world, pool, f"user{n}") for n in range(20)]
    opened = []
    for n, person in enumerate(people):
        opened.append(await world.services.sessions.open(person, SessionRequest(pool="desk")))
        if n == 5:
            await world.look()  # spares follow those that were taken, and the next people are given them
    assert [one.ticket is not None for one in opened] == [True] * 3 + [False] * 17
    await world.look()
    order = [spec.desktop_id for spec in (await world.hosts[0].take()).desktops]  # a host starts them in this order
    theirs = [one.session.desktop.id for one in opened]
    assert order[:20] == theirs
    assert len(order) == 23
