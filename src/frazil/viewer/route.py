"""How a desktop's server is reached, and whether the desktop is followed when it goes to another one."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TypeAlias

from frazil.model.errors import Refused
from frazil.spice.channels import ChannelType
from frazil.spice.migration import Destination
from frazil.viewer import dialing
from frazil.viewer.address import Address
from frazil.viewer.channel import Channel

Follow: TypeAlias = Callable[[Address], bool]
"""Asked whether a desktop may be followed to there."""


@dataclass(frozen=True, slots=True)
class Route:
    """`where` is the server now."""

    where: Address | Callable[[], socket.socket]
    password: str
    follow: Follow | None = None

    @property
    def follows(self) -> bool:
        """Whether the desktop may be followed anywhere."""
        return self.follow is not None and isinstance(self.where, Address) and self.where.path is None

    async def enter(self, kind: ChannelType, number: int, *, connection_id: int, caps: Iterable[int]) -> Channel:
        """Connect and link a channel. Raises Unavailable, Refused, RemoteProtocolError, InvalidInput."""
        return await Channel.enter(
            dialing.dial_of(self.where),
            kind,
            number=number,
            connection_id=connection_id,
            password=self.password,
            caps=caps,
        )

    def to(self, told: Destination) -> Route:
        """The route to where the desktop's server says that the desktop goes; trust and proxy remain what they are.

        Who came by TLS goes on by TLS, under the same authorities. The certificate has to be of the subject that is
        told, or of the host's name without one. Raises Refused.
        """
        goes = f"The desktop moves to {told.host}:{told.tls_port or told.port}"
        if self.follow is None:
            raise Refused(f"{goes}, and this connection does not follow it.", remedy="Open it there.")
        if not isinstance(self.where, Address) or self.where.path is not None:
            raise Refused(f"{goes}, where this connection can't follow: it was given sockets, no host.")
        secure = self.where.tls_port is not None
        if secure and told.tls_port is None:
            raise Refused(f"{goes}, where there is no TLS, by which this connection came.")
        port = None if secure else told.port
        there = replace(
            self.where,
            host=told.host,
            port=port,
            tls_port=told.tls_port if port is None else None,
            host_subject=told.cert_subject,
        )
        if not self.follow(there):
            raise Refused(f"{goes}, where this connection was told not to follow it.")
        return replace(self, where=there)
