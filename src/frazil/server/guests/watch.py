"""Follows one running guest: does its agent answer, is its desktop there, and who is signed on in it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import structlog

from frazil.model.clock import Clock
from frazil.model.desktop import Guest
from frazil.model.errors import FrazilError, GuestSilent, HostError, NotFound
from frazil.server import cancellation
from frazil.server.guests import identity, signing_on
from frazil.server.guests.service import GuestSaid, GuestService
from frazil.server.hypervisor.port import Domain, Hypervisor
from frazil.wire.hostlink import Person, SignOn

log = structlog.get_logger(__name__)

AGENT_TIMEOUT_S = 5.0
AGENT_RETRY_S = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0)
CALL_TIMEOUT_S = 10.0
SIGN_ON_TIMEOUT_S = 30.0
"""For the account; the session comes up after the answer."""
CONNECT_RETRY_S = 1.0
ASK_STATE_FOR = timedelta(minutes=5)


class GuestWatch:
    """One domain's guest. `changed()` is called whenever what is known of it changed."""

    def __init__(
        self, hypervisor: Hypervisor, domain: Domain, *, desktop_id: str, clock: Clock, changed: Callable[[], None]
    ) -> None:
        self._hypervisor = hypervisor
        self._domain = domain
        self._desktop_id = desktop_id
        self._clock = clock
        self._changed = changed
        self._service = GuestService(self._heard)
        self.guest = Guest.SILENT
        self.offers_identity = False
        """The guest service can be told who the machine is."""
        self.offers_sign_on = False
        """The guest service can sign a person on."""
        self.clock_is_due = False
        """The guest's clock can be set, and was not since this began, or since the machine was paused."""
        self._offers_clock = False
        self._goes = asyncio.Event()
        self._stands = asyncio.Event()
        self.goes_since: datetime | None = None
        """From when on it could have answered us; None while it is paused."""
        self.waiting = False
        """Its screen is up, and nobody is signed on."""
        self.sign_on: SignOn | None = None
        """The last sign-on that the guest took."""

    def goes(self, goes: bool) -> None:
        """Whether the machine runs; one that is paused answers nothing, and its clock stands still."""
        if goes:
            self.goes_since = self.goes_since or self._clock.now()
            self._goes.set()
            self._stands.clear()
        else:
            self.goes_since = None
            self._goes.clear()
            self._stands.set()
            self.clock_is_due = self._offers_clock

    async def run(self) -> None:
        """Follow the guest until this is cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._await_agent())
            if self._domain.guest_socket is not None:
                tasks.create_task(self._listen())

    async def _await_agent(self) -> None:
        tries = 0
        while self.guest is Guest.SILENT:
            await self._goes.wait()
            try:
                await self._hypervisor.agent_ping(self._desktop_id, timeout_s=AGENT_TIMEOUT_S)
            except NotFound:
                return
            except FrazilError:
                # libvirt answers "not connected" at once while the guest boots, so this is the pace of asking.
                await asyncio.sleep(AGENT_RETRY_S[min(tries, len(AGENT_RETRY_S) - 1)])
                tries += 1
                continue
            log.info("guest-agent-answers", desktop=self._desktop_id)
            self._is(Guest.AGENT, only_from=Guest.SILENT)

    async def _listen(self) -> None:
        """Stay connected: the port outlives our connection to it."""
        assert self._domain.guest_socket is not None
        while True:
            try:
                async with asyncio.TaskGroup() as tasks:
                    asking = tasks.create_task(self._ask_state())
                    await self._service.listen(self._domain.guest_socket)
                    asking.cancel()
            except* FileNotFoundError:
                pass  # the port goes with its domain
            except* OSError as group:
                log.warning("guest-port-unreachable", desktop=self._desktop_id, why=str(group.exceptions[0]))
            cancellation.due()
            self._changed()  # most likely the domain has ended, and then this is cancelled
            await asyncio.sleep(CONNECT_RETRY_S)

    async def _ask_state(self) -> None:
        """A guest that was forked, or that we come back to, saw nobody connect: it is asked how it is.

        One that boots says hello by itself, and one without the service never answers: it is not asked for ever, but
        again after a pause, or when the port was connected anew.
        """
        await self._service.connected.wait()
        connected_at = self._clock.now()
        while True:
            await self._goes.wait()
            if self._clock.now() >= max(connected_at, self.goes_since or connected_at) + ASK_STATE_FOR:
                await self._stands.wait()
                continue
            try:
                await self._service.call("state", {}, timeout_s=CALL_TIMEOUT_S, take=self._take_state)
            except GuestSilent as exc:
                log.info("guest-state-unknown", desktop=self._desktop_id, why=str(exc))  # it boots, or was just paused
            except HostError as exc:
                log.warning("guest-state-refused", desktop=self._desktop_id, why=str(exc))
                return
            else:
                return

    def _take_state(self, state: Mapping[str, object]) -> None:
        calls = state.get("calls")
        self._offers(frozenset(map(str, calls)) if isinstance(calls, list) else frozenset())
        self._seat(waiting=state.get("waiting") is True, sign_on=signing_on.last_sign_on(state))
        if state.get("ready") is True:
            self._is(Guest.READY)

    def _heard(self, said: GuestSaid) -> None:
        log.info("guest-said", desktop=self._desktop_id, event_name=said.event, user=said.user)
        match said.event:
            case "hello":
                self._offers(said.calls)
                self._seat(waiting=False, sign_on=said.sign_on)
            case "waiting":
                self._seat(waiting=True, sign_on=said.sign_on)
            case "signed_in":
                self._seat(waiting=False, sign_on=said.sign_on)
            case "ready":
                if self.sign_on is not None:
                    self._seat(waiting=False, sign_on=self.sign_on.model_copy(update={"panel": True}))
                self._is(Guest.READY)
            case "signed_out":
                self._seat(waiting=False, sign_on=said.sign_on)
                self._is(Guest.AGENT, only_from=Guest.READY)

    def _offers(self, calls: frozenset[str]) -> None:
        identity_too, sign_on_too = identity.CALL in calls, signing_on.CALL in calls
        if (identity_too, sign_on_too) > (self.offers_identity, self.offers_sign_on):
            self.offers_identity |= identity_too
            self.offers_sign_on |= sign_on_too
            self._changed()
        if identity.CLOCK_CALL in calls and not self._offers_clock:
            self._offers_clock = self.clock_is_due = True
            self._changed()

    def _seat(self, *, waiting: bool, sign_on: SignOn | None) -> None:
        """A screen that waits, or on which a person is being signed on, is a desktop that can be shown."""
        if (waiting, sign_on) == (self.waiting, self.sign_on):
            return
        self.waiting, self.sign_on = waiting, sign_on
        if waiting or (sign_on is not None and sign_on.state == "on"):
            self.guest = Guest.READY
        self._changed()

    def _is(self, guest: Guest, *, only_from: Guest | None = None) -> None:
        if guest is not self.guest and only_from in (None, self.guest):
            self.guest = guest
            self._changed()

    async def identify(self, *, name: str) -> None:
        """Tell the guest who it is. Raises GuestSilent or HostError."""
        if not self.offers_identity:
            raise GuestSilent("The guest service does not answer yet.")
        told = identity.identity(name=name, clock=self._clock, random_bytes=os.urandom)
        await self._service.call(identity.CALL, told, timeout_s=CALL_TIMEOUT_S)
        self.clock_is_due = False

    async def set_clock(self) -> None:
        """Tell the guest what time it is. Raises GuestSilent."""
        try:
            await self._service.call(
                identity.CLOCK_CALL, {"time_ns": identity.time_ns(self._clock)}, timeout_s=CALL_TIMEOUT_S
            )
        except GuestSilent:
            raise  # it is tried again
        except HostError as exc:
            log.warning("clock-not-set", desktop=self._desktop_id, why=str(exc))  # no reason to keep it from its person
        self.clock_is_due = False

    async def sign_person_on(self, person: Person) -> None:
        """Sign a person on, unless the guest has taken that token already. Raises GuestSilent or HostError."""
        if not self.offers_sign_on:
            raise GuestSilent("The guest service does not answer yet.")
        # An answer may have been lost, here or in an earlier life of this process.
        await self._service.call("state", {}, timeout_s=CALL_TIMEOUT_S, take=self._take_state)
        digest = signing_on.token_sha256(person.token)
        if not self.waiting or (self.sign_on is not None and self.sign_on.token_sha256 == digest):
            return

        def taken(answer: Mapping[str, object]) -> None:
            user = str(answer.get("user"))[:64]
            self._seat(waiting=False, sign_on=SignOn(user=user, token_sha256=digest, state="on"))

        await self._service.call(signing_on.CALL, signing_on.arguments(person), timeout_s=SIGN_ON_TIMEOUT_S, take=taken)
