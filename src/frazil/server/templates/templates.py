"""All templates of a host: which are wanted, which are there, which is being made."""

from __future__ import annotations

import asyncio
import math
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import structlog

from frazil.model.clock import Clock
from frazil.model.errors import FrazilError, OutOfSpace, Unavailable
from frazil.server.desktops.slots import BOOT, StartSlots
from frazil.server.hypervisor.port import Hypervisor, KernelBoot
from frazil.server.templates import room
from frazil.server.templates.key import template_key
from frazil.server.templates.maker import Maker, Wanted
from frazil.server.templates.store import Template, TemplateStore
from frazil.wire.hostlink import Profile, TemplateObservation, TemplateSpec

log = structlog.get_logger(__name__)

RETRY_FIRST_S = 30.0
RETRY_MAX_S = 1800.0
LOOK_AT_DISK_S = 60.0
LOOK_AGAIN_S = 2.0
"""While one is made, and while disk or hypervisor can't be asked."""
DOUBT_DEADLINE_S = 60.0
"""For the trial fork of a template one of whose forks failed. Long: what doubts it may be a host with much to do."""
EVICTED_RETRY_S = 600.0
"""A template that went for want of room is made again after so long at the earliest."""
HANDED_S = 120.0
"""A desktop's record names its template this much after the template was chosen, at the latest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseImage:
    """What a template is made from."""

    disk: Path
    virtual_size_bytes: int
    boot: KernelBoot | None
    sha256: str
    name: str


@dataclass(frozen=True, slots=True)
class Making:
    """Not there yet; `step` says what is happening."""

    step: str


@dataclass(frozen=True, slots=True)
class Impossible:
    """It could not be made; desktops boot cold until the next try."""

    why: str
    again_at_s: float
    tries: int


Condition = Template | Making | Impossible


class Templates:
    """This host's templates. Used in the event loop's thread."""

    def __init__(
        self,
        hypervisor: Hypervisor,
        store: TemplateStore,
        *,
        installation_id: str,
        clock: Clock,
        slots: StartSlots,
        kvm: bool,
        qemu: Callable[[], str],
        image: Callable[[str], BaseImage | None],
        changed: Callable[[TemplateObservation], None],
        busy: Callable[[], Iterable[str]],
        gone: Callable[[str], None],
        floor_mib: int = room.FLOOR_MIB,
    ) -> None:
        """qemu: which QEMU would run a domain now. busy: the keys of templates that a desktop on this host is made of.
        gone: hears in words of one that had to go. floor_mib: how much of their disk templates leave free; 0 lets none
        go.
        """
        self._maker = Maker(hypervisor, store, installation_id=installation_id, clock=clock)
        self._store = store
        self._clock = clock
        self._slots = slots
        self._kvm = kvm
        self._qemu = qemu
        self._cpu = _cpu()
        self._image = image
        self._changed = changed
        self._busy = busy
        self._gone = gone
        self._floor_bytes = floor_mib << 20
        self._handed_s: dict[str, float] = {}
        self._specs: list[TemplateSpec] = []
        self._conditions: dict[str, Condition] = {}
        self._doubted: set[str] = set()
        self._swept = False
        self._removing = asyncio.Lock()
        self._wake = asyncio.Event()

    def want(self, specs: Iterable[TemplateSpec]) -> None:
        """Take in which templates are to be here."""
        self._specs = list(specs)
        self.wake()

    def wake(self) -> None:
        """Look again soon."""
        self._wake.set()

    def condition(self, image_id: str, profile: Profile) -> Condition:
        """How the template of this image and hardware is. Whoever asks is about to make a desktop of it."""
        condition = self._condition(image_id, profile)
        if isinstance(condition, Template):
            self._used(condition)
        return condition

    def _used(self, template: Template) -> None:
        """Note it, for the choice of those that go, and keep it from going before the desktop's own record names it."""
        now_s = self._clock.monotonic_s()
        if now_s - self._handed_s.get(template.manifest.key, -math.inf) >= 1.0:
            self._handed_s[template.manifest.key] = now_s
            try:
                template.used(self._clock.now().timestamp())
            except OSError as exc:
                log.warning("template-use-not-noted", key=template.manifest.key, why=str(exc))

    def _condition(self, image_id: str, profile: Profile) -> Condition:
        image = self._image(image_id)
        if image is None:
            return Making("Waiting for its image to be on this host")
        return self._conditions.get(self._key(image, profile), Making("Its template is next"))

    def doubt(self, template: Template, why: str) -> None:
        """A fork of it failed: it is looked at again and tried, and made anew if it is damaged."""
        key = template.manifest.key
        if self._conditions.get(key) != template:
            return  # it was doubted before, or another one has taken its place
        log.warning("template-doubted", key=key, why=why)
        del self._conditions[key]
        self._doubted.add(key)
        self.wake()

    def seen(self) -> list[TemplateObservation]:
        """What is known of each wanted template."""
        return [self._observation(spec) for spec in self._specs]

    async def release(self, image_id: str) -> None:
        """Remove the templates of an image that is to go. No desktop may use it any more."""
        async with self._removing:
            for template in self._store.list():
                if template.manifest.image_id == image_id:
                    self._conditions.pop(template.manifest.key, None)
                    await asyncio.to_thread(self._store.remove, template.manifest.key)

    async def run(self) -> None:
        """Find what is wanted and make what is not there, one boot at a time, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            making: asyncio.Task[None] | None = None
            while True:
                self._wake.clear()
                idle = making is None or making.done()
                known = await self._looked(sweep=idle)
                if known and idle and (spec := self._next()) is not None:
                    making = tasks.create_task(self._make(spec))
                    idle = False
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._until_next_s() if idle and known else LOOK_AGAIN_S):
                        await self._wake.wait()

    async def _looked(self, *, sweep: bool) -> bool:
        """Whether all that is wanted and is here was found; False while disk or hypervisor can't be asked."""
        wanted = {self._key_of(spec) for spec in self._specs}
        for key in [key for key, at in self._conditions.items() if isinstance(at, Impossible) and key not in wanted]:
            del self._conditions[key]
        try:
            if sweep and not self._swept:
                await self._maker.end_leftovers()
                self._swept = True
            await self._make_room(0)
            for spec in list(self._specs):
                if (image := self._lacks(spec)) is not None:
                    await self._find(spec, image)
        except (FrazilError, OSError) as exc:
            log.warning("templates-not-looked-at", why=str(exc))
            return False
        return True

    def _lacks(self, spec: TemplateSpec) -> BaseImage | None:
        """The image to make this template of, when it is to be looked for or made now."""
        image = self._image(spec.image_id)
        if image is None:
            return None
        match self._conditions.get(self._key(image, spec.profile)):
            case None:
                return image
            case Impossible(again_at_s=again_at_s):
                return image if self._clock.monotonic_s() >= again_at_s else None
            case _:
                return None

    def _next(self) -> TemplateSpec | None:
        return next((spec for spec in self._specs if self._lacks(spec) is not None), None)

    def _until_next_s(self) -> float:
        waits = [at.again_at_s for at in self._conditions.values() if isinstance(at, Impossible)]
        return min(LOOK_AT_DISK_S, max(0.0, min(waits, default=math.inf) - self._clock.monotonic_s()))

    def _key(self, image: BaseImage, profile: Profile) -> str:
        return template_key(
            image_sha256=image.sha256,
            profile=profile,
            boot=image.boot,
            kvm=self._kvm,
            qemu=self._qemu(),
            cpu=self._cpu,
        )

    async def _find(self, spec: TemplateSpec, image: BaseImage) -> None:
        """Take in the template, if a sound one is here. A damaged one is removed."""
        key = self._key(image, spec.profile)
        try:
            template = await asyncio.to_thread(self._store.find, key)
            if template is not None and key in self._doubted:
                await self._maker.try_again(self._wanted(key, spec, image), template, within_s=DOUBT_DEADLINE_S)
        except Unavailable:
            raise
        except FrazilError as exc:
            log.warning("template-damaged", key=key, why=str(exc))
            async with self._removing:
                await asyncio.to_thread(self._store.remove, key)
            template = None
        self._doubted.discard(key)
        if template is not None:
            self._is(key, spec, template)

    async def _make(self, spec: TemplateSpec) -> None:
        """Make one template. Waits for a slot to boot it in."""
        image = self._image(spec.image_id)
        if image is None:
            return
        key = self._key(image, spec.profile)
        before = self._conditions.get(key)
        try:
            condition: Condition = await self._made(key, spec, image)
        except (FrazilError, OSError) as exc:
            tries = before.tries + 1 if isinstance(before, Impossible) else 1
            wait_s = min(RETRY_MAX_S, RETRY_FIRST_S * 2 ** (tries - 1))
            log.warning("template-failed", key=key, image=image.name, why=str(exc), again_in_s=wait_s)
            condition = Impossible(str(exc), self._clock.monotonic_s() + wait_s, tries)
            self._swept = False  # its domain may have outlived it: the hypervisor may have been what failed
        self._is(key, spec, condition)
        self.wake()

    def _wanted(self, key: str, spec: TemplateSpec, image: BaseImage) -> Wanted:
        return Wanted(
            key=key,
            image_id=spec.image_id,
            image_name=image.name,
            disk=image.disk,
            disk_bytes=max(image.virtual_size_bytes, spec.profile.disk_gib << 30),
            boot=image.boot,
            profile=spec.profile,
            kvm=self._kvm,
        )

    async def _make_room(self, needed_bytes: int, *, reason: str = "desktops and images") -> None:
        """Remove the least used templates until `needed_bytes` fit and the floor stays free, or none may go."""
        async with self._removing:
            short = needed_bytes + self._floor_bytes - await asyncio.to_thread(self._store.free_bytes)
            if short <= 0 or not self._floor_bytes:
                return
            held = await asyncio.to_thread(self._held)
            for one in room.to_go(held, short_bytes=short, now_s=self._clock.now().timestamp()):
                if not self._is_busy(one.template.manifest.key):  # else a desktop has been made of it since
                    await self._evict(one, reason)

    async def _evict(self, one: room.Held, reason: str) -> None:
        key = one.template.manifest.key
        log.warning("template-evicted", key=key, image=one.template.manifest.image_id, mib=one.size_bytes >> 20,
                    last_used_s=round(one.last_used_s), wanted=one.wanted)  # fmt: skip
        self._conditions.pop(key, None)
        await asyncio.to_thread(self._store.remove, key)
        image = self._image(one.template.manifest.image_id)
        self._gone(
            f"The template of {image.name if image else 'an image that is gone'} was removed: its "
            f"{one.size_bytes >> 20} MiB of disk are needed for {reason}."
        )
        for spec in self._specs:
            if self._key_of(spec) == key:
                why = "This host's disk is short of room, and this template was used least. Free disk space there."
                self._is(key, spec, Impossible(why, self._clock.monotonic_s() + EVICTED_RETRY_S, 1))

    def _held(self) -> list[room.Held]:
        wanted = {self._key_of(spec) for spec in self._specs}
        return [
            room.Held(
                template=template,
                size_bytes=template.size_bytes(),
                last_used_s=template.last_used_s(),
                wanted=template.manifest.key in wanted,
                busy=self._is_busy(template.manifest.key),
            )
            for template in self._store.list()
        ]

    def _is_busy(self, key: str) -> bool:
        """Whether a desktop is made of it, or is just about to be."""
        handed_s = self._handed_s.get(key, -math.inf)
        return self._clock.monotonic_s() - handed_s < HANDED_S or key in set(self._busy())

    def _key_of(self, spec: TemplateSpec) -> str | None:
        image = self._image(spec.image_id)
        return self._key(image, spec.profile) if image is not None else None

    async def _made(self, key: str, spec: TemplateSpec, image: BaseImage) -> Template:
        self._is(key, spec, Making("Waiting for its turn to boot"))
        turn = _Turn()
        while not self._slots.take(turn, BOOT):
            await turn.woken.wait()
            turn.woken.clear()
        try:
            needed = room.needed_bytes(spec.profile.memory_mib)
            await self._make_room(needed, reason=f"the template of {image.name}")
            free = await asyncio.to_thread(self._store.free_bytes)
            if free < needed + self._floor_bytes:
                raise OutOfSpace(
                    f"A template takes up to {needed >> 20} MiB while it is made, and {self._floor_bytes >> 20} MiB "
                    f"must stay free; this host has {free >> 20} MiB.",
                    remedy="Free disk space on this host.",
                )
            return await self._maker.make(
                self._wanted(key, spec, image), lambda step: self._is(key, spec, Making(step))
            )
        finally:
            self._slots.give_back(turn)

    def _is(self, key: str, spec: TemplateSpec, condition: Condition) -> None:
        self._conditions[key] = condition
        self._changed(self._observation(spec))

    def _observation(self, spec: TemplateSpec) -> TemplateObservation:
        condition = self._condition(spec.image_id, spec.profile)
        match condition:
            case Template():
                try:
                    ram_mib = condition.ram_bytes() >> 20
                except OSError as exc:
                    self.doubt(condition, str(exc))
                    return self._observation(spec)
                return TemplateObservation(
                    image_id=spec.image_id, profile=spec.profile, state="ready", ram_mib=ram_mib,
                    probe_mib=condition.manifest.probe_mib,
                )  # fmt: skip
            case Making():
                return TemplateObservation(
                    image_id=spec.image_id, profile=spec.profile, state="making", step=condition.step
                )
            case Impossible():
                return TemplateObservation(
                    image_id=spec.image_id, profile=spec.profile, state="failed", step=condition.why
                )


class _Turn:
    """Waits for a start slot."""

    def __init__(self) -> None:
        self.woken = asyncio.Event()

    def wake(self) -> None:
        self.woken.set()


def _cpu() -> str:
    """The host CPU's model and flags (proc(5)); a template made on one need not run on another."""
    wanted = ("model name", "flags", "microcode")
    lines = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").split("\n\n")[0].splitlines()
    return f"{os.uname().machine} " + " ".join(line for line in lines if line.startswith(wanted))
