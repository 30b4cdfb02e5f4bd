"""Tickets: who gets one, when, how often it works; and what the gateway says and is told."""

from __future__ import annotations

import asyncio
import threading
from datetime import timedelta

import pytest
import sqlalchemy as sa

from frazil.controller import internal
from frazil.controller.store import host_keys
from frazil.model.errors import Conflict, NotFound, Refused
from frazil.wire.rest import SessionRequest
from frazil.wire.sessions import HostRevoked, Line, LinkState, PolicyChanged, Refusal, Revocation
from tests.unit.controller.services.given import entitled, opened_session, redeeming
from tests.unit.controller.world import World


async def test_a_ticket_comes_the_moment_the_desktop_is_ready(world: World) -> None:
    pool = await world.ready_pool(spares=0)
    ann = await entitled(world, pool, "ann")
    opened = await world.services.sessions.open(ann, SessionRequest(pool="desk"))
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(world.services.tickets.mint(ann, opened.session.id, wait_s=20))
        await world.settle()
    assert waiting.result().spice_path == f"/spice/{opened.session.id}"


async def test_nobody_waits_for_anothers_ticket(world: World) -> None:
    pool = await world.ready_pool(spares=0)
    ann, bob = await entitled(world, pool, "ann"), await entitled(world, pool, "bob")
    opened = await world.services.sessions.open(ann, SessionRequest(pool="desk"))
    async with asyncio.timeout(5):
        with pytest.raises(NotFound, match="no such session"):
            await world.services.tickets.mint(bob, opened.session.id, wait_s=20)


async def test_a_ticket_is_waited_for_no_longer_than_asked_and_not_when_the_session_ends(world: World) -> None:
    pool = await world.ready_pool(spares=0)
    ann = await entitled(world, pool, "ann")
    opened = await world.services.sessions.open(ann, SessionRequest(pool="desk"))
    with pytest.raises(Conflict, match="is not ready"):
        await world.services.tickets.mint(ann, opened.session.id, wait_s=0.05)
    waiting = asyncio.create_task(world.services.tickets.mint(ann, opened.session.id, wait_s=20))
    await asyncio.sleep(0)
    await world.services.sessions.end(ann, opened.session.id)
    with pytest.raises(NotFound):
        await waiting


async def test_a_ticket_works_once_for_a_minute_and_for_its_session(world: World) -> None:
    user, opened = await opened_session(world)
    services = world.services
    with pytest.raises(Refused):
        await services.tickets.redeem(redeeming(opened, "wrong"))
    redeemed = await services.tickets.redeem(redeeming(opened))
    assert redeemed.user_id == user.user_id
    assert redeemed.route == await services.sessions.route(opened.session.id)
    assert redeemed.route.desktop_id == opened.session.desktop.id
    with pytest.raises(Refused):
        await services.tickets.redeem(redeeming(opened))
    second = await services.tickets.mint(user, opened.session.id)
    world.clock.advance(61)
    with pytest.raises(Refused):
        await services.tickets.redeem(redeeming(opened, second.ticket))
    events = (await services.events.list_for(world.root)).items
    refused = [(event.user_name, event.remote_address) for event in events if event.kind == "ticket.refused"]
    assert refused == [("ann", "192.0.2.9")] * 3


async def test_links_that_the_gateway_refused_itself_are_written_down(world: World) -> None:
    _, opened = await opened_session(world)
    why = "The ticket is not the one that opened this session."
    refusal = Refusal(session_id=opened.session.id, remote_address="192.0.2.9", why=why, times=7)
    once = refusal.model_copy(update={"times": 1})
    stranger = refusal.model_copy(update={"session_id": "01900000-0000-7000-8000-00000000dead"})
    await world.services.sessions.links_refused([refusal, once, stranger])
    events = (await world.services.events.list_for(world.root)).items
    noted = [event for event in events if event.kind == "link.refused"]
    assert [event.text for event in noted] == [f"A link was refused. {why}", f"7 links were refused. {why}"]
    for event in noted:
        assert (event.user_name, event.remote_address, event.outcome) == ("ann", "192.0.2.9", "refused")
        assert event.desktop_id == opened.session.desktop.id


async def test_of_a_hundred_threads_exactly_one_redeems_a_ticket(world: World) -> None:
    _, opened = await opened_session(world)
    request = redeeming(opened)
    tickets = world.services.tickets
    barrier = threading.Barrier(100)
    results: list[bool] = []

    def work() -> None:
        barrier.wait(timeout=30)
        answer = world.ctx.store.write_now(lambda tx: tickets._redeem(tx, request))
        results.append(not isinstance(answer, Refused))

    threads = [threading.Thread(target=work) for _ in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        await asyncio.to_thread(thread.join, 60)
    assert len(results) == 100
    assert results.count(True) == 1


@pytest.mark.parametrize("way", ["revoke", "desktop", "user", "pool", "end"])
async def test_the_gateway_is_told_when_a_session_is_over(world: World, way: str) -> None:
    _, opened = await opened_session(world)
    stream = internal.changes(world.ctx)
    assert await anext(stream) is None
    services, root = world.services, world.root
    match way:
        case "revoke":
            await services.entitlements.revoke(root, "desk", "ann")
        case "desktop":
            await services.desktops.act(root, opened.session.desktop.id, "delete")
        case "user":
            await services.people.delete(root, "ann")
        case "pool":
            await services.pools.delete(root, "desk")
        case _:
            await services.sessions.end(root, opened.session.id)
    async with asyncio.timeout(10):
        told = await anext(stream)
    assert isinstance(told, Revocation)
    assert told.session_id == opened.session.id
    assert told.reason
    # Who connects anew is told again: it may have missed it.
    later = internal.changes(world.ctx)
    assert [await anext(later), await anext(later)] == [None, told]
    await world.settle()
    assert opened.session.desktop.id not in [one.id for one in (await services.desktops.list_for(root)).items]
    for open_stream in (stream, later):
        await open_stream.aclose()


async def test_link_states_are_kept_and_shown(world: World) -> None:
    user, opened = await opened_session(world)
    session_id = opened.session.id
    await world.services.sessions.link_state(session_id, LinkState(connected=True, remote_address="192.0.2.9"))
    shown = await world.services.sessions.show(user, session_id)
    assert (shown.connected, shown.desktop.connected) == (True, True)
    assert (shown.connected_at, shown.remote_address, shown.line) == (world.clock.now(), "192.0.2.9", None)
    line = Line(
        session_id=session_id, links=4, to_viewer_bytes=14_000_000, to_desktop_bytes=900, stalls=2, latency_ms=23.4
    )
    world.ctx.lines.heard([line], now_s=world.clock.monotonic_s())
    for session in (await world.services.sessions.list_for(world.root)).items:
        assert session.line is not None
        assert (session.line.to_viewer_bytes, session.line.latency_ms, session.line.links) == (14_000_000, 23.4, 4)
    await world.services.sessions.link_state(
        session_id, LinkState(connected=False, remote_address="192.0.2.9", reason="The viewer went away.")
    )
    gone = await world.services.sessions.show(user, session_id)
    assert (gone.connected, gone.line) == (False, None)
    kinds = [event.kind for event in (await world.services.desktops.events(user, shown.desktop.id)).items]
    assert kinds[:2] == ["session.disconnected", "session.connected"]
    with pytest.raises(NotFound):
        await world.services.sessions.link_state("nothing", LinkState(connected=True, remote_address=""))


async def test_nothing_is_shown_of_a_host_that_was_revoked_until_it_is_trusted_again(world: World) -> None:
    user, opened = await opened_session(world)
    services, store, now = world.services, world.ctx.store, world.clock.now()
    host_id = world.hosts[0].id

    def certify(tx: sa.Connection, key: str) -> None:
        host_keys.add(tx, key, host_id=host_id, now=now, expires_at=now + timedelta(days=90))

    await world.hosts[0].hello(address="10.0.0.7")
    await store.write(lambda tx: certify(tx, "first"))
    assert (await services.sessions.route(opened.session.id)).host_trusted
    await services.joining.revoke(world.root, host_id)
    told = internal.changes(world.ctx)
    said = [await anext(told) for _ in range(3)]
    await told.aclose()
    assert said[0] is None
    assert isinstance(said[1], PolicyChanged)
    assert said[2] == HostRevoked(host_id=host_id)
    assert not (await services.sessions.route(opened.session.id)).host_trusted
    with pytest.raises(Conflict, match="trusted no more"):
        await services.tickets.redeem(redeeming(opened))
    with pytest.raises(Conflict, match="trusted no more"):
        await services.tickets.mint(user, opened.session.id, wait_s=20)
    await store.write(lambda tx: certify(tx, "second"))
    assert (await services.tickets.redeem(redeeming(opened))).route.host_trusted, "the ticket was not used up"
