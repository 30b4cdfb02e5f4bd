"""Labels of hosts: who may set them, and what is told of it."""

from __future__ import annotations

import pytest

from frazil.model.errors import NotFound, Refused, Stale
from frazil.wire.rest import Host, HostChange
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
