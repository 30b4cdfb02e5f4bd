"""A host for tests of keepers: the hypervisor of files, real directories, real overlays, real tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from frazil.model.desktop import Power
from frazil.runtime import SystemClock
from frazil.server.desktops.directory import DesktopDirectory
from frazil.server.desktops.keeper import Host
from frazil.server.desktops.keepers import Keepers
from frazil.server.desktops.slots import BOOT, StartSlots
from frazil.server.desktops.starter import BootImage, Starter
from frazil.server.templates.templates import Condition, Impossible
from frazil.wire.hostlink import DesktopObservation, DesktopSpec, EpochField, Profile
from tests.fakes.hypervisor import FakeHypervisor

OURS = "installation"
DEADLINE_S = 30.0


@dataclass
class World:
    """A host with a fake hypervisor and an image."""

    root: Path
    tasks: asyncio.TaskGroup
    images: dict[str, BootImage]
    seen: list[DesktopObservation] = field(default_factory=list)
    events: list[tuple[str, str, str]] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    slots: int = 2
    template: Condition = field(default_factory=lambda: Impossible("none here", 0.0, 1))
    doubted: list[str] = field(default_factory=list)
    pressure: str = ""

    def __post_init__(self) -> None:
        self.start_server()

    def start_server(
        self,
        *,
        mute: frozenset[str] = frozenset(),
        boot_s: float = 0.05,
        guest_service: bool = False,
        host_boot: str = "one",
    ) -> None:
        """A new server process on the same host, as after a crash."""
        self.hypervisor = FakeHypervisor(
            self.root / "vms", installation_id=OURS, boot_s=boot_s, mute=mute, guest_service=guest_service
        )
        self.directory = DesktopDirectory(self.root / "desktops", installation_id=OURS)
        starter = Starter(
            installation_id=OURS,
            hypervisor=self.hypervisor,
            directory=self.directory,
            clock=SystemClock(),
            kvm=False,
            image=self.images.get,
            template=lambda image_id, profile: self.template,
            doubt=lambda template, why: self.doubted.append(template.manifest.key),
            pressure=lambda: self.pressure,
            seat=lambda desktop_id: nullcontext(),
            host_boot=host_boot,
        )
        self.start_slots = StartSlots(lambda: self.slots * BOOT)
        self.keepers = Keepers(
            Host(
                installation_id=OURS,
                hypervisor=self.hypervisor,
                directory=self.directory,
                starter=starter,
                slots=self.start_slots,
                clock=SystemClock(),
                report=self.report,
                event=lambda *what: self.events.append(what),
            ),
            self.tasks,
        )

    def stop_server(self) -> None:
        self.keepers.want([])

    def report(self, seen: DesktopObservation) -> None:
        self.seen.append(seen)
        self.changed.set()

    async def until(self, true: Callable[[dict[str, DesktopObservation]], bool]) -> dict[str, DesktopObservation]:
        """Wait until what was seen last of each desktop is so."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                self.changed.clear()
                newest = {seen.desktop_id: seen for seen in self.seen}
                if true(newest):
                    return newest
                await self.changed.wait()

    def disks(self) -> list[str]:
        return sorted(path.name for path in (self.root / "desktops").iterdir())


class Waiter:
    """Another one who wants to start something."""

    def __init__(self) -> None:
        self.woken = asyncio.Event()

    def wake(self) -> None:
        self.woken.set()


def spec(name: str = "d1", power: Power = Power.RUNNING, **changes: object) -> DesktopSpec:
    values: dict[str, object] = {
        "desktop_id": f"id-{name}", "epoch": EpochField(generation=1, counter=1), "attempt": 1, "name": name,
        "pool_id": "p", "image_id": "image", "profile": Profile(), "power": power, "start_deadline_s": 30.0,
        "ready_when": "agent",
    } | changes  # fmt: skip
    return DesktopSpec.model_validate(values)
