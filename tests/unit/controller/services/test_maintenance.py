"""A host in maintenance: what leaves it, what stays, who is told what, and that it can be undone."""

from __future__ import annotations

from collections import Counter

import pytest

from frazil.model.desktop import Guest, Phase, Power
from frazil.model.errors import Conflict, NotFound, Refused
from frazil.wire.rest import AssignmentRequest, Host, HostMaintenance, PoolRequest, SessionRequest
from tests.unit.controller.services.given import entitled
from tests.unit.controller.world import World


async def _two_hosts(world: World, *, spares: int, max_desktops: int = 8) -> str:
    """The id of the one that has desktops; the other is empty, and less roomy."""
    first = await world.host(number=1)
    await world.image()
    await world.pool(spares=spares, max_desktops=max_desktops)
    await world.settle()
    await world.host(number=2, memory_mib=30_000)
    await world.settle()
    assert await _where(world) == Counter({"host-1": spares})
    return first.id


async def _where(world: World) -> Counter[str]:
    return Counter(one.host_name or "" for one in (await world.services.desktops.list_for(world.root)).items)


async def _maintain(world: World, maintenance: bool = True, host: str = "host-1") -> Host:
    return await world.services.hosts.maintain(world.root, host, maintenance=maintenance)


async def _left(world: World) -> HostMaintenance:
    left = (await world.services.hosts.show(world.root, "host-1")).maintenance
    assert left is not None
    return left


async def test_spares_are_made_elsewhere_first_and_then_leave(world: World) -> None:
    await _two_hosts(world, spares=2)
    left = (await _maintain(world)).maintenance
    assert left is not None
    assert (left.leaving, left.done) == (2, False)
    assert left.waits_for == ["2 desktops that nobody uses go once others are ready elsewhere."]
    other = world.hosts[1]
    for desktop in await _new_on(world, other.id):
        other.guests[desktop] = Guest.AGENT
    assert await _where(world) == Counter({"host-1": 2, "host-2": 2})
    other.guests.clear()
    await world.settle()
    assert await _where(world) == Counter({"host-2": 2})
    left = await _left(world)
    assert (left.done, left.waits_for, left.stays) == (True, [], "")


async def _new_on(world: World, host_id: str) -> list[str]:
    """Let the plan place desktops on a host, which does not start them yet."""
    await world.look()
    listed = (await world.services.desktops.list_for(world.root)).items
    return [one.id for one in listed if one.host_id == host_id]


async def test_it_is_undone_at_any_time(world: World) -> None:
    await _two_hosts(world, spares=2)
    await _maintain(world)
    await world.look()
    await _maintain(world, False)
    await world.settle()
    where = await _where(world)
    assert sum(where.values()) == 2
    shown = await world.services.hosts.show(world.root, "host-1")
    assert shown.maintenance is None
    kinds = [event.kind for event in (await world.services.events.list_for(world.root)).items]
    assert kinds.count("host.maintenance") == kinds.count("host.maintenance-ended") == 1


async def test_to_want_it_twice_is_told_once(world: World) -> None:
    await _two_hosts(world, spares=1)
    await _maintain(world)
    await _maintain(world)
    kinds = [event.kind for event in (await world.services.events.list_for(world.root)).items]
    assert kinds.count("host.maintenance") == 1


async def test_what_is_in_use_stays_until_its_session_ends(world: World) -> None:
    await _two_hosts(world, spares=1)
    pool = await world.services.pools.show(world.root, "desk")
    ann = await entitled(world, pool, "ann")
    opened = await world.services.sessions.open(ann, SessionRequest(pool="desk"))
    await _maintain(world)
    await world.settle()
    left = await _left(world)
    assert (left.in_use, left.leaving, left.done) == (1, 0, False)
    assert left.waits_for == ["1 desktop is in use and stays until its session ends."]
    again = await world.services.sessions.open(ann, SessionRequest(pool="desk"))
    assert again.session.id == opened.session.id
    await world.services.sessions.end(ann, opened.session.id)
    await world.settle()
    assert (await _left(world)).done
    assert await _where(world) == Counter({"host-2": 1})


async def test_nobody_is_given_a_desktop_there(world: World) -> None:
    await _two_hosts(world, spares=1)
    pool = await world.services.pools.show(world.root, "desk")
    assert pool.counts.ready == 1
    ann = await entitled(world, pool, "ann")
    await _maintain(world)
    assert (await world.services.pools.show(world.root, "desk")).counts.ready == 0
    opened = await world.services.sessions.open(ann, SessionRequest(pool="desk"))
    await world.settle()
    assert (await world.services.sessions.show(ann, opened.session.id)).desktop.host_name == "host-2"


async def test_a_full_pool_is_emptied_and_filled_elsewhere(world: World) -> None:
    await _two_hosts(world, spares=3, max_desktops=3)
    await _maintain(world)
    await world.settle(8)
    assert await _where(world) == Counter({"host-2": 3})


async def test_without_another_host_the_spares_stay_and_it_is_said_why(world: World) -> None:
    await world.ready_pool(spares=1)
    await _maintain(world)
    await world.settle()
    left = await _left(world)
    assert left.waits_for == [
        "1 desktop that nobody uses goes once another is ready elsewhere.",
        "The pool desk can't replace its own now. Spares are wanted, but none can be placed. "
        "Every host is in maintenance.",
    ]
    await _maintain(world, False)
    await world.settle()
    assert (await world.services.pools.show(world.root, "desk")).counts.ready == 1


async def _own_desktop(world: World) -> None:
    await world.host(number=1)
    await world.image()
    request = PoolRequest(name="own", image="debian", kind="persistent", spares=0, start_deadline_s=60)
    await world.services.pools.create(world.root, request)
    await world.host(number=2, memory_mib=30_000)
    for host in world.hosts:
        await host.obey()
    pool = await world.services.pools.show(world.root, "own")
    await entitled(world, pool, "ann")
    await world.services.pools.assign(world.root, "own", AssignmentRequest(user="ann"))
    await world.settle()
    assert await _where(world) == Counter({"host-1": 1})


async def test_a_persons_own_desktop_stays_is_shut_down_and_its_person_is_told(world: World) -> None:
    await _own_desktop(world)
    ann = await world.identity("ann")
    await _maintain(world)
    left = await _left(world)
    assert left.waits_for == ["1 person's own desktop that nobody uses is being shut down."]
    await world.settle()
    [own] = (await world.services.desktops.list_for(world.root)).items
    assert (own.phase, own.host_name, own.user_name) == (Phase.STOPPED, "host-1", "ann")
    assert own.why == "It is stopped, and its host is in maintenance: it is not started until that ends."
    left = await _left(world)
    assert (left.kept, left.done) == (1, True)
    assert left.stays.startswith("1 person's own desktop stays on its disk")
    with pytest.raises(Conflict, match="is on a host that is in maintenance"):
        await world.services.sessions.open(ann, SessionRequest(pool="own"))
    for who in (ann, world.root):
        with pytest.raises(Conflict, match="in maintenance"):
            await world.services.desktops.act(who, own.id, "start")
    assert (await world.services.desktops.show(world.root, own.id)).power is Power.STOPPED
    await _maintain(world, False)
    opened = await world.services.sessions.open(ann, SessionRequest(pool="own"))
    await world.settle()
    assert (await world.services.sessions.show(ann, opened.session.id)).desktop.phase is Phase.READY


async def test_a_persons_own_desktop_in_use_is_shut_down_when_they_leave(world: World) -> None:
    await _own_desktop(world)
    ann = await world.identity("ann")
    opened = await world.services.sessions.open(ann, SessionRequest(pool="own"))
    await _maintain(world)
    await world.settle()
    assert (await _left(world)).in_use == 1
    await world.services.desktops.act(world.root, opened.session.desktop.id, "restart")
    await world.settle()
    assert (await world.services.sessions.show(ann, opened.session.id)).desktop.phase is Phase.READY
    await world.services.sessions.end(ann, opened.session.id)
    await world.settle()
    assert ((await _left(world)).kept, (await _left(world)).done) == (1, True)


async def test_of_a_silent_host_nobody_claims_that_nothing_runs(world: World) -> None:
    await _own_desktop(world)
    await _maintain(world)
    world.hosts = world.hosts[1:]
    world.clock.advance(20)
    world.hosts[0].beat()
    await world.settle()
    left = await _left(world)
    assert not left.done
    assert left.waits_for[-1] == "The host is not answering, so it is not known what still runs there."


async def test_another_controller_goes_on_where_the_first_one_died(world: World) -> None:
    await _two_hosts(world, spares=2)
    await _maintain(world)
    await world.look()
    world.restart()
    for host in world.hosts:
        host.beat()
    await world.settle()
    assert await _where(world) == Counter({"host-2": 2})


@pytest.mark.parametrize("role", ["user", "helpdesk", "pool-admin", "auditor"])
async def test_only_administrators_may(world: World, role: str) -> None:
    await world.host()
    who = await world.user("ann", role=role)  # type: ignore[arg-type]
    with pytest.raises(Refused):
        await world.services.hosts.maintain(who, "host-1", maintenance=True)
    with pytest.raises(NotFound):
        await world.services.hosts.maintain(world.root, "nothing", maintenance=True)
