"""Writes to a TLS client in parts, each when there is room for it."""

from __future__ import annotations

import asyncio
from collections import deque

from frazil.spice.fields import Buffer

PART_BYTES = 1 << 15
"""Two TLS records."""
HIGH_WATER_BYTES = 1 << 16
"""With so much in the transport, the next part stays here."""


class PacedWriter:
    """Takes everything at once and gives it to the transport bit by bit. All in one event loop.

    A TLS transport encrypts what it is given at once, into a buffer of OpenSSL's that grows and never shrinks: a
    large message to a slow client would cost its link that memory for as long as it lives.
    """

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._waiting: deque[Buffer] = deque()
        writer.transport.set_write_buffer_limits(high=HIGH_WATER_BYTES)

    def send(self, data: Buffer) -> None:
        """Never waits. `drain` is to be called afterwards, unless it is little. Raises OSError."""
        if self._writer.is_closing():  # uvloop has another error for whoever writes to what is closed
            raise ConnectionResetError("The connection is closed.")
        if len(data) <= PART_BYTES:
            self._waiting.append(data)
        else:
            view = memoryview(data)
            self._waiting.extend(view[at : at + PART_BYTES] for at in range(0, len(view), PART_BYTES))
        while self._waiting and self._writer.transport.get_write_buffer_size() < HIGH_WATER_BYTES:
            self._writer.write(self._waiting.popleft())

    async def drain(self) -> None:
        """Returns when the transport has everything and has room for more. Several tasks may wait. Raises OSError."""
        await self._writer.drain()
        while self._waiting:
            self._writer.write(self._waiting.popleft())
            await self._writer.drain()

    def finish(self) -> None:
        """Give the transport what is left: the connection is to be closed after it."""
        while self._waiting and not self._writer.is_closing():
            self._writer.write(self._waiting.popleft())
