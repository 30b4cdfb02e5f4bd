"""From inside a guest: nothing of the host, of Frazil or of another desktop can be reached; only DHCP is answered.

Each protection is also taken away once, to see that the same attempts then come through: the tests can fail.
"""

from __future__ import annotations

import ipaddress
import os
import re
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from frazil.server.density import measuring
from frazil.server.hypervisor.guest_network import network_name
from frazil.server.hypervisor.guest_network_rules import FAMILIES, MARK, table_name
from tests.harness.reach import Ear, Echo, Seat, hardware_address, host_addresses, ipv4_of, listening, reach
from tests.harness.stack import Stack
from tests.harness.waiting import until

pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(420),
    pytest.mark.skipif(os.geteuid() != 0, reason="starts Frazil"),
]
EVERYBODY = "ff:ff:ff:ff:ff:ff"
STRANGER = "52:54:00:00:00:99"
LISTENER = 4321
"""The port of a program in the other guest."""
LISTEN = f"""
import os, socket, threading
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("0.0.0.0", {LISTENER}))
tcp = socket.create_server(("0.0.0.0", {LISTENER}))
if os.fork():
    os._exit(0)
os.setsid()
for stream in (0, 1, 2):
    os.close(stream)
while True:
    data, who = udp.recvfrom(100)
    udp.sendto(data, who)
"""


class Neighbours:
    """Two guests of one pool, and what they must not reach."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.bridge = network_name(stack.installation_id)
        self.one, self.other = (self._seat(desktop.id) for desktop in stack.desktops("apart", count=2)[:2])
        self.router = ipv4_of(self.bridge)
        self.router_mac = hardware_address(self.bridge)

    @property
    def table(self) -> str:
        return table_name(self.bridge)

    @property
    def free_address(self) -> str:
        """An address that nobody has yet."""
        taken = {self.router, self.one.address, self.other.address}
        around = ipaddress.ip_interface(f"{self.router}/24").network
        return next(str(address) for address in around.hosts() if str(address) not in taken)

    def _seat(self, desktop_id: str) -> Seat:
        assert measuring.processes()[desktop_id].forked, "it is a fork, as a pool's desktops are"
        xml = ET.fromstring(self.stack.guests.virsh("dumpxml", f"frazil-{desktop_id}"))
        nic = xml.find("devices/interface")
        assert nic is not None
        mac, tap = nic.find("mac"), nic.find("target")
        assert mac is not None
        assert tap is not None

        def lease() -> str:
            leases = self.stack.guests.virsh("net-dhcp-leases", self.bridge, "--mac", mac.get("address", ""))
            found = re.search(r"ipv4\s+([0-9.]+)/", leases)
            return found[1] if found else ""

        return Seat(desktop_id, mac.get("address", ""), until(lease, "DHCP is answered"), tap.get("dev", ""))

    def run(self, guest: Seat, *argv: str) -> str:
        done = self.stack.guests.run(guest.desktop_id, *argv)
        assert done.code == 0, done.stderr
        return done.stdout

    def reach(
        self, targets: dict[str, tuple[str, str, int]], frames: Sequence[Mapping[str, object]] = ()
    ) -> dict[str, str]:
        found = reach(self.stack.guests, self.one, targets, frames)
        assert found.pop("itself") == "reached", "the program in the guest reaches its own listener"
        return found


@pytest.fixture(scope="module")
def neighbours(stack: Stack) -> Neighbours:
    stack.pool("apart", spares=2, max_desktops=2)
    made = Neighbours(stack)
    made.run(made.other, "/usr/bin/python3", "-c", LISTEN)
    return made


def _reached(found: dict[str, str]) -> list[str]:
    """What answered, be it with a refusal."""
    return sorted(name for name, how in found.items() if how in ("reached", "refused"))


def _on_the_host(echo: Echo) -> dict[str, tuple[str, str, int]]:
    """Each port that somebody listens on, each of Frazil's ports, and one more, at each of the host's addresses."""
    ports = listening()
    assert {("tcp", echo.port), ("udp", echo.port)} <= ports
    closed = next(port for port in range(9, 60000) if ("tcp", port) not in ports and ("udp", port) not in ports)
    ports |= {("tcp", 53), ("udp", 53), ("tcp", closed), ("udp", closed), ("tcp", 5900), ("tcp", 16509)}
    ports -= {("udp", 67)}  # DHCP, which is there for guests; it answers no other question
    return {
        f"{kind} {address} {port}": (kind, address, port)
        for address in host_addresses()
        if not address.startswith(("127.", "::1"))  # in a guest these are the guest
        for kind, port in ports
    }


def test_dhcp_works_and_nothing_of_the_host_can_be_reached(neighbours: Neighbours) -> None:
    stack = neighbours.stack
    public = int(stack.settings.listen.rpartition(":")[2])
    with Echo() as echo:
        targets = _on_the_host(echo)
        assert f"tcp {neighbours.router} {public}" in targets
        assert f"tcp {neighbours.router} {echo.port}" in targets
        assert any(address.startswith("fe80") for _, address, _ in targets.values()), "IPv6 is tried too"
        found = neighbours.reach(targets)
        assert set(found) == set(targets)
        assert _reached(found) == []
        assert echo.heard.isdisjoint({neighbours.one.address})
        # without our firewall, the same attempts come through
        with _open_firewall(neighbours):
            at_router = {name: target for name, target in targets.items() if target[1] == neighbours.router}
            found = neighbours.reach(at_router)
        assert found[f"tcp {neighbours.router} {echo.port}"] == "reached"
        assert found[f"udp {neighbours.router} {echo.port}"] == "reached"
        assert neighbours.one.address in echo.heard
        assert len(_reached(found)) == len(at_router), "a refusal shows too that there was a way"
    assert _reached(neighbours.reach(at_router)) == []


def test_the_hosts_loopback_can_not_be_reached(neighbours: Neighbours) -> None:
    """Nor where the host would take such a frame from a network, as some container software has it do."""
    one = neighbours.one
    with Echo() as echo, _loopback_is_routed(neighbours.bridge):
        frame = {
            "kind": "udp", "mark": "frazil-loopback", "from": one.mac, "to": neighbours.router_mac,
            "source": one.address, "target": "127.0.0.1", "port": echo.port,
        }  # fmt: skip
        neighbours.reach({}, (frame,))
        assert one.address not in echo.heard
        with _open_firewall(neighbours):
            neighbours.reach({}, (frame,))
            until(lambda: one.address in echo.heard, "without our firewall it arrives", timeout_s=10)


def test_no_other_guest_can_be_reached_not_even_through_the_router(neighbours: Neighbours) -> None:
    other = neighbours.other
    targets = {kind: (kind, other.address, LISTENER) for kind in ("tcp", "udp")}
    targets["another port"] = ("tcp", other.address, 9)
    listens = neighbours.stack.guests.run(
        other.desktop_id, "/usr/bin/python3", "-c",
        f"import socket; socket.create_connection(('{other.address}', {LISTENER}), 5)",
    )  # fmt: skip
    assert listens.code == 0, "the other guest does listen"
    assert _reached(neighbours.reach(targets)) == []
    with _open_firewall(neighbours):
        with _bridge_hands_on(neighbours):
            assert _reached(neighbours.reach(targets)) == [], "the ports' isolation alone keeps them apart"
            with _not_isolated(neighbours):  # and without either of them nothing does
                assert _reached(neighbours.reach(targets)) == sorted(targets)
        with _not_isolated(neighbours):
            assert _reached(neighbours.reach(targets)) == [], "and so do the bridge's rules"
    with _own_neighbour(neighbours):  # nobody need answer who it is
        assert _reached(neighbours.reach(targets)) == []
    with _forwarding(), _by_router(neighbours):  # the host would have to hand it on
        assert _reached(neighbours.reach(targets)) == []
        with _open_firewall(neighbours):  # and without our firewall it does
            assert _reached(neighbours.reach(targets)) == sorted(targets)


def test_forged_frames_get_nowhere(neighbours: Neighbours) -> None:
    """By an ear on the bridge, where the host would take them, and one at the other guest's port."""
    one, other, router = neighbours.one, neighbours.other, neighbours.router
    plain = {"kind": "udp", "from": one.mac, "to": neighbours.router_mac, "source": one.address, "target": router}
    honest = plain | {"mark": "frazil-honest"}
    forged = (
        plain | {"mark": "frazil-strange-mac", "from": STRANGER},
        plain | {"mark": "frazil-others-mac", "from": other.mac},
        plain | {"mark": "frazil-others-address", "source": other.address},
        plain | {"mark": "frazil-routers-address", "source": router},
        plain | {"mark": "frazil-free-address", "source": neighbours.free_address},
        plain | {"kind": "dhcp-asked", "mark": "frazil-asks-for-other", "for": other.mac},
        {
            "kind": "arp", "mark": "frazil-arp-i-am-router", "operation": 2, "from": one.mac, "to": EVERYBODY,
            "source": router, "target": other.address,
        },
        {
            "kind": "arp", "mark": "frazil-arp-i-am-other", "operation": 2, "from": one.mac, "to": EVERYBODY,
            "source": other.address, "target": router,
        },
        {"kind": "ipv6", "mark": "frazil-ipv6", "from": one.mac, "to": "33:33:00:00:00:01"},
        {"kind": "vlan", "mark": "frazil-vlan", "from": one.mac, "to": EVERYBODY},
    )  # fmt: skip
    to_other = (
        plain | {"mark": "frazil-to-other", "to": other.mac, "target": other.address},
        plain | {"mark": "frazil-to-all", "to": EVERYBODY, "target": "255.255.255.255"},
        plain | {"mark": "frazil-by-router", "target": other.address},
        plain | {"kind": "dhcp-offer", "mark": "frazil-i-lease", "to": EVERYBODY, "target": "255.255.255.255"},
    )
    marks = {str(frame["mark"]) for frame in forged}
    others = {str(frame["mark"]) for frame in to_other}
    asks = plain | {"kind": "dhcp-asked", "mark": "frazil-asks-for-itself", "for": one.mac}
    everything = (
        honest,
        asks,
        *to_other,
        *forged,
    )  # the forged ones last: the bridge would learn from them, were they let in
    all_marks = tuple(str(frame["mark"]) for frame in everything)
    with _forwarding(), Ear(neighbours.bridge, all_marks) as bridge, Ear(other.tap, all_marks) as at_other:
        neighbours.reach({}, everything)
    assert {"frazil-honest", "frazil-asks-for-itself"} <= bridge.heard, "the ear hears"
    assert bridge.heard & marks == set()
    assert at_other.heard == set()
    with (
        _forwarding(),
        _no_filter(neighbours),
        _bridge_hands_on(neighbours),
        _not_isolated(neighbours),
        _open_firewall(neighbours),
        Ear(neighbours.bridge, all_marks) as bridge,
        Ear(other.tap, all_marks) as at_other,
    ):
        neighbours.reach({}, everything)
    _forget_neighbours(neighbours)
    assert marks <= bridge.heard, "without the filter they arrive"
    assert others <= at_other.heard


def test_the_firewall_comes_back_when_another_program_throws_it_away(neighbours: Neighbours) -> None:
    for family in FAMILIES:
        before = _nft(f"list table {family} {neighbours.table}")
        _nft(f"delete table {family} {neighbours.table}")
        until(lambda: neighbours.table in _nft(f"list tables {family}"), "the table is back", timeout_s=15)  # noqa: B023
        assert _nft(f"list table {family} {neighbours.table}") == before, "with all that was in it"
    with Echo() as echo:
        targets = {"tcp": ("tcp", neighbours.router, echo.port), "dns": ("udp", neighbours.router, 53)}
        assert _reached(neighbours.reach(targets)) == []


def test_no_port_of_spice_and_no_socket_of_ours_faces_a_network(neighbours: Neighbours) -> None:
    """Whatever a guest did, there is nothing to reach but the one public port: the rest listens on files."""
    stack = neighbours.stack
    ours = [stack.pid(name) for name in ("controller", "server", "gateway")]
    domains = [Path(f"/run/libvirt/qemu/frazil-{seat.desktop_id}.pid") for seat in (neighbours.one, neighbours.other)]
    qemus = [int(path.read_text()) for path in domains]
    public = int(stack.settings.listen.rpartition(":")[2])
    assert _network_ports(*(pid for pid in ours if pid is not None)) == {("tcp", public)}
    assert _network_ports(*qemus) == set()


def _network_ports(*pids: int) -> set[tuple[str, int]]:
    """The ports on which these processes listen."""
    sockets = set()
    for pid in pids:
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                sockets.add(os.readlink(link))
    found = set()
    for kind in ("tcp", "tcp6", "udp", "udp6"):
        for row in Path(f"/proc/net/{kind}").read_text().splitlines()[1:]:
            words = row.split()
            if f"socket:[{words[9]}]" in sockets and (words[3] == "0A" or kind.startswith("udp")):
                found.add((kind[:3], int(words[1].rpartition(":")[2], 16)))
    return found


# --- taking protections away, and putting them back ----------------------------------------------------------------


def _nft(*words: str) -> str:
    return _host("nft", " ".join(words))


def _host(*argv: str) -> str:
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, f"{argv}: {done.stderr}"
    return done.stdout


@contextmanager
def _open_firewall(neighbours: Neighbours) -> Iterator[None]:
    """The host takes everything that the taps let in. libvirt's own rules stay."""
    with _opened(
        neighbours, "inet", *(f"{chain} iifname {neighbours.bridge} accept" for chain in ("input", "forward"))
    ):
        yield


@contextmanager
def _bridge_hands_on(neighbours: Neighbours) -> Iterator[None]:
    """Our rules let frames pass from one port of the bridge to another, if they may leave the one at all."""
    with _opened(neighbours, "bridge", "between accept", "to_desktops accept"):
        yield


@contextmanager
def _no_filter(neighbours: Neighbours) -> Iterator[None]:
    """What the guest sends goes past the rules at its tap."""
    with _opened(neighbours, "bridge", f"from_desktops iifname {neighbours.one.tap} meta mark set {MARK} accept"):
        yield


@contextmanager
def _opened(neighbours: Neighbours, family: str, *rules: str) -> Iterator[None]:
    """These rules (each begins with its chain) stand in front of the others."""
    added = []
    try:
        for rule in rules:
            told = _host("nft", "-e", "-a", f"insert rule {family} {neighbours.table} {rule}")
            handle = re.search(r"# handle (\d+)", told)
            assert handle is not None, told
            added.append(f"delete rule {family} {neighbours.table} {rule.split()[0]} handle {handle[1]}")
        yield
    finally:
        for removal in added:
            _nft(removal)


def _forget_neighbours(neighbours: Neighbours) -> None:
    """The host and both guests believed forged frames about who is where: they ask again, and the bridge hears each."""
    _host("ip", "neigh", "flush", "dev", neighbours.bridge)
    for guest in (neighbours.one, neighbours.other):
        neighbours.run(guest, "/usr/sbin/ip", "neigh", "flush", "dev", "eth0")
        neighbours.stack.guests.run(guest.desktop_id, "/usr/bin/ping", "-c", "1", "-W", "1", neighbours.router)


@contextmanager
def _not_isolated(neighbours: Neighbours) -> Iterator[None]:
    """The bridge hands frames from one guest to the other."""
    taps = (neighbours.one.tap, neighbours.other.tap)
    for tap in taps:
        _host("bridge", "link", "set", "dev", tap, "isolated", "off")
    try:
        yield
    finally:
        for tap in taps:
            _host("bridge", "link", "set", "dev", tap, "isolated", "on")


@contextmanager
def _loopback_is_routed(bridge: str) -> Iterator[None]:
    """The host takes what comes from the bridge for its loopback."""
    setting = Path(f"/proc/sys/net/ipv4/conf/{bridge}/route_localnet")
    before = setting.read_text()
    setting.write_text("1")
    try:
        yield
    finally:
        setting.write_text(before)


@contextmanager
def _forwarding() -> Iterator[None]:
    """The host forwards packets, as it does where guests may go out, whatever it did before."""
    setting = Path("/proc/sys/net/ipv4/ip_forward")
    before = setting.read_text()
    setting.write_text("1")
    try:
        yield
    finally:
        setting.write_text(before)


@contextmanager
def _by_router(neighbours: Neighbours) -> Iterator[None]:
    """Each guest sends what is for the other one to the router, and listens to no advice of a shorter way."""
    both = ((neighbours.one, neighbours.other), (neighbours.other, neighbours.one))
    for guest, to in both:
        for name in ("all", "eth0"):
            neighbours.run(guest, "/usr/sbin/sysctl", "-qw", f"net.ipv4.conf.{name}.accept_redirects=0")
        neighbours.run(guest, "/usr/sbin/ip", "route", "add", f"{to.address}/32", "via", neighbours.router)
    try:
        yield
    finally:
        for guest, to in both:
            neighbours.run(guest, "/usr/sbin/ip", "route", "del", f"{to.address}/32")


@contextmanager
def _own_neighbour(neighbours: Neighbours) -> Iterator[None]:
    """The guest knows the other one's MAC address without asking."""
    ip, one, other = "/usr/sbin/ip", neighbours.one, neighbours.other
    neighbours.run(one, ip, "neigh", "replace", other.address, "lladdr", other.mac, "dev", "eth0")
    try:
        yield
    finally:
        neighbours.run(one, ip, "neigh", "del", other.address, "dev", "eth0")
