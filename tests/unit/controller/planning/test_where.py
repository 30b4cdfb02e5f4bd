"""Where a pool's desktops go, as the pool asks: to hosts with its labels, spread or packed, and apart."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frazil.controller.planning import DesktopFacts, HostFacts, MakeSpare, Place, PoolFacts, WantAbsent, Where, plan
from frazil.controller.planning.actions import Action
from frazil.controller.planning.placement import Need, Rooms
from frazil.controller.planning.refusals import Why
from frazil.controller.planning.scores import Apart
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


APART = replace(PACK, where=Where(apart_by="rack"))


@st.composite
def racks(draw: st.DrawFn) -> tuple[list[HostFacts], list[DesktopFacts]]:
    """Hosts in up to three racks, or in none, each with some room; and desktops of the pool, and of another, there."""
    hosts = [
        _measured(
            f"h{n}",
            memory_mib=draw(st.integers(0, 3000)),
            busy=draw(st.sampled_from([0.0, 0.5, 2.0])),
            labels=draw(st.sampled_from([{}, {"rack": "a"}, {"rack": "b"}, {"rack": "c", "room": "3"}])),
        )
        for n in range(draw(st.integers(1, 6)))
    ]
    there = [
        desktop(f"d{n}", host_id=draw(st.sampled_from(hosts)).id, pool_id=draw(st.sampled_from(["p1", "p2"])))
        for n in range(draw(st.integers(0, 8)))
    ]
    counted = frozenset(one.id for one in there)
    return [replace(one, counted=counted) for one in hosts], there


@given(racks(), st.booleans(), st.integers(1, 40))
def test_of_the_places_with_room_the_one_with_the_fewest_is_taken(
    fleet: tuple[list[HostFacts], list[DesktopFacts]], pack: bool, desktops: int
) -> None:
    hosts, there = fleet
    need = replace(APART, where=Where(apart_by="rack", pack=pack))
    rack = {one.id: one.labels.get("rack", "") for one in hosts}
    left = {one.id: one.room.memory_mib for one in hosts if one.room is not None}
    has = Counter(rack[one.host_id] for one in there if one.pool_id == "p1" and one.host_id is not None)
    each_mib = need.memory_mib + QEMU_OWN_MIB
    rooms = Rooms(hosts, there, (image(),))
    for _ in range(desktops):
        able = {rack[id] for id, mib in left.items() if mib >= each_mib}
        chosen = rooms.choose(need).chosen
        if chosen is None:
            assert able == set()  # it is a wish: nothing is refused for it
            return
        place = rack[chosen.host_id]
        assert has[place] == min(has[one] for one in able)
        assert chosen.apart == Apart("rack", place, has[place])
        has[place] += 1
        left[chosen.host_id] -= each_mib


def test_where_the_places_are_equal_the_best_host_of_all_is_taken() -> None:
    hosts = [_measured("h1", memory_mib=1000, labels={"rack": "a"}), _measured("h2", labels={"rack": "b"})]
    assert _goes_to(Rooms(hosts, (), (image(),)), APART) == "h2"


def test_to_be_apart_outweighs_room_and_templates_where_the_pool_asks_for_it() -> None:
    costs = {"k": Cost(memory_mib=100, disk_mib=10)}
    counted = frozenset({"d1"})
    hosts = [
        _measured("h1", memory_mib=30_000, fork_costs=costs, labels={"rack": "a"}, counted=counted),
        _measured("h2", memory_mib=3000, busy=0.9, labels={"rack": "b"}),
    ]
    need = replace(APART, fork_kind="k")
    assert _goes_to(Rooms(hosts, [desktop("d1", host_id="h1")], (image(),)), need) == "h2"
    anywhere = replace(need, where=Where())
    assert _goes_to(Rooms(hosts, [desktop("d1", host_id="h1")], (image(),)), anywhere) == "h1"


def test_hosts_without_the_label_are_one_place() -> None:
    hosts = [_measured("h1"), _measured("h2"), _measured("h3", labels={"rack": "a"})]
    rooms = Rooms(hosts, (), (image(),))
    assert Counter(_goes_to(rooms, APART) == "h3" for _ in range(4)) == {True: 2, False: 2}


@pytest.mark.parametrize("closed", [{"maintenance": True}, {"labels": {"rack": "a"}}])
def test_what_is_leaving_a_place_keeps_no_others_out_of_it(closed: dict[str, object]) -> None:
    hosts = (
        host("h1", **{"labels": {"rack": "a", "room": "3"}} | closed),
        host("h2", labels={"rack": "a", "room": "3"}),
        host("h3", labels={"rack": "b", "room": "3"}),
    )
    there = [desktop(f"d{n}", host_id="h1") for n in range(2)]
    one = pool(spares=2, where=Where(labels=frozenset({("room", "3")}), apart_by="rack"))
    made = [action.host_id for action in decided(*there, hosts=hosts, one=one) if isinstance(action, MakeSpare)]
    assert sorted(made) == ["h2", "h3"]


@pytest.mark.parametrize("label", ["rack", "name"])
def test_a_thousand_find_their_places_among_a_thousand_hosts_as_fast_as_others_their_hosts(label: str) -> None:
    hosts = [
        _measured(f"h{n:04d}", memory_mib=30_000, labels={"rack": f"r{n % 3}", "name": f"h{n}"}) for n in range(1024)
    ]

    def took_s(need: Need) -> float:
        rooms = Rooms(hosts, (), (image(),))
        began = time.process_time()
        assert all(rooms.choose(need).chosen is not None for _ in range(1000))
        return time.process_time() - began

    assert min(took_s(replace(APART, where=Where(apart_by=label))) for _ in range(3)) < 1.0
