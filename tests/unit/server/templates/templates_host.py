"""A host's templates on the hypervisor of files, for tests of what is kept, found and made."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from frazil.runtime import SystemClock, SystemIds
from frazil.server.desktops.slots import BOOT as BOOT_ROOM
from frazil.server.desktops.slots import StartSlots
from frazil.server.hypervisor.port import KernelBoot
from frazil.server.templates.store import DISK, RAM, STATE, Manifest, Template, TemplateStore, sha256
from frazil.server.templates.templates import BaseImage, Templates
from frazil.wire.hostlink import Profile, TemplateObservation, TemplateSpec
from tests.fakes.hypervisor import FakeHypervisor

MIB = 1 << 20
WANTED = "00000000-0000-7000-8000-000000000001"
PROFILE = Profile(memory_mib=256)
SPEC = TemplateSpec(image_id=WANTED, profile=PROFILE)
BOOT = KernelBoot(Path("/k"), Path("/i"), "quiet")


class SmallDisk(TemplateStore):
    """Says how much is free of a disk of `size_bytes`."""

    size_bytes = 10_000 * MIB

    def free_bytes(self) -> int:
        return self.size_bytes - sum(template.size_bytes() for template in self.list())


class Host:
    """Templates on a host whose hypervisor is one of files. `qemu` tells which QEMU it has now."""

    def __init__(
        self,
        place: Path,
        *,
        hypervisor: type[FakeHypervisor] = FakeHypervisor,
        mute: frozenset[str] = frozenset(),
    ) -> None:
        self.qemu = "7.2"
        self.disk = place / "none.qcow2"
        self.slots = StartSlots(lambda: BOOT_ROOM)
        self.installation_id = SystemIds().new_id()
        self.store = SmallDisk(place / "templates", installation_id=self.installation_id)
        self.busy: list[str] = []
        self.said: list[str] = []
        self.seen: list[TemplateObservation] = []
        self._news = asyncio.Event()
        self.hypervisor = hypervisor(place / "vms", installation_id=self.installation_id, mute=mute, guest_service=True)
        image = BaseImage(disk=self.disk, virtual_size_bytes=MIB, boot=BOOT, sha256="a", name="office")
        self.templates = Templates(
            self.hypervisor, self.store, installation_id=self.installation_id, clock=SystemClock(),
            slots=self.slots, kvm=False, qemu=lambda: self.qemu,
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
        (place / STATE).write_bytes(b'"devices"')
        _disk(place / DISK)
        manifest = Manifest(
            installation_id=self.installation_id, key=key, image_id=WANTED, made_at="",
            state_sha256=sha256(place / STATE), boot_s=1.0, freeze_s=0.1,
        )  # fmt: skip
        kept = self.store.finish(key, manifest)
        kept.used(SystemClock().now().timestamp() - used_ago_s)
        return kept

    def have_image(self) -> None:
        """Have the image's disk, so that a template can be made."""
        _disk(self.disk)

    def wanted_key(self, spec: TemplateSpec = SPEC) -> str:
        key = self.templates._key_of(spec)
        assert key is not None
        return key

    def template_domain(self, spec: TemplateSpec) -> str:
        """The id of the domain in which its template is made."""
        return self.templates._maker.domain_id(self.wanted_key(spec))

    async def until(self, state: str) -> TemplateObservation:
        """Wait until this was said of a template last."""
        async with asyncio.timeout(30):
            while not self.seen or self.seen[-1].state != state:
                await self.hears()
        return self.seen[-1]

    async def hears(self) -> None:
        async with asyncio.timeout(30):
            await self._news.wait()
        self._news.clear()

    @asynccontextmanager
    async def running(self, *specs: TemplateSpec) -> AsyncIterator[None]:
        self.templates.want(specs or [SPEC])
        task = asyncio.create_task(self.templates.run())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    def there(self) -> set[str]:
        return {template.manifest.key for template in self.store.list()}


def _disk(path: Path) -> None:
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(path), "1M"], check=True)
