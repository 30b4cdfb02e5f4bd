"""What the driver does about libvirt's answers; tests/contract tries it against libvirt itself."""

from __future__ import annotations

import asyncio

import libvirt
import pytest

from frazil.model.errors import HostError
from frazil.server.hypervisor import libvirt_driver
from frazil.server.hypervisor.libvirt_driver import LibvirtHypervisor

DEADLINE_S = 30.0


class FakeDomain:
    """A domain as libvirt's QEMU driver treats it: woken, it is said to run only some looks later."""

    def __init__(self, state: int, *, looks_until_awake: int = 0) -> None:
        self._state = state
        self._looks = looks_until_awake
        self._wakes = False

    def state(self) -> tuple[int, int]:
        if self._wakes and self._looks == 0:
            self._state = libvirt.VIR_DOMAIN_RUNNING
        self._looks -= self._wakes
        return self._state, 0

    def resume(self) -> None:
        if self._state != libvirt.VIR_DOMAIN_PAUSED:
            raise libvirt.libvirtError("Requested operation is not valid: domain is not paused")
        self._state = libvirt.VIR_DOMAIN_RUNNING

    def pMWakeup(self, flags: int) -> None:
        assert self._state == libvirt.VIR_DOMAIN_PMSUSPENDED
        assert not self._wakes, "QEMU refuses to wake what is awake"
        self._wakes = True


@pytest.mark.parametrize(
    "domain",
    [
        FakeDomain(libvirt.VIR_DOMAIN_PAUSED),
        FakeDomain(libvirt.VIR_DOMAIN_RUNNING),
        FakeDomain(libvirt.VIR_DOMAIN_PMSUSPENDED, looks_until_awake=3),
    ],
    ids=["paused", "runs already", "suspended itself"],
)
def test_resuming_lets_it_run_whatever_stopped_it(domain: FakeDomain) -> None:
    libvirt_driver._go_on(domain)
    assert domain.state()[0] == libvirt.VIR_DOMAIN_RUNNING


def test_one_that_can_not_be_resumed_is_an_error() -> None:
    with pytest.raises(libvirt.libvirtError):
        libvirt_driver._go_on(FakeDomain(libvirt.VIR_DOMAIN_SHUTDOWN))


async def test_listening_for_events_outlives_whatever_the_hypervisor_says(monkeypatch: pytest.MonkeyPatch) -> None:
    hypervisor = LibvirtHypervisor("test:///default", installation_id="installation")
    told = asyncio.Queue[str | None]()
    hypervisor.subscribe(told.put_nowait)
    refusals = [HostError("The hypervisor failed to listen for events.")]

    async def refused_once(register: object, *, doing: str) -> None:
        if refusals:
            raise refusals.pop()

    monkeypatch.setattr(hypervisor._events, "call", refused_once)
    watching = asyncio.create_task(hypervisor.watch_events())
    async with asyncio.timeout(DEADLINE_S):
        assert [await told.get(), await told.get()] == [None, None], "away, and there again"
    assert not watching.done()
    watching.cancel()
    await asyncio.wait({watching})
    hypervisor.close()
