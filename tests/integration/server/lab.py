"""One host's server without a controller: real libvirt, real guests, and a caller that says what is wanted.

Everything is what `frazil.server.app` puts together, except for the link. A lab lives in a directory of its own and
has an installation id of its own, so it touches nothing of another's, and takes away all that it made.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import libvirt

from frazil.model.desktop import Guest, Power, State
from frazil.model.errors import NotFound
from frazil.runtime import SystemClock, SystemIds
from frazil.server.density import partition
from frazil.server.desktops.directory import DesktopDirectory
from frazil.server.desktops.keeper import Host
from frazil.server.desktops.keepers import Keepers
from frazil.server.desktops.slots import StartSlots, room_here
from frazil.server.desktops.starter import BootImage, Starter
from frazil.server.hypervisor.guest_network import GuestNetwork, network_name
from frazil.server.hypervisor.guest_network_rules import FAMILIES, table_name
from frazil.server.hypervisor.libvirt_driver import LibvirtHypervisor
from frazil.server.hypervisor.port import KernelBoot
from frazil.server.images import ImageFiles, build_image, cache_key, load_recipe, read_image_files
from frazil.server.templates.store import Template, TemplateStore
from frazil.server.templates.templates import BaseImage, Impossible, Templates
from frazil.wire.hostlink import DesktopObservation, DesktopSpec, EpochField, Profile, Start, TemplateSpec

ROOT = Path(__file__).parents[3]
CACHE = Path("/var/cache/frazil/images")
IMAGE_ID = "00000000-0000-7000-8000-000000000001"
TEMPLATE_DEADLINE_S = 400.0
READY_DEADLINE_S = 300.0


def cached_image(recipe_name: str = "debian-icewm", *, options: Iterable[str] = ()) -> ImageFiles:
    """The image of a recipe that ships, from the cache, or built: that takes minutes."""
    recipe = load_recipe(ROOT / "images" / recipe_name, options=options)
    place = CACHE / cache_key(recipe)
    try:
        return read_image_files(place)
    except NotFound:
        return build_image(recipe=recipe, into=place, progress=lambda _: None)


class Lab:
    """See the module. Made by `lab`; used in one event loop."""

    def __init__(
        self, place: Path, image: ImageFiles, *, installation_id: str, tasks: asyncio.TaskGroup, uri: str
    ) -> None:
        self.place = place
        self.image = image
        self.installation_id = installation_id
        self.ids = SystemIds()
        self.clock = SystemClock()
        self.hypervisor = LibvirtHypervisor(uri, installation_id=installation_id, partition=partition.prepare)
        # A subnet of its own: the few that are chosen from are soon taken where many tests run.
        subnet = f"10.203.{int(installation_id[-2:], 16)}.0/24"
        self.network = GuestNetwork(uri, installation_id=installation_id, mode="closed", subnet=subnet)
        self.directory = DesktopDirectory(place / "desktops", installation_id=installation_id)
        self.events: list[tuple[str, str, str]] = []
        self._specs: dict[str, DesktopSpec] = {}
        self._seen: dict[str, DesktopObservation] = {}
        self._changed = asyncio.Event()
        self._tasks = tasks
        self._uri = uri

    async def begin(self) -> None:
        """Ask libvirt what it is, and put the parts together."""
        boot = None
        if self.image.kernel is not None and self.image.initrd is not None and self.image.cmdline is not None:
            boot = KernelBoot(self.image.kernel, self.image.initrd, self.image.cmdline)
        capabilities = await self.hypervisor.capabilities(kvm=False)
        base = BaseImage(
            disk=self.image.disk, virtual_size_bytes=self.image.virtual_size_bytes, boot=boot,
            sha256=self.image.disk_sha256, name="debian-icewm",
        )  # fmt: skip
        slots = StartSlots(room_here)
        self.store = TemplateStore(self.place / "templates", installation_id=self.installation_id)
        self.templates = Templates(
            self.hypervisor, self.store, installation_id=self.installation_id, clock=self.clock, slots=slots,
            kvm=False, qemu=lambda: capabilities.qemu, image=lambda _: base, changed=lambda _: self._news(),
            busy=lambda: [record.template for _, record in self.directory.list() if record and record.template],
            gone=lambda text: self.events.append(("", "template-removed", text)),
        )  # fmt: skip
        starter = Starter(
            installation_id=self.installation_id, hypervisor=self.hypervisor, directory=self.directory,
            clock=self.clock, kvm=False,
            image=lambda _: BootImage(disk=base.disk, virtual_size_bytes=base.virtual_size_bytes, boot=boot),
            template=self.templates.condition, doubt=self.templates.doubt, seat=self.network.seat,
        )  # fmt: skip
        host = Host(
            installation_id=self.installation_id, hypervisor=self.hypervisor, directory=self.directory,
            starter=starter, slots=slots, clock=self.clock, report=self._report,
            event=lambda *event: self.events.append(event),
        )  # fmt: skip
        self.starter = starter
        self.keepers = Keepers(host, self._tasks)
        self._background = [
            self._tasks.create_task(self.hypervisor.watch_events()),
            self._tasks.create_task(self.templates.run()),
        ]

    def _news(self) -> None:
        self._changed.set()
        if hasattr(self, "keepers"):
            self.keepers.wake(None)

    def _report(self, seen: DesktopObservation) -> None:
        self._seen[seen.desktop_id] = seen
        self._changed.set()

    async def until(self, look: Callable[[], bool], what: str, *, timeout_s: float) -> None:
        """Wait until `look` is true; AssertionError names `what`. Looks again whenever something was reported."""
        try:
            async with asyncio.timeout(timeout_s):
                while not look():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError as exc:
            raise AssertionError(f"Not within {timeout_s:g} s: {what} (seen: {list(self._seen.values())})") from exc

    async def template(self, profile: Profile) -> Template:
        """The frozen template of this hardware, made if need be. AssertionError when it can't be made."""
        self.templates.want([TemplateSpec(image_id=IMAGE_ID, profile=profile)])

        def settled() -> bool:
            return isinstance(self.templates.condition(IMAGE_ID, profile), Template | Impossible)

        await self.until(settled, "the template", timeout_s=TEMPLATE_DEADLINE_S)
        condition = self.templates.condition(IMAGE_ID, profile)
        assert isinstance(condition, Template), condition
        return condition

    def spec(self, profile: Profile, *, name: str, start: Start = "fork", power: Power = Power.RUNNING) -> DesktopSpec:
        """A desktop that is wanted, with a new id."""
        return DesktopSpec(
            desktop_id=self.ids.new_id(), epoch=EpochField(generation=0, counter=1), attempt=1, name=name,
            pool_id="lab", image_id=IMAGE_ID, profile=profile, power=power, start=start,
            start_deadline_s=READY_DEADLINE_S,
        )  # fmt: skip

    def want(self, *specs: DesktopSpec) -> None:
        """Want these, besides what is wanted already."""
        self._specs |= {spec.desktop_id: spec for spec in specs}
        self.keepers.want(self._specs.values())

    def seen(self, desktop_id: str) -> DesktopObservation | None:
        """What was last reported of a desktop."""
        return self._seen.get(desktop_id)

    def is_ready(self, desktop_id: str) -> bool:
        seen = self._seen.get(desktop_id)
        assert seen is None or seen.failure is None, seen
        return seen is not None and seen.state is State.RUNNING and seen.guest is Guest.READY

    async def ready(self, *desktop_ids: str, timeout_s: float = READY_DEADLINE_S) -> None:
        """Wait until these are ready: desktop on the screen, a fork with an identity and a NIC of its own."""
        await self.until(
            lambda: all(self.is_ready(one) for one in desktop_ids), f"{desktop_ids} are ready", timeout_s=timeout_s
        )

    async def absent(self, *desktop_ids: str, timeout_s: float = 60.0) -> None:
        """Take these away and wait until nothing of them is left."""
        self.want(*(self._specs[one].model_copy(update={"power": Power.ABSENT}) for one in desktop_ids))

        def gone() -> bool:
            return all(self._seen[one].state is State.ABSENT for one in desktop_ids)

        await self.until(gone, f"{desktop_ids} are gone", timeout_s=timeout_s)
        for one in desktop_ids:
            del self._specs[one]
        self.keepers.want(self._specs.values())

    async def shell(self, desktop_id: str, script: str, *, timeout_s: float = 60.0) -> str:
        """What a shell script prints in the guest, as its root. AssertionError when it fails."""
        ended = await self.hypervisor.guest_exec(desktop_id, ["/bin/sh", "-c", script], timeout_s=timeout_s)
        assert ended.code == 0, (script, ended)
        return ended.stdout.decode()

    async def end(self) -> None:
        """Stop every task, then remove every domain of this lab."""
        self.keepers.want([])
        for task in self._background:
            task.cancel()
        try:
            for domain in await self.hypervisor.domains():
                if domain.labels is not None and domain.labels.installation_id == self.installation_id:
                    await self.hypervisor.destroy(domain.labels.desktop_id)
            await asyncio.to_thread(self._remove_network)
        finally:
            self.hypervisor.close()
            self.network.close()

    def _remove_network(self) -> None:
        name = network_name(self.installation_id)
        connection = libvirt.open(self._uri)
        try:
            for network in connection.listAllNetworks(0):
                if network.name() == name:
                    network.destroy()
                    network.undefine()
        finally:
            connection.close()
        table = table_name(name)
        script = "".join(f"table {family} {table}\ndelete table {family} {table}\n" for family in FAMILIES)
        subprocess.run(["nft", "-f", "-"], input=script, text=True, check=True)


@asynccontextmanager
async def lab(
    *,
    uri: str = "qemu:///system",
    place: Path | None = None,
    installation_id: str | None = None,
    image: ImageFiles | None = None,
) -> AsyncIterator[Lab]:
    """A lab in `place` (by default a new directory that QEMU's user may pass, removed at the end).

    image: another than debian-icewm.
    """
    if image is None:
        image = await asyncio.to_thread(cached_image)
    at = place or Path(tempfile.mkdtemp(prefix="fz-lab-", dir="/var/tmp"))
    at.chmod(0o711)
    try:
        async with asyncio.TaskGroup() as tasks:
            made = Lab(at, image, installation_id=installation_id or SystemIds().new_id(), tasks=tasks, uri=uri)
            await made.begin()
            try:
                yield made
            finally:
                await made.end()
    finally:
        if place is None:
            shutil.rmtree(at, ignore_errors=True)
