"""The libvirt network that desktops are on, guarded by a firewall of our own.

Each desktop is alone: its bridge port is isolated from every other port, and the firewall
(`guest_network_rules`) lets it speak from its own seat only: not to the host, save for DHCP and, where desktops may
reach the world, DNS; not to another desktop by way of the host's routing (libvirt's own rules let that through), nor
to link-local addresses (where clouds hand out a host's own credentials). DHCP knows every seat and no other.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import socket
import uuid
import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import libvirt
import structlog

from frazil.model.errors import Conflict, FrazilError, HostError, InvalidInput
from frazil.server.hypervisor import guest_network_rules
from frazil.server.hypervisor.connection import Connection
from frazil.server.hypervisor.guest_network_seats import Seats
from frazil.server.hypervisor.port import Seat

log = structlog.get_logger(__name__)

COMMAND_DEADLINE_S = 20.0
GUARD_EVERY_S = 3.0
"""How long desktops may be without their firewall when another program threw all tables away."""
CANDIDATES = ("10.77.0.0/20", "172.29.0.0/20", "192.168.240.0/20", "10.177.0.0/20", "172.30.64.0/20")


def network_name(installation_id: str) -> str:
    """The name of network and bridge (15 characters at most): an installation's own, so that two can share a host."""
    return f"frazil-{installation_id[-6:]}"


@dataclass(frozen=True, slots=True)
class Shape:
    """What matters of a network's definition. `users`: how many NICs are on it now."""

    subnet: ipaddress.IPv4Network
    forwarded: bool
    resolves: bool
    reserved: frozenset[tuple[str, str]]
    users: int

    def seats_as(self, other: Shape) -> bool:
        """Whether addresses are given out in the same way."""
        return (self.subnet, self.reserved) == (other.subnet, other.reserved)

    def works_as(self, other: Shape) -> bool:
        """Whether there is no difference that a desktop could notice."""
        return self.seats_as(other) and (self.forwarded, self.resolves) == (other.forwarded, other.resolves)


def shape_of(xml: str) -> Shape:
    """What a network's definition says; HostError when it has no IPv4 address."""
    root = ET.fromstring(xml)  # noqa: S314 - libvirtd's own XML
    ip, dns = root.find("ip"), root.find("dns")
    if ip is None:
        raise HostError("The desktops' network has no address.", remedy="Remove it: virsh net-destroy, net-undefine.")
    return Shape(
        subnet=ipaddress.IPv4Network(f"{ip.get('address')}/{ip.get('prefix') or ip.get('netmask')}", strict=False),
        forwarded=root.find("forward") is not None,
        resolves=dns is None or dns.get("enable") != "no",
        reserved=frozenset((host.get("mac", ""), host.get("ip", "")) for host in ip.iterfind("dhcp/host")),
        users=int(root.get("connections", "0")),
    )


def network_xml(seats: Seats, *, network_uuid: str, closed: bool) -> str:
    """The network's definition (https://libvirt.org/formatnetwork.html): DHCP for the seats, and for nobody else."""
    network = ET.Element("network")
    ET.SubElement(network, "name").text = seats.name
    ET.SubElement(network, "uuid").text = network_uuid
    if closed:
        ET.SubElement(network, "dns", {"enable": "no"})  # a resolver would be a way out
    else:
        ET.SubElement(network, "forward", {"mode": "nat"})
    ET.SubElement(network, "bridge", {"name": seats.name, "stp": "off", "delay": "0"})
    subnet = seats.subnet
    ip = ET.SubElement(network, "ip", {"address": str(subnet[1]), "prefix": str(subnet.prefixlen)})
    dhcp = ET.SubElement(ip, "dhcp")
    for seat in seats:
        ET.SubElement(dhcp, "host", {"mac": seat.mac, "ip": seat.address})
    return ET.tostring(network, encoding="unicode") + "\n"


def choose_subnet(given: str, taken: list[ipaddress.IPv4Network]) -> ipaddress.IPv4Network:
    """`given`, or the first candidate that overlaps no route of this host."""
    if given:
        try:
            subnet = ipaddress.IPv4Network(given)
        except ValueError as exc:
            raise InvalidInput(f"guest_subnet: {exc}.", remedy="Write it like 10.77.0.0/20.") from exc
        if subnet.num_addresses < 8:
            raise InvalidInput(f"guest_subnet: {given} is too small.", remedy="Take a /29 at least.")
        return subnet
    for candidate in map(ipaddress.IPv4Network, CANDIDATES):
        if not any(candidate.overlaps(route) for route in taken):
            return candidate
    raise Conflict(
        "Every network that Frazil would choose for desktops is in use on this host.",
        remedy="Set guest_subnet in /etc/frazil/frazil.toml to a free one.",
    )


async def _command(*argv: str, stdin: str = "") -> str:
    """A command's standard output. HostError, with what it said, when it fails or does not end in time."""
    remedy = "The desktops' network can't be made; frazil doctor says what is missing."
    try:
        process = await asyncio.create_subprocess_exec(
            *argv, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
    except OSError as exc:
        raise HostError(f"{argv[0]} can't be run: {exc}.", remedy=remedy) from exc
    try:
        # Not wait_for: Python 3.11's forgets a cancellation that comes together with the command's end.
        async with asyncio.timeout(COMMAND_DEADLINE_S):
            out, err = await process.communicate(stdin.encode())
    except TimeoutError as exc:
        raise HostError(f"{argv[0]} did not end within {COMMAND_DEADLINE_S:.0f} s.", remedy=remedy) from exc
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        raise HostError(f"{argv[0]} failed: {err.decode(errors='replace').strip()}.", remedy=remedy)
    return out.decode()


async def _routes(*, but: str) -> list[ipaddress.IPv4Network]:
    routes = json.loads(await _command("ip", "-j", "-4", "route", "show", "table", "all") or "[]")
    found = []
    for route in routes:
        if route.get("dst", "default") == "default" or route.get("dev") == but:
            continue
        found.append(ipaddress.IPv4Network(route["dst"], strict=False))
    return found


class GuestNetwork:
    """This host's network for desktops; made when first needed, and again when it is gone."""

    def __init__(self, uri: str, *, installation_id: str, mode: str, subnet: str) -> None:
        if mode not in ("nat", "closed"):
            raise InvalidInput(f'guest_network is "{mode}"; it can be "nat" or "closed".')
        self._connection = Connection(uri, threads=1, name="network")
        self._name = network_name(installation_id)
        self._uuid = str(uuid.uuid5(uuid.UUID(installation_id), "guest-network"))
        self._closed = mode == "closed"
        self._subnet = subnet
        self._lock = asyncio.Lock()
        self._seats: Seats | None = None
        """The running network's, once it is known to be guarded by this process."""
        self._to_remake = False
        self._held: set[str] = set()

    @asynccontextmanager
    async def seat(self, desktop_id: str) -> AsyncIterator[Seat]:
        """A seat for the desktop, kept for it until its tap exists, which is to be before the end of the block.

        Raises Conflict when all are taken, or the network can't be as it must.
        """
        async with self._lock:
            seats = await self._ensured()
            taken = {name for _index, name in socket.if_nameindex()} | self._held
            seat = seats.choose(desktop_id, taken=taken)
            self._held.add(seat.tap)
        try:
            yield seat
        finally:
            self._held.discard(seat.tap)

    async def ensure(self) -> str:
        """The network's name, once it is there and guarded."""
        async with self._lock:
            return (await self._ensured()).name

    async def _ensured(self) -> Seats:
        """The seats of the network, which runs and is guarded. With the lock held."""
        running = await self._connection.call(self._running, doing="look for the desktops' network")
        if running and self._seats is not None and not self._to_remake:
            return self._seats
        xml = await self._connection.call(self._definition, doing="look at the desktops' network") if running else ""
        return await self._guarded_network(shape_of(xml) if xml else None)

    async def _guarded_network(self, found: Shape | None) -> Seats:
        """Make the network, remake one that is not as it should be, and load the firewall for it."""
        if found is not None and not self._subnet:
            subnet = found.subnet
        else:
            subnet = choose_subnet(self._subnet, await _routes(but=self._name))
        seats = Seats(self._name, subnet)
        xml = network_xml(seats, network_uuid=self._uuid, closed=self._closed)
        wanted = shape_of(xml)
        used = found is not None and (found.users > 0 or bool(self._held))
        if found is not None and used and not found.seats_as(wanted):
            raise Conflict(
                f"The network {self._name} of this host's desktops must be made anew to be as guest_subnet and this "
                f"version of Frazil want it, and {found.users} running desktops are on it.",
                remedy="Stop the desktops of this host; the next one that starts makes the network.",
            )
        if found is None or not (used or found.works_as(wanted)):
            await self._connection.call(lambda c: self._make(c, xml), doing="make the desktops' network")
            log.info("guest-network-made", subnet=str(subnet), closed=self._closed, anew=found is not None)
            self._to_remake = False
        elif not found.works_as(wanted):
            if not self._to_remake:
                log.warning(
                    "guest-network-change-waits",
                    wanted="closed" if self._closed else "nat",
                    why=f"{found.users} running desktops are on it",
                    remedy="Stop the desktops of this host; the network is then made anew.",
                )
            self._to_remake = True
        await _command("nft", "-f", "-", stdin=guest_network_rules.rules(seats, closed=self._closed))
        self._seats = seats
        return seats

    async def watch(self) -> None:
        """Put our tables back when they are gone, until cancelled; and make a network anew when that can be at last.

        Other programs' ways to load a firewall begin with throwing every table away (`flush ruleset`), ours too.
        """
        while True:
            try:
                async with self._lock:
                    await self._look()
            except FrazilError as exc:
                log.warning("guest-network-not-looked-at", why=str(exc))
            except Exception:  # a bug here must not end the server, nor leave desktops without their firewall
                log.exception("guest-network-bug")
            await asyncio.sleep(GUARD_EVERY_S)

    async def _look(self) -> None:
        tables = await _command("nft", "-j", "list", "tables")
        known = self._seats is not None and not self._to_remake
        if known and guest_network_rules.all_there(self._name, tables):
            return
        xml = await self._connection.call(self._definition, doing="look for the desktops' network")
        if xml:
            await self._guarded_network(shape_of(xml))
            if known:
                log.warning("guest-network-guard-restored", network=self._name)

    def _find(self, connection: libvirt.virConnect) -> libvirt.virNetwork | None:
        """Our network; Conflict when another one has its name. In a pool's thread."""
        for network in connection.listAllNetworks(0):
            if network.name() == self._name:
                if network.UUIDString() != self._uuid:
                    raise Conflict(
                        f"A libvirt network called {self._name} exists that this installation did not make.",
                        remedy="If nothing uses it, remove it with virsh net-destroy and net-undefine.",
                    )
                return network
        return None

    def _running(self, connection: libvirt.virConnect) -> bool:
        """In a pool's thread."""
        network = self._find(connection)
        return network is not None and bool(network.isActive())

    def _definition(self, connection: libvirt.virConnect) -> str:
        """Our network's definition while it runs, else nothing. In a pool's thread."""
        network = self._find(connection)
        return str(network.XMLDesc(0)) if network is not None and network.isActive() else ""

    def _make(self, connection: libvirt.virConnect, xml: str) -> None:
        """Define and start it; transient definitions would lose leases at a libvirtd restart. In a pool's thread."""
        before = self._find(connection)
        if before is not None and before.isActive():
            before.destroy()
        network = connection.networkDefineXML(xml)
        network.setAutostart(False)
        network.create()

    def close(self) -> None:
        """Let go of libvirt; the network stays."""
        self._connection.close()
