"""What a SPICE link needs of a connection, whatever carries it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Protocol

from frazil.gateway.close_codes import CloseCode
from frazil.gateway.paced_writer import PacedWriter
from frazil.gateway.record_borders import RecordBorders
from frazil.spice.fields import Buffer
from frazil.spice.framing import HeaderKind

CLOSING_DEADLINE_S = 2.0
STALLED_DEADLINE_S = 60.0
"""A viewer takes some of what is written to it within so long; a suspended one is let go."""


class ByteStream(Protocol):
    """Bytes both ways. One task reads and one writes; `close` may be called by either."""

    async def read_some(self) -> bytes:
        """What is there, at least one byte; empty at the end."""
        ...

    async def read_exactly(self, size: int) -> bytes:
        """Raises EOFError when the peer ends first."""
        ...

    def send(self, data: Buffer) -> None:
        """Hand over, in the order of the calls, and never wait; `drain` is to follow. Raises OSError."""
        ...

    async def drain(self) -> None:
        """Returns when there is room for more: the peer's slowness reaches the caller. Raises OSError."""
        ...

    async def write(self, data: bytes) -> None:
        """`send` and `drain`."""
        ...


class Reader(Protocol):
    """What `asyncio.StreamReader` and `piece_reader.PieceReader` have."""

    async def read(self, most_bytes: int, /) -> bytes: ...

    async def readexactly(self, size: int, /) -> bytes: ...


class ClientStream(ByteStream, Protocol):
    """A viewer's side of a link."""

    def begin_messages(self, kind: HeaderKind) -> None:
        """The link is made: all that is written from now on is SPICE messages with such headers."""
        ...

    async def keep_alive(self) -> None:
        """Returns when the peer is found to be gone; until then it is cancelled."""
        ...

    async def close(self, code: CloseCode, reason: str) -> None:
        """Say why as far as the protocol can, and close."""
        ...


class PlainStream:
    """A stream over a transport: a back end's socket."""

    def __init__(self, reader: Reader, writer: asyncio.StreamWriter, *, read_max_bytes: int) -> None:
        self._reader = reader
        self._writer = writer
        self._paced = PacedWriter(writer)
        self._read_max = read_max_bytes

    async def read_some(self) -> bytes:
        return await self._reader.read(self._read_max)

    async def read_exactly(self, size: int) -> bytes:
        try:
            return await self._reader.readexactly(size)
        except asyncio.IncompleteReadError as exc:
            raise EOFError(f"The peer ended after {len(exc.partial)} of {size} bytes.") from exc

    def send(self, data: Buffer) -> None:
        self._paced.send(data)

    async def drain(self) -> None:
        await self._paced.drain()

    async def write(self, data: bytes) -> None:
        self.send(data)
        await self.drain()

    async def close(self) -> None:
        self._paced.finish()
        await close_writer(self._writer)


class TunnelStream:
    """A native viewer's TLS stream, SPICE without WebSocket around it.

    SPICE's client side has no sign of life of its own. A peer that vanished is noticed by the kernel (`entrance`), and
    one that is there but takes nothing by the deadline of a write.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, read_max_bytes: int) -> None:
        self._plain = PlainStream(reader, writer, read_max_bytes=read_max_bytes)
        self._borders: RecordBorders | None = None

    def begin_messages(self, kind: HeaderKind) -> None:
        self._borders = RecordBorders(kind)

    async def read_some(self) -> bytes:
        return await self._plain.read_some()

    async def read_exactly(self, size: int) -> bytes:
        return await self._plain.read_exactly(size)

    def send(self, data: Buffer) -> None:
        border = self._borders.border(data) if self._borders else 0
        if border:
            self._plain.send(memoryview(data)[:border])  # Each sending begins a TLS record.
        self._plain.send(memoryview(data)[border:])

    async def drain(self) -> None:
        """Raises ConnectionAbortedError when the peer has taken nothing for too long."""
        try:
            async with asyncio.timeout(STALLED_DEADLINE_S):
                await self._plain.drain()
        except TimeoutError as exc:
            raise ConnectionAbortedError("The viewer takes no more data.") from exc

    async def write(self, data: bytes) -> None:
        self.send(data)
        await self.drain()

    async def keep_alive(self) -> None:
        await asyncio.Event().wait()

    async def close(self, code: CloseCode, reason: str) -> None:
        """SPICE has no word for the end of a link: the viewer sees the connection close. Code and reason are logged."""
        await self._plain.close()


async def close_writer(writer: asyncio.StreamWriter) -> None:
    """Close after what was written went out, or after a short deadline without it. Never raises for the peer's sake."""
    if not writer.is_closing():  # Python 3.11's TLS can't be aborted any more after a second close.
        writer.close()
    try:
        async with asyncio.timeout(CLOSING_DEADLINE_S):
            with contextlib.suppress(OSError):
                await writer.wait_closed()
    except TimeoutError:
        writer.transport.abort()
    except asyncio.CancelledError:
        writer.transport.abort()
        raise
