"""The back end of `bench/gateway.py`: a SPICE server's plain socket without a desktop, which takes every link.

    python bench/plain_server.py SOCKET PORT CERTIFICATE

It listens on the socket SOCKET, and by TLS on PORT of the loopback with CERTIFICATE, a file that holds its key too.
Prints `ready` once both are there, and ends with its standard input.

A main link begins as spice-server's over TCP does: with 250 KiB in a ping, by which it measures the line. On a display
link a client's message `ECHO` is answered by one message of as many bytes as it asks for; `STREAM` by such
messages without end, each sent by a call of its own, as spice-server sends them.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import ssl
import struct
import sys
from pathlib import Path
from typing import Protocol

import uvloop

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from frazil.spice import link
from frazil.spice.auth import ENCRYPTED_BYTES, TicketKey
from frazil.spice.base_messages import BaseServer, Ping
from frazil.spice.channels import ChannelType
from frazil.spice.framing import HeaderKind, encode
from frazil.spice.link import LinkReply
from frazil.spice.main_channel import MainInit, MainServer
from frazil.spice.records import encode as encode_body
from tests.integration.gateway.stage import FIRST_ON_DISPLAY

ECHO, STREAM = 201, 202
"""No numbers of real messages: those the gateway looks at."""
ANSWER = 101
DISPLAY_MARK = 102
ASK = struct.Struct("<HII")
"""A whole message: type, its body's size, and in the body how many bytes each answer is to have, header and all."""
CAPS = (0b1001,)
"""AUTH_SELECTION and MINI_HEADER."""
HEADER_BYTES = HeaderKind.MINI.value
BEGINNING = encode(HeaderKind.MINI, BaseServer.SET_ACK, bytes(8)) + encode(HeaderKind.MINI, DISPLAY_MARK, b"")
"""What a display channel begins with."""
BALLAST = encode(HeaderKind.MINI, BaseServer.PING, encode_body(Ping(id=1, timestamp=0, data=bytes(250 << 10))))
AT_A_TIME = 32


class Line(Protocol):
    """One connection."""

    async def read(self, size: int) -> bytes:
        """So many bytes. Raises EOFError, or another, when they don't come."""
        ...

    async def send(self, data: bytes) -> None: ...


class Plain:
    """A socket of our own, without a buffer between."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    async def read(self, size: int) -> bytes:
        loop = asyncio.get_running_loop()
        have = b""
        while len(have) < size:
            part = await loop.sock_recv(self._sock, size - len(have))
            if not part:
                raise EOFError
            have += part
        return have

    async def send(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self._sock, data)


class Tls:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def read(self, size: int) -> bytes:
        return await self._reader.readexactly(size)

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()


class SpiceServer:
    """Numbers its main links."""

    def __init__(self) -> None:
        self._reply = link.encode_reply(LinkReply(error=0, public_key=TicketKey().public_der, common_caps=CAPS))
        self._numbers = itertools.count(1)

    async def serve(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as tasks:
            while True:
                sock, _ = await loop.sock_accept(listening)
                tasks.create_task(self._plain(sock))

    async def _plain(self, sock: socket.socket) -> None:
        with sock:
            await self._link(Plain(sock))

    async def tls(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._link(Tls(reader, writer))
        finally:
            writer.transport.abort()

    async def _link(self, line: Line) -> None:
        with contextlib.suppress(OSError, EOFError):
            message = link.decode_message(await line.read(link.decode_header(await line.read(link.HEADER_BYTES))))
            await line.send(self._reply)
            await line.read(4 + ENCRYPTED_BYTES)
            await line.send(bytes(4))
            if message.channel_type == ChannelType.MAIN:
                init = MainInit(session_id=next(self._numbers), display_channels_hint=1, supported_mouse_modes=3,
                                current_mouse_mode=2, agent_connected=False, agent_tokens=10, multi_media_time_ms=0,
                                ram_hint=0)  # fmt: skip
                await line.send(encode(HeaderKind.MINI, MainServer.INIT, encode_body(init)))
                await line.send(BALLAST)
                while await line.read(1):
                    """A main link has nothing more to say here."""
            else:
                await self._display(line)

    async def _display(self, line: Line) -> None:
        await line.read(len(FIRST_ON_DISPLAY))
        await line.send(BEGINNING)
        while True:
            number, _, size = ASK.unpack(await line.read(ASK.size))
            answer = encode(HeaderKind.MINI, ANSWER, bytes(size - HEADER_BYTES))
            await line.send(answer)
            while number == STREAM:
                for _ in range(AT_A_TIME):
                    await line.send(answer)
                await asyncio.sleep(0)  # A socket that never fills must not keep the others out.


async def main(path: Path, port: int, certificate: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(certificate)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen(512)
        listening.setblocking(False)
        server = SpiceServer()
        by_tls = await asyncio.start_server(server.tls, "127.0.0.1", port, ssl=context, backlog=512)
        async with by_tls, asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(server.serve(listening))
            print("ready", flush=True)
            await asyncio.to_thread(sys.stdin.read)
            serving.cancel()


if __name__ == "__main__":
    uvloop.run(main(Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])))
