"""A viewer without a screen: links main, display and inputs, counts draws, presses keys.

`viewer` goes over the gateway's WebSocket, `tunnel` as a native viewer through it, `straight` to a SPICE server's own
port.

It decodes no picture. That the desktop draws, where, and that it draws an answer to a key, is what load tests and
benchmarks ask. Message numbers are spice-protocol's `enums.h`.
"""

from __future__ import annotations

import asyncio
import ssl
import struct
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Protocol

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from frazil.spice import link
from frazil.spice.auth import encrypt_password
from frazil.spice.channels import ChannelType
from frazil.spice.framing import HeaderKind, Message, MessageParser, encode
from frazil.spice.link import LinkMessage
from frazil.spice.link_errors import LinkError
from frazil.spice.main_channel import MainInit, MainServer
from frazil.spice.records import decode
from frazil.wire.rest import Ticket
from tests.harness.video import STREAM_REPORT, VIDEO_CAPS, Box, MediaTime, Streams

DEADLINE_S = 30.0
SPICE_AUTH = 1
SET_ACK, PING = 3, 4
ACK_SYNC, ACK, PONG = 1, 2, 3
ATTACH_CHANNELS, MULTI_MEDIA_TIME = 104, 106
DISPLAY_INIT, PREFERRED_COMPRESSION = 101, 103
DRAWS = frozenset({104, *range(302, 314), 318})
"""COPY_BITS and all of DRAW_FILL to DRAW_ALPHA_BLEND, and DRAW_COMPOSITE: SURFACE_CREATE alone shows nothing."""
DRAWN = struct.Struct("<4xiiii")
"""What each of them begins with: a surface, and the box."""
COMPRESSION_CAPS = 1 << 5 | 1 << 6
"""LZ4_COMPRESSION and PREF_COMPRESSION: without the first one a server that is asked for LZ4 sends LZ."""
KEY_DOWN, KEY_UP = 101, 102
SCANCODES = {
    **dict(zip("qwertyuiop", range(0x10, 0x1A), strict=True)),
    **dict(zip("asdfghjkl;", range(0x1E, 0x28), strict=True)),
    **dict(zip("zxcvbnm,./", range(0x2C, 0x36), strict=True)),
    "-": 0x0C,
    "\n": 0x1C,
    " ": 0x39,
}
"""Set 1, as SPICE has it; the letters of one row are enough to see an answer."""


class Headless:
    """Made by `viewer`. `draws` counts what has been drawn so far; `watch` is told where each time."""

    def __init__(self) -> None:
        self.inputs: _Link | None = None
        self._drawn = asyncio.Event()
        self.watch: Callable[[Box], None] | None = None
        self.streams = Streams()
        self.draws = 0
        self.display_bytes = 0
        self.last_drawn_at_s = 0.0
        self.first_picture_at_s: float | None = None

    def drew(self, box: Box) -> None:
        self.draws += 1
        if self.watch is not None:
            self.watch(box)
        self.last_drawn_at_s = time.monotonic()
        if self.first_picture_at_s is None:
            self.first_picture_at_s = time.monotonic()
        self._drawn.set()

    async def picture(self, *, after: int = 0, timeout_s: float = DEADLINE_S) -> float:
        """Wait until more than `after` draws have come. Seconds on the monotonic clock when that was seen."""
        async with asyncio.timeout(timeout_s):
            while self.draws <= after:
                self._drawn.clear()
                await self._drawn.wait()
        return time.monotonic()

    async def still(self, *, for_s: float, timeout_s: float = DEADLINE_S) -> int:
        """Wait until nothing was drawn for so long. How much was drawn until then."""
        async with asyncio.timeout(timeout_s):
            while True:
                before = self.draws
                await asyncio.sleep(for_s)  # the length of a silence is what is measured
                if self.draws == before:
                    return before

    async def press(self, *keys: str) -> None:
        """Press and release each of `SCANCODES`."""
        assert self.inputs is not None
        async with asyncio.timeout(DEADLINE_S):
            for key in keys:
                code = SCANCODES[key]
                await self.inputs.send(KEY_DOWN, struct.pack("<I", code))
                await self.inputs.send(KEY_UP, struct.pack("<I", code | 0x80))


class _Way(Protocol):
    """What carries a link: a WebSocket, or a plain socket."""

    async def send(self, message: bytes, /) -> None: ...

    async def recv(self) -> bytes | str: ...


class _Socket:
    """A plain one, or TLS over it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def send(self, message: bytes) -> None:
        self._writer.write(message)
        await self._writer.drain()

    async def recv(self) -> bytes:
        part = await self._reader.read(1 << 16)
        if not part:
            raise EOFError("the server closed the link")
        return part


class _Link:
    """One channel's link, past its handshake."""

    def __init__(self, way: _Way) -> None:
        self._way = way
        self._parser = MessageParser(HeaderKind.MINI)
        self._have = b""
        self._window = 0
        self._unacknowledged = 0

    async def enter(self, kind: ChannelType, *, connection_id: int, ticket: str, caps: int) -> None:
        asked = LinkMessage(
            connection_id=connection_id, channel_type=kind, channel_id=0, common_caps=(0b1011,),
            channel_caps=(caps,) if caps else (),
        )  # fmt: skip
        await self._way.send(link.encode_message(asked))
        reply = link.decode_reply(await self._read(link.decode_header(await self._read(link.HEADER_BYTES))))
        await self._way.send(struct.pack("<I", SPICE_AUTH) + encrypt_password(reply.public_key, ticket.encode()))
        result = LinkError(struct.unpack("<I", await self._read(4))[0])
        assert result is LinkError.OK, f"{kind.name}: {result.name}"

    async def _read(self, size: int) -> bytes:
        while len(self._have) < size:
            self._have += await self._receive()
        data, self._have = self._have[:size], self._have[size:]
        return data

    async def _receive(self) -> bytes:
        part = await self._way.recv()
        assert isinstance(part, bytes)
        return part

    async def send(self, message_type: int, body: bytes) -> None:
        await self._way.send(encode(HeaderKind.MINI, message_type, body))

    async def messages(self) -> AsyncIterator[Message]:
        """What the server says, for ever; pings and acknowledgements are answered."""
        data, self._have = self._have, b""
        while True:
            for message in self._parser.feed(data):
                await self._answer(message)
                yield message
            data = await self._receive()

    async def _answer(self, message: Message) -> None:
        if message.type == SET_ACK:
            generation, self._window = struct.unpack_from("<II", message.body)
            self._unacknowledged = 0
            await self.send(ACK_SYNC, struct.pack("<I", generation))
        elif message.type == PING:
            await self.send(PONG, bytes(message.body[:12]))
        self._unacknowledged += 1
        if self._window and self._unacknowledged >= self._window:
            self._unacknowledged = 0
            await self.send(ACK, b"")


@asynccontextmanager
async def viewer(address: str, ca: Path, ticket: Ticket, *, video: bool = False) -> AsyncIterator[Headless]:
    """A viewer on the session that `ticket` opens, at the gateway on `address` (host:port).

    `video`: it says that it can show video, and reports on what it is sent as the page does.
    """
    context = ssl.create_default_context(cafile=str(ca))
    url = f"wss://{address}{ticket.spice_path}"

    def dial() -> connect:
        return connect(
            url, ssl=context, subprotocols=[Subprotocol("binary")], max_size=None, open_timeout=DEADLINE_S,
            compression=None, ping_interval=None,
        )  # fmt: skip

    async with _looking(dial, ticket.ticket, video=video) as made:
        yield made


async def cut_off(looking: AbstractAsyncContextManager[Headless], cut: Callable[[], None]) -> tuple[float, set[int]]:
    """Look, have something cut (which may block), and wait until the viewer is told: seconds from then, and the codes
    that its WebSockets were closed with."""
    cut_at_s = None
    codes: set[int] = set()
    try:
        async with looking as seen:
            await seen.picture(timeout_s=60)
            await asyncio.to_thread(cut)
            cut_at_s = time.monotonic()
            await asyncio.Event().wait()
    except* ConnectionClosed as group:
        codes = {one.rcvd.code for one in group.exceptions if isinstance(one, ConnectionClosed) and one.rcvd}
    assert cut_at_s is not None, "the viewer was there until then"
    return time.monotonic() - cut_at_s, codes


@asynccontextmanager
async def tunnel(address: str, ca: Path, ticket: Ticket, *, video: bool = False) -> AsyncIterator[Headless]:
    """The same as a native viewer comes in: by CONNECT, and TLS inside it."""
    context = ssl.create_default_context(cafile=str(ca))
    host, _, port = address.rpartition(":")
    target = f"{ticket.spice_path.rpartition('/')[2]}:{port}"

    @asynccontextmanager
    async def dial() -> AsyncIterator[_Socket]:
        reader, writer = await asyncio.open_connection(host, int(port))
        try:
            writer.write(f"CONNECT {target} HTTP/1.0\r\nHost: {target}\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.split()[1] == b"200", head
            await writer.start_tls(context, server_hostname=host)
            yield _Socket(reader, writer)
        finally:
            writer.transport.abort()

    async with _looking(dial, ticket.ticket, video=video) as made:
        yield made


@asynccontextmanager
async def straight(port: int, *, compression: int | None = None, video: bool = False) -> AsyncIterator[Headless]:
    """A viewer of the SPICE server on this machine's `port`, which asks for no password.

    `compression` of pictures (`SPICE_IMAGE_COMPRESSION_*`) is asked for before the first one; without it the server's
    own stays. The gateway takes no such wish before the display has begun (ADR 0205).
    """

    @asynccontextmanager
    async def dial() -> AsyncIterator[_Socket]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            yield _Socket(reader, writer)
        finally:
            writer.close()

    async with _looking(dial, "", compression=compression, video=video) as made:
        yield made


@asynccontextmanager
async def _looking(
    dial: Callable[[], AbstractAsyncContextManager[_Way]], password: str, *, compression: int | None = None, video: bool
) -> AsyncIterator[Headless]:
    caps = (VIDEO_CAPS if video else 0) | (COMPRESSION_CAPS if compression is not None else 0)
    async with AsyncExitStack() as sockets, asyncio.TaskGroup() as tasks:

        async def enter(kind: ChannelType, connection_id: int) -> _Link:
            made = _Link(await sockets.enter_async_context(dial()))
            display_caps = caps if kind == ChannelType.DISPLAY else 0
            await made.enter(kind, connection_id=connection_id, ticket=password, caps=display_caps)
            return made

        async with asyncio.timeout(DEADLINE_S):
            main = await enter(ChannelType.MAIN, 0)
            main_messages = main.messages()
            first = await _init(main_messages)
            made = Headless()
            made.streams.time = MediaTime(first.multi_media_time_ms)
            # From now on: the pings that measure the line wait to be answered.
            following = [tasks.create_task(_keep_time(main_messages, made.streams))]
            await main.send(ATTACH_CHANNELS, b"")
            coming = tasks.create_task(enter(ChannelType.INPUTS, first.session_id))
            display = await enter(ChannelType.DISPLAY, first.session_id)
            if compression is not None:
                await display.send(PREFERRED_COMPRESSION, bytes([compression]))
            await display.send(DISPLAY_INIT, struct.pack("<BqBi", 1, 1 << 20, 1, 1 << 20))
            following.append(tasks.create_task(_count(display, made)))
            made.inputs = await coming
            following.append(tasks.create_task(_follow(made.inputs.messages())))
        try:
            yield made
        finally:
            for task in following:
                task.cancel()


async def _init(messages: AsyncIterator[Message]) -> MainInit:
    """The main link's first message."""
    async for message in messages:
        if message.type == MainServer.INIT:
            return decode(MainInit, message.body)
    raise AssertionError("the main link says who it is")


async def _follow(messages: AsyncIterator[Message]) -> None:
    async for _ in messages:
        pass


async def _keep_time(messages: AsyncIterator[Message], streams: Streams) -> None:
    async for message in messages:
        if message.type == MULTI_MEDIA_TIME:
            streams.time = MediaTime(struct.unpack_from("<I", message.body)[0])


async def _count(display: _Link, seen: Headless) -> None:
    async for message in display.messages():
        seen.display_bytes += len(message.body)
        if message.type in DRAWS:
            top, left, bottom, right = DRAWN.unpack_from(message.body)
            seen.drew(Box(left, top, right, bottom))
        elif box := seen.streams.take(message):
            seen.drew(box)
            if report := seen.streams.report(message):
                await display.send(STREAM_REPORT, report)
