"""Starts one desktop: forks it from its template where it can, boots it from its disk where it can't."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import structlog

from frazil import failpoint
from frazil.model.clock import Clock
from frazil.model.desktop import Epoch
from frazil.model.errors import HostError, OutOfSpace, Unavailable
from frazil.server import host_facts
from frazil.server.desktops.directory import DesktopDirectory, Record
from frazil.server.desktops.slots import BOOT, FORK
from frazil.server.hypervisor.port import DomainPlan, GuestRam, Hypervisor, KernelBoot, Labels, Seat
from frazil.server.templates.store import Template
from frazil.server.templates.templates import Condition, Impossible, Making
from frazil.wire.hostlink import DesktopSpec, Profile

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class BootImage:
    """What a desktop boots from."""

    disk: Path
    virtual_size_bytes: int
    boot: KernelBoot | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Starter:
    """What starting needs of a host; one for all its desktops. `pressure`: why it starts nothing now, or empty."""

    installation_id: str
    hypervisor: Hypervisor
    directory: DesktopDirectory
    clock: Clock
    kvm: bool
    image: Callable[[str], BootImage | None]
    template: Callable[[str, Profile], Condition]
    doubt: Callable[[Template, str], None]
    pressure: Callable[[], str] = lambda: ""
    seat: Callable[[str], AbstractAsyncContextManager[Seat | None]]
    """A seat on the network for a desktop's id, its own until the block ends; None where there is no network."""
    host_boot: str = field(default_factory=host_facts.boot_id)

    def must_wait(self, spec: DesktopSpec) -> str:
        """Why the desktop can't be started yet, in words; empty when it can."""
        if self.image(spec.image_id) is None:
            return "Waiting for its image to be on this host"
        if pressure := self.pressure():
            return pressure
        if spec.start == "fork":
            condition = self.template(spec.image_id, spec.profile)
            if isinstance(condition, Making):
                return f"Preparing its template, once for all desktops of its kind: {condition.step}"
        return ""

    def cost(self, spec: DesktopSpec) -> int:
        """What its start takes of the host's start slots."""
        forked = spec.start == "fork" and isinstance(self.template(spec.image_id, spec.profile), Template)
        return FORK if forked else BOOT

    async def start(self, spec: DesktopSpec, record: Record | None) -> str:
        """Start the desktop; returns why it was not forked, in words, when it should have been.

        `record` is what is kept of this very attempt, or None. May be called again after a crash anywhere in it.
        """
        image = self.image(spec.image_id)
        condition = self.template(spec.image_id, spec.profile) if spec.start == "fork" else None
        if image is None or isinstance(condition, Making):
            return ""  # that changed since the decision; the next look says so
        labels = Labels(
            installation_id=self.installation_id,
            desktop_id=spec.desktop_id,
            epoch=Epoch(spec.epoch.generation, spec.epoch.counter),
            attempt=spec.attempt,
            pool_id=spec.pool_id,
            name=spec.name,
        )
        template = condition if isinstance(condition, Template) else None
        if record is None or (record.epoch, record.attempt) != (labels.epoch, labels.attempt):
            record = Record(
                installation_id=self.installation_id,
                desktop_id=spec.desktop_id,
                epoch=labels.epoch,
                attempt=labels.attempt,
                name=spec.name,
                image_id=spec.image_id,
                host_boot=record.host_boot if record is not None else self.host_boot,
            )
            self.directory.write(record)
            failpoint.reach("server.defined")
        if template is not None or record.template is not None:
            # A fork's disk must be as its template's memory knows it: never one that was used.
            self.directory.remove_disk(spec.desktop_id)
        elif not spec.keep_disk and record.host_boot not in (None, self.host_boot):
            # Nothing made QEMU flush it: after a power loss it may hold anything.
            log.info("disk-made-anew", desktop=spec.desktop_id, why="the host was booted since it was used")
            self.directory.remove_disk(spec.desktop_id)
        size_bytes = max(image.virtual_size_bytes, spec.profile.disk_gib << 30)
        with self._or_doubt(template):
            base = template.disk if template is not None else image.disk
            disk = await self.directory.make_disk(record, base=base, size_bytes=size_bytes)
        # The deadline runs from here, and survives a restart of this process.
        key = template.manifest.key if template is not None else None
        self.directory.write(
            replace(
                record,
                started_at=self.clock.now(),
                template=key,
                identified=False,
                host_boot=self.host_boot,
                keep_disk=spec.keep_disk,
            )
        )
        plan = self._plan(spec, labels, disk=disk, boot=image.boot)
        if template is not None:
            # The NIC comes later: its address would be the template's.
            with self._or_doubt(template):
                await self.hypervisor.fork(replace(plan, ram=GuestRam(template.ram, private=True)), template.state)
                failpoint.reach("server.forked")
        elif spec.profile.network == "none":
            await self.hypervisor.start(plan)
        else:
            async with self.seat(spec.desktop_id) as seat:
                await self.hypervisor.start(replace(plan, network=seat))
        failpoint.reach("server.started")
        return condition.why if isinstance(condition, Impossible) else ""

    @contextmanager
    def _or_doubt(self, template: Template | None) -> Iterator[None]:
        """What fails within may be the template's fault."""
        try:
            yield
        except (Unavailable, OutOfSpace):
            raise
        except HostError as exc:
            if template is not None:
                self.doubt(template, str(exc))
            raise

    def doubt_silent(self, spec: DesktopSpec, record: Record | None) -> None:
        """The desktop never answered: where it is a fork, its template may be why."""
        if record is None or record.template is None or record.identified:
            return
        condition = self.template(spec.image_id, spec.profile)
        if isinstance(condition, Template) and condition.manifest.key == record.template:
            self.doubt(condition, f"Its fork {spec.desktop_id} never answered.")

    async def plug_network(self, spec: DesktopSpec, labels: Labels) -> None:
        """Give a fork its NIC; nothing happens when it has one, or is to have none."""
        if spec.profile.network == "none":
            return
        plan = self._plan(spec, labels, disk=self.directory.disk(spec.desktop_id), boot=None)
        async with self.seat(spec.desktop_id) as seat:
            if seat is not None:
                await self.hypervisor.plug_network(replace(plan, network=seat))

    def _plan(self, spec: DesktopSpec, labels: Labels, *, disk: Path, boot: KernelBoot | None) -> DomainPlan:
        return DomainPlan(
            labels=labels,
            profile=spec.profile,
            disk=disk,
            boot=boot,
            kvm=self.kvm,
            keep_disk=spec.keep_disk,
            share_memory=spec.share_memory,
            network=None,
        )
