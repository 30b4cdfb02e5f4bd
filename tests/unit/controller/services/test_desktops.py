"""Desktops: what is wanted, what is seen, and what is said about it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
import sqlalchemy as sa

from frazil.controller.services import finding
from frazil.controller.services.screenshots import Screenshots
from frazil.controller.store import sessions
from frazil.controller.store import tables as t
from frazil.model.desktop import Guest, Phase, Power, State
from frazil.model.errors import Conflict, HostError, Unavailable
from frazil.wire.hostlink import DesktopObservation, EpochField, Stray
from frazil.wire.rest import Desktop, SessionRequest
from tests.unit.controller.world import World


async def _only(world: World) -> Desktop:
    [desktop] = (await world.services.desktops.list_for(world.root)).items
    return desktop


async def test_actions_say_what_is_wanted_and_the_host_is_told(world: World) -> None:
    await world.ready_pool()
    desktop = await _only(world)
    [host] = world.hosts
    for action, power, graceful, phase in (
        ("pause", Power.PAUSED, False, Phase.PAUSED),
        ("start", Power.RUNNING, False, Phase.READY),
        ("shutdown", Power.STOPPED, True, Phase.STOPPED),
        ("stop", Power.STOPPED, False, Phase.STOPPED),
    ):
        shown = await world.services.desktops.act(world.root, desktop.name, action)  # type: ignore[arg-type]
        assert shown.power is power
        specs = {spec.desktop_id: spec for spec in (await host.take()).desktops}
        assert (specs[desktop.id].power, specs[desktop.id].graceful) == (power, graceful)
        await world.settle()
        assert (await world.services.desktops.show(world.root, desktop.id)).phase is phase
    with pytest.raises(Conflict, match="Only a running desktop can be paused"):
        await world.services.desktops.act(world.root, desktop.id, "pause")
    with pytest.raises(Conflict, match="has not failed"):
        await world.services.desktops.act(world.root, desktop.id, "retry")


async def test_a_deleted_desktop_goes_only_when_seen_absent_after_the_wish(world: World) -> None:
    await world.ready_pool(spares=0)
    ann = await world.user("ann", role="administrator")
    opened = await world.services.sessions.open(ann, SessionRequest(pool="desk"))
    [host] = world.hosts
    await world.look()
    [before] = (await host.take()).desktops
    # The host has taken the wish for a desktop in, and has made nothing of it yet.
    nothing_yet = DesktopObservation(
        desktop_id=before.desktop_id,
        epoch=before.epoch,
        attempt=before.attempt,
        state=State.ABSENT,
        guest=Guest.SILENT,
        observed_at=world.clock.now(),
    )
    await host.report(desktops=[nothing_yet])
    await world.services.desktops.act(world.root, opened.session.desktop.id, "delete")
    await host.report(desktops=[nothing_yet])
    await world.look()
    assert (await _only(world)).phase is Phase.DELETING
    [spec] = (await host.take()).desktops
    assert spec.power is Power.ABSENT
    assert spec.attempt > before.attempt
    await host.report()
    await world.look()
    assert (await world.services.desktops.list_for(world.root)).items == []


async def test_what_a_complete_report_leaves_out_is_absent_and_what_an_old_one_does_is_not(world: World) -> None:
    await world.ready_pool()
    desktop = await _only(world)
    [host] = world.hosts
    sent = await host.take()
    await host.report(desktops=[], generation=sent.generation - 1)
    await world.look()
    assert (await _only(world)).phase is Phase.READY
    await host.report(desktops=[], complete=False)
    await world.look()
    assert (await _only(world)).phase is Phase.READY
    await host.report(desktops=[])
    await world.look()
    shown = await world.services.desktops.show(world.root, desktop.id)
    assert shown.phase is Phase.STARTING  # wanted running, seen absent: its host starts it again


async def test_observations_of_older_epochs_attempts_and_other_hosts_are_ignored(world: World) -> None:
    await world.ready_pool()
    desktop = await _only(world)
    [host] = world.hosts
    [spec] = (await host.take()).desktops
    good = host.see(spec)
    for wrong in (
        good.model_copy(update={"attempt": spec.attempt - 1, "state": State.ABSENT}),
        good.model_copy(update={"epoch": EpochField(generation=0, counter=spec.epoch.counter), "state": State.STOPPED}),
    ):
        await host.report(desktops=[wrong])
        assert (await world.services.desktops.show(world.root, desktop.id)).phase is Phase.READY
    other = await world.host(number=2)
    await other.take()
    await other.report(desktops=[good.model_copy(update={"state": State.STOPPED})])
    assert (await world.services.desktops.show(world.root, desktop.id)).phase is Phase.READY


async def test_a_silent_host_makes_its_desktops_unknown_and_nothing_is_destroyed(world: World) -> None:
    await world.ready_pool()
    desktop = await _only(world)
    [host] = world.hosts
    world.clock.advance(16)
    await world.look()
    shown = await world.services.desktops.show(world.root, desktop.id)
    assert shown.phase is Phase.UNKNOWN
    assert "left alone" in shown.why
    world.clock.advance(3600)
    await world.look()
    assert (await _only(world)).id == desktop.id
    host.beat()
    await world.look()
    assert (await _only(world)).phase is Phase.READY
    kinds = [event.kind for event in (await world.services.events.list_for(world.root)).items]
    assert [kind for kind in kinds if kind.startswith("host.")] == ["host.up", "host.silent", "host.up"]


async def test_strays_are_kept_and_shown(world: World) -> None:
    host = await world.host()
    host.strays = [Stray(kind="domain", name="frazil-unknown", desktop_id="x", detail="It runs.")]
    await host.obey()
    [stray] = (await world.services.hosts.strays(world.root)).items
    assert (stray.kind, stray.name, stray.host_id) == ("domain", "frazil-unknown", host.id)
    host.strays = []
    await host.obey()
    assert (await world.services.hosts.strays(world.root)).items == []


async def test_one_picture_serves_everyone_for_five_seconds(world: World) -> None:
    await world.ready_pool()
    desktop = await _only(world)
    asked: list[str] = []
    answer: list[bytes | Exception] = [b"\x89PNG one"]

    async def ask(host_id: str, *, desktop_id: str, deadline_s: float) -> bytes:
        asked.append(desktop_id)
        await asyncio.sleep(0)
        result = answer[0]
        if isinstance(result, Exception):
            raise result
        return result

    world.ctx.ask_host = ask
    pictures = await asyncio.gather(*(world.services.desktops.screenshot(world.root, desktop.id) for _ in range(20)))
    assert set(pictures) == {b"\x89PNG one"}
    assert asked == [desktop.id]
    answer[0] = b"\x89PNG two"
    world.clock.advance(4.9)
    assert await world.services.desktops.screenshot(world.root, desktop.id) == b"\x89PNG one"
    world.clock.advance(0.2)
    assert await world.services.desktops.screenshot(world.root, desktop.id) == b"\x89PNG two"
    world.clock.advance(6)
    answer[0] = Unavailable("The host is away.")
    with pytest.raises(HostError, match="The host is away"):
        await world.services.desktops.screenshot(world.root, desktop.id)
    await world.services.desktops.act(world.root, desktop.id, "stop")
    [host] = world.hosts
    await host.obey()
    with pytest.raises(Conflict, match="no picture"):
        await world.services.desktops.screenshot(world.root, desktop.id)


async def test_pictures_are_forgotten_once_they_are_old(world: World) -> None:
    await world.ready_pool(spares=3)
    desktops = (await world.services.desktops.list_for(world.root)).items

    async def ask(host_id: str, *, desktop_id: str, deadline_s: float) -> bytes:
        return b"\x89PNG"

    world.ctx.ask_host = ask
    screenshots = Screenshots(world.ctx)
    for desktop in desktops:
        row = await world.ctx.store.read(lambda tx, id=desktop.id: finding.desktop(tx, id))  # type: ignore[misc]
        await screenshots.of(row)
        assert list(screenshots._kept) == [desktop.id]
        assert list(screenshots._locks) == []
        world.clock.advance(6)


async def test_history_tells_the_way_of_a_desktop(world: World) -> None:
    await world.ready_pool()
    desktop = await _only(world)
    kinds = [event.kind for event in (await world.services.desktops.events(world.root, desktop.id)).items]
    assert kinds[::-1] == ["desktop.created", "desktop.placed", "desktop.starting", "desktop.ready"]


async def test_who_is_given_a_desktop_does_not_read_who_had_it_before(world: World) -> None:
    pool = await world.ready_pool(spares=1, max_desktops=2)
    ann, bob = await world.user("ann"), await world.user("bob")
    for who in ("ann", "bob"):
        await world.services.entitlements.grant(world.root, pool.name, who)
    opened = await world.services.sessions.open(ann, SessionRequest(pool="desk"))
    first = opened.session.desktop.id

    def free(tx: sa.Connection) -> None:
        """As when the first person's desktop failed before they saw it, and an administrator tried it again."""
        [session] = sessions.open_ones(tx, desktop_id=first)
        sessions.end(tx, session.id, reason="", now=world.clock.now())
        tx.execute(t.desktops.update().where(t.desktops.c.id == first).values(assigned_user_id=None))

    await world.ctx.store.write(free)
    boss = replace(await world.user("boss", role="administrator"), remote_address="192.0.2.9")
    again = await world.services.sessions.open(bob, SessionRequest(pool="desk"))
    assert again.session.desktop.id == first
    await world.services.desktops.act(boss, first, "stop")
    theirs = (await world.services.desktops.events(bob, first)).items
    assert [(event.kind, event.user_name, event.remote_address) for event in theirs] == [
        ("desktop.stop", None, None),
        ("session.opened", "bob", "192.0.2.1"),
    ]
    assert not any("ann" in event.model_dump_json() or str(boss.user_id) in event.model_dump_json() for event in theirs)
    everything = (await world.services.desktops.events(boss, first)).items
    assert {"ann", "bob", "boss"} <= {event.user_name for event in everything}


async def test_lists_filter_by_pool_phase_and_owner(world: World) -> None:
    await world.ready_pool("one", spares=2)
    await world.ready_pool("two", spares=1)
    boss = await world.user("boss", role="administrator")
    opened = await world.services.sessions.open(boss, SessionRequest(pool="one"))
    services = world.services.desktops
    assert len((await services.list_for(boss, pool="one")).items) == 2
    assert len((await services.list_for(boss, phase=Phase.READY)).items) == 3
    assert (await services.list_for(boss, phase=Phase.FAILED)).items == []
    assert [one.id for one in (await services.list_for(boss, mine=True)).items] == [opened.session.desktop.id]
    first = await services.list_for(boss, limit=2)
    second = await services.list_for(boss, limit=2, cursor=first.next_cursor)
    assert len({one.id for one in first.items + second.items}) == 3


async def test_a_desktop_that_finds_no_host_says_why_and_fails_at_its_deadline(world: World) -> None:
    host = await world.host(memory_mib=500)
    await world.image()
    await world.pool(spares=0)
    await world.settle()
    ann = await world.user("ann", role="administrator")
    opened = await world.services.sessions.open(ann, SessionRequest(pool="desk"))
    await world.look()
    shown = await world.services.sessions.show(ann, opened.session.id)
    assert shown.desktop.phase is Phase.WAITING
    assert "No host has enough memory left: 1024 MiB are needed" in shown.desktop.why
    world.clock.advance(61)
    host.beat()
    await world.look()
    shown = await world.services.sessions.show(ann, opened.session.id)
    assert shown.desktop.failure is not None
    assert shown.desktop.failure.code == "no-host"
