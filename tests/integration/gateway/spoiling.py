"""An exchange that is honest up to some byte, and then is not: a rope for either side, and raw clients that pull it."""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from tests.integration.gateway.stage import SpiceClient, Stage

GARBAGE_BYTES = 4096
HOWS = ("cut", "garbage", "stall")


class Reached(Exception):
    """The byte is reached; nothing honest comes any more."""


class Rope:
    """Counts what one side sends. At byte `at` it cuts the connection, sends garbage, or says no more."""

    def __init__(self, at: int | None = None, how: str = "cut") -> None:
        self.sent = 0
        self._at = at
        self.how = how

    def write(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        """Raises Reached."""
        if self._at is None or self.sent + len(data) <= self._at:
            writer.write(data)
            self.sent += len(data)
            return
        writer.write(data[: self._at - self.sent])
        self.sent = self._at
        if self.how == "cut":
            writer.transport.abort()
        elif self.how == "garbage":
            writer.write(random.Random(self._at).randbytes(GARBAGE_BYTES))
        raise Reached


class RopeClient(SpiceClient):
    """As `stage`'s clients are, with every byte by the rope."""

    def __init__(self, rope: Rope) -> None:
        super().__init__()
        self._rope = rope
        self.open: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def pull(self, data: bytes) -> None:
        assert self.open is not None
        self._rope.write(self.open[1], data)
        await self.open[1].drain()

    async def come(self) -> bytes:
        assert self.open is not None
        try:
            return await self.open[0].read(1 << 16)
        except OSError:
            return b""


class RopeTunnel(RopeClient):
    """By CONNECT, then TLS, as a native viewer."""

    async def enter(self, stage: Stage, session_id: str) -> None:
        self.open = await asyncio.open_connection("127.0.0.1", stage.port)
        target = f"{session_id}:{stage.port}"
        await self.pull(f"CONNECT {target} HTTP/1.0\r\nHost: {target}\r\n\r\n".encode())
        await self.open[0].readuntil(b"\r\n\r\n")
        await self.open[1].start_tls(stage.trust, server_hostname="localhost")

    async def send(self, data: bytes) -> None:
        await self.pull(data)

    async def receive(self) -> bytes:
        return await self.come()


class RopeWebSocket(RopeClient):
    """As a page does it; the upgrade is part of what is spoilt."""

    async def enter(self, stage: Stage, session_id: str) -> None:
        self._protocol = ClientProtocol(
            parse_uri(f"wss://{stage.authority}/spice/{session_id}"), subprotocols=[Subprotocol("binary")]
        )
        self.open = await asyncio.open_connection("127.0.0.1", stage.port, ssl=stage.trust)
        self._protocol.send_request(self._protocol.connect())
        await self._flush()
        while self._protocol.state is State.CONNECTING:
            self._protocol.receive_data(await self.open[0].readuntil(b"\r\n\r\n"))
        assert self._protocol.state is State.OPEN
        self._protocol.events_received()

    async def send(self, data: bytes) -> None:
        if self._protocol.state is not State.OPEN:
            raise ConnectionResetError
        self._protocol.send_binary(data)
        await self._flush()

    async def receive(self) -> bytes:
        while data := await self.come():
            self._protocol.receive_data(data)
            self._answer()
            frames = [event for event in self._protocol.events_received() if isinstance(event, Frame)]
            whole = b"".join(bytes(one.data) for one in frames if one.opcode in (Opcode.BINARY, Opcode.CONT))
            if whole:
                return whole
        return b""

    def _answer(self) -> None:
        """What the protocol says by itself, such as the answer to a farewell, is not spoilt."""
        assert self.open is not None
        for data in self._protocol.data_to_send():
            if data and not self.open[1].is_closing():
                self.open[1].write(data)

    async def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            await self.pull(data)


CLIENTS: dict[str, type[RopeTunnel | RopeWebSocket]] = {"websocket": RopeWebSocket, "tunnel": RopeTunnel}


@asynccontextmanager
async def roped(way: str, rope: Rope) -> AsyncIterator[RopeTunnel | RopeWebSocket]:
    client = CLIENTS[way](rope)
    try:
        yield client
    finally:
        if client.open is not None:
            client.open[1].transport.abort()


GONE = (Reached, EOFError, OSError, ssl.SSLError)
"""How an exchange ends that somebody has spoilt."""
