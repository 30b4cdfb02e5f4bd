"""libvirt's daemon or the controller is killed: what runs goes on, and the rest finds together again by itself."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from frazil.cli.libvirtd import DAEMON
from frazil.model.desktop import Phase
from frazil.model.errors import Unavailable
from frazil.wire.rest import PoolChange
from tests.e2e.conftest import Desk
from tests.harness import machine
from tests.harness.browser import Seat, same
from tests.harness.machine import Machine
from tests.harness.processes import end
from tests.harness.stack import Stack
from tests.harness.waiting import until

pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(420),
    pytest.mark.skipif(os.geteuid() != 0, reason="starts Frazil"),
]
QEMU = "qemu-system-x86"
SMALL = {"memory_mib": 256, "disk_gib": 1, "sound": False, "usb_channels": 0}


@pytest.fixture
def apart() -> Iterator[Stack]:
    """A stack in a machine of its own, with a libvirtd that nobody else uses."""
    if not machine.possible():
        pytest.skip("namespaces can't be made here")
    with Stack(machine=True) as made:
        yield made.start()


def _machine(stack: Stack) -> Machine:
    assert stack.machine is not None
    return stack.machine


@contextmanager
def _no_libvirtd(stack: Stack) -> Iterator[None]:
    """libvirtd is killed, and in its place is a program that ends at once."""
    enter = _machine(stack).enter
    subprocess.run([*enter, "mount", "--bind", "/bin/false", str(DAEMON)], check=True, timeout=30)
    try:
        for pid in _machine(stack).processes("libvirtd"):
            end(pid, signal.SIGKILL)
        yield
    finally:
        subprocess.run([*enter, "umount", str(DAEMON)], check=True, timeout=30)


def _pool(stack: Stack, *, spares: int) -> None:
    stack.empty_image("blank", ready_when="running")
    stack.pool("blank", image="blank", spares=spares, max_desktops=4, profile=SMALL)
    stack.desktops("blank", count=spares)


def _want(stack: Stack, *, spares: int) -> None:
    stack.root.change_pool(stack.root.pool("blank"), PoolChange(spares=spares))


def _blames(stack: Stack) -> list[str]:
    """What the desktops' histories say that should not be said of a desktop that was well."""
    kinds = [event.kind for one in stack.root.desktops() for event in stack.root.desktop_events(one.id)]
    return [kind for kind in kinds if "fail" in kind or "restart" in kind]


def test_libvirtd_is_killed_and_comes_back_by_itself(apart: Stack) -> None:
    _pool(apart, spares=2)
    domains, processes = apart.guests.ids(), set(_machine(apart).processes(QEMU))
    assert len(domains) == len(processes) == 2
    for _ in range(3):
        for pid in _machine(apart).processes("libvirtd"):
            end(pid, signal.SIGKILL)
        _want(apart, spares=3)  # work that comes while it is away
        until(lambda: _machine(apart).processes("libvirtd"), "libvirtd is started again")
    apart.desktops("blank", count=3)
    after = apart.guests.ids()
    assert domains.items() <= after.items(), "a domain was ended or made anew"
    assert processes < set(_machine(apart).processes(QEMU))
    assert len(after) == len(_machine(apart).processes(QEMU)) == len(apart.disks()) == 3
    assert _blames(apart) == []
    assert "is started again" in apart.logs()


def test_while_libvirtd_is_away_nothing_is_declared_dead(apart: Stack) -> None:
    _pool(apart, spares=2)
    domains, processes = apart.guests.ids(), set(_machine(apart).processes(QEMU))
    with _no_libvirtd(apart):
        seen: set[Phase] = set()

        def both_unknown() -> bool:
            phases = [one.phase for one in apart.root.desktops() if one.id in domains]
            seen.update(phases)
            return phases == [Phase.UNKNOWN, Phase.UNKNOWN]

        until(both_unknown, "what is not seen is unknown")
        _want(apart, spares=3)
        apart.back("server", instead_of=apart.kill("server"))  # and one that never saw them takes over
        until(both_unknown, "it is unknown to a new server too")
        assert seen <= {Phase.READY, Phase.UNKNOWN}
        assert set(_machine(apart).processes(QEMU)) == processes
    apart.desktops("blank", count=3)
    assert domains.items() <= apart.guests.ids().items(), "a domain was ended or made anew"
    assert len(_machine(apart).processes(QEMU)) == len(apart.disks()) == 3
    assert _blames(apart) == []


@contextmanager
def _no_controller(stack: Stack) -> Iterator[None]:
    """The controller is killed, and its supervisor is held so that it stays dead."""
    supervisor = stack.supervisor
    os.kill(supervisor, signal.SIGSTOP)
    try:
        stack.kill("controller")
        yield
    finally:
        os.kill(supervisor, signal.SIGCONT)


@pytest.mark.browser
def test_the_picture_goes_on_without_the_controller(stack: Stack, desk: Desk, window: Seat, tmp_path: Path) -> None:
    window.sign_in(desk.person)
    window.open(desk.pool.id)
    session = desk.session
    with window.keeps_its_line():
        with _no_controller(stack):
            before = window.drained()
            window.terminal(session.desktop.id)
            window.type_into(session.desktop.id, "/tmp/typed-alone", "alone")
            assert not same(before, window.picture())
            with pytest.raises(Unavailable):
                stack.root.health()
        stack.up_again()
        window.type("exit")
        until(
            lambda: same(window.picture(), stack.guests.screenshot(session.desktop.id, tmp_path / "guest.png")),
            "the picture is the guest's screen",
        )
    again = stack.phase(session.desktop.id, Phase.READY)
    assert again.connected, "it knows of the viewer that went on without it"
    assert desk.session.id == session.id
    assert not [event for event in stack.root.desktop_events(again.id) if "fail" in event.kind]
