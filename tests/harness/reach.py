"""What a guest can reach: a program for inside it, and the host's ears.

The program needs nothing but Python. It asks in two ways: as any program does, through the guest's own network stack,
and with frames made by hand, which no honest stack would send.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import socket
import struct
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.harness.guests import Guests

PROGRAM = r"""
import json, selectors, socket, struct, sys, time

def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff

def packet(source, target, payload, sport=4000, dport=9):
    udp = struct.pack(">HHHH", sport, dport, 8 + len(payload), 0) + payload
    head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0,
                       socket.inet_aton(source), socket.inet_aton(target))
    return head[:10] + struct.pack(">H", checksum(head)) + head[12:] + udp

def mac(text):
    return bytes.fromhex(text.replace(":", ""))

def arp(sender_mac, sender, target_mac, target, operation):
    return (struct.pack(">HHBBH", 1, 0x0800, 6, 4, operation) + mac(sender_mac) + socket.inet_aton(sender)
            + mac(target_mac) + socket.inet_aton(target))

def send_frames(frames):
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
        raw.bind((DEVICE, 0))
        for one in frames:
            mark = one["mark"].encode()
            if one["kind"] == "udp":
                body, kind = packet(one["source"], one["target"], mark, dport=one.get("port", 9)), 0x0800
            elif one["kind"] == "dhcp-asked":  # a client's message to the server, with its `chaddr`
                asked = bytes(28) + mac(one["for"]) + mark
                body, kind = packet(one["source"], one["target"], asked, 68, 67), 0x0800
            elif one["kind"] == "dhcp-offer":
                body, kind = packet(one["source"], one["target"], mark, 67, 68), 0x0800
            elif one["kind"] == "arp":
                body = arp(one["from"], one["source"], one["to"], one["target"], one["operation"]) + mark
                kind = 0x0806
            elif one["kind"] == "ipv6":
                udp = struct.pack(">HHHH", 4000, 9, 8 + len(mark), 0) + mark
                ends = [socket.inet_pton(socket.AF_INET6, end) for end in ("fe80::1234", "ff02::1")]
                body, kind = struct.pack(">IHBB", 6 << 28, len(udp), 17, 255) + b"".join(ends) + udp, 0x86DD
            else:
                body, kind = b"\0\1\x88\xb5" + mark, 0x8100  # VLAN 1, an experimental protocol in it
            frame = mac(one["to"]) + mac(one["from"]) + struct.pack(">H", kind) + body
            raw.send(frame.ljust(60, b"\0"))

def connect(targets, wait_s):
    # What became of each attempt: reached (also by a refusal, which somebody must have sent) or silent.
    selector, found = selectors.DefaultSelector(), {}
    for key, (kind, address, port) in targets.items():
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        name = (address + "%" + DEVICE, port) if address.lower().startswith(("fe80", "ff02")) else (address, port)
        one = socket.socket(family, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
        one.setblocking(False)
        try:
            name = socket.getaddrinfo(*name, family, one.type)[0][4]
            one.connect(name)
            if kind == "udp":
                one.send(b"anybody there?")
        except BlockingIOError:
            pass
        except OSError as exc:
            found[key] = "no way: " + exc.strerror
            one.close()
            continue
        selector.register(one, selectors.EVENT_WRITE if kind == "tcp" else selectors.EVENT_READ, key)
    end = time.monotonic() + wait_s
    while selector.get_map() and time.monotonic() < end:
        for ready, _ in selector.select(end - time.monotonic()):
            error = ready.fileobj.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if error:
                found[ready.data] = "refused" if error == 111 else f"no way: {error}"
            else:
                found[ready.data] = "reached"
            selector.unregister(ready.fileobj)
            ready.fileobj.close()
    for left in list(selector.get_map().values()):
        found[left.data] = "silent"
    return found

asked = json.loads(sys.argv[1])
DEVICE = asked["device"]
send_frames(asked["frames"])
own = socket.create_server(("0.0.0.0", 0))
targets = dict(asked["targets"])
targets["itself"] = ("tcp", asked["own"], own.getsockname()[1])
print(json.dumps(connect(targets, asked["wait_s"])))
"""
WAIT_S = 4.0
"""Three tries of TCP and of ARP; an answer takes milliseconds, also under emulation."""
DEVICE = "eth0"


@dataclass(frozen=True, slots=True)
class Seat:
    """A guest on the network: its desktop, and its addresses."""

    desktop_id: str
    mac: str
    address: str
    tap: str


def reach(
    guests: Guests,
    guest: Seat,
    targets: dict[str, tuple[str, str, int]],
    frames: Sequence[Mapping[str, object]] = (),
) -> dict[str, str]:
    """Try all `targets` (a name: tcp or udp, address, port) from inside; send `frames` first.

    For each name: "reached", "refused" (somebody answered that nobody listens), "silent" or "no way: why"; and
    "itself", which is the guest's own listener.
    """
    asked = {
        "device": DEVICE, "own": guest.address, "targets": targets, "frames": frames, "wait_s": WAIT_S
    }  # fmt: skip
    done = guests.run(guest.desktop_id, "/usr/bin/python3", "-c", PROGRAM, json.dumps(asked), timeout_s=90)
    assert done.code == 0, done.stderr
    answer: dict[str, str] = json.loads(done.stdout)
    return answer


class Ear:
    """Hears every frame on one of the host's devices, and remembers which marks it has heard."""

    def __init__(self, device: str, marks: tuple[str, ...]) -> None:
        self._marks = {mark: mark.encode() for mark in marks}
        self.heard: set[str] = set()
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))  # ETH_P_ALL
        self._socket.bind((device, 3))
        self._stop, self._stopping = os.pipe()
        self._thread = threading.Thread(target=self._listen)

    def __enter__(self) -> Ear:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        os.write(self._stopping, b"x")
        self._thread.join()
        self._socket.close()
        os.close(self._stop)
        os.close(self._stopping)

    def _listen(self) -> None:
        while True:
            ready, _, _ = select.select([self._socket.fileno(), self._stop], [], [])
            if self._socket.fileno() in ready:
                frame = self._socket.recv(65536)
                self.heard |= {mark for mark, data in self._marks.items() if data in frame}
            elif self._stop in ready:
                return  # only when nothing more was to be heard


class Echo:
    """A listener on every address of the host, TCP and UDP, IPv4 and IPv6: answers each datagram.

    `heard` are the addresses that a datagram came from.
    """

    def __init__(self) -> None:
        self.heard: set[str] = set()
        self._tcp = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
        self.port: int = self._tcp.getsockname()[1]
        self._udp = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        self._udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        self._udp.bind(("::", self.port))
        self._stop, self._stopping = os.pipe()
        self._thread = threading.Thread(target=self._answer)

    def __enter__(self) -> Echo:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        os.write(self._stopping, b"x")
        self._thread.join()
        for each in (self._tcp, self._udp):
            each.close()
        os.close(self._stop)
        os.close(self._stopping)

    def _answer(self) -> None:
        while True:
            ready, _, _ = select.select([self._udp.fileno(), self._stop], [], [])
            if self._stop in ready:
                return
            data, who = self._udp.recvfrom(100)
            self.heard.add(who[0].removeprefix("::ffff:"))
            self._udp.sendto(data, who)


def listening() -> set[tuple[str, int]]:
    """Every port of the host on which somebody listens: ("tcp" or "udp", port)."""
    found = set()
    for kind in ("tcp", "udp"):
        for table in (kind, f"{kind}6"):
            for row in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
                words = row.split()
                if kind == "udp" or words[3] == "0A":
                    found.add((kind, int(words[1].rpartition(":")[2], 16)))
    return found


def host_addresses() -> list[str]:
    """Every address of the host, IPv4 and IPv6, its bridges' and loopback's too."""
    shown = subprocess.run(["ip", "-j", "address"], capture_output=True, check=True, timeout=30).stdout
    return sorted({one["local"] for device in json.loads(shown) for one in device["addr_info"]})


def hardware_address(device: str) -> str:
    """A device's MAC address."""
    return Path(f"/sys/class/net/{device}/address").read_text().strip()


def ipv4_of(device: str) -> str:
    """A device's first IPv4 address (SIOCGIFADDR)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        got = fcntl.ioctl(asking.fileno(), 0x8915, struct.pack("256s", device.encode()))
    return socket.inet_ntoa(got[20:24])
