"""Keeps one desktop as it is wanted, and says what it sees.

A `Keeper` is a task: it looks (hypervisor, directory, guest), lets `steps.decide` choose, does that one step, and
looks again; when nothing is to be done it sleeps until it is woken (a new spec, a libvirt event, a word from the
guest) or until the decision's own deadline. It may be killed anywhere: all that it knows is on the disk, in libvirt,
or comes again.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

import structlog

from frazil import failpoint
from frazil.model.clock import Clock
from frazil.model.desktop import Epoch, Failure, Guest, Power, State
from frazil.model.errors import FrazilError, GuestSilent, HostError, NotFound, Unavailable
from frazil.server.desktops.directory import DesktopDirectory, Record
from frazil.server.desktops.slots import StartSlots
from frazil.server.desktops.starter import Starter
from frazil.server.desktops.steps import Do, Situation, Step, decide, had_stopped, is_ready, state_of
from frazil.server.guests.watch import GuestWatch
from frazil.server.hypervisor.port import Domain, DomainState, Hypervisor
from frazil.wire.hostlink import DesktopObservation, DesktopSpec, EpochField, FailureField, SignOn

log = structlog.get_logger(__name__)

RESYNC_S = 60.0
IDENTIFY_RETRY_S = 1.0
CLOCK_RETRY_S = 10.0
AWAY_RETRY_S = 2.0
DISK_FULL_RETRY_S = 10.0
FAILED_STEP_RETRY_S = 5.0
STEADY_S = 600.0
"""A desktop that was ready for so long without a break is well: how often it stopped before counts no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """What all keepers of a host share."""

    installation_id: str
    hypervisor: Hypervisor
    directory: DesktopDirectory
    starter: Starter
    slots: StartSlots
    clock: Clock
    report: Callable[[DesktopObservation], None]
    event: Callable[[str, str, str], None]
    """(desktop id, kind, text): something worth keeping in the desktop's history."""


class Keeper:
    """One desktop's keeper. All methods are called in the event loop's thread."""

    def __init__(self, host: Host, spec: DesktopSpec) -> None:
        self._host = host
        self.spec = spec
        self._wake = asyncio.Event()
        self._watch: GuestWatch | None = None
        self._failure: Failure | None = None
        self._restarts = 0
        self._ready_since_s: float | None = None
        self._shutdown_asked_at: datetime | None = None
        self._room_tried_s = -math.inf
        self._silent_since: datetime | None = None
        self._precedence = True
        """It may go before other desktops; an earlier life of this process may have given it that."""
        self._tasks = asyncio.TaskGroup()
        self._watching: asyncio.Task[None] | None = None
        self._watched: str | None = None
        self.seen: DesktopObservation | None = None
        self.first_look = asyncio.Event()
        self.runs = asyncio.Event()

    @property
    def _guest(self) -> Guest:
        return self._watch.guest if self._watch is not None else Guest.SILENT

    def want(self, spec: DesktopSpec) -> None:
        """Take in a new spec."""
        if spec == self.spec:
            return
        if (spec.epoch, spec.attempt) != (self.spec.epoch, self.spec.attempt) or spec.power != self.spec.power:
            self._failure = None
            self._restarts = 0
            self._shutdown_asked_at = None
        self._silent_since = None
        self.spec = spec
        self.wake()

    def wake(self) -> None:
        """Look again soon."""
        self._wake.set()

    async def run(self) -> None:
        """Keep the desktop until cancelled."""
        try:
            async with self._tasks:
                while True:
                    self._wake.clear()
                    again_s = await self._turn()
                    with suppress(TimeoutError):
                        # Not wait_for: Python 3.11's forgets a cancellation that comes together with the wake.
                        async with asyncio.timeout(again_s):
                            await self._wake.wait()
        finally:
            self._host.slots.give_back(self)

    async def _turn(self) -> float:
        """Steps until none is left. Returns the seconds after which to look again unasked."""
        host = self._host
        step: Step | None = None
        try:
            while True:
                step = None
                spec, now = self.spec, host.clock.now()
                domain = await host.hypervisor.find(spec.desktop_id)
                record = host.directory.read(spec.desktop_id)
                self._follow_guest(domain)
                step = decide(spec, now, self._situation(domain, record))
                if step.do is Do.START and (why := host.starter.must_wait(spec)):
                    host.slots.give_back(self)  # what it waits for may itself wait for a slot
                    step = Step(Do.NOTHING, why)
                elif step.do is Do.START and not host.slots.take(self, host.starter.cost(spec)):
                    step = Step(Do.NOTHING, "Waiting for its turn to start")
                self._observe(spec, domain, record, step)
                if step.do is Do.FAIL:
                    return self._failed(spec, record, step)
                if step.do is Do.NOTHING:
                    self._silent_since = None
                    if step.newer is not None:
                        host.slots.give_back(self)
                    await self._settle(spec, domain, record)
                    if step.look_again_at is None:
                        return RESYNC_S
                    return min(RESYNC_S, max(0.0, (step.look_again_at - now).total_seconds()))
                await self._do(step, spec, domain, record)
                self._silent_since = None
        except FrazilError as exc:
            return self._unseen(exc) if step is None else self._not_done(exc, step)
        except Exception as exc:  # a bug that one desktop meets must not end the server of all
            log.exception("keeper-bug", desktop=self.spec.desktop_id)
            bug = HostError(
                f"Frazil met an error that it does not know: {exc!r}.",
                remedy="See the server's log; retry the desktop.",
            )
            return self._unseen(bug) if step is None else self._not_done(bug, step)

    def _unseen(self, exc: FrazilError) -> float:
        """What can't be looked at is not known: that is no failure of the desktop."""
        self._say(self.spec, State.UNKNOWN, step=str(exc))
        if isinstance(exc, Unavailable):
            return AWAY_RETRY_S
        log.warning("look-failed", desktop=self.spec.desktop_id, error=exc.code, why=str(exc))
        self._host.slots.give_back(self)  # that may last
        return FAILED_STEP_RETRY_S

    def _not_done(self, exc: FrazilError, step: Step) -> float:
        """A step failed, which is a failure of the desktop unless it is to be tried again by itself."""
        match exc:
            case Unavailable():
                return self._unseen(exc)
            case GuestSilent():
                log.info("guest-not-listening", desktop=self.spec.desktop_id, why=str(exc))
                self._silent_since = self._silent_since or self._host.clock.now()
                if self.seen is not None and self.seen.guest is Guest.READY:
                    self._host.slots.give_back(self)  # it is up, whatever else it is to do
                if step.do is Do.SET_CLOCK:
                    return CLOCK_RETRY_S  # its person may be using it meanwhile
                return IDENTIFY_RETRY_S  # the start's deadline says when that is too long
            case NotFound():
                return 0.0  # it went between look and step; look again
        log.warning("step-failed", desktop=self.spec.desktop_id, error=exc.code, why=str(exc))
        failure = Failure(exc.code, exc.what, exc.remedy or "Retry the desktop.")
        again_s = 0.0 if self.spec.power is Power.RUNNING and failure != self._failure else FAILED_STEP_RETRY_S
        self._failure = failure
        self._host.slots.give_back(self)
        return again_s

    def _ours(self, domain: Domain) -> bool:
        return domain.labels is not None and domain.labels.installation_id == self._host.installation_id

    def _situation(self, domain: Domain | None, record: Record | None) -> Situation:
        return Situation(
            domain=domain,
            record=record,
            guest=self._guest,
            offers_identity=self._watch is not None and self._watch.offers_identity,
            goes_since=self._watch.goes_since if self._watch is not None else None,
            clock_is_due=self._watch is not None and self._watch.clock_is_due,
            waiting=self._watch is not None and self._watch.offers_sign_on and self._watch.waiting,
            sign_on=self._watch.sign_on if self._watch is not None else None,
            has_room=domain is not None and domain.io_error and self._has_room(),
            silent_since=self._silent_since,
            restarts=self._restarts,
            shutdown_asked_at=self._shutdown_asked_at,
            failure=self._failure,
            installation_id=self._host.installation_id,
        )

    def _has_room(self) -> bool:
        """One that was resumed in vain is not tried again at once, however much room there seems to be."""
        since_s = self._host.clock.monotonic_s() - self._room_tried_s
        return since_s >= DISK_FULL_RETRY_S and self._host.directory.has_room()

    def _failed(self, spec: DesktopSpec, record: Record | None, step: Step) -> float:
        """A failure stands until a new attempt, but for a full disk, which is tried again."""
        assert step.failure is not None
        if self._failure != step.failure:
            self._host.event(spec.desktop_id, "failed", f"{step.failure.text} {step.failure.remedy}".strip())
            self._failure = step.failure
            if step.failure.code == "guest-silent":
                self._host.starter.doubt_silent(spec, record)
        self._host.slots.give_back(self)
        return DISK_FULL_RETRY_S if step.failure.code == "disk-full" else RESYNC_S

    async def _settle(self, spec: DesktopSpec, domain: Domain | None, record: Record | None) -> None:
        """Nothing to do: others may have its start slot and the processors once the desktop is up, or is not to be."""
        running = domain is not None and domain.state is DomainState.RUNNING
        ready = running and is_ready(spec.ready_when, self._guest, record)
        if spec.power is not Power.RUNNING or ready:
            self._host.slots.give_back(self)
            self._failure = None  # it goes on after its disk was full
        if ready and self._precedence:
            await self._end_precedence()

    async def _do(self, step: Step, spec: DesktopSpec, domain: Domain | None, record: Record | None) -> None:
        """Do one step; each may be done twice without harm."""
        hypervisor, desktop_id = self._host.hypervisor, spec.desktop_id
        log.info("step", desktop=desktop_id, do=step.do.value, why=step.words)
        match step.do:
            case Do.START:
                await self._start(spec, record)
            case Do.IDENTIFY:
                await self._identify(spec, domain, record)
            case Do.SIGN_ON:
                await self._sign_on(spec)
            case Do.SET_CLOCK:
                try:
                    await self._set_clock()
                finally:  # it answered, or has had its time for it
                    await self._end_precedence()
            case Do.RESUME:
                if domain is not None and domain.io_error:
                    self._room_tried_s = self._host.clock.monotonic_s()
                self._precedence = True
                await hypervisor.resume(desktop_id)
            case Do.PAUSE:
                await hypervisor.pause(desktop_id)
            case Do.ASK_SHUTDOWN:
                await hypervisor.shutdown(desktop_id)
                self._shutdown_asked_at = self._host.clock.now()
            case Do.DESTROY:
                await hypervisor.destroy(desktop_id)
                failpoint.reach("server.domain-stopped")
            case Do.REMOVE_DISK:
                await asyncio.to_thread(self._host.directory.remove, desktop_id)
                failpoint.reach("server.absent")
            case Do.NOTHING | Do.FAIL:
                raise AssertionError(step.do)

    async def _start(self, spec: DesktopSpec, record: Record | None) -> None:
        starter = self._host.starter
        if record is not None and record.started_at is not None:
            self._restarts += 1
        if had_stopped(record):
            self._host.event(spec.desktop_id, "restarted", "The desktop had stopped by itself and is started again.")
        not_forked = await starter.start(spec, record)
        if not_forked:
            self._host.event(spec.desktop_id, "booted", f"The desktop could not be forked and boots. {not_forked}")

    async def _identify(self, spec: DesktopSpec, domain: Domain | None, record: Record | None) -> None:
        """Tell a fork who it is, and give it its NIC."""
        if self._watch is None or domain is None or domain.labels is None or record is None:
            return  # it went meanwhile; the next look says so
        await self._watch.identify(name=spec.name)
        failpoint.reach("server.identified")
        log.info("identified", desktop=spec.desktop_id)
        await self._host.starter.plug_network(spec, domain.labels)
        log.info("network-plugged", desktop=spec.desktop_id)
        self._host.directory.write(replace(record, identified=True))

    async def _sign_on(self, spec: DesktopSpec) -> None:
        """Have the guest open the person's session."""
        if self._watch is None or spec.person is None:
            return  # it went meanwhile; the next look says so
        await self._watch.sign_person_on(spec.person)
        failpoint.reach("server.signed-on")
        log.info("signed-on", desktop=spec.desktop_id)

    async def _set_clock(self) -> None:
        """A machine that was paused believes that no time has passed."""
        if self._watch is not None:
            await self._watch.set_clock()

    async def _end_precedence(self) -> None:
        await self._host.hypervisor.end_precedence(self.spec.desktop_id)
        self._precedence = False

    def _observe(self, spec: DesktopSpec, domain: Domain | None, record: Record | None, step: Step) -> None:
        state = state_of(domain, record)
        started_at = record.started_at if record else None
        guest = self._guest
        ready = state is State.RUNNING and is_ready(spec.ready_when, guest, record)
        self._count_anew_once_steady(ready)
        if ready:
            guest = Guest.READY
        elif guest is Guest.READY:
            guest = Guest.AGENT  # it is there, but does not know yet who it is
        sign_on = self._watch.sign_on if self._watch is not None else None
        self._say(
            spec,
            state,
            guest=guest,
            sign_on=sign_on,
            step=step.words,
            failure=step.failure,
            started_at=started_at,
            newer=step.newer,
        )

    def _count_anew_once_steady(self, ready: bool) -> None:
        """A person who restarts their desktop now and then is no reason to give it up."""
        now_s = self._host.clock.monotonic_s()
        if not ready:
            self._ready_since_s = None
        elif self._ready_since_s is None:
            self._ready_since_s = now_s
        elif now_s - self._ready_since_s >= STEADY_S:
            self._restarts = 0

    def _say(
        self,
        spec: DesktopSpec,
        state: State,
        *,
        guest: Guest = Guest.SILENT,
        sign_on: SignOn | None = None,
        step: str = "",
        failure: Failure | None = None,
        started_at: datetime | None = None,
        newer: tuple[Epoch, int] | None = None,
    ) -> None:
        """Report what is seen, when it differs from what was said last. `newer`: whose placement and attempt it is,
        where that is not what the spec tells of."""
        epoch, attempt = newer or (Epoch(spec.epoch.generation, spec.epoch.counter), spec.attempt)
        seen = DesktopObservation(
            desktop_id=spec.desktop_id,
            epoch=EpochField(generation=epoch.generation, counter=epoch.counter),
            attempt=attempt,
            state=state,
            guest=guest,
            sign_on=sign_on,
            failure=FailureField(code=failure.code, text=failure.text, remedy=failure.remedy) if failure else None,
            step=step,
            started_at=started_at,
            observed_at=self._host.clock.now(),
        )
        if self.seen is not None and self.seen.model_copy(update={"observed_at": seen.observed_at}) == seen:
            return
        self.seen = seen
        self.first_look.set()
        if state is State.RUNNING:
            self.runs.set()
        else:
            self.runs.clear()
        self._host.report(seen)

    def _follow_guest(self, domain: Domain | None) -> None:
        """Have one task following the guest for as long as its domain is there."""
        there = domain is not None and domain.state in (DomainState.RUNNING, DomainState.PAUSED) and self._ours(domain)
        # The port's path is a new one at each start of the domain.
        key = str(domain.guest_socket or domain.name) if domain is not None and there else None
        if key != self._watched:
            self._watch_anew(key, domain)
        if self._watch is not None and domain is not None:
            self._watch.goes(domain.state is DomainState.RUNNING)

    def _watch_anew(self, key: str | None, domain: Domain | None) -> None:
        if self._watching is not None:
            self._watching.cancel()
            self._watching = self._watch = None
        self._watched = key
        if key is not None and domain is not None:
            self._watch = GuestWatch(
                self._host.hypervisor,
                domain,
                desktop_id=self.spec.desktop_id,
                clock=self._host.clock,
                changed=self.wake,
            )
            self._watching = self._tasks.create_task(self._watch.run(), name=f"guest-{self.spec.desktop_id}")
