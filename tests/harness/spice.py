"""A SPICE main link over a stack's WebSocket, as far as the ticket's acceptance or refusal."""

from __future__ import annotations

import asyncio
import ssl
import struct
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from frazil.gateway.close_codes import CloseCode
from frazil.spice import link
from frazil.spice.auth import encrypt_password
from frazil.spice.channels import ChannelType
from frazil.spice.link import LinkMessage
from frazil.spice.link_errors import LinkError
from tests.harness.stack import Stack

DEADLINE_S = 30.0
SPICE_AUTH = 1


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a ticket: the link's result, and why the WebSocket was closed (None while it is open)."""

    result: LinkError
    closed: CloseCode | None


def give(stack: Stack, spice_path: str, ticket: str) -> Answer:
    """Open a main link at `spice_path` with `ticket`, and let go of it."""
    with ThreadPoolExecutor(1) as apart:  # a test's own thread may have a loop already, as with a browser
        return apart.submit(asyncio.run, _give(stack, spice_path, ticket)).result()


async def _give(stack: Stack, spice_path: str, ticket: str) -> Answer:
    # The client of threads reads and writes at once, by which the TLS of Python 3.11 loses what is written.
    context = ssl.create_default_context(cafile=str(stack.ca))
    url = f"wss://{stack.settings.listen}{spice_path}"
    async with (
        asyncio.timeout(DEADLINE_S),
        connect(url, ssl=context, subprotocols=[Subprotocol("binary")], max_size=None, proxy=None) as websocket,
    ):
        reader = _Reader(websocket)
        asked = LinkMessage(connection_id=0, channel_type=ChannelType.MAIN, channel_id=0, common_caps=(0b1001,))
        await websocket.send(link.encode_message(asked))
        header = link.decode_header(await reader.read(link.HEADER_BYTES))
        reply = link.decode_reply(await reader.read(header))
        await websocket.send(struct.pack("<I", SPICE_AUTH) + encrypt_password(reply.public_key, ticket.encode()))
        result = LinkError(struct.unpack("<I", await reader.read(4))[0])
        return Answer(result, None if result is LinkError.OK else await reader.closed())


class _Reader:
    """Bytes out of a WebSocket's messages."""

    def __init__(self, websocket: ClientConnection) -> None:
        self._websocket = websocket
        self._have = b""

    async def read(self, size: int) -> bytes:
        while len(self._have) < size:
            part = await self._websocket.recv()
            assert isinstance(part, bytes)
            self._have += part
        data, self._have = self._have[:size], self._have[size:]
        return data

    async def closed(self) -> CloseCode | None:
        """Read to the end; the code that it was closed with."""
        try:
            while True:
                await self._websocket.recv()
        except ConnectionClosed as closed:
            return CloseCode(closed.rcvd.code) if closed.rcvd else None
