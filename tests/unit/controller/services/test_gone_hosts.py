"""A host that is gone for good is forgotten: when that is refused, what becomes of its desktops, and its return."""

from __future__ import annotations

import pytest

from frazil.controller import hostreports
from frazil.controller.hostreports import Report
from frazil.controller.identity import Identity
from frazil.controller.planning import Action, MakeSpare, Place
from frazil.controller.reconcile.carry_out import carry_out
from frazil.controller.reports import Reports
from frazil.controller.services.gone_hosts import NAMED
from frazil.controller.store import hosts
from frazil.model.desktop import Phase, Power
from frazil.model.errors import Conflict, NotFound, Refused, Stale
from frazil.wire.hostlink import Observed, Stray
from frazil.wire.rest import AssignmentRequest, AtSignOut, Desktop, ForgottenHost, PoolRequest, SessionRequest
from tests.unit.controller.services.given import entitled
from tests.unit.controller.world import FakeHost, World


async def _lose(world: World, number: int = 1) -> FakeHost:
    """The host falls silent; the others go on, and what was heard of it is written down."""
    gone = world.hosts.pop(number - 1)
    for _ in range(9):
        world.clock.advance(12)
        for host in world.hosts:
            host.beat()
        await world.settle()
    return gone


async def _forget(world: World, *, with_desktops: bool = False, who: Identity | None = None) -> ForgottenHost:
    who = who or world.root
    shown = await world.services.hosts.show(world.root, "host-1")
    return await world.services.hosts.forget(who, "host-1", if_match=shown.holding, with_desktops=with_desktops)


async def _all(world: World) -> list[Desktop]:
    return (await world.services.desktops.list_for(world.root)).items


async def _own(world: World, *names: str, at_sign_out: AtSignOut = "keep") -> None:
    """Two hosts, and on the first of them a desktop of its own for each person, in the pool own."""
    await world.host(number=1)
    await world.image()
    request = PoolRequest(
        name="own", image="debian", kind="persistent", spares=0, max_desktops=90, at_sign_out=at_sign_out,
        start_deadline_s=60,
    )  # fmt: skip
    pool = await world.services.pools.create(world.root, request)
    await world.hosts[0].obey()
    for name in names:
        await entitled(world, pool, name)
        await world.services.pools.assign(world.root, "own", AssignmentRequest(user=name))
    await world.settle()
    assert {one.host_name for one in await _all(world)} == {"host-1"}
    await world.host(number=2, memory_mib=30_000)
    await world.settle()


async def test_what_nobody_keeps_anything_on_is_replaced_and_its_sessions_end_with_a_reason(world: World) -> None:
    pool = await world.ready_pool(spares=2)
    ann = await entitled(world, pool, "ann")
    opened = await world.services.sessions.open(ann, SessionRequest(pool="desk"))
    await world.settle()
    await world.host(number=2)
    await _lose(world)
    before = {one.id for one in await _all(world)}

    told = await _forget(world)

    assert (told.name, told.given_up, told.sessions_ended) == ("host-1", [], 1)
    await world.settle()
    with pytest.raises(NotFound):
        await world.services.hosts.show(world.root, "host-1")
    there = await _all(world)
    assert {one.host_name for one in there} == {"host-2"}
    assert len([one for one in there if one.phase is Phase.READY]) == 2
    assert not before & {one.id for one in there if one.host_name != "host-2"}
    with pytest.raises(NotFound, match=r"ended\. Its desktop was on the host host-1, which is gone"):
        await world.services.sessions.show(ann, opened.session.id)
    again = await world.services.sessions.open(ann, SessionRequest(pool="desk"))
    assert again.session.desktop.id not in before or again.session.desktop.host_name == "host-2"
    kinds = [event.kind for event in (await world.services.events.list_for(world.root, limit=200)).items]
    assert kinds.count("host.forgotten") == 1
    assert "desktop.forgotten" in kinds


async def test_a_host_that_is_there_is_not_forgotten(world: World) -> None:
    await world.ready_pool()
    with pytest.raises(Conflict, match="is connected") as refused:
        await _forget(world)
    assert "stop its server first" in refused.value.remedy
    assert "maintenance" in refused.value.remedy


async def test_nor_is_one_that_may_be_about_to_say_hello(world: World) -> None:
    await world.ready_pool()
    world.restart()
    with pytest.raises(Conflict, match="may be about to come back"):
        await _forget(world)


async def test_nor_one_that_another_controller_hears(world: World) -> None:
    await world.ready_pool()
    world.hosts.clear()
    world.clock.advance(100)
    ctx, host_id = world.ctx, (await world.services.hosts.show(world.root, "host-1")).id
    await ctx.store.write(lambda tx: hosts.heard(tx, {host_id: None}, at=ctx.clock.now()))
    world.clock.advance(5)
    with pytest.raises(Conflict, match="was heard 5 s ago"):
        await _forget(world)
    world.clock.step(-3600)  # what was heard in the future tells nothing
    await _forget(world)


async def test_persons_own_desktops_are_named_and_nothing_is_done(world: World) -> None:
    await _own(world, "ann", "bob")
    [anns, bobs] = [one for one in await _all(world) if one.user_name]
    await world.services.desktops.act(world.root, bobs.id, "delete")
    await _lose(world)
    with pytest.raises(Conflict) as refused:
        await _forget(world)
    assert f"{anns.name} (ann), {bobs.name} (bob, deleted)" in refused.value.what
    assert "--with-desktops" in refused.value.remedy
    assert (await world.services.desktops.show(world.root, anns.id)).host_name == "host-1"


async def test_of_many_the_first_are_named(world: World) -> None:
    await _own(world, *(f"user{n}" for n in range(NAMED + 2)))
    await _lose(world)
    with pytest.raises(Conflict, match=r"^22 desktops have their only disk .* and 2 more\. "):
        await _forget(world)


async def test_they_go_when_they_are_given_up_and_their_persons_get_others(world: World) -> None:
    await _own(world, "ann")
    [anns] = await _all(world)
    await _lose(world)
    told = await _forget(world, with_desktops=True)
    assert (told.given_up, told.replaced) == ([anns.name], 0)
    await world.settle()
    assert await _all(world) == []
    opened = await world.services.sessions.open(await world.identity("ann"), SessionRequest(pool="own"))
    await world.settle()
    got = await world.services.desktops.show(world.root, opened.session.desktop.id)
    assert (got.phase, got.host_name) == (Phase.READY, "host-2")
    assert got.id != anns.id
    texts = [event.text for event in (await world.services.events.list_for(world.root, limit=200)).items]
    assert f"The desktop {anns.name} was given up with its host host-1, and with what was saved on it." in texts


async def test_a_desktop_that_is_reset_after_each_session_stays_its_persons(world: World) -> None:
    await _own(world, "ann", at_sign_out="reset")
    [before] = await _all(world)
    await _lose(world)
    assert (await _forget(world)).replaced == 1
    await world.settle()
    [after] = await _all(world)
    assert (after.id, after.user_name, after.host_name, after.phase) == (before.id, "ann", "host-2", Phase.READY)


async def test_what_was_being_deleted_there_is_gone_with_it(world: World) -> None:
    await _own(world, "ann")
    [anns] = await _all(world)
    await world.services.desktops.act(world.root, anns.id, "erase")
    await _lose(world)
    assert (await _forget(world)).replaced == 0
    assert await _all(world) == []


async def test_who_looked_at_other_desktops_looks_again(world: World) -> None:
    await _own(world, "ann", "bob")
    await _lose(world)
    looked_at = (await world.services.hosts.show(world.root, "host-1")).holding
    assert (await world.services.hosts.list_for(world.root)).items[0].holding == looked_at
    await world.services.people.delete(world.root, "bob")
    with pytest.raises(Stale):
        await world.services.hosts.forget(world.root, "host-1", if_match=looked_at, with_desktops=True)


async def test_one_that_comes_back_is_a_new_host_and_what_it_has_is_left_alone(world: World) -> None:
    await _own(world, "ann")
    [anns] = await _all(world)
    gone = await _lose(world)
    assert gone.sent is not None
    [old] = gone.sent.desktops
    await _forget(world, with_desktops=True)

    await gone.hello()
    world.hosts.append(gone)
    told = await gone.take()
    assert told.desktops == [], "nothing is asked of it, an end least of all"
    gone.strays = [Stray(kind="disk", name=anns.id, desktop_id=anns.id, detail=anns.name)]
    late = gone.see(old.model_copy(update={"power": Power.RUNNING}))
    await gone.report(desktops=[late])
    await world.settle()
    assert await _all(world) == [], "what it says of a desktop that it has no more does not bring it back"
    [stray] = (await world.services.hosts.strays(world.root)).items
    assert (stray.host_id, stray.desktop_id) == (gone.id, anns.id)
    back = await world.services.hosts.show(world.root, gone.id)
    assert (back.state, back.desktops, back.maintenance) == ("up", 0, None)


async def test_an_old_line_of_it_is_ended_so_that_it_says_hello(world: World) -> None:
    """Its process stood still: it never noticed, and goes on where it was."""
    await world.ready_pool()
    await world.host(number=2)
    gone = await _lose(world)
    assert gone.sent is not None
    await _forget(world)
    reports = Reports(world.ctx, world.leadership)
    message = Observed(
        generation=gone.sent.generation, complete=True, desktops=[], images=[], strays=[], load=gone.load
    )
    with pytest.raises(NotFound, match="say hello"):
        await reports.take_in(Report(gone.id, message, gone.sent))
    with pytest.raises(NotFound):
        await world.ctx.store.write(lambda tx: hosts.take_generations(tx, gone.id))
    taken = await world.ctx.store.write(
        lambda tx: hostreports.take_in(world.ctx, tx, [Report(gone.id, message, gone.sent)])
    )
    assert (taken.changed, taken.strangers) == (False, frozenset({gone.id}))


async def test_a_plan_from_before_places_nothing_there(world: World) -> None:
    pool = await world.ready_pool(spares=0)
    await world.host(number=2)
    gone = await _lose(world)
    await _forget(world)
    ctx, presence = world.ctx, world.ctx.presence.view()
    actions: list[Action] = [MakeSpare(pool.id, gone.id), Place("01900000-0000-7000-8000-00000000dead", gone.id)]
    await ctx.store.write(lambda tx: carry_out(ctx, actions, presence, tx))
    assert await _all(world) == []


@pytest.mark.parametrize("role", ["user", "helpdesk", "pool-admin", "auditor"])
async def test_only_administrators_may(world: World, role: str) -> None:
    await world.host()
    who = await world.user("ann", role=role)  # type: ignore[arg-type]
    with pytest.raises(Refused):
        await _forget(world, who=who)
