"""A stray desktop is taken back: as it lies, for its person, or not at all."""

from __future__ import annotations

from typing import Any

import pytest

from frazil.controller.store import desktops, meta
from frazil.model.desktop import Epoch, Phase, Power, State
from frazil.model.errors import Conflict, FrazilError, NotFound, OverQuota, Refused
from frazil.wire.hostlink import DesktopSpec, EpochField, Stray, StrayDesktop
from frazil.wire.quota import QuotaChange
from frazil.wire.rest import (
    AdoptRequest,
    AssignmentRequest,
    Desktop,
    PoolChange,
    PoolRequest,
    SessionRequest,
    UserChange,
)
from tests.unit.controller.services.given import entitled
from tests.unit.controller.world import FakeHost, World

ID = "01900000-0000-7000-8000-00000000aaaa"


def stray_of(image: str, **changes: Any) -> Stray:
    """A desktop that its host has under the fourth placement of the second restored database."""
    about = {
        "name": "own-7", "image_id": image, "epoch": EpochField(generation=2, counter=4), "attempt": 3,
        "state": State.STOPPED, "disk": "own",
    }  # fmt: skip
    return Stray(kind="disk", name=ID, desktop_id=ID, detail="own-7", desktop=StrayDesktop(**{**about, **changes}))


async def _ground(world: World, **changes: Any) -> FakeHost:
    """A host with the stray, Ann, and a pool for it."""
    host = await world.host()
    image_id = await world.image()
    request = PoolRequest(
        name="own", image="debian", kind="persistent", at_sign_out="keep", spares=0, start_deadline_s=60
    )
    await entitled(world, await world.services.pools.create(world.root, request), "ann")
    await _tell(world, host, stray_of(image_id, **changes))
    return host


async def _tell(world: World, host: FakeHost, *strays: Stray) -> None:
    host.strays = list(strays)
    await host.obey()
    world.ctx.presence.saw_strays(host.id, strays)


async def _adopt(world: World, stray: str = ID, **asked: str) -> Desktop:
    request = AdoptRequest(**({"pool": "own", "user": "ann"} | asked))
    return await world.services.desktops.adopt(world.root, stray, request)


async def _wanted(host: FakeHost) -> DesktopSpec:
    [spec] = (await host.take()).desktops
    return spec


async def test_one_that_is_shut_down_is_its_persons_again_under_a_later_placement(world: World) -> None:
    host = await _ground(world)
    shown = await _adopt(world)
    assert (shown.id, shown.name, shown.user_name, shown.host_name) == (ID, "own-7", "ann", "host-1")
    assert (await world.services.hosts.strays(world.root)).items == []
    spec = await _wanted(host)
    assert (spec.epoch, spec.attempt) == (EpochField(generation=2, counter=5), 3)
    assert (spec.power, spec.keep_disk) == (Power.STOPPED, True)
    await _tell(world, host)
    await world.settle()
    assert (await world.services.desktops.show(world.root, ID)).phase is Phase.STOPPED
    opened = await world.services.sessions.open(await world.identity("ann"), SessionRequest(pool="own"))
    await world.settle()
    assert (opened.session.desktop.id, (await world.services.desktops.show(world.root, ID)).phase) == (ID, Phase.READY)
    [event] = [one for one in (await world.services.events.list_for(world.root)).items if one.kind == "desktop.adopted"]
    assert event.text == "The desktop own-7 was taken back from the strays of the host host-1. It is ann's."


@pytest.mark.parametrize(("state", "power"), [(State.RUNNING, Power.RUNNING), (State.PAUSED, Power.PAUSED)])
async def test_one_that_runs_goes_on_under_its_own_placement(world: World, state: State, power: Power) -> None:
    host = await _ground(world, state=state)
    await _adopt(world)
    spec = await _wanted(host)
    assert (spec.epoch, spec.attempt, spec.power) == (EpochField(generation=2, counter=4), 3, power)


async def test_after_a_restore_the_new_placement_is_of_that_generation(world: World) -> None:
    host = await _ground(world)
    await world.ctx.store.write(lambda tx: meta.raise_restore_generation(tx, above=8))
    await _adopt(world)
    assert (await _wanted(host)).epoch == EpochField(generation=9, counter=5)


async def test_a_later_attempt_is_newer_than_all_that_the_host_has(world: World) -> None:
    await _ground(world, state=State.RUNNING)
    await _adopt(world)
    ctx = world.ctx
    await ctx.store.write(lambda tx: desktops.retry(tx, ID, now=ctx.clock.now()))
    row = await ctx.store.read(lambda tx: desktops.find(tx, ID))
    assert row is not None
    assert (row.epoch, row.attempt) > (Epoch(1, 4), 3)


async def test_it_goes_to_who_had_sessions_on_it_when_nobody_is_named(world: World) -> None:
    host = await _ground(world)
    with pytest.raises(Conflict, match="not known whose it is"):
        await world.services.desktops.adopt(world.root, ID, AdoptRequest(pool="own"))
    await _adopt(world)
    await _tell(world, host)
    await world.settle()
    await world.services.sessions.open(await world.identity("ann"), SessionRequest(pool="own"))
    image_id = (await world.services.images.show(world.root, "debian")).id
    await world.ctx.store.write(lambda tx: desktops.forget(tx, [ID]))
    await _tell(world, host, stray_of(image_id))
    back = await world.services.desktops.adopt(world.root, ID, AdoptRequest(pool="own"))
    assert back.user_name == "ann"


async def test_a_name_that_is_taken_becomes_the_pools_next_and_none_is_given_twice(world: World) -> None:
    host = await _ground(world, name="own-2")
    for name in ("bob", "carl"):
        await entitled(world, await world.services.pools.show(world.root, "own"), name)
    await world.services.pools.assign(world.root, "own", AssignmentRequest(user="bob"))
    assert (await _adopt(world)).name == "own-2"
    other = ID.replace("aaaa", "bbbb")
    image_id = (await world.services.images.show(world.root, "debian")).id
    again = stray_of(image_id, name="own-2").model_copy(update={"name": other, "desktop_id": other})
    await _tell(world, host, again)
    assert (await _adopt(world, other, user="carl")).name == "own-3"


async def _fails(world: World, kind: type[FrazilError], match: str, stray: str = ID, **asked: str) -> None:
    with pytest.raises(kind, match=match):
        await _adopt(world, stray, **asked)
    assert await world.ctx.store.read(lambda tx: desktops.find(tx, ID)) is None


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"disk": "passing"}, "not made to be kept"),
        ({"disk": "missing"}, "not there any more"),
        ({"image_id": "another"}, "an image that Frazil has no more"),
        ({"state": State.UNKNOWN}, "does not tell enough"),
        ({"attempt": 1 << 40}, "does not tell enough"),
        ({"epoch": EpochField(generation=1, counter=-1)}, "does not tell enough"),
    ],
)
async def test_what_has_no_disk_of_its_own_here_is_refused(world: World, changes: dict[str, Any], why: str) -> None:
    await _ground(world, **changes)
    await _fails(world, Conflict, why)


async def test_a_host_of_an_older_version_tells_too_little(world: World) -> None:
    host = await _ground(world)
    old = Stray(kind="domain", name="frazil-x", desktop_id=ID)
    await _tell(world, host, old)
    await _fails(world, Conflict, "older version", "frazil-x")
    [thing] = (await world.services.hosts.strays(world.root)).items
    assert thing.image_id is None


async def test_the_pool_has_to_fit(world: World) -> None:
    await _ground(world)
    await world.image("other")
    for request in (
        PoolRequest(name="desk", image="debian", spares=0),
        PoolRequest(name="reset", image="debian", kind="persistent", at_sign_out="reset", spares=0),
        PoolRequest(name="others", image="other", kind="persistent", at_sign_out="keep", spares=0),
    ):
        pool = await world.services.pools.create(world.root, request)
        await world.services.entitlements.grant(world.root, pool.id, "ann")
    await _fails(world, Conflict, "keeps nothing", pool="desk")
    await _fails(world, Conflict, "keeps nothing", pool="reset")
    await _fails(world, Conflict, "on top of debian, version 1; the pool others is of another image", pool="others")
    await _fails(world, NotFound, "no pool", pool="none")


async def test_the_person_has_to_be_one_who_may_and_has_none(world: World) -> None:
    await _ground(world)
    await world.user("bob")
    await _fails(world, Conflict, "bob may not use the pool own", user="bob")
    await _fails(world, NotFound, "no user", user="nobody")
    ann = await world.services.people.show(world.root, "ann")
    limits = UserChange(quota=QuotaChange(desktops=1))
    await world.services.people.change(world.root, "ann", limits, if_match=ann.version)
    await world.services.pools.assign(world.root, "own", AssignmentRequest(user="ann"))
    await _fails(world, Conflict, "ann has the desktop own-1 of the pool own already")
    other = PoolRequest(name="other", image="debian", kind="persistent", at_sign_out="keep", spares=0)
    await world.services.entitlements.grant(
        world.root, (await world.services.pools.create(world.root, other)).id, "ann"
    )
    await _fails(world, OverQuota, "1 of 1 desktops", pool="other")


async def test_a_full_pool_takes_none(world: World) -> None:
    await _ground(world)
    pool = await world.services.pools.show(world.root, "own")
    await world.services.pools.change(world.root, "own", PoolChange(max_desktops=1), if_match=pool.version)
    await entitled(world, pool, "bob")
    await world.services.pools.assign(world.root, "own", AssignmentRequest(user="bob"))
    await _fails(world, Conflict, "has all of its 1 desktops")


async def test_what_is_not_there_is_not_taken(world: World) -> None:
    host = await _ground(world)
    await _fails(world, NotFound, "no stray called 'x'", "x")
    await _tell(world, host, Stray(kind="image", name="some-image"))
    await _fails(world, Conflict, "is an image", "some-image")
    world.hosts.clear()
    image_id = (await world.services.images.show(world.root, "debian")).id
    await _tell(world, host, stray_of(image_id))
    assert (await world.services.hosts.strays(world.root)).items[0].image_id == image_id
    world.clock.advance(30)
    await _fails(world, Conflict, "is not connected")
    assert (await world.services.hosts.strays(world.root)).items[0].image_id is None


async def test_of_two_hosts_with_the_same_one_is_named(world: World) -> None:
    await _ground(world)
    other = await world.host(number=2)
    image_id = (await world.services.images.show(world.root, "debian")).id
    await _tell(world, other, stray_of(image_id))
    await _fails(world, Conflict, "host-1, host-2")
    assert (await _adopt(world, host="host-2")).host_name == "host-2"
    with pytest.raises(Conflict, match="has that desktop already: it is own-7, on the host host-2"):
        await _adopt(world, host="host-1")


@pytest.mark.parametrize("role", ["user", "helpdesk", "pool-admin", "auditor"])
async def test_only_administrators_may(world: World, role: str) -> None:
    await _ground(world)
    who = await world.user("eve", role=role)  # type: ignore[arg-type]
    with pytest.raises(Refused):
        await world.services.desktops.adopt(who, ID, AdoptRequest(pool="own", user="eve"))
