"""Where a pool's desktops go, as the pool asks: to hosts with its labels."""

from __future__ import annotations

import pytest

from frazil.controller.planning import DesktopFacts, HostFacts, MakeSpare, Place, PoolFacts, WantAbsent, Where, plan
from frazil.controller.planning.actions import Action
from frazil.controller.planning.placement import Need, Rooms
from frazil.controller.planning.refusals import Why
from frazil.model.desktop import Guest, State
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
