"""What was on its way while nobody looked, or while the time of day was set, is not late for that."""

from __future__ import annotations

import pytest

from frazil.model.desktop import Guest, Phase
from frazil.wire.rest import SessionRequest
from tests.unit.controller.world import World

NIGHT_S = 10 * 3600.0


async def _phases(world: World) -> list[Phase]:
    return [one.phase for one in (await world.services.desktops.list_for(world.root)).items]


async def _on_their_way(world: World) -> None:
    """Two spares are starting and one waits for a host with its image."""
    host = await world.host()
    await world.image()
    await world.pool("desk", spares=2)
    await host.obey()
    await world.look()
    await host.take()
    for spec in host.sent.desktops if host.sent else []:
        host.guests[spec.desktop_id] = Guest.AGENT
    await world.settle()
    await world.image("other")
    host.images_ready = False
    user = await world.user("ann")
    await world.pool("late", spares=0, image="other")
    await world.services.entitlements.grant(world.root, "late", "ann")
    await world.services.sessions.open(user, SessionRequest(pool="late"))
    await world.look()
    assert sorted(phase.value for phase in await _phases(world)) == ["starting", "starting", "waiting"]


async def test_what_was_on_its_way_when_the_machine_was_switched_off_gets_its_time_again(world: World) -> None:
    await _on_their_way(world)
    world.clock.advance(NIGHT_S)
    world.restart()
    await world.look()
    assert Phase.FAILED not in await _phases(world)
    [host] = world.hosts
    host.guests.clear()
    host.images_ready = True
    await world.settle()
    assert await _phases(world) == [Phase.READY] * 3
    pool = await world.services.pools.show(world.root, "desk")
    assert pool.typical_start_s is None, "nobody measured it"


@pytest.mark.parametrize("seconds", [NIGHT_S, -NIGHT_S])
async def test_a_step_of_the_time_of_day_makes_nothing_late_and_gives_no_more_than_a_deadline(
    world: World, seconds: float
) -> None:
    await _on_their_way(world)
    world.clock.step(seconds)
    world.hosts[0].beat()
    await world.look()
    assert Phase.FAILED not in await _phases(world)
    world.clock.advance(61)
    world.hosts[0].beat()
    await world.look()
    assert set(await _phases(world)) == {Phase.FAILED}


async def test_time_that_passes_between_two_looks_is_no_step(world: World) -> None:
    await _on_their_way(world)
    world.clock.advance(61)
    world.hosts[0].beat()
    await world.look()
    assert set(await _phases(world)) == {Phase.FAILED}
