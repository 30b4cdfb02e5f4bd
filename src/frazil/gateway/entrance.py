"""A new connection's way in: from its first byte to TLS, or to an answer for those who do not speak it."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from dataclasses import dataclass

import h11

from frazil.gateway.first_bytes import Kind, kind_of
from frazil.gateway.headers import first
from frazil.gateway.tunnel import ESTABLISHED, session_of_head
from frazil.spice.link import encode_refusal
from frazil.spice.link_errors import LinkError

FIRST_BYTES_DEADLINE_S = 10.0
TLS_DEADLINE_S = 10.0
PLAIN_DEADLINE_S = 5.0
HEAD_MAX_BYTES = 1 << 15
WRITE_HIGH_WATER_BYTES = 1 << 18
UNHEARD_MAX_S = 60
"""What was sent is acknowledged within so long, or the peer has vanished. As long as a viewer may take nothing."""
_HOST = re.compile(rb"[A-Za-z0-9.\-]{1,253}(?::[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](?::[0-9]{1,5})?")

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True, slots=True)
class Entered:
    """TLS with a client; `session_id` is what it named by CONNECT before, if it did."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    session_id: str | None


async def enter(sock: socket.socket, context: ssl.SSLContext) -> Entered | None:
    """TLS over `sock`, or None once what spoke without TLS has its answer. The socket is closed unless TLS has it.

    Raises OSError and TimeoutError for the peer's sake.
    """
    try:
        _tune(sock)
        async with asyncio.timeout(FIRST_BYTES_DEADLINE_S):
            kind = await kind_of(sock)
        if kind is Kind.TLS:
            return Entered(*await _start_tls(sock, context), None)
        async with asyncio.timeout(PLAIN_DEADLINE_S):
            session_id = await _answer_plain(sock, kind)
        if session_id is not None:
            return Entered(*await _start_tls(sock, context), session_id)
    except BaseException:
        sock.close()
        raise
    sock.close()
    return None


async def start_inner_tls(outer: asyncio.StreamWriter, context: ssl.SSLContext) -> Streams:
    """TLS inside TLS, for a viewer whose proxy is an https address. Closing the inner stream closes the outer one.

    Raises OSError for the peer's sake.
    """
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=HEAD_MAX_BYTES, loop=loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    transport = await loop.start_tls(
        outer.transport,
        protocol,
        context,
        server_side=True,
        ssl_handshake_timeout=TLS_DEADLINE_S,
        ssl_shutdown_timeout=1.0,
    )
    if transport is None:
        raise ConnectionResetError("The client left before the inner TLS was made.")
    transport.set_write_buffer_limits(high=WRITE_HIGH_WATER_BYTES)
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


def _tune(sock: socket.socket) -> None:
    """Small messages leave at once, and a peer that vanished is noticed by the kernel too.

    Its keep-alive asks only while nothing is on the way (tcp(7)); what is would be sent again for a quarter of an hour.
    """
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 1000 * UNHEARD_MAX_S)


async def _start_tls(sock: socket.socket, context: ssl.SSLContext) -> Streams:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=HEAD_MAX_BYTES, loop=loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    transport, _ = await loop.connect_accepted_socket(
        lambda: protocol, sock, ssl=context, ssl_handshake_timeout=TLS_DEADLINE_S, ssl_shutdown_timeout=1.0
    )
    transport.set_write_buffer_limits(high=WRITE_HIGH_WATER_BYTES)
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


async def _answer_plain(sock: socket.socket, kind: Kind) -> str | None:
    """What speaks without TLS is told to use it, in its own words; anything else gets nothing.

    The id of a session to which a tunnel is open now, or None when nothing more is to be said.
    """
    loop = asyncio.get_running_loop()
    if kind is Kind.SPICE:
        await loop.sock_sendall(sock, encode_refusal(LinkError.NEED_SECURED))
    elif kind is Kind.CONNECT:
        wanted = session_of_head(b"CONN" + await _plain_head(sock), max_bytes=HEAD_MAX_BYTES)
        if isinstance(wanted, str):
            await loop.sock_sendall(sock, ESTABLISHED)
            return wanted
        await loop.sock_sendall(sock, wanted.answer())
    elif kind is Kind.HTTP:
        answer = _redirect(await _plain_head(sock))
        await loop.sock_sendall(sock, answer)
    else:
        return None
    sock.shutdown(socket.SHUT_WR)
    while await loop.sock_recv(sock, HEAD_MAX_BYTES):
        """Read to the end, so that unread bytes do not turn the answer into a reset."""
    return None


async def _plain_head(sock: socket.socket) -> bytes:
    """The rest of a request's head after its first four bytes, which `kind_of` has taken."""
    loop = asyncio.get_running_loop()
    head = b""
    while b"\r\n\r\n" not in head and len(head) < HEAD_MAX_BYTES:
        part = await loop.sock_recv(sock, HEAD_MAX_BYTES - len(head))
        if not part:
            break
        head += part
    return head


def _redirect(rest: bytes) -> bytes:
    """301 to the same address over https. The method's first word is gone, and does not matter."""
    server = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_MAX_BYTES)
    server.receive_data(b"GET " + rest.lstrip(b" "))
    try:
        request = server.next_event()
    except h11.RemoteProtocolError:
        request = None
    host = first(list(request.headers), b"host") if isinstance(request, h11.Request) else b""
    if not isinstance(request, h11.Request) or not _HOST.fullmatch(host) or not request.target.startswith(b"/"):
        return b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    location = b"https://" + host + request.target
    return (
        b"HTTP/1.1 301 Moved Permanently\r\nlocation: "
        + location
        + b"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    )
