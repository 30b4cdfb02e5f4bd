"""The names and addresses by which this machine is reached, for its certificate."""

from __future__ import annotations

import fcntl
import ipaddress
import socket
import struct
from pathlib import Path
from urllib.parse import urlsplit

from frazil.trust.authority import Address

_SIOCGIFADDR = 0x8915
_IF_INET6 = Path("/proc/net/if_inet6")


def local_names(public_url: str) -> tuple[str, ...]:
    """Host names, sorted: this machine's own, `localhost`, and the public URL's when it is a name."""
    names = {"localhost", socket.gethostname().lower()}
    public = urlsplit(public_url).hostname if public_url else None
    if public and _address(public) is None:
        names.add(public.lower())
    return tuple(sorted(name for name in names if name and len(name) <= 253 and name.isascii()))


def local_addresses(public_url: str) -> tuple[Address, ...]:
    """Loopback, every interface's address (link-local ones aside), and the public URL's when it is an address."""
    found: set[Address] = {ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("::1")}
    found |= _ipv4() | _ipv6()
    public = _address(urlsplit(public_url).hostname or "") if public_url else None
    if public is not None:
        found.add(public)
    return tuple(sorted((a for a in found if not a.is_link_local), key=lambda a: (a.version, int(a))))


def _address(text: str) -> Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _ipv4() -> set[Address]:
    """Each interface's first address (netdevice(7), SIOCGIFADDR)."""
    found: set[Address] = set()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        for _, name in socket.if_nameindex():
            try:
                answer = fcntl.ioctl(asking, _SIOCGIFADDR, struct.pack("256s", name.encode()[:15]))
            except OSError:
                continue  # This interface has no IPv4 address.
            found.add(ipaddress.IPv4Address(answer[20:24]))
    return found


def _ipv6() -> set[Address]:
    """First column of /proc/net/if_inet6; the file is not there on a machine without IPv6."""
    try:
        lines = _IF_INET6.read_text(encoding="ascii").splitlines()
    except OSError:
        return set()
    return {ipaddress.IPv6Address(int(line.split()[0], 16)) for line in lines if line.strip()}
