"""Where a pool's desktops go, as the pool asks: to hosts with its labels, spread or packed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frazil.controller.planning import DesktopFacts, HostFacts, MakeSpare, Place, PoolFacts, WantAbsent, Where, plan
from frazil.controller.planning.actions import Action
from frazil.controller.planning.placement import Need, Rooms
from frazil.controller.planning.refusals import Why
from frazil.model.desktop import Guest, State
from frazil.model.room import QEMU_OWN_MIB, Cost, Room
from tests.unit.controller.planning.build import desktop, facts, host, image, pool

ROOM_3 = host("h1", labels={"room": "3", "rack": "a"})
ROOM_4 = host("h2", labels={"room": "4", "rack": "b"})
STARTING = (State.RUNNING, Guest.AGENT)


def where(**labels: str) -> Where:
    return Where(labels=frozenset(labels.items()))


def decided(
    *desktops: DesktopFacts, hosts: tuple[HostFacts, ...] = (ROOM_3, ROOM_4), one: PoolFacts
) -> tuple[Action, ...]:
    return plan(facts(hosts={each.id: each for each in hosts}, pools=(one,), desktops=desktops)).actions


@pytest.mark.parametrize(
    ("asked", "goes_to"),
    [({}, "h1"), ({"room": "4"}, "h2"), ({"rack": "b", "room": "4"}, "h2"), ({"rack": "b", "room": "3"}, None)],
)
def test_only_a_host_with_all_of_the_labels_takes_it(asked: dict[str, str], goes_to: str | None) -> None:
    one = pool(where=where(**asked))
    waits = desktop("d1", host_id=None, assigned=True)
    placed = [action.host_id for action in decided(waits, one=one) if isinstance(action, Place | MakeSpare)]
    assert placed == ([goes_to, "h2" if goes_to == "h1" else goes_to] if goes_to else [])


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"room": "5"}, "No host has the label room=5."),
        ({"kind": "gpu", "room": "3"}, "No host has the label kind=gpu."),
        ({"rack": "b", "room": "3"}, "No host has all of the labels rack=b, room=3."),
    ],
)
def test_what_no_host_has_is_said(asked: dict[str, str], said: str) -> None:
    one = pool(where=where(**asked))
    waits = desktop("d1", host_id=None, assigned=True)
    found = plan(facts(hosts={"h1": ROOM_3, "h2": ROOM_4}, pools=(one,), desktops=(waits,)))
    assert found.waiting["d1"] == said
    [refusal] = found.refusals["d1"]
    assert (refusal.why, refusal.hosts, refusal.detail) == (Why.LABELS, ("h1", "h2"), said)
    assert "frazil host label HOST KEY=VALUE" in refusal.remedy
    assert found.notes["p1"] == f"Spares are wanted, but none can be placed. {said}"


def test_of_a_host_that_lacks_the_labels_nothing_else_is_told() -> None:
    hosts = [
        host("h1", labels={"room": "3"}, maintenance=True),
        host("h2", up=False),
        host("h3", maintenance=True),
        host("h4", images_ready=frozenset()),
    ]
    need = Need(pool_id="p1", image_id="i1", memory_mib=1024, where=where(room="3"))
    choice = Rooms(hosts, (), (image(),)).choose(need)
    assert [(one.why, one.hosts) for one in choice.refusals] == [
        (Why.LABELS, ("h2", "h3", "h4")),
        (Why.MAINTENANCE, ("h1",)),
    ]
    assert choice.refusals[0].detail == "The pool asks for room=3."
    assert choice.reason == (
        "No host can take it now. 3 hosts: without the labels that its pool asks for; 1 host: in maintenance."
    )


def test_a_spare_elsewhere_is_replaced_and_then_goes() -> None:
    one = pool(where=where(room="4"))
    there = desktop("d1", host_id="h1")
    assert decided(there, one=one) == (MakeSpare("p1", "h2"),)
    assert decided(there, desktop("d2", host_id="h2", seen=STARTING), one=one) == ()
    ready = desktop("d2", host_id="h2")
    reason = "Its pool asks for hosts with other labels, and nobody uses it."
    assert decided(there, ready, one=one) == (WantAbsent("d1", reason, spare=True),)


def test_in_a_full_pool_one_goes_for_each_that_has_a_place_elsewhere() -> None:
    there = [desktop(f"d{n}", host_id="h1") for n in range(2)]
    full = pool(spares=2, max_desktops=2, where=where(room="4"))
    assert {action.desktop_id for action in decided(*there, one=full) if isinstance(action, WantAbsent)} == {"d0", "d1"}
    assert decided(*there, one=full, hosts=(ROOM_3,)) == ()


def test_what_is_somebodys_stays_where_it_is() -> None:
    mine = desktop("d1", host_id="h1", assigned=True)
    assert decided(mine, one=pool(spares=0, where=where(room="4"))) == ()


PACK = Need(pool_id="p1", image_id="i1", memory_mib=300, where=Where(pack=True))


def _measured(id: str, *, memory_mib: int = 3000, **changes: object) -> HostFacts:
    return host(id, room=Room(memory_mib=memory_mib, disk_mib=90_000, desktops=50), **changes)


def _goes_to(rooms: Rooms, need: Need) -> str | None:
    choice = rooms.choose(need)
    return choice.chosen.host_id if choice.chosen is not None else None


@given(st.lists(st.integers(0, 3000), min_size=1, max_size=6), st.integers(1, 60))
def test_a_packed_pool_fills_one_host_before_the_next(rooms_mib: list[int], desktops: int) -> None:
    """No host is begun while one that was begun before could take the desktop."""
    hosts = [_measured(f"h{n}", memory_mib=mib) for n, mib in enumerate(rooms_mib)]
    each_mib = PACK.memory_mib + QEMU_OWN_MIB
    left = {one.id: one.room.memory_mib for one in hosts if one.room is not None}
    rooms = Rooms(hosts, (), (image(),))
    begun: set[str] = set()
    for _ in range(desktops):
        goes_to = _goes_to(rooms, PACK)
        if goes_to is None:
            assert all(mib < each_mib for mib in left.values())
            return
        assert goes_to in begun or all(left[one] < each_mib for one in begun)
        begun.add(goes_to)
        left[goes_to] -= each_mib


def test_what_others_have_taken_counts_for_a_packed_pool() -> None:
    assert _goes_to(Rooms([_measured("h1"), _measured("h2", memory_mib=2000)], (), (image(),)), PACK) == "h2"
    spread = replace(PACK, where=Where())
    assert _goes_to(Rooms([_measured("h1", memory_mib=2000), _measured("h2")], (), (image(),)), spread) == "h2"


@pytest.mark.parametrize(("busy", "goes_to"), [(0.9, "h1"), (1.0, "h2")])
def test_a_packed_pool_minds_processors_only_once_all_are_busy(busy: float, goes_to: str) -> None:
    hosts = [_measured("h1", memory_mib=2000, busy=busy), _measured("h2")]
    assert _goes_to(Rooms(hosts, (), (image(),)), PACK) == goes_to


def test_a_packed_pools_frozen_template_still_counts_most() -> None:
    hosts = [_measured("h1", memory_mib=1000), _measured("h2", fork_costs={"k": Cost(memory_mib=100, disk_mib=10)})]
    assert _goes_to(Rooms(hosts, (), (image(),)), replace(PACK, fork_kind="k")) == "h2"
