"""How many links are being made at once: in the whole process, to one session, and from one address.

A link that has named a session holds a display of its host and a link to its desktop until the client gives its ticket,
and a session's id is no secret. So that nobody keeps others out by giving none, each has a share. What is over it
waits; an honest client gives its ticket within two round trips, and its place is free again.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

PLACES = 256
"""In the whole process."""
SESSION_PLACES = PLACES // 2
"""To one session, so that others come in, wherever its links are from."""
ADDRESS_PLACES = SESSION_PLACES // 2
"""From one address, so that a session's owner elsewhere comes in."""
IPV6_PREFIX = 64
"""What one customer has at least: whoever has one address of it has them all (RFC 6177)."""


class Places:
    """One per process. Who waits longest is next."""

    def __init__(self) -> None:
        self._all = asyncio.Semaphore(PLACES)
        self._sessions = _Shares(SESSION_PLACES)
        self._addresses = _Shares(ADDRESS_PLACES)

    @asynccontextmanager
    async def place(self, session_id: str, remote_address: str) -> AsyncIterator[None]:
        """Wait for one, and hold it. The caller sets the deadline."""
        # The address comes first: the rest of a crowd from one address waits where it takes nothing from a session.
        async with self._addresses.of(network_of(remote_address)), self._sessions.of(session_id), self._all:
            yield


def network_of(address: str) -> str:
    """Whose address it is: an IPv4 address stands for itself, an IPv6 address for its network."""
    try:
        known = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if known.version == 4:
        return address
    return str(ipaddress.ip_network((known, IPV6_PREFIX), strict=False))


@dataclass(slots=True)
class _Share:
    free: asyncio.Semaphore
    users: int = 0


class _Shares:
    """As many places for each key, remembered while somebody is at them."""

    def __init__(self, each: int) -> None:
        self._each = each
        self._at: dict[str, _Share] = {}

    @asynccontextmanager
    async def of(self, key: str) -> AsyncIterator[None]:
        share = self._at.setdefault(key, _Share(asyncio.Semaphore(self._each)))
        share.users += 1
        try:
            async with share.free:
                yield
        finally:
            share.users -= 1
            if not share.users:
                del self._at[key]
