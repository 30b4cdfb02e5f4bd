"""Desktops that nobody looks at are paused, and are awake for whoever comes back."""

from __future__ import annotations

from frazil.model.desktop import Phase, Power
from frazil.wire.rest import PoolChange, SessionRequest
from frazil.wire.sessions import Line, LinkState
from tests.unit.controller.services.given import entitled, opened_session, redeeming
from tests.unit.controller.world import World


async def test_the_time_without_anybody_begins_when_it_is_there_and_again_with_a_ticket(world: World) -> None:
    pool = await world.ready_pool(spares=0)
    ann = await entitled(world, pool, "ann")
    opened = await world.services.sessions.open(ann, SessionRequest(pool="desk"))
    desktop_id = opened.session.desktop.id
    await world.look()
    [host] = world.hosts
    world.clock.advance(pool.pause_after_s + 1)  # its template was made all the while
    host.beat()
    await host.obey()
    await world.settle()
    assert (await world.services.desktops.show(ann, desktop_id)).phase is Phase.READY
    world.clock.advance(pool.pause_after_s - 1)
    host.beat()
    await world.services.tickets.mint(ann, opened.session.id)
    await world.settle()
    assert (await world.services.desktops.show(ann, desktop_id)).phase is Phase.READY
    world.clock.advance(pool.pause_after_s + 1)
    host.beat()
    await world.settle()
    assert (await world.services.desktops.show(ann, desktop_id)).phase is Phase.PAUSED


async def test_a_viewer_is_there_from_its_ticket_on(world: World) -> None:
    """Its gateway's word may take its time on a busy machine; the desktop is not paused under it meanwhile."""
    user, opened = await opened_session(world)
    pool = await world.services.pools.show(world.root, opened.session.pool_id)
    await world.services.pools.change(world.root, pool.id, PoolChange(pause_after_s=10), if_match=pool.version)
    await world.services.tickets.redeem(redeeming(opened))
    for _ in range(4):
        world.clock.advance(5)
        world.hosts[0].beat()
        await world.settle()
        shown = await world.services.sessions.show(user, opened.session.id)
        assert (shown.connected, shown.desktop.phase) == (True, Phase.READY)
    here = LinkState(connected=True, remote_address="192.0.2.9")
    await world.services.sessions.link_state(opened.session.id, here)
    texts = [event.text for event in (await world.services.events.list_for(world.root)).items]
    assert texts.count("A viewer connected.") == 1


async def test_a_viewer_wakes_its_desktop_by_its_ticket(world: World) -> None:
    user, opened = await opened_session(world)
    await world.services.desktops.act(world.root, opened.session.desktop.id, "pause")
    await world.settle()
    await world.services.tickets.redeem(redeeming(opened))
    await world.settle()
    assert (await world.services.sessions.show(user, opened.session.id)).desktop.phase is Phase.READY


async def test_a_gateway_that_was_killed_leaves_nobody_looking(world: World) -> None:
    user, opened = await opened_session(world)
    session_id = opened.session.id
    here = LinkState(connected=True, remote_address="192.0.2.9")
    line = Line(session_id=session_id, links=1, to_viewer_bytes=0, to_desktop_bytes=0, stalls=0)

    async def connected(*, after_s: float, told: bool = False) -> bool:
        world.clock.advance(after_s)
        if told:
            world.ctx.lines.heard([line], now_s=world.clock.monotonic_s())
        await world.look()
        return (await world.services.sessions.show(user, session_id)).connected

    await world.services.sessions.link_state(session_id, here)
    assert await connected(after_s=30, told=True)
    assert await connected(after_s=59), "nothing is known yet of what went wrong"
    assert not await connected(after_s=12)
    texts = [event.text for event in (await world.services.events.list_for(world.root)).items]
    assert texts.count("A viewer disconnected.") == 1
    assert await connected(after_s=20, told=True), "the gateway was only not heard"
    await world.services.sessions.link_state(session_id, LinkState(connected=False, remote_address="192.0.2.9"))
    assert not await connected(after_s=11), "what was said before it left does not count"


async def test_a_viewer_that_was_only_not_heard_finds_its_desktop_awake(world: World) -> None:
    user, opened = await opened_session(world)
    session_id, desktop_id = opened.session.id, opened.session.desktop.id
    await world.services.sessions.link_state(session_id, LinkState(connected=True, remote_address=""))
    world.clock.advance(61)
    await world.look()
    assert not (await world.services.sessions.show(user, session_id)).connected
    await world.services.desktops.act(world.root, desktop_id, "pause")
    world.clock.advance(20)
    line = Line(session_id=session_id, links=1, to_viewer_bytes=0, to_desktop_bytes=0, stalls=0)
    world.ctx.lines.heard([line], now_s=world.clock.monotonic_s())
    world.hosts[0].beat()
    await world.settle()
    shown = await world.services.sessions.show(user, session_id)
    assert (shown.connected, shown.desktop.phase) == (True, Phase.READY)


async def test_whoever_connects_while_their_desktop_is_being_paused_finds_it_awake(world: World) -> None:
    user, opened = await opened_session(world)
    desktop_id = opened.session.desktop.id
    await world.services.desktops.act(world.root, desktop_id, "pause")
    await world.services.sessions.link_state(opened.session.id, LinkState(connected=True, remote_address=""))
    await world.settle()
    assert (await world.services.desktops.show(user, desktop_id)).phase is Phase.READY


async def test_opening_a_paused_desktop_wakes_it(world: World) -> None:
    user, opened = await opened_session(world)
    await world.services.desktops.act(world.root, opened.session.desktop.id, "pause")
    await world.settle()
    shown = await world.services.sessions.show(user, opened.session.id)
    assert shown.desktop.phase is Phase.PAUSED
    await world.services.tickets.mint(user, opened.session.id)
    assert (await world.services.desktops.show(user, opened.session.desktop.id)).power is Power.RUNNING


async def test_paused_desktops_come_back_after_their_host_was_rebooted(world: World) -> None:
    pool = await world.ready_pool(spares=2)
    ann = await entitled(world, pool, "ann")
    [host] = world.hosts
    world.clock.advance(pool.pause_after_s + 1)
    host.beat()
    await world.settle()

    async def phases() -> set[Phase]:
        return {one.phase for one in (await world.services.desktops.list_for(world.root)).items}

    assert await phases() == {Phase.PAUSED}
    host.reboot()
    await host.obey()
    opened = await world.services.sessions.open(ann, SessionRequest(pool="desk"))
    assert (opened.session.desktop.phase, opened.ticket) == (Phase.STARTING, None)
    await world.settle()
    assert await phases() == {Phase.READY}
    assert (await world.services.tickets.mint(ann, opened.session.id)).ticket
    world.clock.advance(pool.pause_after_s + 1)
    host.beat()
    await world.settle()
    assert await phases() == {Phase.PAUSED}, "nobody looks at any of them"
