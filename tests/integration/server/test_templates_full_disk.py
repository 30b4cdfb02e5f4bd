"""A disk that becomes full while a template is made: an error in words, nothing half made, and the next try works.

The file system is a real, small one, and QEMU and libvirt are real; the guest is an empty machine, as what it runs
does not matter here.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from frazil.model.desktop import Epoch
from frazil.model.errors import OutOfSpace
from frazil.runtime import SystemClock, SystemIds
from frazil.server.hypervisor.libvirt_driver import LibvirtHypervisor
from frazil.server.hypervisor.port import Domain, DomainPlan, GuestRam, Labels, Role
from frazil.server.templates.maker import Maker, Wanted
from frazil.server.templates.store import TemplateStore
from frazil.wire.hostlink import Profile
from tests.fakes.hypervisor import FakeHypervisor

pytestmark = [pytest.mark.real, pytest.mark.timeout(120), pytest.mark.skipif(os.geteuid() != 0, reason="mounts")]
MIB = 1 << 20
PROFILE = Profile(memory_mib=256)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 400 MiB that QEMU's user may pass."""
    place = Path("/var/tmp") / f"fz-small-{SystemIds().new_id()}"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400M,mode=711", "tmpfs", str(place)], check=True, timeout=30)
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True, timeout=30)
        place.rmdir()


@contextmanager
def filled(place: Path, *, leave: int = 0) -> Iterator[None]:
    about = os.statvfs(place)
    fill = place / "fill"
    size = about.f_bavail * about.f_frsize - leave
    subprocess.run(["fallocate", "-l", str(size), str(fill)], check=True, timeout=60)
    try:
        yield
    finally:
        fill.unlink()


@pytest_asyncio.fixture
async def hypervisor() -> AsyncIterator[LibvirtHypervisor]:
    made = LibvirtHypervisor("qemu:///system", installation_id=SystemIds().new_id())
    try:
        yield made
    finally:
        made.close()


def machine(hypervisor: LibvirtHypervisor, place: Path) -> DomainPlan:
    """An empty machine with its memory in a file."""
    disk = place / "empty.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(disk), "16M"], check=True)
    labels = Labels(hypervisor._installation_id, SystemIds().new_id(), Epoch(0, 0), 1, "", "trial", Role.TEMPLATE)
    ram = GuestRam(place / "ram", private=False)
    return DomainPlan(labels=labels, profile=PROFILE, disk=disk, boot=None, kvm=False, network=None, ram=ram)


async def test_memory_that_does_not_fit_is_refused_before_the_guest_starts(
    hypervisor: LibvirtHypervisor, small: Path
) -> None:
    with filled(small, leave=100 * MIB), pytest.raises(OutOfSpace, match="takes 256 MiB") as caught:
        await hypervisor.prepare_ram(small / "ram", 256)
    assert caught.value.remedy
    assert list(small.iterdir()) == []
    await hypervisor.prepare_ram(small / "ram", 256)
    assert (small / "ram").stat().st_blocks * 512 >= 256 * MIB, "no page of it can find the disk full later"


async def test_a_disk_that_is_full_at_the_freeze(hypervisor: LibvirtHypervisor, small: Path) -> None:
    plan = machine(hypervisor, small)
    await hypervisor.prepare_ram(small / "ram", PROFILE.memory_mib)
    await hypervisor.start(plan)
    desktop_id = plan.labels.desktop_id
    try:
        with filled(small), pytest.raises(OutOfSpace, match="is full") as caught:
            await hypervisor.freeze(desktop_id, small / "state")
        assert "Free disk space" in caught.value.remedy
    finally:
        await hypervisor.destroy(desktop_id)
    assert await hypervisor.find(desktop_id) is None
    for left in small.iterdir():
        left.unlink()
    # there is room again
    plan = machine(hypervisor, small)
    await hypervisor.prepare_ram(small / "ram", PROFILE.memory_mib)
    await hypervisor.start(plan)
    await hypervisor.freeze(plan.labels.desktop_id, small / "state")
    assert (small / "state").stat().st_size > 100_000


class FullAt(FakeHypervisor):
    """Its domains' disk can't be written while `full` is set, as QEMU says it."""

    full = False

    async def find(self, desktop_id: str) -> Domain | None:
        found = await super().find(desktop_id)
        return replace(found, io_error=True) if found is not None and self.full else found


@pytest.mark.parametrize("when", ["Booting it once", "Warming it up", "Freezing it", "Trying it"])
async def test_full_at_any_step_leaves_nothing_and_the_next_try_works(small: Path, when: str) -> None:
    """All steps of the maker, on a real file system; the hypervisor is one of files."""
    base = small / "base.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(base), "16M"], check=True)
    installation_id = SystemIds().new_id()
    hypervisor = FullAt(small / "vms", installation_id=installation_id, guest_service=True)
    store = TemplateStore(small / "templates", installation_id=installation_id)
    maker = Maker(hypervisor, store, installation_id=installation_id, clock=SystemClock())
    wanted = Wanted(
        key="k",
        image_id="i",
        image_name="office",
        disk=base,
        disk_bytes=16 * MIB,
        boot=None,
        profile=PROFILE,
        kvm=False,
    )
    fill = small / "fill"

    def tell(step: str) -> None:
        if step == when:
            about = os.statvfs(small)
            subprocess.run(["fallocate", "-l", str(about.f_bavail * about.f_frsize), str(fill)], check=True, timeout=60)
            hypervisor.full = step == "Warming it up"  # a guest finds it by writing to its disk

    with pytest.raises(OutOfSpace) as caught:
        await maker.make(wanted, tell)
    assert caught.value.what
    assert "Free disk space" in caught.value.remedy
    assert await super(FullAt, hypervisor).domains() == []
    assert store.list() == []
    assert list((small / "templates" / ".staging").iterdir()) == []
    fill.unlink()
    hypervisor.full = False
    made = await maker.make(wanted, lambda _: None)
    assert store.find("k") == made
