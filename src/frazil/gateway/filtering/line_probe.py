"""Round trip and rate of a client's line, measured by `PING` messages on its main link.

The round trip by small ones of the gateway's own. The rate by the server's: spice-server sends 250 KiB in one
(`NET_TEST_BYTES`), and what the answer to that takes longer is their transmission.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from frazil.spice.base_messages import BaseServer, Ping
from frazil.spice.fields import Buffer
from frazil.spice.records import encode

OUR_ID = 1 << 31
"""The server's own ids are small numbers and those of `rand()`: this bit is ours."""
BALLAST_LEAST_BYTES = 64 * 1024
"""A smaller one says little of a line's rate."""
OUTSTANDING_MAX = 8


class LineProbe:
    """One client's line. `latency_s` and `rate_bits_per_s` are None until they are known."""

    def __init__(self, send: Callable[[int, Buffer], None]) -> None:
        self._send = send
        self._next_id = OUR_ID
        self._sent: dict[int, float] = {}
        self._servers: deque[tuple[float, int]] = deque(maxlen=OUTSTANDING_MAX)
        self._begun = False
        self.latency_s: float | None = None
        self.rate_bits_per_s: float | None = None

    def begin(self, now_s: float) -> None:
        """The client is there: measure its line. Of two, the second one does not wait for what is only just set up."""
        self._begun = True
        for _ in range(2):
            self._ping(now_s)

    def again(self, now_s: float) -> None:
        """Measure the round trip again; before the client is there this does nothing."""
        if self._begun:
            self._ping(now_s)

    def pinged(self, size: int, now_s: float) -> None:
        """A ping of the server's own, of so many bytes, goes to the client."""
        self._servers.append((now_s, size))

    def pong(self, ping_id: int, now_s: float) -> bool:
        """Whether a `PONG` answers a ping of ours. What it says of times is not looked at.

        A client answers the server's in their order.
        """
        if ping_id in self._sent:
            self.latency_s = max(now_s - self._sent.pop(ping_id), 1e-6)
            return True
        if self._servers:
            sent_s, size = self._servers.popleft()
            if size >= BALLAST_LEAST_BYTES and self.latency_s is not None:
                self.rate_bits_per_s = 8 * size / max(now_s - sent_s - self.latency_s, 1e-6)
        return False

    def _ping(self, now_s: float) -> None:
        if len(self._sent) >= OUTSTANDING_MAX:
            return
        ping_id = self._next_id
        self._next_id = OUR_ID | (ping_id + 1) % OUR_ID
        self._sent[ping_id] = now_s
        self._send(BaseServer.PING, encode(Ping(id=ping_id, timestamp=int(now_s * 1e9), data=b"")))
