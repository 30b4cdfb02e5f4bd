"""The back end of `bench/gateway.py`: a SPICE server's plain socket without a desktop, which takes every link.

    python bench/plain_server.py SOCKET

Prints `ready` once the socket is there, and ends with its standard input.

A main link begins as spice-server's over TCP does: with 250 KiB in a ping, by which it measures the line. On a display
link a client's message `ECHO` is answered by one message of as many bytes as it asks for; `STREAM` by such
messages without end, each sent by a call of its own, as spice-server sends them.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import struct
import sys
from pathlib import Path

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
                tasks.create_task(self._link(sock))

    async def _link(self, sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        with sock, contextlib.suppress(OSError, EOFError):
            message = link.decode_message(await _read(sock, link.decode_header(await _read(sock, link.HEADER_BYTES))))
            await loop.sock_sendall(sock, self._reply)
            await _read(sock, 4 + ENCRYPTED_BYTES)
            await loop.sock_sendall(sock, bytes(4))
            if message.channel_type == ChannelType.MAIN:
                init = MainInit(session_id=next(self._numbers), display_channels_hint=1, supported_mouse_modes=3,
                                current_mouse_mode=2, agent_connected=False, agent_tokens=10, multi_media_time_ms=0,
                                ram_hint=0)  # fmt: skip
                await loop.sock_sendall(sock, encode(HeaderKind.MINI, MainServer.INIT, encode_body(init)))
                await loop.sock_sendall(sock, BALLAST)
                while await loop.sock_recv(sock, 1 << 16):
                    """A main link has nothing more to say here."""
            else:
                await self._display(sock)

    async def _display(self, sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        await _read(sock, len(FIRST_ON_DISPLAY))
        await loop.sock_sendall(sock, BEGINNING)
        while True:
            number, _, size = ASK.unpack(await _read(sock, ASK.size))
            answer = encode(HeaderKind.MINI, ANSWER, bytes(size - HEADER_BYTES))
            await loop.sock_sendall(sock, answer)
            while number == STREAM:
                for _ in range(AT_A_TIME):
                    await loop.sock_sendall(sock, answer)
                await asyncio.sleep(0)  # A socket that never fills must not keep the others out.


async def _read(sock: socket.socket, size: int) -> bytes:
    loop = asyncio.get_running_loop()
    have = b""
    while len(have) < size:
        part = await loop.sock_recv(sock, size - len(have))
        if not part:
            raise EOFError
        have += part
    return have


async def main(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen(512)
        listening.setblocking(False)
        async with asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(SpiceServer().serve(listening))
            print("ready", flush=True)
            await asyncio.to_thread(sys.stdin.read)
            serving.cancel()


if __name__ == "__main__":
    uvloop.run(main(Path(sys.argv[1])))
