"""Tells a new connection's kind by its first bytes, without taking them from it."""

from __future__ import annotations

import asyncio
import socket
from enum import Enum


class Kind(Enum):
    """What speaks on a new connection."""

    TLS = "tls"
    SPICE = "spice"
    CONNECT = "connect"
    HTTP = "http"
    OTHER = "other"


TLS_HANDSHAKE = 0x16
_WORDS = {
    b"REDQ": Kind.SPICE,
    b"CONN": Kind.CONNECT,
    b"GET ": Kind.HTTP,
    b"HEAD": Kind.HTTP,
    b"POST": Kind.HTTP,
}
_WORD_BYTES = 4


async def readable(sock: socket.socket) -> None:
    """Wait until a read of the non-blocking `sock` would not block. The caller sets the deadline."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()

    def there() -> None:
        if not ready.done():
            ready.set_result(None)

    loop.add_reader(sock, there)
    try:
        await ready
    finally:
        loop.remove_reader(sock)


async def kind_of(sock: socket.socket) -> Kind:
    """Looks at up to four bytes. The caller sets the deadline.

    A TLS record of type handshake is known by its first byte. For the rest the four bytes are taken off the socket:
    whoever answers reads on from there, and a peeked part would be readable at once again, for ever.
    """
    await readable(sock)
    first = sock.recv(1, socket.MSG_PEEK)
    if first and first[0] == TLS_HANDSHAKE:
        return Kind.TLS
    loop = asyncio.get_running_loop()
    word = b""
    while len(word) < _WORD_BYTES:
        part = await loop.sock_recv(sock, _WORD_BYTES - len(word))
        if not part:
            return Kind.OTHER
        word += part
        if not any(known.startswith(word) for known in _WORDS):
            return Kind.OTHER
    return _WORDS[word]
