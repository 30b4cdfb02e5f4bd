"""The desktops' network on this machine's libvirt and kernel: seats, remaking, and what a port that is no seat may do.

No guest is needed: the ends of veth pairs stand for taps. What a guest can't do is tried in tests/e2e/test_isolation.
"""

from __future__ import annotations

import asyncio
import functools
import os
import socket
import struct
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress

import libvirt
import pytest

from frazil.model.errors import Conflict
from frazil.runtime import SystemIds
from frazil.server.hypervisor.connection import run_event_loop
from frazil.server.hypervisor.guest_network import GuestNetwork, Shape, network_name, shape_of
from frazil.server.hypervisor.guest_network_rules import FAMILIES, table_name
from frazil.server.hypervisor.port import Seat
from tests.harness.waiting import until

pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(60),
    pytest.mark.skipif(os.geteuid() != 0, reason="makes networks"),
    pytest.mark.usefixtures("libvirtd"),
]
URI = "qemu:///system"
SUBNET = "10.204.78.0/28"
ROUTER = "10.204.78.1"
STRANGER = "fz-stranger"


def run(*argv: str) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, f"{argv}: {done.stderr}"
    return done.stdout


class Site:
    """An installation's network, which is taken away at the end."""

    def __init__(self) -> None:
        self.installation_id = SystemIds().new_id()
        self.name = network_name(self.installation_id)
        self.table = table_name(self.name)
        self._made: list[GuestNetwork] = []

    def network(self, *, mode: str = "closed", subnet: str = SUBNET) -> GuestNetwork:
        """As a server that has just started has it."""
        self._made.append(GuestNetwork(URI, installation_id=self.installation_id, mode=mode, subnet=subnet))
        return self._made[-1]

    def shape(self) -> Shape:
        return shape_of(run("virsh", "-c", URI, "net-dumpxml", self.name))

    def rules(self) -> list[str]:
        return [run("nft", "list", "table", family, self.table) for family in FAMILIES]

    def runs_forwarded(self) -> bool:
        """It runs; a server that makes it anew defines it first, and must not be stopped halfway."""
        return self.name in run("virsh", "-c", URI, "net-list", "--name").split() and self.shape().forwarded

    def guarded(self, family: str) -> bool:
        return self.table in run("nft", "list", "tables", family)

    def end(self) -> None:
        for network in self._made:
            network.close()
        for command in ("net-destroy", "net-undefine"):
            subprocess.run(["virsh", "-c", URI, "--quiet", command, self.name], capture_output=True, check=False)
        for family in FAMILIES:
            subprocess.run(["nft", "delete", "table", family, self.table], capture_output=True, check=False)
        assert self.name not in run("virsh", "-c", URI, "net-list", "--all", "--name").split()


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    run_event_loop()
    made = Site()
    yield made
    await asyncio.to_thread(made.end)


@contextmanager
def plugged(site: Site, tap: str) -> Iterator[socket.socket]:
    """A port of that name on the bridge; what is sent into the socket comes out of it, as from a guest."""
    other = f"{tap[:10]}-end"
    run("ip", "link", "add", tap, "type", "veth", "peer", "name", other)
    try:
        run("ip", "link", "set", tap, "master", site.name, "up")
        run("ip", "link", "set", other, "up")
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as end:
            end.bind((other, 3))
            end.settimeout(0.5)
            yield end
    finally:
        run("ip", "link", "delete", tap)


@contextmanager
def used(site: Site) -> Iterator[None]:
    """Somebody's NIC is on the network, as libvirt counts."""
    connection = libvirt.open(URI)
    try:
        port = connection.networkLookupByName(site.name).portCreateXML(
            f"<networkport><uuid>{SystemIds().new_id()}</uuid><mac address='52:54:00:7b:35:93'/>"
            f"<owner><name>somebody</name><uuid>{site.installation_id}</uuid></owner></networkport>",
            0,
        )
        try:
            yield
        finally:
            port.delete()
    finally:
        connection.close()


def mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def ping(site: Site, seat: Seat) -> bytes:
    """A DHCP question (RFC 2131), which is the only thing that the host answers."""
    asked = struct.pack(">BBBBIHH16x", 1, 1, 6, 0, 0x46525A4C, 0, 0x8000) + mac(seat.mac) + bytes(10 + 192)
    asked += bytes.fromhex("63825363") + bytes((53, 1, 1, 255))
    udp = struct.pack(">HHHH", 68, 67, 8 + len(asked), 0) + asked
    head = struct.pack(
        ">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0, bytes(4), socket.inet_aton("255.255.255.255")
    )
    total = sum(struct.unpack(">10H", head))
    total = (total & 0xFFFF) + (total >> 16)
    head = head[:10] + struct.pack(">H", ~total & 0xFFFF) + head[12:]
    return b"\xff" * 6 + mac(seat.mac) + struct.pack(">H", 0x0800) + head + udp


def offered(end: socket.socket, question: bytes) -> str:
    """The address that DHCP offers for a question; empty when nobody answers three times."""
    for _ in range(3):
        end.send(question)
        with suppress(TimeoutError):
            while True:
                frame = end.recv(2048)
                if len(frame) > 62 and frame[23:24] == b"\x11" and frame[34:36] == struct.pack(">H", 67):
                    return socket.inet_ntoa(frame[58:62])
    return ""


async def test_each_seat_gets_its_own_address_and_nobody_else_gets_any(site: Site) -> None:
    network = site.network()
    async with network.seat("one") as one, network.seat("other") as other:
        assert one.tap != other.tap, "a seat is held until its tap is there"
    async with network.seat("one") as again:
        assert again == one
    with plugged(site, one.tap) as end:
        assert await asyncio.to_thread(offered, end, ping(site, one)) == one.address
        assert await asyncio.to_thread(offered, end, ping(site, other)) == "", "not in another's name"
        async with network.seat("one") as next_one:
            assert next_one.tap != one.tap, "who has a tap sits there"
    with plugged(site, STRANGER) as end:
        assert await asyncio.to_thread(offered, end, ping(site, one)) == "", "a port that is no seat"
        handle = next(
            line.rpartition(" ")[2]
            for line in run("nft", "-a", "list", "chain", "inet", site.table, "marked").splitlines()
            if "!=" in line
        )
        run("nft", "delete", "rule", "inet", site.table, "marked", "handle", handle)
        assert await asyncio.to_thread(offered, end, ping(site, one)) == one.address, "it is our mark that keeps it out"


async def test_tables_that_were_thrown_away_come_back_with_all_that_was_in_them(site: Site) -> None:
    network = site.network()
    await network.ensure()
    before = site.rules()
    watching = asyncio.create_task(network.watch())
    try:
        for family in FAMILIES:
            run("nft", "delete", "table", family, site.table)
            await asyncio.to_thread(until, functools.partial(site.guarded, family), "it is back", timeout_s=40)
            assert site.rules() == before
    finally:
        watching.cancel()


async def test_a_server_that_starts_guards_the_network_that_it_finds(site: Site) -> None:
    await site.network().ensure()
    before = site.rules()
    for family in FAMILIES:
        run("nft", "delete", "table", family, site.table)
    watching = asyncio.create_task(site.network().watch())
    try:
        await asyncio.to_thread(until, lambda: site.table in run("nft", "list", "tables"), "it is back", timeout_s=40)
        assert site.rules() == before
    finally:
        watching.cancel()


async def test_a_closed_network_becomes_one_that_reaches_the_world_once_nobody_is_on_it(site: Site) -> None:
    await site.network(mode="closed").ensure()
    assert not site.shape().forwarded
    network = site.network(mode="nat")
    with used(site):
        await network.ensure()
        assert not site.shape().forwarded, "not under the feet of those who are there"
    watching = asyncio.create_task(network.watch())
    try:
        await asyncio.to_thread(until, site.runs_forwarded, "it is made anew", timeout_s=20)
    finally:
        watching.cancel()
    # And back: the firewall closes at once, whoever is there.
    with used(site):
        await site.network(mode="closed").ensure()
        assert site.shape().forwarded
        forward = site.rules()[FAMILIES.index("inet")].partition("chain forward")[2]
        assert f'iifname "{site.name}" drop' in forward


async def test_other_addresses_wait_until_nobody_is_on_it_and_it_is_said(site: Site) -> None:
    await site.network().ensure()
    moved = site.network(subnet="10.204.79.0/28")
    with used(site), pytest.raises(Conflict, match="1 running desktops are on it") as refused:
        await moved.ensure()
    assert "Stop the desktops" in refused.value.remedy
    assert await moved.ensure() == site.name
    assert str(site.shape().subnet) == "10.204.79.0/28"
