"""Labels of hosts: who may set them, and what becomes of pools that ask for them."""

from __future__ import annotations

from collections import Counter

import pytest

from frazil.model.desktop import Phase
from frazil.model.errors import NotFound, Refused, Stale
from frazil.wire.hostlink import Headroom
from frazil.wire.rest import AssignmentRequest, Host, HostChange, Pool, PoolChange, PoolRequest, SessionRequest
from tests.unit.controller.services.given import entitled
from tests.unit.controller.world import World

KIND = "host.labelled"


async def _label(world: World, number: int = 1, **labels: str) -> Host:
    """All of a host's labels."""
    found = await world.services.hosts.show(world.root, f"host-{number}")
    change = HostChange(labels=labels)
    return await world.services.hosts.change(world.root, found.id, change, if_match=found.revision)


async def test_each_change_of_a_hosts_labels_is_told_once(world: World) -> None:
    await world.host()
    assert (await _label(world, room="3", rack="b")).labels == {"room": "3", "rack": "b"}
    same = await _label(world, room="3", rack="b")
    assert same.revision == 2
    assert (await _label(world)).labels == {}
    told = [event.text for event in (await world.services.events.list_for(world.root)).items if event.kind == KIND]
    assert told == ["The host host-1 has no labels any more.", "The host host-1 is labelled rack=b, room=3."]


async def test_a_change_by_who_did_not_see_the_last_one_is_refused(world: World) -> None:
    await world.host()
    await _label(world, room="3")
    for labels in ({"room": "4"}, {"room": "3"}):
        with pytest.raises(Stale, match="at revision 2, you looked at 1"):
            await world.services.hosts.change(world.root, "host-1", HostChange(labels=labels), if_match=1)
    nothing = await world.services.hosts.change(world.root, "host-1", HostChange(), if_match=2)
    assert (nothing.labels, nothing.revision) == ({"room": "3"}, 2)


@pytest.mark.parametrize("role", ["user", "helpdesk", "pool-admin", "auditor"])
async def test_only_administrators_may(world: World, role: str) -> None:
    await world.host()
    who = await world.user("ann", role=role)  # type: ignore[arg-type]
    with pytest.raises(Refused):
        await world.services.hosts.change(who, "host-1", HostChange(labels={"room": "3"}), if_match=1)
    with pytest.raises(NotFound):
        await world.services.hosts.change(world.root, "nothing", HostChange(), if_match=1)


async def _two_rooms(world: World, *, spares: int = 1, kind: str = "floating") -> None:
    """A roomier host in room 3, which has the spares, and one in room 4."""
    for number, memory_mib in ((1, 60_000), (2, 30_000)):
        await world.host(number=number, memory_mib=memory_mib)
        await _label(world, number, room=str(2 + number))
    await world.image()
    for host in world.hosts:
        await host.obey()
    request = {"name": "desk", "image": "debian", "spares": spares, "kind": kind, "start_deadline_s": 60}
    await world.services.pools.create(world.root, PoolRequest.model_validate(request))
    await world.settle()
    assert await _where(world) == Counter({"host-1": spares} if spares else {})


async def _where(world: World) -> Counter[str]:
    return Counter(one.host_name or "" for one in (await world.services.desktops.list_for(world.root)).items)


async def _change(world: World, **changes: object) -> Pool:
    pool = await world.services.pools.show(world.root, "desk")
    change = PoolChange.model_validate(changes)
    return await world.services.pools.change(world.root, pool.id, change, if_match=pool.version)


async def test_a_pool_that_asks_for_other_hosts_has_its_spares_there_soon(world: World) -> None:
    await _two_rooms(world, spares=2)
    changed = await _change(world, host_labels={"room": "4"})
    assert (changed.host_labels, changed.counts.ready) == ({"room": "4"}, 0)
    await world.settle(6)
    assert await _where(world) == Counter({"host-2": 2})
    assert (await world.services.pools.show(world.root, "desk")).counts.ready == 2
    events = (await world.services.events.list_for(world.root)).items
    assert any(event.text.startswith("The pool desk was changed: host_labels room=4.") for event in events)
    gone = [event.text for event in events if event.kind == "desktop.unwanted"]
    assert gone == ["It is being deleted. Its pool asks for hosts with other labels, and nobody uses it."] * 2
    await _change(world, host_labels={})
    await world.settle()
    assert await _where(world) == Counter({"host-2": 2})


async def test_a_host_that_loses_its_label_loses_the_spares(world: World) -> None:
    await _two_rooms(world)
    await _change(world, host_labels={"room": "3"})
    await world.settle()
    assert await _where(world) == Counter({"host-1": 1})
    await _label(world, 1)
    await _label(world, 2, room="3")
    await world.settle()
    assert await _where(world) == Counter({"host-2": 1})


async def test_nobody_is_given_a_desktop_elsewhere_and_why_one_waits_is_said(world: World) -> None:
    await _two_rooms(world)
    ann = await entitled(world, await world.services.pools.show(world.root, "desk"), "ann")
    changed = await _change(world, host_labels={"room": "5"})
    opened = await world.services.sessions.open(ann, SessionRequest(pool=changed.id))
    await world.look()
    waits = await world.services.desktops.explain(world.root, opened.session.desktop.id)
    assert (waits.phase, waits.text) == (Phase.WAITING, "No host has the label room=5.")
    assert [(one.code, one.text) for one in waits.refusals] == [
        ("labels", "2 hosts: without the labels that its pool asks for")
    ]
    note = (await world.services.pools.show(world.root, "desk")).note
    assert note == "Spares are wanted, but none can be placed. No host has the label room=5."
    await _label(world, 2, room="5")
    await world.settle()
    assert (await world.services.sessions.show(ann, opened.session.id)).desktop.host_name == "host-2"


async def test_a_persons_own_desktop_stays_where_its_disk_is_and_is_opened_there(world: World) -> None:
    await _two_rooms(world, spares=0, kind="persistent")
    ann = await entitled(world, await world.services.pools.show(world.root, "desk"), "ann")
    await world.services.pools.assign(world.root, "desk", AssignmentRequest(user="ann"))
    await world.settle()
    await _change(world, host_labels={"room": "4"})
    await world.settle()
    assert await _where(world) == Counter({"host-1": 1})
    opened = await world.services.sessions.open(ann, SessionRequest(pool="desk"))
    await world.settle()
    assert (await world.services.sessions.show(ann, opened.session.id)).desktop.phase is Phase.READY
    assert await _where(world) == Counter({"host-1": 1})


async def test_templates_are_kept_where_the_pools_desktops_go_or_still_are(world: World) -> None:
    await _two_rooms(world)
    one, two = world.hosts
    assert [len((await host.take()).templates) for host in (one, two)] == [1, 1]
    world.told.clear()
    await _change(world, host_labels={"room": "4"})
    await world.look()
    assert set(world.told) == {one.id, two.id}
    assert [len((await host.take()).templates) for host in (one, two)] == [1, 1]
    await world.settle()
    assert await _where(world) == Counter({"host-2": 1})
    assert [len((await host.take()).templates) for host in (one, two)] == [0, 1]
    world.told.clear()
    await _label(world, 1, room="4")
    await world.look()
    assert set(world.told) == {one.id, two.id}
    assert [len((await host.take()).templates) for host in (one, two)] == [1, 1]


async def test_a_host_tells_how_many_fit_only_of_pools_that_ask_for_it(world: World) -> None:
    await _two_rooms(world)
    headroom = Headroom(memory_mib=9000, disk_mib=90_000, desktops=50, used_mib=0, merged_mib=0)
    for host in world.hosts:
        host.load = host.load.model_copy(update={"headroom": headroom})
        host.beat()

    async def fits_on() -> list[str]:
        return [one.name for one in (await world.services.hosts.list_for(world.root)).items if one.room]

    assert await fits_on() == ["host-1", "host-2"]
    await _change(world, host_labels={"room": "4"})
    assert await fits_on() == ["host-2"]
