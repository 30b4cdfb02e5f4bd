"""`port.Hypervisor` on libvirt.

Every domain that Frazil makes is transient: the desktop's directory and the controller's database are what lasts, and
a domain is made anew from them at each start. A domain without our installation's label is foreign and is listed, but
never touched.
"""

from __future__ import annotations

import asyncio
import base64
import errno
import json
import os
import socket
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import libvirt
import libvirt_qemu
import structlog

from frazil import failpoint
from frazil.model.errors import Conflict, FrazilError, GuestSilent, HostError, OutOfSpace, Unavailable
from frazil.server import host_facts
from frazil.server.hypervisor import domainxml, freezing, precedence
from frazil.server.hypervisor.connection import Connection, run_event_loop
from frazil.server.hypervisor.display_pair import connected_pair
from frazil.server.hypervisor.domainxml import channels, metadata
from frazil.server.hypervisor.errors import domain_ended
from frazil.server.hypervisor.port import Domain, DomainPlan, DomainState, GuestExit, Screenshot, domain_name
from frazil.server.hypervisor.resting import Resting
from frazil.wire.hostlink import Capabilities

log = structlog.get_logger(__name__)

_STATES = {
    libvirt.VIR_DOMAIN_NOSTATE: DomainState.RUNNING,
    libvirt.VIR_DOMAIN_RUNNING: DomainState.RUNNING,
    libvirt.VIR_DOMAIN_BLOCKED: DomainState.RUNNING,
    libvirt.VIR_DOMAIN_PAUSED: DomainState.PAUSED,
    libvirt.VIR_DOMAIN_PMSUSPENDED: DomainState.PAUSED,
    libvirt.VIR_DOMAIN_SHUTDOWN: DomainState.STOPPING,
    libvirt.VIR_DOMAIN_SHUTOFF: DomainState.STOPPED,
    libvirt.VIR_DOMAIN_CRASHED: DomainState.CRASHED,
}
FREEZE_DEADLINE_S = 120.0
WAKE_UP_DEADLINE_S = 5.0
WAKE_UP_LOOK_S = 0.02
_EVENTS_RETRY_S = (0.2, 0.5, 1.0, 2.0, 5.0)


def _version(number: int) -> str:
    """libvirt's way of writing versions: 1,000,000 × major + 1,000 × minor + release."""
    return f"{number // 1_000_000}.{number // 1_000 % 1_000}.{number % 1_000}"


def _qemu_user(capabilities: str) -> tuple[int, int]:
    """User and group id that QEMU runs as here (the DAC security label of libvirt's capabilities); ours when unsaid."""
    for model in ET.fromstring(capabilities).iterfind("host/secmodel"):  # noqa: S314 - libvirtd's own XML
        label = model.findtext("baselabel[@type='qemu']") or model.findtext("baselabel[@type='kvm']") or ""
        if model.findtext("model") == "dac" and label.count(":") == 1:
            user, group = label.replace("+", "").split(":")
            return int(user), int(group)
    return os.getuid(), os.getgid()


def _described(domain: libvirt.virDomain) -> Domain:
    """What libvirt knows of one domain, in our words. Called in a pool's thread."""
    state, reason = domain.state()
    root = ET.fromstring(domain.XMLDesc(0))  # noqa: S314 - libvirtd's own XML, made by it from what it checked
    socket = channels.guest_socket(root)
    return Domain(
        name=domain.name(),
        uuid=domain.UUIDString(),
        state=_STATES.get(state, DomainState.RUNNING),
        labels=metadata.read(root),
        guest_socket=Path(socket) if socket else None,
        io_error=state == libvirt.VIR_DOMAIN_PAUSED and reason == libvirt.VIR_DOMAIN_PAUSED_IOERROR,
    )


def _go_on(domain: libvirt.virDomain) -> None:
    """Let it run, whether it was paused or its guest suspended itself, or it runs already. In a pool's thread."""
    try:
        if domain.state()[0] != libvirt.VIR_DOMAIN_PMSUSPENDED:
            domain.resume()
            return
        domain.pMWakeup(0)
        end_s = time.monotonic() + WAKE_UP_DEADLINE_S
        # libvirt's answer comes before it has heard from QEMU that the machine is awake.
        while domain.state()[0] == libvirt.VIR_DOMAIN_PMSUSPENDED and time.monotonic() < end_s:
            time.sleep(WAKE_UP_LOOK_S)
    except libvirt.libvirtError:
        if domain.state()[0] != libvirt.VIR_DOMAIN_RUNNING:
            raise


def _agents_answer(text: str) -> object:
    """What a guest agent returned; whatever else it says, for it is the guest's word, is a HostError."""
    try:
        return json.loads(text)["return"]
    except (ValueError, KeyError, TypeError, RecursionError) as exc:
        raise HostError("The guest agent's answer can't be read.") from exc


def _guest_exit(status: Mapping[str, object]) -> GuestExit:
    """How a command ended, from the answer to guest-exec-status (qemu-ga's QMP reference). Raises HostError."""
    code, out, err = status.get("exitcode", -1), status.get("out-data", ""), status.get("err-data", "")
    if not isinstance(code, int) or not isinstance(out, str) or not isinstance(err, str):
        raise HostError("The guest agent's answer can't be read.")
    try:
        return GuestExit(code=code, stdout=base64.b64decode(out), stderr=base64.b64decode(err))
    except ValueError as exc:
        raise HostError("The guest agent's answer can't be read.") from exc


def _has_nic(domain: libvirt.virDomain) -> bool:
    return ET.fromstring(domain.XMLDesc(0)).find("devices/interface") is not None  # noqa: S314


@contextmanager
def _seat_free(plan: DomainPlan) -> Iterator[None]:
    """Unavailable, so that it is tried again on another seat, when libvirt failed since somebody sits on the plan's.

    The tap's name can be there only once: that is what keeps two desktops from one seat. In a pool's thread.
    """
    taken = plan.network is not None and _device_is_there(plan.network.tap)
    try:
        yield
    except libvirt.libvirtError as exc:
        if plan.network is not None and (taken or _device_is_there(plan.network.tap)):
            raise Unavailable(
                f"The place {plan.network.tap} on the desktops' network was taken meanwhile.",
                remedy="The desktop gets another one in a moment.",
            ) from exc
        raise


def _device_is_there(name: str) -> bool:
    return any(device == name for _index, device in socket.if_nameindex())


class LibvirtHypervisor:
    """libvirt at `uri`, for the domains of `installation_id`. Made and used in the event loop's thread."""

    def __init__(self, uri: str, *, installation_id: str, partition: Callable[[], str | None] = lambda: None) -> None:
        """`partition`: the cgroup partition that domains are put under, asked at each start; None for libvirt's own."""
        run_event_loop()
        self._partition = partition
        self._installation_id = installation_id
        self._lifecycle = Connection(uri, threads=5, name="lifecycle")
        self._agent = Connection(uri, threads=5, name="agent")
        self._events = Connection(uri, threads=1, name="events")
        self._resting = Resting()
        self._agent_locks: dict[str, asyncio.Lock] = {}
        self._subscribers: list[Callable[[str | None], None]] = []
        self._closed = asyncio.Event()
        self._connection_broke = asyncio.Event()

    async def capabilities(self, *, kvm: bool) -> Capabilities:
        """What this host is, as libvirt sees it; `kvm` was found by trying."""

        def ask(connection: libvirt.virConnect) -> Capabilities:
            _model, _memory, cpus, *_rest = connection.getInfo()
            devices = ET.fromstring(connection.getDomainCapabilities(None, "x86_64", domainxml.MACHINE, None, 0))  # noqa: S314
            return Capabilities(
                kvm=kvm,
                spice=any(value.text == "spice" for value in devices.iterfind("devices/graphics/enum/value")),
                vcpus=int(cpus),
                memory_mib=host_facts.meminfo_mib("MemTotal"),
                qemu=_version(connection.getVersion()),
                libvirt=_version(connection.getLibVersion()),
            )

        # A libvirtd that has just started first asks every QEMU what it can do.
        return await self._lifecycle.call(ask, doing="learn what this host can do", deadline_s=150.0)

    async def domains(self) -> list[Domain]:
        def ask(connection: libvirt.virConnect) -> list[Domain]:
            found = []
            for domain in connection.listAllDomains(0):
                try:
                    found.append(_described(domain))
                except libvirt.libvirtError as exc:
                    if exc.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:  # it went between list and look
                        raise
            return found

        return await self._lifecycle.call(ask, doing="list the desktops")

    async def find(self, desktop_id: str) -> Domain | None:
        def ask(connection: libvirt.virConnect) -> Domain | None:
            try:
                return _described(connection.lookupByUUIDString(desktop_id))
            except libvirt.libvirtError as exc:
                if exc.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
                    return None
                raise

        return await self._lifecycle.call(ask, doing=f"look for desktop {desktop_id}")

    async def start(self, plan: DomainPlan) -> Domain:
        xml = domainxml.domain(plan, partition=self._partition())

        def make(connection: libvirt.virConnect) -> Domain:
            with _seat_free(plan):
                return _described(connection.createXML(xml, libvirt.VIR_DOMAIN_START_VALIDATE))

        return await self._lifecycle.call(make, doing=f"start desktop {plan.labels.name}", deadline_s=180.0)

    async def prepare_ram(self, path: Path, size_mib: int) -> None:
        def make(connection: libvirt.virConnect) -> None:
            owner, group = _qemu_user(connection.getCapabilities())
            with path.open("xb") as file:
                try:
                    # QEMU would be killed (SIGBUS) by the first page of it that finds the disk full.
                    os.posix_fallocate(file.fileno(), 0, size_mib << 20)
                except OSError as exc:
                    path.unlink()
                    if exc.errno not in (errno.ENOSPC, errno.EDQUOT):
                        raise HostError(f"A template's memory can't be made in {path.parent}: {exc}.") from exc
                    raise OutOfSpace(
                        f"A template's memory takes {size_mib} MiB, which the disk of {path.parent} does not have.",
                        remedy="Free disk space on this host.",
                    ) from exc
            path.chmod(0o600)
            os.chown(path, owner, group)

        await self._lifecycle.call(make, doing="make a template's memory")

    async def freeze(self, desktop_id: str, state: Path) -> None:
        def freeze(domain: libvirt.virDomain) -> None:
            try:
                freezing.freeze(domain, state)
            except libvirt.libvirtError as exc:
                if domain_ended(exc):
                    raise HostError("QEMU ended while it wrote the frozen state.") from exc
                raise

        await self._on_ours(desktop_id, freeze, doing="freeze", deadline_s=FREEZE_DEADLINE_S)
        await self.destroy(desktop_id)

    async def fork(self, plan: DomainPlan, state: Path) -> Domain:
        xml = domainxml.domain(plan, partition=self._partition())

        def make(connection: libvirt.virConnect) -> Domain:
            asked_s = time.monotonic()
            domain = connection.createXML(xml, libvirt.VIR_DOMAIN_START_PAUSED)
            created_s = time.monotonic()
            try:
                failpoint.reach("server.fork-created")
                freezing.thaw(domain, state)
                loaded_s = time.monotonic()
                failpoint.reach("server.fork-loaded")
                domain.resume()
            except BaseException as exc:
                with suppress(libvirt.libvirtError):  # a QEMU that can't load the state ends by itself
                    domain.destroy()  # half a fork is no desktop
                if isinstance(exc, libvirt.libvirtError) and domain_ended(exc):
                    raise HostError("QEMU ended while it loaded the frozen state.") from exc
                raise
            log.info(
                "forked",
                desktop=plan.labels.desktop_id,
                create_s=round(created_s - asked_s, 4),
                load_s=round(loaded_s - created_s, 4),
                resume_s=round(time.monotonic() - loaded_s, 4),
            )
            return _described(domain)

        doing = f"fork desktop {plan.labels.name}"
        return await self._lifecycle.call(make, doing=doing, deadline_s=FREEZE_DEADLINE_S)

    async def plug_network(self, plan: DomainPlan) -> None:
        xml = domainxml.nic(plan)

        def plug(connection: libvirt.virConnect) -> None:
            domain = self._ours(connection, plan.labels.desktop_id)
            if _has_nic(domain):
                return
            try:
                with _seat_free(plan):
                    domain.attachDeviceFlags(xml, libvirt.VIR_DOMAIN_AFFECT_LIVE)
            except (libvirt.libvirtError, Unavailable):
                if not _has_nic(domain):  # an earlier life of this process asked for it, and got it meanwhile
                    raise

        await self._lifecycle.call(plug, doing=f"plug the network into desktop {plan.labels.name}")

    def _ours(self, connection: libvirt.virConnect, desktop_id: str) -> libvirt.virDomain:
        """The desktop's domain, which is ours; Conflict when it is not. Called in a pool's thread."""
        domain = connection.lookupByUUIDString(desktop_id)
        labels = _described(domain).labels
        if labels is None or labels.installation_id != self._installation_id:
            raise Conflict(
                f"Domain {domain.name()} is not this installation's; Frazil does not touch it.",
                remedy="Rename or remove it with virsh if it is in the way.",
            )
        return domain

    async def _on_ours(
        self, desktop_id: str, do: Callable[[libvirt.virDomain], None], *, doing: str, deadline_s: float = 30.0
    ) -> None:
        """`do(domain)` after making sure that the domain is ours. Raises NotFound when there is none."""

        def run(connection: libvirt.virConnect) -> None:
            do(self._ours(connection, desktop_id))

        await self._lifecycle.call(run, doing=f"{doing} desktop {desktop_id}", deadline_s=deadline_s)

    async def shutdown(self, desktop_id: str) -> None:
        await self._on_ours(desktop_id, lambda domain: domain.shutdown(), doing="shut down")

    async def destroy(self, desktop_id: str) -> None:
        if await self.find(desktop_id) is None:
            return

        def end(domain: libvirt.virDomain) -> None:
            try:
                domain.destroy()
            except libvirt.libvirtError as exc:
                if exc.get_error_code() not in (libvirt.VIR_ERR_NO_DOMAIN, libvirt.VIR_ERR_OPERATION_INVALID):
                    raise

        await self._on_ours(desktop_id, end, doing="stop", deadline_s=60.0)

    async def pause(self, desktop_id: str) -> None:
        def pause(domain: libvirt.virDomain) -> None:
            domain.suspend()
            self._resting.begin(desktop_id)

        await self._on_ours(desktop_id, pause, doing="pause")

    async def resume(self, desktop_id: str) -> None:
        def resume(domain: libvirt.virDomain) -> None:
            precedence.give(domain)
            self._resting.end(desktop_id)
            _go_on(domain)

        await self._on_ours(desktop_id, resume, doing="resume")

    async def end_precedence(self, desktop_id: str) -> None:
        def end(domain: libvirt.virDomain) -> None:
            precedence.end(domain)
            if domain.state()[0] == libvirt.VIR_DOMAIN_RUNNING:
                self._resting.end(desktop_id)  # where somebody else let it go on

        await self._on_ours(desktop_id, end, doing="end the precedence of")

    async def screenshot(self, desktop_id: str) -> Screenshot:
        def take(connection: libvirt.virConnect) -> Screenshot:
            domain = self._ours(connection, desktop_id)
            stream = connection.newStream(0)
            mime = domain.screenshot(stream, 0, 0)
            parts = bytearray()

            def keep(_stream: libvirt.virStream, data: bytes, _opaque: None) -> int:
                parts.extend(data)
                return len(data)

            stream.recvAll(keep, None)
            stream.finish()
            return Screenshot(mime=mime, data=bytes(parts))

        return await self._lifecycle.call(take, doing=f"take a picture of desktop {desktop_id}", deadline_s=10.0)

    async def open_display(self, desktop_id: str) -> int:
        def take(connection: libvirt.virConnect) -> int:
            domain = self._ours(connection, desktop_id)
            qemus, gateways = connected_pair()
            with qemus, gateways:
                domain.openGraphics(0, qemus.fileno(), libvirt.VIR_DOMAIN_OPEN_GRAPHICS_SKIPAUTH)
                return gateways.detach()

        return await self._lifecycle.call(
            take, doing=f"open the display of desktop {desktop_id}", deadline_s=10.0, discard=os.close
        )

    async def _agent_command(self, desktop_id: str, command: dict[str, object], *, timeout_s: float) -> object:
        """One guest agent command, one at a time for each domain (qemu-ga's QMP reference)."""

        def ask(connection: libvirt.virConnect) -> object:
            domain = self._ours(connection, desktop_id)
            answer = libvirt_qemu.qemuAgentCommand(domain, json.dumps(command), max(1, round(timeout_s)), 0)
            return _agents_answer(answer)

        lock = self._agent_locks.setdefault(desktop_id, asyncio.Lock())
        async with lock:
            return await self._agent.call(
                ask, doing=f"ask the agent in desktop {desktop_id}", deadline_s=timeout_s + 10.0
            )

    async def agent_ping(self, desktop_id: str, *, timeout_s: float) -> None:
        await self._agent_command(desktop_id, {"execute": "guest-ping"}, timeout_s=timeout_s)

    async def guest_exec(
        self, desktop_id: str, argv: list[str], *, stdin: bytes = b"", timeout_s: float = 30.0
    ) -> GuestExit:
        started = await self._agent_command(
            desktop_id,
            {
                "execute": "guest-exec",
                "arguments": {
                    "path": argv[0],
                    "arg": argv[1:],
                    "input-data": base64.b64encode(stdin).decode(),
                    "capture-output": True,
                },
            },
            timeout_s=10.0,
        )
        if not isinstance(started, dict) or not isinstance(started.get("pid"), int):
            raise HostError("The guest agent answered out of turn.")
        loop = asyncio.get_running_loop()
        end, pause = loop.time() + timeout_s, 0.02
        while True:
            try:
                status = await self._agent_command(
                    desktop_id, {"execute": "guest-exec-status", "arguments": {"pid": started["pid"]}}, timeout_s=10.0
                )
            except GuestSilent:
                if loop.time() >= end:
                    raise
                status = None  # what runs keeps the guest busy; its agent answers again when it can
            if isinstance(status, dict) and status.get("exited"):
                return _guest_exit(status)
            if loop.time() >= end:
                raise GuestSilent(f"{argv[0]} in desktop {desktop_id} did not end within {timeout_s:.0f} s.")
            # The agent has no event for a program's end; asking is all there is.
            await asyncio.sleep(pause)
            pause = min(pause * 1.6, 0.5)

    def subscribe(self, changed: Callable[[str | None], None]) -> None:
        self._subscribers.append(changed)

    def _tell(self, desktop_id: str | None) -> None:
        for changed in self._subscribers:
            changed(desktop_id)

    async def watch_events(self) -> None:
        """Keep libvirt's events coming until cancelled; after each reconnect everything may have changed."""
        loop = asyncio.get_running_loop()
        prefix = domain_name("")

        def in_loop(do: Callable[..., None], *args: object) -> None:
            with suppress(RuntimeError):  # the loop has ended, but libvirt's thread goes on
                loop.call_soon_threadsafe(do, *args)

        def on_domain(_connection: libvirt.virConnect, domain: libvirt.virDomain, *_rest: object) -> None:
            name = domain.name()
            if name.startswith(prefix):
                in_loop(self._tell, name.removeprefix(prefix))

        def on_close(_connection: libvirt.virConnect, _reason: int, _opaque: None) -> None:
            in_loop(self._connection_broke.set)

        def register(connection: libvirt.virConnect) -> None:
            for event in (libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, libvirt.VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE):
                connection.domainEventRegisterAny(None, event, on_domain, None)
            connection.registerCloseCallback(on_close, None)

        tries = 0
        while True:
            self._connection_broke.clear()
            try:
                await self._events.call(register, doing="listen for events")
            except FrazilError as exc:
                if tries == 0:
                    log.warning("hypervisor-away", why=str(exc))
                    self._tell(None)
                await asyncio.sleep(_EVENTS_RETRY_S[min(tries, len(_EVENTS_RETRY_S) - 1)])
                tries += 1
                continue
            log.info("hypervisor-connected", after_tries=tries)
            tries = 0
            self._tell(None)
            await self._connection_broke.wait()
            log.warning("hypervisor-connection-lost")
            self._tell(None)

    def close(self) -> None:
        """Let go of libvirt; domains go on."""
        for connection in (self._lifecycle, self._agent, self._events):
            connection.close()
