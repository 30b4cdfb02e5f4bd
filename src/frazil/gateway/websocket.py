"""SPICE bytes in binary WebSocket messages (RFC 6455; framing by the `websockets` library, sans I/O).

Message borders mean nothing to SPICE: what is read is a stream, and what is written goes out in frames as large as what
has come together meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import re

from websockets.exceptions import InvalidState
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import SEND_EOF, State
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from frazil.gateway.close_codes import CloseCode
from frazil.gateway.paced_writer import PacedWriter
from frazil.gateway.streams import close_writer
from frazil.model.clock import Clock
from frazil.spice.fields import Buffer
from frazil.spice.framing import HeaderKind

PING_EVERY_S = 20.0
SILENCE_MAX_S = 60.0
"""A peer that sends nothing for so long, not even a pong, is gone."""
INCOMING_MAX_BYTES = 1 << 20
READ_MAX_BYTES = 1 << 16
GOODBYE_DEADLINE_S = 1.0
SUBPROTOCOL = "binary"


def _choose(_: ServerProtocol, offered: object) -> Subprotocol | None:
    return Subprotocol(SUBPROTOCOL) if isinstance(offered, (list, tuple)) and SUBPROTOCOL in offered else None


class WebSocketStream:
    """A `ByteStream`. One task reads, one writes, one keeps alive; all in one event loop."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, clock: Clock) -> None:
        self._reader = reader
        self._writer = writer
        self._paced = PacedWriter(writer)
        self._clock = clock
        self._protocol = ServerProtocol(select_subprotocol=_choose, max_size=INCOMING_MAX_BYTES)
        self._arrived: list[bytes] = []
        self._heard_s = clock.monotonic_s()
        self._closed = False

    async def accept(self, head: bytes) -> bool:
        """Answer the upgrade request whose head is `head`. False when it was none that can be accepted."""
        self._protocol.receive_data(head)
        for event in self._protocol.events_received():
            if isinstance(event, Request):
                response = self._protocol.accept(event)
                self._protocol.send_response(response)
        self._flush()
        await self._paced.drain()
        return self._protocol.state is State.OPEN

    def begin_messages(self, kind: HeaderKind) -> None:
        """Message borders mean nothing to this client."""

    async def read_some(self) -> bytes:
        while not self._arrived:
            if self._protocol.state is not State.OPEN:
                return b""
            data = await self._reader.read(READ_MAX_BYTES)
            self._heard_s = self._clock.monotonic_s()
            if data:
                self._protocol.receive_data(data)
            else:
                self._protocol.receive_eof()
            pinged = False
            for event in self._protocol.events_received():
                if isinstance(event, Frame) and event.opcode in (Opcode.BINARY, Opcode.CONT) and event.data:
                    self._arrived.append(bytes(event.data))
                elif isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                    self._protocol.fail(1003, "SPICE comes in binary messages.")
                pinged |= isinstance(event, Frame) and event.opcode is Opcode.PING
            self._flush()
            if pinged:  # who pings and does not read is not read either, or its pongs would pile up here
                await self._paced.drain()
        whole = self._arrived[0] if len(self._arrived) == 1 else b"".join(self._arrived)
        self._arrived.clear()
        return whole

    async def read_exactly(self, size: int) -> bytes:
        have = b""
        while len(have) < size:
            part = await self.read_some()
            if not part:
                raise EOFError(f"The peer ended after {len(have)} of {size} bytes.")
            have += part
        if len(have) > size:
            self._arrived.insert(0, have[size:])
        return have[:size]

    def send(self, data: Buffer) -> None:
        try:
            self._protocol.send_binary(data)
        except InvalidState as exc:
            raise ConnectionResetError("The WebSocket is closing.") from exc
        self._flush()

    async def drain(self) -> None:
        await self._paced.drain()

    async def write(self, data: bytes) -> None:
        self.send(data)
        await self.drain()

    async def keep_alive(self) -> None:
        """Ping while the peer answers; returns when it has not for `SILENCE_MAX_S`."""
        while self._clock.monotonic_s() - self._heard_s < SILENCE_MAX_S:
            await asyncio.sleep(PING_EVERY_S)
            if self._protocol.state is not State.OPEN:
                return
            self._protocol.send_ping(b"")
            self._flush()

    async def close(self, code: CloseCode, reason: str) -> None:
        """Say why and close; the second call does nothing. `reason` is cut to what a close frame holds."""
        if self._closed:
            return
        self._closed = True
        if self._protocol.state is State.OPEN:
            self._protocol.send_close(code, reason.encode()[:120].decode(errors="ignore"))
            self._flush()
            await self._wait_for_goodbye()
        self._paced.finish()
        await close_writer(self._writer)

    async def _wait_for_goodbye(self) -> None:
        """Read on until the peer has answered the close frame.

        Closing TCP over unread bytes would reset the connection, and the peer would never read why.
        """
        with contextlib.suppress(TimeoutError, OSError):
            async with asyncio.timeout(GOODBYE_DEADLINE_S):
                while not self._writer.is_closing() and (data := await self._reader.read(READ_MAX_BYTES)):
                    self._protocol.receive_data(data)
                    self._protocol.events_received()
                    self._flush()

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if data == SEND_EOF:
                self._paced.finish()
                self._writer.close()
            elif not self._writer.is_closing():
                self._paced.send(data)


def wants_websocket(headers: list[tuple[bytes, bytes]]) -> bool:
    """Whether a request asks for an upgrade to WebSocket."""
    return any(name == b"upgrade" and b"websocket" in value.lower() for name, value in headers)


def same_origin(headers: list[tuple[bytes, bytes]]) -> bool:
    """Whether the page that asks came from this very address: `Origin` names the `Host` of the request, over https.

    Browsers always send `Origin` with a WebSocket (RFC 6455, 10.2). A program without a browser need not; it carries
    nobody's cookies, so that there is nothing to steal through it.
    """
    origins = [value for name, value in headers if name == b"origin"]
    hosts = [value for name, value in headers if name == b"host"]
    if len(hosts) != 1 or len(origins) > 1:
        return False
    return not origins or origins[0].lower() == b"https://" + _without_default_port(hosts[0].lower())


def _without_default_port(host: bytes) -> bytes:
    """A browser leaves :443 out of `Origin` even when the address bar had it."""
    return re.sub(rb":443$", b"", host)


__all__ = ["WebSocketStream", "same_origin", "wants_websocket"]
