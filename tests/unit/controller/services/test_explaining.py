"""Why a desktop is on its host, and why it is on none."""

from __future__ import annotations

import pytest

from frazil.controller.planning.scores import APART_MOST, PROCESSORS_MOST, ROOM_MOST, TEMPLATE_MOST
from frazil.controller.store import tables as t
from frazil.model.desktop import Phase
from frazil.model.errors import NotFound, Refused
from frazil.wire.rest import Explanation, HostChange, PoolRequest, SessionRequest
from tests.unit.controller.services.given import entitled
from tests.unit.controller.world import World


async def _explained(world: World) -> Explanation:
    [desktop] = (await world.services.desktops.list_for(world.root)).items
    return await world.services.desktops.explain(world.root, desktop.name)


async def test_the_hosts_that_refuse_are_told_by_what_they_lack(world: World) -> None:
    await world.image()
    tight = [await world.host(number=n, memory_mib=100 * n) for n in (1, 2)]
    silent = await world.host(number=3)
    pool = await world.pool(spares=0)
    ann = await entitled(world, pool, "ann")
    for host in world.hosts:
        await host.obey()
    world.hosts = tight
    world.clock.advance(16)
    for host in tight:
        host.beat()
    await world.services.sessions.open(ann, SessionRequest(pool="desk"))
    await world.look()
    found = await _explained(world)
    assert (found.phase, found.host_id, found.placement) == (Phase.WAITING, None, None)
    memory, away = found.refusals
    assert (memory.code, memory.text, memory.hosts) == (
        "memory",
        "2 hosts: too little memory left",
        ["host-1", "host-2"],
    )
    assert memory.detail == "1024 MiB are needed, the roomiest has 200 MiB."
    assert (away.code, away.text, away.hosts) == ("not-connected", "1 host: not connected", [f"host-{silent.id[-1]}"])
    assert "frazil doctor" in away.remedy
    assert found.text == "No host can take it now. 2 hosts: too little memory left; 1 host: not connected."
    # It is told no longer once it has a place.
    tight[0].load = tight[0].load.model_copy(update={"memory_available_mib": 5000})
    tight[0].beat()
    await world.settle()
    assert (await _explained(world)).refusals == []


async def test_what_spoke_for_a_host_is_kept_as_it_was(world: World) -> None:
    first = await world.host(number=1, memory_mib=20_000)
    await world.host(number=2, memory_mib=60_000)
    await world.image()
    for host in world.hosts:
        await host.obey()
    await world.pool(spares=1)
    await world.settle()
    first.load = first.load.model_copy(update={"memory_available_mib": 90_000, "load1": 8.0})
    await world.settle()
    found = await _explained(world)
    assert found.host_name == "host-2"
    assert found.text == (
        "It was placed on the host host-2: of 2 hosts 2 could take it then, and this one had the most points."
    )
    placement = found.placement
    assert placement is not None
    assert (placement.able, placement.of_hosts) == (2, 2)
    most = {part.name: part.most for part in placement.parts}
    assert most == {
        "template": TEMPLATE_MOST, "room": ROOM_MOST, "processors": PROCESSORS_MOST, "apart": APART_MOST
    }  # fmt: skip
    assert sum(most.values()) == 100
    texts = {part.name: part.text for part in placement.parts}
    assert texts["room"] == f"{60_000 - 768 - 256} MiB of its memory were left for others."
    assert texts["processors"] == "Its processors were 1 percent busy."
    assert texts["apart"] == "No other desktop of its pool was there."
    assert placement.points == sum(part.points for part in placement.parts)


async def test_one_that_an_older_version_placed_says_so(world: World) -> None:
    await world.ready_pool()
    assert "the only one of 1" in (await _explained(world)).text
    await world.ctx.store.write(lambda tx: tx.execute(t.placements.delete()))
    found = await _explained(world)
    assert found.placement is None
    assert "an older version placed it" in found.text


async def test_the_desktop_takes_what_was_kept_with_it(world: World) -> None:
    await world.ready_pool()
    [desktop] = (await world.services.desktops.list_for(world.root)).items
    pool = await world.services.pools.show(world.root, "desk")
    await world.services.pools.delete(world.root, pool.id)
    await world.settle()
    with pytest.raises(NotFound):
        await world.services.desktops.explain(world.root, desktop.id)
    assert await world.ctx.store.read(lambda tx: tx.execute(t.placements.select()).all()) == []


async def test_whose_desktop_it_is_does_not_learn_of_hosts(world: World) -> None:
    pool = await world.ready_pool()
    ann = await entitled(world, pool, "ann")
    opened = await world.services.sessions.open(ann, SessionRequest(pool="desk"))
    with pytest.raises(Refused):
        await world.services.desktops.explain(ann, opened.session.desktop.id)


async def test_of_a_packed_pool_it_is_said_what_speaks_for_a_fuller_host(world: World) -> None:
    await world.host(number=1, memory_mib=60_000)
    await world.host(number=2, memory_mib=20_000)
    await world.image()
    for host in world.hosts:
        await host.obey()
    request = PoolRequest(name="desk", image="debian", spares=1, placement="pack", start_deadline_s=60)
    await world.services.pools.create(world.root, request)
    await world.settle()
    found = await _explained(world)
    assert found.host_name == "host-2"
    assert found.placement is not None
    texts = {part.name: part.text for part in found.placement.parts}
    left_mib = 20_000 - 768 - 256
    assert texts["room"] == f"{left_mib} MiB of its memory were left: the fewer, the better in a pool that is packed."


async def test_of_a_pool_that_is_kept_apart_the_place_is_said(world: World) -> None:
    for number, rack in ((1, "a"), (2, "")):
        await world.host(number=number)
        change = HostChange(labels={"rack": rack} if rack else {})
        await world.services.hosts.change(world.root, f"host-{number}", change, if_match=1)
    await world.image()
    for host in world.hosts:
        await host.obey()
    request = PoolRequest(name="desk", image="debian", spares=2, apart_by="rack", start_deadline_s=60)
    await world.services.pools.create(world.root, request)
    await world.settle()
    texts = {}
    for one in (await world.services.desktops.list_for(world.root)).items:
        found = await world.services.desktops.explain(world.root, one.id)
        texts[found.host_name] = found.text.partition(". ")[2]
    end = "and of the hosts there this one had the most points."
    assert texts == {
        "host-1": f"Its pool is kept apart by rack: rack=a had the fewest of its desktops, 0, {end}",
        "host-2": f"Its pool is kept apart by rack: no rack had the fewest of its desktops, 0, {end}",
    }
