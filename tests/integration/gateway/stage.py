"""The gateway on a stage: real TLS, real SPICE, real sockets; the controller is a small one of the tests' own."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import struct
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Origin, Subprotocol

from frazil.gateway import app
from frazil.gateway.tls import ensure_certificates
from frazil.runtime import SystemClock
from frazil.settings import Settings
from frazil.spice import link
from frazil.spice.auth import encrypt_password
from frazil.spice.channels import ChannelType
from frazil.spice.display_channel import DisplayClient, DisplayInit
from frazil.spice.framing import HeaderKind, encode
from frazil.spice.link import LinkMessage, LinkReply
from frazil.spice.main_channel import ChannelsList, MainClient, MainInit, MainServer
from frazil.spice.records import decode
from frazil.spice.records import encode as encode_body
from tests.harness.ports import free_port
from tests.integration.gateway.controller import FakeController
from tests.integration.gateway.display_server import DisplayServer

DEADLINE_S = 20.0
FIRST_ON_DISPLAY = encode(
    HeaderKind.MINI,
    DisplayClient.INIT,
    encode_body(
        DisplayInit(pixmap_cache_id=1, pixmap_cache_pixels=1 << 20, glz_dictionary_id=1, glz_window_pixels=1 << 20)
    ),
)
"""A viewer's first message on a display channel."""
WAYS = ("websocket", "tunnel", "tunnel-in-tls")


@dataclass(slots=True, kw_only=True)
class Door:
    """A gateway's public port, as clients know it."""

    port: int
    trust: ssl.SSLContext

    @property
    def authority(self) -> str:
        return f"localhost:{self.port}"

    @asynccontextmanager
    async def websocket(
        self, session_id: str, *, origin: str | None = "same", come_from: str = "127.0.0.1"
    ) -> AsyncIterator[WebSocketClient]:
        """As the page opens it. `come_from` is another address of this machine's loopback."""
        given = Origin(f"https://{self.authority}" if origin == "same" else origin) if origin else None
        async with connect(
            f"wss://{self.authority}/spice/{session_id}",
            ssl=self.trust,
            origin=given,
            subprotocols=[Subprotocol("binary")],
            compression=None,
            proxy=None,
            local_addr=(come_from, 0),
            max_size=None,
            close_timeout=1,
        ) as connection:
            yield WebSocketClient(connection)

    @asynccontextmanager
    async def tunnel(self, session_id: str, *, in_tls: bool = False) -> AsyncIterator[TunnelClient]:
        """CONNECT as remote-viewer does it, or inside TLS as through an https proxy; then TLS with the gateway."""
        trust = self.trust if in_tls else None
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=trust)
        try:
            target = f"{session_id}:{self.port}"
            writer.write(
                f"CONNECT {target} HTTP/1.0\r\nHost: {target}\r\nProxy-Connection: keep-alive\r\n\r\n".encode()
            )
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), DEADLINE_S)
            assert head.split()[1] == b"200", head
            await writer.start_tls(self.trust, server_hostname="localhost")
            yield TunnelClient(reader, writer)
        finally:
            # What is unread now would break TLS's farewell, which Python 3.11 does not survive inside another TLS.
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    def way(self, way: str, session_id: str) -> AbstractAsyncContextManager[SpiceClient]:
        """A link by one of `WAYS`."""
        return (
            self.websocket(session_id) if way == "websocket" else self.tunnel(session_id, in_tls=way == "tunnel-in-tls")
        )


@dataclass(slots=True, kw_only=True)
class Stage(Door):
    """What a test needs to know of it."""

    settings: Settings
    controller: FakeController
    displays: DisplayServer
    gateway: asyncio.Task[None]


class SpiceClient(ABC):
    """A SPICE client that can also do everything wrong."""

    def __init__(self) -> None:
        self._have = b""
        self.asked = LinkMessage(connection_id=0, channel_type=ChannelType.MAIN, channel_id=0)
        self.reply = LinkReply(error=0)

    @abstractmethod
    async def send(self, data: bytes) -> None: ...

    @abstractmethod
    async def receive(self) -> bytes:
        """Some bytes; empty when the gateway has closed the link."""

    async def read(self, size: int) -> bytes:
        async with asyncio.timeout(DEADLINE_S):
            while len(self._have) < size:
                part = await self.receive()
                if not part:
                    raise EOFError(f"closed after {len(self._have)} of {size} bytes")
                self._have += part
        data, self._have = self._have[:size], self._have[size:]
        return data

    async def some(self) -> bytes:
        """What has come and was not read yet, else what comes next; empty at the end."""
        data, self._have = self._have or await self.receive(), b""
        return data

    async def ended(self) -> None:
        """Read until the gateway closes the link."""
        async with asyncio.timeout(DEADLINE_S):
            while await self.receive():
                pass

    @property
    def kind(self) -> HeaderKind:
        """What stands before each message, as both sides' capabilities have it."""
        return HeaderKind.MINI if link.uses_mini_header(self.asked, self.reply) else HeaderKind.FULL

    async def ask(
        self,
        channel: ChannelType,
        *,
        connection_id: int = 0,
        channel_id: int = 0,
        common_caps: tuple[int, ...] = (0b1001,),
        channel_caps: tuple[int, ...] = (),
    ) -> None:
        """A link's first message."""
        self.asked = LinkMessage(
            connection_id=connection_id,
            channel_type=channel,
            channel_id=channel_id,
            common_caps=common_caps,
            channel_caps=channel_caps,
        )
        await self.send(link.encode_message(self.asked))

    async def link(
        self, channel: ChannelType, *, connection_id: int = 0, common_caps: tuple[int, ...] = (0b1001,)
    ) -> LinkReply:
        await self.ask(channel, connection_id=connection_id, common_caps=common_caps)
        return await self.read_reply()

    async def read_reply(self) -> LinkReply:
        size = link.decode_header(await self.read(link.HEADER_BYTES))
        self.reply = link.decode_reply(await self.read(size))
        return self.reply

    async def give(self, ticket: str) -> int:
        """The password exchange; the result's code."""
        mechanism = struct.pack("<I", 1) if link.selects_auth(self.asked, self.reply) else b""
        await self.send(mechanism + encrypt_password(self.reply.public_key, ticket.encode()))
        return int(struct.unpack("<I", await self.read(4))[0])

    async def message(self, number: int) -> bytes:
        """The body of the next message of this kind; others are passed over."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                came, body = await self.next_message()
                if came == number:
                    return body

    async def next_message(self) -> tuple[int, bytes]:
        """The next message's number and body."""
        header = await self.read(self.kind.value)
        number, size = struct.unpack_from("<HI", header, 0 if self.kind is HeaderKind.MINI else 8)
        return number, await self.read(size)

    async def say(self, number: int, body: bytes = b"") -> None:
        await self.send(encode(self.kind, number, body, serial=1))

    async def main_init(self) -> int:
        """The connection id that the back end says first."""
        return decode(MainInit, await self.message(MainServer.INIT)).session_id

    async def channels(self) -> set[int]:
        """The kinds of channels that the back end lists when it is asked, as far as the gateway lets them through."""
        await self.send(encode(HeaderKind.MINI, MainClient.ATTACH_CHANNELS, b""))
        return {c.type for c in decode(ChannelsList, await self.message(MainServer.CHANNELS_LIST)).channels}

    async def lives(self) -> None:
        """A main link's back end still answers: its channels are asked for, and listed."""
        assert ChannelType.DISPLAY in await self.channels()


class WebSocketClient(SpiceClient):
    """As the page does it."""

    def __init__(self, connection: ClientConnection) -> None:
        super().__init__()
        self.connection = connection

    async def send(self, data: bytes) -> None:
        await self.connection.send(data)

    async def receive(self) -> bytes:
        try:
            part = await self.connection.recv()
        except ConnectionClosed:
            return b""
        assert isinstance(part, bytes)
        return part

    async def closed(self) -> int:
        """Read to the end; the close code."""
        async with asyncio.timeout(DEADLINE_S):
            try:
                while True:
                    await self.connection.recv()
            except ConnectionClosed as closed:
                return closed.rcvd.code if closed.rcvd else 1006


class TunnelClient(SpiceClient):
    """As a native viewer does it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        super().__init__()
        self._reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def receive(self) -> bytes:
        try:
            return await self._reader.read(1 << 16)
        except ConnectionError:
            return b""


class Connections:
    """Makes the client side of raw connections, for those who speak no WebSocket."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    async def plain(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self._stage.port)

    async def tls(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self._stage.port, ssl=self._stage.trust)

    @classmethod
    def to(cls, stage: Stage) -> Self:
        return cls(stage)


@asynccontextmanager
async def staged(directory: Path, back_end: Path, controllers: AsyncExitStack | None = None) -> AsyncIterator[Stage]:
    """Everything up; taken down in order at the end. `controllers` takes the controller, to be stopped by itself."""
    port = free_port()
    settings = Settings(state_dir=directory / "state", run_dir=directory / "run", listen=f"127.0.0.1:{port}")
    ensure_certificates(settings, clock=SystemClock(), owner_gid=None)
    trust = ssl.create_default_context(cafile=settings.tls_dir / "ca.pem")
    controller = FakeController()
    displays = DisplayServer(back_end)
    ready = asyncio.Event()
    async with AsyncExitStack() as own, displays.running(settings.display_socket):
        await (controllers or own).enter_async_context(
            controller.running(settings.internal_socket, settings.public_socket)
        )
        gateway = asyncio.create_task(app.serve(settings, clock=SystemClock(), ready=ready.set))
        try:
            async with asyncio.timeout(DEADLINE_S):
                await ready.wait()
                await controller.listening.wait()
            yield Stage(
                settings=settings, port=port, controller=controller, displays=displays, trust=trust, gateway=gateway
            )
        finally:
            gateway.cancel()
            await asyncio.gather(gateway, return_exceptions=True)
