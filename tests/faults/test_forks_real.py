"""libvirtd or QEMU is killed in each phase of a fork, the host loses power: nothing half made, no leak, forks go on."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from frazil.model.desktop import Phase
from tests.faults.forks import TEMPLATE_TIMEOUT_S, Forks
from tests.harness import machine
from tests.harness.stack import Stack
from tests.harness.waiting import until

pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(600),
    pytest.mark.skipif(os.geteuid() != 0 or not machine.possible(), reason="starts Frazil on a machine of its own"),
]
POOL = "forks"
SPARES = 2
BEFORE_ITS_QEMU = "server.overlay-made"
LOADING = ("server.fork-created", "server.fork-loaded")
RUNNING = ("server.forked", "server.identified")
"""`server.started` is the same moment as `server.forked`."""
TOGETHER, TIMES = 3, 2
"""So many forks come and go together, so many times, each made twice."""


@pytest.fixture(scope="module")
def shared() -> Iterator[Forks]:
    """A pool of forks. Its template is made once, for all tests here."""
    with Stack(machine=True) as stack:
        forks = Forks(stack)
        forks.start()
        forks.make_pool(POOL, spares=SPARES)
        stack.desktops(POOL, count=SPARES, timeout_s=TEMPLATE_TIMEOUT_S)
        yield forks


@pytest.fixture
def forks(shared: Forks) -> Iterator[Forks]:
    """As each test finds it: the spares are ready, and there is nothing else."""
    shared.want(SPARES)
    shared.whole(SPARES)
    templates = shared.templates()
    assert len(templates) == 1
    yield shared
    assert shared.templates() == templates, "no fault of a fork's is a reason to make its template anew"


@pytest.mark.parametrize("phase", [BEFORE_ITS_QEMU, *LOADING, *RUNNING])
def test_libvirtd_is_killed_while_a_fork_is_made(forks: Forks, phase: str) -> None:
    before = forks.stack.guests.ids()
    with forks.half_made(phase, spares=SPARES + 1) as half:
        forks.kill_libvirtd()
    forks.whole(SPARES + 1)
    after = forks.stack.guests.ids()
    assert half in after
    assert before.items() <= after.items(), "one that ran was ended or made anew"
    assert forks.blames(half) == []


@pytest.mark.parametrize("phase", RUNNING)
def test_qemu_is_killed_as_soon_as_its_fork_runs(forks: Forks, phase: str) -> None:
    with forks.half_made(phase, spares=SPARES + 1) as half:
        forks.kill_qemu(half)
    forks.whole(SPARES + 1)
    assert half in forks.stack.guests.ids(), "it was forked again by itself"


@pytest.mark.parametrize("phase", LOADING)
def test_qemu_is_killed_while_it_loads_the_frozen_state(forks: Forks, phase: str) -> None:
    with forks.half_made(phase, spares=SPARES + 1) as half:
        forks.kill_qemu(half)
    failed = forks.stack.phase(half, Phase.FAILED)
    assert failed.failure is not None
    assert failed.failure.text == "QEMU ended while it loaded the frozen state."
    assert failed.failure.remedy
    assert half not in forks.stack.guests.ids()
    forks.stack.root.act(half, "retry")
    forks.whole(SPARES + 1)
    assert half in forks.stack.guests.ids()


def test_forks_that_come_die_and_go_leave_nothing_open(forks: Forks) -> None:
    def come_and_go() -> None:
        forks.want(SPARES + TOGETHER)
        forks.whole(SPARES + TOGETHER)
        for new in sorted(forks.desktops(), key=lambda one: one.created_at)[SPARES:]:
            forks.kill_qemu(new.id)  # it is forked again
        forks.whole(SPARES + TOGETHER)
        forks.want(SPARES)
        forks.whole(SPARES)

    come_and_go()  # what is made once and kept is there now
    before = forks.holdings()
    for _ in range(TIMES):
        come_and_go()
    until(
        lambda: not forks.holdings().grown(before),
        lambda: f"nothing has grown, but: {forks.holdings().grown(before)}",
        timeout_s=30,
    )


def test_the_host_loses_power_while_a_fork_is_made(forks: Forks) -> None:
    earlier = forks.machine.boot_id
    with forks.half_made("server.fork-loaded", spares=SPARES + 1) as half:
        assert forks.record(half).host_boot == earlier
        wanted = {one.id for one in forks.desktops()}
        forks.stack.reboot()
    forks.start()
    forks.whole(SPARES + 1)
    assert {one.id for one in forks.desktops()} == wanted
    records = [forks.record(one) for one in wanted]
    assert {record.host_boot for record in records} == {forks.machine.boot_id} != {earlier}
    assert {record.template for record in records} == {template.key for template in forks.templates()}
