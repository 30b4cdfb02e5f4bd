"""A host that is not heard from for long: its spares are made elsewhere, and nothing that may run is given up."""

from __future__ import annotations

from collections import Counter

from frazil.controller.presence import LOST_AFTER_S, SILENT_AFTER_S
from frazil.wire.rest import SessionRequest
from tests.unit.controller.services.given import entitled
from tests.unit.controller.world import FakeHost, World


async def _where(world: World) -> Counter[str]:
    return Counter(one.host_name or "" for one in (await world.services.desktops.list_for(world.root)).items)


async def _pass(world: World, seconds: float, *heard: FakeHost) -> None:
    """Time passes in which just these hosts are heard."""
    world.clock.advance(seconds)
    for host in heard:
        host.beat()
    await world.settle()


async def test_its_spares_are_made_elsewhere_after_a_while_and_go_when_it_is_back(world: World) -> None:
    first = await world.host(number=1)
    await world.image()
    pool = await world.pool(spares=2, max_desktops=8)
    await world.settle()
    ann = await entitled(world, pool, "ann")
    mine = (await world.services.sessions.open(ann, SessionRequest(pool="desk"))).session
    await world.settle()
    assert await _where(world) == Counter({"host-1": 3})
    other = await world.host(number=2)
    world.hosts.remove(first)
    await _pass(world, SILENT_AFTER_S + 5, other)
    assert await _where(world) == Counter({"host-1": 3}), "it may be back at once"
    await _pass(world, LOST_AFTER_S - SILENT_AFTER_S, other)
    assert await _where(world) == Counter({"host-1": 3, "host-2": 2})
    assert (await world.services.pools.show(world.root, pool.id)).counts.ready == 2

    world.restart()
    await _pass(world, 1, other)
    await _pass(world, LOST_AFTER_S + 1, other)
    assert await _where(world) == Counter({"host-1": 3, "host-2": 2}), "another controller sees it the same way"
    assert (await world.services.sessions.show(ann, mine.id)).desktop.id == mine.desktop.id

    world.hosts.insert(0, first)
    await _pass(world, 1, first, other)
    assert await _where(world) == Counter({"host-1": 3})
    assert (await world.services.sessions.show(ann, mine.id)).desktop.phase.value == "ready"


async def test_after_a_controllers_start_hosts_have_their_time_to_come(world: World) -> None:
    first = await world.host(number=1)
    await world.image()
    await world.pool(spares=2, max_desktops=8)
    await world.settle()
    other = await world.host(number=2)
    await world.settle()
    world.restart()
    world.hosts.remove(first)
    await _pass(world, LOST_AFTER_S - 5, other)
    assert await _where(world) == Counter({"host-1": 2})
    await _pass(world, 10, other)
    assert await _where(world) == Counter({"host-1": 2, "host-2": 2})
