"""One connection to the public port, from its first byte to its last."""

from __future__ import annotations

import asyncio
import socket
import ssl
from dataclasses import dataclass

import h11
import structlog

from frazil.gateway.controllers import Controllers
from frazil.gateway.entrance import HEAD_MAX_BYTES, PLAIN_DEADLINE_S, enter, start_inner_tls
from frazil.gateway.forward import ClientGone, Forwarder
from frazil.gateway.links import Link, LinkParts, session_of
from frazil.gateway.relay import RELAY_READ_BYTES
from frazil.gateway.streams import TunnelStream, close_writer
from frazil.gateway.tunnel import ESTABLISHED, TunnelRefused, session_of_target
from frazil.gateway.websocket import WebSocketStream, same_origin, wants_websocket
from frazil.model.clock import Clock, Ids

HEAD_DEADLINE_S = 10.0
"""From a request's first byte to the end of its head, however slowly it drips."""
IDLE_DEADLINE_S = 75.0
"""Between two requests of one connection."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionParts:
    """What every connection of the process shares."""

    clock: Clock
    ids: Ids
    context: ssl.SSLContext
    controllers: Controllers
    links: LinkParts


async def serve_connection(sock: socket.socket, remote_address: str, parts: ConnectionParts) -> None:
    """Serve a new, non-blocking connection and close it. Raises nothing for the peer's sake."""
    try:
        entered = await enter(sock, parts.context)
    except (OSError, TimeoutError) as exc:  # ssl.SSLError is an OSError.
        _log.debug("gateway.connection-refused", remote_address=remote_address, why=type(exc).__name__)
        return
    if entered is None:
        return
    reader, writer = entered.reader, entered.writer
    try:
        if entered.session_id is None:
            await _serve_http(reader, writer, remote_address, parts)
        else:
            await _serve_tunnel(reader, writer, entered.session_id, remote_address, parts)
    except (ClientGone, OSError, TimeoutError):
        _log.debug("gateway.client-gone", remote_address=remote_address)
    finally:
        await close_writer(writer)


async def _serve_http(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, remote_address: str, parts: ConnectionParts
) -> None:
    """Request after request, until the connection ends or becomes a link."""
    forwarder = Forwarder(reader, writer, controllers=parts.controllers, remote_address=remote_address, ids=parts.ids)
    idle_s = HEAD_DEADLINE_S
    while True:
        server = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_MAX_BYTES)
        try:
            head = await _read_head(reader, idle_s=idle_s)
        except asyncio.LimitOverrunError:
            await _refuse(server, writer, 431, "The request's head is too large.")
            return
        if not head:
            return
        try:
            server.receive_data(head)
            request = server.next_event()
        except h11.RemoteProtocolError:
            await _refuse(server, writer, 400, "This is not a proper HTTP request.")
            return
        if not isinstance(request, h11.Request):
            return
        if request.method == b"CONNECT":
            await _open_inner_tunnel(server, request, writer, remote_address, parts)
            return
        if not request.target.startswith(b"/"):
            await _refuse(server, writer, 400, "The request names no path.")
            return
        if not any(name == b"host" and value for name, value in request.headers):
            await _refuse(server, writer, 400, "The request names no host.")  # HTTP/1.0 need not, what follows does
            return
        if request.target.startswith(b"/spice/"):
            await _serve_link(server, request, head, reader, writer, remote_address, parts)
            return
        if not await forwarder.forward(server, request):
            return
        idle_s = IDLE_DEADLINE_S


async def _read_head(reader: asyncio.StreamReader, *, idle_s: float) -> bytes:
    """A request's head; empty when the client ends or says nothing. Raises LimitOverrunError."""
    try:
        async with asyncio.timeout(idle_s):
            start = await reader.read(1)
        if not start:
            return b""
        async with asyncio.timeout(HEAD_DEADLINE_S):
            return start + await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, TimeoutError):
        return b""


async def _serve_link(
    server: h11.Connection,
    request: h11.Request,
    head: bytes,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    remote_address: str,
    parts: ConnectionParts,
) -> None:
    headers = list(request.headers)
    session_id = session_of(request.target.partition(b"?")[0].decode("ascii", errors="replace"))
    if session_id is None:
        await _refuse(server, writer, 404, "There is no session of that name.")
    elif not wants_websocket(headers):
        await _refuse(server, writer, 426, "A desktop is reached over WebSocket here.")
    elif not same_origin(headers):
        _log.warning("gateway.origin-refused", remote_address=remote_address, session_id=session_id)
        await _refuse(server, writer, 403, "Only pages of this very address may open a desktop.")
    else:
        stream = WebSocketStream(reader, writer, clock=parts.clock)
        if await stream.accept(head):
            await Link(stream, session_id, remote_address, parts.links).run()


async def _open_inner_tunnel(
    server: h11.Connection,
    request: h11.Request,
    writer: asyncio.StreamWriter,
    remote_address: str,
    parts: ConnectionParts,
) -> None:
    """CONNECT inside TLS, from a viewer whose proxy is an https address."""
    wanted = session_of_target(request.target)
    if isinstance(wanted, TunnelRefused):
        await _refuse(server, writer, wanted.status, wanted.text)
        return
    async with asyncio.timeout(PLAIN_DEADLINE_S):
        writer.write(ESTABLISHED)
        await writer.drain()
    inner_reader, inner_writer = await start_inner_tls(writer, parts.context)
    await _serve_tunnel(inner_reader, inner_writer, wanted, remote_address, parts)


async def _serve_tunnel(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    session_id: str,
    remote_address: str,
    parts: ConnectionParts,
) -> None:
    stream = TunnelStream(reader, writer, read_max_bytes=RELAY_READ_BYTES)
    await Link(stream, session_id, remote_address, parts.links).run()


async def _refuse(server: h11.Connection, writer: asyncio.StreamWriter, status: int, text: str) -> None:
    body = f"{text}\n".encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    if status == 426:
        headers.append((b"upgrade", b"websocket"))
    packets = (
        server.send(h11.Response(status_code=status, headers=headers)),
        server.send(h11.Data(data=body)),
        server.send(h11.EndOfMessage()),
    )
    async with asyncio.timeout(PLAIN_DEADLINE_S):
        writer.write(b"".join(packet or b"" for packet in packets))
        await writer.drain()
