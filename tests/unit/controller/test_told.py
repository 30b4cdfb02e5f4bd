"""Hosts are told when something else is wanted of them, and only then."""

from __future__ import annotations

import pytest

from frazil.wire.rest import PoolChange, SessionRequest
from tests.unit.controller.services.given import entitled
from tests.unit.controller.world import World


@pytest.fixture
async def told(world: World) -> list[str]:
    """Ids of hosts, as they are told. Three hosts: two with a desktop of a pool each, and one with none."""
    for number in (1, 2):
        await world.host(number=number)
    await world.image()
    await world.ready_pool(spares=2, max_desktops=2)
    await world.host(number=3)
    await world.settle()
    world.told.clear()
    return world.told


async def test_with_nothing_new_nobody_is_told(world: World, told: list[str]) -> None:
    await world.settle()
    assert told == []


async def test_whose_desktop_somebody_was_given_is_told_of_them(world: World, told: list[str]) -> None:
    pool = await world.services.pools.show(world.root, "desk")
    user = await entitled(world, pool, "ann")
    opened = await world.services.sessions.open(user, SessionRequest(pool="desk"))
    await world.look()
    assert told == [opened.session.desktop.host_id]
    told.clear()
    await world.services.sessions.end(user, opened.session.id)
    await world.look()
    assert told == [opened.session.desktop.host_id]


async def test_whom_somebody_waits_for_is_told_at_once(world: World, told: list[str]) -> None:
    """Before anything is planned, which may take a while."""
    pool = await world.services.pools.show(world.root, "desk")
    user = await entitled(world, pool, "ann")
    for desktop in (await world.services.desktops.list_for(world.root)).items:
        told.clear()
        await world.services.desktops.act(world.root, desktop.id, "pause")
        assert told == [desktop.host_id]
    await world.settle()
    told.clear()
    opened = await world.services.sessions.open(user, SessionRequest(pool="desk"))
    host_id = opened.session.desktop.host_id
    assert told == [host_id]
    await world.settle()
    await world.services.desktops.act(world.root, opened.session.desktop.id, "pause")
    await world.settle()
    told.clear()
    await world.services.tickets.mint(user, opened.session.id)
    assert told == [host_id]
    await world.settle()
    told.clear()
    await world.services.tickets.mint(user, opened.session.id)
    assert told == [], "it is awake"


async def test_a_changed_pool_is_told_to_the_hosts_of_its_desktops(world: World, told: list[str]) -> None:
    pool = await world.services.pools.show(world.root, "desk")
    await world.services.pools.change(world.root, pool.id, PoolChange(share_memory=False), if_match=pool.version)
    await world.look()
    assert sorted(told) == [host.id for host in world.hosts[:2]]


async def test_a_new_image_and_a_pools_template_are_told_to_all(world: World, told: list[str]) -> None:
    await world.image("other")
    await world.look()
    assert sorted(told) == [host.id for host in world.hosts]
    told.clear()
    await world.pool("more", spares=0, image="other")
    await world.look()
    assert sorted(told) == [host.id for host in world.hosts]


async def test_whom_a_desktop_left_is_told(world: World, told: list[str]) -> None:
    desktop = (await world.services.desktops.list_for(world.root)).items[0]
    await world.services.desktops.act(world.root, desktop.id, "delete")
    await world.look()
    assert desktop.host_id in told
    told.clear()
    for host in world.hosts:
        await host.obey()
    await world.look()
    assert desktop.host_id in told, "it forgets what it had"
