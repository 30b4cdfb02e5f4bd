"""Reads a back end's socket out of one buffer that the whole process shares; only what came is copied.

`asyncio.StreamReader` is given what came as one object, however large, and copies it into a buffer of its own that
grows. Both are freed again, but later links' buffers are then made of that memory: each idle link kept 100 KiB more.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from typing import cast

PIECE_BYTES = 1 << 16
_shared = memoryview(bytearray(PIECE_BYTES))
"""An event loop fills it and says so in one go; a process of ours has one loop."""


class PieceReader(asyncio.BufferedProtocol):
    """The two methods of a `StreamReader` that are needed, with the same errors; and a `StreamWriter`'s protocol.

    One task reads. (`FlowControlMixin` would do the second part, but with it uvloop takes this for another protocol.)
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._room = asyncio.Event()
        self._room.set()
        self._pieces: deque[bytes] = deque()
        self._held_bytes = 0
        self._more = asyncio.Event()
        self._held_back = self._ended = False
        self._why: Exception | None = None
        self._closed: asyncio.Future[None] = loop.create_future()
        self._transport: asyncio.Transport | None = None

    async def read(self, most_bytes: int) -> bytes:
        """What has come, or what comes next; empty at the end. Raises OSError when the peer broke off."""
        while not self._pieces:
            if self._why is not None:
                raise self._why
            if self._ended:
                return b""
            self._more.clear()
            await self._more.wait()
        data = self._pieces.popleft() if len(self._pieces) == 1 else self._joined(most_bytes)
        if len(data) > most_bytes:
            self._pieces.appendleft(data[most_bytes:])
            data = data[:most_bytes]
        self._held_bytes -= len(data)
        if self._held_back and self._held_bytes < PIECE_BYTES and self._transport is not None:
            self._held_back = False
            self._transport.resume_reading()
        return data

    async def readexactly(self, size: int) -> bytes:
        """Raises IncompleteReadError when the peer ends before."""
        have = b""
        while len(have) < size:
            part = await self.read(size - len(have))
            if not part:
                raise asyncio.IncompleteReadError(have, size)
            have += part
        return have

    def _joined(self, most_bytes: int) -> bytes:
        """As many whole pieces as fit, at least one."""
        parts = [self._pieces.popleft()]
        size = len(parts[0])
        while self._pieces and size + len(self._pieces[0]) <= most_bytes:
            size += len(self._pieces[0])
            parts.append(self._pieces.popleft())
        return b"".join(parts)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but its class

    def get_buffer(self, sizehint: int) -> memoryview:
        return _shared

    def buffer_updated(self, nbytes: int) -> None:
        self._pieces.append(bytes(_shared[:nbytes]))
        self._held_bytes += nbytes
        if self._held_bytes >= PIECE_BYTES and self._transport is not None:
            self._held_back = True
            self._transport.pause_reading()
        self._more.set()

    def eof_received(self) -> bool:
        self._ended = True
        self._more.set()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended, self._why = True, exc
        self._more.set()
        self._transport = None
        self._room.set()
        if not self._closed.done():
            self._closed.set_result(None)

    def pause_writing(self) -> None:
        self._room.clear()

    def resume_writing(self) -> None:
        self._room.set()

    async def _drain_helper(self) -> None:
        """For `StreamWriter.drain`."""
        await self._room.wait()
        if self._transport is None:
            raise ConnectionResetError("The connection is lost.")

    def _get_close_waiter(self, stream: asyncio.StreamWriter) -> asyncio.Future[None]:
        """For `StreamWriter.wait_closed`."""
        return self._closed


async def connected(sock: socket.socket) -> tuple[PieceReader, asyncio.StreamWriter]:
    """The streams of a connected socket, which they own from then on."""
    loop = asyncio.get_running_loop()
    reader = PieceReader(loop)
    transport, _ = await loop.create_connection(lambda: reader, sock=sock)
    return reader, asyncio.StreamWriter(transport, cast(asyncio.Protocol, reader), None, loop)
