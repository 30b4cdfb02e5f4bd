"""Whatever is done to an installation, and wherever its controller dies: what must hold holds, and all ends well."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from tests.integration.controller.crashes.machine import Begin, machine

EXAMPLES, STEPS = 12, 40
"""Some 15 s of processor time. `tests/soak/test_crashes.py` does the same for an hour."""


@pytest.mark.timeout(600)
def test_nothing_that_is_done_to_it_harms_an_installation(begin: Begin) -> None:
    some = settings(max_examples=EXAMPLES, stateful_step_count=STEPS)
    run_state_machine_as_test(machine(begin), settings=some)


def _told(begin: Begin, seed: int) -> str:
    """All that one run with faults comes to, as a number."""
    it = begin(seed)
    try:
        it.begin()
        for step in range(12):
            it.open("ann" if step % 2 else "bob", "desk")
            it.afflict(step % 3, "slow", on=step % 2 == 0)
            it.crash_in(3 + step)
            it.pass_s(7.0)
            it.leave(step)
        it.end()
        assert it.deaths
        told = [*it.deaths, it.loop.time(), *sorted(it.watch.moment.desktops.items())]
        return hashlib.sha256(repr(told).encode()).hexdigest()
    finally:
        it.close()


def test_a_seed_is_replayed(begin: Begin) -> None:
    assert _told(begin, 7) == _told(begin, 7)
    assert _told(begin, 7) != _told(begin, 8)


def test_each_place_of_dying_is_reached(begin: Begin) -> None:
    it = begin(1)
    try:
        it.begin()
        for points in range(1, 24):
            it.open("ann", "desk")
            it.crash_in(points)
            it.pass_s(9.0)
            it.leave(0)
        it.end()
        assert set(it.deaths) >= {
            "before a commit",
            "after a commit",
            "after a message from a host",
            "before a message to a host",
            "after a message to a host",
        }
    finally:
        it.close()
