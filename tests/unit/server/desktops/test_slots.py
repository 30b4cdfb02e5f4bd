"""Start slots are bounded, fair, and never lost; their room follows how busy the host is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from frazil.server.desktops.slots import BOOT, FORK, StartSlots, room, room_here, waited_of


class Waiter:
    def __init__(self) -> None:
        self.woken = 0

    def wake(self) -> None:
        self.woken += 1


def test_slots_go_in_the_order_of_asking() -> None:
    slots = StartSlots(lambda: 1)
    first, second, third = Waiter(), Waiter(), Waiter()
    assert slots.take(first, FORK)
    assert slots.take(first, FORK)
    assert not slots.take(second, FORK)
    assert not slots.take(third, FORK)
    slots.give_back(first)
    assert second.woken == 1
    assert not slots.take(third, FORK)
    assert slots.take(second, FORK)


def test_who_leaves_the_queue_holds_up_nobody() -> None:
    slots = StartSlots(lambda: 1)
    first, second, third = Waiter(), Waiter(), Waiter()
    assert slots.take(first, FORK)
    slots.take(second, FORK)
    slots.take(third, FORK)
    slots.give_back(second)
    slots.give_back(first)
    assert third.woken
    assert slots.take(third, FORK)


def test_a_boot_takes_the_room_of_many_forks_and_is_passed_by_none() -> None:
    slots = StartSlots(lambda: BOOT + FORK)
    boot, another, forks = Waiter(), Waiter(), [Waiter() for _ in range(3)]
    assert slots.take(boot, BOOT)
    assert slots.take(forks[0], FORK)
    assert not slots.take(another, BOOT)
    assert not slots.take(forks[1], FORK)
    slots.give_back(forks[0])
    assert not slots.take(forks[1], FORK), "it asked after the boot that waits"
    slots.give_back(boot)
    assert another.woken
    assert slots.take(another, BOOT)
    assert slots.take(forks[1], FORK)
    assert not slots.take(forks[2], FORK)


def test_one_may_start_however_little_room_there_is() -> None:
    slots = StartSlots(lambda: FORK)
    assert slots.take(Waiter(), BOOT)
    assert not slots.take(Waiter(), FORK)


def test_more_room_is_found_at_the_next_look() -> None:
    rooms = [1]
    slots = StartSlots(lambda: rooms[-1])
    first, second, third = Waiter(), Waiter(), Waiter()
    assert slots.take(first, FORK)
    assert not slots.take(second, FORK)
    assert not slots.take(third, FORK)
    rooms.append(2)
    slots.give_back(first)
    assert (second.woken, third.woken) == (1, 1)


@given(
    limits=st.lists(st.integers(1, 12), min_size=1),
    moves=st.lists(st.tuples(st.booleans(), st.integers(0, 7), st.sampled_from((FORK, BOOT))), max_size=60),
)
def test_never_more_than_the_room_and_never_stuck(limits: list[int], moves: list[tuple[bool, int, int]]) -> None:
    now = [limits[0]]
    slots, waiters, holding = StartSlots(lambda: now[0]), [Waiter() for _ in range(8)], dict[int, int]()
    for turn, (taking, index, cost) in enumerate(moves):
        now[0] = limits[turn % len(limits)]
        if not taking:
            slots.give_back(waiters[index])
            holding.pop(index, None)
        elif slots.take(waiters[index], cost) and index not in holding:
            holding[index] = cost
            assert sum(holding.values()) <= now[0] or len(holding) == 1
    for waiter in waiters:
        slots.give_back(waiter)
    assert slots.take(Waiter(), BOOT)


def test_a_calm_host_starts_twenty_forks_on_two_cpus_and_a_busy_one_few() -> None:
    assert room(cpus=2, waited=0.0) == room(cpus=2, waited=50.0) == 20
    assert room(cpus=2, waited=70.0) == 12
    assert room(cpus=2, waited=90.0) == room(cpus=2, waited=100.0) == 4
    assert room(cpus=1, waited=100.0) == 2
    assert room(cpus=2, waited=0.0) == 2 * BOOT, "one boot for each CPU, as long as it is calm"


@given(cpus=st.integers(1, 256), waited=st.floats(0, 100), more=st.floats(0, 100))
def test_the_busier_the_less(cpus: int, waited: float, more: float) -> None:
    assert room(cpus=cpus, waited=waited) >= room(cpus=cpus, waited=max(waited, more)) >= 1


def test_waiting_is_read_from_psi_or_reckoned_from_the_load() -> None:
    psi = "some avg10=71.00 avg60=42.50 avg300=4.37 total=4268217328\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"
    assert waited_of(psi, cpus=2, load=99.0) == 42.5
    assert waited_of(None, cpus=2, load=8.0) == 75.0
    assert waited_of(None, cpus=2, load=1.0) == waited_of("", cpus=2, load=0.0) == 0.0


def test_this_host_has_room() -> None:
    assert room_here() >= 1
