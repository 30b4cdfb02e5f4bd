"""A host for fleets: its end of the host link is the server's own (`frazil.server.link`), its desktops are values.

What takes time on a host takes as long here as it was measured to take on a real one (`Timings`). Desktops are forked
one after the other, as a host without KVM does it; goings and sign-ons take their time beside each other.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from frazil.model.desktop import Guest, Power, State
from frazil.server.link import Host, Link, on_this_machine
from frazil.wire.hostlink import (
    Answer,
    Ask,
    Capabilities,
    Desired,
    DesktopObservation,
    DesktopSeen,
    DesktopSpec,
    FailureField,
    Headroom,
    Hello,
    HostLoad,
    ImageObservation,
    ImageSeen,
    ImageSpec,
    KindFits,
    Observed,
    SignOn,
    TemplateObservation,
    TemplateSeen,
    TemplateSpec,
)

MEASURED = Path(__file__).resolve().parents[2] / "bench/results/instant.json"
MEMORY_MIB = 64 << 10
DISK_MIB = 1 << 20
MOST = 200
"""Desktops that its processors are said to bear."""
_CUTS = (("min", 0.0), ("p50", 0.5), ("p95", 0.95), ("max", 1.0))


@dataclass(frozen=True, slots=True)
class Spread:
    """Seconds, by their least, median, 95th percentile and most."""

    points: tuple[tuple[float, float], ...]

    @classmethod
    def of(cls, found: dict[str, float], *, pace: float) -> Spread:
        return cls(tuple((share, found[cut] * pace) for cut, share in _CUTS))

    def at(self, share: float) -> float:
        """The value below which that share of all lies, on straight lines between those that are known."""
        for (low, less), (high, more) in zip(self.points, self.points[1:], strict=False):
            if share <= high:
                return less + (more - less) * (share - low) / (high - low)
        return self.points[-1][1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """How long a host takes for what; `fork_mib` is what a fork takes for itself, `template_mib` what forks share."""

    agent: Spread
    ready: Spread
    gone: Spread
    sign_on: Spread
    template_s: float
    fork_mib: int
    template_mib: int

    @classmethod
    def measured(cls, *, pace: float = 1.0) -> Timings:
        """Those of `MEASURED`: forks.agent, forks.ready, gone, sign_on.fork, template. `pace`: of their time."""
        found = json.loads(MEASURED.read_text(encoding="utf-8"))
        return cls(
            agent=Spread.of(found["forks"]["agent"], pace=pace),
            ready=Spread.of(found["forks"]["ready"], pace=pace),
            gone=Spread.of(found["gone"], pace=pace),
            sign_on=Spread.of(found["sign_on"]["fork"], pace=pace),
            template_s=pace * (found["template"]["boot_s"] + found["template"]["freeze_s"]),
            fork_mib=found["at_once"]["memory_each_mib"],
            template_mib=found["template"]["ram_mib"],
        )


@dataclass(slots=True, eq=False)
class _Desktop:
    spec: DesktopSpec
    state: State = State.ABSENT
    guest: Guest = Guest.SILENT
    step: str = ""
    sign_on: SignOn | None = None
    started_at: datetime | None = None

    def seen(self) -> DesktopObservation:
        return DesktopObservation(
            desktop_id=self.spec.desktop_id,
            epoch=self.spec.epoch,
            attempt=self.spec.attempt,
            state=self.state,
            guest=self.guest,
            sign_on=self.sign_on,
            step=self.step,
            started_at=self.started_at,
            observed_at=datetime.now(UTC),
        )


class SimulatedHost:
    """Used in one event loop. `heard` is called with each Desired, once it was taken in."""

    def __init__(
        self,
        socket: Path,
        *,
        installation_id: str,
        host_id: str,
        name: str,
        timings: Timings,
        seed: int,
        heard: Callable[[Desired], None] = lambda _: None,
    ) -> None:
        self.host_id = host_id
        self.name = name
        self.started = 0
        """So many desktops were ever started."""
        self._installation_id = installation_id
        self._timings = timings
        self._random = random.Random(seed)
        self._heard = heard
        self._generation = 0
        self._desktops: dict[str, _Desktop] = {}
        self._images: list[ImageSpec] = []
        self._templates: list[TemplateSpec] = []
        self._frozen: list[TemplateSpec] = []
        self._to_start: deque[_Desktop] = deque()
        self._wake = asyncio.Event()
        self._link = Link(
            on_this_machine(socket),
            Host(
                hello=self._hello,
                welcomed=lambda _: None,
                observe=self._observe,
                want=self._want,
                answer=self._answer,
                load=self._load,
            ),
        )

    async def run(self) -> None:
        """Stay connected, and make what is wanted, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._link.run())
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._to_start:
                    await self._start(self._to_start.popleft())

    def running(self) -> Sequence[str]:
        """Ids of the desktops that take this host's processors or memory."""
        return [one.spec.desktop_id for one in self._desktops.values() if one.state in (State.RUNNING, State.PAUSED)]

    # --- what the link asks ------------------------------------------------------------------------------------------

    def _hello(self) -> Hello:
        capabilities = Capabilities(kvm=False, spice=True, vcpus=2, memory_mib=MEMORY_MIB, qemu="7.2", libvirt="9.0")
        return Hello(
            installation_id=self._installation_id,
            host_id=self.host_id,
            host_name=self.name,
            version="0.1.0",
            capabilities=capabilities,
        )

    async def _observe(self) -> Observed:
        return Observed(
            generation=self._generation,
            complete=True,
            desktops=[one.seen() for one in self._desktops.values()],
            images=[_image(spec) for spec in self._images],
            templates=[self._template(spec) for spec in self._templates],
            strays=[],
            load=self._load(),
        )

    async def _answer(self, ask: Ask) -> Answer:
        return Answer(id=ask.id, failure=FailureField(code="host-error", text="A simulated desktop has no picture."))

    def _load(self) -> HostLoad:
        running = self.running()
        taken_mib = len(running) * self._timings.fork_mib + len(self._frozen) * self._timings.template_mib
        left_mib = MEMORY_MIB - taken_mib
        headroom = Headroom(
            memory_mib=left_mib,
            disk_mib=DISK_MIB,
            desktops=MOST - len(running),
            used_mib=taken_mib,
            counted=list(running),
            kinds=[
                KindFits(
                    image_id=spec.image_id, profile=spec.profile, start="fork", memory_mib=self._timings.fork_mib,
                    disk_mib=8, measured=len(running), more=left_mib // self._timings.fork_mib, bound="memory",
                )
                for spec in self._frozen
            ],
        )  # fmt: skip
        return HostLoad(memory_available_mib=left_mib, disk_free_mib=DISK_MIB, load1=0.5, headroom=headroom)

    def _want(self, desired: Desired) -> None:
        self._generation = desired.generation
        for image in desired.images:
            if image not in self._images:
                self._link.send(ImageSeen(image=_image(image)))
        self._images = desired.images
        for template in desired.templates:
            if template not in self._templates:
                asyncio.get_running_loop().call_later(self._timings.template_s, self._froze, template)
        self._templates = desired.templates
        for spec in desired.desktops:
            self._want_one(spec)
        named = {spec.desktop_id for spec in desired.desktops}
        for one in [one for id, one in self._desktops.items() if id not in named and one.state is State.ABSENT]:
            del self._desktops[one.spec.desktop_id]
        self._heard(desired)

    # --- what it makes of it -----------------------------------------------------------------------------------------

    def _template(self, spec: TemplateSpec) -> TemplateObservation:
        state = "ready" if spec in self._frozen else "making"
        return TemplateObservation.model_validate(
            {**spec.model_dump(), "state": state, "ram_mib": self._timings.template_mib}
        )

    def _froze(self, spec: TemplateSpec) -> None:
        self._frozen.append(spec)
        self._link.send(TemplateSeen(template=self._template(spec)))
        self._wake.set()
        for one in self._desktops.values():
            self._look(one)

    def _want_one(self, spec: DesktopSpec) -> None:
        one = self._desktops.get(spec.desktop_id)
        if one is None:
            one = self._desktops[spec.desktop_id] = _Desktop(spec)
        elif spec == one.spec:
            return
        elif (spec.epoch, spec.attempt) != (one.spec.epoch, one.spec.attempt) and spec.power is not Power.ABSENT:
            one.state, one.guest, one.sign_on = State.ABSENT, Guest.SILENT, None
        one.spec = spec
        self._look(one)

    def _look(self, one: _Desktop) -> None:
        """Begin what leads to what is wanted of this desktop; what was begun already ends here again."""
        match one.spec.power, one.state:
            case Power.ABSENT, State.ABSENT:
                self._say(one)
            case (Power.ABSENT, _) | (Power.STOPPED, State.RUNNING | State.PAUSED):
                self._later(self._timings.gone, one, self._end)
            case Power.PAUSED, State.RUNNING:
                self._say(one, State.PAUSED, one.guest)
            case Power.RUNNING, State.PAUSED:
                self._say(one, State.RUNNING, one.guest)
            case Power.RUNNING, (State.ABSENT | State.STOPPED) if one not in self._to_start:
                one.step = "Waiting for its turn to start"
                if not any(_fits(template, one.spec) for template in self._frozen):
                    one.step = "Waiting for its template"
                else:
                    self._to_start.append(one)
                    self._wake.set()
                self._say(one)
        person = one.spec.person
        if person is not None and one.guest is Guest.READY and one.sign_on is None:
            one.sign_on = SignOn(
                user=person.name, token_sha256=hashlib.sha256(person.token.encode()).hexdigest(), state="on"
            )
            self._later(self._timings.sign_on, one, self._show_panel)

    def _later(self, spread: Spread, one: _Desktop, do: Callable[[_Desktop, DesktopSpec], None]) -> None:
        asyncio.get_running_loop().call_later(spread.at(self._random.random()), do, one, one.spec)

    async def _start(self, one: _Desktop) -> None:
        spec = one.spec
        if spec.power is not Power.RUNNING or one.state is State.RUNNING:
            return
        share = self._random.random()
        agent_s, ready_s = self._timings.agent.at(share), self._timings.ready.at(share)
        one.started_at = datetime.now(UTC)
        self.started += 1
        self._say(one, State.RUNNING, Guest.SILENT)
        await asyncio.sleep(agent_s)
        self._come(one, spec, Guest.AGENT)
        await asyncio.sleep(max(0.0, ready_s - agent_s))
        self._come(one, spec, Guest.READY)
        self._look(one)

    def _come(self, one: _Desktop, spec: DesktopSpec, guest: Guest) -> None:
        """It has come so far, unless it was ended meanwhile."""
        if one.state is State.RUNNING and (one.spec.epoch, one.spec.attempt) == (spec.epoch, spec.attempt):
            self._say(one, State.RUNNING, guest)

    def _end(self, one: _Desktop, spec: DesktopSpec) -> None:
        if one.spec.power in (Power.ABSENT, Power.STOPPED):
            state = State.ABSENT if one.spec.power is Power.ABSENT else State.STOPPED
            one.started_at, one.sign_on = None, None
            self._say(one, state, Guest.SILENT)

    def _show_panel(self, one: _Desktop, spec: DesktopSpec) -> None:
        if one.spec.person == spec.person and one.sign_on is not None and one.state is State.RUNNING:
            one.sign_on = one.sign_on.model_copy(update={"panel": True})
            self._say(one)

    def _say(self, one: _Desktop, state: State | None = None, guest: Guest | None = None) -> None:
        if state is not None and guest is not None:
            one.state, one.guest, one.step = state, guest, ""
        self._link.send(DesktopSeen(desktop=one.seen()))


def _fits(template: TemplateSpec, spec: DesktopSpec) -> bool:
    return (template.image_id, template.profile) == (spec.image_id, spec.profile)


def _image(spec: ImageSpec) -> ImageObservation:
    state = "ready" if spec.wanted == "present" else "absent"
    return ImageObservation.model_validate(
        {"image_id": spec.image_id, "attempt": spec.attempt, "state": state, "fraction": 1.0}
    )
