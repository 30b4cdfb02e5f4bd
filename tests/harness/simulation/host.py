"""A simulated host: its rules are the server's own (`server.desktops.steps`), its domains and disks are values.

Disks outlive a loss of power, domains outlive the server's process; what the server knows of its link, neither.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime

from frazil.model.clock import Clock
from frazil.model.desktop import Epoch, Failure, Guest, Power, State
from frazil.server.desktops.directory import Record
from frazil.server.desktops.steps import Do, Situation, Step, decide
from frazil.server.hypervisor.port import Domain, DomainState, Labels
from frazil.wire import hostlink
from frazil.wire.base import Message
from frazil.wire.hostlink import (
    Capabilities,
    Desired,
    DesktopObservation,
    DesktopSeen,
    DesktopSpec,
    EpochField,
    FailureField,
    Headroom,
    Heartbeat,
    Hello,
    HostLoad,
    ImageObservation,
    ImageSeen,
    KindFits,
    Observed,
    SignOn,
    Stray,
    TemplateObservation,
    TemplateSeen,
    TemplateSpec,
    Welcome,
)
from tests.harness.simulation.lines import Line
from tests.harness.simulation.watch import Watch
from tests.harness.virtual_time import VirtualClock, VirtualLoop

INSTALLATION = "01900000-0000-7000-8000-00000000feed"
MEMORY_MIB = 6144
"""Three hosts hold all that the simulated pools may have, two do not."""
EACH_MIB = 864
FREEZING_S = 12.0
RETRY_S = 2.0
AWAY_RETRY_S = 2.0
RESYNC_S = 60.0
NOT_STARTED = Failure("host-error", "The simulated host starts nothing now.", "Try again.")

Dial = Callable[[Callable[[], float]], Line]
"""Opens a line, whose messages take as long as that says."""


@dataclass(slots=True)
class Dom:
    """A domain."""

    labels: Labels
    state: DomainState = DomainState.RUNNING
    guest: Guest = Guest.SILENT
    sign_on: SignOn | None = None

    def value(self) -> Domain:
        return Domain(self.labels.name, self.labels.desktop_id, self.state, self.labels, None)


@dataclass(slots=True)
class Disk:
    """A desktop's disk. `people`: who was ever signed on with it."""

    record: Record
    people: set[str] = field(default_factory=set)


class SimulatedHost:
    """`dial` opens a line to the controller; it raises ConnectionError when there is none.

    slow: messages and steps take many times as long. libvirt_away: nothing can be looked at. starts_nothing: starts
    fail. mute: guests that are started say nothing.
    """

    def __init__(self, number: int, *, loop: VirtualLoop, dice: random.Random, watch: Watch, dial: Dial) -> None:
        self.id = f"01900000-0000-7000-9000-{number:012d}"
        self.name = f"host-{number}"
        self.disks: dict[str, Disk] = {}
        self.domains: dict[str, Dom] = {}
        self.slow = self.libvirt_away = self.starts_nothing = self.mute = self.cut_off = False
        self._loop, self.clock = loop, VirtualClock(loop)
        self._dice, self.watch, self._dial = dice, watch, dial
        self._line: Line | None = None
        self._keepers: dict[str, Keeper] = {}
        self._generation = self._term = 0
        self._images: list[ImageObservation] = []
        self._templates: list[TemplateSpec] = []
        self.frozen: list[TemplateSpec] = []
        self._server: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    # --- what befalls it ---------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Its server's process begins."""
        assert self._server is None
        self._server = self._loop.create_task(self._serve())

    def start_if_ended(self) -> None:
        if self._server is None:
            self.start()

    async def end(self) -> None:
        """Its server's process ends; domains go on."""
        ending = [*self._tasks, *([self._server] if self._server is not None else [])]
        self._server = None
        for task in ending:
            task.cancel()
        for done in await asyncio.gather(*ending, return_exceptions=True):
            if isinstance(done, Exception):
                self.watch.broken(f"{self.name} met a bug of the simulation: {done!r}")
        self._tasks.clear()
        self._keepers.clear()
        self._generation = self._term = 0

    async def lose_power(self) -> None:
        await self.end()
        self.domains.clear()

    def cut(self, *, off: bool) -> None:
        """Cut it off from the network, where nobody is told of it; or let it dial anew."""
        self.cut_off = off
        if self._line is not None:
            self._line.cut() if off else self._line.close()

    def delay_s(self) -> float:
        """How long a message is on its way."""
        return self._dice.uniform(0.0, 8.0 if self.slow else 0.01)

    def left_alone(self) -> set[str]:
        """Ids of what it has and was not told to end."""
        ending = {id for id, keeper in self._keepers.items() if keeper.spec.power is Power.ABSENT}
        return self.disks.keys() - ending

    def wake(self) -> None:
        for keeper in self._keepers.values():
            keeper.wake.set()

    def stop_inside(self, desktop_id: str) -> None:
        """The guest shuts itself down."""
        if self.domains.pop(desktop_id, None) is not None:
            self.wake()

    def sign_out_inside(self, desktop_id: str) -> None:
        dom = self.domains.get(desktop_id)
        if dom is not None and dom.sign_on is not None:
            dom.sign_on = dom.sign_on.model_copy(update={"state": "left"})
            self.wake()

    def plant(self, desktop_id: str) -> None:
        """A domain with our label, and its disk, that nobody knows of."""
        epoch = Epoch(1, 1)
        self.domains[desktop_id] = Dom(Labels(INSTALLATION, desktop_id, epoch, 1, "", f"stray-{desktop_id[-4:]}"))
        self.disks[desktop_id] = Disk(
            Record(
                installation_id=INSTALLATION, desktop_id=desktop_id, epoch=epoch, attempt=1, name="stray", image_id=""
            )
        )

    # --- its link ----------------------------------------------------------------------------------------------------

    async def _serve(self) -> None:
        while True:
            with suppress(ConnectionError):
                if self.cut_off:
                    raise ConnectionRefusedError
                self._line = self._dial(self.delay_s)
                try:
                    await self._talk(self._line)
                finally:
                    self._line.close()
                    self._line = None
            await asyncio.sleep(RETRY_S * self._dice.uniform(0.7, 1.3))

    async def _talk(self, line: Line) -> None:
        hello = Hello(
            installation_id=INSTALLATION, host_id=self.id, host_name=self.name, version="0", capabilities=_ABLE
        )
        line.send(hello.model_dump_json())
        welcome = hostlink.to_server.validate_json(await line.receive())
        if not isinstance(welcome, Welcome):
            raise ConnectionResetError
        beating = asyncio.get_running_loop().create_task(self._beat(welcome))
        try:
            first = True
            while True:
                message = hostlink.to_server.validate_json(await line.receive())
                if isinstance(message, Desired):
                    self._want(message)
                    if first:
                        self._spawn(self._tell_all())
                    first = False
        finally:
            beating.cancel()

    async def _beat(self, welcome: Welcome) -> None:
        beats = 0
        while True:
            await asyncio.sleep(welcome.heartbeat_s)
            beats += 1
            if beats * welcome.heartbeat_s >= welcome.resync_s:
                beats = 0
                await self._tell_all()
            else:
                self.say(Heartbeat(load=self._load()))

    def _spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def say(self, message: Message) -> None:
        if self._line is not None:
            with suppress(ConnectionError):
                self._line.send(message.model_dump_json())

    async def _tell_all(self) -> None:
        """Everything seen; complete once every keeper has looked."""
        complete = True
        try:
            async with asyncio.timeout(10.0):
                for keeper in list(self._keepers.values()):
                    await keeper.looked.wait()
        except TimeoutError:
            complete = False
        self.say(
            Observed(
                generation=self._generation,
                complete=complete and not self.libvirt_away,
                desktops=[keeper.seen for keeper in self._keepers.values() if keeper.seen is not None],
                images=self._images,
                templates=[self._template(spec) for spec in self._templates],
                strays=[] if self.libvirt_away else self._strays(),
                load=self._load(),
            )
        )

    def _strays(self) -> list[Stray]:
        domains = [
            Stray(kind="domain", name=dom.labels.name, desktop_id=id)
            for id, dom in self.domains.items()
            if id not in self._keepers
        ]
        disks = [Stray(kind="disk", name=id, desktop_id=id) for id in self.disks if id not in self._keepers]
        return domains + disks

    def _load(self) -> HostLoad:
        counted = sorted(self.domains.keys() & self._keepers.keys())
        left_mib = MEMORY_MIB - EACH_MIB * len(counted)
        kinds = [
            KindFits(
                image_id=spec.image_id,
                profile=spec.profile,
                start="fork",
                memory_mib=EACH_MIB,
                disk_mib=8,
                more=99,
                bound="memory",
            )
            for spec in self.frozen
        ]
        headroom = Headroom(memory_mib=left_mib, disk_mib=1 << 20, desktops=200, counted=counted, kinds=kinds)
        return HostLoad(memory_available_mib=left_mib, disk_free_mib=1 << 20, load1=0.1, headroom=headroom)

    def _template(self, spec: TemplateSpec) -> TemplateObservation:
        state = "ready" if spec in self.frozen else "making"
        return TemplateObservation.model_validate({**spec.model_dump(), "state": state})

    def _froze(self, spec: TemplateSpec) -> None:
        if spec not in self.frozen:
            self.frozen.append(spec)
        self.say(TemplateSeen(template=self._template(spec)))
        self.wake()

    def has_template(self, spec: DesktopSpec) -> bool:
        return any((one.image_id, one.profile) == (spec.image_id, spec.profile) for one in self.frozen)

    def _want(self, desired: Desired) -> None:
        self.watch.told(self.id, desired)
        if 0 < desired.term < self._term:
            return
        self._generation, self._term = desired.generation, max(self._term, desired.term)
        images = [
            ImageObservation(
                image_id=spec.image_id, attempt=spec.attempt, state="ready" if spec.wanted == "present" else "absent"
            )
            for spec in desired.images
        ]
        for image in images:
            if image not in self._images:
                self.say(ImageSeen(image=image))
        self._images = images
        for template in desired.templates:
            if template not in self._templates and template not in self.frozen:
                self._loop.call_later(FREEZING_S, self._froze, template)
        self._templates = desired.templates
        named = {spec.desktop_id: spec for spec in desired.desktops}
        for gone in [id for id in self._keepers if id not in named]:
            self._keepers.pop(gone).task.cancel()
        for desktop_id, spec in named.items():
            keeper = self._keepers.get(desktop_id)
            if keeper is not None:
                keeper.want(spec)
            else:
                keeper = self._keepers[desktop_id] = Keeper(self, spec, clock=self.clock, dice=self._dice)
                keeper.task = self._spawn(keeper.run())


class Keeper:
    """Keeps one desktop as it is wanted: `server.desktops.keeper`, without what takes a real host."""

    def __init__(self, host: SimulatedHost, spec: DesktopSpec, *, clock: Clock, dice: random.Random) -> None:
        self._host, self._clock, self._dice = host, clock, dice
        self.spec = spec
        self.wake = asyncio.Event()
        self.looked = asyncio.Event()
        self.seen: DesktopObservation | None = None
        self.task: asyncio.Task[None]
        self._failure: Failure | None = None
        self._restarts = 0
        self._shutdown_asked_at: datetime | None = None

    def want(self, spec: DesktopSpec) -> None:
        if spec == self.spec:
            return
        before = self.spec
        if (spec.epoch, spec.attempt, spec.power) != (before.epoch, before.attempt, before.power):
            self._failure, self._restarts, self._shutdown_asked_at = None, 0, None
        self.spec = spec
        self.wake.set()

    async def run(self) -> None:
        while True:
            self.wake.clear()
            again_s = await self._turn()
            with suppress(TimeoutError):
                async with asyncio.timeout(again_s):
                    await self.wake.wait()

    async def _turn(self) -> float:
        while True:
            spec, host = self.spec, self._host
            if host.libvirt_away:
                self._say(spec, State.UNKNOWN)
                return AWAY_RETRY_S
            dom, disk = host.domains.get(spec.desktop_id), host.disks.get(spec.desktop_id)
            step = decide(spec, self._clock.now(), self._situation(dom, disk))
            if step.do is Do.START and spec.start == "fork" and not host.has_template(spec):
                step = Step(Do.NOTHING, "Waiting for its template")
            self._observe(spec, dom, disk, step)
            self._whose(spec, dom, disk)
            if step.do is Do.FAIL:
                self._failure = step.failure
                return RESYNC_S
            if step.do is Do.NOTHING:
                if spec.power is not Power.RUNNING:
                    self._failure = None
                if step.look_again_at is None:
                    return RESYNC_S
                return min(RESYNC_S, max(0.0, (step.look_again_at - self._clock.now()).total_seconds()))
            await asyncio.sleep(self._dice.uniform(0.0, 20.0 if host.slow else 1.0))
            if host.libvirt_away:
                continue
            self._do(step, spec)

    def _whose(self, spec: DesktopSpec, dom: Dom | None, disk: Disk | None) -> None:
        """Whoever is to use what is here sees what anybody did in it before."""
        wanted = (Epoch(spec.epoch.generation, spec.epoch.counter), spec.attempt)
        if dom is None or disk is None or spec.person is None or (dom.labels.epoch, dom.labels.attempt) != wanted:
            return
        if dom.guest is Guest.READY:
            disk.people.add(spec.person.name)
            self._host.watch.used(self._host.id, spec.desktop_id, disk.people)

    def _situation(self, dom: Dom | None, disk: Disk | None) -> Situation:
        return Situation(
            domain=dom.value() if dom is not None else None,
            record=disk.record if disk is not None else None,
            guest=dom.guest if dom is not None else Guest.SILENT,
            waiting=dom is not None and dom.guest is Guest.READY and dom.sign_on is None,
            sign_on=dom.sign_on if dom is not None else None,
            restarts=self._restarts,
            shutdown_asked_at=self._shutdown_asked_at,
            failure=self._failure,
            installation_id=INSTALLATION,
        )

    def _do(self, step: Step, spec: DesktopSpec) -> None:
        host, id = self._host, spec.desktop_id
        dom = host.domains.get(id)
        match step.do:
            case Do.START:
                self._start(spec)
            case Do.RESUME if dom is not None:
                dom.state = DomainState.RUNNING
            case Do.PAUSE if dom is not None:
                dom.state = DomainState.PAUSED
            case Do.ASK_SHUTDOWN if dom is not None:
                self._shutdown_asked_at = self._clock.now()
                if not host.mute:
                    host.domains.pop(id)
            case Do.DESTROY if dom is not None:
                host.watch.destroyed(host.id, dom.labels)
                host.domains.pop(id)
            case Do.REMOVE_DISK:
                host.watch.removed(host.id, host.disks[id].record)
                host.disks.pop(id)
            case Do.SIGN_ON if dom is not None and spec.person is not None and id in host.disks:
                digest = hashlib.sha256(spec.person.token.encode()).hexdigest()
                dom.sign_on = SignOn(user=spec.person.name, token_sha256=digest, state="on", panel=True)

    def _start(self, spec: DesktopSpec) -> None:
        host, id = self._host, spec.desktop_id
        disk = host.disks.get(id)
        if disk is not None and disk.record.started_at is not None:
            self._restarts += 1
        if host.starts_nothing:
            self._failure = NOT_STARTED
            return
        epoch = Epoch(spec.epoch.generation, spec.epoch.counter)
        record = Record(
            installation_id=INSTALLATION, desktop_id=id, epoch=epoch, attempt=spec.attempt, name=spec.name,
            image_id=spec.image_id, started_at=self._clock.now(),
        )  # fmt: skip
        host.disks[id] = Disk(record) if disk is None else replace(disk, record=record)
        dom = host.domains[id] = Dom(Labels(INSTALLATION, id, epoch, spec.attempt, spec.pool_id, spec.name))
        if not host.mute:
            asyncio.get_running_loop().call_later(self._dice.uniform(1.0, 10.0), self._answer, dom)

    def _answer(self, dom: Dom) -> None:
        dom.guest = Guest.READY
        self._host.wake()

    def _observe(self, spec: DesktopSpec, dom: Dom | None, disk: Disk | None, step: Step) -> None:
        if dom is None:
            state = State.STOPPED if disk is not None else State.ABSENT
        else:
            state = State.PAUSED if dom.state is DomainState.PAUSED else State.RUNNING
        self._say(
            spec,
            state,
            guest=dom.guest if dom is not None else Guest.SILENT,
            sign_on=dom.sign_on if dom is not None else None,
            failure=step.failure,
            newer=step.newer,
            record=disk.record if disk is not None else None,
        )

    def _say(
        self,
        spec: DesktopSpec,
        state: State,
        *,
        guest: Guest = Guest.SILENT,
        sign_on: SignOn | None = None,
        failure: Failure | None = None,
        newer: tuple[Epoch, int] | None = None,
        record: Record | None = None,
    ) -> None:
        epoch, attempt = newer or (Epoch(spec.epoch.generation, spec.epoch.counter), spec.attempt)
        now = self._clock.now()
        seen = DesktopObservation(
            desktop_id=spec.desktop_id,
            epoch=EpochField(generation=epoch.generation, counter=epoch.counter),
            attempt=attempt,
            state=state,
            guest=guest,
            sign_on=sign_on,
            failure=FailureField(code=failure.code, text=failure.text, remedy=failure.remedy) if failure else None,
            started_at=record.started_at if record is not None else None,
            observed_at=now,
        )
        if self.seen is not None and self.seen.model_copy(update={"observed_at": now}) == seen:
            return
        self.seen = seen
        self.looked.set()
        self._host.say(DesktopSeen(desktop=seen))


_ABLE = Capabilities(kvm=True, spice=True, vcpus=8, memory_mib=MEMORY_MIB, qemu="7.2", libvirt="9.0")
