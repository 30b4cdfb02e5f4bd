"""libvirtd or QEMU is killed, or the host loses power, in each phase of making a template: it is made, and forks work.

Most cases boot a template twice, which takes some minutes each.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator

import pytest

from frazil.model.errors import NotFound, Unavailable
from frazil.server.templates.store import Manifest
from frazil.wire.rest import HostTemplate
from tests.faults.forks import QEMU, TEMPLATE_TIMEOUT_S, Forks
from tests.harness import machine
from tests.harness.processes import end
from tests.harness.stack import Stack
from tests.harness.waiting import until

pytestmark = [
    pytest.mark.soak,
    pytest.mark.real,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(os.geteuid() != 0 or not machine.possible(), reason="starts Frazil on a machine of its own"),
]
IT_RUNS = ("server.template-booted", "server.template-warmed", "server.template-freezing")
ITS_TRIAL_RUNS = "server.template-probed"
NOTHING_RUNS = ("server.template-frozen", "server.template-kept")
POOL = "frozen"


@pytest.fixture(scope="module")
def up() -> Iterator[Forks]:
    with Stack(machine=True) as stack:
        forks = Forks(stack)
        forks.start()
        stack.image()
        yield forks


@pytest.fixture
def forks(up: Forks) -> Iterator[Forks]:
    """Without pool and template, before a test and after it."""
    yield up
    up.stack.root.delete_pool(POOL)
    until(lambda: _gone(up), "the pool is gone", not_yet=(Unavailable,))
    up.whole(0)
    up.stack.stop()  # what is removed by hand is not known to a server that runs
    for template in up.templates():
        shutil.rmtree(up.stack.settings.templates_dir / template.key)
    up.start()


def _gone(forks: Forks) -> bool:
    try:
        return not forks.stack.root.pool(POOL)
    except NotFound:
        return True


def _ask(forks: Forks, *, stop_at: str) -> None:
    """Have the pool's template made, and the server stopped on the way."""
    forks.order(stop_at)
    forks.make_pool(POOL, spares=0)


def _template(forks: Forks) -> HostTemplate:
    """What the host says of it."""
    (host,) = forks.stack.root.hosts()
    (template,) = host.templates
    return template


def _failed(forks: Forks) -> str:
    """Wait until its making has failed; why, in words. It is tried again half a minute later."""
    until(lambda: _template(forks).state == "failed", "it says that it failed", not_yet=(Unavailable,))
    return _template(forks).step


def _is_made_and_forks(forks: Forks) -> Manifest:
    """The template, of which a fork is made: there is nothing else."""
    until(
        lambda: _template(forks).state == "ready",
        lambda: f"the template is made, but: {_template(forks)}",
        timeout_s=TEMPLATE_TIMEOUT_S,
        not_yet=(Unavailable,),
    )
    assert forks.machine.processes(QEMU) == []
    (template,) = forks.templates()
    forks.want(1)
    forks.whole(1)
    (made,) = forks.desktops()
    assert forks.record(made.id).template == template.key
    assert forks.templates() == [template]
    return template


@pytest.mark.parametrize("phase", [*IT_RUNS, ITS_TRIAL_RUNS])
def test_libvirtd_is_killed_while_a_template_is_made(forks: Forks, phase: str) -> None:
    _ask(forks, stop_at=phase)
    with forks.held(phase):
        forks.kill_libvirtd()
    why = _failed(forks)
    assert why.startswith("The hypervisor could not be reached"), why
    _is_made_and_forks(forks)


@pytest.mark.parametrize("phase", NOTHING_RUNS)
def test_libvirtd_is_killed_when_nothing_of_a_template_runs(forks: Forks, phase: str) -> None:
    """Whether the one that is started in its place comes in time or only for the second try."""
    _ask(forks, stop_at=phase)
    with forks.held(phase):
        forks.kill_libvirtd()
    _is_made_and_forks(forks)


@pytest.mark.parametrize("phase", IT_RUNS)
def test_qemu_is_killed_while_a_template_is_made(forks: Forks, phase: str) -> None:
    _ask(forks, stop_at=phase)
    with forks.held(phase):
        _kill_the_one_qemu(forks)
    why = _failed(forks)
    assert why.startswith(("The template's domain ended before it was frozen.", "QEMU ended while it wrote")), why
    _is_made_and_forks(forks)


def test_the_trials_qemu_is_killed_when_it_has_answered(forks: Forks) -> None:
    _ask(forks, stop_at=ITS_TRIAL_RUNS)
    with forks.held(ITS_TRIAL_RUNS):
        _kill_the_one_qemu(forks)
    assert _is_made_and_forks(forks).probe_mib == 0, "what it took was not seen"


def test_the_host_loses_power_while_a_template_is_frozen(forks: Forks) -> None:
    _ask(forks, stop_at="server.template-freezing")
    with forks.held("server.template-freezing"):
        assert list((forks.stack.settings.templates_dir / ".staging").iterdir())
        forks.stack.reboot()
    forks.start()
    _is_made_and_forks(forks)


def _kill_the_one_qemu(forks: Forks) -> None:
    (pid,) = forks.machine.processes(QEMU)
    end(pid, signal.SIGKILL)
