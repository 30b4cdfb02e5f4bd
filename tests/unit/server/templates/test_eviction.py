"""A host whose disk runs short lets templates go, says so, and makes them again when there is room."""

from __future__ import annotations

import asyncio
import os
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from frazil.runtime import SystemClock, SystemIds
from frazil.server.desktops.slots import StartSlots
from frazil.server.hypervisor.port import KernelBoot
from frazil.server.templates.room import QUIET_S
from frazil.server.templates.store import DISK, RAM, STATE, Manifest, Template, TemplateStore, sha256
from frazil.server.templates.templates import BaseImage, Impossible, Templates
from frazil.wire.hostlink import Profile, TemplateObservation, TemplateSpec
from tests.fakes.hypervisor import FakeHypervisor

MIB = 1 << 20
WANTED = "00000000-0000-7000-8000-000000000001"
STALE = "f" * 32
BOOT = KernelBoot(Path("/k"), Path("/i"), "quiet")


class SmallDisk(TemplateStore):
    """Says how much is free of a disk of `size_bytes`."""

    size_bytes = 10_000 * MIB

    def free_bytes(self) -> int:
        return self.size_bytes - sum(template.size_bytes() for template in self.list())


@pytest.fixture
def place() -> Iterator[Path]:
    """A short path: sockets are made below it."""
    with tempfile.TemporaryDirectory(prefix="fz-") as name:
        yield Path(name)


class Host:
    """Templates on a host whose hypervisor is one of files."""

    def __init__(self, place: Path) -> None:
        self.installation_id = SystemIds().new_id()
        self.store = SmallDisk(place / "templates", installation_id=self.installation_id)
        self.busy: list[str] = []
        self.said: list[str] = []
        self.seen: list[TemplateObservation] = []
        self._news = asyncio.Event()
        image = BaseImage(disk=place / "none.qcow2", virtual_size_bytes=MIB, boot=BOOT, sha256="a", name="office")
        self.templates = Templates(
            FakeHypervisor(place / "vms", installation_id=self.installation_id, guest_service=True), self.store,
            installation_id=self.installation_id, clock=SystemClock(),
            slots=StartSlots(lambda: 1), kvm=False, qemu="7.2",
            image=lambda _: image, changed=self._changed, busy=lambda: self.busy, gone=self._gone, floor_mib=100,
        )  # fmt: skip

    def _changed(self, seen: TemplateObservation) -> None:
        self.seen.append(seen)
        self._news.set()

    def _gone(self, text: str) -> None:
        self.said.append(text)
        self._news.set()

    def keep(self, key: str, *, mib: int, used_ago_s: float) -> Template:
        place = self.store.begin(key)
        (place / RAM).write_bytes(os.urandom(mib * MIB))
        (place / STATE).write_bytes(b"devices")
        (place / DISK).write_bytes(b"disk")
        manifest = Manifest(
            installation_id=self.installation_id, key=key, image_id=WANTED, made_at="",
            state_sha256=sha256(place / STATE), boot_s=1.0, freeze_s=0.1,
        )  # fmt: skip
        kept = self.store.finish(key, manifest)
        kept.used(SystemClock().now().timestamp() - used_ago_s)
        return kept

    def wanted_key(self) -> str:
        key = self.templates._key_of(TemplateSpec(image_id=WANTED, profile=Profile(memory_mib=256)))
        assert key is not None
        return key

    async def hears(self) -> None:
        async with asyncio.timeout(30):
            await self._news.wait()
        self._news.clear()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        self.templates.want([TemplateSpec(image_id=WANTED, profile=Profile(memory_mib=256))])
        task = asyncio.create_task(self.templates.run())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    def there(self) -> set[str]:
        return {template.manifest.key for template in self.store.list()}


async def test_one_that_nobody_wants_goes_and_the_wanted_one_stays(place: Path) -> None:
    host = Host(place)
    host.keep(STALE, mib=8, used_ago_s=5)
    host.keep(host.wanted_key(), mib=8, used_ago_s=QUIET_S * 2)
    host.store.size_bytes = 110 * MIB
    async with host.running():
        await host.hears()
        assert host.there() == {host.wanted_key()}
        assert "The template of office was removed: its 8 MiB of disk are needed" in host.said[0]
        async with asyncio.timeout(30):
            while host.seen[-1:] == [] or host.seen[-1].state != "ready":
                await host.hears()


async def test_one_that_a_desktop_is_made_of_stays_however_full_it_is(place: Path) -> None:
    host = Host(place)
    host.keep(STALE, mib=8, used_ago_s=QUIET_S * 9)
    host.keep(host.wanted_key(), mib=8, used_ago_s=QUIET_S * 9)
    host.busy = [STALE, host.wanted_key()]
    host.store.size_bytes = 20 * MIB
    async with host.running():
        await host.hears()
        assert host.there() == {STALE, host.wanted_key()}
    assert host.said == []


async def test_a_wanted_one_goes_last_and_the_console_hears_why(place: Path) -> None:
    host = Host(place)
    host.keep(host.wanted_key(), mib=8, used_ago_s=QUIET_S * 2)
    host.store.size_bytes = 50 * MIB
    async with host.running():
        await host.hears()
        async with asyncio.timeout(30):
            while not host.seen:
                await host.hears()
    assert host.there() == set()
    assert host.seen[-1].state == "failed"
    assert "short of room" in host.seen[-1].step
    condition = host.templates.condition(WANTED, Profile(memory_mib=256))
    assert isinstance(condition, Impossible), "desktops boot meanwhile; it is not made again at once"


async def test_one_that_was_just_chosen_for_a_desktop_stays(place: Path) -> None:
    host = Host(place)
    kept = host.keep(host.wanted_key(), mib=8, used_ago_s=QUIET_S * 2)
    host.store.size_bytes = 10_000 * MIB
    async with host.running():
        await host.hears()
        assert host.templates.condition(WANTED, Profile(memory_mib=256)) == kept
        assert SystemClock().now().timestamp() - kept.last_used_s() < 60, "its use was noted"
        host.store.size_bytes = 50 * MIB
        kept.used(0)
        await host.templates._make_room(0)
    assert host.there() == {host.wanted_key()}


@pytest.mark.parametrize("part", [RAM, STATE, DISK, "template.json"])
async def test_a_damaged_part_is_found_and_the_template_made_anew(place: Path, part: str) -> None:
    host = Host(place)
    kept = host.keep(host.wanted_key(), mib=1, used_ago_s=5)
    path = kept.directory / part
    path.chmod(0o600)
    with path.open("r+b") as file:
        file.write(b"damage")
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(place / "none.qcow2"), "1M"], check=True)
    async with host.running():
        async with asyncio.timeout(30):
            while not host.seen or host.seen[-1].state != "ready":
                await host.hears()
        found = host.store.find(host.wanted_key())
        assert found is not None
        assert found.manifest.made_at != kept.manifest.made_at, "it is another one, and sound"


async def test_without_room_none_is_begun(place: Path) -> None:
    host = Host(place)
    host.store.size_bytes = 300 * MIB
    async with host.running():
        async with asyncio.timeout(30):
            while not host.seen or host.seen[-1].state != "failed":
                await host.hears()
    assert "this host has 300 MiB" in host.seen[-1].step
    assert "Free disk space" in host.seen[-1].step
    assert list((place / "templates" / ".staging").iterdir()) == []
