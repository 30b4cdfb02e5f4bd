"""Round trip and rate of a client's line, measured by `PING` messages of the gateway's own.

spice-server measures a line itself, but not one that it reaches through a UNIX socket: to it every line is a LAN.
Like there (`NET_TEST_BYTES`), two small pings and a large one go out together: the second small one tells the round
trip, and what the large one takes longer is its transmission.
"""

from __future__ import annotations

from collections.abc import Callable

from frazil.spice.base_messages import BaseServer, Ping
from frazil.spice.fields import Buffer
from frazil.spice.records import encode

OUR_ID = 1 << 31
"""The server's own ids are small numbers and those of `rand()`: this bit is ours."""
BALLAST_BYTES = 250 * 1024
OUTSTANDING_MAX = 8
_BALLAST = bytes(BALLAST_BYTES)


class LineProbe:
    """One client's line. `latency_s` and `rate_bits_per_s` are None until they are known."""

    def __init__(self, send: Callable[[int, Buffer], None]) -> None:
        self._send = send
        self._next_id = OUR_ID
        self._sent: dict[int, tuple[float, int]] = {}
        self._begun = False
        self.latency_s: float | None = None
        self.rate_bits_per_s: float | None = None

    def begin(self, now_s: float) -> None:
        """The client is there: measure its line."""
        self._begun = True
        for size in (0, 0, BALLAST_BYTES):
            self._ping(now_s, size)

    def again(self, now_s: float) -> None:
        """Measure the round trip again; before the client is there this does nothing."""
        if self._begun:
            self._ping(now_s, 0)

    def pong(self, ping_id: int, now_s: float) -> bool:
        """Whether a `PONG` answers a ping of ours. What it says of times is not looked at."""
        if ping_id not in self._sent:
            return False
        sent_s, size = self._sent.pop(ping_id)
        took_s = max(now_s - sent_s, 1e-6)
        if not size:
            self.latency_s = took_s
        elif self.latency_s is not None:
            self.rate_bits_per_s = 8 * size / max(took_s - self.latency_s, 1e-6)
        return True

    def _ping(self, now_s: float, size: int) -> None:
        if len(self._sent) >= OUTSTANDING_MAX:
            return
        ping_id = self._next_id
        self._next_id = OUR_ID | (ping_id + 1) % OUR_ID
        self._sent[ping_id] = (now_s, size)
        self._send(
            BaseServer.PING,
            encode(Ping(id=ping_id, timestamp=int(now_s * 1e9), data=_BALLAST[:size])),
        )
