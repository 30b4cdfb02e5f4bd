"""Makes one template: boots it, lets it settle, freezes it, and forks it once to see that it is good."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import uuid
from collections.abc import Callable, Coroutine, Set
from dataclasses import dataclass, replace
from pathlib import Path

import structlog

from frazil import failpoint
from frazil.model.clock import Clock
from frazil.model.desktop import Epoch
from frazil.model.errors import FrazilError, GuestSilent, HostError, NotFound, OutOfSpace
from frazil.server import cancellation
from frazil.server.density import measuring
from frazil.server.desktops.directory import make_overlay
from frazil.server.guests.service import GuestSaid, GuestService
from frazil.server.hypervisor.port import (
    Domain,
    DomainPlan,
    DomainState,
    GuestRam,
    Hypervisor,
    KernelBoot,
    Labels,
    Role,
)
from frazil.server.templates.holes import dig_holes
from frazil.server.templates.key import template_plan
from frazil.server.templates.store import DISK, RAM, STATE, Manifest, Template, TemplateStore, sha256
from frazil.wire.hostlink import Profile

log = structlog.get_logger(__name__)

BOOT_DEADLINE_S = 300.0
SETTLE_DEADLINE_S = 120.0
LOOK_EVERY_S = 0.7
STILL_LOOKS = 4
"""The picture stands still when it was the same this often in a row."""
AGENT_DEADLINE_S = 60.0
WARM_UP = "/usr/lib/frazil/warm-up"
WARM_DEADLINE_S = 600.0
WATCH_EVERY_S = 1.0
PROBE_DEADLINE_S = 20.0
TRIAL = "trial"
"""The disk of a trial fork, or the directory that it is in."""
COMMAND_DEADLINE_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A template to make. `disk`: the image's."""

    key: str
    image_id: str
    image_name: str
    disk: Path
    disk_bytes: int
    boot: KernelBoot | None
    profile: Profile
    kvm: bool


class Maker:
    """Makes templates on a hypervisor; `tell` hears in words what is happening."""

    def __init__(self, hypervisor: Hypervisor, store: TemplateStore, *, installation_id: str, clock: Clock) -> None:
        self._hypervisor = hypervisor
        self._store = store
        self._installation_id = installation_id
        self._clock = clock

    def domain_id(self, key: str, what: str = "template") -> str:
        """The id of a template's own domain, the same at each try, so that a crash's leftover is found."""
        return str(uuid.uuid5(uuid.UUID(self._installation_id), f"{what}/{key}"))

    async def end_leftovers(self) -> None:
        """End the templates' domains that an earlier life of this process left running: none is being made now."""
        for domain in await self._hypervisor.domains():
            labels = domain.labels
            if labels is None or (labels.installation_id, labels.role) != (self._installation_id, Role.TEMPLATE):
                continue
            if domain.uuid == labels.desktop_id:  # else it is a copy that somebody made by hand
                log.warning("template-domain-left-over", domain=domain.name)
                await self._hypervisor.destroy(domain.uuid)

    async def make(self, wanted: Wanted, tell: Callable[[str], None]) -> Template:
        """Make the template. Raises a FrazilError; nothing is then left behind."""
        labels = Labels(
            self._installation_id, self.domain_id(wanted.key), Epoch(0, 0), 1, "",
            f"Template of {wanted.image_name}", Role.TEMPLATE,
        )  # fmt: skip
        await self._hypervisor.destroy(labels.desktop_id)
        try:
            place = await asyncio.to_thread(self._store.begin, wanted.key)
            tell("Booting it once")
            await make_overlay(place / DISK, base=wanted.disk, size_bytes=wanted.disk_bytes)
            await self._hypervisor.prepare_ram(place / RAM, wanted.profile.memory_mib)
            plan = template_plan(
                labels=labels, profile=wanted.profile, disk=place / DISK, boot=wanted.boot, kvm=wanted.kvm,
                ram=place / RAM,
            )  # fmt: skip
            domain = await self._hypervisor.start(plan)
            boot_s = await self._while_it_runs(domain, place, self._prepared(domain, labels.desktop_id, tell))
            tell("Freezing it")
            freezing_s = self._clock.monotonic_s()
            await self._hypervisor.freeze(labels.desktop_id, place / STATE)
            failpoint.reach("server.template-frozen")
            ram_bytes = await asyncio.to_thread(dig_holes, place / RAM)
            log.info("template-frozen", key=wanted.key, ram_mib=ram_bytes >> 20)
            manifest = Manifest(
                installation_id=self._installation_id,
                key=wanted.key,
                image_id=wanted.image_id,
                made_at=self._clock.now().isoformat(),
                state_sha256=await asyncio.to_thread(sha256, place / STATE),
                boot_s=round(boot_s, 3),
                freeze_s=round(self._clock.monotonic_s() - freezing_s, 3),
            )
            tell("Trying it")
            manifest = replace(
                manifest, probe_mib=await self._tried_out(wanted, place, place / TRIAL, within_s=PROBE_DEADLINE_S)
            )
            template = await asyncio.to_thread(self._store.finish, wanted.key, manifest)
            failpoint.reach("server.template-kept")
            return template
        except OSError as exc:
            self._store.abandon(wanted.key)
            if exc.errno in (errno.ENOSPC, errno.EDQUOT):
                raise OutOfSpace(f"The template can't be made: {exc}.", remedy="Free disk space on this host.") from exc
            raise HostError(f"The template can't be made: {exc}.") from exc
        except BaseException:
            self._store.abandon(wanted.key)
            raise
        finally:
            await self._hypervisor.destroy(labels.desktop_id)

    async def _prepared(self, domain: Domain, desktop_id: str, tell: Callable[[str], None]) -> float:
        """Everything before the freeze that the guest takes part in; returns the seconds until it was up."""
        began_s = self._clock.monotonic_s()
        await self._ready(domain)
        boot_s = self._clock.monotonic_s() - began_s
        failpoint.reach("server.template-booted")
        tell("Warming it up")
        await self._warmed(desktop_id)
        failpoint.reach("server.template-warmed")
        tell("Letting it come to rest")
        await self._settled(desktop_id)
        await self._trimmed(desktop_id)
        return boot_s

    async def _while_it_runs(self, domain: Domain, place: Path, doing: Coroutine[None, None, float]) -> float:
        """`doing`, for as long as the domain runs: what waits for a guest that is gone waits in vain."""
        errors: list[FrazilError] = []
        made: asyncio.Task[float] | None = None
        try:
            async with asyncio.TaskGroup() as tasks:
                watching = tasks.create_task(self._watched(domain, place))
                made = tasks.create_task(doing)
                await asyncio.wait({made, watching}, return_when=asyncio.FIRST_COMPLETED)
                watching.cancel()
        except* FrazilError as group:
            errors = [exc for exc in group.exceptions if isinstance(exc, FrazilError)]
        cancellation.due()
        if errors:
            await self._look(domain, place)  # why the guest fell silent says more than that it did
            raise errors[0]
        assert made is not None
        return made.result()

    async def _watched(self, domain: Domain, place: Path) -> None:
        """Return never; raises when the domain has stopped."""
        while True:
            await self._look(domain, place)
            await asyncio.sleep(WATCH_EVERY_S)  # the pace of looking

    async def _look(self, domain: Domain, place: Path) -> None:
        """Raises when the domain has stopped, and says so when that is for want of disk."""
        assert domain.labels is not None
        now = await self._hypervisor.find(domain.labels.desktop_id)
        if now is not None and now.io_error:
            raise OutOfSpace(
                f"The disk of {place.parent} became full while the template was made.",
                remedy="Free disk space on this host.",
            )
        if now is None or now.state in (DomainState.STOPPED, DomainState.CRASHED):
            raise HostError(
                "The template's domain ended before it was frozen.", remedy="Its QEMU's log in libvirt says why."
            )

    async def _warmed(self, desktop_id: str) -> None:
        """What the image's recipe names is run in the guest, which then gives the memory back that it does not use.

        An image without it, such as one that was imported, is as warm as its boot made it.
        """
        try:
            async with asyncio.timeout(AGENT_DEADLINE_S):
                await self._answers(desktop_id)  # its service may be up before its agent is
        except TimeoutError as exc:
            raise GuestSilent("The template's guest agent did not answer.") from exc
        command = ["/bin/sh", "-c", f"[ ! -x {WARM_UP} ] || exec {WARM_UP}"]
        ended = await self._hypervisor.guest_exec(desktop_id, command, timeout_s=WARM_DEADLINE_S)
        said = ended.stdout.decode(errors="replace").strip()
        if ended.code == 0:
            log.info("template-warmed", desktop=desktop_id, said=said)
        else:  # it is good all the same, only slower
            log.warning("template-warming-failed", desktop=desktop_id, said=ended.stderr.decode(errors="replace"))

    async def _ready(self, domain: Domain) -> None:
        """Wait until the guest service says that the screen waits for a person, and has run a trial session on it."""
        ready = asyncio.Event()
        calls: set[str] = set()

        def heard(said: GuestSaid) -> None:
            calls.update(said.calls)
            if said.event in ("waiting", "ready"):  # an older image has a desktop at once
                ready.set()

        if domain.guest_socket is None:
            raise HostError("The template's guest service has no port.")
        service = GuestService(heard)
        unreachable: list[OSError] = []
        try:
            async with asyncio.TaskGroup() as tasks:
                listening = tasks.create_task(service.listen(domain.guest_socket))
                waiting = tasks.create_task(_tried(service, ready, calls))
                await asyncio.wait({listening, waiting}, timeout=BOOT_DEADLINE_S, return_when=asyncio.FIRST_COMPLETED)
                listening.cancel()
                waiting.cancel()
        except* OSError as group:
            unreachable = [exc for exc in group.exceptions if isinstance(exc, OSError)]
        cancellation.due()
        if unreachable:
            raise HostError(f"The template's guest service can't be reached: {unreachable[0]}.") from unreachable[0]
        if not ready.is_set():
            raise GuestSilent(
                f"The template's desktop did not appear within {BOOT_DEADLINE_S:.0f} s.",
                remedy="See that the image has Frazil's guest service, and that its desktop starts by itself.",
            )

    async def _settled(self, desktop_id: str) -> None:
        """Wait until the picture stands still."""
        seen: list[bytes] = []
        end_s = self._clock.monotonic_s() + SETTLE_DEADLINE_S
        while len(seen) < STILL_LOOKS or len(set(seen[-STILL_LOOKS:])) > 1:
            if self._clock.monotonic_s() > end_s:
                raise HostError(
                    f"The template's picture did not stand still within {SETTLE_DEADLINE_S:.0f} s.",
                    remedy="Remove what moves on an idle desktop from the image (clocks with seconds, animations).",
                )
            shot = await self._hypervisor.screenshot(desktop_id)
            seen.append(hashlib.sha256(shot.data).digest())
            await asyncio.sleep(LOOK_EVERY_S)  # the pace of looking: a picture has no event for standing still

    async def _trimmed(self, desktop_id: str) -> None:
        """What the guest has in its cache goes to its disk, and what its file system does not use is given back."""
        for command in (["/bin/sync"], ["/sbin/fstrim", "/"]):
            ended = await self._hypervisor.guest_exec(desktop_id, command, timeout_s=COMMAND_DEADLINE_S)
            if ended.code != 0:
                log.warning("template-command-failed", command=command[0], said=ended.stderr.decode(errors="replace"))

    async def try_again(self, wanted: Wanted, template: Template, *, within_s: float) -> None:
        """Fork one that was made before. Raises a FrazilError: Unavailable says nothing about the template."""
        place = await asyncio.to_thread(self._store.begin, TRIAL)
        try:
            await self._tried_out(wanted, template.directory, place / DISK, within_s=within_s)
        finally:
            self._store.abandon(TRIAL)

    async def _tried_out(self, wanted: Wanted, place: Path, overlay: Path, *, within_s: float) -> int:
        """Fork it once: a template that can't be forked is none. Returns what the fork took for itself, in MiB."""
        labels = Labels(
            self._installation_id, self.domain_id(wanted.key, "probe"), Epoch(0, 0), 1, "",
            f"Trial of {wanted.image_name}", Role.TEMPLATE,
        )  # fmt: skip
        await self._hypervisor.destroy(labels.desktop_id)
        try:
            await make_overlay(overlay, base=place / DISK, size_bytes=wanted.disk_bytes)
            plan = fork_plan(
                template_plan(
                    labels=labels, profile=wanted.profile, disk=overlay, boot=wanted.boot, kvm=wanted.kvm,
                    ram=place / RAM,
                )
            )  # fmt: skip
            await self._hypervisor.fork(plan, place / STATE)
            async with asyncio.timeout(within_s):
                await self._answers(labels.desktop_id)
            failpoint.reach("server.template-probed")
            return await asyncio.to_thread(measuring.desktop_mib, labels.desktop_id)
        except TimeoutError as exc:
            raise GuestSilent("A trial fork of the template did not answer.") from exc
        finally:
            await self._hypervisor.destroy(labels.desktop_id)
            await asyncio.to_thread(overlay.unlink, missing_ok=True)

    async def _answers(self, desktop_id: str) -> None:
        while True:
            try:
                await self._hypervisor.agent_ping(desktop_id, timeout_s=5.0)
            except NotFound:
                raise
            except FrazilError:
                await asyncio.sleep(0.02)  # libvirt says "not connected" at once; this is the pace of asking
                continue
            return


async def _tried(service: GuestService, ready: asyncio.Event, calls: Set[str]) -> None:
    """Wait for the screen, then have a scratch user's session run once, so that a person's finds its files in memory.

    The guest removes all traces of it, and its screen waits again.
    """
    await ready.wait()
    if "warm" not in calls:
        return
    ready.clear()
    try:
        await service.call("warm", {}, timeout_s=COMMAND_DEADLINE_S)
    except FrazilError as exc:
        log.warning("template-trial-session-failed", why=str(exc))  # it is good all the same, only slower
        ready.set()
        return
    await ready.wait()


def fork_plan(plan: DomainPlan) -> DomainPlan:
    """The plan with its memory private: a fork of the template that the RAM belongs to."""
    assert plan.ram is not None
    return replace(plan, ram=GuestRam(plan.ram.path, private=True))
