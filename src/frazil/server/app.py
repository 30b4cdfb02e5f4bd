"""The Virtual Desktop Server of one host, put together."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, ExitStack, nullcontext

import structlog

import frazil
from frazil.model.clock import Clock
from frazil.model.desktop import State
from frazil.model.errors import FrazilError
from frazil.server import display, host_facts, joining, remote_displays
from frazil.server.density import partition
from frazil.server.density.watch import DensityWatch
from frazil.server.desktops.directory import DesktopDirectory
from frazil.server.desktops.keeper import Host as DesktopHost
from frazil.server.desktops.keepers import Keepers
from frazil.server.desktops.slots import StartSlots, room_here
from frazil.server.desktops.starter import Starter
from frazil.server.host_identity import Identity
from frazil.server.hypervisor.guest_network import GuestNetwork
from frazil.server.hypervisor.kvm_trial import QEMU, kvm_runs_guests
from frazil.server.hypervisor.libvirt_driver import LibvirtHypervisor
from frazil.server.hypervisor.port import Hypervisor, Seat
from frazil.server.image_keeper import ImageKeeper
from frazil.server.images.fetching import Fetching
from frazil.server.images.handing import Handing
from frazil.server.joining import Joined, host_pair
from frazil.server.link import MESSAGE_MAX_BYTES, PATH, Dial, Link, on_this_machine
from frazil.server.link import Host as LinkHost
from frazil.server.templates.store import TemplateStore
from frazil.server.templates.templates import Templates
from frazil.settings import Settings
from frazil.trust import contexts
from frazil.wire.base import Message
from frazil.wire.hostlink import (
    Answer,
    Ask,
    Capabilities,
    Desired,
    DesktopObservation,
    DesktopSeen,
    FailureField,
    Hello,
    HostEvent,
    HostLoad,
    ImageObservation,
    ImageSeen,
    Observed,
    Stray,
    TemplateObservation,
    TemplateSeen,
    Welcome,
)

log = structlog.get_logger(__name__)

LOOK_DEADLINE_S = 10.0


class Server:
    """Joins link, keepers, images and displays. Lives in one event loop."""

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock,
        identity: Identity,
        hypervisor: Hypervisor,
        network: GuestNetwork | None,
        capabilities: Capabilities,
        joined: Joined | None,
        tasks: asyncio.TaskGroup,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._identity = identity
        self._hypervisor = hypervisor
        self._network = network
        self._capabilities = capabilities
        port = int(settings.displays_listen.rpartition(":")[2])
        self._displays_port = port if host_pair(settings).exists() else 0
        self._generation = self._term = 0
        self._revoked: frozenset[str] = frozenset()
        self._joined = joined
        self._tasks = tasks
        self._link_host = LinkHost(
            hello=self._hello,
            welcomed=self._welcomed,
            observe=self._observe,
            want=self._want,
            answer=self._answer,
            load=self._load,
        )
        self.links = [Link(dial, self._link_host) for dial in _dials(settings, joined)]
        directory = DesktopDirectory(settings.desktops_dir, installation_id=identity.installation_id)
        slots = StartSlots(room_here)
        self.images = ImageKeeper(
            settings,
            installation_id=identity.installation_id,
            clock=clock,
            directory=directory,
            report=self._image_seen,
            release=self._release_templates,
            fetching=_fetching(settings, identity, joined),
        )
        self.templates = Templates(
            hypervisor,
            TemplateStore(settings.templates_dir, installation_id=identity.installation_id),
            installation_id=identity.installation_id,
            clock=clock,
            slots=slots,
            kvm=capabilities.kvm,
            qemu=lambda: f"{capabilities.qemu} {host_facts.file_identity(QEMU)}",
            image=self.images.base_image,
            changed=self._template_seen,
            busy=lambda: [record.template for _, record in directory.list() if record and record.template],
            gone=self._template_gone,
            floor_mib=settings.template_floor_mib,
        )
        starter = Starter(
            installation_id=identity.installation_id,
            hypervisor=hypervisor,
            directory=directory,
            clock=clock,
            kvm=capabilities.kvm,
            image=self.images.boot_image,
            template=self.templates.condition,
            doubt=self.templates.doubt,
            pressure=lambda: self.density.pressure,
            seat=self._seat,
        )
        host = DesktopHost(
            installation_id=identity.installation_id,
            hypervisor=hypervisor,
            directory=directory,
            starter=starter,
            slots=slots,
            clock=clock,
            report=self._desktop_seen,
            event=self._event,
        )
        self.keepers = Keepers(host, tasks)
        self.density = DensityWatch(
            settings,
            desktops=self.keepers.specs,
            templates=self.templates.seen,
            changed=lambda: self.keepers.wake(None),
            paused=lambda: [one.desktop_id for one in self.keepers.seen() if one.state is State.PAUSED],
            strays=self.keepers.stray_ids,
        )

    def _load(self) -> HostLoad:
        load = host_facts.load(self._settings.desktops_dir)
        return load.model_copy(update={"headroom": self.density.headroom()})

    async def _release_templates(self, image_id: str) -> None:
        await self.templates.release(image_id)

    def _seat(self, desktop_id: str) -> AbstractAsyncContextManager[Seat | None]:
        return self._network.seat(desktop_id) if self._network is not None else nullcontext()

    def _hello(self) -> Hello:
        return Hello(
            installation_id=self._identity.installation_id,
            host_id=self._identity.host_id,
            host_name=host_facts.host_name(),
            version=frazil.__version__,
            capabilities=self._capabilities,
            displays_port=self._displays_port,
        )

    def _welcomed(self, welcome: Welcome) -> None:
        """Dial controllers that are new. Those that are no more are dialled until the next start."""
        joined, controllers = self._joined, welcome.controllers
        if joined is None or controllers in (0, joined.controllers):
            return
        log.info("controllers-counted", before=joined.controllers, now=controllers)
        try:
            self._joined = joining.know_controllers(self._settings, joined, controllers)
        except OSError as exc:  # it is told again with the next connection
            log.error("controllers-not-written-down", why=str(exc))
            return
        for number in range(len(self.links) + 1, controllers + 1):
            link = Link(_dial(self._joined, number), self._link_host)
            self.links.append(link)
            self._tasks.create_task(link.run())

    def _say(self, message: Message) -> None:
        for link in self.links:
            link.send(message)

    def _want(self, desired: Desired) -> None:
        if 0 < desired.term < self._term:
            log.warning("desired-of-a-former-leader", term=desired.term, newest=self._term)
            return
        self._generation, self._term = desired.generation, max(self._term, desired.term)
        self._revoked = frozenset(desired.revoked)
        self.images.want(desired.images)
        self.templates.want(desired.templates)
        self.keepers.want(desired.desktops)

    def is_revoked(self, known_key: str) -> bool:
        """Whether the holder of this key, by its SHA-256, is a host that is trusted no more."""
        return known_key in self._revoked

    async def _observe(self) -> Observed:
        """Everything seen. Not complete while libvirt or the disk can't be asked, or before every keeper has looked."""
        strays: list[Stray] = []
        try:
            strays = await self.keepers.strays()
            complete = await self.keepers.looked(within_s=LOOK_DEADLINE_S)
        except FrazilError as exc:
            log.warning("observation-incomplete", why=str(exc))
            complete = False
        return Observed(
            generation=self._generation,
            complete=complete,
            desktops=self.keepers.seen(),
            images=self.images.seen(),
            templates=self.templates.seen(),
            strays=[*strays, *self.images.strays()],
            load=self._load(),
        )

    def _desktop_seen(self, seen: DesktopObservation) -> None:
        self._say(DesktopSeen(desktop=seen))
        if seen.state is State.ABSENT:
            self.images.wake()  # an image that was to go may be free now

    def _image_seen(self, seen: ImageObservation) -> None:
        self._say(ImageSeen(image=seen))
        if seen.state == "ready":
            self.templates.wake()
            self.keepers.wake(None)

    def _template_gone(self, text: str) -> None:
        self._say(HostEvent(desktop_id=None, kind="template-removed", text=text, at=self._clock.now()))

    def _template_seen(self, seen: TemplateObservation) -> None:
        self._say(TemplateSeen(template=seen))
        self.keepers.wake(None)

    def _event(self, desktop_id: str, kind: str, text: str) -> None:
        self._say(HostEvent(desktop_id=desktop_id, kind=kind, text=text, at=self._clock.now()))

    async def _answer(self, ask: Ask) -> Answer:
        try:
            shot = await self._hypervisor.screenshot(ask.desktop_id)
        except FrazilError as exc:
            return Answer(id=ask.id, failure=FailureField(code=exc.code, text=exc.what, remedy=exc.remedy))
        if shot.mime != "image/png":
            text = f"This host's QEMU makes pictures as {shot.mime}, not PNG."
            failure = FailureField(code="host-error", text=text, remedy="Use QEMU 7.1 or newer.")
            return Answer(id=ask.id, failure=failure)
        return Answer(id=ask.id, png_base64=base64.b64encode(shot.data).decode("ascii"))


def _fetching(settings: Settings, identity: Identity, joined: Joined | None) -> Fetching | None:
    if joined is None:
        return None
    return Fetching(joined, identity=identity, arriving=settings.cache_dir / "arriving")


def _dials(settings: Settings, joined: Joined | None) -> list[Dial]:
    """To each controller."""
    if joined is None:
        return [on_this_machine(of.hosts) for of in settings.controller_sockets]
    return [_dial(joined, number) for number in range(1, joined.controllers + 1)]


def _dial(joined: Joined, number: int) -> Dial:
    return joined.dialer(PATH, number, max_size=MESSAGE_MAX_BYTES)


async def serve(settings: Settings, *, clock: Clock, ready: Callable[[], None]) -> None:
    """Run this host's server until cancelled. Desktops outlive it."""
    identity = Identity.of(settings)
    hypervisor = LibvirtHypervisor(
        settings.libvirt_uri,
        installation_id=identity.installation_id,
        partition=partition.prepare,
    )
    with ExitStack() as closing:
        closing.callback(hypervisor.close)
        network = GuestNetwork(
            settings.libvirt_uri,
            installation_id=identity.installation_id,
            mode=settings.guest_network,
            subnet=settings.guest_subnet,
        )
        closing.callback(network.close)
        kvm = await asyncio.to_thread(kvm_runs_guests)
        if not kvm:
            log.warning("no-usable-kvm", means="Desktops are emulated and slow.", remedy="frazil doctor says why.")
        capabilities = await hypervisor.capabilities(kvm=kvm)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(hypervisor.watch_events())
            tasks.create_task(network.watch())
            await run(
                settings,
                clock=clock,
                identity=identity,
                hypervisor=hypervisor,
                network=network,
                capabilities=capabilities,
                ready=ready,
            )


async def run(
    settings: Settings,
    *,
    clock: Clock,
    identity: Identity,
    hypervisor: Hypervisor,
    network: GuestNetwork | None,
    capabilities: Capabilities,
    ready: Callable[[], None],
) -> None:
    """The server on a given hypervisor, until cancelled."""
    joined = Joined.of(settings)
    listener = display.bind(settings.display_socket)
    with listener:
        async with asyncio.TaskGroup() as tasks:
            server = Server(
                settings,
                clock=clock,
                identity=identity,
                hypervisor=hypervisor,
                network=network,
                capabilities=capabilities,
                joined=joined,
                tasks=tasks,
            )
            tasks.create_task(server.images.run())
            tasks.create_task(server.templates.run())
            tasks.create_task(server.density.run())
            for link in server.links:
                tasks.create_task(link.run())
            tasks.create_task(display.serve(listener, server.keepers.open_display))
            pair = host_pair(settings)
            if pair.exists():
                context = contexts.listening(pair, settings.trust_dir / "authority.pem")
                tasks.create_task(
                    remote_displays.serve(
                        settings.displays_listen,
                        context,
                        open_display=server.keepers.open_display,
                        handing=Handing(server.images.stored),
                        is_revoked=server.is_revoked,
                    )
                )
                tasks.create_task(remote_displays.follow(context, pair))
            if joined is not None:
                tasks.create_task(joining.keep_fresh(joined, clock=clock))
            ready()
