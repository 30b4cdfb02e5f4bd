"""One channel of a desktop, whichever server it is linked to now: a desktop that moves gets other links."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import TypeAlias

from frazil.viewer.channel import Channel
from frazil.viewer.waiting import Changes

Greet: TypeAlias = Callable[[Channel], Awaitable[None]]


async def _nothing(_channel: Channel) -> None:
    """Most channels say nothing at first."""


class Line:
    """`greet` says what a new link is told first, and `renew` forgets what the last server said.

    What is sent while the line is `away` waits until it is linked again. `received_bytes` and `sent_bytes` are those of
    all its links.
    """

    def __init__(
        self,
        channel: Channel,
        number: int,
        changes: Changes,
        *,
        caps: Iterable[int] = (),
        greet: Greet | None = None,
        renew: Callable[[], None] = lambda: None,
    ) -> None:
        self.channel = channel
        self.kind = channel.kind
        self.number = number
        self.caps = tuple(caps)
        self.greet = greet or _nothing
        self.renew = renew
        self.away = False
        self.progressed: Callable[[], None] = lambda: None
        self._changes = changes
        self._earlier_received = self._earlier_sent = 0
        channel.progressed = self._progressed

    @property
    def server_caps(self) -> tuple[int, ...]:
        return self.channel.server_caps

    @property
    def handled(self) -> int:
        """See `Channel`."""
        return self.channel.handled

    @property
    def received_bytes(self) -> int:
        return self._earlier_received + self.channel.received_bytes

    @property
    def sent_bytes(self) -> int:
        return self._earlier_sent + self.channel.sent_bytes

    async def send(self, number: int, record: object) -> None:
        """One message. Raises Unavailable when the link is closed, and what the connection ends with."""
        await self.back()
        await self.channel.send(number, record)

    async def back(self) -> None:
        """Wait while it is away. Raises what the connection ends with."""
        await self._changes.until(lambda: not self.away, what="The desktop's move", timeout_s=None)

    def leave(self) -> None:
        """The link is closed; another one is to come."""
        self.away = True
        self.channel.close()

    def go_over(self, channel: Channel, *, anew: bool) -> Channel:
        """Another link takes this one's place; the server begins `anew` there, or goes on with its state.

        The old link is returned, to be closed.
        """
        old = self.channel
        self._earlier_received += old.received_bytes
        self._earlier_sent += old.sent_bytes
        self.channel = channel
        channel.progressed = self._progressed
        if anew:
            self.renew()
        self.away = False
        self._changes.tell()
        return old

    def _progressed(self) -> None:
        self.progressed()
