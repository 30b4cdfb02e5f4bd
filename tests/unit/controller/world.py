"""A controller without its sockets: real store, real use cases, real reconciler; time that is moved by hand."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import SecretStr

from frazil.controller import hostreports
from frazil.controller.hostreports import Report
from frazil.controller.identity import LOCAL_ROOT, Identity
from frazil.controller.identity.passwords import Passwords
from frazil.controller.leadership import Leadership
from frazil.controller.presence import Presence
from frazil.controller.reconcile import Reconciler
from frazil.controller.services import Context, build
from frazil.controller.store import Store, hosts
from frazil.model.desktop import Guest, Power, State
from frazil.server.desktops.steps import DISK_FULL
from frazil.wire.hostlink import (
    Capabilities,
    Desired,
    DesktopObservation,
    DesktopSpec,
    FailureField,
    HostLoad,
    ImageObservation,
    Observed,
    Stray,
)
from frazil.wire.rest import ImageRequest, Pool, PoolRequest, Role, UserRequest
from frazil.wire.viewer_trust import ViewerTrust

EASY = "correct horse battery"
VIEWER_TRUST = ViewerTrust(ca_pem="-----BEGIN\nEND-----\n", host_subject="CN=desk, or not")
PNG = b"\x89PNG\r\n\x1a\n not much of a picture"


class HandClock:
    def __init__(self) -> None:
        self.at = datetime(2030, 1, 1, tzinfo=UTC)
        self.mono_s = 1000.0

    def now(self) -> datetime:
        return self.at

    def monotonic_s(self) -> float:
        return self.mono_s

    def step(self, seconds: float) -> None:
        """The time of day is set, or the machine slept: nothing that counts seconds notices."""
        self.at += timedelta(seconds=seconds)

    def advance(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)
        self.mono_s += seconds


class CountedIds:
    """UUIDv7-shaped, growing, and the same in each run."""

    def __init__(self) -> None:
        self.count = 0

    def new_id(self) -> str:
        self.count += 1
        return f"01900000-0000-7000-8000-{self.count:012d}"

    def new_secret(self, n_bytes: int = 32) -> str:
        return secrets.token_urlsafe(n_bytes)


class FakeHost:
    """What a server would report. `guests`: how far each desktop's guest comes; READY unless said."""

    def __init__(self, world: World, host_id: str, memory_mib: int) -> None:
        self.world = world
        self.id = host_id
        self.load = HostLoad(memory_available_mib=memory_mib, disk_free_mib=100_000, load1=0.1)
        self.guests: dict[str, Guest] = {}
        self.fail: dict[str, FailureField] = {}
        self.fail_all: FailureField | None = None
        self.images_ready = True
        self.sent: Desired | None = None
        self.strays: list[Stray] = []
        self.lost: set[str] = set()
        self.started_at: dict[str, datetime] = {}

    async def hello(self, *, address: str = "") -> None:
        """address: of another machine's."""
        ctx = self.world.ctx
        capabilities = Capabilities(kvm=True, spice=True, vcpus=8, memory_mib=16384, qemu="7.2.0", libvirt="9.0.0")
        await ctx.store.write(
            lambda tx: hosts.hello(
                tx,
                id=self.id,
                name=f"host-{self.id[-1]}",
                version="0.1.0",
                capabilities=capabilities,
                now=ctx.clock.now(),
                address=address,
            )
        )
        self.beat()

    def beat(self) -> None:
        self.world.ctx.presence.heard(self.id, self.load)

    def reboot(self) -> None:
        """Every domain is gone; a server starts only those that are wanted running."""
        assert self.sent is not None
        self.lost = {spec.desktop_id for spec in self.sent.desktops}

    async def take(self) -> Desired:
        """Be sent what is wanted."""
        ctx = self.world.ctx
        [desired] = await ctx.store.read(lambda tx: hostreports.desired(tx, [self.id], leader_epoch=0))
        generation = (await ctx.store.write(lambda tx: hosts.take_generations(tx, self.id)))[0]
        self.sent = desired.model_copy(update={"generation": generation})
        return self.sent

    def see(self, spec: DesktopSpec) -> DesktopObservation:
        failure = self.fail.get(spec.desktop_id, self.fail_all)
        if failure is not None and failure.code == DISK_FULL.code and spec.power is Power.RUNNING:
            return self._observation(spec, State.PAUSED, Guest.SILENT, failure)
        state = {
            Power.RUNNING: State.RUNNING,
            Power.PAUSED: State.PAUSED,
            Power.STOPPED: State.STOPPED,
            Power.ABSENT: State.ABSENT,
        }[spec.power]
        if state is State.RUNNING:
            self.lost.discard(spec.desktop_id)
        if state is State.PAUSED and spec.desktop_id in self.lost:
            state = State.STOPPED
        guest = self.guests.get(spec.desktop_id, Guest.READY) if state is State.RUNNING else Guest.SILENT
        if failure is not None and state is not State.ABSENT:
            state, guest = State.ABSENT, Guest.SILENT
        else:
            failure = None
        return self._observation(spec, state, guest, failure)

    def _observation(
        self, spec: DesktopSpec, state: State, guest: Guest, failure: FailureField | None
    ) -> DesktopObservation:
        now = self.world.clock.now()
        if state is State.RUNNING:
            self.started_at.setdefault(spec.desktop_id, now)
        elif state is not State.PAUSED:
            self.started_at.pop(spec.desktop_id, None)
        return DesktopObservation(
            desktop_id=spec.desktop_id,
            epoch=spec.epoch,
            attempt=spec.attempt,
            state=state,
            guest=guest,
            failure=failure,
            started_at=self.started_at.get(spec.desktop_id),
            observed_at=now,
        )

    def see_images(self, desired: Desired) -> list[ImageObservation]:
        return [
            ImageObservation(
                image_id=spec.image_id,
                attempt=spec.attempt,
                state="absent" if spec.wanted == "absent" else "ready" if self.images_ready else "making",
                fraction=1.0 if self.images_ready else 0.25,
                step="" if self.images_ready else "Installing packages",
            )
            for spec in desired.images
        ]

    async def report(
        self,
        *,
        desktops: Sequence[DesktopObservation] | None = None,
        generation: int | None = None,
        complete: bool = True,
    ) -> None:
        """Say what is there: by default, that everything is as wanted."""
        desired = self.sent or await self.take()
        seen = [self.see(spec) for spec in desired.desktops] if desktops is None else list(desktops)
        message = Observed(
            generation=desired.generation if generation is None else generation,
            complete=complete,
            desktops=seen,
            images=self.see_images(desired),
            strays=self.strays,
            load=self.load,
        )
        ctx = self.world.ctx
        await ctx.store.write(lambda tx: hostreports.take_in(ctx, tx, [Report(self.id, message, desired)]))
        self.beat()

    async def obey(self) -> None:
        await self.take()
        await self.report()


class World:
    def __init__(self, store: Store, directory: Path) -> None:
        self.viewer_trust_file = directory / "viewers.json"
        self.viewer_trust_file.write_text(VIEWER_TRUST.model_dump_json())
        self.clock = HandClock()
        self.ctx = Context(
            store=store,
            clock=self.clock,
            ids=CountedIds(),
            passwords=Passwords(time_cost=1, memory_cost_kib=64),
            presence=Presence(self.clock),
        )
        self.services = build(self.ctx, viewer_trust_file=self.viewer_trust_file)
        self.told: list[str] = []
        """Ids of hosts, as there is something else for them."""
        self.ctx.tell_hosts = self._told
        self.leadership = Leadership(store, clock=self.clock, holder="the only one")
        self.reconciler = Reconciler(self.ctx, self.leadership)
        self.ctx.wake = self.reconciler.wake
        self.root = LOCAL_ROOT
        self.hosts: list[FakeHost] = []

    def close(self) -> None:
        self.ctx.store.close()
        self.ctx.passwords.close()

    def _told(self, host_ids: Collection[str]) -> None:
        self.told += host_ids

    def restart(self) -> None:
        """Another process takes over: it has heard from no host yet."""
        self.ctx.presence = Presence(self.clock)
        self.reconciler = Reconciler(self.ctx, self.leadership)
        self.ctx.wake = self.reconciler.wake

    async def look(self) -> float:
        return await self.reconciler.look()

    async def settle(self, rounds: int = 4) -> None:
        """Look and obey until nothing more happens."""
        for _ in range(rounds):
            await self.look()
            for host in self.hosts:
                await host.obey()
        await self.look()

    async def host(self, *, number: int = 1, memory_mib: int = 65536) -> FakeHost:
        made = FakeHost(self, f"01900000-0000-7000-9000-{number:012d}", memory_mib)
        await made.hello()
        self.hosts.append(made)
        return made

    async def user(self, name: str, *, role: Role = "user") -> Identity:
        request = UserRequest(name=name, password=SecretStr(EASY), role=role)
        made = await self.services.people.create(self.root, request)
        return Identity(user_id=made.id, name=made.name, role=made.role, remote_address="192.0.2.1")

    async def identity(self, name: str) -> Identity:
        """A user that is there already."""
        found = await self.services.people.show(self.root, name)
        return Identity(user_id=found.id, name=found.name, role=found.role, remote_address="192.0.2.1")

    async def image(self, name: str = "debian") -> str:
        operation = await self.services.images.create(self.root, ImageRequest(name=name, recipe="debian-icewm"))
        return operation.target_id

    async def pool(self, name: str = "desk", *, spares: int = 1, max_desktops: int = 5, image: str = "debian") -> Pool:
        request = PoolRequest(name=name, image=image, spares=spares, max_desktops=max_desktops, start_deadline_s=60)
        return await self.services.pools.create(self.root, request)

    async def ready_pool(self, name: str = "desk", *, spares: int = 1, max_desktops: int = 5) -> Pool:
        """A host, an image, and a pool whose spares are ready."""
        if not self.hosts:
            await self.host()
            await self.image()
        pool = await self.pool(name, spares=spares, max_desktops=max_desktops)
        await self.settle()
        return await self.services.pools.show(self.root, pool.id)
