"""What leaves a host in maintenance, in which order, and what stays."""

from __future__ import annotations

from dataclasses import replace

import pytest

from frazil.controller.planning import DesktopFacts, HostFacts, MakeSpare, Place, PoolFacts, ShutDown, WantAbsent, plan
from frazil.controller.planning.actions import Action
from frazil.controller.planning.refusals import Why
from frazil.model.desktop import Guest, Phase, Power, State
from tests.unit.controller.planning.build import BROKEN, desktop, facts, host, pool

CLOSED = host("h1", maintenance=True)
OPEN = host("h2")
STARTING = (State.RUNNING, Guest.AGENT)


def decided(
    *desktops: DesktopFacts, hosts: tuple[HostFacts, ...] = (CLOSED, OPEN), one: PoolFacts | None = None
) -> tuple[Action, ...]:
    return plan(facts(hosts={each.id: each for each in hosts}, pools=(one or pool(),), desktops=desktops)).actions


def ended(actions: tuple[Action, ...]) -> list[str]:
    return sorted(action.desktop_id for action in actions if isinstance(action, WantAbsent))


def test_nothing_new_goes_there_and_why_is_said() -> None:
    waits = desktop("d1", host_id=None, assigned=True)
    assert [action for action in decided(waits) if isinstance(action, Place)] == [Place("d1", "h2")]
    moment = facts(hosts={"h1": CLOSED}, pools=(), desktops=(waits,))
    assert plan(moment).waiting["d1"] == "Every host is in maintenance."
    assert [one.why for one in plan(moment).refusals["d1"]] == [Why.MAINTENANCE]
    assert "frazil host maintenance HOST off" in plan(moment).refusals["d1"][0].remedy


def test_a_spare_stays_until_another_is_ready_elsewhere() -> None:
    there = desktop("d1", host_id="h1")
    assert decided(there) == (MakeSpare("p1", "h2"),)
    coming = desktop("d2", host_id="h2", seen=STARTING)
    assert decided(there, coming) == ()
    ready = desktop("d2", host_id="h2")
    assert ended(decided(there, ready)) == ["d1"]
    paused = desktop("d2", host_id="h2", seen=(State.PAUSED, Guest.SILENT), power=Power.PAUSED)
    assert ended(decided(there, paused)) == ["d1"]


def test_as_many_go_as_there_are_others() -> None:
    there = [desktop(f"d{n}", host_id="h1") for n in range(3)]
    elsewhere = [desktop(f"e{n}", host_id="h2") for n in range(2)]
    actions = decided(*there, *elsewhere, one=pool(spares=3))
    assert len(ended(actions)) == 2
    assert [action for action in actions if isinstance(action, MakeSpare)] == [MakeSpare("p1", "h2")]


def test_a_pool_that_wants_no_spares_loses_them_at_once() -> None:
    assert ended(decided(desktop("d1", host_id="h1"), one=pool(spares=0))) == ["d1"]


def test_without_room_elsewhere_the_spare_stays_and_the_pool_says_why() -> None:
    full = host("h2", memory_available_mib=100)
    moment = facts(hosts={"h1": CLOSED, "h2": full}, desktops=(desktop("d1", host_id="h1"),))
    assert plan(moment).actions == ()
    note = plan(moment).notes["p1"]
    assert "1 host: in maintenance" in note
    assert "1 host: too little memory left" in note


@pytest.mark.parametrize(
    "useless",
    [
        desktop("d1", seen=STARTING),
        desktop("d1", failure=BROKEN),
        desktop("d1", power=Power.STOPPED, seen=(State.STOPPED, Guest.SILENT)),
    ],
)
def test_what_nobody_could_be_given_goes_at_once(useless: DesktopFacts) -> None:
    assert ended(decided(useless)) == ["d1"]


def test_in_a_full_pool_one_goes_first_for_each_that_has_a_place_elsewhere() -> None:
    there = [desktop(f"d{n}", host_id="h1") for n in range(2)]
    full = pool(spares=2, max_desktops=2)
    actions = decided(*there, one=full)
    assert ended(actions) == ["d0", "d1"]
    assert not [action for action in actions if isinstance(action, MakeSpare)]
    assert decided(*there, one=full, hosts=(CLOSED, host("h2", memory_available_mib=100))) == ()
    half = decided(*there, one=pool(spares=2, max_desktops=3))
    reason = "Its host is in maintenance, and nobody uses it."
    assert half == (MakeSpare("p1", "h2"), WantAbsent("d0", reason, spare=True))


def test_what_is_in_use_stays_and_somebodys_own_is_shut_down() -> None:
    used = replace(desktop("d1", assigned=True), in_use=True)
    own = desktop("d2", assigned=True)
    paused = desktop("d3", assigned=True, power=Power.PAUSED, seen=(State.PAUSED, Guest.SILENT))
    stopped = desktop("d4", assigned=True, power=Power.STOPPED, seen=(State.STOPPED, Guest.SILENT))
    failed = desktop("d5", assigned=True, failure=BROKEN)
    elsewhere = desktop("d6", host_id="h2", assigned=True)
    actions = decided(used, own, paused, stopped, failed, elsewhere, one=pool(spares=0))
    assert actions == (ShutDown("d2"), ShutDown("d3"), ShutDown("d5"))


def test_what_a_reboot_took_is_not_started_again_where_nobody_uses_it() -> None:
    lost = desktop("d1", assigned=True, power=Power.PAUSED, seen=(State.STOPPED, Guest.SILENT))
    assert decided(lost, one=pool(spares=0)) == (ShutDown("d1"),)


def test_what_is_unknown_is_left_alone_and_replaced() -> None:
    silent = host("h1", maintenance=True, up=False, silent=True)
    spare, own = desktop("d1"), desktop("d2", assigned=True)
    unknown = [replace(one, announced=Phase.UNKNOWN) for one in (spare, own)]
    assert decided(*unknown, hosts=(silent, OPEN)) == (MakeSpare("p1", "h2"),)


def test_when_it_ends_the_spares_are_spares_again() -> None:
    there = [desktop(f"d{n}", host_id="h1") for n in range(2)]
    assert decided(*there, one=pool(spares=2), hosts=(host("h1"), OPEN)) == ()
