"""Sessions end by their pool's rules, and people are told before."""

from __future__ import annotations

import pytest

from frazil.controller.identity import Identity
from frazil.model.desktop import Phase
from frazil.model.errors import NotFound
from frazil.wire.rest import NewSession, PoolChange, Session, SessionRequest
from frazil.wire.sessions import Line, LinkState
from tests.unit.controller.services.given import opened_session
from tests.unit.controller.world import World

HERE = LinkState(connected=True, remote_address="192.0.2.9")
GONE = LinkState(connected=False, remote_address="192.0.2.9")


async def session_with(world: World, **rules: int) -> tuple[Identity, NewSession]:
    """Ann's session, in a pool with these rules."""
    ann, opened = await opened_session(world)
    await change(world, pause_after_s=0, **rules)
    return ann, opened


async def change(world: World, **rules: int) -> None:
    pool = await world.services.pools.show(world.root, "desk")
    await world.services.pools.change(world.root, "desk", PoolChange.model_validate(rules), if_match=pool.version)


async def pass_s(world: World, seconds: float, *, seen: NewSession | None = None) -> None:
    """Time goes by, in which a gateway tells of the session that it has `seen`."""
    world.clock.advance(seconds)
    if seen is not None:
        await line(world, seen, None)
    for host in world.hosts:
        host.beat()
    await world.look()


async def shown(world: World, who: Identity, opened: NewSession) -> Session | str:
    """The session, or why it ended."""
    try:
        return await world.services.sessions.show(who, opened.session.id)
    except NotFound as exc:
        return exc.what


async def line(world: World, opened: NewSession, idle_s: float | None) -> None:
    said = Line(session_id=opened.session.id, links=1, to_viewer_bytes=0, to_desktop_bytes=0, stalls=0, idle_s=idle_s)
    world.ctx.lines.heard([said], now_s=world.clock.monotonic_s())


async def test_without_rules_a_session_waits_for_ever(world: World) -> None:
    ann, opened = await session_with(world)
    await pass_s(world, 30 * 86400)
    found = await shown(world, ann, opened)
    assert isinstance(found, Session)
    assert (found.ends_in_s, found.ends_by) == (None, None)


async def test_who_does_not_come_back_in_time_loses_the_session(world: World) -> None:
    ann, opened = await session_with(world, grace_s=600)
    await world.services.sessions.link_state(opened.session.id, HERE)
    await pass_s(world, 5000, seen=opened)
    found = await shown(world, ann, opened)
    assert isinstance(found, Session)
    assert found.ends_in_s is None, "they are connected"
    await world.services.sessions.link_state(opened.session.id, GONE)
    await pass_s(world, 590)
    found = await shown(world, ann, opened)
    assert isinstance(found, Session)
    assert (found.ends_in_s, found.ends_by) == (10.0, "grace")
    await world.services.sessions.link_state(opened.session.id, HERE)
    await pass_s(world, 700, seen=opened)
    assert isinstance(await shown(world, ann, opened), Session)
    await world.services.sessions.link_state(opened.session.id, GONE)
    await pass_s(world, 590)
    assert await world.look() <= 10, "it is looked at in time"
    await pass_s(world, 10)
    assert "Nobody came back to it in time" in str(await shown(world, ann, opened))
    assert (await world.services.desktops.show(world.root, opened.session.desktop.id)).phase is Phase.DELETING


async def test_who_waits_for_a_desktop_on_its_way_has_not_left(world: World) -> None:
    await world.ready_pool(spares=0)
    ann = await world.user("ann")
    await world.services.entitlements.grant(world.root, "desk", "ann")
    await change(world, grace_s=20, pause_after_s=0)
    opened = await world.services.sessions.open(ann, SessionRequest(pool="desk"))
    await pass_s(world, 50)
    assert isinstance(await shown(world, ann, opened), Session)
    await world.settle()
    await pass_s(world, 19)
    assert isinstance(await shown(world, ann, opened), Session)
    await pass_s(world, 2)
    assert "Nobody came back" in str(await shown(world, ann, opened))


async def test_a_controller_that_was_away_lets_the_grace_begin_anew(world: World) -> None:
    ann, opened = await session_with(world, grace_s=600)
    await world.services.sessions.link_state(opened.session.id, HERE)
    await world.services.sessions.link_state(opened.session.id, GONE)
    world.clock.advance(5000)
    world.restart()
    await pass_s(world, 1)
    assert isinstance(await shown(world, ann, opened), Session)
    await pass_s(world, 600)
    assert "Nobody came back" in str(await shown(world, ann, opened))


async def test_a_person_is_warned_and_their_session_ends_at_its_longest_time(world: World) -> None:
    ann, opened = await session_with(world, longest_s=3600)
    await world.services.sessions.link_state(opened.session.id, HERE)
    await pass_s(world, 3600 - 301)
    events = [event.kind for event in (await world.services.events.list_for(world.root)).items]
    assert "session.warned" not in events
    await pass_s(world, 2)
    warned = [e for e in (await world.services.events.list_for(world.root)).items if e.kind == "session.warned"]
    assert [event.text for event in warned] == [
        "The session ends in 5 min, since it will have reached the longest time that one may take."
    ]
    found = await shown(world, ann, opened)
    assert isinstance(found, Session)
    assert found.ends_by == "longest"
    assert found.ends_in_s is not None
    assert 290 <= found.ends_in_s <= 300
    await pass_s(world, 298)
    assert isinstance(await shown(world, ann, opened), Session)
    await pass_s(world, 3)
    assert "longest time that a session may take" in str(await shown(world, ann, opened))


async def test_a_rule_that_comes_late_still_gives_the_whole_warning(world: World) -> None:
    ann, opened = await session_with(world)
    await pass_s(world, 50_000)
    await change(world, longest_s=3600)
    await world.look()
    await pass_s(world, 299)
    assert isinstance(await shown(world, ann, opened), Session)
    await change(world, longest_s=60_000)  # somebody thought better of it
    await pass_s(world, 5000)
    found = await shown(world, ann, opened)
    assert isinstance(found, Session)
    assert found.ends_by == "longest"
    assert found.ends_in_s is not None
    assert found.ends_in_s > 1000


async def test_the_day_being_set_ahead_ends_no_session_at_once(world: World) -> None:
    ann, opened = await session_with(world, longest_s=36_000, grace_s=600)
    await world.look()
    world.clock.step(30 * 86400)
    await world.look()
    assert isinstance(await shown(world, ann, opened), Session)


async def test_who_uses_neither_keyboard_nor_mouse_is_idle(world: World) -> None:
    ann, opened = await session_with(world, idle_s=900)
    await world.services.sessions.link_state(opened.session.id, HERE)
    await line(world, opened, 880.0)
    await world.look()
    found = await shown(world, ann, opened)
    assert isinstance(found, Session)
    assert (found.ends_in_s, found.ends_by) == (20.0, "idle")
    await line(world, opened, 0.0)  # a key
    await world.look()
    found = await shown(world, ann, opened)
    assert isinstance(found, Session)
    assert found.ends_in_s == 900.0
    await line(world, opened, 895.0)
    await pass_s(world, 10)
    assert isinstance(await shown(world, ann, opened), Session), "that was not seen"
    await line(world, opened, 905.0)
    await world.look()
    assert "Nobody had used its keyboard or mouse" in str(await shown(world, ann, opened))


@pytest.mark.parametrize("connected", [True, False])
async def test_a_gateway_that_does_not_tell_makes_nobody_idle(world: World, connected: bool) -> None:
    ann, opened = await session_with(world, idle_s=60)
    await world.services.sessions.link_state(opened.session.id, HERE if connected else GONE)
    await line(world, opened, None if connected else 5000.0)
    await pass_s(world, 5)
    found = await shown(world, ann, opened)
    assert isinstance(found, Session)
    assert found.ends_in_s is None
